/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A certificate authority of a test, in memory, and what it signs: right or wrong in the ways a
 * worker of certd may meet. Ends the program when OpenSSL will not.
 */
#include <openssl/types.h>

struct standca {
	EVP_PKEY *key; /* EC P-256 */
	X509 *cert;
	char *pem; /* of the certificate */
};

/* What a certificate says. Zero fields have the defaults given. */
struct standca_spec {
	const char *cn;        /* "issuer.example" */
	const char *san;       /* in OpenSSL's words: "DNS:a,URI:b"; NULL = none */
	const char *eku;       /* "serverAuth,clientAuth" */
	long from_s;           /* of its life, from now on; 0 = an hour ago */
	long to_s;             /* as from_s; 0 = in an hour */
	EVP_PKEY *key;         /* that it is for; NULL = a new one */
	unsigned int rsa_bits; /* of a new one; 0 = EC P-256 */
};

/* A pair in PEM. */
struct standca_pair {
	char *cert, *key; /* key is NULL when the spec brought one */
};

/* Makes an authority of the name @cn. Gives *ret. */
void standca_init(const char *cn, struct standca *ret);

/* As standca_init(), signed by @above and not by itself. */
void standca_init_below(const struct standca *above, const char *cn, struct standca *ret);

/* Issues a certificate. Gives *ret. */
void standca_issue(const struct standca *ca, const struct standca_spec *spec,
		   struct standca_pair *ret);

/* Frees a pair. */
void standca_free_pair(struct standca_pair *p);

/* Frees an authority. */
void standca_release(struct standca *ca);
