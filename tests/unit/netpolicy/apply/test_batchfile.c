/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
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
	/* Once more the same does not make it the one before, too. */
	batchfile_release(&prev);
	CU_ASSERT_EQUAL(batchfile_write(path, &second), 0);
	CU_ASSERT_EQUAL(batchfile_read(path_prev, &prev), 0);
	CU_ASSERT_STRING_EQUAL(prev.about, "first");
}

static void test_batchfile_rollback(void)
{
	struct batchfile first = test_file("first"), second = test_file("second");
	char path[PATH_MAX];

	tmpdir_path(path, "swap.batch");
	CU_ASSERT_EQUAL(batchfile_rollback(path), -ENOENT);
	CU_ASSERT_EQUAL(batchfile_write(path, &first), 0);
	CU_ASSERT_EQUAL(batchfile_rollback(path), -ENOENT);
	CU_ASSERT_EQUAL(batchfile_write(path, &second), 0);
	for (int i = 0; i < 3; i++) {
		_cleanup_(batchfile_release) struct batchfile f = { 0 };

		CU_ASSERT_EQUAL(batchfile_read(path, &f), 0);
		CU_ASSERT_STRING_EQUAL(f.about, i % 2 ? "first" : "second");
		CU_ASSERT_EQUAL(batchfile_rollback(path), 0);
	}
}

/* Everything that a file can hold. */
static void test_batchfile_all_parts(void)
{
	struct ip6_prefix nets[] = { { .len = 128 }, { .len = 0 } };
	struct batchfile_grant grants[] = {
		{ .name = "ssh", .max_s = 1, .n_nets = 2, .nets = nets },
		{ .name = "a_b-9", .max_s = BATCHFILE_GRANT_S_MAX },
	};
	struct batchfile in = test_file("all");
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	_cleanup_(batchfile_release) struct batchfile front = { 0 };
	uint8_t *bytes = NULL;
	char path[PATH_MAX];
	size_t len = 0;

	in.page = (char *)"{}";
	in.page_len = 2;
	in.grants = grants;
	in.n_grants = 2;
	memset(in.digest, 'd', 64);
	CU_ASSERT_EQUAL(batchfile_encode(&in, &bytes, &len), 0);
	CU_ASSERT_EQUAL(batchfile_decode(bytes, len, &f), 0);
	CU_ASSERT_STRING_EQUAL(f.digest, in.digest);
	CU_ASSERT_EQUAL(f.page_len, 2);
	CU_ASSERT_STRING_EQUAL(f.page, "{}");
	CU_ASSERT_EQUAL(f.n_grants, 2);
	if (f.n_grants == 2) {
		CU_ASSERT_STRING_EQUAL(f.grants[1].name, "a_b-9");
		CU_ASSERT_EQUAL(f.grants[1].max_s, BATCHFILE_GRANT_S_MAX);
		CU_ASSERT_EQUAL(f.grants[0].n_nets, 2);
		CU_ASSERT_EQUAL(f.grants[0].nets[0].len, 128);
	}
	/* The front alone, also when what follows it is damaged. */
	bytes[len - 1] ^= 1;
	CU_ASSERT_EQUAL(tmpdir_write("all.batch", bytes, len), 0);
	tmpdir_path(path, "all.batch");
	CU_ASSERT_EQUAL(batchfile_read_front(path, &front), 0);
	CU_ASSERT_STRING_EQUAL(front.about, "all");
	CU_ASSERT_EQUAL(front.batch_len, closed_batch_len);
	CU_ASSERT_PTR_NULL(front.page);
	free(bytes);
}

static void test_batchfile_grant_limits(void)
{
	struct ip6_prefix net = { .len = 129 };
	static const struct {
		const char *name;
		uint32_t max_s;
		size_t n_nets;
		int r;
	} rows[] = {
		{ "x", 1, 0, 0 },
		{ "", 1, 0, -EINVAL },
		{ "X", 1, 0, -EINVAL },
		{ "a b", 1, 0, -EINVAL },
		{ "x", 0, 0, -EINVAL },
		{ "x", BATCHFILE_GRANT_S_MAX, 0, 0 },
		{ "x", BATCHFILE_GRANT_S_MAX + 1, 0, -EINVAL },
		{ "x", 1, 1, -EINVAL },
		{ "x", 1, BATCHFILE_NETS_MAX + 1, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct batchfile_grant grant = { .max_s = rows[i].max_s,
						 .n_nets = rows[i].n_nets,
						 .nets = &net };
		struct batchfile in = test_file("limits");
		uint8_t *bytes = NULL;
		size_t len = 0;

		snprintf(grant.name, sizeof(grant.name), "%s", rows[i].name);
		in.grants = &grant;
		in.n_grants = 1;
		CU_ASSERT_EQUAL(batchfile_encode(&in, &bytes, &len), rows[i].r);
		free(bytes);
	}
}

/* A file of another version is told from a damaged one, whatever follows the number. */
static void test_batchfile_versions(void)
{
	static const uint8_t versions[][4] = { { 1 }, { 3 }, { 0, 0, 0, 2 }, { 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_(batchfile_release) struct batchfile f = { 0 };
		_cleanup_(batchfile_release) struct batchfile front = { 0 };
		char path[PATH_MAX];

		memcpy(test_bytes + 8, versions[i], 4);
		CU_ASSERT_EQUAL(batchfile_decode(test_bytes, test_len, &f), -EPROTO);
		CU_ASSERT_EQUAL(batchfile_decode(test_bytes, 12, &f), -EPROTO);
		CU_ASSERT_EQUAL(batchfile_decode(test_bytes, 11, &f), -EBADMSG);
		CU_ASSERT_EQUAL(tmpdir_write("old.batch", test_bytes, test_len), 0);
		CU_ASSERT_EQUAL(batchfile_read_front(tmpdir_path(path, "old.batch"), &front),
				-EPROTO);
	}
	CU_ASSERT_STRING_EQUAL(batchfile_strerror(-EPROTO),
			       "written by another version of this program");
	CU_ASSERT_STRING_EQUAL(batchfile_strerror(-EBADMSG), "damaged");
}

/* Damage and cuts are seen by who reads only the front, too. */
static void test_batchfile_front_damage(void)
{
	size_t n_taken = 0;
	char path[PATH_MAX];

	tmpdir_path(path, "front.batch");
	for (size_t i = 0; i < test_len; i += i < 512 ? 1 : 61) {
		_cleanup_(batchfile_release) struct batchfile f = { 0 };
		_cleanup_(batchfile_release) struct batchfile cut = { 0 };

		test_bytes[i] ^= 0x41;
		CU_ASSERT_EQUAL(tmpdir_write("front.batch", test_bytes, test_len), 0);
		/* Not a byte of the second sum, nor behind the batch: an empty list. */
		if (batchfile_read_front(path, &f) == 0 && (i < 40 || i >= 48) && i < test_len - 8)
			n_taken++;
		test_bytes[i] ^= 0x41;
		CU_ASSERT_EQUAL(tmpdir_write("front.batch", test_bytes, i), 0);
		n_taken += batchfile_read_front(path, &cut) == 0;
	}
	CU_ASSERT_EQUAL(n_taken, 0);
	CU_ASSERT_EQUAL(batchfile_read_front(tmpdir_get(), &(struct batchfile){ 0 }), -EINVAL);
	CU_ASSERT_EQUAL(batchfile_read_front("/dev/null", &(struct batchfile){ 0 }), -EINVAL);
}

static int test_decode_once(void *ctx)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };

	return batchfile_decode(test_bytes, test_len, &f);
}

static void test_batchfile_out_of_memory(void)
{
	_cleanup_(files_freep) uint8_t *seed = NULL;
	const char *source = getenv("POSTERN_TEST_SOURCE");
	char path[PATH_MAX];

	CU_ASSERT_TRUE(torture(test_decode_once, NULL) > 0);
	/* A file with a dump. */
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/batch/file", source ? source : ".");
	free(test_bytes);
	test_bytes = NULL;
	CU_ASSERT_EQUAL(files_read(path, BATCHFILE_BYTES_MAX, &seed, &test_len), 0);
	test_bytes = steal_ptr(seed);
	CU_ASSERT_TRUE(torture(test_decode_once, NULL) > 4);
}

static const struct tap_test test_batchfile_tests[] = {
	{ "round trip", test_batchfile_round_trip },
	{ "every damage is seen", test_batchfile_every_damage },
	{ "every cut is seen", test_batchfile_every_cut },
	{ "keeps the previous one", test_batchfile_keeps_previous },
	{ "rolls back and forth", test_batchfile_rollback },
	{ "all parts", test_batchfile_all_parts },
	{ "limits of grants", test_batchfile_grant_limits },
	{ "other versions", test_batchfile_versions },
	{ "damage seen in the front", test_batchfile_front_damage },
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
