/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * WireGuard public keys: 32 bytes and their canonical base64 form of 44 characters. Private and
 * pre-shared keys are struct secret and have no text form in this program.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"

#define WGKEY_BYTES 32
#define WGKEY_TEXT 45 /* 43 characters, "=", NUL */

struct wgkey {
	uint8_t bytes[WGKEY_BYTES];
};

/* Reads exactly 44 characters of canonical base64 (no blanks, unused bits zero).
 * Errors: 0; -EINVAL. Source: RFC 4648, sections 3.5 and 4. */
int wgkey_parse(const char *text, struct wgkey *ret) _warn_unused_;

/* Writes the base64 form into @ret and gives @ret back. */
const char *wgkey_format(const struct wgkey *key, char ret[static WGKEY_TEXT]);

/* True when both are the same key. */
bool wgkey_equal(const struct wgkey *a, const struct wgkey *b);

/* True for the all-zero key and for every encoding of a point of low order: a shared secret made
 * with such a key is known to everybody. Source: RFC 7748, section 6.1. */
bool wgkey_is_weak(const struct wgkey *key);
