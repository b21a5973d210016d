/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Certificates for tests, right or wrong in any way that the openssl command line would refuse to
 * make: raw bytes in names, several common names, broken extensions. Each is encoded and decoded
 * again, so that the code under test sees what comes off the wire.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

enum {
	MKCERT_CNS_MAX = 2,
	MKCERT_SANS_MAX = 65, /* one more than an identity may have */
};

/* Bytes of a name; a list ends with one that has none. */
struct mkcert_name {
	int type; /* common name: V_ASN1_…; alternative name: GEN_… */
	const char *bytes;
	size_t len;
};

#define MKCERT_NAME(type, literal)                                                                 \
	{                                                                                          \
		(type), (literal), sizeof(literal) - 1                                             \
	}

struct mkcert {
	struct mkcert_name cns[MKCERT_CNS_MAX];
	struct mkcert_name sans[MKCERT_SANS_MAX];
	bool is_one_rdn;       /* both common names in one set */
	struct mkcert_name ou; /* no bytes for "tests.example"; the kind is V_ASN1_… */
	bool has_no_ou;        /* the common names come first then */
	bool is_san_twice;     /* the extension is there twice */
	const char *raw_san;   /* NULL, or the content of the extension in place of @sans */
	size_t raw_san_len;    /* bytes */
	const char *serial;    /* NULL for 1, or big-endian bytes */
	size_t serial_len;     /* bytes */
	bool is_serial_negative;
	const char *not_before; /* NULL for 2020, or the content of a GeneralizedTime */
	const char *not_after;  /* NULL for 2050, or as above */
};

/* Makes a certificate signed with its own new key. Gives it, or NULL when OpenSSL will not. */
X509 *mkcert_make(const struct mkcert *spec);
