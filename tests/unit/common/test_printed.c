/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/files.h"
#include "common/printed.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define TEST_LINES_MANY 100000 /* more than standard output holds back */

/* A command that prints @lines to @to, "" = nowhere, and says on standard error how that went.
 * @mode: whether lines are written one by one (_IOLBF), as to a terminal, or not (_IOFBF). */
static void test_printed_child(const char *to, unsigned int lines, int mode, const char *error_path)
{
	bool all;

	if (!freopen(error_path, "w", stderr) || !freopen(*to ? to : "/dev/null", "w", stdout))
		_exit(9);
	setvbuf(stdout, NULL, mode, BUFSIZ);
	if (!*to)
		close(STDOUT_FILENO);
	for (unsigned int i = 0; i < lines; i++)
		puts("line");
	all = printed_all("it");
	fflush(stderr);
	_exit(all ? 0 : 1);
}

/* Gives what such a command ends with, and what it said. */
static int test_printed_run(const char *to, unsigned int lines, int mode, char **ret_said)
{
	char path[PATH_MAX];
	uint8_t *said = NULL;
	int status = -1;
	size_t len;
	pid_t pid;

	tmpdir_path(path, "error");
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		test_printed_child(to, lines, mode, path);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(files_read(path, 4096, &said, &len), 0);
	*ret_said = (char *)said;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_printed_expect(const char *to, unsigned int lines, int want, const char *says)
{
	char *said = NULL;

	CU_ASSERT_EQUAL(test_printed_run(to, lines, _IOFBF, &said), want);
	CU_ASSERT_STRING_EQUAL(said ? said : "nothing", says);
	free(said);
}

static void test_printed_arrives(void)
{
	test_printed_expect("/dev/null", 0, 0, "");
	test_printed_expect("/dev/null", 1, 0, "");
	test_printed_expect("/dev/null", TEST_LINES_MANY, 0, "");
	test_printed_expect("/dev/full", 0, 0, "");
}

static void test_printed_full(void)
{
	test_printed_expect("/dev/full", 1, 1,
			    "it: cannot print the answer: No space left on device\n");
}

/* Nothing is left to be written then. */
static void test_printed_full_before(void)
{
	char *said = NULL;

	test_printed_expect("/dev/full", TEST_LINES_MANY, 1,
			    "it: cannot print the answer: No space left on device\n");
	CU_ASSERT_EQUAL(test_printed_run("/dev/full", 1, _IOLBF, &said), 1);
	CU_ASSERT_PTR_NOT_NULL(said);
	CU_ASSERT_TRUE(said && !strncmp(said, "it: cannot print the answer: ", 29));
	free(said);
}

static void test_printed_closed(void)
{
	test_printed_expect("", 1, 1, "it: cannot print the answer: Bad file descriptor\n");
}

static const struct tap_test test_printed_tests[] = {
	{ "all arrives", test_printed_arrives },
	{ "a full disk", test_printed_full },
	{ "a full disk, seen before the end", test_printed_full_before },
	{ "no standard output", test_printed_closed },
	{ 0 },
};

static const struct tap_suite test_printed_suites[] = {
	{ "printed", test_printed_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_printed_suites);
}
