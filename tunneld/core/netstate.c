/* SPDX-License-Identifier: MIT */
#include "tunneld/core/netstate.h"

#include <errno.h>

void netstate_wipe(struct netstate *s)
{
	secret_wipe_bytes(s, sizeof(*s));
}

const struct netstate_addr *netstate_find_addr(const struct netstate *s, const struct in6_addr *a)
{
	for (size_t i = 0; i < s->n_addrs; i++)
		if (ip6_addr_equal(&s->addrs[i].addr, a))
			return &s->addrs[i];
	return NULL;
}

const struct netstate_peer *netstate_find_peer(const struct netstate *s, const struct wgkey *key)
{
	for (size_t i = 0; i < s->n_peers; i++)
		if (wgkey_equal(&s->peers[i].key, key))
			return &s->peers[i];
	return NULL;
}

const struct netstate_route *netstate_find_route(const struct netstate *s,
						 const struct ip6_prefix *prefix, uint32_t metric)
{
	for (size_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].metric == metric && ip6_prefix_equal(&s->routes[i].prefix, prefix))
			return &s->routes[i];
	return NULL;
}

bool netstate_allows(const struct netstate_peer *peer, const struct ip6_prefix *prefix)
{
	for (size_t i = 0; i < peer->n_allowed; i++)
		if (ip6_prefix_equal(&peer->allowed[i], prefix))
			return true;
	return false;
}

int netstate_put_addr(struct netstate *s, const struct netstate_addr *addr)
{
	const struct netstate_addr *old = netstate_find_addr(s, &addr->addr);
	size_t at = old ? (size_t)(old - s->addrs) : s->n_addrs;

	if (at == NETSTATE_ADDRS_MAX)
		return -ENOSPC;
	s->addrs[at] = *addr;
	s->n_addrs += !old;
	return 0;
}

int netstate_put_route(struct netstate *s, const struct netstate_route *route)
{
	const struct netstate_route *old = netstate_find_route(s, &route->prefix, route->metric);
	size_t at = old ? (size_t)(old - s->routes) : s->n_routes;

	if (at == NETSTATE_ROUTES_MAX)
		return -ENOSPC;
	s->routes[at] = *route;
	s->n_routes += !old;
	return 0;
}

int netstate_put_peer(struct netstate *s, const struct netstate_peer *peer)
{
	const struct netstate_peer *old = netstate_find_peer(s, &peer->key);
	size_t at = old ? (size_t)(old - s->peers) : s->n_peers;

	if (at == NETSTATE_PEERS_MAX)
		return -ENOSPC;
	s->peers[at] = *peer;
	s->n_peers += !old;
	return 0;
}

int netstate_put_allowed(struct netstate_peer *peer, const struct ip6_prefix *prefix)
{
	if (netstate_allows(peer, prefix))
		return 0;
	if (peer->n_allowed == NETSTATE_ALLOWED_MAX)
		return -ENOSPC;
	peer->allowed[peer->n_allowed++] = *prefix;
	return 0;
}
