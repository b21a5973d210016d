/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/mkcms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "tests/unit/certs/mkchain.h"

#define MKCMS_LINE 64 /* characters of base64 */

static void mkcms_need(bool ok)
{
	if (ok)
		return;
	ERR_print_errors_fp(stderr);
	abort();
}

EVP_PKEY *mkcms_dsa(int bits)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL), *key_ctx;
	EVP_PKEY *params = NULL, *key = NULL;

	mkcms_need(ctx && EVP_PKEY_paramgen_init(ctx) == 1 &&
		   EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, bits) == 1 &&
		   EVP_PKEY_CTX_set_dsa_paramgen_q_bits(ctx, bits > 1024 ? 256 : 160) == 1 &&
		   EVP_PKEY_paramgen(ctx, &params) == 1);
	key_ctx = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
	mkcms_need(key_ctx && EVP_PKEY_keygen_init(key_ctx) == 1 &&
		   EVP_PKEY_keygen(key_ctx, &key) == 1);
	EVP_PKEY_free(params);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_CTX_free(key_ctx);
	return key;
}

X509 *mkcms_cert(EVP_PKEY *key, const char *cn)
{
	const struct mkchain spec = {
		.key = key,
		.cn = cn,
		.not_before = 1300000000,
		.not_after = 1400000000,
	};
	X509 *cert = mkchain_make(&spec);

	/* Computes the key's id, which mkcms.is_by_key needs. */
	X509_check_purpose(cert, -1, 0);
	return cert;
}

static const EVP_MD *mkcms_digest(const struct mkcms *spec, const EVP_PKEY *key)
{
	if (spec->digest)
		return EVP_get_digestbyname(spec->digest);
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_DSA ? EVP_sha1() : EVP_sha256();
}

static void mkcms_add_signer(CMS_ContentInfo *cms, const struct mkcms *spec, EVP_PKEY *key,
			     X509 *cert)
{
	unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP;

	flags |= spec->is_plain ? CMS_NOATTR : 0;
	flags |= spec->is_by_key ? CMS_USE_KEYID : 0;
	flags |= spec->has_cert ? 0 : CMS_NOCERTS;
	mkcms_need(CMS_add1_signer(cms, cert, key, mkcms_digest(spec, key), flags) != NULL);
}

static unsigned char *mkcms_encode(CMS_ContentInfo *cms, const struct mkcms *spec, BIO *content,
				   unsigned int flags, size_t *ret_len)
{
	BIO *out = BIO_new(BIO_s_mem());
	unsigned char *der;
	char *bytes;
	long len;

	mkcms_need(out != NULL);
	if (spec->is_streamed)
		mkcms_need(i2d_CMS_bio_stream(out, cms, content, (int)flags) == 1);
	else
		mkcms_need(CMS_final(cms, content, NULL, flags) == 1 && i2d_CMS_bio(out, cms) == 1);
	len = BIO_get_mem_data(out, &bytes);
	mkcms_need(len > 0);
	*ret_len = (size_t)len + (spec->has_rest ? 1 : 0);
	der = calloc(1, *ret_len);
	mkcms_need(der != NULL);
	memcpy(der, bytes, (size_t)len);
	BIO_free(out);
	return der;
}

static char *mkcms_break(const struct mkcms *spec, const char *line)
{
	size_t len = strlen(line), n = 0;
	char *text = malloc(len * 2 + 3);

	mkcms_need(text != NULL);
	for (size_t i = 0; i < len; i++) {
		text[n++] = line[i];
		if (spec->is_one_line || (i % MKCMS_LINE != MKCMS_LINE - 1 && i + 1 < len))
			continue;
		if (spec->is_crlf)
			text[n++] = '\r';
		text[n++] = '\n';
	}
	text[n] = '\0';
	return text;
}

char *mkcms_base64(const unsigned char *bytes, size_t len)
{
	char *text = malloc(len / 3 * 4 + 5);

	mkcms_need(text != NULL);
	text[EVP_EncodeBlock((unsigned char *)text, bytes, (int)len)] = '\0';
	return text;
}

char *mkcms_sign(const struct mkcms *spec, const char *document, size_t len)
{
	unsigned int flags = CMS_BINARY | CMS_PARTIAL | (spec->is_attached ? 0 : CMS_DETACHED) |
			     (spec->is_streamed ? CMS_STREAM : 0);
	BIO *content = BIO_new_mem_buf(document, (int)len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, content, flags);
	unsigned char *der;
	char *line, *text;
	size_t der_len;

	mkcms_need(cms != NULL);
	mkcms_add_signer(cms, spec, spec->key, spec->cert);
	if (spec->second_key)
		mkcms_add_signer(cms, spec, spec->second_key, spec->second_cert);
	if (spec->content_nid)
		mkcms_need(CMS_set1_eContentType(cms, OBJ_nid2obj(spec->content_nid)) == 1);
	der = mkcms_encode(cms, spec, content, flags, &der_len);
	line = mkcms_base64(der, der_len);
	text = mkcms_break(spec, line);
	free(line);
	free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	return text;
}
