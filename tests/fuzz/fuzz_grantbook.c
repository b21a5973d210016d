/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/daemon/grantbook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Source: draft-eastlake-fnv. */
static uint64_t fuzz_sum(const uint8_t *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* A book that is taken is written the same again, and no grant outlives its length. The sum is made
 * right first: no fuzzer would find it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grantbook b = { 0 };
	const struct grantbook_clock now = { .boot_ns = 1000, .wall_s = 1700000000 };
	uint8_t *copy = malloc(size + 1), *again = NULL;
	uint64_t sum = size > 16 ? fuzz_sum(data + 16, size - 16) : 0;
	size_t len;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	for (size_t i = 0; size > 16 && i < 8; i++)
		copy[8 + i] = (uint8_t)(sum >> (8 * i));
	if (grantbook_decode(copy, size, &b) == 0) {
		if (grantbook_encode(&b, &again, &len) < 0 || len != size ||
		    memcmp(again, copy, len) != 0)
			abort();
		grantbook_adopt(&b, &now);
		for (size_t i = 0; i < b.n; i++)
			if (grantbook_left_ms(&b.list[i], 60, now.boot_ns) > 60000)
				abort();
	}
	grantbook_release(&b);
	free(again);
	free(copy);
	return 0;
}
