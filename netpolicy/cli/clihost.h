/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a proof must know of this host: the assumptions, whether the kernel holds the policy, the
 * digest of what it holds, and what netpolicyd says.
 */
#include "netpolicy/cli/cli.h"
#include "netpolicy/cli/clicheck.h"
#include "netpolicy/cli/clistatus.h"
#include "netpolicy/observe/assume.h"

struct clihost {
	struct assume_report assumptions;
	bool is_read; /* the kernel's tables could be read: what follows is known */
	struct clicheck check;
	char dump[65];     /* SHA-256 of what our tables hold, as compared; "" = not read */
	char expected[65]; /* of what they should hold */
	uint32_t generation;
	struct clistatus status;
};

/* Looks. @w: compiled. @ret is released on every path. Logs. Gives CLI_OK or CLI_TROUBLE. */
int clihost_look(const struct cli *c, const struct cli_work *w, struct clihost *ret) _warn_unused_;

/* SHA-256 over the records of a dump in their order: kind, which table, place or flags, holder,
 * content, each with its length. Gives 64 hexadecimal digits. Errors: 0; -ENOMEM. */
int clihost_digest(const struct kdump *d, char ret[static 65]) _warn_unused_;

/* True when all assumptions hold that a claim about packets of these directions needs. */
bool clihost_holds(const struct assume_report *r, bool in, bool out);

/* Releases. For _cleanup_(clihost_release). */
void clihost_release(struct clihost *h);
