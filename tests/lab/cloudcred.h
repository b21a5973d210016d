/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The temporary credentials of lab-cloud, and the check of requests that are signed with them.
 * Nothing is stored: a session token says whose it is and until when, under a MAC, and the secret
 * follows from it.
 */
#include <stdint.h>

#include "common/attr.h"
#include "tests/lab/cloudkeys.h"

#define CLOUDCRED_NAME_MAX 256

struct cloudcred {
	char account[CLOUDCRED_NAME_MAX], role[CLOUDCRED_NAME_MAX], session[CLOUDCRED_NAME_MAX];
	uint64_t expires_wall;
	char access[32], secret[65];
	char token[1024];
};

/* Fills access, secret and token from the other fields. Errors: 0; -EIO. */
int cloudcred_make(const struct cloudkeys *k, struct cloudcred *c) _warn_unused_;

/* Reads a session token. Errors: 0; -EBADMSG for one that is not ours. It may be over. */
int cloudcred_read(const struct cloudkeys *k, const char *token,
		   struct cloudcred *ret) _warn_unused_;

/* A signed request as it came; texts are "" when absent. Borrowed. */
struct cloudcred_request {
	const char *method, *path, *body;
	const char *authorization, *date,
		*token; /* Authorization, X-Amz-Date, X-Amz-Security-Token */
	const char *(*header)(void *ctx, const char *name);
	void *ctx;
	uint64_t now_wall;
};

/* Who signed. Errors: 0; -EPERM with *ret_code = AWS' name of the error and *ret_message = its
 * words. */
int cloudcred_check(const struct cloudkeys *k, const struct cloudcred_request *rq,
		    struct cloudcred *ret, const char **ret_code,
		    const char **ret_message) _warn_unused_;
