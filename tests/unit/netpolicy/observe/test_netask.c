/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/observe/netask.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static char request[NETASK_REQUEST_BYTES] __attribute__((aligned(8)));

static struct nlmsghdr *link_request(uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return nlh;
}

static int count(const struct nlmsghdr *nlh, void *ctx)
{
	*(size_t *)ctx += nlh->nlmsg_type == RTM_NEWLINK;
	return MNL_CB_OK;
}

static void test_dump(void)
{
	struct netask ask = { NETLINK_ROUTE, count, &(size_t){ 0 } };

	if (!netns_fresh())
		return;
	for (int i = 0; i < 200; i++)
		netns_run("ip link add a%d type veth peer name b%d", i, i);
	/* More than one datagram. */
	CU_ASSERT_EQUAL(netask(&ask, link_request(NLM_F_DUMP)), 0);
	CU_ASSERT_EQUAL(*(size_t *)ask.ctx, 401);
}

static void test_one(void)
{
	struct netask ask = { NETLINK_ROUTE, count, &(size_t){ 0 } };
	struct nlmsghdr *nlh = link_request(NLM_F_ACK);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, "lo");
	CU_ASSERT_EQUAL(netask(&ask, nlh), 0);
	CU_ASSERT_EQUAL(*(size_t *)ask.ctx, 1);
}

static void test_refusals(void)
{
	struct netask ask = { NETLINK_ROUTE, count, &(size_t){ 0 } };
	struct nlmsghdr *nlh = link_request(NLM_F_ACK);

	mnl_attr_put_strz(nlh, IFLA_IFNAME, "nobody-has-it");
	CU_ASSERT_EQUAL(netask(&ask, nlh), -ENODEV);
	CU_ASSERT_EQUAL(*(size_t *)ask.ctx, 0);
	ask.protocol = 31; /* MAX_LINKS - 1: no such protocol */
	CU_ASSERT_EQUAL(netask(&ask, link_request(NLM_F_ACK)), -EPROTONOSUPPORT);
}

static void test_attr(void)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	const char *at = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	size_t len;

	mnl_attr_put_u32(nlh, 1, 11);
	mnl_attr_put_u8(nlh, 2, 22);
	mnl_attr_put_u32(nlh, 1, 33);
	len = mnl_nlmsg_get_payload_len(nlh);
	attr = netask_attr(at, len, 1);
	CU_ASSERT_PTR_NOT_NULL(attr);
	CU_ASSERT_EQUAL(attr ? mnl_attr_get_u32(attr) : 0, 11);
	attr = netask_attr(at, len, 2);
	CU_ASSERT_EQUAL(attr ? mnl_attr_get_u8(attr) : 0, 22);
	CU_ASSERT_PTR_NULL(netask_attr(at, len, 3));
	CU_ASSERT_PTR_NULL(netask_attr(at, 0, 1));
	/* The second one is cut off. */
	CU_ASSERT_PTR_NULL(netask_attr(at, 8 + 4, 2));
	CU_ASSERT_PTR_NULL(netask_attr(at, 3, 1));
}

static const struct tap_test tests[] = {
	{ "a dump of many datagrams", test_dump },
	{ "one answer", test_one },
	{ "refusals", test_refusals },
	{ "attributes", test_attr },
	{ 0 },
};

static const struct tap_suite suites[] = { { "netask", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
