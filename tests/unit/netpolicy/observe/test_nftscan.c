/* SPDX-License-Identifier: MIT */
/* What test_assume does not show: targets of iptables, our own tables, and who may not look. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <linux/netfilter.h>

#include "netpolicy/observe/nftscan.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct nftscan scan;

static int look(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r = kernio_open(&k);

	return r < 0 ? r : nftscan_look(k, &scan);
}

static void test_ours_are_not_foreign(void)
{
	if (!netns_fresh())
		return;
	netns_run("nft 'table inet postern { chain o { type route hook output priority -150; "
		  "meta mark set 1; }; }'");
	/* The same name in another family is a stranger's. */
	netns_run("nft 'table ip6 postern { chain o { type route hook output priority -150; "
		  "meta mark set 1; }; }'");
	CU_ASSERT_EQUAL(look(), 0);
	CU_ASSERT_EQUAL(scan.n_chains, 1);
	CU_ASSERT_EQUAL(scan.n, 1);
	CU_ASSERT_EQUAL(scan.list[0].family, NFPROTO_IPV6);
	CU_ASSERT_EQUAL(scan.list[0].kind, NFTSCAN_MARK);
	CU_ASSERT_EQUAL(scan.list[0].hooks, 1u << NF_INET_LOCAL_OUT);
	CU_ASSERT_EQUAL(scan.n_guards, 0);
}

static void test_count(void)
{
	if (!netns_fresh())
		return;
	netns_run("nft 'table ip6 n { chain a { type nat hook prerouting priority -100; "
		  "tcp dport 1 redirect; tcp dport 2 redirect; }; "
		  "chain b { type nat hook output priority -100; redirect; }; }'");
	CU_ASSERT_EQUAL(look(), 0);
	CU_ASSERT_EQUAL(scan.n, 2);
	CU_ASSERT_EQUAL(scan.n_nat_chains, 2);
	CU_ASSERT_EQUAL(scan.list[0].n, 2);
	CU_ASSERT_EQUAL(scan.list[1].n, 1);
	CU_ASSERT_STRING_EQUAL(scan.list[1].chain, "b");
	CU_ASSERT_EQUAL(scan.list[0].hooks, 1u << NF_INET_PRE_ROUTING | 1u << NF_INET_LOCAL_OUT);
}

static void test_guards(void)
{
	if (!netns_fresh())
		return;
	netns_run("ip link add up0 type veth peer name up1");
	netns_run("nft 'table netdev postern_guard { "
		  "chain egress_up0 { type filter hook egress device up0 priority 500; counter; }; "
		  "chain egress_up1 { type filter hook egress device up1 priority 500; }; }'");
	CU_ASSERT_EQUAL(look(), 0);
	CU_ASSERT_EQUAL(scan.n_guards, 1);
	CU_ASSERT_STRING_EQUAL(scan.guards[0], "up0");
	CU_ASSERT_EQUAL(scan.n_chains, 0);
}

static void test_no_right(void)
{
	int status = -1;
	pid_t pid;

	if (getuid() != 0) {
		tap_skip("needs root to give its right up");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) == 0 && look() == -EPERM ? 0 : 1);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static const struct tap_test tests[] = {
	{ "ours are not foreign", test_ours_are_not_foreign },
	{ "rules are counted by chain", test_count },
	{ "guards", test_guards },
	{ "without the right", test_no_right },
	{ 0 },
};

static const struct tap_suite suites[] = { { "nftscan", tests, NULL, NULL }, { 0 } };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
