/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The TLS settings of our listeners, in one place: TLS 1.3 only, no tickets and no resumption (each
 * connection proves its identity anew), X25519MLKEM768 first where OpenSSL has it (3.5 and later),
 * client certificates of the configured CA only.
 */
#include <openssl/types.h>
#include <stdbool.h>

#include "common/attr.h"

#define TLSSERVER_CHAIN_MAX 4 /* CA certificates between a client's certificate and the root */

struct tlsserver_files {
	const char *cert;     /* PEM, leaf first, then its chain */
	const char *key;      /* PEM */
	const char *ca;       /* PEM, who may sign client certificates */
	bool client_optional; /* a client without a certificate is let in (first registration) */
};

/* Loads the files and makes the settings. Borrows @files. Gives *ret (SSL_CTX_free()).
 * Errors: 0; -EINVAL with *ret_what = what is wrong with which file, static text; -ENOMEM. */
int tlsserver_open(const struct tlsserver_files *files, SSL_CTX **ret,
		   const char **ret_what) _warn_unused_;

/* SSL_CTX_free() for _cleanup_(tlsserver_freep). */
void tlsserver_freep(SSL_CTX **p);
