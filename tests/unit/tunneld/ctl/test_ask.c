/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/ctl/ask.h"

/* What stands in for tunneld says to the one client it takes. */
enum test_ask_behaviour {
	TEST_ASK_TELL,
	TEST_ASK_GIVE_UP, /* the first client, before it asked */
	TEST_ASK_ECHO,    /* the question itself: a frame, but not an answer */
	TEST_ASK_NOISE,   /* no frame */
	TEST_ASK_CLOSE,
	TEST_ASK_HANG, /* waits for the client to go */
};

static struct sockaddr_un test_ask_at = { .sun_family = AF_UNIX };
static struct status test_ask_got;

static void test_ask_setup(void)
{
	snprintf(test_ask_at.sun_path, sizeof(test_ask_at.sun_path), "%.80s/%s", tmpdir_get(),
		 STATUS_SOCKET);
	memset(&test_ask_got, 0x55, sizeof(test_ask_got));
}

static int test_ask_listen(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	unlink(test_ask_at.sun_path);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&test_ask_at, sizeof(test_ask_at)), 0);
	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	return fd;
}

static void test_ask_tell(int fd)
{
	static const struct status status = { .zone = "prod", .n_servers = 3 };
	struct chan_msg tell;

	if (status_encode(&status, &tell) < 0 || chan_send(fd, &tell) < 0)
		_exit(1);
}

static void test_ask_take(int fd, struct chan_msg *ret)
{
	size_t n_ops;
	const struct chan_op *ops = status_ops(&n_ops);

	if (chan_recv(fd, ops, n_ops, ret) != 0 || ret->op->type != STATUS_ASK)
		_exit(1);
}

/* In the child: takes a client and its question. Never returns. */
static void test_ask_serve(int listen_fd, enum test_ask_behaviour behaviour)
{
	int fd = accept(listen_fd, NULL, NULL);
	struct chan_msg ask;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60); /* who does not ask again is not waited for */
	if (behaviour == TEST_ASK_GIVE_UP) {
		close(fd);
		fd = accept(listen_fd, NULL, NULL);
	}
	test_ask_take(fd, &ask);
	for (int i = 1; behaviour == TEST_ASK_CLOSE && i < ASK_TRIES; i++) {
		close(fd);
		fd = accept(listen_fd, NULL, NULL);
		test_ask_take(fd, &ask);
	}
	if (behaviour == TEST_ASK_TELL || behaviour == TEST_ASK_GIVE_UP)
		test_ask_tell(fd);
	if (behaviour == TEST_ASK_ECHO && chan_send(fd, &ask) < 0)
		_exit(1);
	if (behaviour == TEST_ASK_NOISE && send(fd, "noise", 5, 0) != 5)
		_exit(1);
	if (behaviour != TEST_ASK_CLOSE && recv(fd, &byte, 1, 0) != 0)
		_exit(1);
	_exit(0);
}

/* Asks a daemon that behaves so; the daemon must have been asked properly. */
static int test_ask_with(enum test_ask_behaviour behaviour)
{
	int listen_fd = test_ask_listen(), status = -1, r;
	pid_t pid = fork();

	if (pid == 0)
		test_ask_serve(listen_fd, behaviour);
	closep(&listen_fd);
	r = ask_status(tmpdir_get(), &test_ask_got);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	return r;
}

static void test_ask_answered(void)
{
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_TELL), 0);
	CU_ASSERT_STRING_EQUAL(test_ask_got.zone, "prod");
	CU_ASSERT_EQUAL(test_ask_got.n_servers, 3);
}

/* The daemon did not wait for the question of a client that was held up. */
static void test_ask_again(void)
{
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_GIVE_UP), 0);
	CU_ASSERT_STRING_EQUAL(test_ask_got.zone, "prod");
}

/* The error, and the output as it was. */
static void test_ask_wrong_answers(void)
{
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_ECHO), -EBADMSG);
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_NOISE), -EBADMSG);
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_CLOSE), -EPIPE);
	CU_ASSERT_EQUAL(test_ask_got.zone[0], 0x55);
}

static void test_ask_no_answer(void)
{
	CU_ASSERT_EQUAL(test_ask_with(TEST_ASK_HANG), -ETIMEDOUT);
	CU_ASSERT_EQUAL(test_ask_got.zone[0], 0x55);
}

static void test_ask_no_daemon(void)
{
	char dir[200];
	int fd;

	CU_ASSERT_EQUAL(ask_status("/nonexistent", &test_ask_got), -ENOENT);
	fd = test_ask_listen();
	closep(&fd); /* the socket of a killed daemon is left */
	CU_ASSERT_EQUAL(ask_status(tmpdir_get(), &test_ask_got), -ECONNREFUSED);
	memset(dir, 'd', sizeof(dir) - 1);
	dir[sizeof(dir) - 1] = '\0';
	CU_ASSERT_EQUAL(ask_status(dir, &test_ask_got), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(test_ask_got.zone[0], 0x55);
}

/* Puts a netpolicy in the PATH that notes its arguments and ends as @end says. */
static void test_ask_netpolicy(const char *end)
{
	char path[PATH_MAX], script[PATH_MAX + 100];

	setenv("PATH", tmpdir_get(), 1);
	unlink(tmpdir_path(path, "netpolicy"));
	unlink(tmpdir_path(path, "said"));
	snprintf(script, sizeof(script), "#!/bin/sh\necho \"$*\" >%s\necho noise\n%s\n", path, end);
	CU_ASSERT_EQUAL(tmpdir_write("netpolicy", script, strlen(script)), 0);
	CU_ASSERT_EQUAL(chmod(tmpdir_path(path, "netpolicy"), 0700), 0);
}

static void test_ask_expect_said(const char *want)
{
	char path[PATH_MAX], line[200] = "";
	FILE *f = fopen(tmpdir_path(path, "said"), "re");

	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), f));
	CU_ASSERT_STRING_EQUAL(line, want);
	fclose(f);
}

static void test_ask_policy_exits(void)
{
	static const struct {
		const char *end;
		enum ask_policy want;
	} rows[] = {
		{ "exit 0", ASK_POLICY_LOADED },      { "exit 1", ASK_POLICY_DRIFT },
		{ "exit 2", ASK_POLICY_UNKNOWN },     { "exit 127", ASK_POLICY_UNKNOWN },
		{ "kill -9 $$", ASK_POLICY_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_ask_netpolicy(rows[i].end);
		CU_ASSERT_EQUAL(ask_policy(NULL, NULL), rows[i].want);
		test_ask_expect_said("check\n");
	}
}

static void test_ask_policy_arguments(void)
{
	test_ask_netpolicy("exit 0");
	CU_ASSERT_EQUAL(ask_policy("/etc/x.conf", "/var/s"), ASK_POLICY_LOADED);
	test_ask_expect_said("check --config /etc/x.conf --state-dir /var/s\n");
	CU_ASSERT_EQUAL(ask_policy(NULL, "/var/s"), ASK_POLICY_LOADED);
	test_ask_expect_said("check --state-dir /var/s\n");
}

static void test_ask_policy_absent(void)
{
	char path[PATH_MAX];

	test_ask_netpolicy("exit 0");
	CU_ASSERT_EQUAL(unlink(tmpdir_path(path, "netpolicy")), 0);
	CU_ASSERT_EQUAL(ask_policy(NULL, NULL), ASK_POLICY_UNKNOWN);
	test_ask_netpolicy("exit 0");
	CU_ASSERT_EQUAL(chmod(tmpdir_path(path, "netpolicy"), 0600), 0);
	CU_ASSERT_EQUAL(ask_policy(NULL, NULL), ASK_POLICY_UNKNOWN);
}

static const struct tap_test test_ask_tests[] = {
	{ "answered", test_ask_answered },
	{ "asks again", test_ask_again },
	{ "wrong answers", test_ask_wrong_answers },
	{ "no answer", test_ask_no_answer },
	{ "no daemon", test_ask_no_daemon },
	{ "policy exits", test_ask_policy_exits },
	{ "policy arguments", test_ask_policy_arguments },
	{ "policy absent", test_ask_policy_absent },
	{ 0 },
};

static const struct tap_suite test_ask_suites[] = {
	{ "ask", test_ask_tests, test_ask_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ask_suites);
}
