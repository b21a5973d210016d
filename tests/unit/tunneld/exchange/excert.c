/* SPDX-License-Identifier: MIT */
#include "tests/unit/tunneld/exchange/excert.h"

#include <limits.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/tmpdir.h"

#define EXCERT_HOUR_S 3600

static void excert_need(bool ok)
{
	if (!ok)
		abort();
}

void excert_make(const char *cn, bool expired, struct excert *ret)
{
	X509 *cert = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_NAME *name;

	excert_need(cert && key && X509_set_version(cert, X509_VERSION_3));
	name = X509_get_subject_name(cert);
	excert_need(!cn || X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
						      (const unsigned char *)cn, -1, -1, 0));
	/* Something must be in it: an empty issuer is no issuer. */
	excert_need(X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_ASC,
					       (const unsigned char *)"test", -1, -1, 0));
	excert_need(X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key));
	excert_need(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1));
	excert_need(X509_gmtime_adj(X509_getm_notBefore(cert), -2L * EXCERT_HOUR_S) &&
		    X509_gmtime_adj(X509_getm_notAfter(cert),
				    expired ? -1L * EXCERT_HOUR_S : EXCERT_HOUR_S));
	excert_need(X509_sign(cert, key, EVP_sha256()) > 0);
	*ret = (struct excert){ .key = key, .cert = cert };
}

static FILE *excert_open(const char *name)
{
	char path[PATH_MAX];
	FILE *f = fopen(tmpdir_path(path, name), "we");

	excert_need(f != NULL);
	return f;
}

void excert_write_cert(const struct excert *c, const char *name)
{
	FILE *f = excert_open(name);

	excert_need(PEM_write_X509(f, c->cert) == 1);
	fclose(f);
}

void excert_write_key(const struct excert *c, const char *name)
{
	FILE *f = excert_open(name);

	excert_need(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
}

void excert_use(const struct excert *c, SSL_CTX *ctx)
{
	excert_need(SSL_CTX_use_certificate(ctx, c->cert) == 1 &&
		    SSL_CTX_use_PrivateKey(ctx, c->key) == 1);
}

void excert_release(struct excert *c)
{
	X509_free(c->cert);
	EVP_PKEY_free(c->key);
	*c = (struct excert){ 0 };
}
