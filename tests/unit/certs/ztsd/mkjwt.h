/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Web tokens for tests, right or wrong: keys, the JWKS document that shows them, and signatures
 * over any header and payload. Ends the program when OpenSSL will not.
 */
#include <openssl/types.h>
#include <stddef.h>

#define MKJWT_TEXT_MAX 16384 /* bytes with NUL of a token or a document */

enum mkjwt_type { MKJWT_EC, MKJWT_RSA };

struct mkjwt_key {
	const char *kid; /* kept */
	enum mkjwt_type type;
	EVP_PKEY *key;
};

/* Makes a key: @what is "P-384" or another curve, or the bits of an RSA key as text. */
void mkjwt_make(const char *kid, enum mkjwt_type type, const char *what, struct mkjwt_key *ret);
/* Frees the key; again is no harm. */
void mkjwt_release(struct mkjwt_key *k);

/* Writes the public part as a JWK; @extra: more members, each with a comma in front, or "". */
void mkjwt_jwk(const struct mkjwt_key *k, const char *extra, char ret[static MKJWT_TEXT_MAX]);

/* Signs "header.payload" as the type of @k has it: ES384 or RS256. */
void mkjwt_sign(const struct mkjwt_key *k, const char *header, const char *payload,
		char ret[static MKJWT_TEXT_MAX]);
