/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "netpolicy/apply/applylock.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static void test_one_at_a_time(void)
{
	int first = -1, second = -1;

	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), 0, &first), 0);
	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), 0, &second), -EBUSY);
	CU_ASSERT_EQUAL(second, -1);
	close(first);
	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), 0, &second), 0);
	close(second);
}

/* Waits to the deadline, and no longer. */
static void test_deadline(void)
{
	uint64_t start = clk_now_ns(), took;
	int first = -1, second = -1;

	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), 0, &first), 0);
	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), start + 60 * CLK_NS_PER_MS, &second), -EBUSY);
	took = clk_now_ns() - start;
	CU_ASSERT_TRUE(took >= 60 * CLK_NS_PER_MS);
	close(first);
}

/* Another process that ends lets go, however it ends. */
static void test_ends_with_process(void)
{
	int ends[2], fd = -1;
	char byte;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (applylock_take(tmpdir_get(), 0, &fd) < 0 || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	CU_ASSERT_EQUAL(read(ends[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(), 0, &fd), -EBUSY);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(applylock_take(tmpdir_get(),
				       clk_now_ns() + APPLYLOCK_WAIT_MS * CLK_NS_PER_MS, &fd),
			0);
	waitpid(pid, NULL, 0);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void test_refusals(void)
{
	char path[PATH_MAX], dir[PATH_MAX];
	int fd = -1;

	CU_ASSERT_EQUAL(applylock_take("/nonexistent", 0, &fd), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CU_ASSERT_EQUAL(applylock_take(path, 0, &fd), -ENAMETOOLONG);
	/* A link could make us open something else for writing. */
	tmpdir_path(dir, "links");
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	tmpdir_path(path, "links/" APPLYLOCK_NAME);
	CU_ASSERT_EQUAL(symlink("/dev/null", path), 0);
	CU_ASSERT_EQUAL(applylock_take(dir, 0, &fd), -ELOOP);
	CU_ASSERT_EQUAL(fd, -1);
}

static const struct tap_test test_applylock_tests[] = {
	{ "one at a time", test_one_at_a_time },
	{ "deadline", test_deadline },
	{ "ends with the process", test_ends_with_process },
	{ "refusals", test_refusals },
	{ 0 },
};

static const struct tap_suite test_applylock_suites[] = {
	{ "applylock", test_applylock_tests },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_applylock_suites);
}
