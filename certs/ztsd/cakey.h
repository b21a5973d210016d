/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the CA's private key comes from: a PEM file, or a token or other store that one of
 * OpenSSL's providers reaches by a URI. Such providers live in a library context of their own, so
 * that TLS, digests and random numbers never come to the token. A token is asked as the user that
 * ztsd runs as, for that is who signs later; files are read as root.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define CAKEY_WHY_MAX 704
#define CAKEY_URI_MAX 256 /* bytes, with NUL */
#define CAKEY_PIN_MAX 128 /* bytes, with NUL */

struct cakey;

/* Borrowed; NULL and "" are the same. */
struct cakey_spec {
	const char *key;      /* an absolute path, or a URI */
	const char *provider; /* OpenSSL's name of it, beside those that openssl.cnf loads */
	const char *pin_file; /* PIN of the token, or passphrase of the file; NULL = none */
};

/* Reads what needs root: the PIN, and the key itself when it is a file. Gives *ret.
 * Errors: 0; -EINVAL with @ret_why; -ENOMEM. */
int cakey_open(const struct cakey_spec *spec, struct cakey **ret,
	       char ret_why[static CAKEY_WHY_MAX]) _warn_unused_;

/* Whether the key is asked for by a URI, which cakey_load() does. */
bool cakey_is_token(const struct cakey *k);

/* Loads the providers and finds the one key. Again after a failure, or to start afresh with a token
 * that was away: keys of cakey_get() are gone then. A key in a file stays as it is.
 * Errors: 0; -EINVAL with @ret_why; -ENOMEM. */
int cakey_load(struct cakey *k, char ret_why[static CAKEY_WHY_MAX]) _warn_unused_;

/* The key; NULL when it is a token's and not loaded. Borrowed from @k until the next load. */
EVP_PKEY *cakey_get(const struct cakey *k);

/* Whether the last cakey_load() told a provider the PIN. A key that is no good after that may have
 * had a wrong one, and tokens lock after some of those. */
bool cakey_has_told_pin(const struct cakey *k);

/* Begins a signature in @md by the provider that has @key: asked for no more than the kind of key,
 * OpenSSL would take its own, which has the public half of a token's key at most. @k NULL stands
 * for a key of the default provider, @digest NULL for a key that brings its own. Errors: 0; -EIO,
 * with the reason in OpenSSL's queue. */
int cakey_begin(const struct cakey *k, EVP_PKEY *key, const char *digest,
		EVP_MD_CTX *md) _warn_unused_;

/* What is wrong with @path as a file that holds a secret: that everybody may read or write it, or
 * that it cannot be found. NULL when nothing is. Static, or of strerror(). */
const char *cakey_distrust(const char *path);

/* What people may read of a key's name: a URI without its PIN. */
void cakey_redact(const char *key, char ret[static CAKEY_URI_MAX]);

/* The first reason in OpenSSL's error queue of this thread, " (reason)", or "" when there is none.
 * Empties the queue. */
void cakey_reason(char *ret, size_t cap);

/* Wipes the PIN. NULL is allowed. */
void cakey_close(struct cakey *k);
/* As cakey_close(), for _cleanup_(cakey_closep). */
void cakey_closep(struct cakey **p);
