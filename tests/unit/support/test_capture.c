/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/tap.h"

static void test_capture_hears(void)
{
	capture_begin();
	CU_ASSERT_STRING_EQUAL(capture_end(), "");
	capture_begin();
	fputs("one\n", stderr);
	CU_ASSERT_EQUAL(write(STDERR_FILENO, "two\n", 4), 4);
	CU_ASSERT_STRING_EQUAL(capture_end(), "one\ntwo\n");
}

/* What was said before is not heard again, and what is said afterwards goes where it should. */
static void test_capture_ends(void)
{
	int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10), pipe_fds[2];
	char text[8] = "";

	CU_ASSERT_EQUAL(pipe(pipe_fds), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	capture_begin();
	fputs("heard", stderr);
	CU_ASSERT_STRING_EQUAL(capture_end(), "heard");
	fputs("not", stderr);
	dup2(before, STDERR_FILENO);
	CU_ASSERT_EQUAL(read(pipe_fds[0], text, sizeof(text) - 1), 3);
	CU_ASSERT_STRING_EQUAL(text, "not");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(before);
}

static const struct tap_test test_capture_tests[] = {
	{ "hears", test_capture_hears },
	{ "ends", test_capture_ends },
	{ 0 },
};

static const struct tap_suite test_capture_suites[] = {
	{ "capture", test_capture_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_capture_suites);
}
