/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static void test_empty(void)
{
	struct buf b = buf_init(8);
	char *text = NULL;

	CU_ASSERT_EQUAL(buf_done(&b), 0);
	CU_ASSERT_EQUAL(buf_steal(&b, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_PTR_NULL(b.text);
	free(text);
	buf_release(&b);
}

static void test_append(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(64);

	buf_add(&b, "one ");
	buf_addf(&b, "%d %s", 2, "three");
	buf_add(&b, "");
	CU_ASSERT_EQUAL(buf_done(&b), 0);
	CU_ASSERT_STRING_EQUAL(b.text, "one 2 three");
	CU_ASSERT_EQUAL(b.len, strlen("one 2 three"));
}

/* Appends @n bytes to a buffer of limit 10; gives what buf_done() says. */
static int fill(int n, bool formatted)
{
	_cleanup_(buf_release) struct buf b = buf_init(10);
	const char *bytes = "abcdefghijklmnop";
	char piece[17] = { 0 };

	memcpy(piece, bytes, (size_t)n);
	if (formatted)
		buf_addf(&b, "%s", piece);
	else
		buf_add(&b, piece);
	return buf_done(&b);
}

static void test_limit(void)
{
	CU_ASSERT_EQUAL(fill(9, false), 0);
	CU_ASSERT_EQUAL(fill(10, false), 0);
	CU_ASSERT_EQUAL(fill(11, false), -EFBIG);
	CU_ASSERT_EQUAL(fill(9, true), 0);
	CU_ASSERT_EQUAL(fill(10, true), 0);
	CU_ASSERT_EQUAL(fill(11, true), -EFBIG);
}

static void test_limit_of_nothing(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(0);

	buf_add(&b, "");
	CU_ASSERT_EQUAL(buf_done(&b), 0);
	buf_add(&b, "x");
	CU_ASSERT_EQUAL(buf_done(&b), -EFBIG);
}

static void test_error_sticks(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(4);
	char *text = NULL;

	buf_add(&b, "abc");
	buf_add(&b, "too long");
	buf_add(&b, "d");
	CU_ASSERT_EQUAL(buf_done(&b), -EFBIG);
	CU_ASSERT_EQUAL(buf_steal(&b, &text), -EFBIG);
	CU_ASSERT_PTR_NULL(text);
	CU_ASSERT_STRING_EQUAL(b.text, "abc");
	buf_release(&b);
	buf_add(&b, "wxyz");
	CU_ASSERT_EQUAL(buf_done(&b), 0);
}

/* Around the first allocation and its doublings. */
static void test_growth(void)
{
	static const size_t sizes[] = { 1022, 1023, 1024, 1025, 2047, 2048, 5000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_(buf_release) struct buf b = buf_init(8192);
		bool same = true;

		for (size_t n = 0; n < sizes[i]; n++)
			buf_addf(&b, "%c", (int)('a' + n % 26));
		CU_ASSERT_EQUAL(buf_done(&b), 0);
		CU_ASSERT_EQUAL(b.len, sizes[i]);
		for (size_t n = 0; n < sizes[i] && n < b.len; n++)
			same = same && b.text[n] == (char)('a' + n % 26);
		CU_ASSERT(same);
		CU_ASSERT(b.text && b.text[b.len] == '\0');
	}
}

static int build(void *ctx)
{
	_cleanup_(buf_release) struct buf b = buf_init(1 << 16);
	char *text = NULL;
	int r;

	for (int i = 0; i < 300; i++)
		buf_addf(&b, "line %d\n", i);
	buf_add(&b, "end");
	r = buf_steal(&b, &text);
	free(text);
	return r;
}

static void test_no_memory(void)
{
	CU_ASSERT(torture(build, NULL) >= 2);
}

static void test_no_memory_is_told_from_limit(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(100);

	torture_arm(0);
	buf_add(&b, "x");
	CU_ASSERT(torture_disarm());
	CU_ASSERT_EQUAL(buf_done(&b), -ENOMEM);
	buf_release(&b);
	CU_ASSERT_EQUAL(b.max, 100);
	CU_ASSERT_EQUAL(buf_done(&b), 0);
}

static const struct tap_test tests[] = {
	{ "an empty buffer gives an empty string", test_empty },
	{ "appends text and formatted text", test_append },
	{ "limit", test_limit },
	{ "limit of nothing", test_limit_of_nothing },
	{ "an error sticks until release", test_error_sticks },
	{ "growth", test_growth },
	{ "out of memory", test_no_memory },
	{ "out of memory is told from the limit", test_no_memory_is_told_from_limit },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "buf", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
