/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/oracle/oraclewire.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define TEST_FIRST 3 /* bytes of the shortest request in front of the spare uid */

static struct terms_packet test_packets[] = {
	{ .dir = POLICY_OUT, .link = TERMS_TUN, .family = 6, .far_port = 443, .ct = TERMS_RELATED },
	{ .dir = POLICY_IN, .link = TERMS_OTHER, .family = 4, .facts = TERMS_NO_WAY_BACK },
};

static const struct oraclewire_request test_request = {
	.links.n_uplinks = 2,
	.links.n_tunnels = 1,
	.n_grants = 1,
	.links.uplinks = { "eth0", "eth1" },
	.links.tunnels = { "postern0" },
	.grants = { "ssh" },
	.spare_uid = 60000,
	.batch = (uint8_t *)"12345678",
	.batch_len = 8,
	.packets = test_packets,
	.n = 2,
};

static struct oraclewire_rule test_rules[] = {
	{ .is_guard = true, .chain = "egress_eth0", .comment = "row 11: x" },
};
static struct oraclewire_verdict test_verdicts[] = {
	{ .rule = 0, .n_rules = 7, .verdict = TERMS_REJECT, .ct = TERMS_INVALID },
	{ .error = -ENODATA, .rule = ORACLEWIRE_NO_RULE },
};
static const struct oraclewire_reply test_reply = {
	.rules = test_rules,
	.n_rules = 1,
	.verdicts = test_verdicts,
	.n = 2,
};

/* Every cut is an error, the whole comes back. */
static void test_oraclewire_request(void)
{
	_cleanup_(parcel_release) struct parcel made = { 0 };

	CU_ASSERT_EQUAL(oraclewire_put_request(&test_request, &made), 0);
	for (size_t cut = 0; made.bytes && cut <= made.len; cut++) {
		_cleanup_(oraclewire_release_request) struct oraclewire_request back = { 0 };
		int r = oraclewire_get_request(made.bytes, cut, &back);

		CU_ASSERT_EQUAL(r, cut == made.len ? 0 : -EBADMSG);
		if (cut < made.len)
			continue;
		CU_ASSERT_STRING_EQUAL(back.links.uplinks[1], "eth1");
		CU_ASSERT_STRING_EQUAL(back.grants[0], "ssh");
		CU_ASSERT_TRUE(back.spare_uid == 60000 && back.n == 2 && back.batch_len == 8);
		CU_ASSERT_EQUAL(memcmp(back.packets, test_packets, sizeof(test_packets)), 0);
	}
}

static void test_oraclewire_reply(void)
{
	_cleanup_(parcel_release) struct parcel made = { 0 };

	CU_ASSERT_EQUAL(oraclewire_put_reply(&test_reply, &made), 0);
	for (size_t cut = 0; made.bytes && cut <= made.len; cut++) {
		_cleanup_(oraclewire_release_reply) struct oraclewire_reply back = { 0 };
		int r = oraclewire_get_reply(made.bytes, cut, &back);

		CU_ASSERT_EQUAL(r, cut == made.len ? 0 : -EBADMSG);
		if (cut < made.len)
			continue;
		CU_ASSERT_STRING_EQUAL(back.rules[0].chain, "egress_eth0");
		CU_ASSERT_TRUE(back.rules[0].is_guard && back.n == 2);
		CU_ASSERT_TRUE(back.verdicts[0].verdict == TERMS_REJECT &&
			       back.verdicts[0].n_rules == 7 &&
			       back.verdicts[0].ct == TERMS_INVALID);
		CU_ASSERT_EQUAL(back.verdicts[1].error, -ENODATA);
	}
}

static int test_request_with(const struct oraclewire_request *q)
{
	_cleanup_(oraclewire_release_request) struct oraclewire_request back = { 0 };
	_cleanup_(parcel_release) struct parcel made = { 0 };
	int r = oraclewire_put_request(q, &made);

	return r < 0 ? r : oraclewire_get_request(made.bytes, made.len, &back);
}

/* Values that are none, at their limits. */
static void test_oraclewire_values(void)
{
	struct terms_packet packet = { .family = 6, .link = TERMS_OTHER, .ct = TERMS_UNTRACKED };
	struct oraclewire_request q = test_request;

	q.packets = &packet;
	q.n = 1;
	CU_ASSERT_EQUAL(test_request_with(&q), 0);
	packet.link = TERMS_LINKS;
	CU_ASSERT_EQUAL(test_request_with(&q), -EBADMSG);
	packet.link = TERMS_LO;
	packet.ct = TERMS_CTS;
	CU_ASSERT_EQUAL(test_request_with(&q), -EBADMSG);
	packet.ct = TERMS_NEW;
	packet.family = 5;
	CU_ASSERT_EQUAL(test_request_with(&q), -EBADMSG);
	packet.family = 4;
	packet.facts = (1u << TERMS_FACTS) - 1;
	CU_ASSERT_EQUAL(test_request_with(&q), 0);
	packet.facts = 1u << TERMS_FACTS;
	CU_ASSERT_EQUAL(test_request_with(&q), -EBADMSG);
	q.n = ORACLE_PACKETS_MAX + 1;
	CU_ASSERT_EQUAL(test_request_with(&q), -EFBIG);
	q.n = 0;
	q.batch_len = ORACLEWIRE_BATCH_MAX + 1;
	CU_ASSERT_EQUAL(test_request_with(&q), -EFBIG);
}

static int test_reply_with(struct oraclewire_verdict verdict)
{
	_cleanup_(oraclewire_release_reply) struct oraclewire_reply back = { 0 };
	struct oraclewire_reply p = test_reply;
	_cleanup_(parcel_release) struct parcel made = { 0 };
	int r;

	p.verdicts = &verdict;
	p.n = 1;
	r = oraclewire_put_reply(&p, &made);
	return r < 0 ? r : oraclewire_get_reply(made.bytes, made.len, &back);
}

static void test_oraclewire_verdicts(void)
{
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .rule = 0 }), 0);
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .rule = 1 }), -EBADMSG);
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .verdict = 3 }), -EBADMSG);
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .ct = TERMS_CTS }), -EBADMSG);
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .error = -4095 }), 0);
	CU_ASSERT_EQUAL(test_reply_with((struct oraclewire_verdict){ .error = -4096 }), -EBADMSG);
}

/* A length that promises more than there is costs nothing. */
static void test_oraclewire_lengths(void)
{
	uint8_t request[TEST_FIRST + 4 + 4] = { [TEST_FIRST + 4] = 0xff, 0xff, 0xff, 0x03 };
	_cleanup_(oraclewire_release_request) struct oraclewire_request back = { 0 };

	CU_ASSERT_EQUAL(oraclewire_get_request(request, sizeof(request), &back), -EBADMSG);
	CU_ASSERT_PTR_NULL(back.batch);
}

static int test_request_once(void *ctx)
{
	return test_request_with(&test_request);
}

static int test_reply_once(void *ctx)
{
	return test_reply_with((struct oraclewire_verdict){ .rule = 0 });
}

static void test_oraclewire_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_request_once, NULL) > 0);
	CU_ASSERT_TRUE(torture(test_reply_once, NULL) > 0);
}

/* One name, one place or one number more or less, in turn. */
static void test_oraclewire_links(void)
{
	struct oraclewire_links a = test_request.links, b = a;

	CU_ASSERT_TRUE(oraclewire_same_links(&a, &b));
	b.n_uplinks = 1;
	CU_ASSERT_FALSE(oraclewire_same_links(&a, &b));
	CU_ASSERT_FALSE(oraclewire_same_links(&b, &a));
	b = a;
	b.n_tunnels = 0;
	CU_ASSERT_FALSE(oraclewire_same_links(&a, &b));
	b = a;
	b.uplinks[1][3] = '2';
	CU_ASSERT_FALSE(oraclewire_same_links(&a, &b));
	b = a;
	b.tunnels[0][0] = 'q';
	CU_ASSERT_FALSE(oraclewire_same_links(&a, &b));
}

static const struct tap_test test_oraclewire_tests[] = {
	{ "request", test_oraclewire_request },
	{ "reply", test_oraclewire_reply },
	{ "values of packets", test_oraclewire_values },
	{ "values of verdicts", test_oraclewire_verdicts },
	{ "lengths", test_oraclewire_lengths },
	{ "the same links", test_oraclewire_links },
	{ "out of memory", test_oraclewire_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_oraclewire_suites[] = {
	{ "oraclewire", test_oraclewire_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_oraclewire_suites);
}
