/* SPDX-License-Identifier: MIT */
#include "common/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wire wire_writer(void *bytes, size_t cap)
{
	return (struct wire){ .bytes = bytes, .len = cap };
}

struct wire wire_reader(const void *bytes, size_t len)
{
	return (struct wire){ .bytes = (uint8_t *)bytes, .len = len, .reading = true };
}

void wire_fail(struct wire *w)
{
	w->failed = true;
}

/* The next @n bytes, or NULL when the message is bad or too short. */
static uint8_t *wire_take(struct wire *w, size_t n)
{
	uint8_t *p;

	if (w->failed || n > w->len - w->pos) {
		w->failed = true;
		return NULL;
	}
	p = w->bytes + w->pos;
	w->pos += n;
	return p;
}

static void wire_put_uint(struct wire *w, uint64_t v, size_t n)
{
	uint8_t *p = wire_take(w, n);

	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t wire_get_uint(struct wire *w, size_t n)
{
	const uint8_t *p = wire_take(w, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void wire_put_u8(struct wire *w, uint8_t v)
{
	wire_put_uint(w, v, sizeof(v));
}

void wire_put_u16(struct wire *w, uint16_t v)
{
	wire_put_uint(w, v, sizeof(v));
}

void wire_put_u32(struct wire *w, uint32_t v)
{
	wire_put_uint(w, v, sizeof(v));
}

void wire_put_u64(struct wire *w, uint64_t v)
{
	wire_put_uint(w, v, sizeof(v));
}

void wire_put_bytes(struct wire *w, const void *src, size_t len)
{
	uint8_t *p = len ? wire_take(w, len) : NULL;

	if (p)
		memcpy(p, src, len);
}

void wire_put_str(struct wire *w, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT16_MAX) {
		wire_fail(w);
		return;
	}
	wire_put_u16(w, (uint16_t)len);
	wire_put_bytes(w, s, len);
}

uint8_t wire_get_u8(struct wire *w)
{
	return (uint8_t)wire_get_uint(w, sizeof(uint8_t));
}

uint16_t wire_get_u16(struct wire *w)
{
	return (uint16_t)wire_get_uint(w, sizeof(uint16_t));
}

uint32_t wire_get_u32(struct wire *w)
{
	return (uint32_t)wire_get_uint(w, sizeof(uint32_t));
}

uint64_t wire_get_u64(struct wire *w)
{
	return wire_get_uint(w, sizeof(uint64_t));
}

bool wire_get_bool(struct wire *w)
{
	uint8_t v = wire_get_u8(w);

	if (v > 1)
		wire_fail(w);
	return v == 1;
}

void wire_get_bytes(struct wire *w, void *ret, size_t len)
{
	const uint8_t *p = len ? wire_take(w, len) : NULL;

	if (p)
		memcpy(ret, p, len);
	else if (len)
		memset(ret, 0, len);
}

int wire_get_blob(struct wire *w, size_t len, uint8_t **ret)
{
	const uint8_t *p = wire_take(w, len);
	uint8_t *copy;

	if (w->failed)
		return -EBADMSG;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	*ret = copy;
	return 0;
}

static bool wire_is_text(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	return true;
}

void wire_get_str(struct wire *w, char *ret, size_t cap)
{
	size_t len = wire_get_u16(w);
	const uint8_t *p;

	ret[0] = '\0';
	if (len >= cap) {
		wire_fail(w);
		return;
	}
	p = wire_take(w, len);
	if (!p || !wire_is_text(p, len)) {
		wire_fail(w);
		return;
	}
	memcpy(ret, p, len);
	ret[len] = '\0';
}

void wire_get_ascii(struct wire *w, char *ret, size_t cap)
{
	wire_get_str(w, ret, cap);
	for (const char *p = ret; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			wire_fail(w);
	if (w->failed)
		ret[0] = '\0';
}

int wire_done(const struct wire *w)
{
	if (w->failed)
		return -EBADMSG;
	/* Bytes behind the last field are as wrong as missing ones. */
	return w->reading && w->pos != w->len ? -EBADMSG : 0;
}
