/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Growing text buffer with a mandatory limit and a sticky error: append freely, ask once.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

struct buf {
	char *text; /* NUL-terminated once something was appended; owned */
	size_t len;
	size_t cap;
	size_t max; /* limit of len, set at init */
	bool failed;
	bool no_memory; /* why it failed: memory, not the limit */
};

/* An empty buffer that may grow to @max bytes, far below SIZE_MAX. Not for secrets: growing leaves
 * copies behind. */
struct buf buf_init(size_t max);

/* Appends formatted text. Sticks when out of memory or over the limit. */
void buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);

/* Appends a string. As buf_addf(). */
void buf_add(struct buf *b, const char *s);

/* Errors: 0; -ENOMEM when an append failed for want of memory; -EFBIG when over the limit. */
int buf_done(const struct buf *b) _warn_unused_;

/* Hands the text over (never NULL on success; free() it) and empties @b. Gives *ret.
 * Errors: as buf_done(); what was appended stays with @b. */
int buf_steal(struct buf *b, char **ret) _warn_unused_;

/* Releases the text and forgets an error; the limit stays. For _cleanup_(buf_release). */
void buf_release(struct buf *b);
