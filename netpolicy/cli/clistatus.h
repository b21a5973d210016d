/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What netpolicyd enforces, waits for, grants, and had to repair; and what can be said without it.
 */
#include <jansson.h>

#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/cli/cli.h"

#define CLISTATUS_ROWS_MAX 1024 /* of each list that are asked for */

/* All rows of both lists, and the state. */
struct clistatus {
	bool is_there; /* netpolicyd answers */
	struct ctlwire_status state;
	struct ctlwire_grant *grants; /* owned */
	size_t n_grants;
	struct ctlwire_drift *drifts; /* owned */
	size_t n_drifts;
};

/* status: exit 0 the rules are as they should be, 1 they are not or wait for a confirmation, 2
 * netpolicyd does not answer. */
int clistatus_run(const struct cli *c);

/* Asks netpolicyd for everything. That it is not there is no error. Logs. @ret is released on every
 * path. Gives CLI_OK or CLI_TROUBLE. */
int clistatus_ask(const struct cli *c, struct clistatus *ret) _warn_unused_;

/* The lists as JSON arrays; NULL when out of memory. */
json_t *clistatus_grants_json(const struct clistatus *s) _warn_unused_;
/* As clistatus_grants_json(). */
json_t *clistatus_drifts_json(const struct clistatus *s) _warn_unused_;

/* Prints one live grant as a line. */
void clistatus_print_grant(const struct ctlwire_grant *g);

/* Releases. For _cleanup_(clistatus_release). */
void clistatus_release(struct clistatus *s);
