/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certd/certstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken comes back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t copy[CERTSTATE_BYTES_MAX];
	static struct certstate state;
	size_t len;

	if (size > sizeof(copy) || certstate_decode(data, size, &state) < 0)
		return 0;
	if (certstate_encode(&state, copy, &len) < 0 || len != size || memcmp(copy, data, len) != 0)
		abort();
	return 0;
}
