/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/setwords.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

/* What has been taken. */
static struct {
	struct space *s;
	bdd all;
	bool overlap;
	size_t n;
	char text[4096];
} test;

static void test_take(void *ctx, bdd part, const char *text)
{
	size_t len = strlen(test.text);

	test.overlap = test.overlap || bdd_and(test.s->m, test.all, part) != BDD_FALSE;
	test.all = bdd_or(test.s->m, test.all, part);
	test.n++;
	snprintf(test.text + len, sizeof(test.text) - len, "%s\n", text);
}

static int test_split(struct setwords *w, bdd set)
{
	memset(&test, 0, sizeof(test));
	test.s = w->s;
	return setwords_split(w, set, NULL, test_take, NULL);
}

static struct policy test_policy = { .n_users = 0 };

static void test_expect(struct setwords *w, bdd set, const char *expected)
{
	CU_ASSERT_EQUAL(test_split(w, bdd_and(w->s->m, set, w->s->valid)), 0);
	CU_ASSERT_FALSE(test.overlap);
	if (strcmp(test.text, expected) != 0)
		tap_fail(__FILE__, __LINE__, "expected:\n%sgot:\n%s", expected, test.text);
}

static bdd test_far(struct space *s, const char *text)
{
	struct ip6_prefix p = { 0 };

	CU_ASSERT_EQUAL(policy_parse_prefix(text, &p), 0);
	return bdd_and(s->m, bdd_prefix(s->m, space_first(SPACE_FAR), p.addr.s6_addr, p.len),
		       space_value(s, SPACE_FAMILY, policy_is_v4(&p)));
}

/* A page that speaks of one of each. */
static const struct policy_ports test_ports = {
	2, { { POLICY_TCP, 80, 90 }, { POLICY_UDP, 53, 53 } }
};
static struct terms_item test_items[] = {
	{ .match = { .ports = &test_ports, .has_mark = true, .mark = 0x504f } },
	{ .match = { .proto = POLICY_ICMP6, .n_types = 2, .types = { 135, 136 } } },
	{ .match = { .far_ports = { POLICY_TCP, 1024, UINT16_MAX } } },
};
static const struct terms test_terms = { .policy = &test_policy,
					 .in = { test_items, ARRAY_SIZE(test_items), 0 } };

static void test_setwords_sentences(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	_cleanup_(setwords_release) struct setwords w = { 0 };
	const struct terms *const terms[] = { &test_terms };
	bdd in, tcp, far;

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	CU_ASSERT_EQUAL(setwords_init(&w, &s, terms, 1), 0);
	in = bdd_and(s.m, space_value(&s, SPACE_DIR, POLICY_IN),
		     space_value(&s, SPACE_LINK, TERMS_UP));
	for (enum space_field f = SPACE_GRANTS; f <= SPACE_CT; f++)
		s.valid = space_forget(&s, s.valid, f);
	s.valid = space_forget(&s, s.valid, SPACE_SOCKET);
	test_expect(&w, BDD_FALSE, "");
	test_expect(&w, in, "in via up any\n");
	test_expect(&w, BDD_TRUE, "in any\nout any\n");
	tcp = bdd_and(s.m, in, space_value(&s, SPACE_PROTO, POLICY_TCP));
	test_expect(&w, tcp, "in via up tcp\n");
	test_expect(&w, bdd_and(s.m, tcp, space_values(&s, SPACE_NEAR_PORT, 80, 90)),
		    "in via up tcp 80-90\n");
	test_expect(&w, bdd_diff(s.m, in, tcp), "in via up not tcp\n");
	test_expect(&w, bdd_and(s.m, in, space_ports(&s, SPACE_NEAR_PORT, &test_ports)),
		    "in via up tcp 80-90\nin via up udp 53\n");
	test_expect(&w,
		    bdd_and(s.m, in,
			    bdd_and(s.m, space_value(&s, SPACE_PROTO, 58),
				    space_value(&s, SPACE_TYPE, 135))),
		    "in via up icmpv6 nd-neighbor-solicit from any\n");
	test_expect(&w, bdd_and(s.m, tcp, space_value(&s, SPACE_MARK, 0x504f)),
		    "in via up tcp, mark 0x504f\n");
	test_expect(&w, bdd_diff(s.m, tcp, space_value(&s, SPACE_MARK, 0x504f)),
		    "in via up tcp, mark not 0x504f\n");
	test_expect(&w, bdd_and(s.m, tcp, space_values(&s, SPACE_FAR_PORT, 1024, UINT16_MAX)),
		    "in via up tcp, source port 1024-65535\n");
	test_expect(&w, bdd_and(s.m, tcp, space_value(&s, SPACE_FAMILY, 0)),
		    "in via up tcp from any\n");
	far = bdd_or(s.m, test_far(&s, "2001:db8::/48"), test_far(&s, "10.0.0.0/8"));
	test_expect(&w, bdd_and(s.m, tcp, far), "in via up tcp from 10.0.0.0/8,2001:db8::/48\n");
	far = bdd_or(s.m, far, test_far(&s, "2001:db8:2::/47"));
	far = bdd_or(s.m, far, test_far(&s, "2001:db8:5::7"));
	test_expect(&w, bdd_and(s.m, tcp, far),
		    "in via up tcp from 10.0.0.0/8,2001:db8::/48,2001:db8:2::/47 and 1 more\n");
	test_expect(&w,
		    bdd_and(s.m, space_value(&s, SPACE_DIR, POLICY_OUT),
			    space_value(&s, SPACE_HAS_UID, 0)),
		    "out any, without a user\n");
	test_expect(&w,
		    bdd_and(s.m, in,
			    bdd_or(s.m, test_far(&s, "2001:db8::/48"),
				   space_value(&s, SPACE_PROTO, POLICY_TCP))),
		    "in via up not tcp from 2001:db8::/48\nin via up tcp\n");
}

/* A set that no list of prefixes could name: it ends, and says that there is more. */
static void test_setwords_many_prefixes(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	_cleanup_(setwords_release) struct setwords w = { 0 };
	bdd odd;

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	CU_ASSERT_EQUAL(setwords_init(&w, &s, NULL, 0), 0);
	odd = bdd_and(s.m, space_value(&s, SPACE_FAMILY, 0),
		      bdd_var(s.m, space_first(SPACE_FAR) + 127));
	CU_ASSERT_EQUAL(test_split(&w, bdd_and(s.m, odd, space_value(&s, SPACE_DIR, POLICY_IN))),
			0);
	CU_ASSERT_PTR_NOT_NULL(strstr(test.text, " and more"));
}

/* Random sets of random policies: the parts are apart, and together all that there is. */
static void test_setwords_exact(void)
{
	for (int round = 0; round < 60; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new();
		_cleanup_(terms_release) struct terms t = { 0 };
		_cleanup_(space_release) struct space s = { 0 };
		_cleanup_(setwords_release) struct setwords w = { 0 };
		const struct terms *const terms[] = { &t };
		bdd set = BDD_FALSE;

		CU_ASSERT_EQUAL(terms_make(p, &t), 0);
		CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
		CU_ASSERT_EQUAL(setwords_init(&w, &s, terms, 1), 0);
		for (size_t i = 0; i < p->n_rules; i++) {
			const struct policy_rule *r = &p->rules[i];
			bdd one = bdd_and(s.m, space_net(&s, &p->nets[r->net]),
					  space_ports(&s,
						      r->dir == POLICY_IN ? SPACE_NEAR_PORT :
									    SPACE_FAR_PORT,
						      &r->ports));

			one = bdd_and(s.m, one, space_users(&s, p, &r->users));
			one = bdd_and(s.m, one, space_value(&s, SPACE_DIR, r->dir));
			set = tap_random_below(3) ? bdd_or(s.m, set, one) : bdd_diff(s.m, set, one);
		}
		set = bdd_and(s.m, set, s.valid);
		for (enum space_field f = SPACE_GRANTS; f <= SPACE_CT; f++)
			set = space_forget(&s, set, f);
		set = space_forget(&s, set, SPACE_SOCKET);
		CU_ASSERT_EQUAL(test_split(&w, set), 0);
		CU_ASSERT_FALSE(test.overlap);
		CU_ASSERT_EQUAL(bdd_and(s.m, test.all, s.valid), bdd_and(s.m, set, s.valid));
	}
}

static int test_torture_run(void *ctx)
{
	_cleanup_(space_release) struct space s = { 0 };
	_cleanup_(setwords_release) struct setwords w = { 0 };
	const struct terms *const terms[] = { &test_terms };
	int r = space_init(&s, BDD_NODES_MAX);

	if (r == 0)
		r = setwords_init(&w, &s, terms, 1);
	if (r < 0)
		return r;
	return test_split(&w, bdd_and(s.m, s.valid, space_ports(&s, SPACE_NEAR_PORT, &test_ports)));
}

static void test_setwords_no_memory(void)
{
	CU_ASSERT_TRUE(torture(test_torture_run, NULL) > 15);
}

static const struct tap_test test_setwords[] = {
	{ "sentences", test_setwords_sentences },
	{ "more prefixes than there are words", test_setwords_many_prefixes },
	{ "exact", test_setwords_exact },
	{ "out of memory", test_setwords_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "setwords", test_setwords }, { 0 } };

	return tap_main(argc, argv, suites);
}
