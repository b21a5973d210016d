/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "certs/ztsd/awsdoc.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/mkchain.h"
#include "tests/unit/certs/ztsd/mkcms.h"

#define WHY_CHANGED "the signature is not over this document"
#define WHY_STRANGER "whoever signed the document is not among the configured certificates"
#define WHY_ANOTHER "the signature is over another document"
#define WHY_SIGNERS "the document is not signed by exactly one"
#define WHY_BASE64 "the signature is not base64"
#define WHY_CMS "the signature is not a CMS message"
#define WHY_TYPE "the CMS message is not signed data"
#define WHY_DIGEST "the digest of the signature is none of SHA-1, SHA-256, SHA-384, SHA-512"

static const char test_awsdoc_document[] = "{\n"
					   "  \"accountId\" : \"123456789012\",\n"
					   "  \"instanceId\" : \"i-0123456789abcdef0\",\r\n"
					   "  \"pendingTime\" : \"2026-11-21T10:00:00Z\",\n"
					   "  \"privateIp\" : null\n"
					   "}";
#define DOCUMENT_LEN (sizeof(test_awsdoc_document) - 1)

enum { DSA1024, DSA2048, RSA2048, P256, STRANGER, N_SIGNERS };

/* Made once: a DSA key takes a moment. */
static struct {
	EVP_PKEY *keys[N_SIGNERS];
	X509 *certs[N_SIGNERS];
	struct awsdoc_trust *trust; /* all but the stranger */
} test_awsdoc_made;

static void test_awsdoc_free(char **text)
{
	free(*text);
}

/* Writes certificates to one file in the test's directory. */
static const char *test_awsdoc_write(const char *name, X509 *const *certs, size_t n)
{
	static char path[PATH_MAX];
	char text[8192];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_(test_awsdoc_free) char *pem = mkchain_pem(certs[i]);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "AWS\n%s", pem);
	}
	if (len >= sizeof(text) || tmpdir_write(name, text, len) != 0)
		abort();
	return tmpdir_path(path, name);
}

/* Trust in one certificate. */
static struct awsdoc_trust *test_awsdoc_trust(X509 *const *certs, size_t n)
{
	const char *file = test_awsdoc_write("trust.pem", certs, n);
	struct awsdoc_trust *t = NULL;
	char why[AWSDOC_WHY_MAX] = "";

	if (awsdoc_open(&file, 1, &t, why) != 0)
		abort();
	return t;
}

static void test_awsdoc_make(void)
{
	static const char *const names[N_SIGNERS] = { "dsa1024", "dsa2048", "rsa2048", "p256",
						      "stranger" };

	test_awsdoc_made.keys[DSA1024] = mkcms_dsa(1024);
	test_awsdoc_made.keys[DSA2048] = mkcms_dsa(2048);
	test_awsdoc_made.keys[RSA2048] = EVP_RSA_gen(2048);
	test_awsdoc_made.keys[P256] = EVP_EC_gen("P-256");
	test_awsdoc_made.keys[STRANGER] = EVP_RSA_gen(2048);
	for (size_t i = 0; i < N_SIGNERS; i++)
		test_awsdoc_made.certs[i] = mkcms_cert(test_awsdoc_made.keys[i], names[i]);
	test_awsdoc_made.trust = test_awsdoc_trust(test_awsdoc_made.certs, STRANGER);
}

static void test_awsdoc_unmake(void)
{
	for (size_t i = 0; i < N_SIGNERS; i++) {
		EVP_PKEY_free(test_awsdoc_made.keys[i]);
		X509_free(test_awsdoc_made.certs[i]);
	}
	awsdoc_close(test_awsdoc_made.trust);
}

static struct mkcms test_awsdoc_by(int signer)
{
	return (struct mkcms){ .key = test_awsdoc_made.keys[signer],
			       .cert = test_awsdoc_made.certs[signer] };
}

/* Gives why it was refused, NULL when it was not. The document lies in an allocation of exactly its
 * size. */
static const char *test_awsdoc_verify(const struct awsdoc_trust *trust, const char *document,
				      size_t len, const char *signature)
{
	char *copy = malloc(len > 0 ? len : 1);
	const char *why = NULL;
	int r;

	if (!copy)
		abort();
	memcpy(copy, document, len);
	r = awsdoc_verify(trust, copy, len, signature, &why);
	free(copy);
	CU_ASSERT_EQUAL(r, why ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	return why;
}

/* Signs the document as @spec says and verifies it. */
static const char *test_awsdoc_try(const struct mkcms *spec)
{
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(spec, test_awsdoc_document,
								 DOCUMENT_LEN);

	return test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN,
				  signature);
}

#define EXPECT_WHY(got, text)                                                                      \
	do {                                                                                       \
		const char *_why = (got);                                                          \
		if (!_why || strcmp(_why, (text)) != 0)                                            \
			tap_fail(__FILE__, __LINE__, "%s", _why ? _why : "accepted");              \
		CU_PASS("");                                                                       \
	} while (0)

/* --- good --- */

static void test_awsdoc_accepts(void)
{
	for (int signer = DSA1024; signer < STRANGER; signer++) {
		/* Each way of making it. */
		for (unsigned int way = 0; way < 64; way++) {
			struct mkcms spec = test_awsdoc_by(signer);
			const char *why;

			spec.is_attached = way & 1;
			spec.is_streamed = (way & 3) == 3;
			spec.is_plain = way & 4;
			spec.has_cert = way & 8;
			spec.is_one_line = way & 16;
			spec.is_crlf = way & 32;
			why = test_awsdoc_try(&spec);
			if (why)
				tap_fail(__FILE__, __LINE__, "signer %d, way %u: %s", signer, way,
					 why);
		}
	}
	CU_PASS("");
}

static void test_awsdoc_accepts_digests(void)
{
	static const char *const digests[] = { "SHA1", "SHA256", "SHA384", "SHA512" };

	for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
		struct mkcms spec = test_awsdoc_by(RSA2048);

		spec.digest = digests[i];
		CU_ASSERT_PTR_NULL(test_awsdoc_try(&spec));
	}
}

/* Two certificates of one name and number, as happens when a key is replaced in haste. */
static void test_awsdoc_tries_all_of_a_name(void)
{
	X509 *const certs[] = { mkcms_cert(test_awsdoc_made.keys[STRANGER], "same"),
				mkcms_cert(test_awsdoc_made.keys[DSA1024], "same"),
				mkcms_cert(test_awsdoc_made.keys[RSA2048], "same") };
	struct awsdoc_trust *trust = test_awsdoc_trust(certs, ARRAY_SIZE(certs));

	for (int i = 0; i < 3; i++) {
		static const int signers[] = { STRANGER, DSA1024, RSA2048 };
		struct mkcms spec = test_awsdoc_by(signers[i]);
		_cleanup_(test_awsdoc_free) char *signature = NULL;

		spec.cert = certs[i];
		signature = mkcms_sign(&spec, test_awsdoc_document, DOCUMENT_LEN);
		CU_ASSERT_PTR_NULL(
			test_awsdoc_verify(trust, test_awsdoc_document, DOCUMENT_LEN, signature));
		EXPECT_WHY(test_awsdoc_verify(trust, test_awsdoc_document, DOCUMENT_LEN - 1,
					      signature),
			   WHY_CHANGED);
	}
	for (size_t i = 0; i < ARRAY_SIZE(certs); i++)
		X509_free(certs[i]);
	awsdoc_close(trust);
}

/* --- bad --- */

/* No changed byte of the document gets through, nor a piece of it, nor more. */
static void test_awsdoc_refuses_changed_documents(void)
{
	static const int signers[] = { DSA1024, RSA2048 };

	for (size_t s = 0; s < ARRAY_SIZE(signers); s++) {
		const struct mkcms spec = test_awsdoc_by(signers[s]);
		_cleanup_(test_awsdoc_free) char *signature =
			mkcms_sign(&spec, test_awsdoc_document, DOCUMENT_LEN);
		char text[sizeof(test_awsdoc_document) + 1] = "";

		for (size_t i = 0; i < DOCUMENT_LEN; i++) {
			memcpy(text, test_awsdoc_document, sizeof(test_awsdoc_document));
			text[i] ^= 1;
			EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, text, DOCUMENT_LEN,
						      signature),
				   WHY_CHANGED);
		}
		memcpy(text, test_awsdoc_document, sizeof(test_awsdoc_document));
		text[DOCUMENT_LEN] = '\n';
		EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, text, DOCUMENT_LEN + 1,
					      signature),
			   WHY_CHANGED);
		EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, text, DOCUMENT_LEN - 1,
					      signature),
			   WHY_CHANGED);
	}
}

/* A document of its own in the message: the one that counts is the argument. */
static void test_awsdoc_refuses_another_content(void)
{
	struct mkcms spec = test_awsdoc_by(DSA1024);
	_cleanup_(test_awsdoc_free) char *signature = NULL;
	char text[sizeof(test_awsdoc_document)];

	spec.is_attached = true;
	signature = mkcms_sign(&spec, test_awsdoc_document, DOCUMENT_LEN);
	memcpy(text, test_awsdoc_document, sizeof(text));
	text[20] ^= 1;
	EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, text, DOCUMENT_LEN, signature),
		   WHY_ANOTHER);
	EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document,
				      DOCUMENT_LEN - 1, signature),
		   WHY_ANOTHER);
}

/* Reads base64 of one line; free() it. */
static unsigned char *test_awsdoc_decode(const char *line, size_t *ret_len)
{
	size_t len = strlen(line);
	unsigned char *der = malloc(len);

	if (!der)
		abort();
	*ret_len = (size_t)EVP_DecodeBlock(der, (const unsigned char *)line, (int)len);
	*ret_len -= (line[len - 1] == '=') + (line[len - 2] == '=');
	return der;
}

/* Changes each byte in turn. Version numbers and the name of the signature's algorithm say nothing
 * (the key decides) and may change, but not the signature itself, which is at the end. */
static void test_awsdoc_refuses_changed_signatures(void)
{
	static const int signers[] = { DSA1024, RSA2048 };

	for (size_t s = 0; s < ARRAY_SIZE(signers); s++) {
		struct mkcms spec = test_awsdoc_by(signers[s]);
		_cleanup_(test_awsdoc_free) char *line = NULL;
		unsigned char *der;
		size_t len, n_passed = 0;

		spec.is_one_line = true;
		line = mkcms_sign(&spec, test_awsdoc_document, DOCUMENT_LEN);
		der = test_awsdoc_decode(line, &len);
		for (size_t i = 0; i < len; i++) {
			_cleanup_(test_awsdoc_free) char *changed = NULL;
			const char *why;

			der[i] ^= 0x10;
			changed = mkcms_base64(der, len);
			why = test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document,
						 DOCUMENT_LEN, changed);
			n_passed += why == NULL;
			if (!why && i + 40 > len)
				tap_fail(__FILE__, __LINE__, "byte %zu of %zu", i, len);
			der[i] ^= 0x10;
		}
		CU_ASSERT_TRUE(n_passed <= 16);
		free(der);
	}
}

static void test_awsdoc_refuses_strangers(void)
{
	struct mkcms spec = test_awsdoc_by(STRANGER);

	EXPECT_WHY(test_awsdoc_try(&spec), WHY_STRANGER);
	/* Whoever brings his own certificate is still a stranger. */
	spec.has_cert = true;
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_STRANGER);
	/* Under a name that is trusted, with his own certificate of that name in the message. */
	spec.cert = mkcms_cert(test_awsdoc_made.keys[STRANGER], "rsa2048");
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_CHANGED);
	spec.has_cert = false;
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_CHANGED);
	X509_free(spec.cert);
}

static void test_awsdoc_wants_one_signer(void)
{
	struct mkcms spec = test_awsdoc_by(RSA2048);

	spec.second_key = test_awsdoc_made.keys[P256];
	spec.second_cert = test_awsdoc_made.certs[P256];
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_SIGNERS);
	spec.second_key = test_awsdoc_made.keys[STRANGER];
	spec.second_cert = test_awsdoc_made.certs[STRANGER];
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_SIGNERS);
}

/* A message of certificates only: signed by nobody. */
static void test_awsdoc_refuses_unsigned(void)
{
	BIO *content = BIO_new_mem_buf(test_awsdoc_document, (int)DOCUMENT_LEN);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, content, CMS_BINARY | CMS_PARTIAL);
	_cleanup_(test_awsdoc_free) char *text = NULL;
	unsigned char *der = NULL;
	int len;

	len = i2d_CMS_ContentInfo(cms, &der);
	CU_ASSERT_TRUE(len > 0);
	text = mkcms_base64(der, (size_t)len);
	EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN,
				      text),
		   WHY_SIGNERS);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
}

static void test_awsdoc_refuses_other_types(void)
{
	struct mkcms spec = test_awsdoc_by(RSA2048);
	BIO *content = BIO_new_mem_buf(test_awsdoc_document, (int)DOCUMENT_LEN);
	CMS_ContentInfo *cms = CMS_data_create(content, CMS_BINARY);
	_cleanup_(test_awsdoc_free) char *text = NULL;
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	text = mkcms_base64(der, (size_t)len);
	EXPECT_WHY(test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN,
				      text),
		   WHY_TYPE);
	spec.content_nid = NID_id_smime_ct_TSTInfo;
	EXPECT_WHY(test_awsdoc_try(&spec), WHY_TYPE);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
}

static void test_awsdoc_refuses_weak_digests(void)
{
	static const char *const digests[] = { "MD5", "SHA224" };

	for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
		struct mkcms spec = test_awsdoc_by(RSA2048);

		spec.digest = digests[i];
		EXPECT_WHY(test_awsdoc_try(&spec), WHY_DIGEST);
	}
}

static const char *test_awsdoc_try_text(const char *signature)
{
	return test_awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN,
				  signature);
}

static void test_awsdoc_refuses_garbage(void)
{
	static const char *const not_base64[] = {
		"",
		"\n",
		"A",
		"AB",
		"ABC",
		"ABCDE",
		"====",
		"A===",
		"AB=C",
		"AB==CDEF",
		"AB C",
		"ABC*",
		"ABC-",
		"ABC_",
		"ABC\t",
		"\xc3\xa9\xc3\xa9",
		"-----BEGIN PKCS7-----\nAAAA\n",
	};
	static const char *const not_cms[] = { "AAAA", "AA==", "MAA=", "MIAAAA==", "////" };
	struct mkcms spec = test_awsdoc_by(DSA1024);

	for (size_t i = 0; i < ARRAY_SIZE(not_base64); i++)
		EXPECT_WHY(test_awsdoc_try_text(not_base64[i]), WHY_BASE64);
	for (size_t i = 0; i < ARRAY_SIZE(not_cms); i++)
		EXPECT_WHY(test_awsdoc_try_text(not_cms[i]), WHY_CMS);
	spec.has_rest = true;
	EXPECT_WHY(test_awsdoc_try(&spec), "something follows the signature's CMS message");
}

/* Every beginning of a good signature is refused. */
static void test_awsdoc_refuses_pieces(void)
{
	const struct mkcms spec = test_awsdoc_by(DSA1024);
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	size_t len = strlen(signature);

	/* The last byte is a line break, which may be missing. */
	for (size_t n = len - 2; n > 0; n--) {
		signature[n] = '\0';
		CU_ASSERT_PTR_NOT_NULL(test_awsdoc_try_text(signature));
	}
}

static void test_awsdoc_document_limits(void)
{
	char document[AWSDOC_DOCUMENT_MAX + 1];
	const struct mkcms spec = test_awsdoc_by(RSA2048);

	memset(document, 'x', sizeof(document));
	for (size_t len = AWSDOC_DOCUMENT_MAX - 1; len <= AWSDOC_DOCUMENT_MAX + 1; len++) {
		_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, document, len);
		const char *why = test_awsdoc_verify(test_awsdoc_made.trust, document, len,
						     signature);

		CU_ASSERT_EQUAL(why == NULL, len <= AWSDOC_DOCUMENT_MAX);
	}
	CU_ASSERT_PTR_NOT_NULL(test_awsdoc_verify(test_awsdoc_made.trust, document, 0, "AAAA"));
	{
		_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, "x", 1);

		CU_ASSERT_PTR_NULL(
			test_awsdoc_verify(test_awsdoc_made.trust, document, 1, signature));
	}
}

static void test_awsdoc_signature_limits(void)
{
	const struct mkcms spec = test_awsdoc_by(RSA2048);
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	char text[AWSDOC_SIGNATURE_MAX + 2];

	memset(text, '\n', sizeof(text));
	memcpy(text, signature, strlen(signature));
	text[AWSDOC_SIGNATURE_MAX - 1] = '\0';
	CU_ASSERT_PTR_NULL(test_awsdoc_try_text(text));
	text[AWSDOC_SIGNATURE_MAX - 1] = '\n';
	text[AWSDOC_SIGNATURE_MAX] = '\0';
	CU_ASSERT_PTR_NULL(test_awsdoc_try_text(text));
	text[AWSDOC_SIGNATURE_MAX] = '\n';
	text[AWSDOC_SIGNATURE_MAX + 1] = '\0';
	EXPECT_WHY(test_awsdoc_try_text(text), "the signature is longer than 32768 bytes");
}

/* --- trust --- */

/* Gives the error of loading one file, with the reason in @why. */
static int test_awsdoc_open(const char *file, char why[static AWSDOC_WHY_MAX])
{
	struct awsdoc_trust *t = NULL;
	int r;

	memset(why, 0, AWSDOC_WHY_MAX);
	r = awsdoc_open(&file, 1, &t, why);
	CU_ASSERT_EQUAL(r == 0, t != NULL);
	CU_ASSERT_EQUAL(r == 0, why[0] == '\0');
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
	awsdoc_close(t);
	return r;
}

static int test_awsdoc_open_text(const char *text, char why[static AWSDOC_WHY_MAX])
{
	char path[PATH_MAX];

	if (tmpdir_write("text.pem", text, strlen(text)) != 0)
		abort();
	return test_awsdoc_open(tmpdir_path(path, "text.pem"), why);
}

static void test_awsdoc_refuses_files(void)
{
	char why[AWSDOC_WHY_MAX], path[PATH_MAX];

	CU_ASSERT_EQUAL(test_awsdoc_open(tmpdir_path(path, "missing.pem"), why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "missing.pem: "));
	CU_ASSERT_EQUAL(test_awsdoc_open(tmpdir_get(), why), -EINVAL);
	CU_ASSERT_EQUAL(test_awsdoc_open_text("", why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "text.pem: no certificate in PEM"));
	CU_ASSERT_EQUAL(test_awsdoc_open_text("x\n", why), -EINVAL);
	CU_ASSERT_EQUAL(test_awsdoc_open_text("-----BEGIN CERTIFICATE-----\nMAA=\n"
					      "-----END CERTIFICATE-----\n",
					      why),
			-EINVAL);
}

/* A public DSA key of any size; nothing is done with it, so no prime is needed. */
static EVP_PKEY *test_awsdoc_make_dsa(int bits)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *p = BN_new(), *q = BN_new(), *g = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	BN_rand(p, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
	BN_rand(q, 160, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
	BN_set_word(g, 2);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, p);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_Q, q);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, g);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PUB_KEY, q);
	params = OSSL_PARAM_BLD_to_param(build);
	if (EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		abort();
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(p);
	BN_free(q);
	BN_free(g);
	return key;
}

/* Loads a certificate for @key, which another signs. */
static int test_awsdoc_open_cert(EVP_PKEY *key, char why[static AWSDOC_WHY_MAX])
{
	const struct mkchain spec = {
		.key = key,
		.issuer = test_awsdoc_made.certs[P256],
		.issuer_key = test_awsdoc_made.keys[P256],
		.cn = "x",
	};
	X509 *cert = mkchain_make(&spec);
	int r = test_awsdoc_open(test_awsdoc_write("one.pem", &cert, 1), why);

	X509_free(cert);
	return r;
}

static int test_awsdoc_open_dsa(int bits)
{
	EVP_PKEY *key = test_awsdoc_make_dsa(bits);
	char why[AWSDOC_WHY_MAX];
	int r = test_awsdoc_open_cert(key, why);

	EVP_PKEY_free(key);
	if (r != 0) {
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "one.pem: the DSA key has not 1024 to 3072"));
	}
	return r;
}

static void test_awsdoc_judges_keys(void)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	char why[AWSDOC_WHY_MAX];

	for (size_t i = 0; i < STRANGER; i++)
		CU_ASSERT_EQUAL(test_awsdoc_open_cert(test_awsdoc_made.keys[i], why), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_cert(weak, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "one.pem: the RSA key has fewer than 2048 bits"));
	EVP_PKEY_free(weak);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(1023), -EINVAL);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(1024), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(1025), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(3071), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(3072), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_dsa(3073), -EINVAL);
}

/* A text of @n certificates. */
static int test_awsdoc_open_many(size_t n)
{
	_cleanup_(test_awsdoc_free) char *pem = mkchain_pem(test_awsdoc_made.certs[P256]);
	_cleanup_(test_awsdoc_free) char *text = malloc(n * strlen(pem) + 1);
	char why[AWSDOC_WHY_MAX];

	if (!text)
		abort();
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * strlen(pem), pem, strlen(pem) + 1);
	return test_awsdoc_open_text(text, why);
}

static void test_awsdoc_trust_limits(void)
{
	CU_ASSERT_EQUAL(test_awsdoc_open_many(AWSDOC_CERTS_MAX - 1), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_many(AWSDOC_CERTS_MAX), 0);
	CU_ASSERT_EQUAL(test_awsdoc_open_many(AWSDOC_CERTS_MAX + 1), -EINVAL);
}

static void test_awsdoc_file_limit(void)
{
	_cleanup_(test_awsdoc_free) char *pem = mkchain_pem(test_awsdoc_made.certs[P256]);
	static char text[AWSDOC_FILE_MAX + 2];
	char why[AWSDOC_WHY_MAX];

	memset(text, '\n', sizeof(text) - 1);
	memcpy(text, pem, strlen(pem));
	CU_ASSERT_EQUAL(test_awsdoc_open_text(text, why), -EFBIG);
	text[AWSDOC_FILE_MAX] = '\0';
	CU_ASSERT_EQUAL(test_awsdoc_open_text(text, why), 0);
}

/* No file, nobody to trust. */
static void test_awsdoc_trusts_nobody(void)
{
	const struct mkcms spec = test_awsdoc_by(RSA2048);
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	struct awsdoc_trust *t = NULL;
	char why[AWSDOC_WHY_MAX];

	CU_ASSERT_EQUAL(awsdoc_open(NULL, 0, &t, why), 0);
	EXPECT_WHY(test_awsdoc_verify(t, test_awsdoc_document, DOCUMENT_LEN, signature),
		   WHY_STRANGER);
	awsdoc_close(t);
	awsdoc_close(NULL);
}

static void test_awsdoc_reads_several_files(void)
{
	const struct mkcms spec = test_awsdoc_by(DSA2048);
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	_cleanup_(test_awsdoc_free) char *first =
		strdup(test_awsdoc_write("first.pem", &test_awsdoc_made.certs[RSA2048], 1));
	_cleanup_(test_awsdoc_free) char *second =
		strdup(test_awsdoc_write("second.pem", &test_awsdoc_made.certs[DSA2048], 1));
	const char *const files[] = { first, second };
	struct awsdoc_trust *t = NULL;
	char why[AWSDOC_WHY_MAX];

	CU_ASSERT_EQUAL(awsdoc_open(files, 2, &t, why), 0);
	CU_ASSERT_PTR_NULL(test_awsdoc_verify(t, test_awsdoc_document, DOCUMENT_LEN, signature));
	awsdoc_close(t);
}

/* --- out of memory --- */

/* Some allocations OpenSSL can do without, and of some failures it leaves no word: there a refusal
 * must do. */
static void test_awsdoc_verify_out_of_memory(void)
{
	const struct mkcms spec = { .key = test_awsdoc_made.keys[P256],
				    .cert = test_awsdoc_made.certs[P256],
				    .is_attached = true,
				    .is_streamed = true };
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	size_t n_told = 0, site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		const char *why;
		int r;

		torture_arm(site);
		r = awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN,
				  signature, &why);
		if (!torture_disarm()) {
			CU_ASSERT_EQUAL(r, 0);
			break;
		}
		CU_ASSERT_TRUE(r == 0 || r == -EBADMSG || r == -ENOMEM);
		n_told += r == -ENOMEM;
	}
	CU_ASSERT_TRUE(site > 100 && site < TORTURE_SITES_MAX);
	CU_ASSERT_TRUE(n_told > 0);
	tap_note("%zu sites, %zu told apart", site, n_told);
}

/* A bad signature never becomes a good one. */
static void test_awsdoc_refusal_out_of_memory(void)
{
	const struct mkcms spec = test_awsdoc_by(RSA2048);
	_cleanup_(test_awsdoc_free) char *signature = mkcms_sign(&spec, test_awsdoc_document,
								 DOCUMENT_LEN);
	size_t site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		const char *why;
		int r;

		torture_arm(site);
		r = awsdoc_verify(test_awsdoc_made.trust, test_awsdoc_document, DOCUMENT_LEN - 1,
				  signature, &why);
		CU_ASSERT_TRUE(r == -EBADMSG || r == -ENOMEM);
		if (!torture_disarm())
			break;
	}
	CU_ASSERT_TRUE(site > 100 && site < TORTURE_SITES_MAX);
}

static void test_awsdoc_open_out_of_memory(void)
{
	const char *file = test_awsdoc_write("two.pem", test_awsdoc_made.certs, 2);
	size_t site;

	for (site = 0; site < TORTURE_SITES_MAX; site++) {
		struct awsdoc_trust *t = NULL;
		char why[AWSDOC_WHY_MAX];
		int r;

		torture_arm(site);
		r = awsdoc_open(&file, 1, &t, why);
		if (!torture_disarm()) {
			CU_ASSERT_EQUAL(r, 0);
			awsdoc_close(t);
			break;
		}
		CU_ASSERT_TRUE(r == 0 || r == -EINVAL || r == -ENOMEM);
		CU_ASSERT_EQUAL(r == 0, t != NULL);
		awsdoc_close(t);
	}
	CU_ASSERT_TRUE(site > 100 && site < TORTURE_SITES_MAX);
}

static const struct tap_test test_awsdoc_tests[] = {
	{ "good signatures", test_awsdoc_accepts },
	{ "digests", test_awsdoc_accepts_digests },
	{ "certificates of one name", test_awsdoc_tries_all_of_a_name },
	{ "changed documents", test_awsdoc_refuses_changed_documents },
	{ "another content", test_awsdoc_refuses_another_content },
	{ "changed signatures", test_awsdoc_refuses_changed_signatures },
	{ "strangers", test_awsdoc_refuses_strangers },
	{ "exactly one signer", test_awsdoc_wants_one_signer },
	{ "signed by nobody", test_awsdoc_refuses_unsigned },
	{ "other types of message", test_awsdoc_refuses_other_types },
	{ "weak digests", test_awsdoc_refuses_weak_digests },
	{ "garbage", test_awsdoc_refuses_garbage },
	{ "pieces", test_awsdoc_refuses_pieces },
	{ "limits of a document", test_awsdoc_document_limits },
	{ "limits of a signature", test_awsdoc_signature_limits },
	{ "files of no use", test_awsdoc_refuses_files },
	{ "keys of certificates", test_awsdoc_judges_keys },
	{ "limits of trust", test_awsdoc_trust_limits },
	{ "limit of a file", test_awsdoc_file_limit },
	{ "no trust", test_awsdoc_trusts_nobody },
	{ "several files", test_awsdoc_reads_several_files },
	{ "verification out of memory", test_awsdoc_verify_out_of_memory },
	{ "refusal out of memory", test_awsdoc_refusal_out_of_memory },
	{ "loading out of memory", test_awsdoc_open_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_awsdoc_suites[] = {
	{ "awsdoc", test_awsdoc_tests, NULL, NULL },
	{ 0 },
};

static void *test_awsdoc_malloc(size_t size, const char *file, int line)
{
	return malloc(size);
}

static void *test_awsdoc_realloc(void *p, size_t size, const char *file, int line)
{
	return realloc(p, size);
}

static void test_awsdoc_free_any(void *p, const char *file, int line)
{
	free(p);
}

int main(int argc, char **argv)
{
	int r;

	/* So that the torture reaches the allocations of OpenSSL. Only before the first of them. */
	if (CRYPTO_set_mem_functions(test_awsdoc_malloc, test_awsdoc_realloc,
				     test_awsdoc_free_any) != 1)
		return 2;
	test_awsdoc_make();
	r = tap_main(argc, argv, test_awsdoc_suites);
	test_awsdoc_unmake();
	return r;
}
