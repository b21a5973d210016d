/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/batchfile.h"
#include "netpolicy/boot/closed.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

/* The closed batch as a file content. */
static uint8_t *test_bytes;
static size_t test_len;

static struct batchfile test_file(const char *about)
{
	struct batchfile f = { .batch = (uint8_t *)closed_batch, .batch_len = closed_batch_len };

	snprintf(f.about, sizeof(f.about), "%s", about);
	return f;
}

static void test_setup(void)
{
	struct batchfile f = test_file("policy x version 1");

	test_bytes = NULL;
	if (batchfile_encode(&f, &test_bytes, &test_len) < 0)
		test_len = 0;
}

static void test_teardown(void)
{
	free(test_bytes);
}

static void test_batchfile_round_trip(void)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };

	CU_ASSERT_EQUAL(batchfile_decode(test_bytes, test_len, &f), 0);
	CU_ASSERT_STRING_EQUAL(f.about, "policy x version 1");
	CU_ASSERT_EQUAL(f.batch_len, closed_batch_len);
	CU_ASSERT_EQUAL(memcmp(f.batch, closed_batch, closed_batch_len), 0);
	CU_ASSERT_EQUAL(f.expected.n, 0);
}

/* One wrong byte anywhere is seen: by the sum, or in the header by its checks. */
static void test_batchfile_every_damage(void)
{
	size_t n_taken = 0;

	for (size_t i = 0; i < test_len; i++) {
		_cleanup_(batchfile_release) struct batchfile f = { 0 };

		test_bytes[i] ^= 0x41;
		n_taken += batchfile_decode(test_bytes, test_len, &f) == 0;
		test_bytes[i] ^= 0x41;
	}
	CU_ASSERT_EQUAL(n_taken, 0);
	CU_ASSERT_TRUE(test_len > closed_batch_len);
}

static void test_batchfile_every_cut(void)
{
	size_t n_taken = 0;

	for (size_t len = 0; len < test_len; len++) {
		_cleanup_(batchfile_release) struct batchfile f = { 0 };

		n_taken += batchfile_decode(test_bytes, len, &f) == 0;
	}
	CU_ASSERT_EQUAL(n_taken, 0);
}

static void test_batchfile_keeps_previous(void)
{
	struct batchfile first = test_file("first"), second = test_file("second");
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	_cleanup_(batchfile_release) struct batchfile prev = { 0 };
	char path[PATH_MAX], path_prev[PATH_MAX];

	tmpdir_path(path, "policy.batch");
	tmpdir_path(path_prev, "policy.batch.prev");
	CU_ASSERT_EQUAL(batchfile_read(path, &f), -ENOENT);
	CU_ASSERT_EQUAL(batchfile_write(path, &first), 0);
	CU_ASSERT_EQUAL(batchfile_read(path_prev, &prev), -ENOENT);
	CU_ASSERT_EQUAL(batchfile_write(path, &second), 0);
	CU_ASSERT_EQUAL(batchfile_read(path, &f), 0);
	CU_ASSERT_STRING_EQUAL(f.about, "second");
	CU_ASSERT_EQUAL(batchfile_read(path_prev, &prev), 0);
	CU_ASSERT_STRING_EQUAL(prev.about, "first");
}

static int test_decode_once(void *ctx)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };

	return batchfile_decode(test_bytes, test_len, &f);
}

static void test_batchfile_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_decode_once, NULL) > 0);
}

static const struct tap_test test_batchfile_tests[] = {
	{ "round trip", test_batchfile_round_trip },
	{ "every damage is seen", test_batchfile_every_damage },
	{ "every cut is seen", test_batchfile_every_cut },
	{ "keeps the previous one", test_batchfile_keeps_previous },
	{ "out of memory", test_batchfile_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_batchfile_suites[] = {
	{ "batchfile", test_batchfile_tests, test_setup, test_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_batchfile_suites);
}
