/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions for a time: grant add NAME ADDRESS --for TIME [--why TEXT], grant renew ID --for TIME,
 * grant end ID, grant list. The words are checked here against the policy that is loaded, for the
 * sake of clear refusals; netpolicyd checks again, and its word counts.
 */
#include "netpolicy/cli/cli.h"

/* Gives the exit code. */
int cligrant_run(const struct cli *c);
