/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/certbody.h"
#include "tests/support/tap.h"

/* What the whole looks like is tested with its signature, in test_signer.c. */

static const unsigned char test_certbody_name[] = { 0x30, 0 };
static const unsigned char test_certbody_algorithm[] = { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 };
static const struct certbody_ca test_certbody_ca = {
	.algorithm = test_certbody_algorithm,
	.algorithm_len = sizeof(test_certbody_algorithm),
	.name = test_certbody_name,
	.name_len = sizeof(test_certbody_name),
	.key_id = test_certbody_name,
	.key_id_len = 1,
};
static EVP_PKEY *test_certbody_key;

static struct signer_order test_certbody_order(void)
{
	return (struct signer_order){ .key = test_certbody_key,
				      .common_name = "a.b",
				      .serial = "01",
				      .not_before_wall = 1790000000,
				      .not_after_wall = 1790000001,
				      .purposes = SIGNER_PURPOSE_CLIENT };
}

/* Into a buffer of exactly the size that was said, less @less. */
static int test_certbody_put(const struct signer_order *order, size_t less, size_t *ret_len)
{
	size_t room = certbody_room(order, &test_certbody_ca) - less;
	unsigned char *bytes = malloc(room);
	struct der_out out = der_begin(bytes, room);
	int r = certbody_put(order, &test_certbody_ca, &out);

	*ret_len = der_mark(&out);
	free(bytes);
	ERR_clear_error();
	return r;
}

static void test_certbody_longest(void)
{
	static struct csr_name name = { .kind = CSR_URI };
	const struct csr_name *names[48];
	struct signer_order order = test_certbody_order();
	char text[256];
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(name.text, 'x', sizeof(name.text) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = &name;
	order.names = names;
	order.n_names = ARRAY_SIZE(names);
	order.common_name = order.organization = order.organizational_unit = text;
	order.key = EVP_RSA_gen(4096);
	CU_ASSERT_EQUAL(test_certbody_put(&order, 0, &len), 0);
	CU_ASSERT_TRUE(len > ARRAY_SIZE(names) * (sizeof(name.text) - 1));
	CU_ASSERT_EQUAL(
		test_certbody_put(&order, certbody_room(&order, &test_certbody_ca) - len, &len), 0);
	CU_ASSERT_EQUAL(test_certbody_put(&order,
					  certbody_room(&order, &test_certbody_ca) - len + 1, &len),
			-EIO);
	EVP_PKEY_free(order.key);
}

static void test_certbody_refuses(void)
{
	static const struct csr_name mail = { CSR_EMAIL, "a@b" }, ip = { CSR_IP, "10.1.2" };
	struct signer_order order = test_certbody_order();
	size_t len;

	CU_ASSERT_EQUAL(test_certbody_put(&order, 0, &len), 0);
	order.names = (const struct csr_name *const[]){ &mail };
	order.n_names = 1;
	CU_ASSERT_EQUAL(test_certbody_put(&order, 0, &len), -EIO);
	order.names = (const struct csr_name *const[]){ &ip };
	CU_ASSERT_EQUAL(test_certbody_put(&order, 0, &len), -EIO);
	order.n_names = 0;
	order.serial = "xy";
	CU_ASSERT_EQUAL(test_certbody_put(&order, 0, &len), -EIO);
}

/* The key as OpenSSL would write it. */
static void test_certbody_keys(void)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521"),
			     EVP_RSA_gen(2048), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		unsigned char bytes[1024], *want = NULL;
		struct der_out out = der_begin(bytes, sizeof(bytes));
		int len = i2d_PUBKEY(keys[i], &want);

		CU_ASSERT_EQUAL(certbody_put_key(keys[i], &out), 0);
		CU_ASSERT_FALSE(out.failed);
		CU_ASSERT_EQUAL(der_mark(&out), (size_t)len);
		CU_ASSERT_EQUAL(memcmp(out.at, want, (size_t)len), 0);
		OPENSSL_free(want);
		EVP_PKEY_free(keys[i]);
	}
}

/* Bytes instead of a key make no other certificate. */
static void test_certbody_key_info(void)
{
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_RSA_gen(2048) };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		unsigned char bytes[2][2048], *info = NULL;
		struct der_out out[2] = { der_begin(bytes[0], sizeof(bytes[0])),
					  der_begin(bytes[1], sizeof(bytes[1])) };
		struct signer_order order = test_certbody_order();

		order.key = keys[i];
		CU_ASSERT_EQUAL(certbody_put(&order, &test_certbody_ca, &out[0]), 0);
		order.key = NULL;
		order.key_info_len = (size_t)i2d_PUBKEY(keys[i], &info);
		order.key_info = info;
		CU_ASSERT_EQUAL(certbody_put(&order, &test_certbody_ca, &out[1]), 0);
		CU_ASSERT_EQUAL(der_mark(&out[0]), der_mark(&out[1]));
		CU_ASSERT_EQUAL(memcmp(out[0].at, out[1].at, der_mark(&out[0])), 0);
		OPENSSL_free(info);
		EVP_PKEY_free(keys[i]);
	}
}

static const struct tap_test test_certbody_tests[] = {
	{ "the longest", test_certbody_longest },
	{ "what cannot be said", test_certbody_refuses },
	{ "keys", test_certbody_keys },
	{ "keys as bytes", test_certbody_key_info },
	{ 0 },
};

static const struct tap_suite test_certbody_suites[] = {
	{ "certbody", test_certbody_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int status;

	test_certbody_key = EVP_EC_gen("P-256");
	if (!test_certbody_key)
		return 2;
	status = tap_main(argc, argv, test_certbody_suites);
	EVP_PKEY_free(test_certbody_key);
	return status;
}
