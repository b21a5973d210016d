/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Signing requests for tests, right or wrong in any way that the openssl command line would refuse
 * to make.
 */
#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

#include "tests/unit/certs/mkcert.h"

enum {
	MKCSR_FIELDS_MAX = 6,
	MKCSR_SANS_MAX = 65, /* one more than a request may have */
};

struct mkcsr_field {
	int nid;
	int type; /* V_ASN1_… */
	const char *bytes;
	size_t len;
	bool is_same_set; /* in one set with the field before */
};

#define MKCSR_FIELD(nid, literal)                                                                  \
	{                                                                                          \
		(nid), V_ASN1_UTF8STRING, (literal), sizeof(literal) - 1, false                    \
	}

struct mkcsr {
	EVP_PKEY *key;                               /* borrowed */
	EVP_PKEY *signer;                            /* NULL for @key */
	const char *digest;                          /* NULL for SHA-256 */
	long version;                                /* 0 is the only good one */
	struct mkcsr_field fields[MKCSR_FIELDS_MAX]; /* ends with one that has no bytes */
	struct mkcert_name sans[MKCSR_SANS_MAX];     /* GEN_…; ends with one that has no bytes */
	const char *raw_san;                         /* NULL, or the extension's content */
	size_t raw_san_len;
	const char *raw_extensions; /* NULL, or the whole list in place of @sans */
	size_t raw_extensions_len;
	int raw_type;            /* of that, V_ASN1_…; 0 for a SEQUENCE */
	bool is_san_twice;       /* two extensions of alternative names */
	bool is_attribute_twice; /* two attributes of extensions */
	bool is_value_twice;     /* one attribute with two values */
	bool is_microsoft;       /* the attribute under its other name */
	bool has_challenge;      /* another attribute */
	bool has_usage;          /* another extension */
	bool has_rest;           /* a byte behind the request */
};

/* Makes a request in PEM; free() it. Ends the program when OpenSSL will not. */
char *mkcsr_make(const struct mkcsr *spec);

/* Encodes bytes in PEM as a block named @name; free() it. */
char *mkcsr_pem(const char *name, const unsigned char *der, size_t len);
