/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Base64 with the alphabet for URLs and without padding, as web tokens have it. One text for one
 * sequence of bytes: unused bits must be zero. Source: RFC 4648, section 5; RFC 7515, section 2.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

/* Characters that @n bytes become, without NUL. */
#define B64URL_CHARS(n) (((n)*8 + 5) / 6)

/* Writes the @len bytes and a NUL to @ret, which has room for B64URL_CHARS(len) + 1. */
void b64url_encode(const void *bytes, size_t len, char *ret);

/* Reads all @len characters into @ret of @cap bytes. Gives *ret_len. @ret may be overwritten on
 * failure too. Errors: 0; -EBADMSG; -EMSGSIZE when @cap is too small. */
int b64url_decode(const char *text, size_t len, uint8_t *ret, size_t cap,
		  size_t *ret_len) _warn_unused_;
