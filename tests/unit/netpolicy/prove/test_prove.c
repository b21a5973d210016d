/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/prove.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static void test_prove_claims(void)
{
	for (int round = 0; round < 30; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 };
		_cleanup_(prove_release_report) struct prove_report report = { 0 };
		size_t n_violated = 0;

		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(prove_claims(&t, &report), 0);
		CU_ASSERT_EQUAL(report.n, p->n_says);
		for (size_t i = 0; i < report.n; i++) {
			const struct prove_say *s = &report.list[i];
			struct terms_answer a = terms_decide(&t, &s->witness);

			CU_ASSERT_EQUAL(s->say, i);
			CU_ASSERT_FALSE(s->but_sockets && s->outcome != PROVE_HOLDS);
			if (s->outcome != PROVE_VIOLATED)
				continue;
			n_violated++;
			CU_ASSERT_EQUAL(a.verdict == TERMS_ACCEPT, p->says[i].is_never);
			CU_ASSERT_PTR_EQUAL(a.item, s->lets.item);
		}
		CU_ASSERT_EQUAL(report.n_violated, n_violated);
		CU_ASSERT_EQUAL(report.n_undecided, 0);
		CU_ASSERT_TRUE(report.nodes > 100 && report.bytes > 100 * 16);
	}
}

static void test_prove_nothing(void)
{
	_cleanup_(policy_freep) struct policy *p = policy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	_cleanup_(prove_release_report) struct prove_report report = { 0 };
	_cleanup_(prove_release_deads) struct prove_deads deads = { 0 };
	_cleanup_(prove_release_changes) struct prove_changes changes = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(prove_claims(&t, &report), 0);
	CU_ASSERT_EQUAL(report.n, 0);
	CU_ASSERT_EQUAL(prove_dead_rules(&t, &deads), 0);
	CU_ASSERT_EQUAL(deads.n, 0);
	CU_ASSERT_EQUAL(prove_changes(&t, &t, &changes), 0);
	CU_ASSERT_EQUAL(changes.n + changes.n_left_out, 0);
}

/* As explain uses it: a packet in words, decided, and what would help. */
static void test_prove_packet(void)
{
	char dir[] = "in", link[] = "eth0", proto[] = "tcp";
	char far[] = "[2001:db8::9]:4000", near[] = "[host]:22";
	char *const words[] = { dir, link, proto, far, near };
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	char error[POLICY_ERROR_MAX], text[PROVE_TEXT_MAX];
	struct terms_packet packet;

	CU_ASSERT_EQUAL(prove_packet_parse(p, 5, words, &packet, error), 0);
	CU_ASSERT_STRING_EQUAL(prove_packet_text(&packet, text),
			       "in up tcp [2001:db8::9]:4000 [host]:22");
	CU_ASSERT_EQUAL(prove_packet_parse(p, 4, words, &packet, error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "the port of this host"));
}

/* A long list costs time in proportion, and is not too large. */
static void test_prove_many_prefixes(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	_cleanup_(prove_release_report) struct prove_report report = { 0 };
	struct policy_prefixes *set = &p->nets[p->n_nets - 1].prefixes;

	for (int i = 0; i < 10000; i++) {
		struct ip6_prefix prefix = { .len = 64 };

		tap_random_fill(prefix.addr.s6_addr + 2, 6);
		prefix.addr.s6_addr[0] = 0x2a;
		CU_ASSERT_EQUAL(policy_add_prefix(set, &prefix), 0);
	}
	policy_finish(p);
	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(prove_claims(&t, &report), 0);
	CU_ASSERT_EQUAL(report.n_undecided, 0);
	tap_note("%zu nodes, %zu bytes", report.nodes, report.bytes);
}

static int test_torture_run(void *ctx)
{
	_cleanup_(prove_release_report) struct prove_report report = { 0 };

	return prove_claims(ctx, &report);
}

static void test_prove_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, &t) > 8);
}

static const struct tap_test test_prove[] = {
	{ "claims", test_prove_claims },
	{ "a page that says nothing", test_prove_nothing },
	{ "a packet in words", test_prove_packet },
	{ "many prefixes", test_prove_many_prefixes },
	{ "out of memory", test_prove_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "prove", test_prove }, { 0 } };

	return tap_main(argc, argv, suites);
}
