/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certs/csrform.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkcsr.h"

enum { TEST_KEYS = 4 };

/* Made once: keys cost more than the tests. */
static EVP_PKEY *test_csrform_keys[TEST_KEYS];

/* The bytes of a request; OPENSSL_free() them. */
static unsigned char *test_csrform_make(EVP_PKEY *key, long *ret_len)
{
	const struct mkcsr spec = { .key = key,
				    .fields = { MKCSR_FIELD(NID_commonName, "a.b") },
				    .sans = { MKCERT_NAME(GEN_DNS, "a.b") } };
	char *pem = mkcsr_make(&spec), *name = NULL, *header = NULL;
	BIO *bio = BIO_new_mem_buf(pem, -1);
	unsigned char *der = NULL;

	if (PEM_read_bio(bio, &name, &header, &der, ret_len) != 1)
		exit(2);
	OPENSSL_free(name);
	OPENSSL_free(header);
	BIO_free(bio);
	free(pem);
	return der;
}

static bool test_csrform_reads(const unsigned char *der, long len, EVP_PKEY *want)
{
	bool left = true, is_right;
	_cleanup_(csrform_freep) struct csrform *f = csrform_decode(der, len, &left);
	EVP_PKEY *key;

	CU_ASSERT_FALSE(left);
	if (!f)
		return false;
	key = csrform_decode_key(f);
	is_right = key && EVP_PKEY_eq(key, want) == 1 && csrform_is_signed_by(f, key);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return is_right;
}

/* Keys of all kinds one after the other, of which one decoder must not mix up any. */
static void test_csrform_keys_in_turn(void)
{
	for (size_t i = 0; i < TEST_KEYS * TEST_KEYS * 2; i++) {
		EVP_PKEY *key = test_csrform_keys[i % TEST_KEYS ^ i / TEST_KEYS % TEST_KEYS];
		long len = 0;
		unsigned char *der = test_csrform_make(key, &len);

		CU_ASSERT_TRUE(test_csrform_reads(der, len, key));
		OPENSSL_free(der);
	}
}

static void test_csrform_fields(void)
{
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	bool left;
	_cleanup_(csrform_freep) struct csrform *f = csrform_decode(der, len, &left);

	CU_ASSERT_PTR_NOT_NULL(f);
	if (f) {
		CU_ASSERT_EQUAL(ASN1_INTEGER_get(f->info->version), 0);
		CU_ASSERT_EQUAL(X509_NAME_entry_count(f->info->subject), 1);
		CU_ASSERT_EQUAL(sk_X509_ATTRIBUTE_num(f->info->attributes), 1);
		CU_ASSERT_FALSE(csrform_is_signed_by(f, test_csrform_keys[1]));
		CU_ASSERT_FALSE(csrform_is_signed_by(f, test_csrform_keys[2]));
	}
	ERR_clear_error();
	OPENSSL_free(der);
}

static void test_csrform_bounds(void)
{
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	unsigned char *more = calloc(1, (size_t)len + 1);
	bool left;

	for (long n = 0; n < len; n++) {
		left = true;
		CU_ASSERT_PTR_NULL(csrform_decode(der, n, &left));
		CU_ASSERT_FALSE(left);
	}
	if (more) {
		memcpy(more, der, (size_t)len);
		CU_ASSERT_PTR_NULL(csrform_decode(more, len + 1, &left));
		CU_ASSERT_TRUE(left);
	}
	ERR_clear_error();
	free(more);
	OPENSSL_free(der);
}

/* A key that is none leaves nothing behind for the next. */
static void test_csrform_bad_key(void)
{
	EVP_PKEY *good = test_csrform_keys[0];
	long len = 0;
	unsigned char *der = test_csrform_make(good, &len);
	bool left;
	_cleanup_(csrform_freep) struct csrform *f = csrform_decode(der, len, &left);
	unsigned char *key = f ? (unsigned char *)ASN1_STRING_get0_data(f->info->key) : NULL;

	for (int i = 0; key && i < ASN1_STRING_length(f->info->key); i++) {
		EVP_PKEY *none;

		key[i] ^= 0x40;
		none = csrform_decode_key(f);
		CU_ASSERT_FALSE(none && EVP_PKEY_eq(none, good) == 1);
		EVP_PKEY_free(none);
		key[i] ^= 0x40;
	}
	CU_ASSERT_TRUE(test_csrform_reads(der, len, good));
	if (f) {
		CU_ASSERT_EQUAL(ASN1_STRING_set(f->info->key, "", 0), 1);
		CU_ASSERT_PTR_NULL(csrform_decode_key(f));
	}
	ERR_clear_error();
	OPENSSL_free(der);
}

/* Nobody else would see what stands behind a key. */
static void test_csrform_more_than_a_key(void)
{
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	bool left;
	_cleanup_(csrform_freep) struct csrform *f = csrform_decode(der, len, &left);
	int n = f ? ASN1_STRING_length(f->info->key) : 0;
	unsigned char *more = calloc(1, (size_t)n + 1);

	if (f && more) {
		memcpy(more, ASN1_STRING_get0_data(f->info->key), (size_t)n);
		CU_ASSERT_EQUAL(ASN1_STRING_set(f->info->key, more, n + 1), 1);
		CU_ASSERT_PTR_NULL(csrform_decode_key(f));
	}
	CU_ASSERT_TRUE(test_csrform_reads(der, len, test_csrform_keys[0]));
	ERR_clear_error();
	free(more);
	OPENSSL_free(der);
}

/* From the first key of the program on, so the decoder's making is tried, too. */
static void test_csrform_out_of_memory(void)
{
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	size_t site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		torture_arm(site);
		(void)test_csrform_reads(der, len, test_csrform_keys[0]);
		if (!torture_disarm())
			break;
	}
	CU_ASSERT_TRUE(site > 50 && site < TORTURE_SITES_MAX);
	CU_ASSERT_TRUE(test_csrform_reads(der, len, test_csrform_keys[0]));
	OPENSSL_free(der);
}

static const struct tap_test test_csrform_tests[] = {
	{ "out of memory", test_csrform_out_of_memory },
	{ "keys in turn", test_csrform_keys_in_turn },
	{ "fields", test_csrform_fields },
	{ "cut short, or more", test_csrform_bounds },
	{ "keys that are none", test_csrform_bad_key },
	{ "something behind a key", test_csrform_more_than_a_key },
	{ 0 },
};

static const struct tap_suite test_csrform_suites[] = {
	{ "csrform", test_csrform_tests, NULL, NULL },
	{ 0 },
};

static void *test_csrform_malloc(size_t size, const char *file, int line)
{
	return malloc(size);
}

static void *test_csrform_realloc(void *p, size_t size, const char *file, int line)
{
	return realloc(p, size);
}

static void test_csrform_free(void *p, const char *file, int line)
{
	free(p);
}

int main(int argc, char **argv)
{
	int r = 2;

	/* So that the torture reaches the allocations of OpenSSL. Only before the first of them. */
	if (CRYPTO_set_mem_functions(test_csrform_malloc, test_csrform_realloc,
				     test_csrform_free) != 1)
		return 2;
	test_csrform_keys[0] = EVP_EC_gen("P-256");
	test_csrform_keys[1] = EVP_RSA_gen(2048);
	test_csrform_keys[2] = EVP_EC_gen("P-384");
	test_csrform_keys[3] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (test_csrform_keys[0] && test_csrform_keys[1] && test_csrform_keys[2] &&
	    test_csrform_keys[3])
		r = tap_main(argc, argv, test_csrform_suites);
	for (size_t i = 0; i < TEST_KEYS; i++)
		EVP_PKEY_free(test_csrform_keys[i]);
	return r;
}
