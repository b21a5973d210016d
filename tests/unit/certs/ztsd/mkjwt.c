/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/ztsd/mkjwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/b64url.h"
#include "common/attr.h"

#define BYTES_MAX 512

static void need(int ok)
{
	if (!ok) {
		fprintf(stderr, "mkjwt: OpenSSL refuses\n");
		abort();
	}
}

void mkjwt_make(const char *kid, enum mkjwt_type type, const char *what, struct mkjwt_key *ret)
{
	ret->kid = kid;
	ret->type = type;
	ret->key = type == MKJWT_EC ?
			   EVP_PKEY_Q_keygen(NULL, NULL, "EC", what) :
			   EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(what, NULL, 10));
	need(ret->key != NULL);
}

void mkjwt_release(struct mkjwt_key *k)
{
	EVP_PKEY_free(k->key);
	k->key = NULL;
}

/* The number @name of the key in base64url; @width bytes long, or as short as it is for 0. */
static void encode_number(const EVP_PKEY *key, const char *name, int width, char *ret)
{
	unsigned char bytes[BYTES_MAX];
	BIGNUM *n = NULL;

	need(EVP_PKEY_get_bn_param(key, name, &n));
	if (width == 0)
		width = BN_num_bytes(n);
	need(width <= BYTES_MAX && BN_bn2binpad(n, bytes, width) == width);
	b64url_encode(bytes, (size_t)width, ret);
	BN_free(n);
}

void mkjwt_jwk(const struct mkjwt_key *k, const char *extra, char ret[static MKJWT_TEXT_MAX])
{
	char a[B64URL_CHARS(BYTES_MAX) + 1], b[B64URL_CHARS(BYTES_MAX) + 1], curve[32];
	int width = (EVP_PKEY_get_bits(k->key) + 7) / 8;

	if (k->type == MKJWT_RSA) {
		encode_number(k->key, OSSL_PKEY_PARAM_RSA_N, 0, a);
		encode_number(k->key, OSSL_PKEY_PARAM_RSA_E, 0, b);
		snprintf(ret, MKJWT_TEXT_MAX,
			 "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", k->kid, a,
			 b, extra);
		return;
	}
	encode_number(k->key, OSSL_PKEY_PARAM_EC_PUB_X, width, a);
	encode_number(k->key, OSSL_PKEY_PARAM_EC_PUB_Y, width, b);
	snprintf(curve, sizeof(curve), "P-%d", EVP_PKEY_get_bits(k->key));
	snprintf(ret, MKJWT_TEXT_MAX,
		 "{\"kty\":\"EC\",\"crv\":\"%s\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"%s}",
		 curve, k->kid, a, b, extra);
}

/* Out of DER into two numbers side by side. */
static size_t flatten(unsigned char *sig, size_t len)
{
	const unsigned char *at = sig;
	ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)len);

	need(parsed && BN_bn2binpad(ECDSA_SIG_get0_r(parsed), sig, 48) == 48 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(parsed), sig + 48, 48) == 48);
	ECDSA_SIG_free(parsed);
	return 96;
}

/* Adds "." and the bytes in base64url; the caller knows that there is room. */
static void append(char *text, const void *bytes, size_t len)
{
	char *end = text + strlen(text);

	*end = '.';
	b64url_encode(bytes, len, end + 1);
}

void mkjwt_sign(const struct mkjwt_key *k, const char *header, const char *payload,
		char ret[static MKJWT_TEXT_MAX])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char sig[BYTES_MAX];
	size_t len = sizeof(sig);

	need(B64URL_CHARS(strlen(header)) + B64URL_CHARS(strlen(payload)) < MKJWT_TEXT_MAX - 1000);
	b64url_encode(header, strlen(header), ret);
	append(ret, payload, strlen(payload));
	need(md && EVP_DigestSignInit(md, NULL, k->type == MKJWT_EC ? EVP_sha384() : EVP_sha256(),
				      NULL, k->key));
	need(EVP_DigestSign(md, sig, &len, (const unsigned char *)ret, strlen(ret)));
	EVP_MD_CTX_free(md);
	if (k->type == MKJWT_EC)
		len = flatten(sig, len);
	append(ret, sig, len);
}
