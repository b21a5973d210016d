/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/witness.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static int test_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct terms_packet));
}

/* Marks what decides on a packet. */
static void test_seen(const struct terms *t, const struct terms_packet *k, bool *in, bool *out,
		      bool *guard)
{
	struct terms_answer a = terms_decide(t, k);

	if (a.by_guard)
		guard[a.item - t->guard.list] = true;
	else if (k->dir == POLICY_IN)
		in[a.item - t->in.list] = true;
	else
		out[a.item - t->out.list] = true;
}

/* The terms that decided, by list. */
struct test_terms {
	bool in[256], out[256], guard[256];
};

static void test_see(const struct terms *t, const struct terms_packet *k, struct test_terms *seen)
{
	test_seen(t, k, seen->in, seen->out, seen->guard);
}

static void test_no_other(const struct terms *t, const struct test_terms *seen)
{
	struct test_terms more = { { false } };
	struct terms_packet k;

	for (int i = 0; i < 3000; i++) {
		tinypolicy_packet(&k);
		if (!k.from_packet_socket || k.link == TERMS_UP)
			test_see(t, &k, &more);
	}
	for (size_t i = 0; i < 256; i++)
		if (more.in[i] > seen->in[i] || more.out[i] > seen->out[i] ||
		    more.guard[i] > seen->guard[i])
			tap_fail(__FILE__, __LINE__, "term %zu has no witness", i);
}

/* Each term that decides a random packet decides one of them. */
static void test_witness_reach_all_terms(void)
{
	for (int round = 0; round < 40; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 };
		struct test_terms seen = { { false } };
		struct terms_packet *list = NULL;
		size_t n = 0;

		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(prove_witnesses(&t, 100000, &list, &n), 0);
		CU_ASSERT_TRUE(n > 300 && n < 100000);
		for (size_t i = 0; i < n; i++)
			test_see(&t, &list[i], &seen);
		test_no_other(&t, &seen);
		free(list);
	}
}

static void test_witness_each_once(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	_cleanup_(space_release) struct space s = { 0 };
	struct terms_packet *list = NULL;
	size_t n = 0;

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(space_init(&s, PROVE_NODES_MAX), 0);
	CU_ASSERT_EQUAL(prove_witnesses(&t, 100000, &list, &n), 0);
	tap_note("%zu packets for %zu lines", n, p->n_rules);
	qsort(list, n, sizeof(*list), test_compare);
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_TRUE(space_has(&s, s.valid, &list[i]));
		CU_ASSERT_TRUE(i == 0 || test_compare(&list[i - 1], &list[i]) != 0);
	}
	free(list);
}

/* A net and a port of one line: first, last, and the ones beyond. */
static void test_witness_borders(void)
{
	_cleanup_(policy_freep) struct policy *p = policy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	static const char *const wanted[] = {
		"out up tcp [host]:40000 [2001:db8:a::]:443",
		"out up tcp [host]:40000 [2001:db8:a:ffff:ffff:ffff:ffff:ffff]:443",
		"out up tcp [host]:40000 [2001:db8:9:ffff:ffff:ffff:ffff:ffff]:443",
		"out up tcp [host]:40000 [2001:db8:b::]:443",
		"out up tcp [host]:40000 [2001:db8:a::9]:442",
		"out up tcp [host]:40000 [2001:db8:a::9]:445",
		"out up tcp [host]:40000 [2001:db8:a::9]:446",
		"out up udp [host]:40000 [2001:db8:a::9]:443",
		"out tun tcp [host]:40000 [2001:db8:a::9]:443",
	};
	struct terms_packet *list = NULL;
	struct ip6_prefix prefix;
	size_t n = 0, net;

	p->n_uplinks = 1;
	CU_ASSERT_EQUAL(policy_add_net(p, "one", &net), 0);
	CU_ASSERT_EQUAL(policy_parse_prefix("2001:db8:a::/48", &prefix), 0);
	CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[0].prefixes, &prefix), 0);
	CU_ASSERT_EQUAL(policy_add_rule(p,
					&(struct policy_rule){
						.dir = POLICY_OUT,
						.ports = { 1, { { POLICY_TCP, 443, 445 } } },
						.where = "policy.conf:1",
					}),
			0);
	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(prove_witnesses(&t, 100000, &list, &n), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		bool found = false;

		for (size_t j = 0; j < n; j++) {
			char text[PROVE_TEXT_MAX];

			prove_packet_text(&list[j], text);
			found = found || !strncmp(text, wanted[i], strlen(wanted[i]));
		}
		if (!found)
			tap_fail(__FILE__, __LINE__, "no %s", wanted[i]);
	}
	free(list);
}

static void test_witness_limit(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	static const size_t limits[] = { 0, 1, 2, 15, 16, 17, 100 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct terms_packet *list = NULL;
		size_t n = 9999;

		CU_ASSERT_EQUAL(prove_witnesses(&t, limits[i], &list, &n), 0);
		CU_ASSERT_EQUAL(n, limits[i]);
		free(list);
	}
}

static int test_torture_run(void *ctx)
{
	struct terms_packet *list = NULL;
	size_t n;
	int r = prove_witnesses(ctx, 100, &list, &n);

	free(list);
	return r;
}

static void test_witness_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, &t) > 10);
}

static const struct tap_test test_witness[] = {
	{ "every term that decides", test_witness_reach_all_terms },
	{ "packets that can be, each once", test_witness_each_once },
	{ "borders of a line", test_witness_borders },
	{ "limit", test_witness_limit },
	{ "out of memory", test_witness_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "witness", test_witness }, { 0 } };

	return tap_main(argc, argv, suites);
}
