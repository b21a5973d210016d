/* SPDX-License-Identifier: MIT */
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 1024 /* first allocation, bytes */

struct buf buf_init(size_t max)
{
	return (struct buf){ .max = max };
}

/* Makes room for @more bytes and a NUL; sticks when it cannot. */
static bool buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	char *text;

	if (b->failed || more > b->max - b->len) {
		b->failed = true;
		return false;
	}
	while (cap < b->len + more + 1)
		cap *= 2;
	if (cap == b->cap)
		return true;
	text = realloc(b->text, cap);
	if (!text) {
		b->failed = b->no_memory = true;
		return false;
	}
	b->text = text;
	b->cap = cap;
	return true;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->failed = true; /* over INT_MAX bytes, hence over the limit */
	if (n < 0 || !buf_reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->text + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void buf_add(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (!buf_reserve(b, n))
		return;
	memcpy(b->text + b->len, s, n + 1);
	b->len += n;
}

int buf_done(const struct buf *b)
{
	if (!b->failed)
		return 0;
	return b->no_memory ? -ENOMEM : -EFBIG;
}

int buf_steal(struct buf *b, char **ret)
{
	int r;

	buf_add(b, "");
	r = buf_done(b);
	if (r < 0)
		return r;
	*ret = steal_ptr(b->text);
	*b = buf_init(b->max);
	return 0;
}

void buf_release(struct buf *b)
{
	free(b->text);
	*b = buf_init(b->max);
}
