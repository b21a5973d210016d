/* SPDX-License-Identifier: MIT */
/* What test_assume does not show: the kind of an interface, and what hangs on another one. */
#include <errno.h>
#include <string.h>

#include "netpolicy/observe/tcscan.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static void test_kind(void)
{
	struct tcscan scan;

	if (!netns_fresh())
		return;
	netns_run("ip link add up0 type veth peer name far0");
	CU_ASSERT_EQUAL(tcscan_look("up0", &scan), 0);
	CU_ASSERT_STRING_EQUAL(scan.kind, "veth");
	CU_ASSERT_TRUE(scan.index > 1);
	CU_ASSERT_FALSE(scan.has_xdp);
	CU_ASSERT_EQUAL(tcscan_look("lo", &scan), 0);
	CU_ASSERT_STRING_EQUAL(scan.kind, "");
	CU_ASSERT_EQUAL(scan.index, 1);
}

static void test_absent(void)
{
	struct tcscan scan = { .index = 77 };

	CU_ASSERT_EQUAL(tcscan_look("nobody-has-it", &scan), -ENODEV);
	CU_ASSERT_EQUAL(scan.index, 77);
}

static void test_of_another_interface(void)
{
	struct tcscan scan;

	if (!netns_fresh())
		return;
	netns_run("ip link add up0 type veth peer name far0");
	netns_run("tc qdisc add dev far0 clsact && "
		  "tc filter add dev far0 egress u32 match u32 0 0 flowid 1:1");
	CU_ASSERT_EQUAL(tcscan_look("up0", &scan), 0);
	CU_ASSERT_EQUAL(scan.n_filters, 0);
	CU_ASSERT_EQUAL(tcscan_look("far0", &scan), 0);
	CU_ASSERT_TRUE(scan.n_filters > 0);
	CU_ASSERT_TRUE(scan.is_egress);
	CU_ASSERT_FALSE(scan.is_ingress);
	CU_ASSERT_STRING_EQUAL(scan.filter, "u32");
}

static const struct tap_test tests[] = {
	{ "kind", test_kind },
	{ "absent", test_absent },
	{ "of another interface", test_of_another_interface },
	{ 0 },
};

static const struct tap_suite suites[] = { { "tcscan", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
