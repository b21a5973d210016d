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

#define DRIFT_BUFFER (4 * 1024 * 1024) /* bytes of events that may wait; more is an overrun */

/* One commit. */
struct drift_commit {
	uint32_t generation;
	uint32_t pid;      /* of whoever did it */
	uint32_t port;     /* netlink address of the socket it came from */
	char command[16];  /* as the kernel names it; control characters are gone */
	bool touched_ours; /* a stranger's message spoke of one of our two tables */
	uint32_t n_messages;
};

struct drift_watch {
	int fd;                   /* for poll(); non-blocking */
	uint32_t own_port;        /* commits from there are no stranger's; 0 = all are */
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

/* Takes one datagram of events. Gives in *ret_n how many commits ended in it, and in @ret the last
 * of them that touched ours, else the last. Errors: 0; -EBADMSG, and then all of it is lost. */
int drift_feed(struct drift_watch *w, const void *bytes, size_t len, struct drift_commit *ret,
	       size_t *ret_n) _warn_unused_;

/* Closes. Once is enough, more does no harm. */
void drift_close(struct drift_watch *w);
