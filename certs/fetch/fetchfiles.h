/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The files that a job needs, read while files can still be opened.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/fetchjob.h"
#include "common/attr.h"

#define FETCHFILES_CA_MAX (1024 * 1024) /* bytes; the system's bundle has a quarter of it */
#define FETCHFILES_MACHINE_ID "/etc/machine-id"

/* One file; a NUL follows the content. */
struct fetchfiles_text {
	uint8_t *bytes; /* owned; NULL = not needed */
	size_t len;
};

struct fetchfiles {
	struct fetchfiles_text zts_ca, sts_ca; /* never empty where they are needed */
	struct fetchfiles_text ca_pin;
	struct fetchfiles_text token;      /* CERTCONF_TOKEN: the evidence, without its line end */
	struct fetchfiles_text machine_id; /* as token; instance id, when none is configured */
	struct fetchfiles_text key, cert, ca; /* of pair_dir */
};

/* Reads what @job needs. Gives *ret.
 * Errors: 0; -EPERM with code and detail in *ret_result: PST_IDENTITY_FILES for CAs,
 * PST_TOKEN_FILE, PST_PAIR_UNUSABLE, PST_NAME_UNKNOWN without a usable machine id; -ENOMEM. */
int fetchfiles_load(const struct fetchjob_start *job, struct fetchfiles *ret,
		    struct fetchjob_result *ret_result) _warn_unused_;

/* Whether @t is what machine-id(5) says; the line's end is taken away. */
bool fetchfiles_is_machine_id(struct fetchfiles_text *t);

/* Wipes the secrets and frees. For _cleanup_(fetchfiles_release). */
void fetchfiles_release(struct fetchfiles *f);
