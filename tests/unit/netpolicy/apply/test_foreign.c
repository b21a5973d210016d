/* SPDX-License-Identifier: MIT */
/* What is large, what is foreign and what is hostile in the neighbourhood: our tables are loaded,
 * read back, compared and removed all the same. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "common/attr.h"
#include "common/clk.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/foreign.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/netpolicy/nftmessage.h"
#include "tests/unit/tunneld/kern/netns.h"

#define TEST_PREFIXES 131072
#define TEST_DESCRIPTORS 1100 /* beyond what select() can */

static struct compilewire_reply test_small, test_large; /* compiled once */

static bool test_ready(struct kernio **k)
{
	nftfixture_once(0, "", &test_small);
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_EQUAL(kernio_open(k), 0);
	return *k && test_small.batch;
}

static int test_apply(struct kernio *k, struct compilewire_reply *what, struct applier_result *ret)
{
	applier_release(ret);
	return applier_apply(k, what->batch, what->batch_len, &what->expected, ret);
}

/* The only wish that needs more than an unprivileged socket can send. */
static bool test_large_is_there(void)
{
	uint64_t start = clk_now_ns();

	if (geteuid() != 0) {
		tap_skip("only root can send so much at once");
		return false;
	}
	nftfixture_once(TEST_PREFIXES, "", &test_large);
	tap_note("compiled in %llu ms: %zu bytes, %zu records",
		 (unsigned long long)((clk_now_ns() - start) / CLK_NS_PER_MS), test_large.batch_len,
		 test_large.expected.n);
	return test_large.batch;
}

static void test_foreign_large_net(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	uint64_t start;

	if (!test_large_is_there() || !test_ready(&k))
		return;
	start = clk_now_ns();
	CU_ASSERT_EQUAL(test_apply(k, &test_large, &result), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_large, &result), 0);
	CU_ASSERT_TRUE(result.was_current);
	/* One element of very many. */
	netns_run("nft delete element inet postern many6 '{ 2001:1001:abc::/48 }'");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_large.expected, &result), APPLIER_E_DRIFT);
	CU_ASSERT_EQUAL(result.diff.n, 2); /* its beginning and its end */
	CU_ASSERT_PTR_NOT_NULL(strstr(result.diff.lines.text, "is missing (2001:1001:abc::)"));
	CU_ASSERT_EQUAL(test_apply(k, &test_large, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	/* To something small, and away. */
	CU_ASSERT_EQUAL(test_apply(k, &test_small, &result), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_large, &result), 0);
	CU_ASSERT_EQUAL(applier_unload(k), 0);
	tap_note("all that took %llu ms",
		 (unsigned long long)((clk_now_ns() - start) / CLK_NS_PER_MS));
}

/* Everything is missing; quadratic work would not end before the deadline of the program. */
static void test_foreign_large_difference(void)
{
	_cleanup_(kdiff_release) struct kdiff diff = { 0 };
	struct kdump none = { 0 };

	if (!test_large_is_there())
		return;
	CU_ASSERT_EQUAL(kdiff_compare(&test_large.expected, &test_small.expected, &diff), 0);
	CU_ASSERT_TRUE(diff.differs[0] && !diff.differs[1]);
	kdiff_release(&diff);
	CU_ASSERT_EQUAL(kdiff_compare(&none, &test_large.expected, &diff), 0);
	CU_ASSERT_TRUE(diff.n < 4);
}

static void test_foreign_large_file(void)
{
	_cleanup_(batchfile_release) struct batchfile back = { 0 };
	struct batchfile file = { .about = "large" };
	_cleanup_(kdiff_release) struct kdiff diff = { 0 };
	char path[PATH_MAX];

	if (!test_large_is_there())
		return;
	file.batch = test_large.batch;
	file.batch_len = test_large.batch_len;
	file.expected = test_large.expected;
	tmpdir_path(path, "large.batch");
	CU_ASSERT_EQUAL(batchfile_write(path, &file), 0);
	CU_ASSERT_EQUAL(batchfile_read(path, &back), 0);
	CU_ASSERT_EQUAL(back.expected.n, test_large.expected.n);
	CU_ASSERT_EQUAL(kdiff_compare(&test_large.expected, &back.expected, &diff), 0);
	CU_ASSERT_EQUAL(diff.n, 0);
}

/* The whole life of a policy beside something; nft itself may be unable to run there. */
static void test_life(struct kernio *k)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply again = { 0 };
	char command[PATH_MAX + 256];

	CU_ASSERT_EQUAL(nftfixture_compile(nftfixture_base, &again), 0);
	CU_ASSERT_EQUAL(again.batch_len, test_small.batch_len);
	CU_ASSERT_EQUAL(test_apply(k, &test_small, &result), 0);
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_small.expected, &result), 0);
	CU_ASSERT_EQUAL(applier_unload(k), 0);
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_small.expected, &result), APPLIER_E_DRIFT);
	snprintf(command, sizeof(command),
		 "%s/netpolicy/netpolicy-boot --state-dir %s >&2; echo $?",
		 getenv("POSTERN_TEST_BUILD"), tmpdir_get());
	netns_expect(command, "1"); /* no batch there: the closed one */
	CU_ASSERT_EQUAL(test_apply(k, &test_small, &result), 0);
	CU_ASSERT_EQUAL(applier_unload(k), 0);
}

static void test_foreign_beside_large_foreign_set(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	uint64_t start;

	if (!test_ready(&k))
		return;
	netns_run(
		"nft 'add table inet big; add set inet big s { type ipv6_addr; flags interval; }'");
	netns_run("{ echo 'add element inet big s {'; awk 'BEGIN { for (i = 0; i < 100000; i++) "
		  "printf \"2001:%%x:%%x::/48,\\n\", 4096 + int(i / 30000), 2 * (i %% 30000) }'; "
		  "echo '}'; } | nft -f -");
	start = clk_now_ns();
	test_life(k);
	tap_note("a whole life beside 100,000 elements: %llu ms",
		 (unsigned long long)((clk_now_ns() - start) / CLK_NS_PER_MS));
}

static void test_foreign_beside_poison(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	char *status;

	if (!test_ready(&k))
		return;
	nftfixture_poison();
	status = netns_output("nft list ruleset >/dev/null 2>&1; echo $?");
	tap_note("nft list ruleset beside it ends with status %s", status);
	free(status);
	test_life(k);
}

static void test_foreign_families(void)
{
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_INET), "inet");
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_IPV4), "ip");
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_IPV6), "ip6");
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_NETDEV), "netdev");
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_BRIDGE), "bridge");
	CU_ASSERT_STRING_EQUAL(foreign_family(NFPROTO_ARP), "arp");
}

/* A table and a base chain with names that nft would not take, but the kernel does. */
static void test_strange_names(const char *table, const char *chain)
{
	char bytes[1024] __attribute__((aligned(8))) = { 0 }, *at = bytes;
	struct mnl_socket *s = mnl_socket_open(NETLINK_NETFILTER);
	struct nlmsghdr *nlh = nftmessage(at, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC);
	struct nlattr *hook;

	at += nlh->nlmsg_len;
	nlh = nftmessage(at, NFT_MSG_NEWTABLE, NFPROTO_IPV6);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	at += nlh->nlmsg_len;
	nlh = nftmessage(at, NFT_MSG_NEWCHAIN, NFPROTO_IPV6);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
	hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(NF_INET_LOCAL_IN));
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl(7));
	mnl_attr_nest_end(nlh, hook);
	at += nlh->nlmsg_len;
	at += nftmessage(at, NFNL_MSG_BATCH_END, AF_UNSPEC)->nlmsg_len;
	CU_ASSERT_TRUE(s && mnl_socket_sendto(s, bytes, (size_t)(at - bytes)) > 0);
	mnl_socket_close(s);
}

/* What an operator reads must not steer his terminal. */
static void test_foreign_names(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(buf_release) struct buf lines = buf_init(FOREIGN_BYTES_MAX);

	if (!test_ready(&k))
		return;
	test_strange_names("a\033[2Jb", "c\nOK: d");
	CU_ASSERT_EQUAL(foreign_list(k, &lines), 0);
	CU_ASSERT_STRING_EQUAL(lines.text, "ip6 a?[2Jb: chain c?OK: d at input, priority 7\n");
}

static void test_foreign_with_many_descriptors(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct rlimit files;
	int fds[TEST_DESCRIPTORS];

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < TEST_DESCRIPTORS + 100) {
		tap_skip("the limit of open files is too low");
		return;
	}
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY);
	if (test_ready(&k))
		test_life(k);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static const struct tap_test test_foreign_tests[] = {
	{ "a net of 131,072 prefixes", test_foreign_large_net },
	{ "a difference of as many", test_foreign_large_difference },
	{ "a file of as many", test_foreign_large_file },
	{ "beside 100,000 foreign elements", test_foreign_beside_large_foreign_set },
	{ "beside a set that kills nft", test_foreign_beside_poison },
	{ "words for families", test_foreign_families },
	{ "names that would steer a terminal", test_foreign_names },
	{ "with descriptors over 1023", test_foreign_with_many_descriptors },
	{ 0 },
};

static const struct tap_suite test_foreign_suites[] = {
	{ "foreign", test_foreign_tests },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_foreign_suites);

	compilewire_release_reply(&test_small);
	compilewire_release_reply(&test_large);
	return r;
}
