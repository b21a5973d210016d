/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How many connections of one source are open: one count for each IPv6 /64 and each IPv4 address
 * (IPv4-mapped), kept as long as one of them is open. As large as what is open, never larger: it is
 * the caller who bounds the sum. Makes no system call.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define CROWD_BUCKETS 4096 /* lists of sources; a power of two */

enum {
	CROWD_E_FULL = 1,
};

struct crowd;

/* @per_source connections of each source, not 0. @seed keeps strangers from choosing sources that
 * share a list. Gives *ret. Errors: 0; -ENOMEM. */
int crowd_new(uint32_t per_source, uint64_t seed, struct crowd **ret) _warn_unused_;

/* Counts one more of @source. Errors: 0; CROWD_E_FULL, it has as many as it may; -ENOMEM. */
int crowd_enter(struct crowd *c, const struct in6_addr *source) _warn_unused_;

/* Ends one that crowd_enter() counted. */
void crowd_leave(struct crowd *c, const struct in6_addr *source);

/* Sources with something open. */
size_t crowd_n_sources(const struct crowd *c);

/* NULL is allowed. */
void crowd_free(struct crowd *c);
