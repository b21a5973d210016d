/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "netpolicy/compile/compilewire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken, as a request or as a reply, comes back the same. The first byte says which. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(compilewire_release_request) struct compilewire_request q = { 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply p = { 0 };
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = -1;

	if (size < 1)
		return 0;
	if (data[0] & 1 && compilewire_get_request(data + 1, size - 1, &q) == 0)
		r = compilewire_put_request(&q, &bytes, &len);
	else if (!(data[0] & 1) && compilewire_get_reply(data + 1, size - 1, &p) == 0)
		r = compilewire_put_reply(&p, &bytes, &len);
	else
		return 0;
	if (r < 0 || len != size - 1 || memcmp(bytes, data + 1, len) != 0)
		abort();
	return 0;
}
