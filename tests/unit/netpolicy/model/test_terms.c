/* SPDX-License-Identifier: MIT */
/* What a policy means for single packets; that the rules say the same is for the tests of
 * netpolicy/oracle. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/model/terms.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/policyfixture.h"

#define HOST "2001:db8:9::1"
#define CONFIG "2001:db8:c::1"
#define GATEWAY "fd12::1"
#define LB "2001:db8:100::5"
#define LB4 "10.128.0.9"
#define ELSEWHERE "2001:db8:ffff::1"
#define LOCAL "fe80::1"
#define NOBODY UINT32_MAX

static const char test_lines[] = "net lb 2001:db8:100::/64 10.128.0.0/16\n" /* policy.conf:14 */
				 "from lb allow tcp 443 udp 53\n"
				 "to lb allow tcp 8080-8090 user app\n"
				 "to any allow tcp 80\n"
				 "from config allow tcp 8080\n"
				 "grant ssh tcp 22 from config max 4h\n"
				 "to any via tun allow tcp 443\n";

static struct policy *test_policy;
static struct terms test_terms;

static void test_setup(void)
{
	char error[POLICY_ERROR_MAX] = "";

	test_policy = policyfixture_build(test_lines, error);
	if (!test_policy)
		tap_fail(__FILE__, __LINE__, "%s", error);
	if (test_policy && terms_make(test_policy, &test_terms) < 0)
		tap_fail(__FILE__, __LINE__, "no terms");
}

static void test_teardown(void)
{
	terms_release(&test_terms);
	policy_free(test_policy);
	test_policy = NULL;
}

/* A packet in few words; what is 0 has the value of an ordinary packet. */
struct test_row {
	enum terms_link link;
	const char *far;
	uint8_t proto; /* with port: TCP, UDP; ICMPv6: type */
	uint16_t port; /* of the served end, or the type */
	enum terms_ct ct;
	uint32_t uid, mark, grants, facts;
	uint8_t hop;
	uint16_t other_port;
	const char *near;
	enum terms_verdict verdict;
	const char *where; /* of the line, or the first words of what is implied; NULL = whatever */
};

static void test_address(const char *text, struct in6_addr *ret)
{
	struct ip6_prefix p = { .len = 0 };

	CU_ASSERT_EQUAL(policy_parse_prefix(text, &p), 0);
	*ret = p.addr;
}

static struct terms_packet test_packet(const struct test_row *row, enum policy_dir dir)
{
	struct terms_packet p = {
		.dir = dir,
		.link = row->link,
		.family = strchr(row->far, ':') ? 6 : 4,
		.proto = row->proto,
		.hop_limit = row->hop ? row->hop : 64,
		.ct = row->ct,
		.has_uid = row->uid != NOBODY,
		.uid = row->uid,
		.mark = row->mark,
		.grants = row->grants,
		.facts = row->facts,
	};
	uint16_t other = row->other_port ? row->other_port : 40000;

	test_address(row->far, &p.far);
	test_address(row->near ? row->near : p.family == 6 ? HOST : "10.0.0.1", &p.near);
	if (row->proto == POLICY_ICMP6)
		p.icmp_type = (uint8_t)row->port;
	else if (dir == POLICY_IN)
		p.near_port = row->port, p.far_port = other;
	else
		p.far_port = row->port, p.near_port = other;
	return p;
}

static void test_decide(const struct terms_packet *packet, const struct test_row *row, size_t n)
{
	struct terms_answer a = terms_decide(&test_terms, packet);
	const char *says = *a.item->where ? a.item->where : a.item->what;

	if (a.verdict != row->verdict ||
	    (row->where && strncmp(says, row->where, strlen(row->where)) != 0))
		tap_fail(__FILE__, __LINE__, "row %zu, %s port %u: %s by '%s'", n, row->far,
			 row->port, terms_verdict_name(a.verdict), says);
	CU_PASS("decided");
}

static void test_rows(const struct test_row *rows, size_t n, enum policy_dir dir, bool raw)
{
	for (size_t i = 0; i < n && test_policy; i++) {
		struct terms_packet packet = test_packet(&rows[i], dir);

		packet.from_packet_socket = raw;
		test_decide(&packet, &rows[i], i);
	}
}

static void test_terms_in(void)
{
	static const struct test_row rows[] = {
		{ TERMS_LO, LB, 6, 1, .verdict = TERMS_ACCEPT, .where = "loopback" },
		{ TERMS_UP, LB, 6, 443, .verdict = TERMS_ACCEPT, .where = "policy.conf:15" },
		{ TERMS_UP, LB4, 6, 443, .verdict = TERMS_ACCEPT, .where = "policy.conf:15" },
		{ TERMS_UP, LB, 17, 53, .verdict = TERMS_ACCEPT, .where = "policy.conf:15" },
		{ TERMS_UP, LB, 17, 443, .verdict = TERMS_DROP, .where = "not written" },
		{ TERMS_UP, LB, 6, 444, .verdict = TERMS_DROP, .where = "not written" },
		{ TERMS_UP, "2001:db8:101::5", 6, 443, .verdict = TERMS_DROP,
		  .where = "not written" },
		{ TERMS_UP, "10.129.0.1", 6, 443, .verdict = TERMS_DROP },
		{ TERMS_TUN, LB, 6, 443, .verdict = TERMS_DROP, .where = "not written" },
		{ TERMS_OTHER, LB, 6, 443, .verdict = TERMS_DROP, .where = "not written" },
		{ TERMS_UP, LB, 6, 443, .ct = TERMS_INVALID, .verdict = TERMS_DROP,
		  .where = "belongs" },
		{ TERMS_UP, LB, 6, 1, .ct = TERMS_ESTABLISHED, .verdict = TERMS_ACCEPT,
		  .where = "est" },
		{ TERMS_OTHER, LB, 6, 1, .ct = TERMS_RELATED, .verdict = TERMS_ACCEPT,
		  .where = "est" },
		{ TERMS_UP, LB, 6, 443, .ct = TERMS_UNTRACKED, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, LB, 6, 443, .facts = TERMS_OWN_SOURCE, .verdict = TERMS_DROP },
		{ TERMS_UP, LB, 6, 443, .facts = TERMS_NO_WAY_BACK, .verdict = TERMS_DROP },
		{ TERMS_OTHER, LB, 6, 1, .ct = TERMS_ESTABLISHED, .facts = TERMS_NO_WAY_BACK,
		  .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "::1", 6, 443, .verdict = TERMS_DROP,
		  .where = "a source that is never" },
		{ TERMS_TUN, "ff02::1", 6, 443, .verdict = TERMS_DROP, .where = "a source that" },
		{ TERMS_UP, "127.0.0.1", 6, 443, .verdict = TERMS_DROP, .where = "a source that" },
		{ TERMS_UP, "224.0.0.1", 6, 443, .verdict = TERMS_DROP, .where = "a source that" },
		{ TERMS_UP, LB, 17, 9, .near = "ff02::9", .verdict = TERMS_DROP,
		  .where = "multicast" },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_IN, false);
}

static void test_terms_in_zone(void)
{
	static const struct test_row rows[] = {
		{ TERMS_TUN, CONFIG, 6, 8080, .verdict = TERMS_ACCEPT, .where = "policy.conf:18" },
		{ TERMS_UP, CONFIG, 6, 8080, .verdict = TERMS_DROP, .where = "from the zone" },
		{ TERMS_UP, CONFIG, 6, 8080, .ct = TERMS_ESTABLISHED, .verdict = TERMS_DROP,
		  .where = "from the zone" },
		{ TERMS_UP, CONFIG, 17, 5000, .ct = TERMS_ESTABLISHED, .other_port = 51820,
		  .verdict = TERMS_ACCEPT, .where = "policy.conf:10" },
		{ TERMS_UP, CONFIG, 17, 5000, .other_port = 51820, .verdict = TERMS_DROP },
		{ TERMS_OTHER, CONFIG, 17, 5000, .ct = TERMS_ESTABLISHED, .other_port = 51820,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, CONFIG, 6, 5000, .ct = TERMS_ESTABLISHED, .other_port = 4443,
		  .verdict = TERMS_ACCEPT, .where = "policy.conf:11" },
		{ TERMS_UP, CONFIG, 6, 5000, .ct = TERMS_ESTABLISHED, .other_port = 51820,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, GATEWAY, 6, 1, .ct = TERMS_ESTABLISHED, .verdict = TERMS_DROP },
		{ TERMS_TUN, GATEWAY, 6, 1, .ct = TERMS_ESTABLISHED, .verdict = TERMS_ACCEPT },
		{ TERMS_TUN, GATEWAY, 6, 8080, .verdict = TERMS_DROP,
		  .where = "the zone, what is" },
		{ TERMS_UP, CONFIG, 58, 2, .verdict = TERMS_ACCEPT, .where = "ICMPv6 errors" },
		{ TERMS_UP, CONFIG, 58, 135, .hop = 255, .facts = TERMS_NO_WAY_BACK,
		  .verdict = TERMS_ACCEPT },
		{ TERMS_UP, CONFIG, 58, 137, .verdict = TERMS_DROP, .where = "never" },
		{ TERMS_UP, CONFIG, 17, 5000, .ct = TERMS_ESTABLISHED, .facts = TERMS_NO_WAY_BACK,
		  .other_port = 51820, .verdict = TERMS_ACCEPT, .where = "policy.conf:10" },
		{ TERMS_UP, CONFIG, 6, 8080, .facts = TERMS_OWN_SOURCE, .verdict = TERMS_DROP,
		  .where = "our own" },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_IN, false);
}

static void test_terms_in_implied(void)
{
	static const struct test_row rows[] = {
		{ TERMS_UP, LOCAL, 58, 135, .hop = 255, .verdict = TERMS_ACCEPT, .where = "neigh" },
		{ TERMS_UP, LB, 58, 136, .hop = 255, .ct = TERMS_INVALID, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, LOCAL, 58, 135, .hop = 254, .verdict = TERMS_DROP },
		{ TERMS_UP, LOCAL, 58, 134, .hop = 255, .verdict = TERMS_ACCEPT,
		  .where = "router" },
		{ TERMS_UP, LOCAL, 58, 134, .verdict = TERMS_DROP },
		{ TERMS_UP, LB, 58, 134, .hop = 255, .verdict = TERMS_DROP },
		{ TERMS_OTHER, LOCAL, 58, 134, .hop = 255, .verdict = TERMS_DROP },
		{ TERMS_UP, LOCAL, 58, 130, .verdict = TERMS_ACCEPT,
		  .where = "multicast listener" },
		{ TERMS_UP, LB, 58, 130, .verdict = TERMS_DROP },
		{ TERMS_UP, LOCAL, 58, 137, .hop = 255, .ct = TERMS_ESTABLISHED,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, LOCAL, 58, 133, .hop = 255, .verdict = TERMS_DROP, .where = "never" },
		{ TERMS_UP, ELSEWHERE, 58, 1, .ct = TERMS_INVALID, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, ELSEWHERE, 58, 128, .verdict = TERMS_DROP, .where = "not written" },
		{ TERMS_UP, LOCAL, 17, 546, .other_port = 547, .near = "fe80::2",
		  .verdict = TERMS_ACCEPT, .where = "DHCPv6" },
		{ TERMS_UP, LOCAL, 17, 546, .other_port = 547, .verdict = TERMS_DROP },
		{ TERMS_UP, LB, 17, 546, .other_port = 547, .near = "fe80::2",
		  .verdict = TERMS_DROP },
		{ TERMS_UP, LB4, 17, 68, .other_port = 67, .verdict = TERMS_ACCEPT,
		  .where = "DHCPv4" },
		{ TERMS_TUN, CONFIG, 6, 22, .verdict = TERMS_DROP, .where = "policy.conf:19" },
		{ TERMS_TUN, CONFIG, 6, 22, .grants = 1, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:19" },
		{ TERMS_TUN, CONFIG, 6, 22, .grants = 2, .verdict = TERMS_DROP },
		{ TERMS_TUN, CONFIG, 6, 22, .ct = TERMS_ESTABLISHED, .verdict = TERMS_DROP },
		{ TERMS_TUN, GATEWAY, 6, 22, .grants = 1, .verdict = TERMS_DROP,
		  .where = "the zone" },
		{ TERMS_UP, LB, 6, 22, .grants = 1, .verdict = TERMS_DROP, .where = "not written" },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_IN, false);
}

static void test_terms_out(void)
{
	static const struct test_row rows[] = {
		{ TERMS_LO, CONFIG, 6, 1, .verdict = TERMS_ACCEPT, .where = "loopback" },
		{ TERMS_UP, LB, 6, 8080, .uid = 1001, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:16" },
		{ TERMS_UP, LB4, 6, 8090, .uid = 1001, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, LB, 6, 8091, .uid = 1001, .verdict = TERMS_REJECT },
		{ TERMS_UP, LB, 6, 8079, .uid = 1001, .verdict = TERMS_REJECT },
		{ TERMS_UP, LB, 6, 8080, .uid = 1002, .verdict = TERMS_REJECT,
		  .where = "not written" },
		{ TERMS_UP, LB, 6, 8080, .uid = NOBODY, .verdict = TERMS_REJECT },
		{ TERMS_UP, ELSEWHERE, 6, 80, .uid = NOBODY, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:17" },
		{ TERMS_UP, "10.9.9.9", 6, 80, .verdict = TERMS_REJECT },
		{ TERMS_UP, "fd00:ec2::254", 6, 80, .uid = 1001, .verdict = TERMS_REJECT,
		  .where = "instance metadata" },
		{ TERMS_UP, "fd00:ec2::254", 6, 80, .uid = 998, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:9" },
		{ TERMS_TUN, "fd00:ec2::254", 6, 80, .uid = 998, .verdict = TERMS_REJECT },
		{ TERMS_UP, "169.254.169.254", 6, 80, .uid = 998, .verdict = TERMS_REJECT },
		{ TERMS_UP, "fd00:ec2::253", 17, 53, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:7" },
		{ TERMS_UP, "fd00:ec2::123", 17, 123, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:8" },
		{ TERMS_UP, ELSEWHERE, 6, 80, .facts = TERMS_FALSE_SOURCE, .verdict = TERMS_DROP },
		{ TERMS_UP, ELSEWHERE, 6, 9, .ct = TERMS_INVALID, .verdict = TERMS_DROP },
		{ TERMS_UP, ELSEWHERE, 6, 9, .ct = TERMS_RELATED, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "ff02::9", 17, 9, .verdict = TERMS_DROP, .where = "multicast" },
		{ TERMS_UP, "224.0.0.9", 17, 9, .verdict = TERMS_DROP, .where = "multicast" },
		{ TERMS_OTHER, ELSEWHERE, 6, 80, .verdict = TERMS_REJECT },
		{ TERMS_TUN, ELSEWHERE, 6, 443, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:20" },
		{ TERMS_UP, "ff02::1:2", 17, 547, .other_port = 546, .near = LOCAL,
		  .verdict = TERMS_ACCEPT, .where = "DHCPv6" },
		{ TERMS_UP, "fe80::2", 17, 547, .other_port = 546, .near = LOCAL,
		  .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "ff02::1:2", 17, 547, .other_port = 546, .verdict = TERMS_DROP },
		{ TERMS_UP, "ff02::2", 58, 133, .hop = 255, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "ff02::2", 58, 133, .verdict = TERMS_DROP, .where = "multicast" },
		{ TERMS_UP, "ff02::16", 58, 143, .hop = 1, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, LOCAL, 58, 134, .hop = 255, .verdict = TERMS_DROP, .where = "never" },
		{ TERMS_UP, ELSEWHERE, 58, 3, .verdict = TERMS_ACCEPT, .where = "ICMPv6 errors" },
		{ TERMS_UP, ELSEWHERE, 58, 128, .verdict = TERMS_REJECT },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_OUT, false);
}

static void test_terms_out_zone(void)
{
	static const struct test_row rows[] = {
		{ TERMS_TUN, CONFIG, 6, 9999, .verdict = TERMS_ACCEPT, .where = "policy.conf:12" },
		{ TERMS_TUN, CONFIG, 58, 128, .verdict = TERMS_ACCEPT, .where = "policy.conf:12" },
		{ TERMS_TUN, GATEWAY, 6, 9999, .verdict = TERMS_ACCEPT, .where = "policy.conf:13" },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504f, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:10" },
		{ TERMS_UP, CONFIG, 6, 4443, .mark = 0x504f, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:11" },
		{ TERMS_UP, CONFIG, 6, 51820, .mark = 0x504f, .verdict = TERMS_REJECT,
		  .where = "to the zone" },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504e, .verdict = TERMS_REJECT },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504f, .other_port = 1023,
		  .verdict = TERMS_REJECT },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504f, .other_port = 1024,
		  .verdict = TERMS_ACCEPT },
		{ TERMS_OTHER, CONFIG, 17, 51820, .mark = 0x504f, .verdict = TERMS_REJECT },
		{ TERMS_UP, GATEWAY, 17, 51820, .mark = 0x504f, .verdict = TERMS_REJECT },
		{ TERMS_UP, CONFIG, 6, 80, .ct = TERMS_ESTABLISHED, .verdict = TERMS_REJECT },
		{ TERMS_UP, CONFIG, 58, 1, .verdict = TERMS_REJECT, .where = "to the zone" },
		{ TERMS_UP, CONFIG, 58, 135, .hop = 255, .verdict = TERMS_ACCEPT,
		  .where = "neigh" },
		{ TERMS_TUN, CONFIG, 6, 50000, .other_port = 22, .verdict = TERMS_DROP,
		  .where = "policy.conf:19" },
		{ TERMS_TUN, CONFIG, 6, 50000, .other_port = 22, .ct = TERMS_ESTABLISHED,
		  .verdict = TERMS_DROP },
		{ TERMS_TUN, CONFIG, 6, 50000, .other_port = 22, .ct = TERMS_ESTABLISHED,
		  .grants = 1, .verdict = TERMS_ACCEPT, .where = "established" },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_OUT, false);
}

/* A packet socket walks past everything but the guard. */
static void test_terms_guard(void)
{
	static const struct test_row rows[] = {
		{ TERMS_UP, ELSEWHERE, 6, 9, .verdict = TERMS_ACCEPT, .where = "not for the zone" },
		{ TERMS_UP, CONFIG, 6, 9, .verdict = TERMS_DROP, .where = "to the zone" },
		{ TERMS_UP, GATEWAY, 6, 9, .verdict = TERMS_DROP, .where = "to the zone" },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504f, .verdict = TERMS_ACCEPT,
		  .where = "policy.conf:10" },
		{ TERMS_UP, CONFIG, 17, 51820, .verdict = TERMS_DROP },
		{ TERMS_UP, CONFIG, 17, 51821, .mark = 0x504f, .verdict = TERMS_DROP },
		{ TERMS_UP, CONFIG, 17, 51820, .mark = 0x504f, .facts = TERMS_LATER_FRAGMENT,
		  .verdict = TERMS_ACCEPT, .where = "rest of a packet" },
		{ TERMS_UP, CONFIG, 17, 51820, .facts = TERMS_LATER_FRAGMENT,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, GATEWAY, 17, 51820, .mark = 0x504f, .facts = TERMS_LATER_FRAGMENT,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, ELSEWHERE, 17, 1, .facts = TERMS_LATER_FRAGMENT,
		  .verdict = TERMS_ACCEPT },
		{ TERMS_UP, CONFIG, 58, 135, .hop = 255, .verdict = TERMS_ACCEPT,
		  .where = "neigh" },
		{ TERMS_UP, CONFIG, 58, 135, .hop = 64, .verdict = TERMS_DROP },
		{ TERMS_UP, LB4, 6, 9, .verdict = TERMS_ACCEPT,
		  .where = "IPv4 that the policy names" },
		{ TERMS_UP, "10.0.0.1", 6, 9, .verdict = TERMS_DROP, .where = "IPv4" },
		{ TERMS_UP, "10.0.0.1", 17, 67, .other_port = 68, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "10.0.0.1", 17, 67, .other_port = 68, .facts = TERMS_LATER_FRAGMENT,
		  .verdict = TERMS_DROP },
		{ TERMS_UP, ELSEWHERE, 6, 9, .facts = TERMS_FALSE_FRAME, .verdict = TERMS_DROP },
		{ TERMS_OTHER, CONFIG, 6, 9, .verdict = TERMS_ACCEPT, .where = "no guard" },
	};

	test_rows(rows, ARRAY_SIZE(rows), POLICY_OUT, true);
}

/* IPv4 that no line lets over an uplink is not opened by naming it. */
static void test_terms_named_only(void)
{
	static const char *const lines[] = {
		"net p 10.66.0.0/16\nclaim \"c\" { never out to p }\n",
		"tier storage 10.66.0.0/16\n",
		"net p 10.66.0.0/16\nto p via tun allow any\n",
	};
	static const struct test_row row = { TERMS_UP, "10.66.0.1", 6, 9 };
	struct terms_packet packet = test_packet(&row, POLICY_OUT);

	packet.from_packet_socket = true;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char error[POLICY_ERROR_MAX] = "";
		_cleanup_(policy_freep) struct policy *p = policyfixture_build(lines[i], error);
		_cleanup_(terms_release) struct terms t = { 0 };

		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_FALSE(policy_uses_v4(p));
		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(terms_decide(&t, &packet).verdict, TERMS_DROP);
	}
}

/* A socket's packet must pass both; the answer says who stopped it. */
static void test_terms_by_guard(void)
{
	static const struct test_row row = { TERMS_UP, ELSEWHERE, 6, 80, .uid = NOBODY };
	struct terms_packet packet = test_packet(&row, POLICY_OUT);
	struct terms_answer a;

	if (!test_policy)
		return;
	CU_ASSERT_FALSE(terms_decide(&test_terms, &packet).by_guard);
	packet.facts = TERMS_FALSE_FRAME;
	a = terms_decide(&test_terms, &packet);
	CU_ASSERT_TRUE(a.by_guard && a.verdict == TERMS_DROP);
	packet.far_port = 81;
	a = terms_decide(&test_terms, &packet);
	CU_ASSERT_TRUE(!a.by_guard && a.verdict == TERMS_REJECT);
	packet.from_packet_socket = true;
	CU_ASSERT_TRUE(terms_decide(&test_terms, &packet).by_guard);
}

/* Each list ends with a term that fits everything, and each written line is in one of them. */
static void test_terms_are_whole(void)
{
	const struct terms_list *const lists[] = { &test_terms.in, &test_terms.out,
						   &test_terms.guard };
	bool seen[64] = { false };

	for (size_t i = 0; test_policy && i < ARRAY_SIZE(lists); i++) {
		const struct terms_match *last = &lists[i]->list[lists[i]->n - 1].match;

		CU_ASSERT_TRUE(!last->links && !last->family && !last->far && !last->far_in &&
			       !last->proto && !last->cts && !last->facts &&
			       last->grant == POLICY_NONE);
		for (size_t j = 0; j < lists[i]->n; j++)
			if (lists[i]->list[j].rule != POLICY_NONE)
				seen[lists[i]->list[j].rule] = true;
	}
	for (size_t i = 0; test_policy && i < test_policy->n_rules; i++)
		CU_ASSERT_TRUE(seen[i]);
}

/* Nothing is stopped while a policy is only tried; who would have is still told. */
static void test_terms_not_enforced(void)
{
	static const struct test_row row = { TERMS_UP, CONFIG, 6, 9, .uid = NOBODY };
	struct terms_packet packet = test_packet(&row, POLICY_OUT);
	struct terms t = { 0 };

	if (!test_policy)
		return;
	test_policy->enforce = false;
	CU_ASSERT_EQUAL(terms_make(test_policy, &t), 0);
	for (size_t i = 0; i < t.in.n; i++)
		CU_ASSERT_EQUAL(t.in.list[i].verdict, TERMS_ACCEPT);
	for (size_t i = 0; i < t.guard.n; i++)
		CU_ASSERT_EQUAL(t.guard.list[i].verdict, TERMS_ACCEPT);
	CU_ASSERT_EQUAL(terms_decide(&t, &packet).verdict, TERMS_ACCEPT);
	CU_ASSERT_STRING_EQUAL(terms_decide(&t, &packet).item->what,
			       "to the zone, outside the tunnel");
	terms_release(&t);
}

/* A claim may name any network, also the one that is every IPv6 address. */
static void test_terms_fits_any(void)
{
	static const struct test_row rows[] = { { TERMS_UP, ELSEWHERE, 6, 9, .uid = NOBODY },
						{ TERMS_UP, LB4, 6, 9, .uid = NOBODY } };
	struct terms_match match = { .grant = POLICY_NONE };

	if (!test_policy)
		return;
	match.far = &test_policy->nets[policy_find_net(test_policy, "any")];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct terms_packet packet = test_packet(&rows[i], POLICY_OUT);

		CU_ASSERT_EQUAL(terms_fits(test_policy, &match, &packet), i == 0);
	}
}

/* Who moves metadata does not open the usual place, nor the new one to everybody; and without IPv4
 * on the page there is no DHCPv4. */
static void test_terms_metadata_moved(void)
{
	static const struct test_row rows[] = {
		{ TERMS_UP, "2001:db8:5::254", 6, 80, .uid = 0, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "2001:db8:5::254", 6, 80, .uid = 7, .verdict = TERMS_REJECT },
		{ TERMS_UP, "2001:db8:5::254", 6, 81, .uid = 0, .verdict = TERMS_REJECT },
		{ TERMS_UP, "fd00:ec2::254", 6, 80, .uid = 0, .verdict = TERMS_REJECT },
		{ TERMS_UP, "169.254.169.254", 6, 80, .uid = 0, .verdict = TERMS_REJECT },
		{ TERMS_UP, "2001:db8:6::1", 6, 80, .uid = 7, .verdict = TERMS_ACCEPT },
		{ TERMS_UP, "10.0.0.1", 17, 67, .other_port = 68, .verdict = TERMS_REJECT },
	};
	char error[POLICY_ERROR_MAX] = "";

	test_teardown();
	test_policy = policyfixture_page("policy p 1\nhost tier compute\nlink up eth0\n"
					 "imds 2001:db8:5::254 allow user root\nto any allow any\n",
					 error);
	if (!test_policy || terms_make(test_policy, &test_terms) < 0)
		tap_fail(__FILE__, __LINE__, "%s", error);
	test_rows(rows, ARRAY_SIZE(rows), POLICY_OUT, false);
}

static int test_make(void *ctx)
{
	struct terms t = { 0 };
	int r = terms_make(ctx, &t);

	terms_release(&t);
	return r;
}

static void test_terms_out_of_memory(void)
{
	if (test_policy)
		CU_ASSERT_TRUE(torture(test_make, test_policy) >= 3);
}

static void test_terms_names(void)
{
	CU_ASSERT_STRING_EQUAL(terms_verdict_name(TERMS_ACCEPT), "accept");
	CU_ASSERT_STRING_EQUAL(terms_verdict_name(TERMS_REJECT), "reject");
	CU_ASSERT_STRING_EQUAL(terms_verdict_name((enum terms_verdict)9), "?");
}

static const struct tap_test test_terms_tests[] = {
	{ "in", test_terms_in },
	{ "in, the zone", test_terms_in_zone },
	{ "in, what is implied", test_terms_in_implied },
	{ "out", test_terms_out },
	{ "out, the zone", test_terms_out_zone },
	{ "the guard", test_terms_guard },
	{ "IPv4 that is only named", test_terms_named_only },
	{ "by the guard", test_terms_by_guard },
	{ "are whole", test_terms_are_whole },
	{ "not enforced", test_terms_not_enforced },
	{ "any fits", test_terms_fits_any },
	{ "metadata elsewhere", test_terms_metadata_moved },
	{ "out of memory", test_terms_out_of_memory },
	{ "names", test_terms_names },
	{ 0 },
};

static const struct tap_suite test_terms_suites[] = {
	{ "terms", test_terms_tests, test_setup, test_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_terms_suites);
}
