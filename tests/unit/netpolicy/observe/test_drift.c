/* SPDX-License-Identifier: MIT */
/* Commits of real nft in a network namespace of its own, datagrams that are wrong, and a reader
 * that is too slow. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "netpolicy/observe/drift.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

/* What nft did with one command line: its commits, added up. */
static struct drift_commit test_after(struct drift_watch *w, const char *command, size_t *ret_n)
{
	struct drift_commit last = { 0 }, c;

	*ret_n = 0;
	netns_run("%s", command);
	while (drift_next(w, &c) == 0) {
		last = c;
		++*ret_n;
	}
	return last;
}

static void test_drift_who(void)
{
	static const struct {
		const char *command;
		bool touches;
	} rows[] = {
		{ "nft add table inet postern", true },
		{ "nft add table ip postern", false },
		{ "nft add table inet posterns", false },
		{ "nft add table inet poster", false },
		{ "nft add table netdev postern", false },
		{ "nft add table netdev postern_guard", true },
		{ "nft 'add chain inet postern c; add rule inet postern c accept'", true },
		{ "nft 'add set inet postern s { type ipv6_addr; }'", true },
		{ "nft add element inet postern s '{ fd00::1 }'", true },
		{ "nft rename chain inet postern c d", true },
		{ "nft 'add table ip z; add chain inet postern e; delete table ip z'", true },
		{ "nft flush ruleset", true },
	};
	struct drift_watch w;
	size_t n;

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(drift_open(&w), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct drift_commit c = test_after(&w, rows[i].command, &n);

		if (n != 1 || c.touched_ours != rows[i].touches || !c.generation || !c.pid ||
		    !c.port || strcmp(c.command, "nft") != 0)
			tap_fail(__FILE__, __LINE__, "%s: %zu commits, touched %d, by %s",
				 rows[i].command, n, c.touched_ours, c.command);
	}
	test_after(&w, "nft list ruleset", &n);
	CU_ASSERT_EQUAL(n, 0);
	drift_close(&w);
	drift_close(&w);
	CU_ASSERT_EQUAL(w.fd, -1);
}

static struct nlmsghdr *test_message(void *at, int type, uint8_t family, const char *table)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_pid = 99;
	gen->nfgen_family = family;
	if (table)
		mnl_attr_put_strz(nlh, 1, table);
	return nlh;
}

/* The end of a commit by @port. */
static struct nlmsghdr *test_end(void *at, uint32_t port, uint32_t generation, const char *name)
{
	struct nlmsghdr *nlh = test_message(at, NFT_MSG_NEWGEN, 0, NULL);

	nlh->nlmsg_pid = port;
	mnl_attr_put_u32(nlh, NFTA_GEN_ID, htonl(generation));
	mnl_attr_put_u32(nlh, NFTA_GEN_PROC_PID, htonl(port + 1000));
	mnl_attr_put_strz(nlh, NFTA_GEN_PROC_NAME, name);
	return nlh;
}

static size_t test_feed(struct drift_watch *w, const struct nlmsghdr *nlh, struct drift_commit *ret)
{
	size_t n = 99;

	CU_ASSERT_EQUAL(drift_feed(w, nlh, nlh->nlmsg_len, ret, &n), 0);
	return n;
}

/* Its messages may come in several reads; our own commits are known by their socket. */
static void test_drift_pieces(void)
{
	char bytes[512] __attribute__((aligned(8)));
	struct drift_watch w = { .fd = -1, .own_port = 7 };
	struct drift_commit c = { .pid = 42 };

	CU_ASSERT_EQUAL(test_feed(&w, test_message(bytes, NFT_MSG_NEWRULE, NFPROTO_INET, "postern"),
				  &c),
			0);
	CU_ASSERT_EQUAL(c.pid, 42);
	CU_ASSERT_EQUAL(
		test_feed(&w, test_message(bytes, NFT_MSG_NEWRULE, NFPROTO_INET, "other"), &c), 0);
	CU_ASSERT_EQUAL(test_feed(&w, test_end(bytes, 8, 3, "a\tb\033[m012345678"), &c), 1);
	CU_ASSERT_TRUE(c.touched_ours && c.n_messages == 2 && c.generation == 3);
	CU_ASSERT_TRUE(c.pid == 1008 && c.port == 8);
	CU_ASSERT_STRING_EQUAL(c.command, "a?b?[m012345678");
	CU_ASSERT_EQUAL(test_feed(&w, test_end(bytes, 8, 4, "b"), &c), 1);
	CU_ASSERT_FALSE(c.touched_ours);
	test_feed(&w, test_message(bytes, NFT_MSG_DELTABLE, NFPROTO_NETDEV, "postern_guard"), &c);
	CU_ASSERT_EQUAL(test_feed(&w, test_end(bytes, 7, 5, "b"), &c), 1);
	CU_ASSERT_FALSE(c.touched_ours);
}

/* Several commits in one datagram: the one that matters is told. */
static void test_drift_several(void)
{
	char bytes[1024] __attribute__((aligned(8)));
	struct drift_watch w = { .fd = -1 };
	struct drift_commit c = { 0 };
	size_t len = 0, n = 0;

	len += test_end(bytes, 5, 1, "first")->nlmsg_len;
	len += test_message(bytes + len, NFT_MSG_NEWSET, NFPROTO_INET, "postern")->nlmsg_len;
	len += test_end(bytes + len, 6, 2, "mid")->nlmsg_len;
	len = NLMSG_ALIGN(len);
	len += test_end(bytes + len, 7, 3, "last")->nlmsg_len;
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, len, &c, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_TRUE(c.touched_ours && c.port == 6);
	CU_ASSERT_STRING_EQUAL(c.command, "mid");
}

static void test_drift_bad(void)
{
	char bytes[512] __attribute__((aligned(8)));
	struct drift_watch w = { .fd = -1 };
	struct drift_commit c = { .pid = 42 };
	struct nlmsghdr *nlh = test_end(bytes, 5, 1, "x");
	size_t len = nlh->nlmsg_len, n = 77;

	for (size_t cut = 1; cut < len; cut++)
		CU_ASSERT_EQUAL(drift_feed(&w, bytes, cut, &c, &n), -EBADMSG);
	nlh->nlmsg_len = 0;
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, len, &c, &n), -EBADMSG);
	nlh->nlmsg_len = UINT32_MAX;
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, len, &c, &n), -EBADMSG);
	nlh->nlmsg_len = NLMSG_HDRLEN; /* no nfgenmsg */
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, NLMSG_HDRLEN, &c, &n), -EBADMSG);
	nlh = test_end(bytes, 5, 1, "x");
	bytes[NLMSG_LENGTH(sizeof(struct nfgenmsg))] = 1; /* an attribute of one byte */
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, len, &c, &n), -EBADMSG);
	CU_ASSERT_TRUE(n == 77 && c.pid == 42);
	/* What was half a commit is forgotten with it. */
	test_feed(&w, test_message(bytes, NFT_MSG_NEWRULE, NFPROTO_INET, "postern"), &c);
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, 3, &c, &n), -EBADMSG);
	CU_ASSERT_EQUAL(test_feed(&w, test_end(bytes, 5, 1, "x"), &c), 1);
	CU_ASSERT_FALSE(c.touched_ours);
	/* Another subsystem's message is none of ours, and an empty datagram is nothing. */
	nlh = test_message(bytes, 0, NFPROTO_INET, "postern");
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8;
	CU_ASSERT_EQUAL(test_feed(&w, nlh, &c), 0);
	CU_ASSERT_EQUAL(drift_feed(&w, bytes, 0, &c, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

/* Thousands of commits into the smallest buffer there is: it is told, and the stream goes on. */
static void test_drift_overrun(void)
{
	struct drift_commit c;
	struct drift_watch w;
	int bytes = 1, r;
	size_t n;

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(drift_open(&w), 0);
	CU_ASSERT_EQUAL(setsockopt(w.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	netns_run("nft add table inet postern; "
		  "seq 3000 | sed 's/.*/add counter inet postern c&/' | nft -i > /dev/null");
	do
		r = drift_next(&w, &c);
	while (r == 0);
	CU_ASSERT_EQUAL(r, DRIFT_E_OVERRUN);
	while ((r = drift_next(&w, &c)) == 0 || r == DRIFT_E_OVERRUN)
		;
	CU_ASSERT_EQUAL(r, DRIFT_E_NONE);
	test_after(&w, "nft flush ruleset", &n);
	while ((r = drift_next(&w, &c)) == 0 || r == DRIFT_E_OVERRUN)
		;
	c = test_after(&w, "nft add table inet postern", &n);
	CU_ASSERT_TRUE(n == 1 && c.touched_ours);
	drift_close(&w);
}

static const struct tap_test test_drift_tests[] = {
	{ "who touched what", test_drift_who },
	{ "a commit in pieces, and our own", test_drift_pieces },
	{ "several commits in a datagram", test_drift_several },
	{ "datagrams that are wrong", test_drift_bad },
	{ "a reader that is too slow", test_drift_overrun },
	{ 0 },
};

static const struct tap_suite test_drift_suites[] = {
	{ "drift", test_drift_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_drift_suites);
}
