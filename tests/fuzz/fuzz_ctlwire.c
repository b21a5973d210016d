/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/ctlwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken, as a request or as an answer, comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg, copy;
	static struct ctlwire_request request;
	static struct ctlwire_answer answer;

	if (chan_parse(data, size, ctlwire_ops, ctlwire_n_ops, 0, &msg) < 0)
		return 0;
	if (ctlwire_get_request(&msg, &request) == 0) {
		if (ctlwire_put_request(&request, &copy) < 0)
			abort();
	} else if (ctlwire_get_answer(&msg, &answer) == 0) {
		if (ctlwire_put_answer(&answer, &copy) < 0)
			abort();
	} else {
		return 0;
	}
	if (copy.op != msg.op || copy.len != msg.len || memcmp(copy.body, msg.body, msg.len) != 0)
		abort();
	return 0;
}
