/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded batch: the netlink messages that libnftables sent, from BATCH_BEGIN to BATCH_END. The
 * privileged side believes nothing of it: it walks the headers and refuses whatever is not a
 * change to our two tables with our hooks and priorities, built of harmless expressions, and what
 * plainly leaves a direction open: a filter that is missing, has another policy than drop, or a
 * rule that accepts without a condition. What conditions let through only a proof can say, not
 * this. Pure: looks at bytes, changes nothing.
 */
#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* Four nets of 131,072 prefixes, 128 bytes each, in place: emptied and filled. */
#define BATCH_BYTES_MAX (72 * 1024 * 1024) /* of one batch */
#define BATCH_MESSAGES_MAX 65536           /* of one batch */
#define BATCH_NAME_MAX 128                 /* of a chain, set or object, with the NUL */
#define BATCH_ERROR_MAX 256                /* of a message for people, with the NUL */

#define BATCH_TABLE "postern"       /* family inet */
#define BATCH_GUARD "postern_guard" /* family netdev */

/* One message, understood. Strings point into the batch. */
struct batch_msg {
	const struct nlmsghdr *nlh;
	int type;           /* NFT_MSG_…, without the subsystem */
	bool is_guard;      /* table postern_guard, else postern */
	const char *name;   /* chain, set or object; of a rule: its chain; NULL for a table */
	const char *device; /* of a base chain of the guard; else NULL */
};

/* Checks the whole batch. Borrows @bytes, which must be aligned to 4 bytes.
 * Errors: 0; -EBADMSG with @ret_error filled. */
int batch_check(const void *bytes, size_t len,
		char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* As batch_check(), but for what leaves the host open on purpose: policies that only log. */
int batch_check_trial(const void *bytes, size_t len,
		      char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* Calls @fn for each message between BATCH_BEGIN and BATCH_END. Borrows @bytes.
 * Errors: as batch_check(); else the first non-zero result of @fn. */
int batch_walk(const void *bytes, size_t len, int (*fn)(const struct batch_msg *msg, void *ctx),
	       void *ctx, char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* Understands one message of a batch, as batch_check() does. Errors: as batch_check(). */
int batch_parse(const struct nlmsghdr *nlh, struct batch_msg *ret,
		char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* The whole length of the batch that starts at @bytes, BATCH_END included; 0 when its end is not
 * among the @len bytes. For the side that records: a batch may come in several pieces. */
size_t batch_length(const void *bytes, size_t len);

/* Writes "adding rule to chain input of table inet postern" for a message, for people. */
void batch_describe(const struct batch_msg *msg, char ret[static BATCH_ERROR_MAX]);
