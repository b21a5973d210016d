/* SPDX-License-Identifier: MIT */
#include "common/crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct crowd_source {
	struct crowd_source *next;
	uint8_t key[16];
	uint32_t n_open;
};

struct crowd {
	uint64_t seed;
	uint32_t per_source;
	size_t n_sources;
	struct crowd_source *buckets[CROWD_BUCKETS];
};

int crowd_new(uint32_t per_source, uint64_t seed, struct crowd **ret)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->seed = seed;
	c->per_source = per_source;
	*ret = c;
	return 0;
}

/* What counts as one source: a site has a /64 at least, and all of IPv4 is in one /64. */
static void crowd_key(const struct in6_addr *source, uint8_t ret[static 16])
{
	memcpy(ret, source->s6_addr, 16);
	if (!IN6_IS_ADDR_V4MAPPED(source))
		memset(ret + 8, 0, 8);
}

/* Spreads every bit of @x over all. Source: Steele, Lea, Flood: SplitMix, OOPSLA 2014. */
static uint64_t crowd_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Where the pointer to the source with @key is, or would be. */
static struct crowd_source **crowd_find(struct crowd *c, const uint8_t key[static 16])
{
	struct crowd_source **at;
	uint64_t half[2];

	memcpy(half, key, sizeof(half));
	at = &c->buckets[crowd_mix(crowd_mix(half[0] ^ c->seed) ^ half[1]) % CROWD_BUCKETS];
	while (*at && memcmp((*at)->key, key, sizeof((*at)->key)))
		at = &(*at)->next;
	return at;
}

int crowd_enter(struct crowd *c, const struct in6_addr *source)
{
	struct crowd_source **at, *s;
	uint8_t key[16];

	crowd_key(source, key);
	at = crowd_find(c, key);
	if (*at && (*at)->n_open >= c->per_source)
		return CROWD_E_FULL;
	if (!*at) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		memcpy(s->key, key, sizeof(s->key));
		*at = s;
		c->n_sources++;
	}
	(*at)->n_open++;
	return 0;
}

void crowd_leave(struct crowd *c, const struct in6_addr *source)
{
	struct crowd_source **at, *s;
	uint8_t key[16];

	crowd_key(source, key);
	at = crowd_find(c, key);
	s = *at;
	if (!s || --s->n_open)
		return;
	*at = s->next;
	free(s);
	c->n_sources--;
}

size_t crowd_n_sources(const struct crowd *c)
{
	return c->n_sources;
}

void crowd_free(struct crowd *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CROWD_BUCKETS; i++) {
		while (c->buckets[i]) {
			struct crowd_source *s = c->buckets[i];

			c->buckets[i] = s->next;
			free(s);
		}
	}
	free(c);
}
