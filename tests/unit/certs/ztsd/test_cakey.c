/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/ztsd/cakey.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static EVP_PKEY *test_cakey_key;
static char test_cakey_plain[PATH_MAX], test_cakey_sealed[PATH_MAX], test_cakey_pin[PATH_MAX];

static void test_cakey_write(const char *name, const char *passphrase, unsigned int times,
			     char path[PATH_MAX])
{
	FILE *f = fopen(tmpdir_path(path, name), "w");

	for (unsigned int i = 0; f && i < times; i++)
		if (PEM_write_PKCS8PrivateKey(f, test_cakey_key,
					      passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL,
					      (void *)passphrase) != 1)
			exit(2);
	if (!f || fclose(f) != 0 || chmod(path, 0600) < 0)
		exit(2);
}

static const char *test_cakey_write_pin(const char *text)
{
	if (tmpdir_write("pin", text, strlen(text)) < 0)
		exit(2);
	return tmpdir_path(test_cakey_pin, "pin");
}

/* Opens and loads. Gives 0 when the right key came, else the error with @why. */
static int test_cakey_try(const struct cakey_spec *spec, char *why)
{
	_cleanup_(cakey_closep) struct cakey *k = NULL;
	int r = cakey_open(spec, &k, why);

	if (r == 0) {
		CU_ASSERT_EQUAL(cakey_is_token(k), *spec->key != '/');
		CU_ASSERT_EQUAL(!cakey_get(k), cakey_is_token(k));
		r = cakey_load(k, why);
	}
	if (r == 0 && EVP_PKEY_eq(cakey_get(k), test_cakey_key) != 1)
		tap_fail(__FILE__, __LINE__, "%s: another key", spec->key);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	return r;
}

static void test_cakey_expect(const struct cakey_spec *spec, const char *expect)
{
	char why[CAKEY_WHY_MAX] = "";

	CU_ASSERT_EQUAL(test_cakey_try(spec, why), *expect ? -EINVAL : 0);
	if (!strstr(why, expect))
		tap_fail(__FILE__, __LINE__, "%s: no '%s' in '%s'", spec->key, expect, why);
}

static void test_cakey_file(void)
{
	struct cakey_spec spec = { .key = test_cakey_plain };

	test_cakey_expect(&spec, "");
	spec.key = test_cakey_sealed;
	test_cakey_expect(&spec, "no private key in PEM, or one with a passphrase");
	spec.pin_file = test_cakey_write_pin("sesame\n");
	test_cakey_expect(&spec, "");
	spec.pin_file = test_cakey_write_pin("sesam\n");
	test_cakey_expect(&spec, "no private key in PEM, or another passphrase");
	spec.key = "/nowhere/key.pem";
	test_cakey_expect(&spec, "/nowhere/key.pem: No such file");
}

static void test_cakey_uri(void)
{
	char plain[PATH_MAX + 8], sealed[PATH_MAX + 8], two[PATH_MAX + 8], path[PATH_MAX];
	struct cakey_spec spec = { .key = plain };

	snprintf(plain, sizeof(plain), "file:%s", test_cakey_plain);
	snprintf(sealed, sizeof(sealed), "file:%s", test_cakey_sealed);
	test_cakey_write("two.pem", NULL, 2, path);
	snprintf(two, sizeof(two), "file:%s", path);
	test_cakey_expect(&spec, "");
	spec.key = sealed;
	test_cakey_expect(&spec, "its PIN is missing or wrong");
	spec.pin_file = test_cakey_write_pin("sesam");
	test_cakey_expect(&spec, "or the PIN is wrong");
	spec.pin_file = test_cakey_write_pin("sesame");
	test_cakey_expect(&spec, "");
	spec.key = two;
	test_cakey_expect(&spec, "more than one private key fits");
	spec.key = "file:/nowhere/key.pem";
	test_cakey_expect(&spec, "file:/nowhere/key.pem: No such file");
	CU_ASSERT_EQUAL(chmod(test_cakey_plain, 0604), 0);
	spec.key = plain;
	test_cakey_expect(&spec, "everybody may read or write this file");
	CU_ASSERT_EQUAL(chmod(test_cakey_plain, 0600), 0);
}

/* Loads @key with the PIN @pin, and says whether it was told, what cakey_load() gave aside. */
static bool test_cakey_tells(const char *key, const char *pin)
{
	struct cakey_spec spec = { .key = key, .pin_file = pin ? test_cakey_write_pin(pin) : NULL };
	_cleanup_(cakey_closep) struct cakey *k = NULL;
	char why[CAKEY_WHY_MAX];
	int r;

	CU_ASSERT_EQUAL(cakey_open(&spec, &k, why), 0);
	if (!k)
		return false;
	CU_ASSERT_FALSE(cakey_has_told_pin(k));
	r = cakey_load(k, why);
	CU_ASSERT_TRUE(r == 0 || r == -EINVAL);
	return cakey_has_told_pin(k);
}

static void test_cakey_tells_pin(void)
{
	char plain[PATH_MAX + 8], sealed[PATH_MAX + 8], away[PATH_MAX], why[CAKEY_WHY_MAX];
	struct cakey_spec spec = { .key = sealed };
	_cleanup_(cakey_closep) struct cakey *k = NULL;

	snprintf(plain, sizeof(plain), "file:%s", test_cakey_plain);
	snprintf(sealed, sizeof(sealed), "file:%s", test_cakey_sealed);
	CU_ASSERT_TRUE(test_cakey_tells(sealed, "sesame"));
	CU_ASSERT_TRUE(test_cakey_tells(sealed, "wrong"));
	CU_ASSERT_FALSE(test_cakey_tells(sealed, NULL));
	CU_ASSERT_FALSE(test_cakey_tells(plain, "sesame"));
	CU_ASSERT_FALSE(test_cakey_tells("file:/nowhere/key.pem", "sesame"));
	CU_ASSERT_TRUE(test_cakey_tells("token-of-nobody:object=ca?PIN-value=1", NULL));
	/* It is about the last load: of a token that is away nobody has asked anything. */
	spec.pin_file = test_cakey_write_pin("sesame");
	CU_ASSERT_EQUAL_FATAL(cakey_open(&spec, &k, why), 0);
	CU_ASSERT_EQUAL(cakey_load(k, why), 0);
	CU_ASSERT_TRUE(cakey_has_told_pin(k));
	CU_ASSERT_EQUAL(rename(test_cakey_sealed, tmpdir_path(away, "away.pem")), 0);
	CU_ASSERT_EQUAL(cakey_load(k, why), -EINVAL);
	CU_ASSERT_FALSE(cakey_has_told_pin(k));
	CU_ASSERT_EQUAL(rename(away, test_cakey_sealed), 0);
}

static void test_cakey_provider(void)
{
	char plain[PATH_MAX + 8];
	struct cakey_spec spec = { .key = plain, .provider = "none-such" };

	snprintf(plain, sizeof(plain), "file:%s", test_cakey_plain);
	test_cakey_expect(&spec, "cannot load its provider 'none-such'; is it installed?");
	spec.provider = "base";
	test_cakey_expect(&spec, "");
	spec.key = "token-of-nobody:object=ca";
	test_cakey_expect(&spec, "no provider can open it");
	spec.key = "token-of-nobody:object=ca?pin-value=1234";
	test_cakey_expect(&spec, "token-of-nobody:object=ca?pin-value=...: no provider");
}

/* A key can be loaded again, and the one before does not keep the new one away. */
static void test_cakey_again(void)
{
	char plain[PATH_MAX + 8], why[CAKEY_WHY_MAX] = "";
	struct cakey_spec spec = { .key = plain };
	_cleanup_(cakey_closep) struct cakey *k = NULL;

	snprintf(plain, sizeof(plain), "file:%s", test_cakey_plain);
	CU_ASSERT_EQUAL(cakey_open(&spec, &k, why), 0);
	for (int i = 0; i < 3 && k; i++) {
		CU_ASSERT_EQUAL(rename(test_cakey_plain, test_cakey_pin), 0);
		CU_ASSERT_EQUAL(cakey_load(k, why), -EINVAL);
		CU_ASSERT_PTR_NULL(cakey_get(k));
		CU_ASSERT_EQUAL(rename(test_cakey_pin, test_cakey_plain), 0);
		CU_ASSERT_EQUAL(cakey_load(k, why), 0);
		CU_ASSERT_PTR_NOT_NULL(cakey_get(k));
	}
	cakey_close(NULL);
}

static void test_cakey_pin_file(void)
{
	struct cakey_spec spec = { .key = test_cakey_sealed };
	char text[CAKEY_PIN_MAX + 2];

	spec.pin_file = test_cakey_write_pin("sesame\r\nand more");
	test_cakey_expect(&spec, "");
	CU_ASSERT_EQUAL(chmod(spec.pin_file, 0640), 0);
	test_cakey_expect(&spec, "");
	CU_ASSERT_EQUAL(chmod(spec.pin_file, 0604), 0);
	test_cakey_expect(&spec, "pin: everybody may read or write this file: chmod o=");
	CU_ASSERT_EQUAL(chmod(spec.pin_file, 0600), 0);
	spec.pin_file = test_cakey_write_pin("\nsesame");
	test_cakey_expect(&spec, "no PIN in its first line");
	for (size_t n = CAKEY_PIN_MAX - 2; n <= CAKEY_PIN_MAX; n++) {
		memset(text, '1', n);
		text[n] = '\0';
		spec.pin_file = test_cakey_write_pin(text);
		test_cakey_expect(&spec, n < CAKEY_PIN_MAX ? "another passphrase" : "too large");
	}
	spec.pin_file = "/nowhere/pin";
	test_cakey_expect(&spec, "/nowhere/pin: No such file");
}

static void test_cakey_redacts(void)
{
	static const char *const cases[][2] = {
		{ "/etc/ca.pem", "/etc/ca.pem" },
		{ "pkcs11:object=ca?pin-source=/pin", "pkcs11:object=ca?pin-source=/pin" },
		{ "pkcs11:object=ca?pin-value=1", "pkcs11:object=ca?pin-value=..." },
		{ "pkcs11:object=ca?pin-value=", "pkcs11:object=ca?pin-value=..." },
		{ "pkcs11:a?PIN-Value=12&module-name=x", "pkcs11:a?PIN-Value=...&module-name=x" },
		{ "pkcs11:a?pin-value=1&b=2&pin-value=3&c", "pkcs11:a?pin-value=...&c" },
	};
	char shown[CAKEY_URI_MAX], longest[CAKEY_URI_MAX + 8];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cakey_redact(cases[i][0], shown);
		CU_ASSERT_STRING_EQUAL(shown, cases[i][1]);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	cakey_redact(longest, shown);
	CU_ASSERT_EQUAL(strlen(shown), CAKEY_URI_MAX - 1);
}

static const struct tap_test test_cakey_tests[] = {
	{ "a key in a file", test_cakey_file },
	{ "a key by a URI", test_cakey_uri },
	{ "whether the PIN was told", test_cakey_tells_pin },
	{ "providers that are not there", test_cakey_provider },
	{ "a key that goes and comes", test_cakey_again },
	{ "the file with the PIN", test_cakey_pin_file },
	{ "a PIN in a URI is not shown", test_cakey_redacts },
	{ 0 },
};

static const struct tap_suite test_cakey_suites[] = {
	{ "cakey", test_cakey_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int status;

	test_cakey_key = EVP_EC_gen("P-256");
	if (!test_cakey_key)
		return 2;
	test_cakey_write("plain.pem", NULL, 1, test_cakey_plain);
	test_cakey_write("sealed.pem", "sesame", 1, test_cakey_sealed);
	test_cakey_write_pin("none");
	status = tap_main(argc, argv, test_cakey_suites);
	EVP_PKEY_free(test_cakey_key);
	return status;
}
