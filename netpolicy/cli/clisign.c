/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clisign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/files.h"
#include "common/secret.h"

struct clisign_signer {
	EVP_PKEY *key;
	X509 *certificate;
	struct clisign_identity identity;
};

/* A program that waits for a passphrase at three in the morning is of no use: none is asked. */
static int clisign_no_passphrase(char *to, int cap, int is_writing, void *ctx)
{
	return -1;
}

static int clisign_fail(char *error, int r, const char *path, const char *what)
{
	snprintf(error, CLISIGN_ERROR_MAX, "%.300s: %s", path, what);
	return r;
}

static int clisign_read(const char *path, uint8_t **ret, size_t *ret_len, char *error)
{
	int r = files_read(path, CLISIGN_FILE_MAX, ret, ret_len);

	return r < 0 ? clisign_fail(error, r, path, strerror(-r)) : 0;
}

static int clisign_read_key(const char *path, struct clisign_signer *s, char *error)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	BIO *bio;
	int r = clisign_read(path, &bytes, &len, error), id;

	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(bytes, (int)len);
	s->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, clisign_no_passphrase, NULL) : NULL;
	BIO_free(bio);
	secret_wipe_bytes(bytes, len);
	if (!s->key)
		return clisign_fail(error, -EINVAL, path,
				    "no private key in PEM without passphrase");
	id = EVP_PKEY_get_base_id(s->key);
	if (id != EVP_PKEY_EC && id != EVP_PKEY_RSA)
		return clisign_fail(error, -EINVAL, path, "the key must be of type EC or RSA");
	return 0;
}

static int clisign_read_certificate(const char *path, struct clisign_signer *s, char *error)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	BIO *bio;
	int r = clisign_read(path, &bytes, &len, error);

	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(bytes, (int)len);
	s->certificate = bio ? PEM_read_bio_X509(bio, NULL, clisign_no_passphrase, NULL) : NULL;
	BIO_free(bio);
	if (!s->certificate)
		return clisign_fail(error, -EINVAL, path, "no certificate in PEM");
	if (X509_check_private_key(s->certificate, s->key) != 1)
		return clisign_fail(error, -EINVAL, path, "is not the certificate of that key");
	return 0;
}

/* Names end on terminals and in JSON: printable ASCII, or left out. */
static void clisign_copy(char ret[static CLISIGN_NAME_MAX], const ASN1_STRING *text)
{
	const unsigned char *data = text ? ASN1_STRING_get0_data(text) : NULL;
	int len = text ? ASN1_STRING_length(text) : 0;

	if (len <= 0 || len >= CLISIGN_NAME_MAX)
		return;
	for (int i = 0; i < len; i++)
		if (data[i] < ' ' || data[i] > '~')
			return;
	memcpy(ret, data, (size_t)len);
	ret[len] = '\0';
}

static void clisign_read_names(struct clisign_signer *s)
{
	const X509_NAME *subject = X509_get_subject_name(s->certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	GENERAL_NAMES *names = X509_get_ext_d2i(s->certificate, NID_subject_alt_name, NULL, NULL);

	if (at >= 0)
		clisign_copy(s->identity.common_name,
			     X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !s->identity.uri[0]; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_URI)
			clisign_copy(s->identity.uri, name->d.uniformResourceIdentifier);
	}
	GENERAL_NAMES_free(names);
}

static int clisign_fingerprint(struct clisign_signer *s)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (X509_digest(s->certificate, EVP_sha256(), digest, &len) != 1 || len != 32)
		return -EIO;
	for (unsigned int i = 0; i < len; i++)
		snprintf(s->identity.certificate + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int clisign_open(const char *key, const char *certificate, struct clisign_signer **ret,
		 char ret_error[static CLISIGN_ERROR_MAX])
{
	_cleanup_(clisign_closep) struct clisign_signer *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return clisign_fail(ret_error, -ENOMEM, key, strerror(ENOMEM));
	r = clisign_read_key(key, s, ret_error);
	if (r == 0)
		r = clisign_read_certificate(certificate, s, ret_error);
	if (r == 0) {
		clisign_read_names(s);
		r = clisign_fingerprint(s);
		if (r < 0)
			clisign_fail(ret_error, r, certificate, "cannot be hashed");
	}
	if (r == 0)
		*ret = steal_ptr(s);
	return r;
}

const struct clisign_identity *clisign_identity(const struct clisign_signer *s)
{
	return &s->identity;
}

int clisign_sign(const struct clisign_signer *s, const void *bytes, size_t len, uint8_t **ret,
		 size_t *ret_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_(files_freep) uint8_t *signature = NULL;
	size_t n = 0;
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0 && (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) != 1 ||
		       EVP_DigestSign(ctx, NULL, &n, bytes, len) != 1))
		r = -EIO;
	if (r == 0) {
		signature = malloc(n);
		r = signature ? 0 : -ENOMEM;
	}
	if (r == 0 && EVP_DigestSign(ctx, signature, &n, bytes, len) != 1)
		r = -EIO;
	EVP_MD_CTX_free(ctx);
	if (r == 0) {
		*ret = steal_ptr(signature);
		*ret_len = n;
	}
	return r;
}

void clisign_closep(struct clisign_signer **s)
{
	if (!*s)
		return;
	EVP_PKEY_free((*s)->key);
	X509_free((*s)->certificate);
	free(*s);
	*s = NULL;
}
