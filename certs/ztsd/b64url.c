/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/b64url.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void b64url_encode(const void *bytes, size_t len, char *ret)
{
	const uint8_t *in = bytes;
	uint32_t bits = 0;
	unsigned int n_bits = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | in[i];
		n_bits += 8;
		while (n_bits >= 6) {
			n_bits -= 6;
			*ret++ = alphabet[bits >> n_bits & 63];
		}
	}
	if (n_bits)
		*ret++ = alphabet[bits << (6 - n_bits) & 63];
	*ret = '\0';
}

static int value_of(char c, uint32_t *ret)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	if (!at)
		return -EBADMSG;
	*ret = (uint32_t)(at - alphabet);
	return 0;
}

int b64url_decode(const char *text, size_t len, uint8_t *ret, size_t cap, size_t *ret_len)
{
	uint32_t bits = 0, value = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (value_of(text[i], &value) < 0)
			return -EBADMSG;
		bits = bits << 6 | value;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (n == cap)
			return -EMSGSIZE;
		ret[n++] = (uint8_t)(bits >> n_bits);
	}
	if (bits & ((1U << n_bits) - 1))
		return -EBADMSG;
	*ret_len = n;
	return 0;
}
