/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Registration tokens: what proves an instance where no cloud does. An operator makes one with
 * "ztsctl token" for one instance of one service and lays it into the instance; a code under the
 * provider's secret protects it. One line of text that shows what it is for:
 * "v=P1;p=<provider>;d=<domain>;s=<service>;i=<instance id>;e=<expires>;h=<code>", in exactly this
 * order. The code is HMAC-SHA256 over all before ";h=", in base64url.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/principal.h"
#include "common/attr.h"

#define REGTOKEN_MAX 1024   /* bytes with NUL of a token */
#define REGTOKEN_KEY_MIN 32 /* bytes of a secret */
#define REGTOKEN_KEY_MAX 64
#define REGTOKEN_WHY_MAX 256
#define REGTOKEN_EXPIRES_MAX 253402300799 /* the end of the year 9999 */

/* What a token says. Lower case but for the id. */
struct regtoken {
	char provider[PRINCIPAL_PROVIDER_MAX];
	char domain[PRINCIPAL_MAX];
	char service[PRINCIPAL_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	uint64_t expires_wall; /* registers until then, seconds since 1970 */
};

/* The secret of a provider. */
struct regtoken_key {
	size_t len;
	uint8_t bytes[REGTOKEN_KEY_MAX];
};

/* Reads a secret: the file's content without a line feed at its end; others than owner and group
 * must have no right to the file.
 * Errors: 0; -EPERM, -EINVAL, -EFBIG, -ENOENT... with @ret_why = what is wrong with the file. */
int regtoken_load_key(const char *path, struct regtoken_key *ret,
		      char ret_why[static REGTOKEN_WHY_MAX]) _warn_unused_;

/* Makes a token. Errors: 0; -EINVAL for names that a token cannot carry; -EIO. */
int regtoken_make(const struct regtoken *claims, const struct regtoken_key *key,
		  char ret[static REGTOKEN_MAX]) _warn_unused_;

/* Reads the @len bytes of a token; a line feed at its end is left out. Whether its time is over is
 * for the caller. Errors: 0; -EBADMSG for another form; -EKEYREJECTED for another secret; -EIO. */
int regtoken_read(const char *text, size_t len, const struct regtoken_key *key,
		  struct regtoken *ret) _warn_unused_;

/* Wipes a secret. For _cleanup_(regtoken_wipe). */
void regtoken_wipe(struct regtoken_key *key);
