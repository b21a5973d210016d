/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Self-signed certificates with their keys, for tests of the TLS client in one process.
 */
#include <openssl/types.h>
#include <stdbool.h>

struct excert {
	EVP_PKEY *key; /* EC P-256 */
	X509 *cert;
};

/* Makes one for the common name @cn; NULL for none. Valid for an hour, or until an hour ago when
 * @expired. Gives *ret. Ends the program when OpenSSL will not. */
void excert_make(const char *cn, bool expired, struct excert *ret);

/* Writes the certificate (or the key) as PEM to @name in the directory of the test. */
void excert_write_cert(const struct excert *c, const char *name);
/* As excert_write_cert(). */
void excert_write_key(const struct excert *c, const char *name);

/* Lets a server or a client present it. */
void excert_use(const struct excert *c, SSL_CTX *ctx);

/* Frees the key and the certificate; again is no harm. */
void excert_release(struct excert *c);
