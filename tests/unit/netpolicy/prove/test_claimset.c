/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/claimset.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

/* The policy at hand. */
static struct {
	struct policy *p;
	struct terms terms;
	struct space space;
	struct termset set;
	size_t n_packets;
} test;

static void test_begin(struct policy *p)
{
	test.p = p;
	test.n_packets = 0;
	CU_ASSERT_EQUAL(terms_make(p, &test.terms), 0);
	CU_ASSERT_EQUAL(space_init(&test.space, PROVE_NODES_MAX), 0);
	CU_ASSERT_EQUAL(termset_make(&test.space, &test.terms, NULL, &test.set), 0);
}

static void test_end(void)
{
	termset_release(&test.set);
	space_release(&test.space);
	terms_release(&test.terms);
	policy_free(test.p);
}

static bool test_port_in(const struct policy_ports *ports, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < ports->n; i++)
		if (ports->list[i].proto == proto && port >= ports->list[i].low &&
		    port <= ports->list[i].high)
			return true;
	return ports->n == 0;
}

static bool test_far_in(size_t net, const struct terms_packet *k)
{
	const struct policy_net *n = &test.p->nets[net];

	return n->is_any ? k->family == 6 : policy_has(&n->prefixes, &k->far);
}

static bool test_via(enum policy_via via, const struct terms_packet *k)
{
	return via == POLICY_VIA_ANY ||
	       k->link == (via == POLICY_VIA_UPLINK ? TERMS_UP : TERMS_TUN);
}

static bool test_user_in(const struct policy_users *users, const struct terms_packet *k)
{
	for (size_t i = 0; i < users->n; i++)
		if (k->has_uid && test.p->users[users->at[i]].uid == k->uid)
			return true;
	return users->n == 0;
}

static bool test_implied(const struct terms_packet *k)
{
	const struct terms_list *list = k->dir == POLICY_IN ? &test.terms.in : &test.terms.out;

	for (size_t i = 0; i < list->n; i++)
		if ((list->list[i].row == 2 || list->list[i].row == 5) && !list->list[i].where[0] &&
		    list->list[i].verdict == TERMS_ACCEPT &&
		    terms_fits(test.p, &list->list[i].match, k))
			return true;
	return false;
}

static bool test_grant(const struct policy_match *m, const struct terms_packet *k)
{
	const struct policy_grant *g;

	if (m->grant == POLICY_NONE)
		return true;
	g = &test.p->grants[m->grant];
	return k->grants >> m->grant & 1 && test_far_in(g->net, k) && test_via(g->via, k) &&
	       test_port_in(&g->ports, k->proto, k->near_port);
}

static bool test_icmp6(const struct policy_match *m, const struct terms_packet *k)
{
	return m->n_icmp6 == 0 || (k->family == 6 && k->proto == POLICY_ICMP6 &&
				   memchr(m->icmp6, k->icmp_type, m->n_icmp6));
}

static bool test_head_fits(const struct policy_match *m, const struct terms_packet *k)
{
	if (m->has_dir && m->dir != k->dir)
		return false;
	if (m->family && m->family != k->family)
		return false;
	if (m->has_mark && m->mark != k->mark)
		return false;
	return !m->is_new || k->ct == TERMS_NEW || k->ct == TERMS_UNTRACKED;
}

/* A packet and the words of a claim, by hand. */
static bool test_fits(const struct policy_match *m, const struct terms_packet *k)
{
	uint16_t port = k->dir == POLICY_IN ? k->near_port : k->far_port;

	if (m->net != POLICY_NONE && !test_far_in(m->net, k))
		return false;
	return test_head_fits(m, k) && test_via(m->via, k) &&
	       test_port_in(&m->ports, k->proto, port) && test_user_in(&m->users, k) &&
	       test_grant(m, k) && test_icmp6(m, k) && (!m->is_implied || test_implied(k));
}

static bool test_speaks_of(const struct policy_say *say, const struct terms_packet *k)
{
	if (!test_fits(&say->match, k))
		return false;
	for (size_t i = 0; i < say->n_excepts; i++)
		if (test_fits(&say->excepts[i], k))
			return false;
	return true;
}

static void test_bad(const char *what, const struct terms_packet *k)
{
	char text[PROVE_TEXT_MAX];

	tap_fail(__FILE__, __LINE__, "%s: %s", what, prove_packet_text(k, text));
}

static void test_one_say(const struct policy_say *say)
{
	bdd target = claimset_target(&test.set, say);

	for (int n = 0; n < 200; n++) {
		struct terms_packet k;

		tinypolicy_packet(&k);
		if (space_has(&test.space, target, &k) != test_speaks_of(say, &k))
			test_bad("what a claim speaks of", &k);
	}
}

/* Sets and words agree on packets. */
static void test_claimset_match(void)
{
	for (int round = 0; round < 60; round++) {
		test_begin(tinypolicy_new());
		for (size_t i = 0; i < test.p->n_says; i++)
			test_one_say(&test.p->says[i]);
		test_end();
	}
}

static bool test_is_global(const struct in6_addr *a)
{
	return a->s6_addr[0] == 0x20 || a->s6_addr[12] == 10;
}

static bool test_is_plain_head(const struct terms_packet *k)
{
	if (k->proto == POLICY_TCP || k->proto == POLICY_UDP)
		return k->near_port && k->far_port;
	if (k->proto == POLICY_ICMP6)
		return k->icmp_type == 128 || (k->icmp_type == 135 && k->hop_limit == 255);
	return true;
}

/* No fact against it, a first packet, hop limit as it must be: what is plainly well-formed. */
static bool test_is_plain(const struct terms_packet *k)
{
	return !k->facts && !k->from_packet_socket &&
	       (k->ct == TERMS_NEW || k->ct == TERMS_UNTRACKED) && test_is_global(&k->far) &&
	       test_is_global(&k->near) && test_is_plain_head(k);
}

/* A violated say has a packet that shows it. */
static void test_witness(const struct policy_say *say, const struct prove_say *result)
{
	const struct terms_packet *k = &result->witness;
	struct terms_answer a = terms_decide(&test.terms, k);

	if (!test_speaks_of(say, k) || !space_has(&test.space, test.space.valid, k))
		test_bad("witness of something else", k);
	if ((a.verdict == TERMS_ACCEPT) != say->is_never)
		test_bad("witness that shows nothing", k);
	CU_ASSERT_PTR_EQUAL(a.item, result->lets.item);
}

/* No packet at all may speak against what holds. */
static void test_against(void *ctx, const struct terms_packet *k)
{
	const struct prove_say *results = ctx;
	bool accepted = terms_decide(&test.terms, k).verdict == TERMS_ACCEPT;

	test.n_packets++;
	for (size_t i = 0; i < test.p->n_says; i++) {
		const struct policy_say *say = &test.p->says[i];

		if (results[i].outcome != PROVE_HOLDS || !test_speaks_of(say, k))
			continue;
		if (say->is_never && accepted && !k->from_packet_socket)
			test_bad("holds, but", k);
		if (say->is_never && accepted && k->from_packet_socket && k->link == TERMS_UP &&
		    !results[i].but_sockets)
			test_bad("holds, but from a packet socket", k);
		if (!say->is_never && !accepted && test_is_plain(k))
			test_bad("always, but", k);
	}
}

static void test_judge(struct prove_say *results, size_t counts[static 3])
{
	for (size_t i = 0; i < test.p->n_says; i++) {
		CU_ASSERT_EQUAL(claimset_judge(&test.set, i, &results[i]), 0);
		counts[results[i].outcome]++;
		if (results[i].outcome == PROVE_VIOLATED)
			test_witness(&test.p->says[i], &results[i]);
	}
}

static void test_claimset_random(void)
{
	size_t counts[3] = { 0 };

	for (int round = 0; round < 150; round++) {
		struct prove_say results[16];
		struct terms_packet k;

		test_begin(tinypolicy_new());
		test_judge(results, counts);
		for (int i = 0; i < 3000; i++) {
			tinypolicy_packet(&k);
			test_against(results, &k);
		}
		test_end();
	}
	tap_note("%zu hold, %zu violated", counts[PROVE_HOLDS], counts[PROVE_VIOLATED]);
	CU_ASSERT_TRUE(counts[PROVE_HOLDS] > 100);
	CU_ASSERT_TRUE(counts[PROVE_VIOLATED] > 100);
	CU_ASSERT_EQUAL(counts[PROVE_UNDECIDED], 0);
}

/* Brute force over all packets that can be told apart, but for facts. */
static void test_claimset_all_packets(void)
{
	size_t counts[3] = { 0 }, n = 0;

	for (int round = 0; round < 3; round++) {
		struct prove_say results[16];

		test_begin(tinypolicy_new());
		test_judge(results, counts);
		for (enum policy_dir dir = POLICY_IN; dir <= POLICY_OUT; dir++)
			for (enum terms_link link = TERMS_LO; link <= TERMS_TUN; link++)
				tinypolicy_each(dir, link, test_against, results);
		n += test.n_packets;
		test_end();
	}
	tap_note("%zu packets", n);
	CU_ASSERT_TRUE(n > 100000);
}

/* A compute host in small. */
static struct policy *test_host(void)
{
	static const struct {
		const char *name, *prefix;
	} nets[] = { { "config", "2001:db8:c0::/48" },
		     { "gateways", "fd12::/64" },
		     { "public", "2001:db8:a::/48" } };
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
	p->gateways_net = 1;
	CU_ASSERT_EQUAL(policy_add_rule(p,
					&(struct policy_rule){
						.dir = POLICY_IN,
						.net = 2,
						.ports = { 1, { { POLICY_TCP, 4443, 4443 } } },
						.where = "policy.conf:17",
					}),
			0);
	CU_ASSERT_EQUAL(policy_add_rule(p,
					&(struct policy_rule){
						.dir = POLICY_OUT,
						.net = 0,
						.has_mark = true,
						.mark = 0x504f,
						.ports = { 1, { { POLICY_UDP, 51820, 51820 } } },
						.where = "policy.conf:18",
					}),
			0);
	return p;
}

static struct policy_match test_any_match(enum policy_dir dir, enum policy_via via)
{
	return (struct policy_match){
		.has_dir = true, .dir = dir, .via = via, .net = POLICY_NONE, .grant = POLICY_NONE
	};
}

static struct policy_match test_except(void)
{
	return (struct policy_match){ .via = POLICY_VIA_ANY,
				      .net = POLICY_NONE,
				      .grant = POLICY_NONE };
}

static struct policy_match test_nd(struct policy_match m)
{
	m.n_icmp6 = 2;
	m.icmp6[0] = 135;
	m.icmp6[1] = 136;
	return m;
}

static enum prove_outcome test_ask(const struct policy_say *say, struct prove_say *ret)
{
	struct policy *p = test_host();

	CU_ASSERT_EQUAL(policy_add_say(p, say), 0);
	test_begin(p);
	CU_ASSERT_EQUAL(claimset_judge(&test.set, 0, ret), 0);
	return ret->outcome;
}

static void test_claimset_config_needs_the_guard(void)
{
	struct policy_say say = { .is_never = true, .n_excepts = 2 };
	struct prove_say result;

	say.match = test_any_match(POLICY_OUT, POLICY_VIA_UPLINK);
	say.match.net = 0;
	say.excepts[0] = test_except();
	say.excepts[0].has_mark = true;
	say.excepts[0].mark = 0x504f;
	say.excepts[1] = test_nd(test_except());
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_FALSE(result.but_sockets);
	test_end();
	/* Without the exception for marked packets a packet socket can send them too. */
	say.excepts[0].mark = 1;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_VIOLATED);
	CU_ASSERT_EQUAL(result.witness.mark, 0x504f);
	CU_ASSERT_STRING_EQUAL(result.lets.item->where, "policy.conf:18");
	test_end();
}

static void test_claimset_others_but_for_packet_sockets(void)
{
	struct policy_say say = { .is_never = true, .n_excepts = 1 };
	struct prove_say result;

	say.match = test_any_match(POLICY_OUT, POLICY_VIA_UPLINK);
	say.match.net = 2;
	say.match.is_new = true;
	say.excepts[0] = test_except();
	say.excepts[0].is_implied = true;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_TRUE(result.but_sockets);
	CU_ASSERT_TRUE(result.socket_witness.from_packet_socket);
	CU_ASSERT_TRUE(result.socket_lets.by_guard);
	test_end();
}

static void test_claimset_forgotten_dhcp(void)
{
	struct policy_say say = { .is_never = true };
	struct prove_say result;

	say.match = test_any_match(POLICY_IN, POLICY_VIA_UPLINK);
	say.match.is_new = true;
	say.match.ports = (struct policy_ports){ 1, { { POLICY_UDP, 1, 65535 } } };
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_VIOLATED);
	CU_ASSERT_EQUAL(result.lets.item->row, 5);
	CU_ASSERT_EQUAL(result.witness.near_port, 546);
	test_end();
	say.match.ports.n = 0;
	say.n_excepts = 2;
	say.excepts[0] = test_except();
	say.excepts[0].net = 2;
	say.excepts[1] = test_except();
	say.excepts[1].is_implied = true;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	test_end();
}

static void test_claimset_ipv6_keeps_working(void)
{
	struct policy_say say = { .match = test_nd(test_any_match(POLICY_OUT, POLICY_VIA_UPLINK)) };
	struct prove_say result;

	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	test_end();
	say.match.dir = POLICY_IN;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	test_end();
	say.match.icmp6[1] = 134;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	test_end();
	say.match.icmp6[1] = 128;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_VIOLATED);
	CU_ASSERT_EQUAL(result.witness.icmp_type, 128);
	test_end();
}

static void test_claimset_undecided(void)
{
	struct policy_say say = { .is_never = true };
	struct prove_say result;
	struct policy *p = test_host();

	say.match = test_any_match(POLICY_OUT, POLICY_VIA_UPLINK);
	CU_ASSERT_EQUAL(policy_add_say(p, &say), 0);
	test_begin(p);
	test.space.failed = -EFBIG;
	CU_ASSERT_EQUAL(claimset_judge(&test.set, 0, &result), 0);
	CU_ASSERT_EQUAL(result.outcome, PROVE_UNDECIDED);
	test.space.failed = -ENOMEM;
	CU_ASSERT_EQUAL(claimset_judge(&test.set, 0, &result), -ENOMEM);
	test_end();
}

/* Diagrams that grew too large while the terms themselves were read. */
static void test_claimset_too_large_from_the_start(void)
{
	struct policy_say say = { .is_never = true, .n_excepts = 1 };
	struct policy *p = test_host();
	struct prove_say result;

	say.match = test_any_match(POLICY_IN, POLICY_VIA_UPLINK);
	say.excepts[0] = test_except();
	say.excepts[0].is_implied = true;
	CU_ASSERT_EQUAL(policy_add_say(p, &say), 0);
	test.p = p;
	CU_ASSERT_EQUAL(terms_make(p, &test.terms), 0);
	CU_ASSERT_EQUAL(space_init(&test.space, 3000), 0);
	CU_ASSERT_EQUAL(termset_make(&test.space, &test.terms, NULL, &test.set), -EFBIG);
	CU_ASSERT_EQUAL(claimset_judge(&test.set, 0, &result), 0);
	CU_ASSERT_EQUAL(result.outcome, PROVE_UNDECIDED);
	CU_ASSERT_FALSE(result.is_empty);
	test_end();
}

static void test_claimset_speaks_of_nothing(void)
{
	struct policy_say say = { .is_never = true };
	struct prove_say result;

	say.match = test_any_match(POLICY_IN, POLICY_VIA_UPLINK);
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_VIOLATED);
	CU_ASSERT_FALSE(result.is_empty);
	test_end();
	/* No packet is both. */
	say.match = test_nd(say.match);
	say.match.family = 4;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_TRUE(result.is_empty);
	test_end();
	/* All of it is excepted. */
	say.match.family = 0;
	say.n_excepts = 1;
	say.excepts[0] = test_nd(test_except());
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_TRUE(result.is_empty);
	test_end();
	say.n_excepts = 0;
	say.is_never = false;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_FALSE(result.is_empty);
	test_end();
	say.match.family = 4;
	CU_ASSERT_EQUAL(test_ask(&say, &result), PROVE_HOLDS);
	CU_ASSERT_TRUE(result.is_empty);
	test_end();
}

static const struct tap_test test_claimset[] = {
	{ "what a claim speaks of", test_claimset_match },
	{ "random claims and packets", test_claimset_random },
	{ "claims against every packet", test_claimset_all_packets },
	{ "what is said of config, the guard enforces", test_claimset_config_needs_the_guard },
	{ "other claims hold but for packet sockets", test_claimset_others_but_for_packet_sockets },
	{ "a forgotten DHCPv6 is shown", test_claimset_forgotten_dhcp },
	{ "IPv6 keeps working", test_claimset_ipv6_keeps_working },
	{ "too large to decide", test_claimset_undecided },
	{ "too large from the start", test_claimset_too_large_from_the_start },
	{ "a claim that speaks of nothing", test_claimset_speaks_of_nothing },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "claimset", test_claimset }, { 0 } };

	return tap_main(argc, argv, suites);
}
