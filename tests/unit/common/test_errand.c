/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/errand.h"
#include "common/spawn.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

#define TEST_SOON_MS 50               /* for an answer that never comes */
#define TEST_LATE_MS 600000           /* for one that comes, however slow the machine is */
#define TEST_MAX 8                    /* bytes of an answer */
#define TEST_LARGE (16 * 1024 * 1024) /* bytes of a question that no socket holds */
#define TEST_FDS_MAX 64               /* more than are open here */

#define TEST_ECHO "child-echo"
#define TEST_SILENT "it ended without an answer"
#define TEST_LATE "no answer in time"
#define TEST_BAD "its answer is not one"

enum test_end { TEST_EXITS, TEST_DIES, TEST_STAYS };

/* Children that do not answer: this program again, by these names. */
static const struct test_child {
	const char *name;
	bool is_deaf;     /* to the question */
	const char *says; /* instead of an answer */
	size_t n_says;
	enum test_end end;
	int error;
	const char *words;
} test_children[] = {
	{ "child-early", true, "", 0, TEST_EXITS, -EPIPE, TEST_SILENT },
	{ "child-silent", false, "", 0, TEST_EXITS, -EPIPE, TEST_SILENT },
	{ "child-cut-front", false, "\10\0", 2, TEST_EXITS, -EPIPE, TEST_SILENT },
	{ "child-cut", false, "\10\0\0\0abc", 7, TEST_EXITS, -EPIPE, TEST_SILENT },
	{ "child-dead", true, "", 0, TEST_DIES, -EPIPE, "was ended by signal 10" },
	{ "child-dead-cut", false, "\10\0\0\0abc", 7, TEST_DIES, -EPIPE, "was ended by signal 10" },
	{ "child-hangs", false, "", 0, TEST_STAYS, -ETIMEDOUT, TEST_LATE },
	{ "child-hangs-cut", false, "\10\0\0\0abc", 7, TEST_STAYS, -ETIMEDOUT, TEST_LATE },
	{ "child-too-much", false, "\11\0\0\0abcdefghi", 13, TEST_STAYS, -EBADMSG, TEST_BAD },
	{ "child-noise", false, "\377\377\377\377", 4, TEST_STAYS, -EBADMSG, TEST_BAD },
};

/* Gives every question back. */
static int test_echo(void)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	int r = parcel_receive(SPAWN_CHAN_FD, TEST_LARGE, 0, &p);

	return r < 0 ? r : parcel_send(SPAWN_CHAN_FD, &p, 0);
}

static void test_play(const struct test_child *c)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };

	if (!c->is_deaf && parcel_receive(SPAWN_CHAN_FD, TEST_LARGE, 0, &p) < 0)
		_exit(1);
	if (write(SPAWN_CHAN_FD, c->says, c->n_says) != (ssize_t)c->n_says)
		_exit(2);
	if (c->end == TEST_DIES)
		raise(SIGUSR1);
	while (c->end == TEST_STAYS)
		pause();
	_exit(0);
}

static size_t test_open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < TEST_FDS_MAX; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static size_t test_n_fds; /* before a test */

/* Where workers are: links to this program, by the names of the children. */
static void test_setup(void)
{
	char path[PATH_MAX], self[PATH_MAX] = "";

	CU_ASSERT_TRUE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	(void)!symlink(self, tmpdir_path(path, TEST_ECHO));
	for (size_t i = 0; i < ARRAY_SIZE(test_children); i++)
		(void)!symlink(self, tmpdir_path(path, test_children[i].name));
	setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
	test_n_fds = test_open_fds();
}

/* Neither a descriptor nor a child is left. */
static void test_teardown(void)
{
	CU_ASSERT_EQUAL(test_open_fds(), test_n_fds);
	CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Asks for @text to be given back. */
static int test_ask(struct errand *e, const char *text)
{
	struct parcel question = { (uint8_t *)text, strlen(text) };
	_cleanup_(parcel_release) struct parcel answer = { 0 };
	int r = errand_ask(e, &question, TEST_LATE_MS, TEST_MAX, &answer);

	if (r == 0 && (answer.len != question.len || memcmp(answer.bytes, text, answer.len) != 0))
		tap_fail(__FILE__, __LINE__, "'%s' came back as something else", text);
	return r;
}

/* One child for many questions, up to the limit of its answers. */
static void test_errand_stays(void)
{
	struct errand e = { 0 };
	pid_t pid;

	CU_ASSERT_EQUAL(errand_start(&e, TEST_ECHO), 0);
	pid = e.pid;
	CU_ASSERT_EQUAL(test_ask(&e, "1234567"), 0);
	CU_ASSERT_EQUAL(test_ask(&e, ""), 0);
	CU_ASSERT_EQUAL(errand_start(&e, TEST_ECHO), 0);
	CU_ASSERT_EQUAL(e.pid, pid);
	CU_ASSERT_EQUAL(test_ask(&e, "12345678"), 0);
	CU_ASSERT_EQUAL(test_ask(&e, "123456789"), -EBADMSG);
	errand_end(&e);
	CU_ASSERT_EQUAL(e.pid, 0);
	errand_end(&e);
}

/* Each way not to answer has its error and its words, and another child can follow. */
static void test_errand_children(void)
{
	struct errand e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(test_children); i++) {
		const struct test_child *c = &test_children[i];
		uint64_t ms = c->error == -ETIMEDOUT ? TEST_SOON_MS : TEST_LATE_MS;
		struct parcel question = { (uint8_t *)"abc", 3 }, answer = { 0 };
		char why[128] = "";
		int r;

		CU_ASSERT_EQUAL(errand_start(&e, c->name), 0);
		r = errand_ask(&e, &question, ms, TEST_MAX, &answer);
		errand_explain(&e, r, why, sizeof(why));
		if (r != c->error || answer.bytes || !strstr(why, c->words) ||
		    strncmp(why, c->name, strlen(c->name)) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %d, '%s'", c->name, r, why);
	}
	CU_ASSERT_EQUAL(errand_start(&e, TEST_ECHO), 0);
	CU_ASSERT_EQUAL(test_ask(&e, "after"), 0);
	errand_end(&e);
}

/* A question that is not taken ends at the deadline, too. */
static void test_errand_deaf(void)
{
	struct parcel question = { calloc(1, TEST_LARGE), TEST_LARGE }, answer = { 0 };
	struct errand e = { 0 };

	CU_ASSERT_EQUAL(errand_start(&e, "child-hangs"), 0);
	kill(e.pid, SIGSTOP);
	CU_ASSERT_EQUAL(errand_ask(&e, &question, TEST_SOON_MS, TEST_MAX, &answer), -ETIMEDOUT);
	errand_end(&e);
	parcel_release(&question);
}

/* Words that are there stay, and the child goes all the same. */
static void test_errand_words(void)
{
	struct errand e = { 0 };
	char why[16] = "what it said";

	CU_ASSERT_EQUAL(errand_start(&e, TEST_ECHO), 0);
	errand_explain(&e, -EINVAL, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "what it said");
	CU_ASSERT_EQUAL(e.pid, 0);
	why[0] = '\0';
	errand_explain(&e, -EINVAL, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "child-echo: Inv");
}

static void test_errand_missing(void)
{
	struct errand e = { 0 };
	char why[64] = "";

	CU_ASSERT_EQUAL(errand_start(&e, "child-none"), -ENOENT);
	CU_ASSERT_EQUAL(e.pid, 0);
	errand_explain(&e, -ENOENT, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "child-none: No such file or directory");
}

/* Every number of descriptors that is too small: an error, and nothing is left open. */
static void test_errand_no_descriptors(void)
{
	struct errand e = { 0 };
	struct rlimit before, few;
	int r = -1;

	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	for (few.rlim_cur = 3; few.rlim_cur < TEST_FDS_MAX && r < 0; few.rlim_cur++) {
		CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
		r = errand_start(&e, TEST_ECHO);
		CU_ASSERT_TRUE(r == 0 || (test_open_fds() == test_n_fds && !e.pid));
	}
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
	CU_ASSERT_TRUE(r == 0 && few.rlim_cur > 4);
	CU_ASSERT_EQUAL(test_ask(&e, "enough"), 0);
	errand_end(&e);
}

static int test_once(void *ctx)
{
	struct errand e = { 0 };
	int r = errand_start(&e, TEST_ECHO);

	if (r == 0)
		r = test_ask(&e, "abc");
	errand_end(&e);
	return r;
}

static void test_errand_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_once, NULL) > 0);
}

static const struct tap_test test_errand_tests[] = {
	{ "a child that stays", test_errand_stays },
	{ "children that do not answer", test_errand_children },
	{ "a child that does not listen", test_errand_deaf },
	{ "words", test_errand_words },
	{ "no such program", test_errand_missing },
	{ "no descriptors", test_errand_no_descriptors },
	{ "out of memory", test_errand_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_errand_suites[] = {
	{ "errand", test_errand_tests, test_setup, test_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	while (!strcmp(argv[0], TEST_ECHO))
		if (test_echo() < 0)
			_exit(0);
	for (size_t i = 0; i < ARRAY_SIZE(test_children); i++)
		if (!strcmp(argv[0], test_children[i].name))
			test_play(&test_children[i]);
	return tap_main(argc, argv, test_errand_suites);
}
