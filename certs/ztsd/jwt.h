/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The web-identity tokens that AWS STS gives to a role ("GetWebIdentityToken"), checked against the
 * issuer's keys from a file. Only ES384 and RS256, and each key only with the algorithm of its
 * type: what the token says about itself decides nothing. Empties OpenSSL's error queue of this
 * thread. Source: RFC 7515, 7517, 7518, 7519; AWS STS API reference, GetWebIdentityToken.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/principal.h"
#include "common/attr.h"

#define JWT_TOKEN_MAX 8192      /* bytes of a token */
#define JWT_FILE_MAX 262144     /* bytes of a key file */
#define JWT_KEYS_MAX 64         /* keys in it */
#define JWT_KID_MAX 128         /* bytes with NUL of a key's name */
#define JWT_ACCOUNT_MAX 64      /* bytes with NUL */
#define JWT_SKEW_S 60           /* the issuer's clock and ours may differ by that much */
#define JWT_LIFETIME_MAX_S 3600 /* DurationSeconds of GetWebIdentityToken; AWS */
#define JWT_WHY_MAX 256

struct jwt_keys; /* the keys of one issuer */

/* What a token must be. Borrowed texts. */
struct jwt_rule {
	const char *issuer;
	const char *audience;
	const char *region; /* whose partition the role is of */
	uint64_t now_wall;
};

/* What a good token says. */
struct jwt_claims {
	char account[JWT_ACCOUNT_MAX]; /* aws_account, which is also that of the role */
	char org_id[JWT_ACCOUNT_MAX];
	char role[PRINCIPAL_MAX]; /* without its path */
};

/* Reads the @len bytes of a JWKS document. Keys of other types and for other uses are left out.
 * Gives *ret (jwt_keys_free()). Errors: 0; -EINVAL with *ret_why, static text: no JWKS, a broken
 * key, one without a name, a name twice, no key that is of use; -E2BIG for too many; -ENOMEM. */
int jwt_keys_parse(const char *bytes, size_t len, struct jwt_keys **ret,
		   const char **ret_why) _warn_unused_;

/* As jwt_keys_parse(), from a file. Keeps @path. Errors: also -errno of the file; each with
 * @ret_why = what is wrong with which file. */
int jwt_keys_load(const char *path, struct jwt_keys **ret,
		  char ret_why[static JWT_WHY_MAX]) _warn_unused_;

/* Reads the file again when it is another one or was changed: issuers change their keys. On an
 * error the old keys stay. Errors: as jwt_keys_load(). */
int jwt_keys_refresh(struct jwt_keys *keys, char ret_why[static JWT_WHY_MAX]) _warn_unused_;

/* Checks a token. Errors: 0; -EBADMSG with *ret_why, static text for people; -ENOMEM. */
int jwt_verify(const struct jwt_keys *keys, const char *token, const struct jwt_rule *rule,
	       struct jwt_claims *ret, const char **ret_why) _warn_unused_;

/* NULL is allowed. */
void jwt_keys_free(struct jwt_keys *keys);
/* As jwt_keys_free(), for _cleanup_(jwt_keys_freep). */
void jwt_keys_freep(struct jwt_keys **p);
