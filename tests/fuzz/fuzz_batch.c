/* SPDX-License-Identifier: MIT */
/* A recorded batch is checked as if an enemy had written it: whatever the bytes are, the check
 * ends, reads nothing beyond them, and what it takes it can also describe. The same of a batch file
 * with its dump. The sums of a file keep the fuzzer out, so here they are always right. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/kdiff.h"

static int fuzz_describe(const struct batch_msg *msg, void *ctx)
{
	char text[BATCH_ERROR_MAX];

	batch_describe(msg, text);
	if (strlen(text) < 8)
		abort();
	return 0;
}

/* What was read is written with the same number of bytes, and read again. */
static void fuzz_again(const struct batchfile *file, size_t size)
{
	struct batchfile again = { 0 };
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (batchfile_encode(file, &bytes, &len) < 0 || len != size ||
	    batchfile_decode(bytes, len, &again) < 0 || again.expected.n != file->expected.n ||
	    again.n_grants != file->n_grants || again.page_len != file->page_len)
		abort();
	batchfile_release(&again);
	free(bytes);
}

/* A dump of anybody can be told of, and is equal to itself. */
static void fuzz_compare(const struct kdump *d)
{
	struct kdump none = { 0 };
	struct kdiff diff = { 0 };

	if (kdiff_compare(d, &none, &diff) < 0)
		abort();
	kdiff_release(&diff);
	if (kdiff_compare(d, d, &diff) < 0 || diff.n != 0)
		abort();
	kdiff_release(&diff);
}

/* As batchfile.h says: over words of 8 bytes. */
static uint64_t fuzz_sum(uint64_t h, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = 0;

		for (size_t j = 0; j < 8 && i + j < len; j++)
			word |= (uint64_t)p[i + j] << (8 * j);
		h = (h ^ word) * UINT64_C(0x100000001b3);
		h ^= h >> 32;
	}
	return h;
}

static void fuzz_put(uint8_t *at, uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

/* Makes the sums of a file right. */
static void fuzz_seal(uint8_t *p, size_t size)
{
	const uint64_t basis = UINT64_C(0xcbf29ce484222325);
	size_t front;

	if (size < 48 || memcmp(p, "PSTNBAT1", 8) != 0)
		return;
	front = (size_t)p[12] | (size_t)p[13] << 8 | (size_t)p[14] << 16 | (size_t)p[15] << 24;
	if (front > size - 48)
		return;
	fuzz_put(p + 32, fuzz_sum(fuzz_sum(basis, p, 32), p + 48, front));
	fuzz_put(p + 40, fuzz_sum(basis, p + 48 + front, size - 48 - front));
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
	fuzz_seal(copy, size);
	if (batch_check(copy, size, error) == 0) {
		if (batch_length(copy, size) != size ||
		    batch_walk(copy, size, fuzz_describe, NULL, error) != 0)
			abort();
	} else if (!error[0]) {
		abort();
	}
	if (batchfile_decode(copy, size, &file) == 0) {
		if (file.batch_len > size)
			abort();
		fuzz_again(&file, size);
		fuzz_compare(&file.expected);
	}
	batchfile_release(&file);
	free(copy);
	return 0;
}
