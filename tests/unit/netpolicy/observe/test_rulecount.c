/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "netpolicy/observe/rulecount.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct rulecount count(bool is_guard, const char *chain, const char *comment)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct rulecount found = { 77, 77, 77 };

	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	if (k)
		CU_ASSERT_EQUAL(rulecount_read(k, is_guard, chain, comment, &found), 0);
	return found;
}

static void test_counts(void)
{
	struct rulecount found;

	if (!netns_fresh())
		return;
	netns_run("nft 'table inet postern { chain out { type filter hook output priority 0; "
		  "counter packets 5 bytes 500 comment \"policy.conf:1\"; "
		  "tcp dport 1 counter packets 7 bytes 70 comment \"policy.conf:1\"; "
		  "counter packets 1 bytes 1 comment \"policy.conf:11\"; "
		  "counter packets 9 bytes 9; }; "
		  "chain other { counter packets 2 bytes 2 comment \"policy.conf:1\"; }; }'");
	netns_run("nft 'table ip postern { chain out { "
		  "counter packets 3 bytes 3 comment \"policy.conf:1\"; }; }'");
	found = count(false, "out", "policy.conf:1");
	CU_ASSERT_EQUAL(found.packets, 12);
	CU_ASSERT_EQUAL(found.bytes, 570);
	CU_ASSERT_EQUAL(found.n_rules, 2);
	found = count(false, "out", "policy.conf:11");
	CU_ASSERT_EQUAL(found.packets, 1);
	found = count(false, "out", "");
	CU_ASSERT_EQUAL(found.packets, 9);
	CU_ASSERT_EQUAL(found.n_rules, 1);
	found = count(false, "out", "policy.conf:2");
	CU_ASSERT_EQUAL(found.n_rules, 0);
	found = count(true, "out", "policy.conf:1");
	CU_ASSERT_EQUAL(found.n_rules, 0);
}

static void test_guard(void)
{
	struct rulecount found;

	if (!netns_fresh())
		return;
	netns_run("nft 'table netdev postern_guard { chain egress_lo { type filter hook egress "
		  "device lo priority 500; counter packets 4 bytes 4 comment \"row 8\"; }; }'");
	found = count(true, "egress_lo", "row 8");
	CU_ASSERT_EQUAL(found.n_rules, 1);
	CU_ASSERT_EQUAL(found.packets, 4);
}

static void test_no_table(void)
{
	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(count(false, "out", "policy.conf:1").n_rules, 0);
}

static const struct tap_test tests[] = {
	{ "counters", test_counts },
	{ "guard", test_guard },
	{ "no table", test_no_table },
	{ 0 },
};

static const struct tap_suite suites[] = { { "rulecount", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
