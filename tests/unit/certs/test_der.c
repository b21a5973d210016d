/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "certs/der.h"
#include "tests/support/tap.h"

#define BYTES(text) (const unsigned char *)(text), sizeof(text) - 1

/* clang-format off */
static const struct {
	const char *about;
	const unsigned char *bytes;
	size_t len;
	long want;   /* bytes of contents, -1 = refused */
	size_t fill; /* bytes more */
} test_der_rows[] = {
	{ "nothing", BYTES(""), -1 },
	{ "a tag", BYTES("\x30"), -1 },
	{ "empty", BYTES("\x30\x00"), 0 },
	{ "one byte", BYTES("\x30\x01x"), 1 },
	{ "one byte is missing", BYTES("\x30\x02x"), -1 },
	{ "another tag", BYTES("\x31\x00"), -1 },
	{ "no end said", BYTES("\x30\x80\x00\x00"), -1 },
	{ "a long form for a short length", BYTES("\x30\x81\x01x"), -1 },
	{ "two bytes for a length of one", BYTES("\x30\x82\x00\x01x"), -1 },
	{ "three bytes of length", BYTES("\x30\x83\x00\x00\x01x"), -1 },
	{ "most bytes of length", BYTES("\x30\xff\xff\xff\xff\xff\xff\xff\xff"), -1 },
	{ "length cut off", BYTES("\x30\x81"), -1 },
	{ "length cut in two", BYTES("\x30\x82\x01"), -1 },
	{ "far too long", BYTES("\x30\x82\xff\xffx"), -1 },
	{ "no end said, and 128 bytes", BYTES("\x30\x80"), -1, 128 },
	{ "no end said, and what could be a length", BYTES("\x30\x80\x01\x00"), -1, 256 },
	{ "three bytes, of which two could be a length", BYTES("\x30\x83\x01\x00\x00"), -1, 256 },
};
/* clang-format on */

/* From an allocation of exactly that size. */
static void test_der_reads(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_der_rows); i++) {
		size_t len = test_der_rows[i].len + test_der_rows[i].fill;
		unsigned char *copy = calloc(1, len ? len : 1);
		bool failed = true;
		struct der_in in, found;

		memcpy(copy, test_der_rows[i].bytes, test_der_rows[i].len);
		in = der_open(copy, len, &failed);
		CU_ASSERT_FALSE(failed);
		found = der_enter(&in, DER_SEQUENCE);
		if (failed != (test_der_rows[i].want < 0) ||
		    (!failed && der_len(&found) != (size_t)test_der_rows[i].want))
			tap_fail(__FILE__, __LINE__, "%s", test_der_rows[i].about);
		CU_ASSERT_EQUAL(der_len(&in), 0);
		free(copy);
	}
	CU_PASS("");
}

/* Tags that OpenSSL would read as the end of something, or with more bytes. */
static void test_der_odd_tags(void)
{
	static const unsigned char bytes[] = { 0x00, 0x1f, 0x3f, 0xbf };

	for (size_t i = 0; i < sizeof(bytes); i++) {
		const unsigned char text[] = { bytes[i], 0 };
		bool failed;
		struct der_in in = der_open(text, sizeof(text), &failed);

		CU_ASSERT_EQUAL(der_tag(&in), bytes[i]);
		(void)der_enter(&in, bytes[i]);
		CU_ASSERT_TRUE(failed);
	}
}

static void test_der_walk(void)
{
	static const unsigned char text[] = { 0x30, 5, 2, 1, 7, 5, 0, 4, 1, 9 };
	bool failed;
	struct der_in in = der_open(text, sizeof(text), &failed);
	struct der_in list = der_enter(&in, DER_SEQUENCE), whole, number;

	CU_ASSERT_EQUAL(der_tag(&list), DER_INTEGER);
	number = der_enter(&list, DER_INTEGER);
	CU_ASSERT_TRUE(der_is(&number, "\7", 1));
	CU_ASSERT_FALSE(der_is(&number, "\7\5", 2));
	CU_ASSERT_FALSE(der_is(&number, "\10", 1));
	CU_ASSERT_EQUAL(der_len(&list), 2);
	whole = der_take(&list, DER_NULL);
	CU_ASSERT_TRUE(der_is(&whole, "\5\0", 2));
	CU_ASSERT_EQUAL(der_tag(&list), 0);
	der_end(&list);
	CU_ASSERT_FALSE(failed);
	der_end(&in);
	CU_ASSERT_TRUE(failed);
}

/* clang-format off */
static const struct {
	const char *about;
	const unsigned char *bytes;
	size_t len;
	bool is_good;
} test_der_oids[] = {
	{ "2.5.4.3", BYTES("\x06\x03\x55\x04\x03"), true },
	{ "one byte", BYTES("\x06\x01\x2a"), true },
	{ "a number of two bytes", BYTES("\x06\x03\x2a\x86\x48"), true },
	{ "a zero behind another byte", BYTES("\x06\x04\x2a\x81\x80\x00"), true },
	{ "none", BYTES("\x06\x00"), false },
	{ "a number that does not end", BYTES("\x06\x03\x55\x04\x83"), false },
	{ "zeros before a number", BYTES("\x06\x03\x55\x80\x04"), false },
	{ "zeros before the first", BYTES("\x06\x02\x80\x55"), false },
	{ "another tag", BYTES("\x0d\x01\x55"), false },
};
/* clang-format on */

static void test_der_reads_oids(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_der_oids); i++) {
		size_t len = test_der_oids[i].len;
		bool failed;
		struct der_in in = der_open(test_der_oids[i].bytes, len, &failed);
		struct der_in oid = der_enter_oid(&in);

		if (failed == test_der_oids[i].is_good)
			tap_fail(__FILE__, __LINE__, "%s", test_der_oids[i].about);
		CU_ASSERT_EQUAL(der_len(&oid), failed ? 0 : len - 2);
	}
}

/* One error empties all parts of a text. */
static void test_der_sticks(void)
{
	static const unsigned char text[] = { 0x30, 3, 2, 1, 7, 4, 1, 9 };
	bool failed;
	struct der_in in = der_open(text, sizeof(text), &failed);
	struct der_in list = der_enter(&in, DER_SEQUENCE), copy = list;

	(void)der_enter(&list, DER_OCTET_STRING);
	CU_ASSERT_TRUE(failed);
	CU_ASSERT_EQUAL(der_len(&in), 0);
	CU_ASSERT_EQUAL(der_len(&copy), 0);
	CU_ASSERT_EQUAL(der_tag(&copy), 0);
	CU_ASSERT_FALSE(der_is(&copy, "", 0));
	CU_ASSERT_EQUAL(der_len(&list), 0);
}

/* What is written is what is read, and one byte less of room is too little. */
static void test_der_round(size_t len, size_t header)
{
	size_t cap = len + header;
	unsigned char *bytes = malloc(cap), *text = calloc(1, len ? len : 1);
	struct der_out out = der_begin(bytes, cap);
	struct der_in in, found;
	bool failed;

	if (len)
		text[0] = 0x5a;
	der_put_element(&out, DER_OCTET_STRING, text, len);
	CU_ASSERT_FALSE(out.failed);
	CU_ASSERT_EQUAL(der_mark(&out), cap);
	CU_ASSERT_PTR_EQUAL(out.at, bytes);
	in = der_open(out.at, cap, &failed);
	found = der_enter(&in, DER_OCTET_STRING);
	CU_ASSERT_TRUE(der_is(&found, text, len));
	der_end(&in);
	CU_ASSERT_FALSE(failed);
	out = der_begin(bytes + 1, cap - 1);
	der_put_element(&out, DER_OCTET_STRING, text, len);
	CU_ASSERT_TRUE(out.failed);
	free(bytes);
	free(text);
}

static void test_der_writes(void)
{
	test_der_round(0, 2);
	test_der_round(1, 2);
	test_der_round(127, 2);
	test_der_round(128, 3);
	test_der_round(255, 3);
	test_der_round(256, 4);
	test_der_round(DER_CONTENT_MAX - 1, 4);
	test_der_round(DER_CONTENT_MAX, 4);
}

static void test_der_too_long(void)
{
	unsigned char *bytes = malloc(2 * DER_CONTENT_MAX);
	struct der_out out = der_begin(bytes, 2 * DER_CONTENT_MAX);

	der_put(&out, memset(bytes, 0, DER_CONTENT_MAX), DER_CONTENT_MAX);
	der_put(&out, "", 1);
	CU_ASSERT_FALSE(out.failed);
	der_wrap(&out, DER_SEQUENCE, 0);
	CU_ASSERT_TRUE(out.failed);
	free(bytes);
}

static void test_der_wraps(void)
{
	static const unsigned char want[] = { 0x30, 6, 2, 1, 1, 0xa0, 1, 2, 5, 0 };
	unsigned char bytes[16];
	struct der_out out = der_begin(bytes, sizeof(bytes));
	size_t mark;

	der_put_element(&out, DER_NULL, NULL, 0);
	mark = der_mark(&out);
	CU_ASSERT_EQUAL(mark, 2);
	der_put(&out, "\2", 1);
	der_wrap(&out, DER_CONTEXT_HOLDS(0), mark);
	der_put_element(&out, DER_INTEGER, "\1", 1);
	der_wrap(&out, DER_SEQUENCE, mark);
	CU_ASSERT_FALSE(out.failed);
	CU_ASSERT_EQUAL(der_mark(&out), sizeof(want));
	CU_ASSERT_EQUAL(memcmp(out.at, want, sizeof(want)), 0);
}

static const struct tap_test test_der_tests[] = {
	{ "lengths", test_der_reads },
	{ "odd tags", test_der_odd_tags },
	{ "a walk", test_der_walk },
	{ "object identifiers", test_der_reads_oids },
	{ "an error sticks", test_der_sticks },
	{ "written and read", test_der_writes },
	{ "too long to write", test_der_too_long },
	{ "one in another", test_der_wraps },
	{ 0 },
};

static const struct tap_suite test_der_suites[] = {
	{ "der", test_der_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_der_suites);
}
