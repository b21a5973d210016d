/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/awsdoc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "certs/keypair.h"
#include "common/files.h"

/* AWS signs with DSA of 1024 bits to this day; it is pinned, not part of a chain. */
#define AWSDOC_DSA_BITS_MIN 1024
#define AWSDOC_DSA_BITS_MAX 3072

/* The document as it was sent; nothing out of the message takes part but the signature itself. No
 * level of security is asked: OpenSSL applies it to chains and TLS, not to single signatures. */
#define AWSDOC_FLAGS (CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY)

struct awsdoc_trust {
	STACK_OF(X509) * certs;
};

/* What is verified, all borrowed. */
struct awsdoc_claim {
	const STACK_OF(X509) * certs;
	const char *document;
	size_t len;
	const unsigned char *der; /* the CMS message */
	long der_len;
};

static const char awsdoc_no_memory[] = "out of memory";

static void awsdoc_free_certs(STACK_OF(X509) * *certs)
{
	sk_X509_pop_free(*certs, X509_free);
}

static void awsdoc_free_message(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

static void awsdoc_free_bio(BIO **bio)
{
	BIO_free_all(*bio);
}

/* Holds the certificate without owning it. */
static void awsdoc_free_borrowed(STACK_OF(X509) * *certs)
{
	sk_X509_free(*certs);
}

static void awsdoc_free_bytes(unsigned char **bytes)
{
	free(*bytes);
}

/* Empties the thread's error queue. Gives whether an allocation had failed: lack of memory must not
 * be taken for a forged signature. */
static bool awsdoc_drain_errors(void)
{
	bool no_memory = false;
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		no_memory |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	return no_memory;
}

/* --- trust --- */

static const char *awsdoc_judge_key(const EVP_PKEY *key)
{
	int bits;

	if (!key)
		return "the key cannot be read";
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_DSA)
		return keypair_judge_key(key);
	bits = EVP_PKEY_get_bits(key);
	return bits < AWSDOC_DSA_BITS_MIN || bits > AWSDOC_DSA_BITS_MAX ?
		       "the DSA key has not 1024 to 3072 bits" :
		       NULL;
}

static int awsdoc_add_certs(struct awsdoc_trust *t, const char *path, const uint8_t *bytes,
			    size_t len, char why[static AWSDOC_WHY_MAX])
{
	_cleanup_(awsdoc_free_certs) STACK_OF(X509) *certs = NULL;
	X509 *cert;
	int r = keypair_read_certs((const char *)bytes, len, &certs);

	if (r == -EBADMSG) {
		(void)snprintf(why, AWSDOC_WHY_MAX,
			       "%s: no certificate in PEM, or one that cannot be read", path);
		return -EINVAL;
	}
	if (r != 0)
		return r;
	while ((cert = sk_X509_shift(certs))) {
		const char *bad = awsdoc_judge_key(X509_get0_pubkey(cert));

		if (bad || sk_X509_num(t->certs) == AWSDOC_CERTS_MAX) {
			(void)snprintf(why, AWSDOC_WHY_MAX, "%s: %s", path,
				       bad ? bad : "more than 256 certificates in all files");
			X509_free(cert);
			return -EINVAL;
		}
		if (sk_X509_push(t->certs, cert) <= 0) {
			X509_free(cert);
			return -ENOMEM;
		}
	}
	return 0;
}

static int awsdoc_load(struct awsdoc_trust *t, const char *path, char why[static AWSDOC_WHY_MAX])
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = files_read(path, AWSDOC_FILE_MAX, &bytes, &len);

	if (r != 0) {
		(void)snprintf(why, AWSDOC_WHY_MAX, "%s: %s", path, strerror(-r));
		return r;
	}
	return awsdoc_add_certs(t, path, bytes, len, why);
}

static void awsdoc_closep(struct awsdoc_trust **t)
{
	awsdoc_close(*t);
}

int awsdoc_open(const char *const *files, size_t n, struct awsdoc_trust **ret,
		char ret_why[static AWSDOC_WHY_MAX])
{
	_cleanup_(awsdoc_closep) struct awsdoc_trust *t = calloc(1, sizeof(*t));
	char why[AWSDOC_WHY_MAX] = "out of memory";
	int r = 0;

	if (t)
		t->certs = sk_X509_new_null();
	if (!t || !t->certs)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = awsdoc_load(t, files[i], why);
	ERR_clear_error();
	if (r != 0) {
		memcpy(ret_why, why, sizeof(why));
		return r;
	}
	*ret = steal_ptr(t);
	return 0;
}

void awsdoc_close(struct awsdoc_trust *t)
{
	if (!t)
		return;
	awsdoc_free_certs(&t->certs);
	free(t);
}

/* --- verification: the functions give NULL, or what is wrong --- */

/* Takes the line breaks out. Gives the length, 0 for what is not base64 in groups of four. */
static size_t awsdoc_strip(const char *text, size_t len, unsigned char *to)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0, pads = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] == '=')
			pads++;
		else if (pads > 0 || !strchr(alphabet, text[i]))
			return 0;
		to[n++] = (unsigned char)text[i];
	}
	return n % 4 == 0 && pads <= 2 ? n : 0;
}

static const char *awsdoc_decode(const char *signature, unsigned char **ret_der, long *ret_len)
{
	size_t len = strnlen(signature, AWSDOC_SIGNATURE_MAX + 1), n;
	_cleanup_(awsdoc_free_bytes) unsigned char *text = NULL;
	unsigned char *der;

	if (len > AWSDOC_SIGNATURE_MAX)
		return "the signature is longer than 32768 bytes";
	text = malloc(len + 1);
	if (!text)
		return awsdoc_no_memory;
	n = awsdoc_strip(signature, len, text);
	if (n == 0)
		return "the signature is not base64";
	der = malloc(n / 4 * 3);
	if (!der)
		return awsdoc_no_memory;
	*ret_der = der;
	*ret_len = EVP_DecodeBlock(der, text, (int)n);
	if (*ret_len < 0)
		return "the signature is not base64";
	/* The padding is decoded to zeros. */
	*ret_len -= (text[n - 1] == '=') + (text[n - 2] == '=');
	return NULL;
}

static const char *awsdoc_parse(const struct awsdoc_claim *c, CMS_ContentInfo **ret)
{
	const unsigned char *at = c->der;

	*ret = d2i_CMS_ContentInfo(NULL, &at, c->der_len);
	if (!*ret)
		return "the signature is not a CMS message";
	if (at != c->der + c->der_len)
		return "something follows the signature's CMS message";
	return NULL;
}

/* The content inside is not needed, but who sends another one is up to something. */
static bool awsdoc_is_content(CMS_ContentInfo *cms, const struct awsdoc_claim *c)
{
	ASN1_OCTET_STRING **content = CMS_get0_content(cms);

	if (!content || !*content)
		return true;
	return (size_t)ASN1_STRING_length(*content) == c->len &&
	       memcmp(ASN1_STRING_get0_data(*content), c->document, c->len) == 0;
}

static bool awsdoc_is_digest(CMS_SignerInfo *signer)
{
	X509_ALGOR *digest = NULL;
	const ASN1_OBJECT *what;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	X509_ALGOR_get0(&what, NULL, NULL, digest);
	switch (OBJ_obj2nid(what)) {
	case NID_sha1:
	case NID_sha256:
	case NID_sha384:
	case NID_sha512:
		return true;
	default:
		return false;
	}
}

static const char *awsdoc_check_form(CMS_ContentInfo *cms, const struct awsdoc_claim *c)
{
	STACK_OF(CMS_SignerInfo) * signers;

	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
	    OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return "the CMS message is not signed data";
	signers = CMS_get0_SignerInfos(cms);
	if (!signers || sk_CMS_SignerInfo_num(signers) != 1)
		return "the document is not signed by exactly one";
	if (!awsdoc_is_digest(sk_CMS_SignerInfo_value(signers, 0)))
		return "the digest of the signature is none of SHA-1, SHA-256, SHA-384, SHA-512";
	if (!awsdoc_is_content(cms, c))
		return "the signature is over another document";
	return NULL;
}

/* The document behind a filter that does nothing: of a plain memory BIO CMS_verify() makes a copy,
 * which it loses when the message names a digest that it does not know (seen with OpenSSL 3.0). */
static BIO *awsdoc_open_document(const struct awsdoc_claim *c)
{
	BIO *filter = BIO_new(BIO_f_null());
	BIO *memory = BIO_new_mem_buf(c->document, (int)c->len);

	if (filter && memory)
		return BIO_push(filter, memory);
	BIO_free(filter);
	BIO_free(memory);
	return NULL;
}

/* A message remembers its signer, so each certificate gets a new one. */
static const char *awsdoc_try(const struct awsdoc_claim *c, X509 *cert)
{
	_cleanup_(awsdoc_free_borrowed) STACK_OF(X509) *certs = sk_X509_new_null();
	_cleanup_(awsdoc_free_message) CMS_ContentInfo *cms = NULL;
	_cleanup_(awsdoc_free_bio) BIO *bio = awsdoc_open_document(c);
	const char *why;

	if (!certs || !bio || sk_X509_push(certs, cert) <= 0)
		return awsdoc_no_memory;
	why = awsdoc_parse(c, &cms);
	if (why)
		return why;
	return CMS_verify(cms, certs, NULL, bio, NULL, AWSDOC_FLAGS) == 1 ?
		       NULL :
		       "the signature is not over this document";
}

static const char *awsdoc_find_signer(const struct awsdoc_claim *c)
{
	_cleanup_(awsdoc_free_message) CMS_ContentInfo *cms = NULL;
	const char *why = awsdoc_parse(c, &cms);
	CMS_SignerInfo *signer;

	if (!why)
		why = awsdoc_check_form(cms, c);
	if (why)
		return why;
	signer = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	why = "whoever signed the document is not among the configured certificates";
	/* More than one can have the same issuer and serial number. */
	for (int i = 0; i < sk_X509_num(c->certs); i++) {
		X509 *cert = sk_X509_value(c->certs, i);

		if (CMS_SignerInfo_cert_cmp(signer, cert) != 0)
			continue;
		why = awsdoc_try(c, cert);
		if (!why || why == awsdoc_no_memory)
			break;
	}
	return why;
}

static const char *awsdoc_check(struct awsdoc_claim *c, const char *signature)
{
	_cleanup_(awsdoc_free_bytes) unsigned char *der = NULL;
	const char *why;

	if (c->len == 0 || c->len > AWSDOC_DOCUMENT_MAX)
		return "the document has not 1 to 16384 bytes";
	why = awsdoc_decode(signature, &der, &c->der_len);
	c->der = der;
	return why ? why : awsdoc_find_signer(c);
}

int awsdoc_verify(const struct awsdoc_trust *t, const char *document, size_t len,
		  const char *signature, const char **ret_why)
{
	struct awsdoc_claim c = { .certs = t->certs, .document = document, .len = len };
	const char *why;

	ERR_clear_error();
	why = awsdoc_check(&c, signature);
	if (awsdoc_drain_errors() && why)
		why = awsdoc_no_memory;
	if (why == awsdoc_no_memory)
		return -ENOMEM;
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	return 0;
}
