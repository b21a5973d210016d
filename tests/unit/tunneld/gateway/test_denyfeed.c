/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/principal.h"
#include "common/wire.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tunneld/gateway/denyfeed.h"

/* @n instances whose ids have @len characters, more than five. */
static struct denylist *test_denyfeed_list(size_t n, size_t len)
{
	struct denylist *d = NULL;
	char id[256];

	if (denylist_new(n, n * (len + 1), &d) < 0)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		memset(id, 'i', sizeof(id));
		snprintf(id + len - 5, sizeof(id) - len, "%05u", (unsigned int)i % 100000);
		CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, id), 0);
	}
	return d;
}

static bool test_denyfeed_equal(const struct denylist *a, const struct denylist *b)
{
	if (denylist_size(a) != denylist_size(b))
		return false;
	for (size_t i = 0; i < denylist_size(a); i++)
		if (denylist_at(a, i)->kind != denylist_at(b, i)->kind ||
		    strcmp(denylist_at(a, i)->value, denylist_at(b, i)->value))
			return false;
	return true;
}

/* Sends @d from message to message. Gives how many parts there were. */
static size_t test_denyfeed_pass(const struct denylist *d, struct denyfeed *f)
{
	struct chan_msg msg;
	size_t at = 0, n = 0;

	denyfeed_encode_head(d, &msg);
	CU_ASSERT_EQUAL(denyfeed_decode(f, &msg), 0);
	while (at < denylist_size(d)) {
		CU_ASSERT_FALSE(denyfeed_is_whole(f));
		denyfeed_encode_part(d, &at, &msg);
		CU_ASSERT_TRUE(msg.len <= CHAN_BODY_MAX && msg.len >= msg.op->body_min);
		CU_ASSERT_EQUAL(denyfeed_decode(f, &msg), 0);
		n++;
	}
	CU_ASSERT_TRUE(denyfeed_is_whole(f));
	return n;
}

static void test_denyfeed_round_trip(void)
{
	/* Of 80 bytes with kind and length: 102 fill a message but for 16 bytes. */
	static const struct {
		size_t n, parts;
	} rows[] = { { 0, 0 }, { 1, 1 }, { 101, 1 }, { 102, 1 }, { 103, 2 }, { 1000, 10 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
		_cleanup_(denylist_freep) struct denylist *d = test_denyfeed_list(rows[i].n, 77);

		CU_ASSERT_FALSE(denyfeed_is_whole(&f));
		CU_ASSERT_EQUAL(test_denyfeed_pass(d, &f), rows[i].parts);
		CU_ASSERT_TRUE(test_denyfeed_equal(d, f.list));
	}
}

/* Whatever is left in a message behind the last entry that fits, also nothing: as many entries as
 * one has room for, and one more. */
static void test_denyfeed_fills_messages(void)
{
	size_t n_exact = 0;

	for (size_t len = 6; len < PRINCIPAL_INSTANCE_MAX; len++) {
		size_t n = CHAN_BODY_MAX / (len + 3); /* with kind and length */

		n_exact += CHAN_BODY_MAX % (len + 3) == 0;
		for (size_t more = 0; more < 2; more++) {
			_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
			_cleanup_(denylist_freep) struct denylist *d = test_denyfeed_list(n + more,
											  len);

			CU_ASSERT_EQUAL(test_denyfeed_pass(d, &f), 1 + more);
			CU_ASSERT_TRUE(test_denyfeed_equal(d, f.list));
		}
	}
	CU_ASSERT_TRUE(n_exact > 0);
}

static void test_denyfeed_longest(void)
{
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	char name[PRINCIPAL_MAX];

	memset(name, 'a', sizeof(name) - 1);
	name[1] = '.';
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(denylist_new(1, sizeof(name), &d), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_PRINCIPAL, name), 0);
	CU_ASSERT_EQUAL(test_denyfeed_pass(d, &f), 1);
	CU_ASSERT_TRUE(test_denyfeed_equal(d, f.list));
}

/* What a probe sent that ended is forgotten before the next one sends. */
static void test_denyfeed_reset(void)
{
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
	_cleanup_(denylist_freep) struct denylist *d = test_denyfeed_list(3, 9);

	CU_ASSERT_EQUAL(test_denyfeed_pass(d, &f), 1);
	denyfeed_reset(&f);
	CU_ASSERT_PTR_NULL(f.list);
	CU_ASSERT_FALSE(denyfeed_is_whole(&f));
	CU_ASSERT_EQUAL(test_denyfeed_pass(NULL, &f), 0);
}

static void test_denyfeed_nobody(void)
{
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };

	CU_ASSERT_EQUAL(test_denyfeed_pass(NULL, &f), 0);
	CU_ASSERT_EQUAL(denylist_size(f.list), 0);
}

/* A message of entries, kind and value by turns, until NULL. */
static void test_denyfeed_part(struct chan_msg *ret, const char *const *words)
{
	size_t n;
	struct wire w;

	chan_msg_init(ret, &denyfeed_ops(&n)[DENYFEED_PART - 1], 0);
	w = wire_writer(ret->body, sizeof(ret->body));
	for (; words[0]; words += 2) {
		wire_put_u8(&w, (uint8_t)(words[0][0] - '0'));
		wire_put_str(&w, words[1]);
	}
	ret->len = w.pos;
}

static void test_denyfeed_head(struct chan_msg *ret, uint32_t n_entries, uint32_t bytes)
{
	size_t n;
	struct wire w;

	chan_msg_init(ret, &denyfeed_ops(&n)[DENYFEED_HEAD - 1], 0);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u32(&w, n_entries);
	wire_put_u32(&w, bytes);
	ret->len = w.pos;
}

static void test_denyfeed_refuses(void)
{
	static const char *const bad[][6] = {
		{ "0", "A.b" },                   /* not as it is compared */
		{ "3", "a.b" },                   /* no such kind */
		{ "2", "" },                      /* empty */
		{ "2", "b", "2", "a" },           /* out of order */
		{ "1", "i", "0", "a.b" },         /* likewise */
		{ "2", "1", "2", "2", "2", "3" }, /* one more than the head said */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
		const char *words[7] = { NULL };
		struct chan_msg msg;

		memcpy(words, bad[i], sizeof(bad[i]));
		test_denyfeed_head(&msg, 2, 100);
		CU_ASSERT_EQUAL(denyfeed_decode(&f, &msg), 0);
		test_denyfeed_part(&msg, words);
		if (denyfeed_decode(&f, &msg) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "row %zu", i);
	}
}

static void test_denyfeed_order_of_messages(void)
{
	static const char *const one[] = { "2", "1", NULL };
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
	struct chan_msg head, part;

	test_denyfeed_part(&part, one);
	CU_ASSERT_EQUAL(denyfeed_decode(&f, &part), -EBADMSG);
	CU_ASSERT_FALSE(denyfeed_is_whole(&f));
	test_denyfeed_head(&head, 1, 2);
	CU_ASSERT_EQUAL(denyfeed_decode(&f, &head), 0);
	CU_ASSERT_EQUAL(denyfeed_decode(&f, &head), -EBADMSG);
	/* Cut at every length. */
	for (size_t full = part.len; part.len-- > 1;)
		if (denyfeed_decode(&f, &part) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "%zu of %zu bytes", part.len, full);
	test_denyfeed_part(&part, one);
	CU_ASSERT_EQUAL(denyfeed_decode(&f, &part), 0);
	CU_ASSERT_TRUE(denyfeed_is_whole(&f));
}

static void test_denyfeed_limits(void)
{
	static const struct {
		uint32_t n, bytes;
		int r;
	} rows[] = {
		{ DENYLIST_ENTRIES_MAX, DENYLIST_BYTES_MAX, 0 },
		{ DENYLIST_ENTRIES_MAX + 1, DENYLIST_BYTES_MAX, -EBADMSG },
		{ 1, DENYLIST_BYTES_MAX + 2, -EBADMSG },
		{ UINT32_MAX, UINT32_MAX, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
		struct chan_msg head;

		test_denyfeed_head(&head, rows[i].n, rows[i].bytes);
		CU_ASSERT_EQUAL(denyfeed_decode(&f, &head), rows[i].r);
		CU_ASSERT_FALSE(denyfeed_is_whole(&f));
	}
}

static void *test_denyfeed_sender(void *arg)
{
	int *pair = arg;
	_cleanup_(denylist_freep) struct denylist *d = test_denyfeed_list(DENYLIST_ENTRIES_MAX,
									  100);
	static int r;

	r = denyfeed_send(pair[1], d);
	closep(&pair[1]);
	return &r;
}

/* The longest list, through a channel that is full most of the time. */
static void test_denyfeed_sends(void)
{
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };
	struct pollfd p = { .events = POLLIN };
	size_t n_ops;
	const struct chan_op *ops = denyfeed_ops(&n_ops);
	pthread_t thread;
	void *sent = NULL;
	int pair[2], r = 0;

	CU_ASSERT_EQUAL_FATAL(chan_pair(pair), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, test_denyfeed_sender, pair), 0);
	while (r == 0 || r == -EAGAIN) {
		_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };

		p.fd = pair[0];
		(void)poll(&p, 1, -1);
		r = chan_recv(pair[0], ops, n_ops, &msg);
		if (r == 0)
			r = denyfeed_decode(&f, &msg);
	}
	CU_ASSERT_EQUAL(r, CHAN_E_CLOSED);
	CU_ASSERT_TRUE(denyfeed_is_whole(&f));
	CU_ASSERT_EQUAL(pthread_join(thread, &sent), 0);
	CU_ASSERT_TRUE(sent && *(int *)sent == 0);
	closep(&pair[0]);
}

static void test_denyfeed_nobody_listens(void)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(chan_pair(pair), 0);
	closep(&pair[0]);
	CU_ASSERT_EQUAL(denyfeed_send(pair[1], NULL), -EPIPE);
	closep(&pair[1]);
}

static int test_denyfeed_tortured(void *ctx)
{
	_cleanup_(denyfeed_reset) struct denyfeed f = { 0 };

	return denyfeed_decode(&f, ctx);
}

static void test_denyfeed_out_of_memory(void)
{
	struct chan_msg head;

	test_denyfeed_head(&head, 5, 500);
	CU_ASSERT_EQUAL(torture(test_denyfeed_tortured, &head), 2);
}

static const struct tap_test test_denyfeed_tests[] = {
	{ "round trip", test_denyfeed_round_trip },
	{ "messages are filled", test_denyfeed_fills_messages },
	{ "the longest entry", test_denyfeed_longest },
	{ "reset", test_denyfeed_reset },
	{ "nobody is denied", test_denyfeed_nobody },
	{ "refuses entries", test_denyfeed_refuses },
	{ "order of messages", test_denyfeed_order_of_messages },
	{ "limits", test_denyfeed_limits },
	{ "sends the longest list", test_denyfeed_sends },
	{ "nobody listens", test_denyfeed_nobody_listens },
	{ "out of memory", test_denyfeed_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_denyfeed_suites[] = {
	{ "denyfeed", test_denyfeed_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_denyfeed_suites);
}
