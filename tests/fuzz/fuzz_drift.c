/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/observe/drift.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A command is always text of at most 15 bytes that a terminal can bear. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drift_watch w = { .fd = -1, .own_port = 7 };
	struct drift_commit c = { 0 };
	uint8_t *copy = malloc(size + 1); /* aligned, and its end is the sanitizer's */
	size_t n = 0, len;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (drift_feed(&w, copy, size, &c, &n) == 0 && n) {
		len = strnlen(c.command, sizeof(c.command));
		if (len == sizeof(c.command) || (c.port == 7 && c.touched_ours))
			abort();
		for (size_t i = 0; i < len; i++)
			if (c.command[i] < 0x20 || c.command[i] > 0x7e)
				abort();
	}
	free(copy);
	return 0;
}
