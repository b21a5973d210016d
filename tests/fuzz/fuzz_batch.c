/* SPDX-License-Identifier: MIT */
/* A recorded batch is checked as if an enemy had written it: whatever the bytes are, the check
 * ends, reads nothing beyond them, and what it takes it can also describe. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/batchfile.h"

static int fuzz_describe(const struct batch_msg *msg, void *ctx)
{
	char text[BATCH_ERROR_MAX];

	batch_describe(msg, text);
	if (strlen(text) < 8)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct batchfile file = { 0 };
	char error[BATCH_ERROR_MAX] = "";
	uint8_t *copy = malloc(size + 1); /* aligned, and of this size for the sanitizer */

	if (!copy)
		return 0;
	copy = realloc(copy, size ? size : 1);
	if (size)
		memcpy(copy, data, size);
	if (batch_check(copy, size, error) == 0) {
		if (batch_length(copy, size) != size ||
		    batch_walk(copy, size, fuzz_describe, NULL, error) != 0)
			abort();
	} else if (!error[0]) {
		abort();
	}
	if (batchfile_decode(copy, size, &file) == 0 && file.batch_len > size)
		abort();
	batchfile_release(&file);
	free(copy);
	return 0;
}
