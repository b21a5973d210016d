/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Commands that change what the kernel holds: through netpolicyd when it runs, which can take a
 * change back by itself; else directly. Each gives the exit code.
 */
#include "netpolicy/cli/cli.h"

/* apply [--confirm-within TIME] [--force] [--boot-only]: proves, compiles, loads, saves. */
int cliapply_run(const struct cli *c);

/* try --log-only [--for TIME]: denials are logged and let through, for a time. */
int cliapply_try(const struct cli *c);

/* confirm: keeps what waits for it. */
int cliapply_confirm(const struct cli *c);

/* rollback: back to the policy before. */
int cliapply_rollback(const struct cli *c);

/* unload --yes: removes our two tables. */
int cliapply_unload(const struct cli *c);
