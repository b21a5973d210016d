/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Secrets: 32 bytes that are wiped when they go out of scope, compared in constant time and have
 * no text form, so that they cannot be logged by accident. WireGuard private keys, pre-shared keys
 * and TLS exporter output all have this size.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_BYTES 32 /* Curve25519 key, WireGuard PSK, exporter output */

struct secret {
	uint8_t bytes[SECRET_BYTES];
};

/* Overwrites @len bytes at @p in a way the compiler may not leave out. Borrows @p. */
void secret_wipe_bytes(void *p, size_t len);

/* Wipes @s; NULL is allowed. For _cleanup_(secret_wipe). Borrows @s. */
void secret_wipe(struct secret *s);

/* True when both hold the same bytes; the time taken does not depend on them. Borrows both. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* True when all bytes are zero (what WireGuard takes as "no PSK"); constant time. Borrows @s. */
bool secret_is_zero(const struct secret *s);
