/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The kernel's side of a host: reads all that is ours into a struct netstate and executes single
 * steps of a plan. Every step is idempotent: what is already so is success. Blocking, each call
 * takes microseconds to a few milliseconds. Needs CAP_NET_ADMIN. Works in the network namespace in
 * which it was opened; the caller stays in it.
 */
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/core/netstate.h"
#include "tunneld/core/plan.h"

#define KERN_READ_TRIES 8 /* interrupted dumps in one kern_read() before it gives up */

struct kern;

struct kern_stats {
	uint64_t reads;       /* whole states read */
	uint64_t interrupted; /* dumps that the kernel changed under us, read again */
	uint64_t applied;     /* steps that succeeded */
	uint64_t failed;      /* steps that did not */
};

/* Opens the sockets. Gives *ret to the caller. Errors: 0; -errno. */
int kern_open(struct kern **ret) _warn_unused_;

/* Reads everything that is ours by @names. *ret may hold pre-shared keys: netstate_wipe() it.
 * Errors: 0; -EAGAIN when the kernel kept changing; -errno. */
int kern_read(struct kern *k, const struct netstate_names *names,
	      struct netstate *ret) _warn_unused_;

/* Executes one step of a plan. Errors: 0; -errno, kern_error_text() says more. */
int kern_apply(struct kern *k, const struct netstate_names *names,
	       const struct plan_op *op) _warn_unused_;

/* The kernel's own words on the last error (extended ACK), "" when it gave none; valid until the
 * next call. Borrows @k. */
const char *kern_error_text(const struct kern *k);

/* What happened so far. Borrows @k. */
const struct kern_stats *kern_stats(const struct kern *k);

/* Closes; nothing in the kernel changes. NULL is allowed. Takes @k. */
void kern_close(struct kern *k);
/* As kern_close(), for _cleanup_(kern_closep). */
void kern_closep(struct kern **k);
