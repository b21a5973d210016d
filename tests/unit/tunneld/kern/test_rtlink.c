/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtlink.h"

static struct nlsock *sock;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	netns_run("ip link add v0 type veth peer name v1");
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&sock), 0);
	return true;
}

static void teardown(void)
{
	nlsock_close(sock);
	sock = NULL;
}

static void test_read(void)
{
	struct rtlink link = { 0 };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtlink_read(sock, "v0", &link), 0);
	CU_ASSERT_STRING_EQUAL(link.kind, "veth");
	CU_ASSERT_FALSE(link.up);
	CU_ASSERT_EQUAL(link.mtu, 1500);
	CU_ASSERT_EQUAL(rtlink_read(sock, "lo", &link), 0);
	CU_ASSERT_EQUAL(link.ifindex, 1);
	CU_ASSERT_STRING_EQUAL(link.kind, "");
	CU_ASSERT_TRUE(link.up);
}

static void test_absent(void)
{
	struct rtlink link;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtlink_read(sock, "postern0", &link), -ENODEV);
	CU_ASSERT_EQUAL(rtlink_set_up(sock, "postern0"), -ENODEV);
	CU_ASSERT_EQUAL(rtlink_set_mtu(sock, "postern0", 1280), -ENODEV);
}

static void test_other_name_is_not_ours(void)
{
	struct rtlink link;

	if (!fresh())
		return;
	netns_run("ip link property add dev v0 altname postern0");
	CU_ASSERT_EQUAL(rtlink_read(sock, "postern0", &link), -ENODEV);
}

static void test_set_up_twice(void)
{
	struct rtlink link = { 0 };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtlink_set_up(sock, "v0"), 0);
	CU_ASSERT_EQUAL(rtlink_set_up(sock, "v0"), 0);
	CU_ASSERT_EQUAL(rtlink_read(sock, "v0", &link), 0);
	CU_ASSERT_TRUE(link.up);
	CU_ASSERT_EQUAL(rtlink_read(sock, "v1", &link), 0);
	CU_ASSERT_FALSE(link.up);
}

static void test_mtu(void)
{
	struct rtlink link = { 0 };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtlink_set_mtu(sock, "v0", 1280), 0);
	CU_ASSERT_EQUAL(rtlink_set_mtu(sock, "v0", 1280), 0);
	CU_ASSERT_EQUAL(rtlink_set_mtu(sock, "v0", 1), -EINVAL);
	/* the kernel's own words */
	CU_ASSERT_PTR_NOT_NULL(strstr(nlsock_error_text(sock), "mtu"));
	CU_ASSERT_EQUAL(rtlink_read(sock, "v0", &link), 0);
	CU_ASSERT_EQUAL(link.mtu, 1280);
	CU_ASSERT_STRING_EQUAL(nlsock_error_text(sock), "");
}

static const struct tap_test tests[] = {
	{ "kind, state and MTU", test_read },
	{ "an interface that is not there", test_absent },
	{ "an alternative name is not the name", test_other_name_is_not_ours },
	{ "up stays up", test_set_up_twice },
	{ "MTU, and the kernel's words on a bad one", test_mtu },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "rtlink", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
