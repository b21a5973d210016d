/* SPDX-License-Identifier: MIT */
/* Not a decoder: a target with a planted crash, which must-fail.sh and the fuzzer have to find. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 3 && data[0] == 'b' && data[1] == 'u' && data[2] == 'g')
		abort();
	return 0;
}
