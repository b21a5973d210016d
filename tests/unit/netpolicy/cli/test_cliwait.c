/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "netpolicy/cli/cliwait.h"
#include "tests/support/tap.h"

/* Standard error into a pipe. */
static int catch_begin(int ret[static 2])
{
	int saved = dup(STDERR_FILENO);

	CU_ASSERT_EQUAL(pipe2(ret, O_CLOEXEC), 0);
	CU_ASSERT_TRUE(dup2(ret[1], STDERR_FILENO) >= 0);
	return saved;
}

static void catch_end(int saved, int pipes[static 2])
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_quick_work_says_nothing(void)
{
	int pipes[2], saved = catch_begin(pipes);
	struct pollfd pollfd = { .fd = pipes[0], .events = POLLIN };

	for (int i = 0; i < 100; i++) {
		struct cliwait *w = cliwait_begin("counting to one");

		CU_ASSERT_PTR_NOT_NULL(w);
		cliwait_endp(&w);
		CU_ASSERT_PTR_NULL(w);
	}
	CU_ASSERT_EQUAL(poll(&pollfd, 1, 0), 0);
	catch_end(saved, pipes);
}

static void test_long_work_says_so(void)
{
	int pipes[2], saved = catch_begin(pipes);
	struct pollfd pollfd = { .fd = pipes[0], .events = POLLIN };
	struct cliwait *w = cliwait_begin("counting to many");
	char text[256] = "";

	CU_ASSERT_EQUAL(poll(&pollfd, 1, 20000), 1);
	cliwait_endp(&w);
	CU_ASSERT_TRUE(read(pipes[0], text, sizeof(text) - 1) > 0);
	catch_end(saved, pipes);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "counting to many, 2 s so far"));
}

static void test_null(void)
{
	struct cliwait *none = NULL;

	cliwait_endp(&none);
	CU_ASSERT_PTR_NULL(none);
}

static const struct tap_test tests[] = {
	{ "quick work says nothing", test_quick_work_says_nothing },
	{ "long work says so", test_long_work_says_so },
	{ "nothing to end", test_null },
	{ 0 },
};

static const struct tap_suite suites[] = { { "cliwait", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	log_open("test", LOG_LEVEL_INFO);
	return tap_main(argc, argv, suites);
}
