/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A detached signature with the identity key of the host, made so that the openssl program alone
 * can check it: SHA-256, DER (ECDSA) or PKCS #1 (RSA), as "openssl dgst -sha256 -verify" takes it.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define CLISIGN_NAME_MAX 256  /* bytes with the NUL */
#define CLISIGN_ERROR_MAX 512 /* bytes with the NUL */
#define CLISIGN_FILE_MAX (64 * 1024)

/* Who signs, from the certificate. */
struct clisign_identity {
	char common_name[CLISIGN_NAME_MAX]; /* "" = the certificate has none */
	char uri[CLISIGN_NAME_MAX];         /* the first URI among its names, spiffe://...; "" */
	char certificate[65];               /* SHA-256 of its DER form */
};

struct clisign_signer;

/* Reads a key and its certificate (PEM, the first one of the file). Gives *ret, to be released.
 * Errors: 0; -EINVAL, -ENOENT... with words in @ret_error; -ENOMEM. */
int clisign_open(const char *key, const char *certificate, struct clisign_signer **ret,
		 char ret_error[static CLISIGN_ERROR_MAX]) _warn_unused_;

/* Borrowed from the signer. */
const struct clisign_identity *clisign_identity(const struct clisign_signer *s);

/* Signs @len bytes. Gives *ret (free() it). Errors: 0; -EIO; -ENOMEM. */
int clisign_sign(const struct clisign_signer *s, const void *bytes, size_t len, uint8_t **ret,
		 size_t *ret_len) _warn_unused_;

/* Releases. For _cleanup_(clisign_closep). */
void clisign_closep(struct clisign_signer **s);
