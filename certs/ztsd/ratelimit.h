/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How often one source may ask: a token bucket for each IPv6 /64 and each IPv4 address, in a table
 * of fixed size. Sources share a bucket when the table is crowded: the least recently seen of a few
 * places gives way, so memory stays bounded and an attacker with many addresses gains no more than
 * fresh buckets. Makes no system call.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define RATELIMIT_SOURCES 16384 /* buckets; a power of two */
#define RATELIMIT_PROBES 8      /* places of one source */

struct ratelimit;

/* @per_minute requests in the long run, @burst at once; @per_minute 0 = no limit. @seed keeps
 * strangers from choosing sources that share places. Gives *ret. Errors: 0; -ENOMEM. */
int ratelimit_new(uint32_t per_minute, uint32_t burst, uint64_t seed,
		  struct ratelimit **ret) _warn_unused_;

/* Takes one request of @source. Gives 0, or in how many seconds it may come again. */
uint32_t ratelimit_take(struct ratelimit *l, const struct in6_addr *source, uint64_t now_ns);

/* NULL is allowed. */
void ratelimit_free(struct ratelimit *l);
