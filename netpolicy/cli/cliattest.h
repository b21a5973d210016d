/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The statement of a proof, as canonical JSON: what was proved, of which bytes, on which host,
 * under which assumptions. Signed, it can be shown to somebody who does not trust this program but
 * openssl.
 */
#include "netpolicy/cli/cliprove.h"
#include "netpolicy/cli/clisign.h"

#define CLIATTEST_FORMAT "postern-policy-statement/1"

/* Looks at --sign, --cert and -o, and opens the key. *ret stays NULL without --sign. Logs. Gives
 * CLI_OK, CLI_USAGE, CLI_TROUBLE. */
int cliattest_open(const struct cli *c, struct clisign_signer **ret) _warn_unused_;

/* Writes the statement to -o, and its signature beside it; with --json prints it. Logs. Gives
 * CLI_OK or CLI_TROUBLE. */
int cliattest_write(const struct cli *c, const struct cliprove *p,
		    const struct clisign_signer *signer) _warn_unused_;
