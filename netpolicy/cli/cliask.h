/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Asking netpolicyd, and what its answers mean for whoever asked.
 */
#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/cli/cli.h"

#define CLIASK_SOCKET_NAME "netpolicyd.sock" /* in the run directory */
#define CLIASK_DEADLINE_MS 10000
#define CLIASK_APPLY_MS 60000 /* loading the largest policy on a slow machine */

enum {
	CLIASK_E_ABSENT = 1, /* no such socket, or nobody behind it */
};

/* Asks. Logs what goes wrong, but not that nobody is there. Errors: 0, then look at ret->result;
 * CLIASK_E_ABSENT; -errno. */
int cliask(const struct cli *c, const struct ctlwire_request *q,
	   struct ctlwire_answer *ret) _warn_unused_;

/* As cliask(), for what only netpolicyd can do: says so with PST-3015 when it is not there, with
 * @instead, and tells a refusal. Gives CLI_OK, CLI_DRIFT when it refused, CLI_TROUBLE. */
int cliask_must(const struct cli *c, const struct ctlwire_request *q, const char *instead,
		struct ctlwire_answer *ret) _warn_unused_;

/* Prints what netpolicyd said, the reason of a refusal too. Gives the exit code. */
int cliask_tell(const struct ctlwire_answer *a);

/* Who asks, for the log: the user behind sudo, or the user. Gives @ret back. */
const char *cliask_who(char ret[static CTLWIRE_WHO_MAX]);
