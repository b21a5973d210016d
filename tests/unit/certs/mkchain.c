/* SPDX-License-Identifier: MIT */
#include "tests/unit/certs/mkchain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static void mkchain_need(bool ok)
{
	if (ok)
		return;
	ERR_print_errors_fp(stderr);
	abort();
}

static void mkchain_set_cn(X509 *cert, const char *cn)
{
	if (cn)
		mkchain_need(X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName,
							V_ASN1_UTF8STRING,
							(const unsigned char *)cn, -1, -1, 0));
}

static void mkchain_set_names(X509 *cert, const struct mkchain *spec)
{
	GENERAL_NAMES *sans = GENERAL_NAMES_new();

	mkchain_set_cn(cert, spec->cn);
	mkchain_set_cn(cert, spec->second_cn);
	for (size_t i = 0; i < MKCHAIN_URIS_MAX && spec->uris[i]; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_STRING *string = ASN1_STRING_type_new(V_ASN1_IA5STRING);

		mkchain_need(name && string && ASN1_STRING_set(string, spec->uris[i], -1));
		GENERAL_NAME_set0_value(name, GEN_URI, string);
		mkchain_need(sk_GENERAL_NAME_push(sans, name) > 0);
	}
	if (sk_GENERAL_NAME_num(sans) > 0)
		mkchain_need(X509_add1_ext_i2d(cert, NID_subject_alt_name, sans, 0,
					       X509V3_ADD_DEFAULT) == 1);
	GENERAL_NAMES_free(sans);
}

static void mkchain_add(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	mkchain_need(extension && X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static void mkchain_set_times(X509 *cert, const struct mkchain *spec)
{
	ASN1_TIME *end = X509_getm_notAfter(cert);

	mkchain_need(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)spec->not_before) &&
		     ASN1_TIME_set(end, (time_t)spec->not_after));
	if (spec->raw_not_after) {
		end->type = V_ASN1_GENERALIZEDTIME;
		mkchain_need(ASN1_STRING_set(end, spec->raw_not_after, -1));
	}
}

X509 *mkchain_make(const struct mkchain *spec)
{
	const EVP_MD *digest = spec->digest ? EVP_get_digestbyname(spec->digest) : EVP_sha256();
	X509 *cert = X509_new();

	mkchain_need(cert && X509_set_version(cert, X509_VERSION_3) &&
		     ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
		     X509_set_pubkey(cert, spec->key));
	mkchain_set_names(cert, spec);
	mkchain_set_times(cert, spec);
	mkchain_need(X509_set_issuer_name(cert, X509_get_subject_name(spec->issuer ? spec->issuer :
										     cert)));
	if (spec->is_ca)
		mkchain_add(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->usage)
		mkchain_add(cert, NID_ext_key_usage, spec->usage);
	if (spec->constraints)
		mkchain_add(cert, NID_name_constraints, spec->constraints);
	mkchain_need(X509_sign(cert, spec->issuer ? spec->issuer_key : spec->key, digest) > 0);
	return cert;
}

/* Frees @bio and gives what was written to it. */
static char *mkchain_take_text(BIO *bio)
{
	char *bytes, *text;
	long n = BIO_get_mem_data(bio, &bytes);

	mkchain_need(n > 0);
	text = strndup(bytes, (size_t)n);
	mkchain_need(text != NULL);
	BIO_free(bio);
	return text;
}

char *mkchain_pem(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	mkchain_need(bio && PEM_write_bio_X509(bio, cert));
	return mkchain_take_text(bio);
}

char *mkchain_key_pem(EVP_PKEY *key, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());

	mkchain_need(bio && PEM_write_bio_PKCS8PrivateKey(
				    bio, key, password ? EVP_aes_128_cbc() : NULL, password,
				    password ? (int)strlen(password) : 0, NULL, NULL));
	return mkchain_take_text(bio);
}
