/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/core/plan.h"

#define METRIC_DEV NETSTATE_METRIC_DEV
#define METRIC_UNREACHABLE NETSTATE_METRIC_UNREACHABLE

static struct netstate want, have;
static struct plan plan;

/* ---- a plan as text ---- */

static struct ip6_prefix prefix(const char *text)
{
	struct ip6_prefix p = { 0 };

	if (ip6_parse_prefix(text, &p) < 0)
		tap_fail(__FILE__, __LINE__, "'%s' is a prefix", text);
	return p;
}

static void op_route_text(const struct netstate_route *r, char *out, size_t cap)
{
	static const char *const kinds[] = { "dev", "unreachable", "stray" };
	char text[IP6_PREFIX_TEXT];

	snprintf(out, cap, " %s %s %u", kinds[r->kind], ip6_format_prefix(&r->prefix, text),
		 r->metric);
}

static void op_peer_text(const struct plan_op *op, char *out, size_t cap)
{
	snprintf(out, cap, " %u%s%s%s%s", op->peer->key.bytes[0],
		 op->flags & PLAN_PEER_PSK ? " psk" : "",
		 op->flags & PLAN_PEER_ENDPOINT ? " endpoint" : "",
		 op->flags & PLAN_PEER_KEEPALIVE ? " keepalive" : "",
		 op->flags & PLAN_PEER_REPLACE ? " replace" : "");
}

static void op_device_text(const struct plan_op *op, char *out, size_t cap)
{
	snprintf(out, cap, "%s%s%s", op->flags & PLAN_DEVICE_KEY ? " key" : "",
		 op->flags & PLAN_DEVICE_FWMARK ? " fwmark" : "",
		 op->flags & PLAN_DEVICE_PORT ? " port" : "");
}

static void op_text(const struct plan_op *op, char *out, size_t cap)
{
	char addr[IP6_ADDR_TEXT];

	out[0] = '\0';
	switch (op->kind) {
	case PLAN_SET_ROUTE:
	case PLAN_DEL_ROUTE:
		op_route_text(&op->route, out, cap);
		break;
	case PLAN_SET_PEER:
	case PLAN_DEL_PEER:
		op_peer_text(op, out, cap);
		break;
	case PLAN_SET_DEVICE:
		op_device_text(op, out, cap);
		break;
	case PLAN_ADD_ADDR:
	case PLAN_DEL_ADDR:
		snprintf(out, cap, " %s/%u", ip6_format_addr(&op->addr.addr, addr), op->addr.len);
		break;
	case PLAN_SET_MTU:
		snprintf(out, cap, " %u", op->mtu);
		break;
	case PLAN_SWEEP_RULES:
		snprintf(out, cap, "%s", op->keep_rule ? " but ours" : "");
		break;
	case PLAN_ADD_RULE:
	case PLAN_ADD_LINK:
	case PLAN_SET_UP:
	case PLAN_DEL_LINK:
		break;
	}
}

static const char *plan_text(const struct plan *p)
{
	static char text[4096];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < p->n_ops && used < sizeof(text) - 200; i++) {
		char more[128];

		op_text(&p->ops[i], more, sizeof(more));
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s", i ? "; " : "",
					 plan_kind_text(p->ops[i].kind), more);
	}
	return text;
}

/* ---- states to begin with ---- */

static struct netstate_peer peer_numbered(uint8_t n, const char *allowed)
{
	struct netstate_peer p = {
		.key.bytes = { n },
		.has_psk = true,
		.knows_psk = true,
		.psk.bytes = { n, 1 },
		.keepalive_s = 25,
		.endpoint.port = 51820,
		.allowed = { prefix(allowed) },
		.n_allowed = 1,
	};

	p.endpoint.addr.s6_addr[15] = n;
	return p;
}

static struct netstate_route route(const char *text, enum netstate_kind kind)
{
	return (struct netstate_route){
		.prefix = prefix(text),
		.kind = kind,
		.metric = kind == NETSTATE_UNREACHABLE ? METRIC_UNREACHABLE : METRIC_DEV,
	};
}

static void state_complete(struct netstate *s)
{
	*s = (struct netstate){
		.link = { .present = true,
			  .is_wireguard = true,
			  .up = true,
			  .has_key = true,
			  .mtu = 1280,
			  .fwmark = NETSTATE_FWMARK },
		.n_addrs = 1,
		.n_peers = 2,
		.n_routes = 4,
		.rule = true,
	};
	s->addrs[0] = (struct netstate_addr){ prefix("fd12::9/128").addr, 128 };
	s->peers[0] = peer_numbered(1, "fd12::1/128");
	s->peers[1] = peer_numbered(2, "fd12::2/128");
	s->routes[0] = route("fd12::1/128", NETSTATE_DEV);
	s->routes[1] = route("fd12::1/128", NETSTATE_UNREACHABLE);
	s->routes[2] = route("fd12::2/128", NETSTATE_DEV);
	s->routes[3] = route("fd12::2/128", NETSTATE_UNREACHABLE);
}

static void setup(void)
{
	state_complete(&want);
	state_complete(&have);
	memset(&plan, 0x55, sizeof(plan));
}

/* ---- the table: one difference each ---- */

static void equal(void)
{
}

static void nothing_there(void)
{
	memset(&have, 0, sizeof(have));
}

/* What a reader found on an interface that went away since. */
static void link_gone_under_the_reader(void)
{
	have.link.present = false;
}

static void nothing_wanted(void)
{
	memset(&want, 0, sizeof(want));
}

static void nothing_but_refusal_wanted(void)
{
	memset(&want, 0, sizeof(want));
	want.rule = true;
	want.routes[0] = route("fd12::1/128", NETSTATE_UNREACHABLE);
	want.n_routes = 1;
}

static void no_rule(void)
{
	have.rule = false;
}

static void stale_rules(void)
{
	have.stale_rules = 2;
}

static void only_stale_rules(void)
{
	have.rule = false;
	have.stale_rules = 1;
}

static void rule_unwanted(void)
{
	want.rule = false;
}

static void refusal_missing(void)
{
	have.n_routes = 3;
}

static void device_route_missing(void)
{
	have.routes[2] = have.routes[3];
	have.n_routes = 3;
}

static void stray_in_place(void)
{
	have.routes[2].kind = NETSTATE_STRAY;
}

static void stray_beside(void)
{
	have.routes[4] = route("fd12::1/128", NETSTATE_STRAY);
	have.routes[4].metric = 1;
	have.n_routes = 5;
}

static void refusal_where_device_was(void)
{
	want.routes[2].kind = NETSTATE_UNREACHABLE;
}

static void link_down(void)
{
	have.link.up = false;
	have.n_addrs = 0;
	have.routes[0] = have.routes[1];
	have.routes[1] = have.routes[3];
	have.n_routes = 2;
}

static void up_unwanted(void)
{
	want.link.up = false;
}

static void mtu_differs(void)
{
	have.link.mtu = 1420;
}

static void mtu_free(void)
{
	have.link.mtu = 1420;
	want.link.mtu = 0;
}

static void key_missing(void)
{
	have.link.has_key = false;
}

static void other_key(void)
{
	have.link.public_key.bytes[0] = 7;
}

static void mark_differs(void)
{
	have.link.fwmark = 0;
}

static void port_differs(void)
{
	have.link.listen_port = 1234;
	want.link.listen_port = 51820;
}

static void port_free(void)
{
	have.link.listen_port = 1234;
}

static void addr_extra(void)
{
	have.addrs[1] = (struct netstate_addr){ prefix("fd12::a/128").addr, 128 };
	have.n_addrs = 2;
}

static void addr_other_length(void)
{
	have.addrs[0].len = 64;
}

static void psk_new(void)
{
	want.peers[0].psk.bytes[5] = 1;
}

static void psk_stays(void)
{
	want.peers[0].knows_psk = false;
	memset(&want.peers[0].psk, 0, sizeof(want.peers[0].psk));
}

static void psk_not_readable(void)
{
	have.peers[0].knows_psk = false;
}

static void psk_unwanted(void)
{
	want.peers[0].has_psk = false;
}

static void psk_gone(void)
{
	have.peers[0].has_psk = false;
	have.peers[0].knows_psk = false;
}

static void psk_gone_unknown(void)
{
	psk_gone();
	want.peers[0].knows_psk = false;
}

static void peer_gone_psk_unknown(void)
{
	want.peers[1].knows_psk = false;
	have.n_peers = 1;
}

static void endpoint_address(void)
{
	have.peers[0].endpoint.addr.s6_addr[0] = 9;
}

static void endpoint_port(void)
{
	have.peers[0].endpoint.port = 9;
}

static void endpoint_free(void)
{
	want.peers[0].endpoint.port = 0;
}

static void keepalive(void)
{
	have.peers[1].keepalive_s = 0;
}

static void allowed_gained(void)
{
	want.peers[0].allowed[1] = prefix("2001:db8::1/128");
	want.peers[0].n_allowed = 2;
}

static void allowed_lost(void)
{
	have.peers[0].allowed[1] = prefix("2001:db8::1/128");
	have.peers[0].n_allowed = 2;
}

static void allowed_unknown(void)
{
	have.peers[0].allows_more = true;
}

static void allowed_moves(void)
{
	have.peers[0].allowed[1] = have.peers[1].allowed[0];
	have.peers[0].n_allowed = 2;
	have.peers[1].n_allowed = 0;
}

static void allowed_moves_to_held_back(void)
{
	allowed_moves();
	have.n_peers = 1;
	want.peers[1].knows_psk = false;
}

static void allowed_swapped(void)
{
	have.peers[0].allowed[0] = want.peers[1].allowed[0];
	have.peers[1].allowed[0] = want.peers[0].allowed[0];
}

static void peer_unwanted(void)
{
	want.n_peers = 1;
}

static void counters_only(void)
{
	have.peers[0].rx_bytes = 7;
	have.peers[0].tx_bytes = 7;
	have.peers[0].handshake_wall_s = 7;
	have.truncated = true;
}

#define ALL_PEERS "set peer 1 psk endpoint keepalive; set peer 2 psk endpoint keepalive; "

static const struct sample {
	void (*differ)(void);
	const char *steps;
	uint32_t needs_psk;
} samples[] = {
	{ equal, "", 0 },
	{ nothing_there,
	  "set route unreachable fd12::1/128 4000000; set route unreachable fd12::2/128 4000000; "
	  "add rule; add interface; set device key fwmark; set MTU 1280; " ALL_PEERS
	  "add address fd12::9/128; set up; set route dev fd12::1/128 1024; "
	  "set route dev fd12::2/128 1024",
	  0 },
	{ link_gone_under_the_reader,
	  "add interface; set device key fwmark; set MTU 1280; " ALL_PEERS
	  "add address fd12::9/128; set up",
	  0 },
	{ nothing_wanted,
	  "remove route unreachable fd12::1/128 4000000; "
	  "remove route unreachable fd12::2/128 4000000; sweep rules; remove interface",
	  0 },
	{ nothing_but_refusal_wanted,
	  "remove route unreachable fd12::2/128 4000000; remove interface", 0 },
	{ no_rule, "add rule", 0 },
	{ stale_rules, "sweep rules but ours", 0 },
	{ only_stale_rules, "add rule; sweep rules but ours", 0 },
	{ rule_unwanted, "sweep rules", 0 },
	{ refusal_missing, "set route unreachable fd12::2/128 4000000", 0 },
	{ device_route_missing, "set route dev fd12::2/128 1024", 0 },
	{ stray_in_place, "set route dev fd12::2/128 1024", 0 },
	{ stray_beside, "remove route stray fd12::1/128 1", 0 },
	{ refusal_where_device_was, "set route unreachable fd12::2/128 1024", 0 },
	{ link_down,
	  "add address fd12::9/128; set up; set route dev fd12::1/128 1024; "
	  "set route dev fd12::2/128 1024",
	  0 },
	{ up_unwanted, "", 0 },
	{ mtu_differs, "set MTU 1280", 0 },
	{ mtu_free, "", 0 },
	{ key_missing, "set device key", 0 },
	{ other_key, "", 0 },
	{ mark_differs, "set device fwmark", 0 },
	{ port_differs, "set device port", 0 },
	{ port_free, "", 0 },
	{ addr_extra, "remove address fd12::a/128", 0 },
	{ addr_other_length, "remove address fd12::9/64; add address fd12::9/128", 0 },
	{ psk_new, "set peer 1 psk", 0 },
	{ psk_stays, "", 0 },
	{ psk_not_readable, "set peer 1 psk", 0 },
	{ psk_unwanted, "set peer 1 psk", 0 },
	{ psk_gone, "set peer 1 psk", 0 },
	{ psk_gone_unknown, "", 1 },
	{ peer_gone_psk_unknown, "", 2 },
	{ endpoint_address, "set peer 1 endpoint", 0 },
	{ endpoint_port, "set peer 1 endpoint", 0 },
	{ endpoint_free, "", 0 },
	{ keepalive, "set peer 2 keepalive", 0 },
	{ allowed_gained, "set peer 1", 0 },
	{ allowed_lost, "set peer 1 replace", 0 },
	{ allowed_unknown, "set peer 1 replace", 0 },
	{ allowed_moves, "set peer 2", 0 },
	{ allowed_moves_to_held_back, "set peer 1 replace", 2 },
	{ allowed_swapped, "set peer 1; set peer 2", 0 },
	{ peer_unwanted, "remove peer 2", 0 },
	{ counters_only, "", 0 },
};

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		setup();
		samples[i].differ();
		CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
		if (strcmp(plan_text(&plan), samples[i].steps) != 0)
			tap_fail(__FILE__, __LINE__, "sample %zu: '%s', wanted '%s'", i,
				 plan_text(&plan), samples[i].steps);
		CU_ASSERT_EQUAL(plan.needs_psk, samples[i].needs_psk);
	}
}

/* ---- what is refused ---- */

static void test_foreign_link(void)
{
	struct plan before = plan;

	have.link.is_wireguard = false;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), PLAN_E_FOREIGN_LINK);
	nothing_wanted();
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), PLAN_E_FOREIGN_LINK);
	CU_ASSERT_EQUAL(memcmp(&before, &plan, sizeof(plan)), 0);
}

static void twice_addr(void)
{
	want.addrs[1] = want.addrs[0];
	want.addrs[1].len = 64;
	want.n_addrs = 2;
}

static void twice_peer(void)
{
	want.peers[1].key = want.peers[0].key;
}

static void twice_allowed(void)
{
	want.peers[1].allowed[0] = want.peers[0].allowed[0];
}

static void twice_route(void)
{
	want.routes[1].metric = want.routes[0].metric;
}

static void wants_stray(void)
{
	want.routes[0].kind = NETSTATE_STRAY;
}

static void wants_metric_0(void)
{
	want.routes[0].metric = 0;
}

static void wants_zero_psk(void)
{
	memset(&want.peers[0].psk, 0, sizeof(want.peers[0].psk));
}

static void wants_more(void)
{
	want.peers[0].allows_more = true;
}

static void wants_addr_129(void)
{
	want.addrs[0].len = 129;
}

static void addr_without_link(void)
{
	want.link.present = false;
	want.n_peers = 0;
	want.n_routes = 0;
}

static void peer_without_link(void)
{
	addr_without_link();
	want.n_peers = 1;
	want.n_addrs = 0;
}

static void route_without_link(void)
{
	addr_without_link();
	want.n_routes = 1;
	want.n_addrs = 0;
}

static void test_contradictions(void)
{
	static void (*const spoil[])(void) = {
		twice_addr,     twice_peer,        twice_allowed,     twice_route,
		wants_stray,    wants_metric_0,    wants_zero_psk,    wants_more,
		wants_addr_129, addr_without_link, peer_without_link, route_without_link,
	};

	for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
		struct plan before;

		setup();
		before = plan;
		spoil[i]();
		if (plan_make(&want, &have, &plan) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "contradiction %zu is taken", i);
		CU_ASSERT_EQUAL(memcmp(&before, &plan, sizeof(plan)), 0);
	}
}

/* ---- limits ---- */

/* All that fits, numbered from @from on. */
static void state_full(struct netstate *s, uint8_t from)
{
	*s = (struct netstate){ .link = { .present = true, .is_wireguard = true, .up = true },
				.n_addrs = NETSTATE_ADDRS_MAX,
				.n_peers = NETSTATE_PEERS_MAX,
				.n_routes = NETSTATE_ROUTES_MAX };
	for (unsigned int i = 0; i < NETSTATE_ADDRS_MAX; i++) {
		s->addrs[i].addr.s6_addr[0] = (uint8_t)(from + i);
		s->addrs[i].len = 128;
	}
	for (unsigned int i = 0; i < NETSTATE_PEERS_MAX * NETSTATE_ALLOWED_MAX; i++) {
		struct netstate_peer *p = &s->peers[i / NETSTATE_ALLOWED_MAX];
		struct ip6_prefix one = { .len = 128 };

		one.addr.s6_addr[0] = from;
		one.addr.s6_addr[1] = (uint8_t)i;
		p->key.bytes[0] = (uint8_t)(from + i / NETSTATE_ALLOWED_MAX);
		p->allowed[p->n_allowed++] = one;
		s->routes[2 * i] = (struct netstate_route){ one, NETSTATE_DEV, METRIC_DEV };
		s->routes[2 * i + 1] = (struct netstate_route){ one, NETSTATE_UNREACHABLE,
								METRIC_UNREACHABLE };
	}
	for (unsigned int i = 0; i < NETSTATE_CLOSED_MAX; i++) {
		struct netstate_route *r = &s->routes[NETSTATE_ROUTES_MAX - 1 - i];

		*r = (struct netstate_route){ { .len = 64 },
					      NETSTATE_UNREACHABLE,
					      METRIC_UNREACHABLE };
		r->prefix.addr.s6_addr[0] = from;
		r->prefix.addr.s6_addr[1] = (uint8_t)i;
	}
}

/* Two full states without anything in common need the longest plan there is, less the steps that
 * only differ in the interface. */
static void test_longest_plan(void)
{
	state_full(&want, 0);
	state_full(&have, 100);
	want.rule = true;
	want.link.mtu = 1280;
	want.link.fwmark = 1;
	have.link.up = false;
	have.stale_rules = 1;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
	/* neither the interface is made nor removed */
	CU_ASSERT_EQUAL(plan.n_ops, PLAN_OPS_MAX - 2);
}

static void test_counts_over_the_limit(void)
{
	state_full(&want, 0);
	CU_ASSERT_EQUAL(plan_make(&want, &want, &plan), 0);
	CU_ASSERT_EQUAL(plan.n_ops, 0);
	want.n_addrs++;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), -EINVAL);
	CU_ASSERT_EQUAL(plan_make(&have, &want, &plan), -EINVAL);
	want.n_addrs--;
	want.n_peers++;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), -EINVAL);
	CU_ASSERT_EQUAL(plan_make(&have, &want, &plan), -EINVAL);
	want.n_peers--;
	want.n_routes++;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), -EINVAL);
	CU_ASSERT_EQUAL(plan_make(&have, &want, &plan), -EINVAL);
	want.n_routes--;
	want.peers[3].n_allowed++;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), -EINVAL);
	CU_ASSERT_EQUAL(plan_make(&have, &want, &plan), -EINVAL);
	want.peers[3].n_allowed -= 2;
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
}

static void test_every_kind_has_a_word(void)
{
	for (unsigned int k = 0; k <= PLAN_DEL_LINK; k++)
		CU_ASSERT_STRING_NOT_EQUAL(plan_kind_text((enum plan_kind)k), "unknown step");
	CU_ASSERT_STRING_EQUAL(plan_kind_text((enum plan_kind)(PLAN_DEL_LINK + 1)), "unknown step");
}

/* ---- a model of the kernel, as far as steps can go wrong in it ---- */

static int model_del_route(struct netstate *k, const struct netstate_route *r)
{
	const struct netstate_route *at = netstate_find_route(k, &r->prefix, r->metric);

	if (!at)
		return -ESRCH;
	k->routes[at - k->routes] = k->routes[--k->n_routes];
	return 0;
}

static int model_set_route(struct netstate *k, const struct netstate_route *r)
{
	if (r->kind == NETSTATE_DEV && (!k->link.present || !k->link.up))
		return -ENETDOWN;
	return netstate_put_route(k, r);
}

static int model_del_addr(struct netstate *k, const struct netstate_addr *a)
{
	const struct netstate_addr *at = netstate_find_addr(k, &a->addr);

	if (!at || at->len != a->len)
		return -EADDRNOTAVAIL;
	k->addrs[at - k->addrs] = k->addrs[--k->n_addrs];
	return 0;
}

static int model_add_addr(struct netstate *k, const struct netstate_addr *a)
{
	if (!k->link.present)
		return -ENODEV;
	return netstate_find_addr(k, &a->addr) ? -EEXIST : netstate_put_addr(k, a);
}

static void model_forget_allowed(struct netstate_peer *p, const struct ip6_prefix *prefix)
{
	for (size_t i = 0; i < p->n_allowed; i++)
		if (ip6_prefix_equal(&p->allowed[i], prefix))
			p->allowed[i] = p->allowed[--p->n_allowed];
}

static void model_set_peer_values(struct netstate_peer *p, const struct plan_op *op)
{
	if (op->flags & PLAN_PEER_PSK) {
		p->has_psk = op->peer->has_psk;
		p->knows_psk = true;
		p->psk = op->peer->psk;
	}
	if (op->flags & PLAN_PEER_ENDPOINT)
		p->endpoint = op->peer->endpoint;
	if (op->flags & PLAN_PEER_KEEPALIVE)
		p->keepalive_s = op->peer->keepalive_s;
	if (op->flags & PLAN_PEER_REPLACE) {
		p->n_allowed = 0;
		p->allows_more = false;
	}
}

/* Like the kernel: a prefix has one peer at most and moves without a word. */
static int model_set_peer(struct netstate *k, const struct plan_op *op)
{
	const struct netstate_peer *old = netstate_find_peer(k, &op->peer->key);
	struct netstate_peer p = { .key = op->peer->key };

	if (!k->link.present)
		return -ENODEV;
	if (old)
		p = *old;
	model_set_peer_values(&p, op);
	for (size_t i = 0; i < op->peer->n_allowed; i++) {
		for (size_t j = 0; j < k->n_peers; j++)
			model_forget_allowed(&k->peers[j], &op->peer->allowed[i]);
		if (netstate_put_allowed(&p, &op->peer->allowed[i]) < 0)
			return -ENOSPC;
	}
	return netstate_put_peer(k, &p);
}

static int model_del_peer(struct netstate *k, const struct netstate_peer *p)
{
	const struct netstate_peer *at = netstate_find_peer(k, &p->key);

	if (!at)
		return -ENOENT;
	k->peers[at - k->peers] = k->peers[--k->n_peers];
	return 0;
}

static int model_add_link(struct netstate *k)
{
	if (k->link.present)
		return -EEXIST;
	k->link = (struct netstate_link){ .present = true, .is_wireguard = true, .mtu = 1420 };
	k->n_peers = 0;
	k->n_addrs = 0;
	return 0;
}

static int model_del_link(struct netstate *k)
{
	if (!k->link.present)
		return -ENODEV;
	memset(&k->link, 0, sizeof(k->link));
	k->n_peers = 0;
	k->n_addrs = 0;
	for (size_t i = k->n_routes; i-- > 0;)
		if (k->routes[i].kind == NETSTATE_DEV)
			k->routes[i] = k->routes[--k->n_routes];
	return 0;
}

static int model_set_device(struct netstate *k, const struct plan_op *op)
{
	if (!k->link.present)
		return -ENODEV;
	if (op->flags & PLAN_DEVICE_KEY)
		k->link.has_key = true;
	if (op->flags & PLAN_DEVICE_FWMARK)
		k->link.fwmark = op->device.fwmark;
	if (op->flags & PLAN_DEVICE_PORT)
		k->link.listen_port = op->device.listen_port;
	return 0;
}

static int model_link(struct netstate *k, const struct plan_op *op)
{
	if (!k->link.present)
		return -ENODEV;
	if (op->kind == PLAN_SET_MTU)
		k->link.mtu = op->mtu;
	else
		k->link.up = true;
	return 0;
}

static int model_rule(struct netstate *k, const struct plan_op *op)
{
	if (op->kind == PLAN_ADD_RULE && k->rule)
		return -EEXIST;
	if (op->kind == PLAN_SWEEP_RULES)
		k->stale_rules = 0;
	k->rule = op->kind == PLAN_ADD_RULE || op->keep_rule;
	return 0;
}

static int model_apply(struct netstate *k, const struct plan_op *op)
{
	switch (op->kind) {
	case PLAN_SET_ROUTE:
		return model_set_route(k, &op->route);
	case PLAN_DEL_ROUTE:
		return model_del_route(k, &op->route);
	case PLAN_ADD_RULE:
	case PLAN_SWEEP_RULES:
		return model_rule(k, op);
	case PLAN_ADD_LINK:
		return model_add_link(k);
	case PLAN_DEL_LINK:
		return model_del_link(k);
	case PLAN_SET_DEVICE:
		return model_set_device(k, op);
	case PLAN_SET_MTU:
	case PLAN_SET_UP:
		return model_link(k, op);
	case PLAN_SET_PEER:
		return model_set_peer(k, op);
	case PLAN_DEL_PEER:
		return model_del_peer(k, op->peer);
	case PLAN_ADD_ADDR:
		return model_add_addr(k, &op->addr);
	case PLAN_DEL_ADDR:
		return model_del_addr(k, &op->addr);
	}
	return -EINVAL;
}

/* ---- random states from a small world, so that they overlap ---- */

#define WORLD_PEERS 6
#define WORLD_PREFIXES 10

static bool coin(void)
{
	return tap_random_below(2);
}

static struct ip6_prefix world_prefix(unsigned int n)
{
	struct ip6_prefix p = { .addr.s6_addr = { 0xfd, (uint8_t)(n / 2) },
				.len = n % 2 ? 64 : 128 };

	return p;
}

static void random_peer(struct netstate_peer *p, uint8_t n)
{
	*p = (struct netstate_peer){ .key.bytes = { n }, .has_psk = coin(), .knows_psk = coin() };
	if (p->has_psk && p->knows_psk)
		p->psk.bytes[0] = (uint8_t)(1 + tap_random_below(2));
	p->endpoint.port = (uint16_t)tap_random_below(3);
	p->endpoint.addr.s6_addr[0] = p->endpoint.port ? (uint8_t)tap_random_below(2) : 0;
	p->keepalive_s = (uint16_t)tap_random_below(2);
}

static void random_peers(struct netstate *s)
{
	for (uint8_t n = 0; n < WORLD_PEERS; n++)
		if (coin())
			random_peer(&s->peers[s->n_peers++], n);
	for (unsigned int n = 0; n < WORLD_PREFIXES && s->n_peers; n++) {
		struct netstate_peer *p = &s->peers[tap_random_below(s->n_peers + 1)];
		struct ip6_prefix one = world_prefix(n);

		if (p != &s->peers[s->n_peers])
			p->allowed[p->n_allowed++] = one;
	}
}

static void random_addrs(struct netstate *s)
{
	for (unsigned int n = 0; n < 4; n++)
		if (coin())
			s->addrs[s->n_addrs++] = (struct netstate_addr){
				.addr = world_prefix(2 * n).addr,
				.len = coin() ? 64 : 128,
			};
}

static void random_routes(struct netstate *s, bool is_wish)
{
	for (unsigned int n = 0; n < 2 * WORLD_PREFIXES; n++) {
		struct netstate_route r = {
			.prefix = world_prefix(n / 2),
			.metric = n % 2 ? METRIC_UNREACHABLE : METRIC_DEV,
			.kind = (enum netstate_kind)tap_random_below(is_wish ? 2 : 3),
		};

		if (r.kind == NETSTATE_DEV && !(s->link.present && (s->link.up || is_wish)))
			r.kind = NETSTATE_UNREACHABLE;
		if (coin())
			s->routes[s->n_routes++] = r;
	}
}

static void random_state(struct netstate *s, bool is_wish)
{
	memset(s, 0, sizeof(*s));
	s->rule = coin();
	s->stale_rules = is_wish ? 0 : (uint32_t)tap_random_below(3);
	s->link.present = tap_random_below(4);
	if (s->link.present) {
		s->link.is_wireguard = true;
		/* device routes need an interface that is up */
		s->link.up = is_wish || coin();
		s->link.has_key = coin();
		s->link.mtu = coin() ? 1280 : is_wish ? 0 : 1400;
		s->link.fwmark = (uint32_t)tap_random_below(2);
		s->link.listen_port = (uint16_t)tap_random_below(3);
		random_peers(s);
		random_addrs(s);
	}
	random_routes(s, is_wish);
}

/* ---- is the model as wanted? ---- */

static void check_peer(const struct netstate *k, size_t i)
{
	const struct netstate_peer *w = &want.peers[i];
	const struct netstate_peer *p = netstate_find_peer(k, &w->key);

	if (!p) {
		CU_ASSERT_TRUE(w->has_psk && !w->knows_psk);
		CU_ASSERT_TRUE(plan.needs_psk >> i & 1);
		return;
	}
	if (w->has_psk && w->knows_psk)
		CU_ASSERT_TRUE(secret_equal(&w->psk, &p->psk));
	CU_ASSERT_TRUE(w->has_psk == p->has_psk || plan.needs_psk >> i & 1);
	CU_ASSERT_EQUAL(w->keepalive_s, p->keepalive_s);
	CU_ASSERT_TRUE(!w->endpoint.port || w->endpoint.port == p->endpoint.port);
	CU_ASSERT_EQUAL(w->n_allowed, p->n_allowed);
	for (size_t j = 0; j < w->n_allowed; j++)
		CU_ASSERT_TRUE(netstate_allows(p, &w->allowed[j]));
}

static void check_link(const struct netstate *k)
{
	CU_ASSERT_EQUAL(want.link.present, k->link.present);
	if (!want.link.present)
		return;
	CU_ASSERT_TRUE(k->link.up);
	CU_ASSERT_EQUAL(want.link.fwmark, k->link.fwmark);
	CU_ASSERT_TRUE(k->link.has_key || !want.link.has_key);
	CU_ASSERT_TRUE(!want.link.mtu || want.link.mtu == k->link.mtu);
	CU_ASSERT_TRUE(!want.link.listen_port || want.link.listen_port == k->link.listen_port);
}

static void check_reached(const struct netstate *k)
{
	check_link(k);
	CU_ASSERT_EQUAL(want.rule, k->rule);
	CU_ASSERT_EQUAL(k->stale_rules, 0);
	CU_ASSERT_EQUAL(want.n_addrs, k->n_addrs);
	for (size_t i = 0; i < want.n_addrs; i++) {
		const struct netstate_addr *a = netstate_find_addr(k, &want.addrs[i].addr);

		CU_ASSERT_TRUE(a && a->len == want.addrs[i].len);
	}
	CU_ASSERT_EQUAL(want.n_routes, k->n_routes);
	for (size_t i = 0; i < want.n_routes; i++) {
		const struct netstate_route *r = &want.routes[i];
		const struct netstate_route *is = netstate_find_route(k, &r->prefix, r->metric);

		CU_ASSERT_TRUE(is && is->kind == r->kind);
	}
	for (size_t i = 0; i < want.n_peers; i++)
		check_peer(k, i);
	for (size_t i = 0; i < k->n_peers; i++)
		CU_ASSERT_PTR_NOT_NULL(netstate_find_peer(&want, &k->peers[i].key));
}

/* Refusal first: no device route and no interface may go before the refusing routes are there. */
static void check_order(void)
{
	bool refusals_over = false;

	for (size_t i = 0; i < plan.n_ops; i++) {
		const struct plan_op *op = &plan.ops[i];
		bool refuses = (op->kind == PLAN_SET_ROUTE &&
				op->route.kind == NETSTATE_UNREACHABLE);

		CU_ASSERT_FALSE(refuses && refusals_over);
		refusals_over |= !refuses;
	}
}

static void check_removals_last(void)
{
	bool removing = false;

	for (size_t i = 0; i < plan.n_ops; i++) {
		enum plan_kind kind = plan.ops[i].kind;
		bool removes = kind == PLAN_DEL_ROUTE || kind == PLAN_DEL_PEER ||
			       kind == PLAN_DEL_LINK || kind == PLAN_SWEEP_RULES;

		removing |= removes;
		CU_ASSERT_TRUE(!removing || removes || kind == PLAN_DEL_ADDR);
	}
}

static void try_random(unsigned int round)
{
	static struct netstate kernel;

	random_state(&want, true);
	random_state(&have, false);
	kernel = have;
	if (plan_make(&want, &have, &plan) != 0) {
		tap_fail(__FILE__, __LINE__, "round %u: no plan", round);
		return;
	}
	check_order();
	check_removals_last();
	for (size_t i = 0; i < plan.n_ops; i++)
		if (model_apply(&kernel, &plan.ops[i]) != 0)
			tap_fail(__FILE__, __LINE__, "round %u: step %zu of '%s' fails", round, i,
				 plan_text(&plan));
	check_reached(&kernel);
	CU_ASSERT_EQUAL(plan_make(&want, &kernel, &plan), 0);
	if (plan.n_ops)
		tap_fail(__FILE__, __LINE__, "round %u: second plan '%s'", round, plan_text(&plan));
}

static void test_any_state_to_any_state(void)
{
	for (unsigned int round = 0; round < 20000; round++)
		try_random(round);
}

static const struct tap_test tests[] = {
	{ "one difference, one step", test_table },
	{ "a stranger's interface is reported, not touched", test_foreign_link },
	{ "a wish that contradicts itself is refused", test_contradictions },
	{ "the longest plan fits", test_longest_plan },
	{ "counts at the limit, one over", test_counts_over_the_limit },
	{ "every kind has a word", test_every_kind_has_a_word },
	{ "from any state to any state, then nothing to do", test_any_state_to_any_state },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "plan", tests, setup }, { 0 } };

	return tap_main(argc, argv, suites);
}
