/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Says when something of ours changed in the kernel: a second netlink socket that only listens to
 * links, IPv6 addresses, IPv6 routes and IPv6 rules. It never says what changed: read everything.
 * WireGuard sends no events for peers: a slow audit by the caller finds those.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/core/netstate.h"

#define KERNWATCH_DRAIN_MAX 256 /* messages per kernwatch_drain(), so that a flood starves nobody */

#define KERNWATCH_MAIN 254 /* RT_TABLE_MAIN: only routes to our interface are ours */

struct kernwatch;

struct kernwatch_stats {
	uint64_t events;   /* messages seen */
	uint64_t ours;     /* of these: about something of ours */
	uint64_t overruns; /* the kernel dropped messages (ENOBUFS) */
};

/* Opens the socket. @rcvbuf: bytes, 0 = the system's default. Gives *ret to the caller.
 * Errors: 0; -errno. */
int kernwatch_open(uint32_t rcvbuf, struct kernwatch **ret) _warn_unused_;

/* The descriptor to poll for reading. Borrows. */
int kernwatch_fd(const struct kernwatch *w);

/* Reads what has arrived without blocking. *ret_changed: something of ours by @names may have
 * changed; also after an overrun. When more than KERNWATCH_DRAIN_MAX messages wait, the descriptor
 * stays readable. Errors: 0; -errno. */
int kernwatch_drain(struct kernwatch *w, const struct netstate_names *names,
		    bool *ret_changed) _warn_unused_;

/* What happened so far. Borrows @w. */
const struct kernwatch_stats *kernwatch_stats(const struct kernwatch *w);

/* Closes. NULL is allowed. Takes @w. */
void kernwatch_close(struct kernwatch *w);
/* As kernwatch_close(), for _cleanup_(kernwatch_closep). */
void kernwatch_closep(struct kernwatch **w);
