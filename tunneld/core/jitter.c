/* SPDX-License-Identifier: MIT */
#include "tunneld/core/jitter.h"

static uint64_t jitter_hash(uint64_t h, const char *text)
{
	do
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++); /* the NUL separates the parts */
	return h;
}

/* FNV leaves its low bits poorly mixed; this spreads every input bit over the whole word. */
static uint64_t jitter_mix(uint64_t h)
{
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

uint64_t jitter_pick(const char *seed, const char *purpose, uint64_t n, uint64_t span)
{
	uint64_t h = jitter_hash(UINT64_C(0xcbf29ce484222325), seed);

	h = jitter_hash(h, purpose);
	h = jitter_mix(h ^ jitter_mix(n + 1));
	return span ? h % span : 0;
}
