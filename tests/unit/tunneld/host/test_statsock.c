/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/host/statsock.h"

#define TEST_STATSOCK_HELD_NS                                                                      \
	(20 * CLK_NS_PER_S) /* a client holds for 0.1 s; the machine is slow */

static struct event_base *test_statsock_base;
static struct statsock *test_statsock_it;
static struct sockaddr_un test_statsock_at = { .sun_family = AF_UNIX };
static unsigned int test_statsock_n_asked;

static void test_statsock_fill(void *user, struct status *ret)
{
	++*(unsigned int *)user;
	snprintf(ret->zone, sizeof(ret->zone), "prod");
	ret->n_servers = 2;
	snprintf(ret->servers[1].name, sizeof(ret->servers[1].name), "cfg2");
	ret->servers[1].state = SESSION_UP;
}

static int test_statsock_listen(void)
{
	return statsock_open(test_statsock_base, test_statsock_at.sun_path, test_statsock_fill,
			     &test_statsock_n_asked, &test_statsock_it);
}

static void test_statsock_setup(void)
{
	snprintf(test_statsock_at.sun_path, sizeof(test_statsock_at.sun_path), "%.80s/%s",
		 tmpdir_get(), STATUS_SOCKET);
	test_statsock_n_asked = 0;
	test_statsock_base = event_base_new();
	CU_ASSERT_PTR_NOT_NULL_FATAL(test_statsock_base);
	CU_ASSERT_EQUAL(test_statsock_listen(), 0);
}

static void test_statsock_teardown(void)
{
	statsock_close(test_statsock_it);
	test_statsock_it = NULL;
	event_base_free(test_statsock_base);
}

/* A connected client; its receive call does not wait. */
static int test_statsock_client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&test_statsock_at, sizeof(test_statsock_at)),
			0);
	return fd;
}

static void test_statsock_ask(int fd)
{
	struct chan_msg ask;

	status_encode_ask(&ask);
	CU_ASSERT_EQUAL(chan_send(fd, &ask), 0);
}

/* Lets the daemon do what is ready; fails when that takes longer than a client may hold it. */
static void test_statsock_turn(void)
{
	uint64_t start_ns = clk_now_ns();

	CU_ASSERT_EQUAL(event_base_loop(test_statsock_base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
	CU_ASSERT_TRUE(clk_now_ns() - start_ns < TEST_STATSOCK_HELD_NS);
}

/* Asks, and expects the answer of test_statsock_fill(). */
static void test_statsock_expect_answer(int fd)
{
	_cleanup_(chan_msg_release) struct chan_msg told = { .fd = -1 };
	static struct status got;
	const struct chan_op *ops;
	size_t n_ops;

	ops = status_ops(&n_ops);
	test_statsock_ask(fd);
	test_statsock_turn();
	CU_ASSERT_EQUAL(chan_recv(fd, ops, n_ops, &told), 0);
	CU_ASSERT_EQUAL(told.op ? status_decode(&told, &got) : -1, 0);
	CU_ASSERT_STRING_EQUAL(got.zone, "prod");
	CU_ASSERT_EQUAL(got.n_servers, 2);
	CU_ASSERT_STRING_EQUAL(got.servers[1].name, "cfg2");
	CU_ASSERT_EQUAL(got.servers[1].state, SESSION_UP);
}

/* Expects that the connection is closed without a byte. */
static void test_statsock_expect_nothing(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	/* What was not read when the daemon closed comes back as a reset. */
	if (n != 0 && !(n < 0 && errno == ECONNRESET))
		tap_fail(__FILE__, __LINE__, "%zd bytes, errno %d", n, errno);
}

static void test_statsock_answers(void)
{
	int fd = test_statsock_client(), again;

	test_statsock_expect_answer(fd);
	CU_ASSERT_EQUAL(test_statsock_n_asked, 1);
	test_statsock_expect_nothing(fd); /* one question for each connection */
	again = test_statsock_client();
	test_statsock_expect_answer(again);
	CU_ASSERT_EQUAL(test_statsock_n_asked, 2);
	closep(&again);
	closep(&fd);
}

/* Gets nothing, and the client behind it gets its answer all the same. */
static void test_statsock_expect_refusal(int bad)
{
	int good = test_statsock_client();

	test_statsock_turn();
	test_statsock_expect_nothing(bad);
	CU_ASSERT_EQUAL(test_statsock_n_asked, 0);
	test_statsock_expect_answer(good);
	closep(&good);
	closep(&bad);
}

static void test_statsock_silent_client(void)
{
	test_statsock_expect_refusal(test_statsock_client());
}

/* Its question comes after the daemon has given it up. */
static void test_statsock_slow_client(void)
{
	int slow = test_statsock_client();
	struct chan_msg ask;

	test_statsock_turn();
	status_encode_ask(&ask);
	CU_ASSERT_EQUAL(chan_send(slow, &ask), -EPIPE);
	test_statsock_turn();
	CU_ASSERT_EQUAL(test_statsock_n_asked, 0);
	closep(&slow);
}

/* Asks and never takes the answer. */
static void test_statsock_client_that_does_not_read(void)
{
	int lazy = test_statsock_client(), good = test_statsock_client();

	test_statsock_ask(lazy);
	test_statsock_turn();
	test_statsock_expect_answer(good);
	closep(&good);
	closep(&lazy);
}

/* Gone before or after its question. */
static void test_statsock_client_that_leaves(void)
{
	int fd = test_statsock_client();

	closep(&fd);
	test_statsock_turn();
	fd = test_statsock_client();
	test_statsock_ask(fd);
	closep(&fd);
	test_statsock_turn();
	fd = test_statsock_client();
	test_statsock_expect_answer(fd);
	closep(&fd);
}

static void test_statsock_malformed_client(void)
{
	static const char cut[CHAN_HEADER_BYTES - 1] = { STATUS_ASK };
	static const char unknown[CHAN_HEADER_BYTES] = { 9 };
	int fd = test_statsock_client();

	CU_ASSERT_EQUAL(send(fd, cut, sizeof(cut), 0), sizeof(cut));
	test_statsock_expect_refusal(fd);
	test_statsock_n_asked = 0;
	fd = test_statsock_client();
	CU_ASSERT_EQUAL(send(fd, unknown, sizeof(unknown), 0), sizeof(unknown));
	test_statsock_expect_refusal(fd);
}

/* A whole frame, but it is an answer. */
static void test_statsock_answer_as_a_question(void)
{
	static const struct status empty;
	int fd = test_statsock_client();
	struct chan_msg tell;

	CU_ASSERT_EQUAL(status_encode(&empty, &tell), 0);
	CU_ASSERT_EQUAL(chan_send(fd, &tell), 0);
	test_statsock_expect_refusal(fd);
}

/* As many as the backlog holds and all silent: each holds the daemon for its time, no more. */
static void test_statsock_many_silent_clients(void)
{
	int silent[8], good;

	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		silent[i] = test_statsock_client();
	good = test_statsock_client();
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		test_statsock_turn();
	test_statsock_expect_answer(good);
	closep(&good);
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		closep(&silent[i]);
}

static void test_statsock_mode(void)
{
	struct stat st;

	CU_ASSERT_EQUAL(stat(test_statsock_at.sun_path, &st), 0);
	CU_ASSERT_TRUE(S_ISSOCK(st.st_mode));
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
}

/* What a killed daemon leaves behind is no obstacle; what this one leaves is nothing. */
static void test_statsock_old_socket(void)
{
	struct statsock *old = test_statsock_it;
	struct stat before, after;
	int fd;

	CU_ASSERT_EQUAL(stat(test_statsock_at.sun_path, &before), 0);
	CU_ASSERT_EQUAL(test_statsock_listen(), 0);
	CU_ASSERT_EQUAL(stat(test_statsock_at.sun_path, &after), 0);
	CU_ASSERT_NOT_EQUAL(before.st_ino, after.st_ino);
	fd = test_statsock_client();
	test_statsock_expect_answer(fd);
	closep(&fd);
	statsock_close(test_statsock_it);
	test_statsock_it = old;
	CU_ASSERT_EQUAL(stat(test_statsock_at.sun_path, &after), -1);
}

/* Nothing is handed out and what was there stays. */
static void test_statsock_refused_paths(void)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct statsock *s = NULL;
	struct stat st;

	snprintf(path, sizeof(path), "/%0*d", (int)sizeof(((struct sockaddr_un *)0)->sun_path), 0);
	CU_ASSERT_EQUAL(statsock_open(test_statsock_base, path, test_statsock_fill, NULL, &s),
			-ENAMETOOLONG);
	CU_ASSERT_EQUAL(statsock_open(test_statsock_base, "/nonexistent/x", test_statsock_fill,
				      NULL, &s),
			-ENOENT);
	CU_ASSERT_EQUAL(mkdir(tmpdir_path(dir, "dir"), 0700), 0);
	CU_ASSERT_TRUE(statsock_open(test_statsock_base, dir, test_statsock_fill, NULL, &s) < 0);
	CU_ASSERT_EQUAL(stat(dir, &st), 0);
	CU_ASSERT_PTR_NULL(s);
	statsock_close(NULL);
}

static const struct tap_test test_statsock_tests[] = {
	{ "answers", test_statsock_answers },
	{ "silent client", test_statsock_silent_client },
	{ "slow client", test_statsock_slow_client },
	{ "client that does not read", test_statsock_client_that_does_not_read },
	{ "client that leaves", test_statsock_client_that_leaves },
	{ "malformed client", test_statsock_malformed_client },
	{ "answer as a question", test_statsock_answer_as_a_question },
	{ "many silent clients", test_statsock_many_silent_clients },
	{ "mode", test_statsock_mode },
	{ "old socket", test_statsock_old_socket },
	{ "refused paths", test_statsock_refused_paths },
	{ 0 },
};

static const struct tap_suite test_statsock_suites[] = {
	{ "statsock", test_statsock_tests, test_statsock_setup, test_statsock_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_statsock_suites);
}
