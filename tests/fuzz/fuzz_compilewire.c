/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/compile/compilewire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken, as a request or as a reply, comes back the same. The first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(compilewire_release_request) struct compilewire_request q = { 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply p = { 0 };
	_cleanup_(parcel_release) struct parcel made = { 0 };
	int r = -1;

	if (size < 1)
		return 0;
	if (data[0] & 1 && compilewire_get_request(data + 1, size - 1, &q) == 0)
		r = compilewire_put_request(&q, &made);
	else if (!(data[0] & 1) && compilewire_get_reply(data + 1, size - 1, &p) == 0)
		r = compilewire_put_reply(&p, &made);
	else
		return 0;
	if (r < 0 || made.len != size - 1 || memcmp(made.bytes, data + 1, made.len) != 0)
		abort();
	return 0;
}
