/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static void test_layout(void)
{
	static const uint8_t want[] = {
		0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d,
		0x0c, 0x0b, 0x0a, 0x09, 0x08, 2,    0,    'h',  'i',  0xff,
	};
	uint8_t bytes[sizeof(want)];
	struct wire w = wire_writer(bytes, sizeof(bytes));

	wire_put_u8(&w, 0x01);
	wire_put_u16(&w, 0x0203);
	wire_put_u32(&w, 0x04050607);
	wire_put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	wire_put_str(&w, "hi");
	wire_put_bytes(&w, "\xff", 1);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
	CU_ASSERT_EQUAL(w.pos, sizeof(want));
	CU_ASSERT_EQUAL(memcmp(bytes, want, sizeof(want)), 0);
}

static void test_round_trip(void)
{
	uint8_t bytes[64], raw[7] = { 0 };
	char text[8];
	uint64_t v = tap_random();
	struct wire w = wire_writer(bytes, sizeof(bytes));

	wire_put_u8(&w, (uint8_t)v);
	wire_put_u16(&w, (uint16_t)v);
	wire_put_u32(&w, (uint32_t)v);
	wire_put_u64(&w, v);
	wire_put_u8(&w, 1);
	wire_put_bytes(&w, "\0\1\2\3\4\5\6", sizeof(raw));
	wire_put_str(&w, "postern");
	CU_ASSERT_EQUAL(wire_done(&w), 0);
	w = wire_reader(bytes, w.pos);
	CU_ASSERT_EQUAL(wire_get_u8(&w), (uint8_t)v);
	CU_ASSERT_EQUAL(wire_get_u16(&w), (uint16_t)v);
	CU_ASSERT_EQUAL(wire_get_u32(&w), (uint32_t)v);
	CU_ASSERT_EQUAL(wire_get_u64(&w), v);
	CU_ASSERT(wire_get_bool(&w));
	wire_get_bytes(&w, raw, sizeof(raw));
	CU_ASSERT_EQUAL(memcmp(raw, "\0\1\2\3\4\5\6", sizeof(raw)), 0);
	wire_get_str(&w, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "postern");
	CU_ASSERT_EQUAL(wire_done(&w), 0);
}

/* Writes all kinds into @cap bytes; the whole takes 1 + 2 + 4 + 8 + 2 + 3 + 4 = 24. */
static struct wire write_all(uint8_t *bytes, size_t cap)
{
	struct wire w = wire_writer(bytes, cap);

	wire_put_u8(&w, 0xaa);
	wire_put_u16(&w, 0xaaaa);
	wire_put_u32(&w, 0xaaaaaaaa);
	wire_put_u64(&w, UINT64_C(0xaaaaaaaaaaaaaaaa));
	wire_put_str(&w, "abc");
	wire_put_bytes(&w, "wxyz", 4);
	return w;
}

static void test_writer_limit(void)
{
	for (size_t cap = 0; cap <= 25; cap++) {
		uint8_t bytes[26];
		struct wire w;

		memset(bytes, 0x11, sizeof(bytes));
		w = write_all(bytes, cap);
		CU_ASSERT_EQUAL(wire_done(&w), cap < 24 ? -EBADMSG : 0);
		CU_ASSERT(w.pos <= cap);
		CU_ASSERT_EQUAL(bytes[cap], 0x11);
	}
}

/* A message cut at any place is bad, and from there on everything read is zero. */
static void test_reader_limit(void)
{
	uint8_t bytes[24], raw[4];
	char text[8];

	(void)write_all(bytes, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct wire w;

		CU_ASSERT_PTR_NOT_NULL(copy);
		memcpy(copy, bytes, len);
		memset(raw, 0xee, sizeof(raw));
		w = wire_reader(copy, len);
		CU_ASSERT_EQUAL(wire_get_u8(&w), len < 1 ? 0 : 0xaa);
		CU_ASSERT_EQUAL(wire_get_u16(&w), len < 3 ? 0 : 0xaaaa);
		CU_ASSERT_EQUAL(wire_get_u32(&w), len < 7 ? 0 : 0xaaaaaaaa);
		CU_ASSERT_EQUAL(wire_get_u64(&w), len < 15 ? 0 : UINT64_C(0xaaaaaaaaaaaaaaaa));
		wire_get_str(&w, text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, len < 20 ? "" : "abc");
		wire_get_bytes(&w, raw, sizeof(raw));
		CU_ASSERT_EQUAL(memcmp(raw, len < 24 ? "\0\0\0\0" : "wxyz", 4), 0);
		CU_ASSERT_EQUAL(wire_done(&w), len < 24 ? -EBADMSG : 0);
		free(copy);
	}
}

static void test_trailing_bytes(void)
{
	struct wire w = wire_reader("\1\2", 2);

	CU_ASSERT_EQUAL(wire_get_u8(&w), 1);
	CU_ASSERT_EQUAL(wire_done(&w), -EBADMSG);
	CU_ASSERT_EQUAL(wire_get_u8(&w), 2);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
}

static void test_error_sticks(void)
{
	struct wire w = wire_reader("\1\2\3", 3);

	CU_ASSERT_EQUAL(wire_get_u32(&w), 0);
	CU_ASSERT_EQUAL(wire_get_u8(&w), 0);
	CU_ASSERT_EQUAL(wire_done(&w), -EBADMSG);
	w = wire_reader("", 0);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
	wire_fail(&w);
	CU_ASSERT_EQUAL(wire_done(&w), -EBADMSG);
}

static void test_bool(void)
{
	struct wire w = wire_reader("\0\1\2", 3);

	CU_ASSERT(!wire_get_bool(&w));
	CU_ASSERT(wire_get_bool(&w));
	CU_ASSERT_EQUAL(w.failed, false);
	CU_ASSERT(!wire_get_bool(&w));
	CU_ASSERT_EQUAL(wire_done(&w), -EBADMSG);
}

static int read_str(const void *bytes, size_t len, size_t cap)
{
	struct wire w = wire_reader(bytes, len);
	char text[16] = "leftover";
	int r;

	wire_get_str(&w, text, cap);
	r = wire_done(&w);
	if (r < 0)
		CU_ASSERT_STRING_EQUAL(text, "");
	return r;
}

static void test_str(void)
{
	CU_ASSERT_EQUAL(read_str("\4\0abcd", 6, 6), 0);
	CU_ASSERT_EQUAL(read_str("\4\0abcd", 6, 5), 0);
	CU_ASSERT_EQUAL(read_str("\4\0abcd", 6, 4), -EBADMSG);
	CU_ASSERT_EQUAL(read_str("\0\0", 2, 1), 0);
	CU_ASSERT_EQUAL(read_str("\5\0abcd", 6, 16), -EBADMSG);
	CU_ASSERT_EQUAL(read_str("\4\0ab\0d", 6, 16), -EBADMSG);
	CU_ASSERT_EQUAL(read_str("\4\0ab\nd", 6, 16), -EBADMSG);
	CU_ASSERT_EQUAL(read_str("\4\0ab\x7f"
				 "d",
				 6, 16),
			-EBADMSG);
	CU_ASSERT_EQUAL(read_str("\4\0\xc3\xbc\xc3\xbc", 6, 16), 0);
}

/* Reads @bytes, a string of @len bytes, into @cap bytes. */
static int read_ascii(const char *bytes, size_t len, char *ret, size_t cap)
{
	uint8_t message[32];
	struct wire w = wire_writer(message, sizeof(message));

	wire_put_u16(&w, (uint16_t)len);
	wire_put_bytes(&w, bytes, len);
	w = wire_reader(message, w.pos);
	memset(ret, 'x', cap);
	wire_get_ascii(&w, ret, cap);
	return wire_done(&w);
}

static void test_ascii(void)
{
	static const char *const bad[] = {
		"\x1b[2J", "a\x7f", "\x80", "caf\xc3\xa9", "a\tb", "a\n"
	};
	char text[8];

	CU_ASSERT_EQUAL(read_ascii(" a~\"\\%s", 7, text, sizeof(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, " a~\"\\%s");
	CU_ASSERT_EQUAL(read_ascii("12345678", 8, text, sizeof(text)), -EBADMSG);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(read_ascii("", 0, text, sizeof(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(read_ascii("a\0b", 3, text, sizeof(text)), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(read_ascii(bad[i], strlen(bad[i]), text, sizeof(text)), -EBADMSG);
		CU_ASSERT_STRING_EQUAL(text, "");
	}
}

static void test_str_length_limit(void)
{
	for (size_t n = UINT16_MAX - 1; n <= UINT16_MAX + 1; n++) {
		char *text = calloc(1, n + 1);
		uint8_t *bytes = malloc(n + 2);
		struct wire w = wire_writer(bytes, n + 2);

		CU_ASSERT(text && bytes);
		memset(text, 'x', n);
		wire_put_str(&w, text);
		CU_ASSERT_EQUAL(wire_done(&w), n > UINT16_MAX ? -EBADMSG : 0);
		free(text);
		free(bytes);
	}
}

static void test_blob(void)
{
	struct wire w = wire_reader("abcd", 4);
	uint8_t *blob = NULL, *none = NULL;

	CU_ASSERT_EQUAL(wire_get_blob(&w, 3, &blob), 0);
	CU_ASSERT_TRUE(blob && !memcmp(blob, "abc", 4));
	free(blob);
	CU_ASSERT_EQUAL(wire_get_blob(&w, 0, &blob), 0);
	CU_ASSERT_TRUE(blob && *blob == '\0');
	free(blob);
	w = wire_reader(NULL, 0);
	CU_ASSERT_EQUAL(wire_get_blob(&w, 0, &blob), 0);
	free(blob);
	w = wire_reader("d", 1);
	torture_arm(0);
	CU_ASSERT_EQUAL(wire_get_blob(&w, 1, &none), -ENOMEM);
	CU_ASSERT_TRUE(torture_disarm());
	w = wire_reader("abcd", 4);
	CU_ASSERT_EQUAL(wire_get_blob(&w, 5, &none), -EBADMSG);
	CU_ASSERT_EQUAL(wire_get_blob(&w, 1, &none), -EBADMSG);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT_EQUAL(wire_done(&w), -EBADMSG);
}

static void test_no_bytes(void)
{
	struct wire w = wire_reader(NULL, 0);
	uint8_t one = 7;

	wire_get_bytes(&w, &one, 0);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
	CU_ASSERT_EQUAL(one, 7);
	w = wire_writer(NULL, 0);
	wire_put_bytes(&w, NULL, 0);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
}

static const struct tap_test tests[] = {
	{ "layout is little-endian without gaps", test_layout },
	{ "what is put is got", test_round_trip },
	{ "writer limit", test_writer_limit },
	{ "reader limit", test_reader_limit },
	{ "trailing bytes are bad", test_trailing_bytes },
	{ "an error sticks", test_error_sticks },
	{ "bool is 0 or 1", test_bool },
	{ "strings", test_str },
	{ "printable strings", test_ascii },
	{ "length of a string", test_str_length_limit },
	{ "bytes in memory of their own", test_blob },
	{ "nothing of nothing", test_no_bytes },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "wire", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
