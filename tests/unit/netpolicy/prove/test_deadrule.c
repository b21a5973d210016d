/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/deadrule.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static struct policy *test_policy(void)
{
	static const struct {
		const char *name, *prefix;
	} nets[] = { { "config", "2001:db8:c0::/48" },
		     { "one", "2001:db8:a::/48" },
		     { "part", "2001:db8:a:1::/64" },
		     { "meta", "fd00:ec2::254" } };
	struct policy *p = policy_new();

	p->n_uplinks = p->n_tunnels = 1;
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct ip6_prefix prefix;
		size_t at;

		CU_ASSERT_EQUAL(policy_add_net(p, nets[i].name, &at), 0);
		CU_ASSERT_EQUAL(policy_parse_prefix(nets[i].prefix, &prefix), 0);
		CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[at].prefixes, &prefix), 0);
	}
	p->config_net = 0;
	return p;
}

static void test_add(struct policy *p, size_t net, uint16_t low, uint16_t high)
{
	struct policy_rule rule = {
		.dir = POLICY_OUT,
		.net = net,
		.ports = { 1, { { POLICY_TCP, low, high } } },
	};

	snprintf(rule.where, sizeof(rule.where), "policy.conf:%zu", p->n_rules + 1);
	CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
}

static int test_list(const struct policy *p, struct prove_deads *ret)
{
	_cleanup_(terms_release) struct terms t = { 0 };
	int r = terms_make(p, &t);

	*ret = (struct prove_deads){ 0 };
	return r < 0 ? r : prove_dead_rules(&t, ret);
}

static void test_deadrule_none(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 0);
	prove_release_deads(&d);
	test_add(p, 1, 443, 443);
	test_add(p, 1, 444, 450);
	test_add(p, 2, 80, 80);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 0);
}

static void test_deadrule_covered(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 1, 400, 500);
	test_add(p, 2, 443, 443);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 1);
	CU_ASSERT_EQUAL(d.list[0].rule, 1);
	CU_ASSERT_FALSE(d.list[0].is_redundant);
	CU_ASSERT_FALSE(d.list[0].is_never);
	CU_ASSERT_STRING_EQUAL(d.list[0].because, "policy.conf:1");
}

static void test_deadrule_redundant(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 2, 443, 443);
	test_add(p, 1, 400, 500);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 1);
	CU_ASSERT_EQUAL(d.list[0].rule, 0);
	CU_ASSERT_TRUE(d.list[0].is_redundant);
	CU_ASSERT_STRING_EQUAL(d.list[0].because, "policy.conf:2");
}

/* The second could go as well, but not after the first has gone. */
static void test_deadrule_one_after_the_other(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 1, 2, 2);
	test_add(p, 1, 2, 3);
	test_add(p, 1, 3, 4);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 1);
	CU_ASSERT_EQUAL(d.list[0].rule, 0);
}

/* Two lines that together cover a third: no one line is the reason. */
static void test_deadrule_by_several(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 1, 400, 449);
	test_add(p, 1, 450, 500);
	test_add(p, 1, 440, 460);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 1);
	CU_ASSERT_EQUAL(d.list[0].rule, 2);
	CU_ASSERT_STRING_EQUAL(d.list[0].because, "");
}

/* Two that are the same: one of them goes, not both. */
static void test_deadrule_twins(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 1, 443, 443);
	test_add(p, 1, 443, 443);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 1);
	CU_ASSERT_EQUAL(d.list[0].rule, 1);
	CU_ASSERT_STRING_EQUAL(d.list[0].because, "policy.conf:1");
}

/* Instance metadata is denied to everybody before a line that is not of imds is asked. No port at
 * all: no packet fits. */
static void test_deadrule_never(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	test_add(p, 3, 80, 80);
	test_add(p, 1, 443, 442);
	CU_ASSERT_EQUAL(test_list(p, &d), 0);
	CU_ASSERT_EQUAL(d.n, 2);
	CU_ASSERT_EQUAL(d.list[0].rule, 0);
	CU_ASSERT_FALSE(d.list[0].is_never);
	CU_ASSERT_STRING_EQUAL(d.list[0].because, "");
	CU_ASSERT_TRUE(d.list[1].is_never);
}

struct test_count {
	const struct terms *terms, *fewer;
	size_t n_other;
};

static void test_compare(void *ctx, const struct terms_packet *k)
{
	struct test_count *c = ctx;

	c->n_other += (terms_decide(c->terms, k).verdict == TERMS_ACCEPT) !=
		      (terms_decide(c->fewer, k).verdict == TERMS_ACCEPT);
}

/* Removes from @p the rules of which @gone is set. */
static void test_remove(struct policy *p, const bool *gone)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_rules; i++)
		if (!gone[i])
			p->rules[n++] = p->rules[i];
	p->n_rules = n;
}

static size_t test_differences(const struct policy *p, struct policy *without, const bool *gone)
{
	_cleanup_(terms_release) struct terms t = { 0 }, fewer = { 0 };
	struct test_count count = { &t, &fewer, 0 };

	test_remove(without, gone);
	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(terms_make(without, &fewer), 0);
	for (enum policy_dir dir = POLICY_IN; dir <= POLICY_OUT; dir++)
		for (enum terms_link link = TERMS_UP; link <= TERMS_TUN; link++)
			tinypolicy_each(dir, link, test_compare, &count);
	return count.n_other;
}

/* Judged by every packet that can be told apart: without all that could go nothing differs, and
 * without any other line something does. Marked lines are left out, the answers to them are not
 * theirs. */
static void test_deadrule_brute_force(void)
{
	size_t n_dead = 0, n_alive = 0;

	for (int round = 0; round < 10; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(prove_release_deads) struct prove_deads d = { 0 };
		struct policy copy = *p;
		struct policy_rule rules[16];
		bool gone[16] = { false };

		copy.rules = rules;
		CU_ASSERT_EQUAL(test_list(p, &d), 0);
		for (size_t i = 0; i < d.n; i++)
			gone[d.list[i].rule] = !p->rules[d.list[i].rule].has_mark;
		memcpy(rules, p->rules, p->n_rules * sizeof(*rules));
		CU_ASSERT_EQUAL(test_differences(p, &copy, gone), 0);
		n_dead += d.n;
		for (size_t i = 0; i < p->n_rules; i++) {
			bool with = gone[i];

			if (gone[i] || p->rules[i].has_mark)
				continue;
			gone[i] = true;
			copy.n_rules = p->n_rules;
			memcpy(rules, p->rules, p->n_rules * sizeof(*rules));
			if (test_differences(p, &copy, gone) == 0)
				tap_fail(__FILE__, __LINE__, "rule %zu could go too", i);
			gone[i] = with;
			n_alive++;
		}
	}
	tap_note("%zu could go, %zu not", n_dead, n_alive);
}

static int test_torture_run(void *ctx)
{
	_cleanup_(prove_release_deads) struct prove_deads d = { 0 };

	return prove_dead_rules(ctx, &d);
}

static void test_deadrule_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = test_policy();
	_cleanup_(terms_release) struct terms t = { 0 };

	test_add(p, 2, 443, 443);
	test_add(p, 1, 400, 500);
	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, &t) > 10);
}

static const struct tap_test test_deadrule[] = {
	{ "nothing to remove", test_deadrule_none },
	{ "an earlier line covers it", test_deadrule_covered },
	{ "a later line covers it", test_deadrule_redundant },
	{ "one after the other", test_deadrule_one_after_the_other },
	{ "several lines cover it", test_deadrule_by_several },
	{ "twins", test_deadrule_twins },
	{ "no packet comes so far", test_deadrule_never },
	{ "random policies against every packet", test_deadrule_brute_force },
	{ "out of memory", test_deadrule_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "deadrule", test_deadrule }, { 0 } };

	return tap_main(argc, argv, suites);
}
