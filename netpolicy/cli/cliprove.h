/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * prove: do the claims of the page hold over all packets, on this host. Also lines that decide
 * nothing, and model and kernel compared on packets at all borders. Exit 0 all claims hold, 1 one
 * is violated, 2 not decidable under the assumptions that hold here.
 */
#include "netpolicy/cli/cli.h"
#include "netpolicy/cli/clihost.h"
#include "netpolicy/cli/cliwitness.h"
#include "netpolicy/prove/prove.h"

/* Everything that was found, for print and for the statement. */
struct cliprove {
	struct cli_work work;
	struct terms terms;
	struct prove_report report;
	struct prove_deads deads;
	bool is_deads_known; /* the lines could be looked at */
	bool with_host, with_kernel;
	struct clihost host;
	struct cliwitness witness;
	int code; /* exit code */
};

/* Gives the exit code. */
int cliprove_run(const struct cli *c);

/* What one never or always comes to, the assumptions included. */
enum prove_outcome cliprove_outcome(const struct cliprove *p, const struct prove_say *say);

/* "holds", "violated", "undecided". Static. */
const char *cliprove_outcome_name(enum prove_outcome outcome);
