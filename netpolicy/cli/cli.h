/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the commands of netpolicy have in common: options, the way from a page of policy to a
 * compiled batch, and the exit codes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/kernio.h"
#include "netpolicy/model/policy.h"

#define CLI_STATE_DIR "/var/lib/postern"
#define CLI_RUN_DIR "/run/postern"
#define CLI_BATCH_NAME "policy.batch" /* in the state directory; boot reads the same name */
#define CLI_NEXT_NAME "policy.next"   /* what netpolicyd is asked to load */

enum {
	CLI_OK = 0,      /* done; what was asked for is so */
	CLI_DRIFT = 1,   /* it is not so; or the policy, the kernel or netpolicyd refuses */
	CLI_TROUBLE = 2, /* cannot tell, or cannot be done here */
	CLI_USAGE = 64,  /* sysexits.h, EX_USAGE */
};

struct cli {
	const char *config; /* postern.conf */
	const char *page;   /* policy.conf, or its JSON */
	const char *state_dir, *run_dir;
	const char *output;            /* -o */
	const char *text;              /* compile: a file of nft text instead of the page */
	const char *tier;              /* init */
	const char *key, *certificate; /* prove */
	const char *why;               /* grant */
	uint32_t seconds;              /* --for, --confirm-within; 0 = not given */
	bool json, yes, verbose, boot_only, effective, check, force, log_only, no_kernel, page_only;
	int n_words; /* behind the command */
	char *const *words;
};

/* A policy on its way: the model, its text, its batch. */
struct cli_work {
	struct policy *policy;
	struct buf text;
	struct batchfile file;
};

/* Reads the page, text or JSON. Gives *ret. Logs. Gives CLI_OK or CLI_TROUBLE. */
int cli_load(const struct cli *c, struct policy **ret) _warn_unused_;

/* Reads the page and writes the text. Fills @ret, to be released on every path. As cli_load(). */
int cli_prepare(const struct cli *c, struct cli_work *ret) _warn_unused_;

/* Compiles what cli_prepare() gave. As cli_load(). */
int cli_compile(const struct cli *c, struct cli_work *w) _warn_unused_;

/* cli_prepare() and cli_compile(). */
int cli_make(const struct cli *c, struct cli_work *ret) _warn_unused_;

/* Compiles the text of --text, for policies that are not made from a page. As cli_make(). */
int cli_make_text(const struct cli *c, struct cli_work *ret) _warn_unused_;

/* Opens a socket to nf_tables. As cli_load(). */
int cli_open(struct kernio **ret) _warn_unused_;

/* Writes DIR/@name to @ret, @dir one of the options. As cli_load(). */
int cli_path(const char *dir, const char *name, char ret[static 4096]) _warn_unused_;

/* Reads the saved batch with its page. @ret_policy: NULL when it holds none, or it is not wanted
 * (NULL). @ret is released by the caller on every path. Errors: 0; -ENOENT; -errno, logged. */
int cli_load_saved(const struct cli *c, struct batchfile *ret,
		   struct policy **ret_policy) _warn_unused_;

/* Prints each line of @lines with @prefix. */
void cli_print_lines(const char *prefix, const char *lines);

/* True when standard output took all. */
bool cli_is_printed(void);

/* Releases. For _cleanup_(cli_release). */
void cli_release(struct cli_work *w);
