/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/gateway/filewatch.h"

static char test_filewatch_paths[3][PATH_MAX];

static void test_filewatch_setup(void)
{
	CU_ASSERT_EQUAL(tmpdir_write("a", "1", 1), 0);
	CU_ASSERT_EQUAL(tmpdir_write("b", "2", 1), 0);
	tmpdir_path(test_filewatch_paths[0], "a");
	tmpdir_path(test_filewatch_paths[1], "b");
	tmpdir_path(test_filewatch_paths[2], "link");
	(void)unlink(test_filewatch_paths[2]);
	CU_ASSERT_EQUAL(symlink("a", test_filewatch_paths[2]), 0);
}

/* Sets the time of change of file @i to @s seconds and @ns. */
static void test_filewatch_touch(int i, time_t s, long ns)
{
	const struct timespec times[2] = { { .tv_sec = s, .tv_nsec = ns },
					   { .tv_sec = s, .tv_nsec = ns } };

	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, test_filewatch_paths[i], times, 0), 0);
}

static void test_filewatch_begin(struct filewatch *w)
{
	*w = (struct filewatch){ .n = 0 };
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(filewatch_add(w, test_filewatch_paths[i]), 0);
	CU_ASSERT_FALSE(filewatch_changed(w));
}

/* Told once. */
static void test_filewatch_expect_change(struct filewatch *w, const char *what)
{
	bool first = filewatch_changed(w), second = filewatch_changed(w);

	CU_ASSERT_TRUE(first);
	CU_ASSERT_FALSE(second);
	if (!first || second)
		tap_note("%s", what);
}

static void test_filewatch_sees(void)
{
	struct filewatch w;

	test_filewatch_begin(&w);
	test_filewatch_touch(1, 1700000000, 0);
	test_filewatch_expect_change(&w, "another second");
	test_filewatch_touch(1, 1700000000, 1);
	test_filewatch_expect_change(&w, "another nanosecond");
	CU_ASSERT_EQUAL(tmpdir_write("b", "22", 2), 0);
	test_filewatch_touch(1, 1700000000, 1);
	test_filewatch_expect_change(&w, "another size");
	CU_ASSERT_EQUAL(tmpdir_write("c", "22", 2), 0);
	CU_ASSERT_EQUAL(rename(tmpdir_path((char[PATH_MAX]){ 0 }, "c"), test_filewatch_paths[1]),
			0);
	test_filewatch_touch(1, 1700000000, 1);
	test_filewatch_expect_change(&w, "another file of the same size and time");
}

/* As certd renews: the link is replaced by one that leads elsewhere. */
static void test_filewatch_follows_links(void)
{
	struct filewatch w;

	test_filewatch_touch(0, 1700000000, 1);
	test_filewatch_touch(1, 1700000000, 1);
	/* What is behind the link counts, not only the link. */
	w = (struct filewatch){ .n = 0 };
	CU_ASSERT_EQUAL(filewatch_add(&w, test_filewatch_paths[2]), 0);
	test_filewatch_touch(0, 1700000000, 2);
	test_filewatch_expect_change(&w, "the file behind the link");
	test_filewatch_touch(0, 1700000000, 1);
	test_filewatch_begin(&w);
	CU_ASSERT_EQUAL(symlink("b", tmpdir_path((char[PATH_MAX]){ 0 }, "link.new")), 0);
	CU_ASSERT_EQUAL(
		rename(tmpdir_path((char[PATH_MAX]){ 0 }, "link.new"), test_filewatch_paths[2]), 0);
	test_filewatch_expect_change(&w, "the link leads elsewhere");
	CU_ASSERT_EQUAL(unlink(test_filewatch_paths[1]), 0);
	test_filewatch_expect_change(&w, "the link leads nowhere");
}

/* A file that is missing for a moment does not hide a change of another. */
static void test_filewatch_comes_and_goes(void)
{
	struct filewatch w;

	test_filewatch_begin(&w);
	CU_ASSERT_EQUAL(unlink(test_filewatch_paths[0]), 0);
	test_filewatch_expect_change(&w, "gone");
	CU_ASSERT_EQUAL(tmpdir_write("a", "1", 1), 0);
	test_filewatch_expect_change(&w, "come");
}

static void test_filewatch_limits(void)
{
	struct filewatch w = { .n = 0 };

	CU_ASSERT_FALSE(filewatch_changed(&w));
	CU_ASSERT_EQUAL(filewatch_add(&w, "/nonexistent/file"), -ENOENT);
	for (size_t i = 1; i < FILEWATCH_FILES_MAX; i++)
		CU_ASSERT_EQUAL(filewatch_add(&w, test_filewatch_paths[0]), 0);
	CU_ASSERT_EQUAL(filewatch_add(&w, test_filewatch_paths[0]), -E2BIG);
	CU_ASSERT_FALSE(filewatch_changed(&w));
	CU_ASSERT_EQUAL(tmpdir_write("a", "123", 3), 0);
	CU_ASSERT_TRUE(filewatch_changed(&w));
}

static const struct tap_test test_filewatch_tests[] = {
	{ "sees what changes", test_filewatch_sees },
	{ "follows links", test_filewatch_follows_links },
	{ "files that come and go", test_filewatch_comes_and_goes },
	{ "limits", test_filewatch_limits },
	{ 0 },
};

static const struct tap_suite test_filewatch_suites[] = {
	{ "filewatch", test_filewatch_tests, test_filewatch_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_filewatch_suites);
}
