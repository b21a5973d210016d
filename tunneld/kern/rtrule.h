/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one IPv6 policy rule: `not fwmark F lookup T` at our priority. Everything but WireGuard's own
 * packets and the exchange asks our table first.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/core/netstate.h"

struct nlsock;

struct rtrule_seen {
	bool exact;     /* our rule is there */
	uint32_t stale; /* others with our priority and our table */
};

/* Adds the rule; success when it is there. Errors: 0; -EINTR: begin again; -errno. */
int rtrule_add(struct nlsock *s, const struct netstate_names *names) _warn_unused_;

/* Says what rules there are with our priority and our table.
 * Errors: 0; -EINTR: begin again; -errno. */
int rtrule_read(struct nlsock *s, const struct netstate_names *names,
		struct rtrule_seen *ret) _warn_unused_;

/* Removes the rules with our priority and our table, all but the exact one when @keep.
 * Errors: 0; -EINTR: begin again; -errno. */
int rtrule_sweep(struct nlsock *s, const struct netstate_names *names, bool keep) _warn_unused_;
