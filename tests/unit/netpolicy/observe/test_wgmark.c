/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "netpolicy/observe/wgmark.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static void test_without(void)
{
	uint32_t mark = 77;
	int r;

	if (!netns_fresh())
		return;
	r = wgmark_read("nobody-has-it", &mark);
	CU_ASSERT_TRUE(r == -ENOENT || r == -ENODEV);
	CU_ASSERT_EQUAL(mark, 77);
	r = wgmark_read("lo", &mark);
	CU_ASSERT_TRUE(r == -ENOENT || r == -EOPNOTSUPP);
	CU_ASSERT_EQUAL(mark, 77);
}

static void test_mark(void)
{
	uint32_t mark = 77;

	if (!netns_fresh())
		return;
	if (wgmark_read("lo", &mark) == -ENOENT) {
		tap_skip("this kernel has no WireGuard");
		return;
	}
	netns_run("ip link add tun0 type wireguard");
	CU_ASSERT_EQUAL(wgmark_read("tun0", &mark), 0);
	CU_ASSERT_EQUAL(mark, 0);
	netns_run("wg set tun0 fwmark 0x504f");
	CU_ASSERT_EQUAL(wgmark_read("tun0", &mark), 0);
	CU_ASSERT_EQUAL(mark, 0x504f);
}

static const struct tap_test tests[] = {
	{ "without WireGuard", test_without },
	{ "mark", test_mark },
	{ 0 },
};

static const struct tap_suite suites[] = { { "wgmark", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
