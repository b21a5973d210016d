/* SPDX-License-Identifier: MIT */
#include "common/secret.h"

#include <string.h>

void secret_wipe_bytes(void *p, size_t len)
{
	explicit_bzero(p, len);
}

void secret_wipe(struct secret *s)
{
	if (s)
		secret_wipe_bytes(s->bytes, sizeof(s->bytes));
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	volatile uint8_t diff = 0;

	for (size_t i = 0; i < SECRET_BYTES; i++)
		diff |= a->bytes[i] ^ b->bytes[i];
	return diff == 0;
}

bool secret_is_zero(const struct secret *s)
{
	static const struct secret zero;

	return secret_equal(s, &zero);
}
