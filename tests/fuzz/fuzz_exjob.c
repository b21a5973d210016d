/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/proto/exjob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the message, the rest is its body. What is taken comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg, copy;
	static struct exjob_result result;
	static struct exjob_start start;
	size_t n_ops;
	const struct chan_op *ops = exjob_ops(&n_ops);

	if (size < 1 || size - 1 > sizeof(msg.body))
		return 0;
	chan_msg_init(&msg, &ops[data[0] % n_ops], 1);
	msg.len = size - 1;
	memcpy(msg.body, data + 1, msg.len);
	if (exjob_decode_start(&msg, &start) == 0 && exjob_encode_start(&start, -1, &copy) < 0)
		abort();
	if (exjob_decode_result(&msg, &result) < 0)
		return 0;
	if (exjob_encode_result(&result, &copy) < 0 || copy.len != msg.len ||
	    memcmp(copy.body, msg.body, msg.len) != 0)
		abort();
	return 0;
}
