/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether the kernel holds what the page says; as a command, and for those that want to know it
 * too.
 */
#include "common/pst.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/cli/cli.h"

/* What one look at the kernel found. */
struct clicheck {
	int code; /* CLI_OK, CLI_DRIFT */
	enum pst pst;
	bool is_reworded;  /* it holds what another version of nft recorded of the same text */
	const char *about; /* borrowed: of the policy that was asked for */
	struct applier_result result;
	struct buf foreign; /* lines: chains of other programs at our hooks */
};

/* check: exit 0 equal, 1 drift, 2 cannot tell. */
int clicheck_run(const struct cli *c);

/* Compares the kernel with @file. Logs. @ret is released on every path. Gives CLI_OK when it could
 * look, then ret->code has the answer; CLI_TROUBLE. */
int clicheck_look(const struct batchfile *file, struct clicheck *ret) _warn_unused_;

/* The same for @file made of the page just now. nft words a rule differently from version to
 * version: where the kernel holds what was saved of the same text, that counts. As
 * clicheck_look(). */
int clicheck_page(const struct cli *c, const struct batchfile *file,
		  struct clicheck *ret) _warn_unused_;

/* Releases. For _cleanup_(clicheck_release). */
void clicheck_release(struct clicheck *what);
