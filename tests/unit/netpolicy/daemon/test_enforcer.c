/* SPDX-License-Identifier: MIT */
/* Loading, repairing and being blind, without the daemon around it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/liveset.h"
#include "netpolicy/daemon/enforcer.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/daemon/lawfixture.h"
#include "tests/unit/netpolicy/nftmessage.h"
#include "tests/unit/tunneld/kern/netns.h"

static bool test_ready(struct enforcer *e, bool may_own)
{
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_EQUAL(enforcer_open(e, may_own), 0);
	return e->k;
}

static void test_enforcer_loads(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	struct enforcer_report report;

	if (!test_ready(&e, false))
		return;
	lawfixture_make(1, &f);
	CU_ASSERT_EQUAL(enforcer_load(&e, &f, &report), 0);
	CU_ASSERT_TRUE(!f.batch && e.law.batch && !e.law.page && e.mode == ENFORCER_POLICY);
	CU_ASSERT_TRUE(e.is_intact && !e.is_owner && !e.is_learned && e.looked_s);
	CU_ASSERT_TRUE(enforcer_guards(&e, "eth0") && !enforcer_guards(&e, "eth1"));
	CU_ASSERT_PTR_NOT_NULL(enforcer_grant(&e, "ssh"));
	CU_ASSERT_PTR_NULL(enforcer_grant(&e, "ss"));
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(report.was_current && !report.n_found);
	netns_run("nft 'insert rule inet postern input accept; add counter inet postern mine'");
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(!report.was_current && report.n_found == 2 && report.found[0]);
}

/* What the kernel refuses leaves everything as it was, on both sides. */
static void test_enforcer_refused(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(batchfile_release) struct batchfile one = { 0 }, bad = { 0 };
	struct enforcer_report report;
	uint8_t *name = NULL;

	if (!test_ready(&e, false))
		return;
	lawfixture_make(1, &one);
	lawfixture_make(2, &bad);
	CU_ASSERT_EQUAL(enforcer_load(&e, &one, &report), 0);
	for (uint8_t *p = bad.batch;
	     p && (p = memmem(p, (size_t)(bad.batch + bad.batch_len - p), "services", 9)); p++)
		name = p;
	if (name)
		*name = 'q';
	CU_ASSERT_TRUE(enforcer_load(&e, &bad, &report) < 0);
	CU_ASSERT_TRUE(report.error[0] && bad.batch && bad.page);
	CU_ASSERT_STRING_EQUAL(e.law.about, "policy 1");
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(report.was_current);
}

/* Another process that owns the tables is told from every other refusal. */
static void test_enforcer_owned(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 }, other = { 0 };
	_cleanup_(batchfile_release) struct batchfile one = { 0 }, two = { 0 };
	struct enforcer_report report;

	if (!test_ready(&e, true))
		return;
	lawfixture_make(1, &one);
	lawfixture_make(2, &two);
	CU_ASSERT_EQUAL(enforcer_load(&e, &one, &report), 0);
	if (!e.is_owner) {
		tap_skip("this kernel has no owner and persist");
		return;
	}
	CU_ASSERT_EQUAL(enforcer_open(&other, true), 0);
	CU_ASSERT_EQUAL(enforcer_load(&other, &two, &report), -EPERM);
	enforcer_close(&e);
	CU_ASSERT_EQUAL(enforcer_load(&other, &two, &report), 0);
	CU_ASSERT_TRUE(other.is_owner);
}

static void test_enforcer_blind(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	struct enforcer_report report;

	if (!test_ready(&e, false))
		return;
	/* Open chains of our name are no rules that look closed. */
	netns_run("nft 'table inet postern { chain input { type filter hook input priority -10; "
		  "policy accept; }; }'");
	CU_ASSERT_EQUAL(enforcer_begin_blind(&e, &report), 0);
	CU_ASSERT_TRUE(e.mode == ENFORCER_CLOSED && e.is_intact && report.n_found);
	enforcer_close(&e);
	CU_ASSERT_EQUAL(enforcer_open(&e, false), 0);
	CU_ASSERT_EQUAL(enforcer_begin_blind(&e, &report), 0);
	CU_ASSERT_TRUE(e.mode == ENFORCER_BLIND && e.is_intact && report.was_current);
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(e.mode == ENFORCER_BLIND && report.was_current);
	netns_run("nft 'chain inet postern output { policy accept; }'");
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(e.mode == ENFORCER_CLOSED && report.n_found && e.is_intact);
	netns_expect("nft list chain inet postern output | grep -c 'policy drop'", "1");
}

/* Commits to a table of its own as fast as it can, until it is ended. */
static void test_storm(void)
{
	struct mnl_socket *s = mnl_socket_open(NETLINK_NETFILTER);

	if (!s)
		_exit(1);
	for (unsigned int i = 0;; i++) {
		char bytes[512] __attribute__((aligned(8))) = { 0 }, *at = bytes;
		uint16_t type = i % 2 ? NFT_MSG_DELTABLE : NFT_MSG_NEWTABLE;
		struct nlmsghdr *nlh = nftmessage(at, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC);

		at += nlh->nlmsg_len;
		nlh = nftmessage(at, type, NFPROTO_INET);
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "other");
		at += nlh->nlmsg_len;
		at += nftmessage(at, NFNL_MSG_BATCH_END, AF_UNSPEC)->nlmsg_len;
		if (mnl_socket_sendto(s, bytes, (size_t)(at - bytes)) < 0)
			_exit(1);
	}
}

/* Who commits to other tables all the time keeps nothing of ours from being put right. */
static void test_enforcer_storm(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	struct liveset_element live = { .set = "grant_ssh6", .left_ms = 60000 };
	struct enforcer_report report;
	size_t n_failed = 0;
	pid_t storm;

	if (!test_ready(&e, false))
		return;
	lawfixture_make(1, &f);
	CU_ASSERT_EQUAL(enforcer_load(&e, &f, &report), 0);
	fflush(NULL);
	storm = fork();
	if (storm == 0)
		test_storm();
	for (int i = 0; i < 20; i++) {
		netns_run("nft flush chain inet postern input");
		n_failed += enforcer_repair(&e, &report) != 0 || !report.n_found || !e.is_intact;
		live.addr.s6_addr[15] = (uint8_t)i;
		n_failed += liveset_put(e.k, &live) != 0 || liveset_drop(e.k, &live) != 0;
	}
	CU_ASSERT_EQUAL(n_failed, 0);
	/* Nor from beginning without a policy. */
	CU_ASSERT_EQUAL(enforcer_begin_blind(&e, &report), 0);
	CU_ASSERT_TRUE(e.is_intact && e.mode == ENFORCER_BLIND);
	kill(storm, SIGKILL);
	waitpid(storm, NULL, 0);
	CU_ASSERT_EQUAL(enforcer_repair(&e, &report), 0);
	CU_ASSERT_TRUE(report.was_current);
}

/* Chains that drop in a table that sleeps. */
static void test_enforcer_dormant(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	struct enforcer_report report;

	if (!test_ready(&e, false))
		return;
	netns_run("printf 'table inet postern { flags dormant; chain input { type filter hook "
		  "input priority -10; policy drop; }; chain output { type filter hook output "
		  "priority -10; policy drop; }; chain forward { type filter hook forward "
		  "priority -10; policy drop; }; }' | nft -f -");
	CU_ASSERT_EQUAL(enforcer_begin_blind(&e, &report), 0);
	CU_ASSERT_TRUE(e.mode == ENFORCER_CLOSED && e.is_intact);
	netns_expect("nft list table inet postern | grep -c dormant", "0");
}

static const struct tap_test test_enforcer_tests[] = {
	{ "loads and repairs", test_enforcer_loads },
	{ "what the kernel refuses", test_enforcer_refused },
	{ "tables of another", test_enforcer_owned },
	{ "without a policy", test_enforcer_blind },
	{ "while others commit all the time", test_enforcer_storm },
	{ "a table that sleeps", test_enforcer_dormant },
	{ 0 },
};

static const struct tap_suite test_enforcer_suites[] = {
	{ "enforcer", test_enforcer_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_enforcer_suites);
}
