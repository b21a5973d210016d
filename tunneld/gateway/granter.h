/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Grants in batches: what has come in from all workers is judged, made durable in one transaction,
 * programmed into the kernel in one batch, and only then answered. A store that fails leaves the
 * kernel as it is; a kernel that fails leaves leases without peers, which gwkernel_adopt() drops.
 * Whoever the deny-list names is granted nothing, and a sweep ends the leases that he has.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/gateway/gwconf.h"
#include "tunneld/gateway/gwstats.h"
#include "tunneld/gateway/leasedb.h"
#include "tunneld/proto/gwframe.h"

#define GRANTER_EXPIRE_MAX 16 /* peers removed at a time: about 16 ms of kernel time each */
#define GRANTER_SWEEP_MAX 128 /* leases compared with the deny-list at a time: under 1 ms */
#define GRANTER_RETRY_S 10    /* Retry-After when store or kernel failed, plus a slot */

/* granter_sweep() and the store. */
enum {
	GRANTER_E_STORE =
		1, /* the peers are gone, their leases are not; gwkernel_adopt() drops them */
	GRANTER_E_UNREAD = 2, /* what leases there are cannot be read */
};

struct denylist;
struct granter;

/* Whom to answer. */
struct granter_from {
	uint32_t slot;       /* of the worker */
	uint32_t generation; /* of the worker in that slot */
	uint32_t seq;        /* of the message */
};

/* Called once for every grant that was added, which is borrowed for the call. With the code
 * PST_GATEWAY_WORKER it is not an answer: the worker is to be given up. */
typedef void granter_answer_fn(const struct granter_from *from, const struct gwframe_grant *grant,
			       const struct gwframe_answer *answer, void *ctx);

/* Called once for every lease whose peer a sweep removed, borrowed for the call; @by is the kind of
 * the entry, as of denylist_find(). */
typedef void granter_cut_fn(const struct gate_lease *lease, const char *by, void *ctx);

/* Keeps everything it is given. Gives *ret. Errors: 0; -ENOMEM. */
int granter_new(const struct gwconf *conf, struct leasedb *db, struct gwstats *stats,
		struct granter **ret) _warn_unused_;

/* Adds a grant to the next batch; copies it with its PSK. Errors: 0; -ENOSPC at
 * conf->grants_max. */
int granter_add(struct granter *g, const struct granter_from *from,
		const struct gwframe_grant *grant) _warn_unused_;

/* How many grants wait. */
size_t granter_n_waiting(const struct granter *g);

/* Carries the batch out and answers all of it.
 * Errors: 0; the kernel's -errno when it did not take the batch: peers and leases may differ
 * now. */
int granter_run(struct granter *g, uint64_t now_wall, granter_answer_fn *answer,
		void *ctx) _warn_unused_;

/* Ends at most GRANTER_EXPIRE_MAX leases that are over, with their peers. Gives how many.
 * Errors: 0; -errno of store or kernel. */
int granter_expire(struct granter *g, uint64_t now_wall, size_t *ret_n) _warn_unused_;

/* From now on grants nothing to whoever is listed, and begins a sweep of the leases. Keeps @deny
 * until the next call; NULL = none has come: nobody is denied, or, where the configuration has a
 * deny_file, everybody is to come again. */
void granter_deny(struct granter *g, const struct denylist *deny);

/* The next step of the sweep: compares at most GRANTER_SWEEP_MAX leases with the deny-list, removes
 * the peers of at most GRANTER_EXPIRE_MAX that are listed, and then their leases. Gives *ret_more,
 * false at the end of the store. Errors: 0; GRANTER_E_STORE with *ret_more set; GRANTER_E_UNREAD;
 * -errno of the kernel. After the last two the next call does the same step again. */
int granter_sweep(struct granter *g, granter_cut_fn *cut, void *ctx, bool *ret_more) _warn_unused_;

/* The reason of the last failure of the store, for people. Borrows. */
const char *granter_error(const struct granter *g);

/* Wipes and frees. NULL is allowed. */
void granter_free(struct granter *g);
/* As granter_free(), for _cleanup_(granter_freep). */
void granter_freep(struct granter **p);
