/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetchjob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chan_msg msg, copy;

static void check_copy(int r)
{
	if (r < 0 || copy.len != msg.len || memcmp(copy.body, msg.body, msg.len) != 0)
		abort();
}

/* The first byte chooses the message, the rest is its body. What is taken comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fetchjob_start start;
	static struct fetchjob_part part;
	static struct fetchjob_result result;
	size_t n_ops;
	const struct chan_op *ops = fetchjob_ops(&n_ops);

	if (size < 1 || size - 1 > sizeof(msg.body))
		return 0;
	chan_msg_init(&msg, &ops[data[0] % n_ops], 1);
	msg.len = size - 1;
	memcpy(msg.body, data + 1, msg.len);
	if (fetchjob_decode_start(&msg, &start) == 0)
		check_copy(fetchjob_encode_start(&start, &copy));
	if (fetchjob_decode_part(&msg, &part) == 0)
		check_copy(fetchjob_encode_part(&part, &copy));
	if (fetchjob_decode_result(&msg, &result) == 0)
		check_copy(fetchjob_encode_result(&result, &copy));
	return 0;
}
