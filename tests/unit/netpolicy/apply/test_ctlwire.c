/* SPDX-License-Identifier: MIT */
/* Every field there and back, the limits, and a caller against servers that behave badly. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "netpolicy/apply/ctlwire.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static void test_fill(char *s, size_t cap)
{
	memset(s, 'x', cap - 1);
	s[cap - 1] = '\0';
}

static struct ctlwire_request test_request(void)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = UINT32_MAX };

	q.is_trial = true;
	q.id = UINT64_MAX;
	test_fill(q.name, sizeof(q.name));
	memset(&q.addr, 0xa5, sizeof(q.addr));
	test_fill(q.who, sizeof(q.who));
	test_fill(q.why, sizeof(q.why));
	return q;
}

static void test_ctlwire_request(void)
{
	struct ctlwire_request q = test_request(), back = { 0 };
	struct chan_msg msg;

	for (unsigned int op = CTLWIRE_STATUS; op <= CTLWIRE_DRIFT_LIST; op++) {
		q.op = op;
		CU_ASSERT_EQUAL(ctlwire_put_request(&q, &msg), 0);
		CU_ASSERT_EQUAL(msg.op->type, op);
		CU_ASSERT_EQUAL(ctlwire_get_request(&msg, &back), 0);
		CU_ASSERT_EQUAL(back.op, op);
		CU_ASSERT_EQUAL(back.seconds, q.seconds);
		CU_ASSERT_TRUE(back.is_trial);
		CU_ASSERT_EQUAL(back.id, q.id);
		CU_ASSERT_STRING_EQUAL(back.name, q.name);
		CU_ASSERT_EQUAL(memcmp(&back.addr, &q.addr, sizeof(q.addr)), 0);
		CU_ASSERT_STRING_EQUAL(back.who, q.who);
		CU_ASSERT_STRING_EQUAL(back.why, q.why);
	}
	q.op = CTLWIRE_DRIFT_LIST + 1;
	CU_ASSERT_EQUAL(ctlwire_put_request(&q, &msg), -EMSGSIZE);
}

/* Each cut, and each byte more, is refused, and nothing is given. */
static void test_ctlwire_request_bad(void)
{
	struct ctlwire_request q = test_request(), back = { .id = 7 };
	struct ctlwire_answer answer = { .op = CTLWIRE_STATUS };
	struct chan_msg msg;
	size_t len;

	CU_ASSERT_EQUAL(ctlwire_put_request(&q, &msg), 0);
	len = msg.len;
	for (msg.len = 0; msg.len < len; msg.len++)
		CU_ASSERT_EQUAL(ctlwire_get_request(&msg, &back), -EBADMSG);
	msg.len = len + 1;
	CU_ASSERT_EQUAL(ctlwire_get_request(&msg, &back), -EBADMSG);
	msg.len = len;
	msg.body[4] = 2; /* is_trial */
	CU_ASSERT_EQUAL(ctlwire_get_request(&msg, &back), -EBADMSG);
	CU_ASSERT_EQUAL(ctlwire_put_answer(&answer, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_request(&msg, &back), -EBADMSG);
	CU_ASSERT_EQUAL(back.id, 7);
	CU_ASSERT_EQUAL(ctlwire_put_request(&q, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &answer), -EBADMSG);
}

static struct ctlwire_status test_status(void)
{
	struct ctlwire_status s = { .is_intact = true, .is_owner = true, .is_pending = true };

	test_fill(s.about, sizeof(s.about));
	test_fill(s.boot_about, sizeof(s.boot_about));
	s.is_trial = true;
	s.pending_left_s = 1;
	s.generation = 2;
	s.n_grants = 3;
	s.n_repairs = UINT64_MAX;
	s.n_overruns = 5;
	s.started_s = -6;
	s.checked_s = INT64_MAX;
	return s;
}

static void test_ctlwire_status(void)
{
	static struct ctlwire_answer a, back;
	struct ctlwire_status *s = &back.status;
	struct chan_msg msg;

	a = (struct ctlwire_answer){ .op = CTLWIRE_STATUS, .result = -EPERM, .pst = 3013 };
	a.status = test_status();
	snprintf(a.text, sizeof(a.text), "two\n\tlines");
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), 0);
	CU_ASSERT_TRUE(back.op == a.op && back.result == -EPERM && back.pst == 3013);
	CU_ASSERT_STRING_EQUAL(back.text, a.text);
	CU_ASSERT_STRING_EQUAL(s->about, a.status.about);
	CU_ASSERT_STRING_EQUAL(s->boot_about, a.status.boot_about);
	CU_ASSERT_TRUE(s->is_intact && s->is_owner && s->is_pending && s->is_trial);
	CU_ASSERT_TRUE(s->pending_left_s == 1 && s->generation == 2 && s->n_grants == 3);
	CU_ASSERT_TRUE(s->n_repairs == UINT64_MAX && s->n_overruns == 5);
	CU_ASSERT_TRUE(s->started_s == -6 && s->checked_s == INT64_MAX);
}

/* The longest words fit; what would steer a terminal does not. */
static void test_ctlwire_text(void)
{
	static struct ctlwire_answer a, back;
	struct chan_msg msg;

	a = (struct ctlwire_answer){ .op = CTLWIRE_APPLY };
	test_fill(a.text, sizeof(a.text));
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), 0);
	CU_ASSERT_STRING_EQUAL(back.text, a.text);
	msg.body[8]++; /* one byte longer than the field */
	msg.len++;
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), -EBADMSG);
	for (int c = 1; c < 0x80; c++) {
		bool is_bad = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;

		snprintf(a.text, sizeof(a.text), "a%c", c);
		CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
		CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), is_bad ? -EBADMSG : 0);
	}
}

static void test_ctlwire_grants(void)
{
	static struct ctlwire_answer a, back;
	struct chan_msg msg;

	a = (struct ctlwire_answer){ .op = CTLWIRE_GRANT_LIST, .n = CTLWIRE_LIST_MAX };
	for (uint32_t i = 0; i < a.n; i++) {
		struct ctlwire_grant *g = &a.grants[i];

		g->id = i + 1;
		test_fill(g->name, sizeof(g->name));
		memset(&g->addr, (int)i, sizeof(g->addr));
		g->until_s = -1;
		g->left_s = i;
		test_fill(g->who, sizeof(g->who));
		test_fill(g->why, sizeof(g->why));
	}
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), 0);
	CU_ASSERT_EQUAL(back.n, CTLWIRE_LIST_MAX);
	CU_ASSERT_EQUAL(memcmp(back.grants, a.grants, sizeof(a.grants)), 0);
	a.n++;
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), -EMSGSIZE);
}

static void test_ctlwire_drifts(void)
{
	static struct ctlwire_answer a, back;
	struct chan_msg msg;

	a = (struct ctlwire_answer){ .op = CTLWIRE_DRIFT_LIST, .n = CTLWIRE_LIST_MAX };
	for (uint32_t i = 0; i < a.n; i++) {
		struct ctlwire_drift *d = &a.drifts[i];

		*d = (struct ctlwire_drift){ .id = i, .at_s = 1, .pid = 2, .times = 3 };
		d->repair_us = 4;
		d->n_differences = 5;
		test_fill(d->command, sizeof(d->command));
		test_fill(d->what, sizeof(d->what));
	}
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), 0);
	CU_ASSERT_EQUAL(memcmp(back.drifts, a.drifts, sizeof(a.drifts)), 0);
	msg.body[10] = CTLWIRE_LIST_MAX + 1; /* behind result, code and no words */
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), -EBADMSG);
	a = (struct ctlwire_answer){ .op = CTLWIRE_GRANT_ADD, .id = 9 };
	CU_ASSERT_EQUAL(ctlwire_put_answer(&a, &msg), 0);
	CU_ASSERT_EQUAL(ctlwire_get_answer(&msg, &back), 0);
	CU_ASSERT_EQUAL(back.id, 9);
}

static int test_listen(char path[PATH_MAX])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	tmpdir_path(path, "ctl.sock");
	unlink(path);
	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", path);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CU_ASSERT_EQUAL(listen(fd, 0), 0);
	return fd;
}

/* A server in a child that takes one request and sends @answer (NULL: hangs up). */
static pid_t test_serve(int fd, const struct ctlwire_answer *answer)
{
	pid_t pid = fork();
	struct ctlwire_request q;
	struct chan_msg msg;
	int client;

	if (pid != 0)
		return pid;
	client = accept(fd, NULL, NULL);
	if (chan_recv(client, ctlwire_ops, ctlwire_n_ops, &msg) == 0 &&
	    ctlwire_get_request(&msg, &q) == 0 && answer && ctlwire_put_answer(answer, &msg) == 0 &&
	    chan_send(client, &msg) < 0)
		_exit(1);
	_exit(0);
}

static void test_ctlwire_call(void)
{
	static struct ctlwire_answer good, other, got;
	const struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	static const int results[] = { 0, -EBADMSG, -EPIPE };
	const struct ctlwire_answer *const answers[] = { &good, &other, NULL };
	char path[PATH_MAX];
	int fd = test_listen(path);

	good = (struct ctlwire_answer){ .op = CTLWIRE_STATUS, .status.generation = 77 };
	other = (struct ctlwire_answer){ .op = CTLWIRE_APPLY };
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		pid_t pid = test_serve(fd, answers[i]);

		CU_ASSERT_EQUAL(ctlwire_call(path, &q, 5000, &got), results[i]);
		CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	}
	CU_ASSERT_EQUAL(got.status.generation, 77);
	close(fd);
}

static void test_ctlwire_call_nobody(void)
{
	static struct ctlwire_answer got;
	const struct ctlwire_request q = { .op = CTLWIRE_STATUS }, bad = { 0 };
	char path[PATH_MAX], longer[200];
	int fd = test_listen(path);

	/* Accepted by the queue, never answered; the second one does not even get into it. */
	CU_ASSERT_EQUAL(ctlwire_call(path, &q, 30, &got), -ETIMEDOUT);
	CU_ASSERT_EQUAL(ctlwire_call(path, &q, 30, &got), -ETIMEDOUT);
	close(fd);
	CU_ASSERT_EQUAL(ctlwire_call(path, &q, 30, &got), -ECONNREFUSED);
	unlink(path);
	CU_ASSERT_EQUAL(ctlwire_call(path, &q, 30, &got), -ENOENT);
	test_fill(longer, sizeof(longer));
	CU_ASSERT_EQUAL(ctlwire_call(longer, &q, 30, &got), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(ctlwire_call(path, &bad, 30, &got), -EMSGSIZE);
}

static const struct tap_test test_ctlwire_tests[] = {
	{ "requests there and back", test_ctlwire_request },
	{ "bad requests", test_ctlwire_request_bad },
	{ "status there and back", test_ctlwire_status },
	{ "words of an answer", test_ctlwire_text },
	{ "grants there and back", test_ctlwire_grants },
	{ "drifts there and back", test_ctlwire_drifts },
	{ "a call and its answers", test_ctlwire_call },
	{ "a call that nobody answers", test_ctlwire_call_nobody },
	{ 0 },
};

static const struct tap_suite test_ctlwire_suites[] = {
	{ "ctlwire", test_ctlwire_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ctlwire_suites);
}
