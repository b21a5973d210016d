/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SHA-256 of a text in memory, for the name of a policy version. Pure; not for secrets. The folder
 * may link nothing, and programs with CAP_NET_ADMIN link no TLS library: hence our own.
 */
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_TEXT (2 * SHA256_BYTES + 1) /* hexadecimal with the NUL */

/* The digest of @len bytes. Borrows @data. Source: FIPS 180-4, section 6.2. */
void sha256(const void *data, size_t len, uint8_t ret[static SHA256_BYTES]);

/* The same in hexadecimal. */
void sha256_text(const void *data, size_t len, char ret[static SHA256_TEXT]);
