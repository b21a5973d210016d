/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Talking to nf_tables in the kernel of this network namespace: the generation, dumps, and one
 * batch at a time with its answers. Works in whatever namespace the process is in.
 */
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

enum {
	KERNIO_E_CHANGED = 1, /* another program changed the ruleset in between: read again */
};

#define KERNIO_TRIES 8 /* readings or writings before giving up on a busy ruleset */

struct kernio;

/* Opens a socket. Gives *ret. Errors: 0; -ENOMEM; -errno. */
int kernio_open(struct kernio **ret) _warn_unused_;

/* Closes. Accepts NULL. */
void kernio_close(struct kernio *k);
/* kernio_close() for _cleanup_(kernio_closep). */
void kernio_closep(struct kernio **k);

/* The address of this socket: the kernel names it in the events of what was sent from it. */
uint32_t kernio_port(const struct kernio *k);

/* The generation of the ruleset, which every commit raises, once no commit is under way: what is
 * read between two calls that give the same is of that generation. Errors: 0; KERNIO_E_CHANGED when
 * one came in between or the answer was lost; -ETIMEDOUT; -errno. */
int kernio_generation(struct kernio *k, uint32_t *ret) _warn_unused_;

struct kernio_query {
	int type;           /* NFT_MSG_GET… */
	uint8_t family;     /* NFPROTO_…; 0 = all */
	const char *table;  /* narrows the dump where the kernel knows how; may be NULL */
	const char *holder; /* the set of elements; else NULL */
	bool takes_torn; /* take a dump while others commit: whole if nobody touched that table */
};

/* Dumps and calls @fn for each message; a non-zero result of it ends the call. Borrows @query.
 * Errors: 0; KERNIO_E_CHANGED; -ETIMEDOUT; -errno; what @fn gave. */
int kernio_dump(struct kernio *k, const struct kernio_query *query,
		int (*fn)(const struct nlmsghdr *nlh, void *ctx), void *ctx) _warn_unused_;

/* Sends one whole batch, whose messages are numbered 1, 2, 3… and whose last one before the end
 * asks for an answer, and reads the answers. On an error gives the number of the first message
 * that was refused in *ret_seq, 0 when unknown; the kernel then has changed nothing. When the
 * answer was lost (-ETIMEDOUT, also KERNIO_E_CHANGED) it may have.
 * Errors: 0; KERNIO_E_CHANGED; -ETIMEDOUT; -errno. */
int kernio_commit(struct kernio *k, const void *bytes, size_t len, uint32_t *ret_seq) _warn_unused_;
