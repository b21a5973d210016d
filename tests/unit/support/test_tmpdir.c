/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static void test_tmpdir_is_private_and_stays_the_same(void)
{
	struct stat st = { 0 };

	CU_ASSERT_EQUAL(stat(tmpdir_get(), &st), 0);
	CU_ASSERT_TRUE(S_ISDIR(st.st_mode));
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0700);
	CU_ASSERT_PTR_EQUAL(tmpdir_get(), tmpdir_get());
}

static void test_tmpdir_write_truncates(void)
{
	char path[PATH_MAX];
	struct stat st = { 0 };

	CU_ASSERT_EQUAL(tmpdir_write("file", "longer", 6), 0);
	CU_ASSERT_EQUAL(tmpdir_write("file", "abc", 3), 0);
	CU_ASSERT_EQUAL(stat(tmpdir_path(path, "file"), &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 3);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
}

static void test_tmpdir_write_reports_errors(void)
{
	CU_ASSERT_EQUAL(tmpdir_write("no/such/folder", "", 0), -ENOENT);
}

/* Runs first, while this program has no directory yet: the child makes one and ends. */
static void test_tmpdir_is_gone_when_its_owner_ends(void)
{
	char path[PATH_MAX] = { 0 };
	struct stat st = { 0 };
	int ends[2];
	pid_t child;

	CU_ASSERT_EQUAL(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		ssize_t n;

		(void)tmpdir_write("file", "abc", 3);
		(void)mkdir(tmpdir_path(path, "folder"), 0700);
		n = write(ends[1], tmpdir_get(), strlen(tmpdir_get()));
		exit(n > 0 && stat(tmpdir_get(), &st) == 0 ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(child, &(int){ 0 }, 0), child);
	CU_ASSERT_TRUE(read(ends[0], path, sizeof(path) - 1) > 1);
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void test_tmpdir_outlives_a_child(void)
{
	struct stat st = { 0 };
	int status = -1;
	pid_t child;

	(void)tmpdir_get();
	child = fork();
	if (child == 0)
		exit(0);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(stat(tmpdir_get(), &st), 0);
}

static const struct tap_test test_tmpdir_tests[] = {
	{ "is gone when its owner ends", test_tmpdir_is_gone_when_its_owner_ends },
	{ "is private and stays the same", test_tmpdir_is_private_and_stays_the_same },
	{ "write truncates", test_tmpdir_write_truncates },
	{ "write reports errors", test_tmpdir_write_reports_errors },
	{ "outlives a child", test_tmpdir_outlives_a_child },
	{ 0 },
};

static const struct tap_suite test_tmpdir_suites[] = {
	{ "tmpdir", test_tmpdir_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_tmpdir_suites);
}
