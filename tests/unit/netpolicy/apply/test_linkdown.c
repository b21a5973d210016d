/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "common/attr.h"
#include "netpolicy/apply/linkdown.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static void test_all_but_loopback(void)
{
	size_t n = 99;

	if (!netns_fresh())
		return;
	netns_run("ip link add a0 type veth peer name a1");
	netns_run("ip link set a0 up; ip link set a1 up");
	netns_run("ip link add b0 type veth peer name b1"); /* stays down: nothing to take */
	CU_ASSERT_EQUAL(linkdown_all(&n), 0);
	CU_ASSERT_EQUAL(n, 2);
	netns_expect("ip -o link show up | awk '{ print $2 }'", "lo:");
}

static void test_again(void)
{
	size_t n = 99;

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(linkdown_all(&n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void test_limit(void)
{
	size_t n = 0;

	if (!netns_fresh())
		return;
	/* One end of each pair is enough: a link without a carrier is up, too. */
	netns_batch(LINKDOWN_LINKS_MAX + 1, "link add a%u type veth\n");
	netns_batch(LINKDOWN_LINKS_MAX + 1, "link set a%u up\n");
	CU_ASSERT_EQUAL(linkdown_all(&n), -E2BIG);
	CU_ASSERT_EQUAL(n, LINKDOWN_LINKS_MAX);
	/* What was over the limit is left to a second call. */
	CU_ASSERT_EQUAL(linkdown_all(&n), 0);
	CU_ASSERT_EQUAL(n, 1);
}

static const struct tap_test test_linkdown_tests[] = {
	{ "all but loopback", test_all_but_loopback },
	{ "nothing left to take", test_again },
	{ "limit", test_limit },
	{ 0 },
};

static const struct tap_suite test_linkdown_suites[] = {
	{ "linkdown", test_linkdown_tests },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_linkdown_suites);
}
