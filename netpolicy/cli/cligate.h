/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a policy must pass before it is loaded: its own claims, and those that the tunnel makes.
 */
#include "netpolicy/cli/cli.h"
#include "netpolicy/parse/zoneconf.h"
#include "netpolicy/prove/prove.h"

/* Reads what postern.conf says of the tunnel. Logs. @ret: zeroed, released on every path. Gives
 * CLI_OK or CLI_TROUBLE. */
int cligate_load_zone(const struct cli *c, struct zoneconf *ret) _warn_unused_;

/* Proves the claims of the page, and that it leaves the tunnel of postern.conf alone (when there is
 * such a file). Names what does not hold, with a packet and a line; --force makes that a warning.
 * @p: of which cli_prepare() has written everything; it is used up: enforced, and with claims of
 * the tunnel. Gives CLI_OK, CLI_DRIFT, CLI_TROUBLE. */
int cligate_pass(const struct cli *c, struct policy *p) _warn_unused_;

/* Appends one violated never or always in words: "policy.conf:21: claim "…": policy.conf:17 lets
 * through: out up …". */
void cligate_describe(const struct terms *t, const struct prove_say *say, struct buf *to);
