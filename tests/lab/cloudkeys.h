/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The keys of lab-cloud: who signs instance documents (as AWS does it: DSA 1024 with SHA-1, and RSA
 * 2048 with SHA-256), who signs web-identity tokens, and the secret behind everything it hands out.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define CLOUDKEYS_SECRET 32 /* bytes */

struct cloudkeys {
	EVP_PKEY *dsa, *rsa, *es384;
	X509 *dsa_cert, *rsa_cert;
	uint8_t secret[CLOUDKEYS_SECRET];
};

enum cloudkeys_signer { CLOUDKEYS_DSA, CLOUDKEYS_RSA };

/* Makes everything new in the folder @dir: aws-dsa.pem and aws-rsa2048.pem (certificates an issuer
 * is configured with), jwks.json (the same for tokens), and secrets of mode 0600.
 * Errors: 0; -EIO; -errno. */
int cloudkeys_init(const char *dir) _warn_unused_;

/* Loads them. Gives *ret. Errors: 0; -EIO; -errno. */
int cloudkeys_load(const char *dir, struct cloudkeys *ret) _warn_unused_;

/* Signs @text as an instance identity document: CMS with its content inside, base64 in lines of 64.
 * @forged: by another key that claims to be the same signer. Gives *ret (free() it).
 * Errors: 0; -EIO. */
int cloudkeys_sign_document(const struct cloudkeys *k, enum cloudkeys_signer who, bool forged,
			    const char *text, char **ret) _warn_unused_;

/* Signs a web-identity token with @claims (JSON); @alg is ES384 or RS256. Gives *ret (free() it).
 * Errors: 0; -EINVAL for another @alg; -EIO. */
int cloudkeys_sign_token(const struct cloudkeys *k, const char *alg, const char *claims,
			 char **ret) _warn_unused_;

/* HMAC-SHA256 of @text under the secret, as hex into @ret. Errors: 0; -EIO. */
int cloudkeys_mac(const struct cloudkeys *k, const char *text, char ret[static 65]) _warn_unused_;

/* @len bytes as base64; @url: the alphabet for URLs, without padding. Gives *ret (free() it).
 * Errors: 0; -ENOMEM. */
int cloudkeys_base64(const void *bytes, size_t len, bool url, char **ret) _warn_unused_;

/* For _cleanup_(cloudkeys_release). */
void cloudkeys_release(struct cloudkeys *k);
