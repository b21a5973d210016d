/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/changeset.h"
#include "netpolicy/prove/termset.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static void test_prefix(struct policy *p, size_t net, const char *text)
{
	struct ip6_prefix prefix = { 0 };

	CU_ASSERT_EQUAL(policy_parse_prefix(text, &prefix), 0);
	CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[net].prefixes, &prefix), 0);
}

/* Nets config, one, many; users app and 1002; no rule. */
static struct policy *test_policy(void)
{
	struct policy *p = policy_new();
	uint16_t user;
	size_t at;

	p->n_uplinks = p->n_tunnels = 1;
	CU_ASSERT_EQUAL(policy_add_net(p, "config", &at), 0);
	CU_ASSERT_EQUAL(policy_add_net(p, "one", &at), 0);
	CU_ASSERT_EQUAL(policy_add_net(p, "many", &at), 0);
	test_prefix(p, 0, "2001:db8:c0::/48");
	test_prefix(p, 1, "2001:db8:a::/48");
	test_prefix(p, 2, "2001:db8:b::/48");
	test_prefix(p, 2, "10.1.0.0/16");
	p->config_net = 0;
	CU_ASSERT_EQUAL(policy_add_user(p, "app", 1001, &user), 0);
	CU_ASSERT_EQUAL(policy_add_user(p, "", 1002, &user), 0);
	return p;
}

static struct policy_rule *test_rule(struct policy *p, enum policy_dir dir, size_t net,
				     const char *where)
{
	struct policy_rule rule = {
		.dir = dir,
		.net = net,
		.ports = { 1, { { POLICY_TCP, 443, 443 } } },
	};

	snprintf(rule.where, sizeof(rule.where), "%s", where);
	CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
	return &p->rules[p->n_rules - 1];
}

/* The changes as lines of text, and whether each example shows its. */
static void test_expect(struct policy *from, struct policy *to, const char *expected)
{
	_cleanup_(terms_release) struct terms a = { 0 }, b = { 0 };
	_cleanup_(prove_release_changes) struct prove_changes c = { 0 };
	char text[4096] = "";
	size_t at = 0;

	policy_finish(from);
	policy_finish(to);
	CU_ASSERT_EQUAL(terms_make(from, &a), 0);
	CU_ASSERT_EQUAL(terms_make(to, &b), 0);
	CU_ASSERT_EQUAL(prove_changes(&a, &b, &c), 0);
	for (size_t i = 0; i < c.n; i++) {
		const struct prove_change *change = &c.list[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%c %s (%s)\n",
				       change->newly_allowed ? '+' : '-', change->set,
				       change->because);
		CU_ASSERT_EQUAL(terms_decide(&a, &change->example).verdict == TERMS_ACCEPT,
				!change->newly_allowed);
		CU_ASSERT_EQUAL(terms_decide(&b, &change->example).verdict == TERMS_ACCEPT,
				change->newly_allowed);
	}
	if (strcmp(text, expected) != 0)
		tap_fail(__FILE__, __LINE__, "expected:\n%sgot:\n%s", expected, text);
	else
		CU_PASS("as expected");
	policy_free(from);
	policy_free(to);
}

static void test_changeset_same(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(a, POLICY_IN, 1, "p:1");
	test_rule(b, POLICY_IN, 1, "p:7");
	test_expect(a, b, "");
}

static void test_changeset_line_added(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(b, POLICY_IN, 1, "p:1");
	test_expect(a, b, "+ in via up tcp 443 from one (p:1)\n");
}

static void test_changeset_line_removed(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(a, POLICY_OUT, 1, "p:1")->ports.n = 0;
	test_expect(a, b, "- out via up any to one (p:1)\n");
}

static void test_changeset_ports(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(a, POLICY_IN, 1, "p:1")->ports =
		(struct policy_ports){ 2, { { POLICY_TCP, 80, 90 }, { POLICY_UDP, 53, 53 } } };
	test_rule(b, POLICY_IN, 1, "p:2")->ports =
		(struct policy_ports){ 2, { { POLICY_TCP, 85, 95 }, { POLICY_TCP, 22, 22 } } };
	test_expect(a, b,
		    "+ in via up tcp 22,91-95 from one (p:2)\n"
		    "- in via up tcp 80-84 from one (p:1)\n"
		    "- in via up udp 53 from one (p:1)\n");
}

static void test_changeset_users(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(a, POLICY_OUT, 1, "p:1")->users.n = 1;
	test_rule(b, POLICY_OUT, 1, "p:2")->users = (struct policy_users){ 2, { 0, 1 } };
	test_expect(a, b, "+ out via up tcp 443 to one, user 1002 (p:2)\n");
	a = test_policy();
	b = test_policy();
	test_rule(a, POLICY_OUT, 1, "p:1");
	test_rule(b, POLICY_OUT, 1, "p:2")->users.n = 1;
	test_expect(a, b,
		    "- out via up tcp 443 to one, without a user (p:1)\n"
		    "- out via up tcp 443 to one, user not app (p:1)\n");
}

static void test_changeset_prefixes(void)
{
	struct policy *a = test_policy(), *b = test_policy();

	test_rule(a, POLICY_IN, 2, "p:1");
	test_rule(b, POLICY_IN, 2, "p:1");
	test_prefix(b, 2, "2001:db8:d::/48");
	test_expect(a, b, "+ in via up tcp 443 from 2001:db8:d::/48 of many (p:1)\n");
	a = test_policy();
	b = test_policy();
	test_rule(a, POLICY_IN, 2, "p:1");
	test_rule(b, POLICY_IN, 2, "p:1");
	for (int i = 0; i < 5; i++) {
		char text[32];

		snprintf(text, sizeof(text), "2001:db8:e%d:1::/64", i);
		test_prefix(a, 2, text);
	}
	test_prefix(b, 2, "10.9.0.0/24");
	test_expect(a, b,
		    "+ in via up tcp 443 from 10.9.0.0/24 of many (p:1)\n"
		    "- in via up tcp 443 from 2001:db8:e0:1::/64,2001:db8:e1:1::/64,"
		    "2001:db8:e2:1::/64 and 2 more of many (p:1)\n");
}

static void test_changeset_link_and_mark(void)
{
	struct policy *a = test_policy(), *b = test_policy();
	struct policy_rule *rule;

	rule = test_rule(b, POLICY_OUT, 0, "p:1");
	rule->has_mark = true;
	rule->mark = 0x504f;
	test_rule(b, POLICY_IN, 1, "p:2")->via = POLICY_VIA_TUNNEL;
	test_expect(a, b,
		    "+ in via tun tcp 443 from one (p:2)\n"
		    "+ out via up tcp 443 to config, source port 1024-65535, mark 0x504f (p:1)\n");
}

static void test_changeset_grant(void)
{
	struct policy *a = test_policy(), *b = test_policy();
	const struct policy_grant other = {
		.name = "web", .ports = { 1, { { POLICY_TCP, 80, 80 } } }, .net = 1, .where = "p:8"
	};
	const struct policy_grant grant = {
		.name = "ssh", .ports = { 1, { { POLICY_TCP, 22, 22 } } }, .net = 1, .where = "p:9"
	};

	CU_ASSERT_EQUAL(policy_add_grant(a, &other), 0);
	CU_ASSERT_EQUAL(policy_add_grant(b, &grant), 0);
	CU_ASSERT_EQUAL(policy_add_grant(b, &other), 0);
	test_expect(a, b,
		    "+ in via up tcp 22 from one, with a live grant ssh (p:9)\n"
		    "- in via up tcp 22 from one, established connections only ()\n"
		    "- out via up tcp to one, source port 22, established connections only ()\n");
}

/* Every packet that differs is in a change, and each example shows a difference. */
static void test_changeset_random(void)
{
	size_t n_changes = 0, n_left = 0;

	for (int round = 0; round < 60; round++) {
		_cleanup_(policy_freep) struct policy *p = tinypolicy_new(), *q = tinypolicy_new();
		_cleanup_(terms_release) struct terms a = { 0 }, b = { 0 };
		_cleanup_(prove_release_changes) struct prove_changes c = { 0 };
		size_t n_differ = 0;

		p->n_grants = q->n_grants = 0;
		CU_ASSERT_EQUAL(terms_make(p, &a), 0);
		CU_ASSERT_EQUAL(terms_make(q, &b), 0);
		CU_ASSERT_EQUAL(prove_changes(&a, &b, &c), 0);
		for (size_t i = 0; i < c.n; i++) {
			const struct terms_packet *k = &c.list[i].example;
			char text[PROVE_TEXT_MAX];

			if ((terms_decide(&b, k).verdict == TERMS_ACCEPT) !=
				    c.list[i].newly_allowed ||
			    (terms_decide(&a, k).verdict != TERMS_ACCEPT) !=
				    c.list[i].newly_allowed)
				tap_fail(__FILE__, __LINE__, "%d %s: %s", c.list[i].newly_allowed,
					 c.list[i].set, prove_packet_text(k, text));
			CU_ASSERT_EQUAL(terms_decide(&b, k).verdict == TERMS_ACCEPT,
					c.list[i].newly_allowed);
			CU_ASSERT_EQUAL(terms_decide(&a, k).verdict != TERMS_ACCEPT,
					c.list[i].newly_allowed);
		}
		for (int i = 0; i < 2000; i++) {
			struct terms_packet k;

			tinypolicy_packet(&k);
			n_differ += !k.facts && !k.from_packet_socket &&
				    k.ct <= TERMS_ESTABLISHED &&
				    (terms_decide(&a, &k).verdict == TERMS_ACCEPT) !=
					    (terms_decide(&b, &k).verdict == TERMS_ACCEPT);
		}
		CU_ASSERT_TRUE(c.n > 0 || n_differ == 0);
		n_changes += c.n;
		n_left += c.n_left_out;
	}
	tap_note("%zu changes, %zu left out", n_changes, n_left);
}

static void test_changeset_limit(void)
{
	_cleanup_(policy_freep) struct policy *a = test_policy(), *b = test_policy();
	_cleanup_(terms_release) struct terms x = { 0 }, y = { 0 };
	_cleanup_(prove_release_changes) struct prove_changes c = { 0 };

	for (uint16_t i = 0; i < PROVE_CHANGES_MAX + 1; i++)
		test_rule(b, POLICY_IN, 1, "p:1")->ports.list[0] = (struct policy_port){
			POLICY_TCP, (uint16_t)(2 * i + 1), (uint16_t)(2 * i + 1)
		};
	CU_ASSERT_EQUAL(terms_make(a, &x), 0);
	CU_ASSERT_EQUAL(terms_make(b, &y), 0);
	CU_ASSERT_EQUAL(prove_changes(&x, &y, &c), 0);
	CU_ASSERT_EQUAL(c.n, PROVE_CHANGES_MAX);
	CU_ASSERT_EQUAL(c.n_left_out, 1);
}

static int test_torture_run(void *ctx)
{
	_cleanup_(prove_release_changes) struct prove_changes c = { 0 };
	struct terms *both = ctx;

	return prove_changes(&both[0], &both[1], &c);
}

static void test_changeset_no_memory(void)
{
	_cleanup_(policy_freep) struct policy *p = tinypolicy_new(), *q = tinypolicy_new();
	struct terms both[2];

	CU_ASSERT_EQUAL(terms_make(p, &both[0]), 0);
	CU_ASSERT_EQUAL(terms_make(q, &both[1]), 0);
	CU_ASSERT_TRUE(torture(test_torture_run, both) > 20);
	terms_release(&both[0]);
	terms_release(&both[1]);
}

static const struct tap_test test_changeset[] = {
	{ "the same in other words", test_changeset_same },
	{ "a line is added", test_changeset_line_added },
	{ "a line is removed", test_changeset_line_removed },
	{ "other ports", test_changeset_ports },
	{ "other users", test_changeset_users },
	{ "other prefixes", test_changeset_prefixes },
	{ "link and mark", test_changeset_link_and_mark },
	{ "a grant", test_changeset_grant },
	{ "random policies", test_changeset_random },
	{ "limit", test_changeset_limit },
	{ "out of memory", test_changeset_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "changeset", test_changeset }, { 0 } };

	return tap_main(argc, argv, suites);
}
