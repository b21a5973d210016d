/* SPDX-License-Identifier: MIT */
#include "tunneld/core/plan.h"

#include <errno.h>

/* What the steps of one plan are made from. */
struct plan_maker {
	const struct netstate *want;
	const struct netstate *have;
	struct netstate_link link; /* the actual one, all zero when it is absent */
	size_t n_peers;            /* of @have, none when the link is absent */
	size_t n_addrs;
	struct plan *plan;
};

/* The counts were checked against the limits that PLAN_OPS_MAX is made from: there is room. */
static struct plan_op *plan_push(struct plan_maker *m, enum plan_kind kind)
{
	struct plan_op *op = &m->plan->ops[m->plan->n_ops++];

	*op = (struct plan_op){ .kind = kind };
	return op;
}

/* ---- is the wanted state one that can be? ---- */

static bool plan_counts_fit(const struct netstate *s)
{
	if (s->n_addrs > NETSTATE_ADDRS_MAX || s->n_peers > NETSTATE_PEERS_MAX ||
	    s->n_routes > NETSTATE_ROUTES_MAX)
		return false;
	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i].n_allowed > NETSTATE_ALLOWED_MAX)
			return false;
	return true;
}

/* An identity is unique when looking for it finds the very element. */
static bool plan_addrs_valid(const struct netstate *s)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (netstate_find_addr(s, &s->addrs[i].addr) != &s->addrs[i] ||
		    s->addrs[i].len > 128)
			return false;
	return s->link.present || !s->n_addrs;
}

static bool plan_routes_valid(const struct netstate *s)
{
	for (size_t i = 0; i < s->n_routes; i++) {
		const struct netstate_route *r = &s->routes[i];

		if (netstate_find_route(s, &r->prefix, r->metric) != r || !r->metric)
			return false;
		if (r->kind == NETSTATE_STRAY || (r->kind == NETSTATE_DEV && !s->link.present))
			return false;
	}
	return true;
}

/* How many peers may use exactly @prefix; the kernel lets only one. */
static size_t plan_count_allowing(const struct netstate *s, const struct ip6_prefix *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_peers; i++)
		n += netstate_allows(&s->peers[i], prefix);
	return n;
}

static bool plan_peer_valid(const struct netstate *s, const struct netstate_peer *peer)
{
	if (netstate_find_peer(s, &peer->key) != peer || peer->allows_more)
		return false;
	/* An all-zero key means "none" to the kernel: it would silently drop the protection. */
	if (peer->has_psk && peer->knows_psk && secret_is_zero(&peer->psk))
		return false;
	for (size_t i = 0; i < peer->n_allowed; i++)
		if (plan_count_allowing(s, &peer->allowed[i]) != 1)
			return false;
	return true;
}

static bool plan_peers_valid(const struct netstate *s)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (!plan_peer_valid(s, &s->peers[i]))
			return false;
	return s->link.present || !s->n_peers;
}

static bool plan_want_valid(const struct netstate *want)
{
	return plan_counts_fit(want) && plan_addrs_valid(want) && plan_routes_valid(want) &&
	       plan_peers_valid(want);
}

/* ---- routes and rule ---- */

static bool plan_has_route(const struct netstate *s, const struct netstate_route *route)
{
	const struct netstate_route *same = netstate_find_route(s, &route->prefix, route->metric);

	return same && same->kind == route->kind;
}

static void plan_set_routes(struct plan_maker *m, enum netstate_kind kind)
{
	for (size_t i = 0; i < m->want->n_routes; i++) {
		const struct netstate_route *route = &m->want->routes[i];

		if (route->kind == kind && !plan_has_route(m->have, route))
			plan_push(m, PLAN_SET_ROUTE)->route = *route;
	}
}

static void plan_del_routes(struct plan_maker *m)
{
	for (size_t i = 0; i < m->have->n_routes; i++) {
		const struct netstate_route *route = &m->have->routes[i];

		if (netstate_find_route(m->want, &route->prefix, route->metric))
			continue;
		/* Routes to an interface go with it. */
		if (route->kind == NETSTATE_DEV && !m->want->link.present)
			continue;
		plan_push(m, PLAN_DEL_ROUTE)->route = *route;
	}
}

static void plan_sweep_rules(struct plan_maker *m)
{
	if (m->have->stale_rules || (m->have->rule && !m->want->rule))
		plan_push(m, PLAN_SWEEP_RULES)->keep_rule = m->want->rule;
}

/* ---- the interface ---- */

static void plan_set_device(struct plan_maker *m)
{
	const struct netstate_link *want = &m->want->link;
	uint32_t flags = 0;
	struct plan_op *op;

	if (want->has_key && !m->link.has_key)
		flags |= PLAN_DEVICE_KEY;
	if (want->fwmark != m->link.fwmark)
		flags |= PLAN_DEVICE_FWMARK;
	if (want->listen_port && want->listen_port != m->link.listen_port)
		flags |= PLAN_DEVICE_PORT;
	if (!flags)
		return;
	op = plan_push(m, PLAN_SET_DEVICE);
	op->flags = flags;
	op->device = (struct plan_device){ want->fwmark, want->listen_port };
}

static void plan_make_link(struct plan_maker *m)
{
	const struct netstate_link *want = &m->want->link;

	if (!m->link.present)
		plan_push(m, PLAN_ADD_LINK);
	plan_set_device(m);
	if (want->mtu && want->mtu != m->link.mtu)
		plan_push(m, PLAN_SET_MTU)->mtu = want->mtu;
}

/* ---- addresses ---- */

static void plan_del_addrs(struct plan_maker *m)
{
	for (size_t i = 0; i < m->n_addrs; i++)
		if (!netstate_find_addr(m->want, &m->have->addrs[i].addr))
			plan_push(m, PLAN_DEL_ADDR)->addr = m->have->addrs[i];
}

static void plan_add_addrs(struct plan_maker *m)
{
	for (size_t i = 0; i < m->want->n_addrs; i++) {
		const struct netstate_addr *want = &m->want->addrs[i];
		const struct netstate_addr *have =
			m->n_addrs ? netstate_find_addr(m->have, &want->addr) : NULL;

		if (have && have->len == want->len)
			continue;
		/* One address cannot be there with two prefix lengths. */
		if (have)
			plan_push(m, PLAN_DEL_ADDR)->addr = *have;
		plan_push(m, PLAN_ADD_ADDR)->addr = *want;
	}
}

/* ---- peers ---- */

static const struct netstate_peer *plan_actual_peer(const struct plan_maker *m,
						    const struct netstate_peer *want)
{
	return m->n_peers ? netstate_find_peer(m->have, &want->key) : NULL;
}

/* True when the peer must stay away: without its pre-shared key it would be weaker than wanted. */
static bool plan_is_held_back(const struct plan_maker *m, const struct netstate_peer *want)
{
	return want->has_psk && !want->knows_psk && !plan_actual_peer(m, want);
}

/* True when giving @prefix to another peer will take it from @from without our doing. */
static bool plan_moves_away(const struct plan_maker *m, const struct netstate_peer *from,
			    const struct ip6_prefix *prefix)
{
	for (size_t i = 0; i < m->want->n_peers; i++) {
		const struct netstate_peer *to = &m->want->peers[i];

		if (to != from && netstate_allows(to, prefix))
			return !plan_is_held_back(m, to);
	}
	return false;
}

/* True when the kernel lets @have use a prefix that it must lose. */
static bool plan_must_lose(const struct plan_maker *m, const struct netstate_peer *want,
			   const struct netstate_peer *have)
{
	for (size_t i = 0; i < have->n_allowed; i++)
		if (!netstate_allows(want, &have->allowed[i]) &&
		    !plan_moves_away(m, want, &have->allowed[i]))
			return true;
	return have->allows_more;
}

static bool plan_must_gain(const struct netstate_peer *want, const struct netstate_peer *have)
{
	for (size_t i = 0; i < want->n_allowed; i++)
		if (!netstate_allows(have, &want->allowed[i]))
			return true;
	return false;
}

static bool plan_psk_differs(const struct netstate_peer *want, const struct netstate_peer *have)
{
	if (!want->has_psk)
		return have->has_psk;
	if (!want->knows_psk)
		return false;
	return !have->has_psk || !have->knows_psk || !secret_equal(&want->psk, &have->psk);
}

static bool plan_endpoint_differs(const struct netstate_peer *want,
				  const struct netstate_peer *have)
{
	if (!want->endpoint.port)
		return false;
	return want->endpoint.port != have->endpoint.port ||
	       !ip6_addr_equal(&want->endpoint.addr, &have->endpoint.addr);
}

static uint32_t plan_peer_flags(const struct plan_maker *m, const struct netstate_peer *want,
				const struct netstate_peer *have)
{
	uint32_t flags = 0;

	if (plan_psk_differs(want, have))
		flags |= PLAN_PEER_PSK;
	if (plan_endpoint_differs(want, have))
		flags |= PLAN_PEER_ENDPOINT;
	if (want->keepalive_s != have->keepalive_s)
		flags |= PLAN_PEER_KEEPALIVE;
	if (plan_must_lose(m, want, have))
		flags |= PLAN_PEER_REPLACE;
	return flags;
}

static void plan_set_peer(struct plan_maker *m, const struct netstate_peer *want)
{
	static const struct netstate_peer nobody;
	const struct netstate_peer *actual = plan_actual_peer(m, want);
	const struct netstate_peer *have = actual ? actual : &nobody;
	uint32_t flags = plan_peer_flags(m, want, have);
	struct plan_op *op;

	if (actual && !flags && !plan_must_gain(want, have))
		return;
	op = plan_push(m, PLAN_SET_PEER);
	op->flags = flags;
	op->peer = want;
}

static void plan_set_peers(struct plan_maker *m)
{
	for (size_t i = 0; i < m->want->n_peers; i++) {
		const struct netstate_peer *want = &m->want->peers[i];
		const struct netstate_peer *have = plan_actual_peer(m, want);

		if (want->has_psk && !want->knows_psk && !(have && have->has_psk))
			m->plan->needs_psk |= UINT32_C(1) << i;
		if (!plan_is_held_back(m, want))
			plan_set_peer(m, want);
	}
}

static void plan_del_peers(struct plan_maker *m)
{
	for (size_t i = 0; i < m->n_peers; i++)
		if (!netstate_find_peer(m->want, &m->have->peers[i].key))
			plan_push(m, PLAN_DEL_PEER)->peer = &m->have->peers[i];
}

/* ---- the whole ---- */

static void plan_with_link(struct plan_maker *m)
{
	plan_make_link(m);
	plan_set_peers(m);
	plan_add_addrs(m);
	if (m->want->link.up && !m->link.up)
		plan_push(m, PLAN_SET_UP);
	plan_set_routes(m, NETSTATE_DEV);
	plan_del_routes(m);
	plan_del_addrs(m);
	plan_del_peers(m);
	plan_sweep_rules(m);
}

static void plan_without_link(struct plan_maker *m)
{
	plan_del_routes(m);
	plan_sweep_rules(m);
	if (m->link.present)
		plan_push(m, PLAN_DEL_LINK);
}

int plan_make(const struct netstate *want, const struct netstate *have, struct plan *ret)
{
	struct plan_maker m = { .want = want, .have = have, .plan = ret };

	if (!plan_want_valid(want) || !plan_counts_fit(have))
		return -EINVAL;
	if (have->link.present && !have->link.is_wireguard)
		return PLAN_E_FOREIGN_LINK;
	if (have->link.present) {
		m.link = have->link;
		m.n_peers = have->n_peers;
		m.n_addrs = have->n_addrs;
	}
	ret->n_ops = 0;
	ret->needs_psk = 0;
	plan_set_routes(&m, NETSTATE_UNREACHABLE);
	if (want->rule && !have->rule)
		plan_push(&m, PLAN_ADD_RULE);
	if (want->link.present)
		plan_with_link(&m);
	else
		plan_without_link(&m);
	return 0;
}

const char *plan_kind_text(enum plan_kind kind)
{
	static const char *const text[] = {
		[PLAN_SET_ROUTE] = "set route",
		[PLAN_ADD_RULE] = "add rule",
		[PLAN_ADD_LINK] = "add interface",
		[PLAN_SET_DEVICE] = "set device",
		[PLAN_SET_MTU] = "set MTU",
		[PLAN_SET_PEER] = "set peer",
		[PLAN_DEL_ADDR] = "remove address",
		[PLAN_ADD_ADDR] = "add address",
		[PLAN_SET_UP] = "set up",
		[PLAN_DEL_ROUTE] = "remove route",
		[PLAN_DEL_PEER] = "remove peer",
		[PLAN_SWEEP_RULES] = "sweep rules",
		[PLAN_DEL_LINK] = "remove interface",
	};

	return (size_t)kind < ARRAY_SIZE(text) ? text[kind] : "unknown step";
}
