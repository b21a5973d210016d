/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtrule.h"

#define SHOW "ip -6 rule | grep -vE '^(0|32766):' | tr '\\t' ' '"
#define OURS "20559: not from all fwmark 0x504f lookup 20559 proto static"

static const struct netstate_names names = {
	.table = NETSTATE_TABLE,
	.rule_priority = NETSTATE_RULE_PRIORITY,
	.fwmark = NETSTATE_FWMARK,
};
static struct nlsock *sock;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&sock), 0);
	return true;
}

static void teardown(void)
{
	nlsock_close(sock);
	sock = NULL;
}

static void expect_seen(bool exact, uint32_t stale)
{
	struct rtrule_seen seen = { 0 };

	CU_ASSERT_EQUAL(rtrule_read(sock, &names, &seen), 0);
	CU_ASSERT_EQUAL(seen.exact, exact);
	CU_ASSERT_EQUAL(seen.stale, stale);
}

static void test_add(void)
{
	if (!fresh())
		return;
	expect_seen(false, 0);
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	netns_expect(SHOW, OURS);
	expect_seen(true, 0);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, false), 0);
	netns_expect(SHOW, "");
}

static void test_made_by_hand(void)
{
	if (!fresh())
		return;
	netns_run("ip -6 rule add not fwmark 0x504f lookup 20559 pref 20559");
	expect_seen(true, 0);
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	netns_expect("ip -6 rule | grep -c 20559", "1");
}

/* Each differs from ours in one thing, the first two only in what the kernel does not compare. */
static const char *const stale[] = {
	"protocol static fwmark 0x504f",
	"fwmark 0x504f",
	"not fwmark 0x504e",
	"not fwmark 0x504f/0xffff",
	"not from all",
	"not fwmark 0x504f iif lo",
	"not fwmark 0x504f to fd12::/16",
	"not fwmark 0x504f suppress_prefixlength 0",
	"not fwmark 0x504f ipproto udp",
};

static void sweep_stale(const char *rule, bool ours_first)
{
	if (!fresh())
		return;
	if (ours_first)
		CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	netns_run("ip -6 rule add %s lookup 20559 pref 20559", rule);
	expect_seen(ours_first, 1);
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	expect_seen(true, 1);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, true), 0);
	netns_expect(SHOW, OURS);
	teardown();
}

static void test_stale_before_ours(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(stale); i++)
		sweep_stale(stale[i], false);
}

static void test_stale_behind_ours(void)
{
	/* ip will not add a twin of ours: begin with the third */
	for (size_t i = 2; i < ARRAY_SIZE(stale); i++)
		sweep_stale(stale[i], true);
}

static void test_many_stale(void)
{
	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	netns_batch(40, "rule add fwmark %u lookup 20559 pref 20559\n");
	expect_seen(true, 40);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, true), 0);
	netns_expect(SHOW, OURS);
}

static void test_others_stay(void)
{
	static const char others[] = "100: from all lookup 20559\n"
				     "20559: from all fwmark 0x1 lookup 20560\n"
				     "20559: from all fwmark 0x2 prohibit";

	if (!fresh())
		return;
	netns_run("ip -6 rule add lookup 20559 pref 100");
	netns_run("ip -6 rule add fwmark 1 lookup 20560 pref 20559");
	netns_run("ip -6 rule add fwmark 2 prohibit pref 20559");
	expect_seen(false, 0);
	CU_ASSERT_EQUAL(rtrule_add(sock, &names), 0);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, true), 0);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, false), 0);
	netns_expect(SHOW, others);
	CU_ASSERT_EQUAL(rtrule_sweep(sock, &names, false), 0);
	netns_expect(SHOW, others);
}

static const struct tap_test tests[] = {
	{ "added once, removed when unwanted", test_add },
	{ "made by hand it is as good", test_made_by_hand },
	{ "stale rules in front of ours go", test_stale_before_ours },
	{ "stale rules behind ours go", test_stale_behind_ours },
	{ "more stale rules than one sweep takes", test_many_stale },
	{ "other rules are not touched", test_others_stay },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "rtrule", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
