/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The event stream of nf_tables, reduced to what matters: somebody committed, who, and whether it
 * touched our tables. One commit is a series of messages that ends with NEWGEN and may come in
 * several reads. Decoding is pure and trusts nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* One commit. */
struct drift_commit {
	uint32_t generation;
	uint32_t pid;      /* of whoever did it */
	char command[16];  /* as the kernel names it; control characters are gone */
	bool touched_ours; /* a message spoke of one of our two tables */
	uint32_t n_messages;
};

struct drift_watch {
	int fd;                   /* for poll(); non-blocking */
	struct drift_commit open; /* the commit whose end has not come */
};

/* Subscribes. @ret->fd is -1 after an error. Errors: 0; -errno. */
int drift_open(struct drift_watch *ret) _warn_unused_;

enum {
	DRIFT_E_NONE = 1,    /* nothing more to read now */
	DRIFT_E_OVERRUN = 2, /* the kernel dropped events: look at everything */
};

/* Gives the next whole commit. Errors: 0; DRIFT_E_NONE; DRIFT_E_OVERRUN; -errno. */
int drift_next(struct drift_watch *w, struct drift_commit *ret) _warn_unused_;

/* Takes one datagram of events. Gives in *ret_n how many commits ended in it, the last of them in
 * @ret (touched_ours: any of them did). Errors: 0; -EBADMSG. */
int drift_feed(struct drift_watch *w, const void *bytes, size_t len, struct drift_commit *ret,
	       size_t *ret_n) _warn_unused_;

/* Closes. */
void drift_close(struct drift_watch *w);
