/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ratelimit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RATELIMIT_NS_PER_MINUTE (60 * UINT64_C(1000000000))

/* A bucket is told by when it will be full again: one number that needs no refilling. */
struct ratelimit_bucket {
	uint8_t source[16];
	uint64_t full_ns;
	bool used;
};

struct ratelimit {
	uint64_t interval_ns; /* what one request costs; 0 = no limit */
	uint64_t depth_ns;    /* cost of a whole burst */
	uint64_t seed;
	struct ratelimit_bucket buckets[RATELIMIT_SOURCES];
};

int ratelimit_new(uint32_t per_minute, uint32_t burst, uint64_t seed, struct ratelimit **ret)
{
	struct ratelimit *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->seed = seed;
	l->interval_ns = per_minute ? RATELIMIT_NS_PER_MINUTE / per_minute : 0;
	l->depth_ns = l->interval_ns * burst;
	*ret = l;
	return 0;
}

/* What counts as one source: a site has a /64 at least, and all of IPv4 is in one /64. */
static void ratelimit_key(const struct in6_addr *source, uint8_t ret[static 16])
{
	memcpy(ret, source->s6_addr, 16);
	if (!IN6_IS_ADDR_V4MAPPED(source))
		memset(ret + 8, 0, 8);
}

/* FNV-1a over seed and source. Source: Fowler, Noll, Vo; draft-eastlake-fnv. */
static uint64_t ratelimit_hash(uint64_t seed, const uint8_t key[static 16])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (size_t i = 0; i < 16; i++)
		h = (h ^ key[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

/* The bucket of @key, if need be in the place of the one that has been full for longest. */
static struct ratelimit_bucket *ratelimit_find(struct ratelimit *l, const uint8_t key[static 16])
{
	uint64_t h = ratelimit_hash(l->seed, key);
	struct ratelimit_bucket *oldest = NULL;

	for (uint64_t i = 0; i < RATELIMIT_PROBES; i++) {
		struct ratelimit_bucket *b = &l->buckets[(h + i) % RATELIMIT_SOURCES];

		if (b->used && !memcmp(b->source, key, sizeof(b->source)))
			return b;
		if (!oldest || b->full_ns < oldest->full_ns)
			oldest = b;
	}
	*oldest = (struct ratelimit_bucket){ .used = true };
	memcpy(oldest->source, key, sizeof(oldest->source));
	return oldest;
}

uint32_t ratelimit_take(struct ratelimit *l, const struct in6_addr *source, uint64_t now_ns)
{
	struct ratelimit_bucket *b;
	uint64_t full, over;
	uint8_t key[16];

	if (!l->interval_ns)
		return 0;
	ratelimit_key(source, key);
	b = ratelimit_find(l, key);
	full = (b->full_ns > now_ns ? b->full_ns : now_ns) + l->interval_ns;
	if (full - now_ns <= l->depth_ns) {
		b->full_ns = full;
		return 0;
	}
	over = full - now_ns - l->depth_ns;
	return (uint32_t)((over + 999999999) / 1000000000);
}

void ratelimit_free(struct ratelimit *l)
{
	free(l);
}
