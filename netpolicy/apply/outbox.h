/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A batch on its way to the kernel: recorded messages and our own deletions between BATCH_BEGIN
 * with the generation and BATCH_END, numbered from 1. Errors stick: put everything, ask once.
 */
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

struct outbox {
	uint8_t *bytes;
	size_t len, cap;
	size_t last; /* offset of the last message */
	uint32_t n;  /* messages between begin and end */
	int error;
};

/* One deletion. Strings are borrowed for the call. */
struct outbox_delete {
	int type; /* NFT_MSG_NEWTABLE, NFT_MSG_DEL… */
	bool is_guard;
	uint16_t attr; /* number of the name; 0 = none */
	const char *name;
	uint16_t detail_attr; /* of a number in network order; 0 = none */
	uint32_t detail;
};

/* Starts for the ruleset of @generation. Release with outbox_release(). */
struct outbox outbox_begin(uint32_t generation);

/* Appends a copy of a recorded message. */
void outbox_copy(struct outbox *o, const struct nlmsghdr *nlh);

/* Appends a copy of a recorded NEWTABLE, with these flags instead of its own. */
void outbox_copy_table(struct outbox *o, const struct nlmsghdr *nlh, uint32_t flags);

/* Appends a message made of a table and at most one name and one number. */
void outbox_delete(struct outbox *o, const struct outbox_delete *what);

/* Closes the batch; the last message asks for the answer. Errors: 0; -ENOMEM. */
int outbox_end(struct outbox *o) _warn_unused_;

/* The message with that number, NULL when there is none. */
const struct nlmsghdr *outbox_find(const struct outbox *o, uint32_t seq);

/* Releases. For _cleanup_(outbox_release). */
void outbox_release(struct outbox *o);
