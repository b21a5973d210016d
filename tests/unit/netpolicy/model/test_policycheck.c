/* SPDX-License-Identifier: MIT */
/* Each refusal of policy_check(), and beside it what is allowed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"

#define ZONE "link tun t0\nnet config 2001:db8:c::/48\nnet gateways fd12::/64\n"
#define NET "net n 2001:db8:7::/48\n"

struct test_row {
	const char *tier, *lines;
	const char *error; /* part of it; NULL = allowed */
};

static void test_rows(const struct test_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char page[4096], error[POLICY_ERROR_MAX] = "";
		struct policy *p;

		snprintf(page, sizeof(page), "policy p 1\nhost tier %s\nlink up eth0\n%s\n",
			 rows[i].tier, rows[i].lines);
		p = policyfixture_page(page, error);
		if (!p != !!rows[i].error || (rows[i].error && !strstr(error, rows[i].error)))
			tap_fail(__FILE__, __LINE__, "%s%s: got '%s', want '%s'", rows[i].tier,
				 rows[i].lines, error, rows[i].error ? rows[i].error : "allowed");
		CU_PASS("row");
		policy_free(p);
	}
}

static void test_policycheck_nets(void)
{
	static const struct test_row rows[] = {
		{ "compute", "", NULL },
		{ "compute", "link tun t0", "needs a line 'net config" },
		{ "compute", NET, "policy.conf:4: 'n' is declared, but no line uses it" },
		{ "compute", NET "from n allow tcp 1", NULL },
		{ "compute", NET "claim \"c\" { never in via up from n }", NULL },
		{ "compute", NET "claim \"c\" { never in via up except from n }", NULL },
		{ "compute", NET "grant g tcp 1 from n via up max 1h", NULL },
		{ "compute", "tier public 2001:db8:7::/48", NULL },
		{ "compute", "net martians 2001:db8:7::/48\nfrom martians allow any",
		  "'martians'" },
		{ "compute", "net local_scope ::2\nfrom local_scope allow any", "choose another" },
		{ "compute", "net metadata ::2\nfrom metadata allow any", "choose another" },
		{ "compute", "net ip ::2\nfrom ip allow any", "choose another" },
		{ "compute", "net icmpv ::2\nfrom icmpv allow any", "choose another" },
		{ "compute", "net grant_x ::2\nfrom grant_x allow any", "choose another" },
		{ "compute", "net n 10.0.0.0/8\nfrom n allow any", NULL },
		{ "compute", "net n 172.16.0.0/12\nfrom n allow any", NULL },
		{ "compute", "net n 192.168.0.0/16\nfrom n allow any", NULL },
		{ "compute", "net n 100.64.0.0/10\nfrom n allow any", NULL },
		{ "compute", "net n 169.254.0.0/17\nfrom n allow any", NULL },
		{ "compute", "net n 10.0.0.0/7\nfrom n allow any", "10.0.0.0/7 of 'n'" },
		{ "compute", "net n 172.32.0.0/16\nfrom n allow any", "not inside the VPC" },
		{ "compute", "net n 192.169.0.1\nfrom n allow any", "not inside the VPC" },
		{ "compute", "net n 100.128.0.0/10\nfrom n allow any", "not inside the VPC" },
		{ "compute", "net n 8.8.8.8\nfrom n allow any", "not inside the VPC" },
		{ "compute", "net n 0.0.0.0/0\nfrom n allow any", "not inside the VPC" },
		{ "compute", "net config 2001::/16", NULL },
		{ "compute", "net config 2000::/15", "too wide" },
		{ "compute", "net gateways fc00::/7", "too wide" },
		{ "compute", "net config fe80::/16", "never behind the tunnel" },
		{ "compute", "net config febf::/16", "never behind the tunnel" },
		{ "compute", "net config fec0::/16", NULL },
		{ "compute", "net config 2001:db8::/48 ff02::1", "never behind the tunnel" },
		{ "compute", "net gateways ::/16", "never behind the tunnel" },
		{ "compute", "net config 2001:db8::/48 10.0.0.0/8", "over IPv6 only" },
		{ "compute", "net gateways 10.0.0.0/8", "over IPv6 only" },
	};

	test_rows(rows, ARRAY_SIZE(rows));
}

static void test_policycheck_overlaps(void)
{
	static const struct test_row rows[] = {
		{ "compute", ZONE "net n 2001:db8::/32\nfrom n allow any",
		  "addresses of 'config'" },
		{ "compute", ZONE "net n 2001:db8:c::1\nfrom n allow any",
		  "addresses of 'config'" },
		{ "compute", ZONE "net n fd12::/32\nfrom n allow any", "addresses of 'gateways'" },
		{ "compute", ZONE "net n 2001:db8:d::/48\nfrom n allow any", NULL },
		{ "compute", ZONE "dns 2001:db8:c::53 allow", "addresses of 'config'" },
		{ "compute", ZONE "tier public 2001:db8:c:1::/64", "addresses of 'config'" },
		{ "compute", "net config fd12::/48\nnet gateways fd12::/64", "'gateways'" },
		{ "compute", "net n fd00:ec2::/32\nto n allow tcp 80", "instance metadata" },
		{ "compute", "net n 169.254.0.0/16\nto n allow tcp 80", "instance metadata" },
		{ "compute",
		  "imds 2001:db8::1 allow user root\nnet n 2001:db8::/64\nto n allow any",
		  "instance metadata" },
		{ "compute", "imds 169.254.169.254 fd00:ec2::254 allow user root", NULL },
		{ "compute", ZONE "to any allow tcp 443", NULL },
	};

	test_rows(rows, ARRAY_SIZE(rows));
}

static void test_policycheck_zone(void)
{
	static const struct test_row rows[] = {
		{ "compute", ZONE "to config via up allow udp 51820 mark 7", NULL },
		{ "compute", ZONE "to config via up allow udp 51820", "only marked packets" },
		{ "compute", ZONE "to config via up allow udp 51820 51821 mark 7",
		  "names one port" },
		{ "compute", ZONE "to config via up allow udp 1-2 mark 7", "names one port" },
		{ "compute", ZONE "to config via up allow any mark 7", "names one port" },
		{ "compute", ZONE "to config via up allow udp 1 mark 7 user app", "has no user" },
		{ "compute", ZONE "to config allow udp 51820 mark 7", "a mark stands only in" },
		{ "compute", ZONE "to gateways via up allow udp 1 mark 7",
		  "a mark stands only in" },
		{ "compute", ZONE NET "to n allow udp 51820 mark 7", "a mark stands only in" },
		{ "compute", ZONE "to gateways via up allow udp 1", "through the tunnel only" },
		{ "compute", ZONE "from config via up allow tcp 1", "through the tunnel only" },
		{ "compute", ZONE "from gateways via up allow tcp 1", "through the tunnel only" },
		{ "compute", ZONE "from config allow tcp 1\nto gateways allow any", NULL },
		{ "compute", ZONE "grant g tcp 1 from config via up max 1h", "the tunnel only" },
		{ "compute", "net config 2001:db8:c::/48\nto config allow any", "no tunnel" },
		{ "compute", NET "to n via tun allow any", "there is no tunnel" },
		{ "compute", NET "grant g tcp 1 from n via tun max 1h", "there is no tunnel" },
	};

	test_rows(rows, ARRAY_SIZE(rows));
}

static void test_policycheck_tiers(void)
{
	static const struct test_row rows[] = {
		{ "public", "from any allow tcp 443", NULL },
		{ "public", "net n ff02::/16 ::1\nfrom n allow tcp 443",
		  "no packet comes from 'n'" },
		{ "public", "net n ff02::/16\ngrant g tcp 1 from n max 1h", "no packet comes" },
		{ "public", "net n ff02::/16 ::2\nfrom n allow tcp 443", NULL },
		{ "public", "net n ff02::/16\nto n allow udp 5353", NULL },
		{ "public", "to any allow any", NULL },
		{ "public", "grant g tcp 1 from any max 1h", NULL },
		{ "public", ZONE "grant g tcp 1 from any via tun max 1h", "not for 'any'" },
		{ "compute", "from any allow tcp 443", "policy.conf:4: a compute host is entered" },
		{ "compute", ZONE "from any via tun allow tcp 443", "a compute host is entered" },
		{ "compute", "grant g tcp 1 from any max 1h", "a compute host is entered" },
		{ "compute", "to any allow tcp 443", NULL },
		/* "any" under another name. */
		{ "compute", "net n 2000::/3\nfrom n allow tcp 22", "not from 'n'" },
		{ "compute", "net n 2001:db8::1 2400::/15\nfrom n allow tcp 22", "not from 'n'" },
		{ "compute", "net n 2401::/16\nfrom n allow tcp 22", NULL },
		{ "compute", "tier public 2000::/3\nfrom public allow tcp 22",
		  "not from 'public'" },
		{ "compute", "net n 2000::/3\ngrant g tcp 1 from n max 1h", "not from 'n'" },
		{ "compute", "net n 2000::/3\nto n allow tcp 443", NULL },
		{ "public", "net n 2000::/3\nfrom n allow tcp 443", NULL },
		{ "storage", "net n 2000::/3\nto n allow tcp 443 user app", "no line for 'n'" },
		{ "storage", "net n 2400::/15\nto n allow tcp 443 user app", "no line for 'n'" },
		{ "storage", "net n 2401::/16\nto n allow tcp 443 user app", NULL },
		{ "storage", "tier compute 2000::/3\nfrom compute allow tcp 1",
		  "no line for 'compute'" },
		{ "storage", "from any allow tcp 443", "no line for 'any'" },
		{ "storage", "to any allow tcp 443 user app", "no line for 'any'" },
		{ "storage", ZONE "to any via tun allow any", "no line for 'any'" },
		{ "storage", NET "from n allow tcp 1", "entered from 'tier compute'" },
		{ "storage", "tier public ::2\nfrom public allow tcp 1", "not from 'public'" },
		{ "storage", "tier compute ::2\nfrom compute allow tcp 1", NULL },
		{ "storage", ZONE NET "from n via tun allow tcp 1", NULL },
		{ "storage", NET "to n allow tcp 1", "only as a named user" },
		{ "storage", NET "to n allow tcp 1 user archive", NULL },
		{ "storage", ZONE "to config via up allow udp 1 mark 7\nfrom config allow any",
		  NULL },
		{ "storage", "dns allow\nntp allow\nimds allow user root", NULL },
		{ "storage", "dns 2001:db8::/32 allow", "2001:db8::/32 of 'dns' is a network" },
		{ "storage", "ntp 2001:db8::/119 allow", "is a network" },
		{ "storage", "ntp 2001:db8::/120 allow", NULL },
		{ "storage", "dns 2001:db8::2 2001:db8::3 10.0.0.2 10.0.0.3 allow", NULL },
		{ "storage", "imds 10.0.0.0/8 allow user root", "is a network" },
		{ "storage", NET "grant g tcp 1 from n max 1h", "entered from 'tier compute'" },
		{ "storage", ZONE "grant g tcp 1 from config max 1h", NULL },
	};

	test_rows(rows, ARRAY_SIZE(rows));
}

static void test_policycheck_doubles(void)
{
	static const struct test_row rows[] = {
		{ "compute", NET "from n allow tcp 1\nfrom n allow tcp 1",
		  "policy.conf:6: already allowed by policy.conf:5" },
		{ "compute", NET "from n allow tcp 1\nfrom n allow udp 1", NULL },
		{ "compute", NET "from n allow tcp 1\nto n allow tcp 1", NULL },
		{ "compute", NET "from n allow any\nfrom n allow udp 1", "already allowed" },
		{ "compute", NET "from n allow udp 1\nfrom n allow any", NULL },
		{ "compute", NET "from n allow tcp 1-5 6-9\nfrom n allow tcp 2-8",
		  "already allowed" },
		{ "compute", NET "from n allow tcp 6-9 1-5\nfrom n allow tcp 2-10", NULL },
		{ "compute", NET "from n allow tcp 1-5 7-9\nfrom n allow tcp 2-8", NULL },
		{ "compute", NET "from n allow tcp 1-65535\nfrom n allow tcp 65535", "already" },
		{ "compute", NET "net m 2001:db8:7:8::/64\nfrom n allow any\nfrom m allow any",
		  "policy.conf:7: already allowed by policy.conf:6" },
		{ "compute", NET "net m 2001:db8:7:8::/64\nfrom m allow any\nfrom n allow any",
		  NULL },
		{ "compute", NET "net m 2001:db8:7::1 10.0.0.1\nfrom n allow any\nfrom m allow any",
		  NULL },
		{ "compute", NET "to n allow any user app\nto n allow tcp 1 user app", "already" },
		{ "compute", NET "to n allow any user app\nto n allow any user archive", NULL },
		{ "compute", NET "to n allow any user app 7\nto n allow any user 7", "already" },
		{ "compute", NET "to n allow any\nto n allow any user 7", "already allowed" },
		{ "compute", NET "to n allow any user 7\nto n allow any", NULL },
		{ "compute", NET "to any allow any\nto n allow tcp 1", "already allowed" },
		{ "compute", "net n 2001:db8:7::/48 10.0.0.0/8\nto any allow any\nto n allow tcp 1",
		  NULL },
		{ "compute", "to any allow any\nimds allow user root", NULL },
		{ "compute", ZONE "to any via tun allow any\nto config allow any", NULL },
		{ "compute", ZONE NET "to n via up allow any\nto n via tun allow any", NULL },
		{ "compute",
		  ZONE "to config via up allow udp 1 mark 7\n"
		       "to config via up allow udp 1 mark 8",
		  NULL },
		{ "compute",
		  ZONE "to config via up allow udp 1 mark 7\n"
		       "to config via up allow udp 1 mark 7",
		  "already allowed" },
		{ "compute", NET "grant g tcp 1 from n max 1h\nfrom n allow tcp 1-5",
		  "policy.conf:5: what grant 'g' is for is allowed without it by policy.conf:6" },
		{ "compute", NET "grant g tcp 1 from n max 1h\nfrom n allow any", "without it" },
		{ "compute", NET "grant g tcp 1 from n max 1h\nfrom n allow udp 1 tcp 2", NULL },
		{ "compute", NET "grant g tcp 1 from n max 1h\nto n allow tcp 1", NULL },
		{ "compute", ZONE NET "grant g tcp 1 from n max 1h\nfrom n via tun allow any",
		  NULL },
		{ "compute", NET "grant g tcp 1 from n max 1h\ngrant h tcp 1 from n max 2h",
		  "grant 'h' and grant 'g' of policy.conf:5" },
		{ "compute", NET "grant g tcp 1 from n max 1h\ngrant h tcp 2 from n max 2h", NULL },
		{ "public", NET "grant g tcp 1 from n max 1h\nfrom any allow tcp 1", "without it" },
	};

	test_rows(rows, ARRAY_SIZE(rows));
}

/* What no page can say, but JSON or a program could. */
static void test_policycheck_by_hand(void)
{
	struct policy *p = policy_new();
	struct policy_rule rule = { .dir = POLICY_IN, .users = { .n = 1 }, .where = "a:1" };
	struct policy_grant grant = { .name = "g", .where = "a:2" };
	char error[POLICY_ERROR_MAX] = "";
	struct ip6_prefix prefix;
	uint16_t user;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(policy_check(p, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "link up"));
	p->n_uplinks = 1;
	p->tier = POLICY_PUBLIC;
	memcpy(p->uplinks[0], "eth0", 5);
	CU_ASSERT_EQUAL(policy_check(p, error), 0);
	CU_ASSERT_EQUAL(policy_add_user(p, "", 7, &user), 0);
	CU_ASSERT_EQUAL(policy_add_net(p, "imds", &rule.net), 0);
	CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
	CU_ASSERT_EQUAL(policy_check(p, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "'imds' has no prefix"));
	CU_ASSERT_EQUAL(policy_parse_prefix("fd00:ec2::254", &prefix), 0);
	CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[0].prefixes, &prefix), 0);
	CU_ASSERT_EQUAL(policy_check(p, error), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "a:1: what comes in has no user; 'user' stands in 'to' only");
	p->rules[0].dir = POLICY_OUT;
	CU_ASSERT_EQUAL(policy_check(p, error), 0);
	p->rules[0].users.n = 0;
	CU_ASSERT_EQUAL(policy_check(p, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "for users by name"));
	p->n_rules = 0;
	CU_ASSERT_EQUAL(policy_add_grant(p, &grant), 0);
	CU_ASSERT_EQUAL(policy_check(p, error), -EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "a:2: grant 'g' has no port");
	policy_free(p);
}

/* Many lines and large networks: no step may take time with the square of a network. */
static void test_policycheck_large(void)
{
	struct policy *p = policy_new();
	char error[POLICY_ERROR_MAX] = "";

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	p->n_uplinks = 1;
	for (uint32_t n = 0; n < 4; n++) {
		struct policy_rule rule = { .dir = POLICY_IN };
		char name[8];

		snprintf(name, sizeof(name), "n%u", n);
		CU_ASSERT_EQUAL(policy_add_net(p, name, &rule.net), 0);
		for (uint32_t i = 0; i < POLICY_PREFIXES_MAX; i++) {
			struct ip6_prefix one = { .addr = { { { 0x20, (uint8_t)n } } }, .len = 64 };

			for (int b = 0; b < 4; b++)
				one.addr.s6_addr[4 + b] = (uint8_t)((2 * i) >> (24 - 8 * b));
			CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[n].prefixes, &one), 0);
		}
		CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
	}
	policy_finish(p);
	CU_ASSERT_EQUAL(policy_check(p, error), 0);
	CU_ASSERT_STRING_EQUAL(error, "");
	policy_free(p);
}

static const struct tap_test test_policycheck_tests[] = {
	{ "networks", test_policycheck_nets },
	{ "networks that overlap", test_policycheck_overlaps },
	{ "the zone", test_policycheck_zone },
	{ "tiers", test_policycheck_tiers },
	{ "doubles", test_policycheck_doubles },
	{ "by hand", test_policycheck_by_hand },
	{ "large networks", test_policycheck_large },
	{ 0 },
};

static const struct tap_suite test_policycheck_suites[] = {
	{ "policycheck", test_policycheck_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_policycheck_suites);
}
