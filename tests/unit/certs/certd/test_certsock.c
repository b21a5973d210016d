/* SPDX-License-Identifier: MIT */
/* Real sockets: the server in this process, each client in a child or without one. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "certs/certd/certsock.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static struct certsock test_certsock_it;
static char test_certsock_dir[PATH_MAX], test_certsock_path[PATH_MAX];
static unsigned int test_certsock_asked, test_certsock_renewed;

static void test_certsock_fill(void *user, bool renews, struct certstat *ret)
{
	test_certsock_asked++;
	test_certsock_renewed += renews;
	*ret = (struct certstat){ .now_wall = 7, .ready = true };
}

static void test_certsock_setup(void)
{
	test_certsock_asked = test_certsock_renewed = 0;
	/* Not the directory of the test itself, which is closed for others. */
	mkdir(tmpdir_path(test_certsock_dir, "run"), 0755);
	tmpdir_path(test_certsock_path, "run/" CERTSTAT_SOCKET);
	CU_ASSERT_EQUAL(certsock_open(&test_certsock_it, test_certsock_path), 0);
}

static void test_certsock_teardown(void)
{
	certsock_close(&test_certsock_it);
}

/* Whether a client comes within a time that no test needs. */
static bool test_certsock_comes(void)
{
	struct pollfd p = { .fd = test_certsock_it.fd, .events = POLLIN };

	return poll(&p, 1, 60000) == 1;
}

/* Serves one client. */
static void test_certsock_turn(void)
{
	CU_ASSERT_TRUE(test_certsock_comes());
	certsock_serve(&test_certsock_it, test_certsock_fill, NULL);
}

/* A child asks, as @uid when that is not 0. Its exit status: 0 = as wanted. */
static void test_certsock_child(enum certstat_type type, uid_t uid, bool refused)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct certstat s;
		int r = chdir(test_certsock_dir) < 0 ? 2 : 0;

		if (r == 0 && uid && setresuid(uid, uid, uid) < 0)
			r = 3;
		if (r == 0)
			r = certsock_ask(".", type, &s) < 0 ? 4 : 0;
		if (r == 0)
			r = s.now_wall == 7 && s.ready && s.renew_refused == refused ? 0 : 5;
		_exit(r);
	}
	test_certsock_turn();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void test_certsock_answers(void)
{
	test_certsock_child(CERTSTAT_ASK, 0, false);
	CU_ASSERT_EQUAL(test_certsock_asked, 1);
	CU_ASSERT_EQUAL(test_certsock_renewed, 0);
	test_certsock_child(CERTSTAT_RENEW, 0, false);
	CU_ASSERT_EQUAL(test_certsock_asked, 2);
	CU_ASSERT_EQUAL(test_certsock_renewed, 1);
}

/* A child asks, and is not waited for so often. Gives its error. */
static int test_certsock_given_up(unsigned int times)
{
	unsigned int n = 0;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct certstat s;

		_exit(chdir(test_certsock_dir) < 0 ? 255 : -certsock_ask(".", CERTSTAT_ASK, &s));
	}
	while (n < times && test_certsock_comes()) {
		int fd = accept(test_certsock_it.fd, NULL, NULL);

		closep(&fd);
		n++;
	}
	CU_ASSERT_EQUAL(n, times);
	if (n == times && n < CERTSOCK_TRIES)
		test_certsock_turn();
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 1;
}

static void test_certsock_asks_again(void)
{
	CU_ASSERT_EQUAL(test_certsock_given_up(CERTSOCK_TRIES - 1), 0);
	CU_ASSERT_EQUAL(test_certsock_asked, 1);
	CU_ASSERT_EQUAL(test_certsock_given_up(CERTSOCK_TRIES), -EPIPE);
	CU_ASSERT_EQUAL(test_certsock_asked, 1);
}

/* A member of the group may look, and no more. */
static void test_certsock_stranger(void)
{
	if (geteuid() != 0) {
		tap_skip("needs root to become somebody else");
		return;
	}
	CU_ASSERT_EQUAL(chmod(test_certsock_path, 0666), 0);
	test_certsock_child(CERTSTAT_ASK, 65534, false);
	test_certsock_child(CERTSTAT_RENEW, 65534, true);
	CU_ASSERT_EQUAL(test_certsock_asked, 2);
	CU_ASSERT_EQUAL(test_certsock_renewed, 0);
}

static int test_certsock_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&test_certsock_it.addr,
				sizeof(test_certsock_it.addr)),
			0);
	return fd;
}

/* Silent, gone, or saying something else: nobody is asked to fill anything. */
static void test_certsock_bad_clients(void)
{
	struct certstat answer = { 0 };
	struct chan_msg msg;
	int fd = test_certsock_connect();

	test_certsock_turn();
	closep(&fd);
	fd = test_certsock_connect();
	closep(&fd);
	test_certsock_turn();
	fd = test_certsock_connect();
	CU_ASSERT_EQUAL(send(fd, "hello", 5, 0), 5);
	test_certsock_turn();
	closep(&fd);
	fd = test_certsock_connect();
	CU_ASSERT_EQUAL(certstat_encode(&answer, &msg), 0);
	CU_ASSERT_EQUAL(chan_send(fd, &msg), 0);
	test_certsock_turn();
	closep(&fd);
	CU_ASSERT_EQUAL(test_certsock_asked, 0);
	test_certsock_child(CERTSTAT_ASK, 0, false);
}

static void test_certsock_one_server(void)
{
	struct certsock second = { .fd = -1 };
	struct stat st;
	int fd;

	CU_ASSERT_EQUAL(stat(test_certsock_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	CU_ASSERT_EQUAL(certsock_open(&second, test_certsock_path), -EADDRINUSE);
	CU_ASSERT_EQUAL(second.fd, -1);
	/* What a killed one leaves is no obstacle. */
	fd = steal_fd(&test_certsock_it.fd);
	closep(&fd);
	CU_ASSERT_EQUAL(certsock_open(&second, test_certsock_path), 0);
	certsock_close(&second);
	CU_ASSERT_EQUAL(stat(test_certsock_path, &st), -1);
}

static void test_certsock_paths(void)
{
	char path[200];
	struct certsock s = { .fd = -1 };
	struct certstat status;

	memset(path, '/', sizeof(path));
	path[sizeof(s.addr.sun_path)] = '\0';
	CU_ASSERT_EQUAL(certsock_open(&s, path), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(certsock_ask(path, CERTSTAT_ASK, &status), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(certsock_open(&s, "/nonexistent/x"), -ENOENT);
	CU_ASSERT_EQUAL(certsock_ask("/nonexistent", CERTSTAT_ASK, &status), -ENOENT);
	certsock_close(&test_certsock_it);
	certsock_close(&test_certsock_it);
}

static const struct tap_test test_certsock_tests[] = {
	{ "answers", test_certsock_answers },
	{ "asks again", test_certsock_asks_again },
	{ "stranger", test_certsock_stranger },
	{ "bad clients", test_certsock_bad_clients },
	{ "one server", test_certsock_one_server },
	{ "paths", test_certsock_paths },
	{ 0 },
};

static const struct tap_suite test_certsock_suites[] = {
	{ "certsock", test_certsock_tests, test_certsock_setup, test_certsock_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certsock_suites);
}
