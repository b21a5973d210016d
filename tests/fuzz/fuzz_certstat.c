/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certd/certshow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken comes back the same, and can be shown. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg, copy;
	static struct certstat status;
	char *text = NULL, *json = NULL;
	size_t n_ops;
	const struct chan_op *ops = certstat_ops(&n_ops);

	if (size > sizeof(msg.body))
		return 0;
	chan_msg_init(&msg, &ops[1], 1);
	msg.len = size;
	if (size)
		memcpy(msg.body, data, size);
	if (certstat_decode(&msg, &status) < 0)
		return 0;
	if (certstat_encode(&status, &copy) < 0 || copy.len != msg.len ||
	    memcmp(copy.body, msg.body, msg.len) != 0)
		abort();
	if (certshow_text(&status, &text) < 0 || certshow_json(&status, &json) < 0)
		abort();
	free(text);
	free(json);
	return 0;
}
