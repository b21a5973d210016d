/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The deny-list on its way from the probe, which parses the file, to the keeper, which parses
 * nothing and cuts the tunnels: a head with the sizes, then the entries in order, as many to a
 * message as fit. What arrives is checked entry by entry and is a list only when it is whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/denylist.h"
#include "common/attr.h"
#include "common/chan.h"

enum denyfeed_type {
	DENYFEED_HEAD = 1, /* how many entries, how many bytes of text */
	DENYFEED_PART = 2, /* some of them */
};

/* A list that is being received; zeroed at first. */
struct denyfeed {
	struct denylist *list; /* owned; NULL before the head */
	size_t n_wanted;       /* entries */
};

/* The table of operations for chan_recv(). Static. */
const struct chan_op *denyfeed_ops(size_t *ret_n);

/* Makes the head of @d, which may be NULL. */
void denyfeed_encode_head(const struct denylist *d, struct chan_msg *ret);

/* Fills a message with the entries of @d from *at on, of which there is one at least, and moves
 * *at behind the last that fits. */
void denyfeed_encode_part(const struct denylist *d, size_t *at, struct chan_msg *ret);

/* Takes a message of either kind. Errors: 0; -EBADMSG when it is malformed or out of turn;
 * -ENOMEM. */
int denyfeed_decode(struct denyfeed *f, const struct chan_msg *msg) _warn_unused_;

/* True when all entries have come: f->list is complete and may be stolen. */
bool denyfeed_is_whole(const struct denyfeed *f);

/* Forgets what has come. */
void denyfeed_reset(struct denyfeed *f);

/* Sends the whole list, NULL as an empty one, waiting where the channel is full. Errors: 0; -errno
 * of chan_send(). */
int denyfeed_send(int fd, const struct denylist *d) _warn_unused_;
