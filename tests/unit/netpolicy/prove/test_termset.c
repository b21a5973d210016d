/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/termset.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static void test_say_packet(const char *what, const struct terms_packet *p)
{
	char text[PROVE_TEXT_MAX];

	tap_fail(__FILE__, __LINE__, "%s: %s", what, prove_packet_text(p, text));
}

/* Every set says of a packet what terms_fits() and terms_decide() say. */
static void test_one(struct termset *set, const struct terms_packet *p)
{
	const struct terms *t = set->terms;
	struct space *s = set->space;
	bool accepted = terms_decide(t, p).verdict == TERMS_ACCEPT;

	CU_ASSERT_TRUE(space_has(s, s->valid, p));
	if (!p->from_packet_socket && space_has(s, set->allowed, p) != accepted)
		test_say_packet("allowed", p);
	if (p->from_packet_socket && p->link == TERMS_UP &&
	    space_has(s, set->by_socket, p) != accepted)
		test_say_packet("by a packet socket", p);
	for (enum termset_list i = 0; i < TERMSET_LISTS; i++) {
		const struct terms_list *list = termset_terms(t, i);
		size_t reached = 0;

		if ((i == TERMSET_IN) != (p->dir == POLICY_IN))
			continue;
		for (size_t j = 0; j < list->n; j++) {
			bool fits = terms_fits(t->policy, &list->list[j].match, p);

			if (space_has(s, set->fits[i][j], p) != fits)
				test_say_packet(list->list[j].what, p);
			reached += space_has(s, set->reaches[i][j], p);
		}
		CU_ASSERT_EQUAL(reached, 1);
	}
}

static void test_termset_random(void)
{
	for (int round = 0; round < 150; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 };
		_cleanup_(space_release) struct space s = { 0 };
		_cleanup_(termset_release) struct termset set = { 0 };
		struct terms_packet packet;

		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(space_init(&s, PROVE_NODES_MAX), 0);
		CU_ASSERT_EQUAL(termset_make(&s, &t, NULL, &set), 0);
		CU_ASSERT_EQUAL(termset_reach(&set), 0);
		for (int i = 0; i < 600; i++) {
			tinypolicy_packet(&packet);
			test_one(&set, &packet);
		}
	}
}

/* Without lines is as the policy that does not have them. */
static void test_termset_without(void)
{
	for (int round = 0; round < 40; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 }, fewer = { 0 };
		_cleanup_(space_release) struct space s = { 0 };
		_cleanup_(termset_release) struct termset set = { 0 }, other = { 0 };
		uint8_t without[16] = { 0 };
		size_t gone = tap_random_below(p->n_rules);

		/* Without its line the guard and DHCPv4 are other terms, too. */
		if (p->rules[gone].has_mark || policy_net_has(&p->nets[p->rules[gone].net], true))
			continue;
		without[gone] = 1;
		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(space_init(&s, PROVE_NODES_MAX), 0);
		CU_ASSERT_EQUAL(termset_make(&s, &t, NULL, &set), 0);
		p->rules[gone] = p->rules[p->n_rules - 1];
		p->n_rules--;
		CU_ASSERT_EQUAL(terms_make(p, &fewer), 0);
		CU_ASSERT_EQUAL(termset_make(&s, &fewer, NULL, &other), 0);
		p->n_rules++;
		CU_ASSERT_EQUAL(termset_allowed_without(&set, without), other.allowed);
	}
}

/* Grants of one name are one, whatever their places in two pages. */
static void test_termset_grants(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new(), *q = tinypolicy_new();
	const struct policy_grant a = { .name = "a", .ports = { 1, { { POLICY_TCP, 1, 1 } } } };
	const struct policy_grant b = { .name = "b", .ports = { 1, { { POLICY_TCP, 2, 2 } } } };
	struct terms t = { .policy = p }, u = { .policy = q };
	struct termset first = { .terms = &t }, second = { .terms = &u, .beside = p };

	p->n_grants = q->n_grants = 0;
	free(p->grants);
	free(q->grants);
	p->grants = q->grants = NULL;
	CU_ASSERT_EQUAL(policy_add_grant(p, &a), 0);
	CU_ASSERT_EQUAL(policy_add_grant(q, &b), 0);
	CU_ASSERT_EQUAL(policy_add_grant(q, &a), 0);
	CU_ASSERT_EQUAL(termset_grant_bit(&first, 0), 0);
	CU_ASSERT_EQUAL(termset_grant_bit(&second, 0), POLICY_GRANTS_MAX);
	CU_ASSERT_EQUAL(termset_grant_bit(&second, 1), 0);
}

static int test_torture_run(void *ctx)
{
	_cleanup_(space_release) struct space s = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };
	int r = space_init(&s, PROVE_NODES_MAX);

	if (r == 0)
		r = termset_make(&s, ctx, NULL, &set);
	return r < 0 ? r : termset_reach(&set);
}

static void test_termset_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, &t) > 8);
}

static void test_termset_limit(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
	_cleanup_(terms_release) struct terms t = { 0 };
	_cleanup_(space_release) struct space s = { 0 }, small = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };

	CU_ASSERT_EQUAL(terms_make(p, &t), 0);
	CU_ASSERT_EQUAL(space_init(&small, 100), -EFBIG);
	CU_ASSERT_EQUAL(space_init(&s, 3000), 0);
	CU_ASSERT_EQUAL(termset_make(&s, &t, NULL, &set), -EFBIG);
}

static const struct tap_test test_termset[] = {
	{ "agrees with terms_fits() and terms_decide()", test_termset_random },
	{ "without lines", test_termset_without },
	{ "grants of two pages", test_termset_grants },
	{ "out of memory", test_termset_no_memory },
	{ "limit of nodes", test_termset_limit },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "termset", test_termset }, { 0 } };

	return tap_main(argc, argv, suites);
}
