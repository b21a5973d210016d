/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The instance metadata service of AWS, version 2 only: a session token first, then reads with it.
 * Asked at the configured addresses over plain HTTP, directly. The answers are foreign bytes;
 * whoever decodes them judges them.
 * Source: AWS, "Use the Instance Metadata Service"; docs/zts.md, "Attestation".
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/fetchjob.h"
#include "common/attr.h"

#define IMDS_TOKEN_MAX 1024  /* bytes with NUL */
#define IMDS_TOKEN_TTL_S 300 /* one attempt is shorter */
#define IMDS_CONNECT_MS 1000
#define IMDS_CALL_MS 5000
#define IMDS_PATH_MAX 256 /* bytes with NUL */

struct imds {
	const struct certconf *conf; /* kept */
	uint64_t deadline_ns;
	const char *endpoint; /* that gave the token; borrowed from @conf */
	char token[IMDS_TOKEN_MAX];
};

/* Asks the endpoints in turn for a token. Keeps @conf. Gives *ret.
 * Errors: 0; -EPERM with PST_IMDS_UNREACHABLE (nobody answers, or only with 5xx or 429),
 * PST_IMDS_REFUSED (4xx) or PST_IMDS_ANSWER; -ENOMEM. */
int imds_open(const struct certconf *conf, uint64_t deadline_ns, struct imds *ret,
	      struct fetchjob_result *ret_result) _warn_unused_;

/* Reads @path ("/latest/..."), at most @max bytes; a token that is not accepted (any more) is
 * renewed once. Gives *ret with a NUL behind it (wipe and free() it) and *ret_len.
 * Errors: as imds_open(). */
int imds_get(struct imds *i, const char *path, size_t max, char **ret, size_t *ret_len,
	     struct fetchjob_result *ret_result) _warn_unused_;

/* Wipes the token. For _cleanup_(imds_release). */
void imds_release(struct imds *i);
