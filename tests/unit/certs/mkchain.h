/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Certificates with an issuer, for tests: a CA, one below it, a host; right or wrong in time, use
 * and strength.
 */
#include <stdbool.h>
#include <stdint.h>

#include <openssl/types.h>

enum { MKCHAIN_URIS_MAX = 3 };

struct mkchain {
	EVP_PKEY *key;
	const X509 *issuer;         /* NULL: signed with its own key */
	EVP_PKEY *issuer_key;       /* of that */
	const char *cn, *second_cn; /* NULL = none */
	const char *uris[MKCHAIN_URIS_MAX];
	uint64_t not_before, not_after; /* seconds since 1970 */
	bool is_ca;
	const char *usage;         /* "clientAuth,serverAuth"; NULL = none said */
	const char *constraints;   /* of names, as in openssl.cnf; NULL = none */
	const char *digest;        /* NULL for SHA-256 */
	const char *raw_not_after; /* NULL, or the content of a GeneralizedTime */
};

/* Makes one with the serial number 1. X509_free() it. Ends the program when OpenSSL will not. */
X509 *mkchain_make(const struct mkchain *spec);

/* The certificate in PEM; free() it. */
char *mkchain_pem(X509 *cert);

/* The private key in PEM, PKCS#8, encrypted when @password is not NULL; free() it. */
char *mkchain_key_pem(EVP_PKEY *key, const char *password);
