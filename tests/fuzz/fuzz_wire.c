/* SPDX-License-Identifier: MIT */
/* common/wire: the input is a list of fields, then a message. What is read without an error gives
 * the same bytes when it is written again; a failed reader gives zeros. */
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

#define FIELDS_MAX 16
#define TEXT_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t read_number(struct wire *r, unsigned int kind)
{
	switch (kind) {
	case 0:
		return wire_get_u8(r);
	case 1:
		return wire_get_u16(r);
	case 2:
		return wire_get_u32(r);
	case 3:
		return wire_get_u64(r);
	default:
		return wire_get_bool(r);
	}
}

static void write_number(struct wire *w, unsigned int kind, uint64_t v)
{
	switch (kind) {
	case 1:
		wire_put_u16(w, (uint16_t)v);
		break;
	case 2:
		wire_put_u32(w, (uint32_t)v);
		break;
	case 3:
		wire_put_u64(w, v);
		break;
	default:
		wire_put_u8(w, (uint8_t)v);
		break;
	}
}

static void copy_text(struct wire *r, struct wire *w, size_t cap)
{
	char text[TEXT_MAX];

	memset(text, 'x', sizeof(text));
	wire_get_str(r, text, cap);
	check(memchr(text, '\0', cap) != NULL);
	check(!r->failed || !text[0]);
	wire_put_str(w, text);
}

static void copy_bytes(struct wire *r, struct wire *w, size_t len)
{
	uint8_t bytes[TEXT_MAX];
	static const uint8_t zero[TEXT_MAX];

	memset(bytes, 0xee, sizeof(bytes));
	wire_get_bytes(r, bytes, len);
	check(!r->failed || !memcmp(bytes, zero, len));
	wire_put_bytes(w, bytes, len);
}

/* @field: the kind in the low three bits, a length above. */
static void copy_field(struct wire *r, struct wire *w, uint8_t field)
{
	unsigned int kind = field & 7;
	uint64_t v;

	if (kind == 5) {
		copy_text(r, w, 1 + (size_t)(field >> 3));
	} else if (kind == 6) {
		copy_bytes(r, w, field >> 3);
	} else if (kind != 7) {
		v = read_number(r, kind);
		check(!r->failed || v == 0);
		write_number(w, kind, v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_fields = size ? data[0] % (FIELDS_MAX + 1) : 0;
	uint8_t again[FIELDS_MAX * TEXT_MAX];
	struct wire r, w = wire_writer(again, sizeof(again));

	if (size < 1 + n_fields)
		return 0;
	r = wire_reader(data + 1 + n_fields, size - 1 - n_fields);
	for (size_t i = 0; i < n_fields; i++)
		copy_field(&r, &w, data[1 + i]);
	if (wire_done(&r) < 0)
		return 0;
	check(wire_done(&w) == 0 && w.pos == r.len && !memcmp(again, r.bytes, r.len));
	return 0;
}
