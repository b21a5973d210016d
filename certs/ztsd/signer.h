/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The CA: signs with its key certificates in the Athenz profile, made out of names that were
 * checked. Nothing of a request is copied as it stands but the public key. A key in a token may go
 * away and come back. Source: docs/zts.md, "The certificate".
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/csr.h"
#include "certs/ztsd/cakey.h"
#include "common/attr.h"

#define SIGNER_SERIAL_MAX 64 /* bytes with NUL: lower-case hex, as in struct peerid */
#define SIGNER_WHY_MAX CAKEY_WHY_MAX
#define SIGNER_PURPOSE_CLIENT 1u
#define SIGNER_PURPOSE_SERVER 2u

struct signer;

/* What one certificate says. Borrowed; NULL or "" in the subject = left out. */
struct signer_order {
	EVP_PKEY *key;                 /* NULL when there is: */
	const unsigned char *key_info; /* its SubjectPublicKeyInfo, which goes in as it is */
	size_t key_info_len;
	const char *country, *organization, *organizational_unit, *common_name;
	const struct csr_name *const *names;
	size_t n_names;
	const char *serial; /* of signer_make_serial() */
	uint64_t not_before_wall, not_after_wall;
	unsigned int purposes; /* SIGNER_PURPOSE_... */
};

/* Loads the certificate of the CA, and what of its key needs root. A key in a file is ready then;
 * it must belong to the certificate. Gives *ret. Errors: 0; -EINVAL with @ret_why; -ENOMEM. */
int signer_open(const char *cert_path, const struct cakey_spec *key, struct signer **ret,
		char ret_why[static SIGNER_WHY_MAX]) _warn_unused_;

/* Makes the key ready, which for a token's means to load it, and signs once to see that it is the
 * certificate's. Also brings back a signer that is down: with the key it has, or loading it again.
 * Errors: 0; -EINVAL with @ret_why, and then the signer is down; -ENOMEM. */
int signer_start(struct signer *s, char ret_why[static SIGNER_WHY_MAX]) _warn_unused_;

/* Whether the key could not sign when it was last asked to; signer_start() may help. */
bool signer_is_down(const struct signer *s);

/* Whether the last signer_start() that loaded the key told its token the PIN, which may be wrong
 * when it failed: then it must not be called again and again, for tokens lock. */
bool signer_has_told_pin(const struct signer *s);

/* The certificates of the CA file, PEM. Borrowed from @s. */
const char *signer_bundle(const struct signer *s);

/* notAfter of the CA itself: nothing signed outlives it. */
uint64_t signer_expires_wall(const struct signer *s);

/* The CA's certificate. Borrowed. */
const X509 *signer_cert(const struct signer *s);

/* A new serial: 158 random bits in 20 bytes, positive, without a leading zero. Errors: 0; -EIO. */
int signer_make_serial(char ret[static SIGNER_SERIAL_MAX]) _warn_unused_;

/* Makes the certificate. Gives *ret, PEM (free() it). Errors: 0; -EIO when OpenSSL or the key's
 * token refuses, or the signer is down; -ENOMEM. */
int signer_issue(struct signer *s, const struct signer_order *order, char **ret) _warn_unused_;

/* NULL is allowed. */
void signer_free(struct signer *s);
/* As signer_free(), for _cleanup_(signer_freep). */
void signer_freep(struct signer **p);

/* Makes a CA that signs itself with the key of @order, which is @key's or, with NULL, one of no
 * token: only key, common name, serial and times are taken. Gives *ret, PEM (free() it).
 * Errors: 0; -EIO, perhaps with a reason in OpenSSL's queue; -ENOMEM. */
int signer_make_root(const struct signer_order *order, const struct cakey *key,
		     char **ret) _warn_unused_;
