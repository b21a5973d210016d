/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/proto/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg, copy;
	static struct status status;
	size_t n_ops;
	const struct chan_op *ops = status_ops(&n_ops);

	if (size > sizeof(msg.body))
		return 0;
	chan_msg_init(&msg, &ops[1], 1);
	msg.len = size;
	if (size)
		memcpy(msg.body, data, size);
	if (status_decode(&msg, &status) < 0)
		return 0;
	if (status_encode(&status, &copy) < 0 || copy.len != msg.len ||
	    memcmp(copy.body, msg.body, msg.len) != 0)
		abort();
	return 0;
}
