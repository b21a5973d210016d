/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/fetch/standca.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STANDCA_HOUR_S 3600
#define STANDCA_SERIAL_BYTES 16

static void standca_need(bool ok)
{
	if (!ok)
		abort();
}

static char *standca_take(BIO *bio)
{
	char *bytes = NULL, *text;
	long len = BIO_get_mem_data(bio, &bytes);

	text = strndup(bytes, (size_t)len);
	standca_need(text != NULL);
	BIO_free(bio);
	return text;
}

static char *standca_pem_of_cert(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	standca_need(bio && PEM_write_bio_X509(bio, cert) == 1);
	return standca_take(bio);
}

static char *standca_pem_of_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	standca_need(bio && PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL,
								 NULL) == 1);
	return standca_take(bio);
}

static void standca_add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	standca_need(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

/* V_ASN1_UTF8STRING, for a common name may be longer than OpenSSL likes. */
static X509 *standca_new_cert(const char *cn, EVP_PKEY *key, long from_s, long to_s)
{
	X509 *cert = X509_new();
	unsigned char serial[STANDCA_SERIAL_BYTES];
	BIGNUM *bn;

	standca_need(cert && RAND_bytes(serial, sizeof(serial)) == 1);
	serial[0] = 0x17;
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	standca_need(bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)));
	BN_free(bn);
	standca_need(X509_set_version(cert, X509_VERSION_3) && X509_set_pubkey(cert, key) &&
		     X509_gmtime_adj(X509_getm_notBefore(cert), from_s) &&
		     X509_gmtime_adj(X509_getm_notAfter(cert), to_s) &&
		     X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName,
						V_ASN1_UTF8STRING, (const unsigned char *)cn, -1,
						-1, 0));
	return cert;
}

/* @above: NULL = it signs itself. */
static void standca_make(const struct standca *above, const char *cn, struct standca *ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert;

	standca_need(key != NULL);
	cert = standca_new_cert(cn, key, -2L * STANDCA_HOUR_S, 24L * STANDCA_HOUR_S);
	standca_need(X509_set_issuer_name(cert, X509_get_subject_name(above ? above->cert : cert)));
	standca_add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	standca_add_extension(cert, cert, NID_key_usage, "critical,keyCertSign");
	standca_add_extension(cert, cert, NID_subject_key_identifier, "hash");
	standca_need(X509_sign(cert, above ? above->key : key, EVP_sha256()) > 0);
	*ret = (struct standca){ .key = key, .cert = cert, .pem = standca_pem_of_cert(cert) };
}

void standca_init(const char *cn, struct standca *ret)
{
	standca_make(NULL, cn, ret);
}

void standca_init_below(const struct standca *above, const char *cn, struct standca *ret)
{
	standca_make(above, cn, ret);
}

static EVP_PKEY *standca_new_key(unsigned int rsa_bits)
{
	EVP_PKEY *key = rsa_bits ? EVP_RSA_gen(rsa_bits) : EVP_EC_gen("P-256");

	standca_need(key != NULL);
	return key;
}

void standca_issue(const struct standca *ca, const struct standca_spec *spec,
		   struct standca_pair *ret)
{
	EVP_PKEY *key = spec->key ? spec->key : standca_new_key(spec->rsa_bits);
	X509 *cert;

	cert = standca_new_cert(spec->cn ? spec->cn : "issuer.example", key,
				spec->from_s ? spec->from_s : -STANDCA_HOUR_S,
				spec->to_s ? spec->to_s : STANDCA_HOUR_S);
	standca_need(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)));
	standca_add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
	standca_add_extension(cert, ca->cert, NID_ext_key_usage,
			      spec->eku ? spec->eku : "serverAuth,clientAuth");
	standca_add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid");
	if (spec->san)
		standca_add_extension(cert, ca->cert, NID_subject_alt_name, spec->san);
	standca_need(X509_sign(cert, ca->key, EVP_sha256()) > 0);
	*ret = (struct standca_pair){ .cert = standca_pem_of_cert(cert) };
	X509_free(cert);
	if (spec->key)
		return;
	ret->key = standca_pem_of_key(key);
	EVP_PKEY_free(key);
}

void standca_free_pair(struct standca_pair *p)
{
	free(p->cert);
	free(p->key);
	*p = (struct standca_pair){ 0 };
}

void standca_release(struct standca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	free(ca->pem);
	*ca = (struct standca){ 0 };
}
