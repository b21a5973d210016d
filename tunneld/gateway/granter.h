/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Grants in batches: what has come in from all workers is judged, made durable in one transaction,
 * programmed into the kernel in one batch, and only then answered. A store that fails leaves the
 * kernel as it is; a kernel that fails leaves leases without peers, which gwkernel_adopt() drops.
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
#define GRANTER_RETRY_S 10    /* Retry-After when store or kernel failed, plus a slot */

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

/* The reason of the last failure of the store, for people. Borrows. */
const char *granter_error(const struct granter *g);

/* Wipes and frees. NULL is allowed. */
void granter_free(struct granter *g);
/* As granter_free(), for _cleanup_(granter_freep). */
void granter_freep(struct granter **p);
