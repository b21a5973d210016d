/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A set of packets in words: taken apart by link, protocol, ports, user and mark, but only where
 * the parts differ, so that what a line says stays one sentence. Exact: the parts are disjoint, and
 * together they are the set, if it changes only where a term of the pages does. Addresses are named
 * by their network, or by their first prefixes and how many more there are.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/prove/space.h"

#define SETWORDS_TEXT_MAX 256 /* with the NUL; what is longer ends in "..." */
#define SETWORDS_POINTS_MAX 65536
#define SETWORDS_PAGES 2 /* policies whose words are used */

enum setwords_dim {
	SETWORDS_LINK,
	SETWORDS_PROTO,
	SETWORDS_TYPE,
	SETWORDS_SERVED, /* the port of the end that serves */
	SETWORDS_CLIENT, /* the other end's */
	SETWORDS_HAS_UID,
	SETWORDS_UID,
	SETWORDS_MARK,
	SETWORDS_DIMS,
};

/* Where a field may begin to mean something else. */
struct setwords_points {
	uint32_t *at; /* owned; sorted, each once, the first is 0 */
	size_t n, cap;
};

struct setwords {
	struct space *s; /* borrowed */
	struct setwords_points points[SETWORDS_DIMS];
	const struct policy *policies[SETWORDS_PAGES]; /* for names; borrowed, the rest NULL */
	/* The last set of addresses without a name: many lines share a list. */
	bdd far;
	char far_words[SETWORDS_TEXT_MAX];
	int failed;
};

/* Takes one part. @part: its packets, of all values of what the text does not name. */
typedef void setwords_take(void *ctx, bdd part, const char *text);

/* Learns the borders in the terms of @n pages. @ret is released by the caller also after an error.
 * Errors: 0; -ENOMEM. */
int setwords_init(struct setwords *ret, struct space *s, const struct terms *const *terms,
		  size_t n) _warn_unused_;
/* Releases. For _cleanup_(setwords_release). */
void setwords_release(struct setwords *w);

/* Gives @set, packets of one direction, part by part to @take. What it says of grants, facts,
 * conntrack, hop limit and packet sockets must be forgotten. @net: the network that is probably
 * meant, may be NULL. Errors: 0; -ENOMEM; -EFBIG. */
int setwords_split(struct setwords *w, bdd set, const struct policy_net *net, setwords_take *take,
		   void *ctx) _warn_unused_;
