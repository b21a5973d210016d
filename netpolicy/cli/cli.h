/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the commands of netpolicy have in common: options, the way from the configuration to a
 * compiled batch, and the words and exit codes of every outcome.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/model/policy.h"

#define CLI_STATE_DIR "/var/lib/postern"
#define CLI_BATCH_NAME "policy.batch" /* in the state directory; boot reads the same name */

enum {
	CLI_OK = 0,      /* done; check: the kernel holds the policy */
	CLI_DRIFT = 1,   /* check: it does not; other commands: refused */
	CLI_TROUBLE = 2, /* cannot tell, or cannot be done here */
	CLI_USAGE = 64,  /* sysexits.h, EX_USAGE */
};

struct cli {
	const char *config; /* postern.conf */
	const char *page;   /* policy.conf */
	const char *state_dir;
	const char *output; /* -o */
	const char *text;   /* compile: a file of nft text instead of the configuration */
	bool json, yes, verbose, boot_only;
};

/* A policy on its way: the model, its text, its batch. */
struct cli_work {
	struct policy *policy;
	struct buf text;
	struct batchfile file;
};

/* Prints nft text, or with --json the model. Gives the exit code, as all of these. */
int cli_show(const struct cli *c);
/* Compiles, loads, reads back, compares, saves. */
int cli_apply(const struct cli *c);
/* Compares the kernel with what the configuration says. */
int cli_check(const struct cli *c);
/* Compiles and writes the batch to a file. */
int cli_compile(const struct cli *c);
/* Removes our two tables. */
int cli_unload(const struct cli *c);

/* Reads the configuration and writes the text. Fills @ret, to be released on every path. Logs.
 * Gives CLI_OK or CLI_TROUBLE. */
int cli_prepare(const struct cli *c, struct cli_work *ret) _warn_unused_;

/* As cli_prepare(), then compiles. */
int cli_make(const struct cli *c, struct cli_work *ret) _warn_unused_;

/* Releases. For _cleanup_(cli_release). */
void cli_release(struct cli_work *w);
