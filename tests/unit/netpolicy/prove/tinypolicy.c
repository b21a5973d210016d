/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/prove/tinypolicy.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"

/* Nets are unions of these. */
static const char *const tinypolicy_atoms[] = {
	"2001:db8:a::/48", "2001:db8:b::/48", "2001:db8:c:8000::/49",
	"2001:db8:d::7",   "10.1.0.0/16",     "10.2.0.0/17",
};

static const char *const tinypolicy_addresses[] = {
	"2001:db8:a::9",
	"2001:db8:b::9",
	"2001:db8:c:8000::9",
	"2001:db8:d::7",
	"2001:db8:d::8",
	"fd12::9",
	"2001:db8:c0::9",
	"fe80::9",
	"ff02::1:2",
	"ff02::1",
	"::1",
	"fd00:ec2::254",
	"::",
	"10.1.0.9",
	"10.2.0.9",
	"10.2.128.9",
	"169.254.169.254",
	"127.0.0.9",
	"224.0.0.9",
};

static const uint16_t tinypolicy_served[] = { 0,    22,   80,  443, 1000, 1001,
					      1003, 1004, 546, 547, 67,   68 };
static const uint16_t tinypolicy_client[] = { 1023, 40000, 546, 547, 67, 68, 22 };
static const uint8_t tinypolicy_types[] = { 0,   1,   2,   4,   5,   128, 130, 131,
					    133, 134, 135, 136, 137, 143, 200 };
static const uint32_t tinypolicy_marks[] = { 0, TINYPOLICY_MARK, 7 };

static void tinypolicy_need(int r)
{
	if (r < 0)
		tap_fail(__FILE__, __LINE__, "no policy: %d", r);
}

static size_t tinypolicy_net(struct policy *p, const char *name)
{
	size_t at = POLICY_NONE;

	tinypolicy_need(policy_add_net(p, name, &at));
	snprintf(p->nets[at].where, sizeof(p->nets[at].where), "t:%zu", at + 1);
	return at;
}

static void tinypolicy_prefix(struct policy *p, size_t net, const char *text)
{
	struct ip6_prefix prefix = { 0 };

	tinypolicy_need(policy_parse_prefix(text, &prefix));
	tinypolicy_need(policy_add_prefix(&p->nets[net].prefixes, &prefix));
}

static void tinypolicy_nets(struct policy *p)
{
	static const char *const names[] = { "one", "two", "three" };

	if (tap_random_below(4)) {
		p->config_net = tinypolicy_net(p, "config");
		tinypolicy_prefix(p, p->config_net, "2001:db8:c0::/48");
		if (tap_random_below(4)) {
			p->gateways_net = tinypolicy_net(p, "gateways");
			tinypolicy_prefix(p, p->gateways_net, "fd12::/64");
		}
	}
	if (tap_random_below(2)) {
		size_t any = tinypolicy_net(p, "any");

		p->nets[any].is_any = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t net = tinypolicy_net(p, names[i]);

		for (size_t n = 1 + tap_random_below(3); n > 0; n--)
			tinypolicy_prefix(
				p, net,
				tinypolicy_atoms[tap_random_below(ARRAY_SIZE(tinypolicy_atoms))]);
	}
	if (tap_random_below(2))
		tinypolicy_prefix(p, tinypolicy_net(p, "imds"), "fd00:ec2::254");
}

static void tinypolicy_ports(struct policy_ports *ret)
{
	static const struct policy_port ports[] = {
		{ POLICY_TCP, 22, 22 },     { POLICY_TCP, 80, 80 },   { POLICY_TCP, 443, 443 },
		{ POLICY_TCP, 1000, 1003 }, { POLICY_UDP, 443, 443 }, { POLICY_UDP, 1, 65535 },
	};

	ret->n = tap_random_below(3);
	for (size_t i = 0; i < ret->n; i++)
		ret->list[i] = ports[tap_random_below(ARRAY_SIZE(ports))];
}

static void tinypolicy_users(const struct policy *p, struct policy_users *ret)
{
	ret->n = tap_random_below(4) ? 0 : 1 + tap_random_below(2);
	for (size_t i = 0; i < ret->n; i++)
		ret->at[i] = (uint16_t)tap_random_below(p->n_users);
}

static void tinypolicy_rule(struct policy *p, size_t i)
{
	struct policy_rule rule = { .net = tap_random_below(p->n_nets), .row = 15 };

	rule.dir = tap_random_below(2) ? POLICY_IN : POLICY_OUT;
	rule.via = tap_random_below(2) ? POLICY_VIA_UPLINK : POLICY_VIA_TUNNEL;
	tinypolicy_ports(&rule.ports);
	if (rule.dir == POLICY_OUT)
		tinypolicy_users(p, &rule.users);
	if (rule.net == p->config_net && tap_random_below(2)) {
		rule.via = POLICY_VIA_UPLINK;
		rule.dir = POLICY_OUT;
		rule.has_mark = true;
		rule.mark = TINYPOLICY_MARK;
		rule.users.n = 0;
		rule.ports = (struct policy_ports){ 1, { { POLICY_TCP, 443, 443 } } };
	}
	snprintf(rule.where, sizeof(rule.where), "t:%zu", 100 + i);
	tinypolicy_need(policy_add_rule(p, &rule));
}

static void tinypolicy_grant(struct policy *p)
{
	struct policy_grant grant = {
		.name = "ssh",
		.ports = { 1, { { POLICY_TCP, 22, 22 } } },
		.net = tap_random_below(p->n_nets),
		.via = tap_random_below(2) ? POLICY_VIA_UPLINK : POLICY_VIA_TUNNEL,
		.max_s = 60,
		.where = "t:90",
	};

	tinypolicy_need(policy_add_grant(p, &grant));
}

static void tinypolicy_match(const struct policy *p, bool is_except, struct policy_match *ret)
{
	static const uint8_t families[] = { 0, 0, 0, 6, 4 };
	static const uint8_t nd[] = { 135, 136 };

	*ret = (struct policy_match){ .net = POLICY_NONE, .grant = POLICY_NONE };
	ret->has_dir = !is_except;
	ret->dir = tap_random_below(2) ? POLICY_IN : POLICY_OUT;
	ret->via = is_except ? POLICY_VIA_ANY : (enum policy_via)tap_random_below(3);
	ret->is_new = !tap_random_below(3);
	ret->family = families[tap_random_below(ARRAY_SIZE(families))];
	if (tap_random_below(2))
		ret->net = tap_random_below(p->n_nets);
	if (tap_random_below(4) == 0) {
		ret->n_icmp6 = ARRAY_SIZE(nd);
		memcpy(ret->icmp6, nd, sizeof(nd));
	} else {
		tinypolicy_ports(&ret->ports);
	}
	if (!ret->has_dir || ret->dir == POLICY_OUT)
		tinypolicy_users(p, &ret->users);
	ret->has_mark = !tap_random_below(5);
	ret->mark = TINYPOLICY_MARK;
	if (p->n_grants && !tap_random_below(4))
		ret->grant = 0;
	ret->is_implied = is_except && !tap_random_below(3);
}

static void tinypolicy_says(struct policy *p)
{
	const struct policy_claim claim = { .text = "random", .where = "t:200" };

	tinypolicy_need(policy_add_claim(p, &claim));
	for (size_t i = 0; i < 12; i++) {
		struct policy_say say = { .is_never = tap_random_below(3), .where = "t:201" };

		tinypolicy_match(p, false, &say.match);
		say.n_excepts = tap_random_below(4);
		for (size_t j = 0; j < say.n_excepts; j++)
			tinypolicy_match(p, true, &say.excepts[j]);
		tinypolicy_need(policy_add_say(p, &say));
	}
}

struct policy *tinypolicy_new(void)
{
	struct policy *p = policy_new();
	uint16_t at;

	if (!p) {
		tap_fail(__FILE__, __LINE__, "no memory");
		return NULL;
	}
	p->n_uplinks = p->n_tunnels = 1;
	snprintf(p->name, sizeof(p->name), "tiny");
	snprintf(p->uplinks[0], IFNAMSIZ, "eth0");
	snprintf(p->tunnels[0], IFNAMSIZ, "postern0");
	tinypolicy_need(policy_add_user(p, "app", 1001, &at));
	tinypolicy_need(policy_add_user(p, "", 1002, &at));
	tinypolicy_nets(p);
	for (size_t i = 0, n = 1 + tap_random_below(8); i < n; i++)
		tinypolicy_rule(p, i);
	if (tap_random_below(2))
		tinypolicy_grant(p);
	tinypolicy_says(p);
	policy_finish(p);
	return p;
}

static uint8_t tinypolicy_address(size_t i, struct in6_addr *ret)
{
	struct ip6_prefix p = { 0 };

	tinypolicy_need(policy_parse_prefix(tinypolicy_addresses[i], &p));
	*ret = p.addr;
	return policy_is_v4(&p) ? 4 : 6;
}

static size_t tinypolicy_of_family(uint8_t family, struct in6_addr *ret)
{
	size_t i;

	do
		i = tap_random_below(ARRAY_SIZE(tinypolicy_addresses));
	while (tinypolicy_address(i, ret) != family);
	return i;
}

static void tinypolicy_head(struct terms_packet *p)
{
	static const uint8_t protos[] = { POLICY_TCP, POLICY_TCP, POLICY_UDP, POLICY_ICMP6, 47 };

	p->proto = protos[tap_random_below(ARRAY_SIZE(protos))];
	p->hop_limit = tap_random_below(2) ? 255 : 64;
	if (p->proto == POLICY_TCP || p->proto == POLICY_UDP) {
		uint16_t served =
			tinypolicy_served[tap_random_below(ARRAY_SIZE(tinypolicy_served))];
		uint16_t client =
			tinypolicy_client[tap_random_below(ARRAY_SIZE(tinypolicy_client))];
		bool swap = !tap_random_below(5);

		p->near_port = (p->dir == POLICY_IN) != swap ? served : client;
		p->far_port = (p->dir == POLICY_IN) != swap ? client : served;
	}
	if (p->proto == POLICY_ICMP6 && p->family == 6)
		p->icmp_type = tinypolicy_types[tap_random_below(ARRAY_SIZE(tinypolicy_types))];
}

static void tinypolicy_facts(struct terms_packet *p)
{
	static const uint32_t in[] = { 0, 0, 0, TERMS_OWN_SOURCE, TERMS_NO_WAY_BACK };
	static const uint32_t out[] = { 0,
					0,
					0,
					TERMS_LATER_FRAGMENT,
					TERMS_FALSE_FRAME,
					TERMS_FALSE_SOURCE,
					TERMS_LATER_FRAGMENT | TERMS_FALSE_SOURCE };

	p->facts = p->dir == POLICY_IN ? in[tap_random_below(ARRAY_SIZE(in))] :
					 out[tap_random_below(ARRAY_SIZE(out))];
}

void tinypolicy_packet(struct terms_packet *ret)
{
	*ret = (struct terms_packet){
		.dir = tap_random_below(2) ? POLICY_IN : POLICY_OUT,
		.link = (enum terms_link)tap_random_below(TERMS_LINKS),
		.ct = (enum terms_ct)tap_random_below(TERMS_CTS),
		.mark = tinypolicy_marks[tap_random_below(ARRAY_SIZE(tinypolicy_marks))],
		.grants = (uint32_t)tap_random_below(2),
	};
	ret->family = tinypolicy_address(tap_random_below(ARRAY_SIZE(tinypolicy_addresses)),
					 &ret->far);
	tinypolicy_of_family(ret->family, &ret->near);
	tinypolicy_head(ret);
	tinypolicy_facts(ret);
	if (ret->dir == POLICY_OUT) {
		ret->from_packet_socket = !tap_random_below(6);
		ret->has_uid = !ret->from_packet_socket && tap_random_below(3);
		ret->uid = ret->has_uid ? 1000 + (uint32_t)tap_random_below(4) : 0;
	}
}

/* What is being enumerated. */
struct tinypolicy_walk {
	void (*each)(void *ctx, const struct terms_packet *packet);
	void *ctx;
	struct terms_packet p;
};

static void tinypolicy_each_state(struct tinypolicy_walk *w)
{
	static const enum terms_ct cts[] = { TERMS_NEW, TERMS_ESTABLISHED, TERMS_INVALID,
					     TERMS_UNTRACKED };
	const struct terms_packet before = w->p;
	uint32_t n_users = before.dir == POLICY_OUT ? 3 : 1;

	for (size_t ct = 0; ct < ARRAY_SIZE(cts); ct++)
		for (size_t mark = 0; mark < 2; mark++)
			for (uint32_t i = 0; i < 2 * n_users; i++) {
				w->p.ct = cts[ct];
				w->p.mark = tinypolicy_marks[mark];
				w->p.grants = i % 2;
				w->p.has_uid = i >= 2;
				w->p.uid = i >= 2 ? 999 + i / 2 * 1 + 1 : 0;
				w->each(w->ctx, &w->p);
			}
	w->p = before;
}

static void tinypolicy_each_head(struct tinypolicy_walk *w)
{
	const struct terms_packet before = w->p;
	bool in = before.dir == POLICY_IN;

	for (size_t i = 0; i < ARRAY_SIZE(tinypolicy_served) * 4; i++) {
		uint16_t served = tinypolicy_served[i / 4];
		uint16_t client = tinypolicy_client[i % 2];

		w->p.proto = i % 4 < 2 ? POLICY_TCP : POLICY_UDP;
		w->p.near_port = in ? served : client;
		w->p.far_port = in ? client : served;
		tinypolicy_each_state(w);
	}
	w->p = before;
	w->p.proto = POLICY_ICMP6;
	for (size_t i = 0; before.family == 6 && i < ARRAY_SIZE(tinypolicy_types); i++) {
		w->p.icmp_type = tinypolicy_types[i];
		w->p.hop_limit = 255;
		tinypolicy_each_state(w);
	}
	w->p = before;
}

void tinypolicy_each(enum policy_dir dir, enum terms_link link,
		     void (*each)(void *ctx, const struct terms_packet *packet), void *ctx)
{
	struct tinypolicy_walk w = { .each = each, .ctx = ctx };

	w.p.dir = dir;
	w.p.link = link;
	w.p.hop_limit = 64;
	for (size_t i = 0; i < ARRAY_SIZE(tinypolicy_addresses); i++)
		for (size_t j = 0; j < ARRAY_SIZE(tinypolicy_addresses); j += 7) {
			w.p.family = tinypolicy_address(i, &w.p.far);
			if (tinypolicy_address(j, &w.p.near) == w.p.family)
				tinypolicy_each_head(&w);
		}
}
