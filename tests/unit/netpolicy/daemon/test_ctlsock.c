/* SPDX-License-Identifier: MIT */
/* Callers that behave, that are silent, that are too many, and that are not root. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "netpolicy/daemon/ctlsock.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static void test_answer(void *user, const struct ctlwire_request *q, struct ctlwire_answer *answer)
{
	++*(unsigned int *)user;
	answer->id = q->id + 1;
}

static int test_connect(const struct ctlsock *s)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CU_ASSERT_EQUAL(connect(fd, (const struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	return fd;
}

static void test_send(int fd, uint64_t id)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .id = id };
	struct chan_msg msg;

	CU_ASSERT_EQUAL(ctlwire_put_request(&q, &msg), 0);
	CU_ASSERT_EQUAL(chan_send(fd, &msg), 0);
}

/* One turn of the loop. Gives how many were answered. */
static unsigned int test_turn(struct ctlsock *s)
{
	struct pollfd fds[CTLSOCK_POLL_MAX];
	size_t n = ctlsock_poll(s, fds);
	unsigned int answered = 0;

	poll(fds, n, 0);
	ctlsock_serve(s, fds, n, test_answer, &answered);
	return answered;
}

/* The answer that waits, -1: hung up on, -2: none yet. */
static int test_receive(int fd)
{
	static struct ctlwire_answer a;
	struct chan_msg msg;
	int r = chan_recv(fd, ctlwire_ops, ctlwire_n_ops, &msg);

	if (r == -EAGAIN)
		return -2;
	return r == 0 && ctlwire_get_answer(&msg, &a) == 0 ? (int)a.id : -1;
}

static bool test_open(struct ctlsock *s)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(ctlsock_open(s, tmpdir_path(path, "s")), 0);
	if (getuid() != 0)
		tap_skip("root is needed");
	return getuid() == 0;
}

static void test_ctlsock_talks(void)
{
	struct ctlsock s, other;
	struct stat st;
	int a, b;

	if (!test_open(&s))
		return;
	CU_ASSERT_TRUE(stat(s.addr.sun_path, &st) == 0 && (st.st_mode & 07777) == 0600);
	CU_ASSERT_EQUAL(ctlsock_open(&other, s.addr.sun_path), -EADDRINUSE);
	test_turn(&s);
	a = test_connect(&s);
	b = test_connect(&s);
	test_send(a, 41);
	CU_ASSERT_EQUAL(test_turn(&s), 0); /* accepts */
	CU_ASSERT_EQUAL(test_turn(&s), 1);
	CU_ASSERT_EQUAL(test_receive(a), 42);
	CU_ASSERT_EQUAL(test_receive(a), -1);
	CU_ASSERT_EQUAL(test_receive(b), -2);
	test_send(b, 1);
	CU_ASSERT_EQUAL(test_turn(&s), 1);
	CU_ASSERT_EQUAL(test_receive(b), 2);
	close(a);
	close(b);
	ctlsock_close(&s);
	CU_ASSERT_TRUE(stat(s.addr.sun_path, &st) < 0);
}

static void test_ctlsock_bad(void)
{
	struct ctlsock s;
	int fd;

	if (!test_open(&s))
		return;
	fd = test_connect(&s);
	CU_ASSERT_EQUAL(send(fd, "nonsense", 8, 0), 8);
	test_turn(&s);
	CU_ASSERT_EQUAL(test_turn(&s), 0);
	CU_ASSERT_EQUAL(test_receive(fd), -1);
	close(fd);
	/* Gone before the answer. */
	fd = test_connect(&s);
	test_send(fd, 1);
	close(fd);
	test_turn(&s);
	test_turn(&s);
	CU_ASSERT_EQUAL(s.n, 0);
	ctlsock_close(&s);
}

static void test_ctlsock_silent(void)
{
	struct ctlsock s;
	uint64_t until;
	int fd;

	if (!test_open(&s))
		return;
	CU_ASSERT_EQUAL(ctlsock_next(&s), UINT64_MAX);
	fd = test_connect(&s);
	test_turn(&s);
	until = ctlsock_next(&s);
	CU_ASSERT_TRUE(until > clk_now_ns());
	ctlsock_tick(&s, until - 1);
	CU_ASSERT_EQUAL(test_receive(fd), -2);
	ctlsock_tick(&s, until);
	CU_ASSERT_EQUAL(test_receive(fd), -1);
	close(fd);
	ctlsock_close(&s);
}

/* As many as there may be, and one more: the oldest goes. */
static void test_ctlsock_crowd(void)
{
	int fds[CTLSOCK_CLIENTS_MAX + 1];
	struct ctlsock s;

	if (!test_open(&s))
		return;
	for (int i = 0; i <= CTLSOCK_CLIENTS_MAX; i++) {
		fds[i] = test_connect(&s);
		test_turn(&s);
		CU_ASSERT_EQUAL(test_receive(fds[0]), i < CTLSOCK_CLIENTS_MAX ? -2 : -1);
	}
	CU_ASSERT_EQUAL(s.n, CTLSOCK_CLIENTS_MAX);
	for (int i = 1; i <= CTLSOCK_CLIENTS_MAX; i++)
		test_send(fds[i], (uint64_t)i);
	CU_ASSERT_EQUAL(test_turn(&s), CTLSOCK_CLIENTS_MAX);
	for (int i = 0; i <= CTLSOCK_CLIENTS_MAX; i++) {
		CU_ASSERT_EQUAL(test_receive(fds[i]), i ? i + 1 : -1);
		close(fds[i]);
	}
	ctlsock_close(&s);
}

static void test_ctlsock_stranger(void)
{
	struct ctlsock s;
	int status = -1;
	pid_t pid;

	if (!test_open(&s))
		return;
	/* Even one who may open the socket. */
	CU_ASSERT_EQUAL(chmod(s.addr.sun_path, 0666), 0);
	CU_ASSERT_EQUAL(chmod(tmpdir_get(), 0711), 0);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

		/* Folders above may be closed to others. */
		if (chdir(tmpdir_get()) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		_exit(connect(fd, (const struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "s" },
			      sizeof(struct sockaddr_un)) == 0 &&
				      test_receive(fd) == -1 ?
			      0 :
			      1);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		CU_ASSERT_EQUAL(test_turn(&s), 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(s.n, 0);
	ctlsock_close(&s);
}

static void test_ctlsock_paths(void)
{
	struct ctlsock s;
	char longer[200];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_EQUAL(ctlsock_open(&s, longer), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(ctlsock_open(&s, "/nowhere/at/all"), -ENOENT);
	CU_ASSERT_EQUAL(s.fd, -1);
	ctlsock_close(&s);
}

static const struct tap_test test_ctlsock_tests[] = {
	{ "question and answer", test_ctlsock_talks },
	{ "nonsense", test_ctlsock_bad },
	{ "silence", test_ctlsock_silent },
	{ "too many", test_ctlsock_crowd },
	{ "not root", test_ctlsock_stranger },
	{ "paths", test_ctlsock_paths },
	{ 0 },
};

static const struct tap_suite test_ctlsock_suites[] = {
	{ "ctlsock", test_ctlsock_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ctlsock_suites);
}
