/* SPDX-License-Identifier: MIT */
#include <errno.h>
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

/* The bytes of a request; OPENSSL_free() them. @digest: NULL for SHA-256. */
static unsigned char *test_csrform_sign(EVP_PKEY *key, const char *digest, long *ret_len)
{
	const struct mkcsr spec = { .key = key,
				    .digest = digest,
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

static unsigned char *test_csrform_make(EVP_PKEY *key, long *ret_len)
{
	return test_csrform_sign(key, NULL, ret_len);
}

/* Decodes what must be good. */
static struct csrform test_csrform_decode(const unsigned char *der, long len, bool *failed)
{
	struct csrform f;

	if (csrform_decode(der, (size_t)len, failed, &f) != 0)
		exit(2);
	return f;
}

static bool test_csrform_is_key(const struct csrform *f, EVP_PKEY *want)
{
	EVP_PKEY *key = csrform_decode_key(f);
	bool is_right = key && EVP_PKEY_eq(key, want) == 1 && csrform_is_signed_by(f, key);

	csrform_free_key(key);
	ERR_clear_error();
	return is_right;
}

static bool test_csrform_reads(const unsigned char *der, long len, EVP_PKEY *want)
{
	bool failed;
	struct csrform f = test_csrform_decode(der, len, &failed);

	return test_csrform_is_key(&f, want);
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
	bool failed;
	struct csrform f = test_csrform_decode(der, len, &failed);

	CU_ASSERT_TRUE(der_is(&f.version, "", 1));
	CU_ASSERT_EQUAL(der_tag(&f.subject), DER_SET);
	CU_ASSERT_EQUAL(der_tag(&f.attributes), DER_SEQUENCE);
	CU_ASSERT_EQUAL(der_tag(&f.key), DER_SEQUENCE);
	CU_ASSERT_EQUAL(der_tag(&f.algorithm), DER_OID);
	CU_ASSERT_EQUAL(der_tag(&f.signature), DER_SEQUENCE);
	CU_ASSERT_TRUE(csrform_knows_algorithm(&f));
	CU_ASSERT_FALSE(csrform_is_signed_by(&f, test_csrform_keys[1]));
	CU_ASSERT_FALSE(csrform_is_signed_by(&f, test_csrform_keys[2]));
	ERR_clear_error();
	OPENSSL_free(der);
}

/* Each byte of it counts, for the form or for the signature. */
static void test_csrform_every_byte(void)
{
	EVP_PKEY *key = test_csrform_keys[0];
	long len = 0;
	unsigned char *der = test_csrform_make(key, &len);

	for (long i = 0; i < len; i++) {
		bool failed;
		struct csrform f;

		der[i] ^= 1;
		CU_ASSERT_FALSE(csrform_decode(der, (size_t)len, &failed, &f) == 0 &&
				test_csrform_is_key(&f, key));
		der[i] ^= 1;
	}
	CU_ASSERT_TRUE(test_csrform_reads(der, len, key));
	OPENSSL_free(der);
}

/* An algorithm that says RSA does not make it good for a key of another kind, nor do parameters
 * that nobody looks at. */
static void test_csrform_algorithms(void)
{
	static const unsigned char rsa[] = { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
					     1, 1, 11,   5,    0,    4,    0 };
	static const unsigned char ecdsa[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0 };
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	bool failed, rsa_failed, ecdsa_failed;
	struct csrform f = test_csrform_decode(der, len, &failed);

	f.algorithm = der_open(ecdsa, sizeof(ecdsa) - 2, &ecdsa_failed);
	CU_ASSERT_TRUE(csrform_is_signed_by(&f, test_csrform_keys[0]));
	f.algorithm = der_open(ecdsa, sizeof(ecdsa), &ecdsa_failed);
	CU_ASSERT_FALSE(csrform_knows_algorithm(&f));
	CU_ASSERT_FALSE(csrform_is_signed_by(&f, test_csrform_keys[0]));
	f.algorithm = der_open(rsa, sizeof(rsa) - 2, &rsa_failed);
	CU_ASSERT_TRUE(csrform_knows_algorithm(&f));
	CU_ASSERT_FALSE(csrform_is_signed_by(&f, test_csrform_keys[0]));
	f.algorithm = der_open(rsa, sizeof(rsa) - 4, &rsa_failed);
	CU_ASSERT_TRUE(csrform_knows_algorithm(&f));
	f.algorithm = der_open(rsa, sizeof(rsa), &rsa_failed);
	CU_ASSERT_FALSE(csrform_knows_algorithm(&f));
	f.algorithm = der_open(rsa, 0, &rsa_failed);
	CU_ASSERT_FALSE(csrform_knows_algorithm(&f));
	ERR_clear_error();
	OPENSSL_free(der);
}

/* Every kind of key with every digest, the last of which is not good enough. */
static void test_csrform_digests(void)
{
	static const char *const digests[] = { "SHA256", "SHA384", "SHA512", "SHA224" };
	const size_t n = ARRAY_SIZE(digests);

	for (size_t i = 0; i < 2 * n; i++) {
		EVP_PKEY *key = test_csrform_keys[i / n]; /* EC, RSA */
		bool failed, is_good = i % n < n - 1;
		long len = 0;
		unsigned char *der = test_csrform_sign(key, digests[i % n], &len);
		struct csrform f = test_csrform_decode(der, len, &failed);

		CU_ASSERT_EQUAL(csrform_knows_algorithm(&f), is_good);
		CU_ASSERT_EQUAL(csrform_is_signed_by(&f, key), is_good);
		OPENSSL_free(der);
	}
	ERR_clear_error();
}

static void test_csrform_bounds(void)
{
	long len = 0;
	unsigned char *der = test_csrform_make(test_csrform_keys[0], &len);
	unsigned char *more = calloc(1, (size_t)len + 1);
	struct csrform f;
	bool failed;

	for (long n = 0; n < len; n++)
		CU_ASSERT_EQUAL(csrform_decode(der, (size_t)n, &failed, &f), -EBADMSG);
	if (more) {
		memcpy(more, der, (size_t)len);
		CU_ASSERT_EQUAL(csrform_decode(more, (size_t)len + 1, &failed, &f), -E2BIG);
	}
	free(more);
	OPENSSL_free(der);
}

/* A key that is none leaves nothing behind for the next. */
static void test_csrform_bad_key(EVP_PKEY *good)
{
	long len = 0;
	unsigned char *der = test_csrform_make(good, &len), *key;
	bool failed;
	struct csrform f = test_csrform_decode(der, len, &failed);

	key = der + (f.key.at - der);
	for (size_t i = 0; i < der_len(&f.key); i++) {
		EVP_PKEY *none;

		key[i] ^= 0x40;
		none = csrform_decode_key(&f);
		CU_ASSERT_FALSE(none && EVP_PKEY_eq(none, good) == 1);
		csrform_free_key(none);
		key[i] ^= 0x40;
	}
	CU_ASSERT_TRUE(test_csrform_reads(der, len, good));
	f.key.end = f.key.at;
	CU_ASSERT_PTR_NULL(csrform_decode_key(&f));
	ERR_clear_error();
	OPENSSL_free(der);
}

static void test_csrform_bad_keys(void)
{
	test_csrform_bad_key(test_csrform_keys[0]);
	test_csrform_bad_key(test_csrform_keys[2]);
}

/* Two keys at the same time are two, whoever is given back first. */
static void test_csrform_two_at_a_time(const char *curve, size_t first)
{
	EVP_PKEY *want[2] = { test_csrform_keys[0], EVP_EC_gen(curve) }, *keys[2];
	unsigned char *der[2];
	struct csrform f[2];
	bool failed[2];

	for (size_t i = 0; i < 2; i++) {
		long len = 0;

		der[i] = test_csrform_make(want[i], &len);
		f[i] = test_csrform_decode(der[i], len, &failed[i]);
		keys[i] = csrform_decode_key(&f[i]);
	}
	CU_ASSERT_EQUAL(EVP_PKEY_eq(keys[0], want[0]), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_eq(keys[1], want[1]), 1);
	csrform_free_key(keys[first]);
	CU_ASSERT_TRUE(test_csrform_is_key(&f[first], want[first]));
	CU_ASSERT_EQUAL(EVP_PKEY_eq(keys[!first], want[!first]), 1);
	csrform_free_key(keys[!first]);
	CU_ASSERT_TRUE(test_csrform_is_key(&f[!first], want[!first]));
	OPENSSL_free(der[0]);
	OPENSSL_free(der[1]);
	EVP_PKEY_free(want[1]);
}

static void test_csrform_both_orders(void)
{
	test_csrform_two_at_a_time("P-256", 0);
	test_csrform_two_at_a_time("P-256", 1);
	test_csrform_two_at_a_time("P-384", 1);
	csrform_free_key(NULL);
}

/* Nobody else would see what stands behind a key. */
static void test_csrform_more_than_a_key(void)
{
	for (size_t i = 0; i < TEST_KEYS; i++) {
		long len = 0;
		unsigned char *der = test_csrform_make(test_csrform_keys[i], &len);
		bool failed;
		struct csrform f = test_csrform_decode(der, len, &failed);

		f.key.end++; /* the attributes follow */
		CU_ASSERT_PTR_NULL(csrform_decode_key(&f));
		CU_ASSERT_TRUE(test_csrform_reads(der, len, test_csrform_keys[i]));
		ERR_clear_error();
		OPENSSL_free(der);
	}
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
	CU_ASSERT_TRUE(site > 20 && site < TORTURE_SITES_MAX);
	CU_ASSERT_TRUE(test_csrform_reads(der, len, test_csrform_keys[0]));
	OPENSSL_free(der);
}

static const struct tap_test test_csrform_tests[] = {
	{ "out of memory", test_csrform_out_of_memory },
	{ "keys in turn", test_csrform_keys_in_turn },
	{ "fields", test_csrform_fields },
	{ "cut short, or more", test_csrform_bounds },
	{ "every byte counts", test_csrform_every_byte },
	{ "algorithms", test_csrform_algorithms },
	{ "digests", test_csrform_digests },
	{ "keys that are none", test_csrform_bad_keys },
	{ "two keys at a time", test_csrform_both_orders },
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
	test_csrform_keys[3] = EVP_RSA_gen(2048);
	if (test_csrform_keys[0] && test_csrform_keys[1] && test_csrform_keys[2] &&
	    test_csrform_keys[3])
		r = tap_main(argc, argv, test_csrform_suites);
	for (size_t i = 0; i < TEST_KEYS; i++)
		EVP_PKEY_free(test_csrform_keys[i]);
	return r;
}
