/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/boot/closed.h"
#include "tests/support/tap.h"

#define TEST_NONE ((size_t)-1)

/* A copy of the closed batch, to be spoiled. */
static uint8_t *test_copy;
static size_t test_len;

static void test_setup(void)
{
	test_len = closed_batch_len;
	test_copy = malloc(test_len + 4096);
	if (test_copy)
		memcpy(test_copy, closed_batch, test_len);
}

static void test_teardown(void)
{
	free(test_copy);
	test_copy = NULL;
}

static struct nlmsghdr *test_at(size_t at)
{
	return (struct nlmsghdr *)(void *)(test_copy + at);
}

/* The first message whose whole type is @type, or TEST_NONE. */
static size_t test_find_type(uint16_t type)
{
	size_t at = 0;

	while (at < test_len && test_at(at)->nlmsg_type != type)
		at += NLMSG_ALIGN(test_at(at)->nlmsg_len);
	return at < test_len ? at : TEST_NONE;
}

/* The first NFT_MSG_… of that kind. */
static size_t test_find(int type)
{
	return test_find_type((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type));
}

/* The bytes @what, behind @from. */
static uint8_t *test_search(const void *what, size_t len, size_t from)
{
	return memmem(test_copy + from, test_len - from, what, len);
}

static void test_refused(const char *word)
{
	char error[BATCH_ERROR_MAX] = "";

	CU_ASSERT_EQUAL(batch_check(test_copy, test_len, error), -EBADMSG);
	if (!strstr(error, word))
		tap_fail(__FILE__, __LINE__, "'%s' is not in '%s'", word, error);
}

static void test_batch_takes_closed(void)
{
	char error[BATCH_ERROR_MAX] = "";

	CU_ASSERT_EQUAL(batch_check(test_copy, test_len, error), 0);
	CU_ASSERT_EQUAL(batch_length(test_copy, test_len), test_len);
	CU_ASSERT_EQUAL(batch_length(test_copy, test_len - 1), 0);
}

static void test_batch_refuses_other_table(void)
{
	uint8_t *name = test_search("postern", 8, 0);

	CU_ASSERT_PTR_NOT_NULL(name);
	if (!name)
		return;
	name[0] = 'x';
	test_refused("not ours");
}

static void test_batch_refuses_other_family(void)
{
	size_t at = test_find(NFT_MSG_NEWRULE);

	CU_ASSERT_NOT_EQUAL(at, TEST_NONE);
	test_copy[at + NLMSG_HDRLEN] = 5; /* nfgen_family: netdev */
	test_refused("not ours");
}

/* Every message type but those a policy needs, on a message that was good. */
static void test_batch_refuses_types(void)
{
	static const int good[] = { NFT_MSG_NEWTABLE,   NFT_MSG_NEWCHAIN,   NFT_MSG_NEWRULE,
				    NFT_MSG_DELRULE,    NFT_MSG_NEWSET,     NFT_MSG_DELSET,
				    NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWOBJ,
				    NFT_MSG_DELOBJ };
	size_t at = test_find(NFT_MSG_NEWTABLE);

	CU_ASSERT_NOT_EQUAL(at, TEST_NONE);
	for (int type = 0; type < 256; type++) {
		char error[BATCH_ERROR_MAX] = "";
		bool is_good = false;

		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
			is_good |= good[i] == type;
		test_at(at)->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
		if (!is_good)
			CU_ASSERT_EQUAL(batch_check(test_copy, test_len, error), -EBADMSG);
	}
	test_at(at)->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	test_refused("another subsystem");
}

/* The priority of the first base chain, in network order, to anything else. */
static void test_batch_refuses_priority(void)
{
	static const uint8_t priority[] = { 8, 0, NFTA_HOOK_PRIORITY, 0, 0xff, 0xff, 0xff, 0xf6 };
	uint8_t *p = test_search(priority, sizeof(priority), 0);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	p[7] = 0xf5;
	test_refused("priority");
}

static void test_batch_refuses_chain_type(void)
{
	uint8_t *p = test_search("filter", 7, 0);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	memcpy(p, "route0", 6);
	test_refused("filter");
}

static void test_batch_refuses_expression(void)
{
	uint8_t *p = test_search("immediate", 10, 0);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	memcpy(p, "immediatf", 9);
	test_refused("expression");
}

/* Every verdict code but the seven that a policy has, in the last one of the batch. */
static void test_batch_refuses_verdicts(void)
{
	static const uint8_t drop[] = {
		12, 0, NFTA_DATA_VERDICT, 0x80, 8, 0, NFTA_VERDICT_CODE, 0, 0, 0, 0, NF_DROP
	};
	static const int32_t bad[] = { 2, NF_QUEUE, 4, 5, 0x10000, -6, INT32_MIN };
	static const int32_t good[] = { NF_DROP,  NF_ACCEPT, NFT_CONTINUE, NFT_BREAK,
					NFT_JUMP, NFT_GOTO,  NFT_RETURN };
	uint8_t *p = test_search(drop, sizeof(drop), 0);
	uint32_t code;

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		code = htonl((uint32_t)bad[i]);
		memcpy(p + 8, &code, sizeof(code));
		test_refused("a verdict that");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char error[BATCH_ERROR_MAX] = "";

		code = htonl((uint32_t)good[i]);
		memcpy(p + 8, &code, sizeof(code));
		CU_ASSERT_EQUAL(batch_check_trial(test_copy, test_len, error), 0);
	}
}

/* The kernel takes the last attribute of a number, so two of them could show us another table. */
static void test_batch_refuses_double_attribute(void)
{
	static const uint8_t other[] = { 12,  0, NFTA_TABLE_NAME, 0, 'f', 'o', 'r', 'e', 'i', 'g',
					 'n', 0 };
	size_t at = test_find(NFT_MSG_NEWTABLE), end;

	CU_ASSERT_NOT_EQUAL(at, TEST_NONE);
	end = at + test_at(at)->nlmsg_len;
	memmove(test_copy + end + sizeof(other), test_copy + end, test_len - end);
	memcpy(test_copy + end, other, sizeof(other));
	test_at(at)->nlmsg_len += sizeof(other);
	test_len += sizeof(other);
	test_refused("malformed attributes");
}

/* Without one of the three filters a direction would stay open. */
static void test_batch_refuses_incomplete(void)
{
	size_t begin = NLMSG_ALIGN(test_at(0)->nlmsg_len), end = test_find_type(NFNL_MSG_BATCH_END);

	CU_ASSERT_NOT_EQUAL(end, TEST_NONE);
	memmove(test_copy + begin, test_copy + end, test_len - end);
	test_len -= end - begin;
	test_refused("incomplete");
}

/* The policy of each of the three filters: only drop; a trial may have another. */
static void test_batch_refuses_open_policy(void)
{
	static const uint8_t drop[] = { 8, 0, NFTA_CHAIN_POLICY, 0, 0, 0, 0, NF_DROP };
	size_t from = 0, n = 0;
	uint8_t *p;

	while ((p = test_search(drop, sizeof(drop), from))) {
		char error[BATCH_ERROR_MAX] = "";

		p[7] = NF_ACCEPT;
		test_refused("would leave a direction open");
		CU_ASSERT_EQUAL(batch_check_trial(test_copy, test_len, error), 0);
		p[7] = NF_DROP;
		p[2] = NFTA_CHAIN_USE; /* the kernel's default is accept */
		test_refused("would leave a direction open");
		p[2] = NFTA_CHAIN_POLICY;
		from = (size_t)(p - test_copy) + sizeof(drop);
		n++;
	}
	CU_ASSERT_TRUE(n >= 3);
}

/* Takes @n bytes out of the copy, which are whole messages or attributes. */
static void test_cut(size_t at, size_t n)
{
	memmove(test_copy + at, test_copy + at + n, test_len - at - n);
	test_len -= n;
}

/* The first attribute @type on the first level of the message at @at, or TEST_NONE. */
static size_t test_attr(size_t at, uint16_t type)
{
	size_t end = at + test_at(at)->nlmsg_len;

	for (at += NLMSG_HDRLEN + 4; at < end;) {
		const struct nlattr *attr = (const void *)(test_copy + at);

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return at;
		at += NLMSG_ALIGN(attr->nla_len);
	}
	return TEST_NONE;
}

/* Puts an attribute with 4 bytes, or with 8, behind the others of the message at @at. */
static void test_append(size_t at, uint16_t type, uint16_t size)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };
	size_t end = at + test_at(at)->nlmsg_len;

	memmove(test_copy + end + attr.nla_len, test_copy + end, test_len - end);
	memset(test_copy + end, 0, attr.nla_len);
	memcpy(test_copy + end, &attr, sizeof(attr));
	test_copy[end + attr.nla_len - 1] = 1;
	test_at(at)->nlmsg_len += attr.nla_len;
	test_len += attr.nla_len;
}

/* An update of a chain without a hook may not touch the policy either. */
static void test_batch_refuses_bare_policy(void)
{
	size_t at = test_find(NFT_MSG_NEWCHAIN), end = at + test_at(at)->nlmsg_len;
	size_t len = test_at(at)->nlmsg_len, hook, type;

	memmove(test_copy + end + len, test_copy + end, test_len - end);
	memcpy(test_copy + end, test_copy + at, len);
	test_len += len;
	type = test_attr(end, NFTA_CHAIN_TYPE);
	CU_ASSERT_NOT_EQUAL_FATAL(type, TEST_NONE);
	test_at(end)->nlmsg_len -=
		NLMSG_ALIGN(((struct nlattr *)(void *)(test_copy + type))->nla_len);
	test_cut(type, NLMSG_ALIGN(((struct nlattr *)(void *)(test_copy + type))->nla_len));
	hook = test_attr(end, NFTA_CHAIN_HOOK);
	CU_ASSERT_NOT_EQUAL_FATAL(hook, TEST_NONE);
	test_at(end)->nlmsg_len -= ((struct nlattr *)(void *)(test_copy + hook))->nla_len;
	test_cut(hook, ((struct nlattr *)(void *)(test_copy + hook))->nla_len);
	test_refused("a policy without a hook");
}

/* By their handles a message would mean something else than its names say. */
static void test_batch_refuses_handles(void)
{
	static const struct {
		int type;
		uint16_t attr, size;
	} rows[] = {
		{ NFT_MSG_NEWCHAIN, NFTA_CHAIN_HANDLE, 8 },
		{ NFT_MSG_NEWRULE, NFTA_RULE_HANDLE, 8 },
		{ NFT_MSG_DELRULE, NFTA_RULE_HANDLE, 8 },
		{ NFT_MSG_DELRULE, NFTA_RULE_ID, 4 },
		{ NFT_MSG_NEWRULE, NFTA_RULE_POSITION, 8 },
		{ NFT_MSG_NEWRULE, NFTA_RULE_POSITION_ID, 4 },
		{ NFT_MSG_NEWRULE, NFTA_RULE_CHAIN_ID, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t at = test_find(rows[i].type);

		CU_ASSERT_NOT_EQUAL_FATAL(at, TEST_NONE);
		test_append(at, rows[i].attr, rows[i].size);
		test_refused("by its number");
		test_teardown();
		test_setup();
	}
}

/* What accepts without looking at anything, in a filter. */
static void test_batch_refuses_accept_all(void)
{
	static const uint8_t drop[] = {
		12, 0, NFTA_DATA_VERDICT, 0x80, 8, 0, NFTA_VERDICT_CODE, 0, 0, 0, 0, NF_DROP
	};
	size_t from = 0, n = 0;
	uint8_t *p;

	/* The closed policy has such rules with drop: one for each direction, one for none. */
	while ((p = test_search(drop, sizeof(drop), from))) {
		char error[BATCH_ERROR_MAX] = "";

		p[11] = NF_ACCEPT;
		test_refused("accepts everything");
		CU_ASSERT_EQUAL(batch_check_trial(test_copy, test_len, error), 0);
		p[11] = NF_DROP;
		from = (size_t)(p - test_copy) + sizeof(drop);
		n++;
	}
	CU_ASSERT_EQUAL(n, 3);
}

/* A filter that is made behind rules could be one that they have opened. */
static void test_batch_refuses_late_chain(void)
{
	size_t chain = test_find(NFT_MSG_NEWCHAIN), end = test_find_type(NFNL_MSG_BATCH_END);
	size_t len = test_at(chain)->nlmsg_len;

	CU_ASSERT_NOT_EQUAL_FATAL(end, TEST_NONE);
	memmove(test_copy + end + len, test_copy + end, test_len - end);
	memcpy(test_copy + end, test_copy + chain, len);
	test_len += len;
	test_refused("behind");
}

static void test_batch_refuses_frames(void)
{
	char error[BATCH_ERROR_MAX];

	CU_ASSERT_EQUAL(batch_check(test_copy, 0, error), -EBADMSG);
	CU_ASSERT_EQUAL(batch_check(test_copy, 15, error), -EBADMSG);
	memcpy(test_copy + test_len, closed_batch, 20);
	CU_ASSERT_EQUAL(batch_check(test_copy, test_len + 20, error), -EBADMSG);
	test_at(0)->nlmsg_len = 0;
	test_refused("does not begin");
}

/* Lengths whose rounding wraps to 0 or that lie beyond the end, on the second message. */
static void test_batch_refuses_lengths(void)
{
	static const uint32_t bad[] = { 0, 1, 15, 0x7fffffff, 0xfffffffc, 0xfffffffd, 0xffffffff };
	size_t at = NLMSG_ALIGN(test_at(0)->nlmsg_len);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_at(at)->nlmsg_len = bad[i];
		test_refused("does not end");
	}
}

/* Cut anywhere: never taken, never read beyond. */
static void test_batch_refuses_every_cut(void)
{
	size_t n_taken = 0;

	for (size_t len = 0; len < test_len; len += 4) {
		char error[BATCH_ERROR_MAX];
		uint8_t *cut = malloc(len + 1);

		if (!cut)
			continue;
		memcpy(cut, closed_batch, len);
		n_taken += batch_check(cut, len, error) == 0;
		free(cut);
	}
	CU_ASSERT_EQUAL(n_taken, 0);
}

static int test_count(const struct batch_msg *msg, void *ctx)
{
	(*(unsigned int *)ctx)++;
	return *(unsigned int *)ctx == 5 ? 77 : 0;
}

static void test_batch_walk_stops(void)
{
	char error[BATCH_ERROR_MAX] = "";
	unsigned int n = 0;

	CU_ASSERT_EQUAL(batch_walk(test_copy, test_len, test_count, &n, error), 77);
	CU_ASSERT_EQUAL(n, 5);
}

/* Random damage: whatever is taken is still only ours. */
static void test_batch_survives_damage(void)
{
	size_t n_refused = 0;

	for (int round = 0; round < 20000; round++) {
		char error[BATCH_ERROR_MAX];
		size_t at = tap_random_below(test_len);
		uint8_t old = test_copy[at];

		test_copy[at] = (uint8_t)tap_random();
		n_refused += batch_check(test_copy, test_len, error) < 0;
		test_copy[at] = old;
	}
	CU_ASSERT_TRUE(n_refused > 5000);
}

static const struct tap_test test_batch_tests[] = {
	{ "takes the closed batch", test_batch_takes_closed },
	{ "refuses another table", test_batch_refuses_other_table },
	{ "refuses another family", test_batch_refuses_other_family },
	{ "refuses other messages", test_batch_refuses_types },
	{ "refuses another priority", test_batch_refuses_priority },
	{ "refuses another type of chain", test_batch_refuses_chain_type },
	{ "refuses another expression", test_batch_refuses_expression },
	{ "refuses an attribute given twice", test_batch_refuses_double_attribute },
	{ "refuses what would leave the host open", test_batch_refuses_incomplete },
	{ "refuses a policy but drop", test_batch_refuses_open_policy },
	{ "refuses a policy without a hook", test_batch_refuses_bare_policy },
	{ "refuses handles", test_batch_refuses_handles },
	{ "refuses to accept everything", test_batch_refuses_accept_all },
	{ "refuses a filter behind rules", test_batch_refuses_late_chain },
	{ "refuses verdicts", test_batch_refuses_verdicts },
	{ "refuses bad frames", test_batch_refuses_frames },
	{ "refuses bad lengths", test_batch_refuses_lengths },
	{ "refuses every cut", test_batch_refuses_every_cut },
	{ "the walk stops when told", test_batch_walk_stops },
	{ "survives damage", test_batch_survives_damage },
	{ 0 },
};

static const struct tap_suite test_batch_suites[] = {
	{ "batch", test_batch_tests, test_setup, test_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_batch_suites);
}
