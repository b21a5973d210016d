/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/proto/exreq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken can be written and is taken again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exreq req, again;
	char *text = NULL;
	enum pst code;

	if (exreq_decode((const char *)data, size, &req, &code) < 0)
		return 0;
	if (exreq_encode(&req, &text) < 0 || exreq_decode(text, strlen(text), &again, &code) < 0 ||
	    !wgkey_equal(&req.public_key, &again.public_key) || wgkey_is_weak(&req.public_key))
		abort();
	free(text);
	return 0;
}
