/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policysay.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/parse/pagetry.h"

static void test_errors(void)
{
	static const struct {
		const char *line, *want;
	} list[] = {
		{ "nevr in", "1: expected 'never' or 'always', got 'nevr'; did you mean 'never'?" },
		{ "never inn", "7: expected 'in' or 'out', got 'inn'; did you mean 'in'?" },
		{ "never", "6: expected 'in' or 'out', got the end of the line" },
		{ "never in to public", "13: 'to' belongs to 'out'; write 'from NET'" },
		{ "never out from public", "16: 'from' belongs to 'in'; write 'to NET'" },
		{ "never in user app", "15: 'user' belongs to 'out'" },
		{ "never in via up via up", "17: 'via' contradicts or repeats" },
		{ "never in ipv4 ipv6", "15: 'ipv6' contradicts or repeats" },
		{ "never in tcp 1 icmpv6 nd", "16: 'icmpv6' contradicts or repeats" },
		{ "never in any tcp 1", "14: 'tcp' contradicts or repeats" },
		{ "never in from", "14: expected the name of a network" },
		{ "never in from x", "15: there is no network 'x'" },
		{ "never in icmpv6", "16: expected ICMPv6 types" },
		{ "never in icmpv6 erors",
		  "17: expected ICMPv6 types: nd ra rs mld errors echo redirect or 0...255, got "
		  "'erors'; did you mean 'errors'?" },
		{ "never in icmpv6 256", "17: expected ICMPv6 types" },
		{ "never in icmpv6 nd 135", "20: ICMPv6 type 135 is named twice" },
		{ "never in mark x", "15: expected a mark, 0...4294967295" },
		{ "never in grant x", "16: expected the name of a grant" },
		{ "never in,", "9: expected the end of the line, got ','; commas stand between" },
		{ "never in impleid",
		  "10: expected via, ipv4, ipv6, new, to, from, any, tcp, udp, icmpv6, mark, "
		  "user, grant, implied or except, got 'impleid'; did you mean "
		  "'implied'?" },
		{ "never in except", "16: expected what is excepted, got the end of the line" },
		{ "never in except tcp 1,", "23: expected what is excepted" },
		{ "never in except , tcp 1", "17: expected what is excepted, got ','" },
		{ "never in except tcp 1 except tcp 2",
		  "23: expected the end of the line, got 'except'" },
		{ "never in, tcp 1", "9: expected the end of the line, got ','" },
		{ "never in {", "10: expected via," },
		{ "never in \"x\"", "10: expected via," },
	};
	char more[512], want[512];

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		const char *got;

		snprintf(more, sizeof(more), "claim \"c\" {\n%s\n}\n", list[i].line);
		snprintf(want, sizeof(want), "policy.conf:11:%s", list[i].want);
		got = pagetry_error(more);
		CU_ASSERT(!strncmp(got, want, strlen(want)));
		if (strncmp(got, want, strlen(want)))
			tap_note("%s: got \"%s\", wanted \"%s\"", list[i].line, got, want);
	}
}

static void check_lines(const struct policy *p)
{
	CU_ASSERT_EQUAL(p->n_claims, 2);
	CU_ASSERT_STRING_EQUAL(p->claims[0].text, "a");
	CU_ASSERT_STRING_EQUAL(p->claims[0].where, "policy.conf:11");
	CU_ASSERT_STRING_EQUAL(p->says[0].where, "policy.conf:14");
	CU_ASSERT_STRING_EQUAL(p->says[2].where, "policy.conf:17");
	CU_ASSERT_TRUE(p->says[0].is_never && !p->says[1].is_never);
	CU_ASSERT_TRUE(p->says[0].claim == 0 && p->says[1].claim == 0 && p->says[2].claim == 1);
	CU_ASSERT_TRUE(p->nets[p->says[1].match.net].is_any);
	CU_ASSERT_EQUAL(p->says[2].match.n_icmp6, 15);
}

static void check_match(const struct policy *p, const struct policy_match *m)
{
	CU_ASSERT_TRUE(m->has_dir && m->dir == POLICY_OUT && m->via == POLICY_VIA_UPLINK);
	CU_ASSERT_TRUE(m->is_new && m->family == 6 && m->net == p->config_net);
	CU_ASSERT_TRUE(m->ports.n == 2 && m->has_mark && m->mark == 0x504f && m->users.n == 1);
	CU_ASSERT_TRUE(m->grant == 0 && m->n_icmp6 == 0 && !m->is_implied);
}

static void check_excepts(const struct policy_say *say)
{
	const struct policy_match *m = say->excepts;

	CU_ASSERT_EQUAL(say->n_excepts, 3);
	CU_ASSERT_TRUE(!m[0].has_dir && m[0].via == POLICY_VIA_TUNNEL && m[0].family == 4);
	CU_ASSERT_TRUE(m[0].net == POLICY_NONE && m[0].grant == POLICY_NONE && !m[0].has_mark);
	CU_ASSERT_TRUE(m[1].n_icmp6 == 3 && m[1].icmp6[0] == 135 && m[1].icmp6[2] == 128);
	CU_ASSERT_TRUE(m[1].via == POLICY_VIA_ANY && m[2].is_implied);
}

static void test_model(void)
{
	_cleanup_(policy_freep) struct policy *p = pagetry_load(
		"grant ssh tcp 22 from config max 1h\n"
		"claim \"a\" {\n"
		"\n\t# why\n"
		"\tnever out via up ipv6 new to config tcp 443 udp 1-2 mark 0x504f user app "
		"grant ssh except via tun ipv4, icmpv6 nd 128, implied\n"
		"\talways in from any\n"
		"}\n"
		"claim \"b\" { always in icmpv6 nd ra rs mld errors echo redirect }\n");

	if (!p || p->n_says != 3)
		return;
	check_lines(p);
	check_match(p, &p->says[0].match);
	check_excepts(&p->says[0]);
}

static void test_limits(void)
{
	char more[2048];
	size_t n;

	for (size_t max = POLICY_EXCEPTS_MAX - 1; max <= POLICY_EXCEPTS_MAX + 1; max++) {
		n = (size_t)snprintf(more, sizeof(more), "claim \"c\" { never in except new");
		for (size_t i = 1; i < max; i++)
			n += (size_t)snprintf(more + n, sizeof(more) - n, ", new");
		snprintf(more + n, sizeof(more) - n, " }\n");
		CU_ASSERT_EQUAL(!strstr(pagetry_error(more), "too many exceptions: at most 16"),
				max <= POLICY_EXCEPTS_MAX);
	}
	for (size_t max = 15; max <= 17; max++) {
		n = (size_t)snprintf(more, sizeof(more), "claim \"c\" { never in icmpv6");
		for (size_t i = 0; i < max; i++)
			n += (size_t)snprintf(more + n, sizeof(more) - n, " %zu", i + 200);
		snprintf(more + n, sizeof(more) - n, " }\n");
		CU_ASSERT_EQUAL(!strstr(pagetry_error(more), "too many ICMPv6 types: at most 16"),
				max <= 16);
	}
}

static void test_groups(void)
{
	static const uint8_t types[] = { 135, 136, 134, 1, 2, 3 };
	size_t n = 0;

	CU_ASSERT_STRING_EQUAL(policysay_icmp6_group(types, 6, &n), "nd");
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_PTR_NULL(policysay_icmp6_group(types, 1, &n));
	CU_ASSERT_STRING_EQUAL(policysay_icmp6_group(types + 2, 4, &n), "ra");
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_PTR_NULL(policysay_icmp6_group(types + 3, 3, &n));
}

static const struct tap_test say_tests[] = {
	{ "errors", test_errors },
	{ "model", test_model },
	{ "limits", test_limits },
	{ "groups", test_groups },
	{},
};

static const struct tap_suite suites[] = { { "policysay", say_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
