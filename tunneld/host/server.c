/* SPDX-License-Identifier: MIT */
#include "tunneld/host/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clk.h"

_Static_assert(NETSTATE_CLOSED_MAX >= 1 + OFFER_NETS_MAX &&
		       NETSTATE_PEERS_MAX >= HOSTCONF_SERVERS_MAX &&
		       NETSTATE_ALLOWED_MAX >= OFFER_ROUTES_MAX,
	       "the largest configuration with the largest leases fits");

struct netstate_names server_names(const struct hostconf *conf)
{
	struct netstate_names names = {
		.table = conf->table,
		.rule_priority = conf->priority,
		.fwmark = conf->mark,
	};

	memcpy(names.ifname, conf->interface, sizeof(names.ifname));
	memcpy(names.spare, conf->spare_interface, sizeof(names.spare));
	return names;
}

static int server_refuse(struct netstate *ret, const struct ip6_prefix *prefix)
{
	const struct netstate_route route = {
		.prefix = *prefix,
		.kind = NETSTATE_UNREACHABLE,
		.metric = NETSTATE_METRIC_UNREACHABLE,
	};

	return netstate_put_route(ret, &route);
}

/* Before the first lease, and behind every one that is lost, nothing meant for a configuration
 * server leaves by another way. */
static int server_want_closed(const struct hostconf *conf, struct netstate *ret)
{
	int r = server_refuse(ret, &conf->limits.gateways_prefix);

	for (size_t i = 0; i < conf->limits.n_config_nets && r == 0; i++)
		r = server_refuse(ret, &conf->limits.config_nets[i]);
	return r;
}

static int server_want_route(struct netstate *ret, struct netstate_peer *peer,
			     const struct ip6_prefix *prefix)
{
	const struct netstate_route route = {
		.prefix = *prefix,
		.kind = NETSTATE_DEV,
		.metric = NETSTATE_METRIC_DEV,
	};
	int r;

	/* Two servers that offer one prefix: the first keeps it, for the kernel could not share
	 * it. */
	if (netstate_find_route(ret, prefix, NETSTATE_METRIC_DEV))
		return 0;
	r = netstate_put_allowed(peer, prefix);
	if (r == 0)
		r = netstate_put_route(ret, &route);
	return r < 0 ? r : server_refuse(ret, prefix);
}

static int server_want_peer(const struct server *s, struct netstate *ret)
{
	const struct offer *o = &s->session.lease.offer;
	const struct netstate_addr addr = { .addr = o->host_addr, .len = 128 };
	struct netstate_peer peer = {
		.key = o->gateway_key,
		.has_psk = true,
		.knows_psk = s->psk_fresh,
		.keepalive_s = (uint16_t)o->keepalive_s,
	};
	int r = netstate_put_addr(ret, &addr);

	if (s->psk_fresh)
		peer.psk = s->psk;
	/* Later the endpoint is the kernel's: it follows a gateway that moves. */
	if (s->psk_fresh)
		peer.endpoint = o->endpoints[s->session.n_exchanges % o->n_endpoints];
	for (size_t i = 0; i < o->n_routes && r == 0; i++)
		r = server_want_route(ret, &peer, &o->routes[i]);
	if (r == 0)
		r = netstate_put_peer(ret, &peer);
	secret_wipe(&peer.psk);
	return r;
}

int server_want(const struct hostconf *conf, const struct server *servers, size_t n,
		struct netstate *ret)
{
	int r;

	*ret = (struct netstate){
		.link = { .present = true,
			  .is_wireguard = true,
			  .up = true,
			  .has_key = true,
			  .mtu = conf->mtu,
			  .fwmark = conf->mark },
		.rule = true,
	};
	r = server_want_closed(conf, ret);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct session_lease *lease = &servers[i].session.lease;

		if (!lease->held)
			continue;
		if (lease->offer.mtu < ret->link.mtu)
			ret->link.mtu = lease->offer.mtu;
		r = server_want_peer(&servers[i], ret);
	}
	return r;
}

static bool server_routes_to(const struct offer *offer, const struct in6_addr *addr)
{
	for (size_t i = 0; i < offer->n_routes; i++)
		if (ip6_prefix_has(&offer->routes[i], addr))
			return true;
	return false;
}

/* Why @offer may not stand beside @other, a server that need not have a lease yet. */
static const char *server_conflict_with(const struct server *other, const struct offer *offer)
{
	const struct session_lease *lease = &other->session.lease;

	if (server_routes_to(offer, &other->conf->address.addr))
		return "a route of it covers the address of another configuration server";
	if (!lease->held)
		return NULL;
	/* One identity, one address: the worker that says otherwise lies, or the other one did. */
	if (!ip6_addr_equal(&lease->offer.host_addr, &offer->host_addr))
		return "the host address in it is not the one that this host has";
	if (wgkey_equal(&lease->offer.gateway_key, &offer->gateway_key))
		return "its key is the key of another configuration server";
	if (server_routes_to(offer, &lease->offer.gateway_addr))
		return "a route of it covers the tunnel address of another configuration server";
	return NULL;
}

const char *server_conflict(const struct server *servers, size_t n, const struct server *self,
			    const struct offer *offer)
{
	const char *conflict = NULL;

	for (size_t i = 0; i < n && !conflict; i++)
		if (&servers[i] != self)
			conflict = server_conflict_with(&servers[i], offer);
	return conflict;
}

static uint32_t server_seconds_until(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns > now_ns ? (uint32_t)((at_ns - now_ns) / CLK_NS_PER_S) : 0;
}

void server_describe(const struct server *s, uint64_t now_ns, struct status_server *ret)
{
	const struct session *session = &s->session;
	const struct session_lease *lease = &session->lease;

	*ret = (struct status_server){
		.state = session->state,
		.missing = session_missing(session),
		.last_code = session->last_code,
		.leased = lease->held,
		.exchanging = session->exchanging,
		.next_try_s = server_seconds_until(session->exchange_at_ns, now_ns),
		.handshake_wall = session->handshake_wall,
		.rx_bytes = session->rx_bytes,
		.tx_bytes = session->tx_bytes,
		.n_exchanges = session->n_exchanges,
		.n_failed = session->n_failed,
	};
	memcpy(ret->name, session->name, sizeof(ret->name));
	memcpy(ret->detail, s->detail, sizeof(ret->detail));
	memcpy(ret->group, s->group, sizeof(ret->group));
	if (!lease->held)
		return;
	ret->gateway_addr = lease->offer.gateway_addr;
	ret->endpoint = lease->offer.endpoints[0];
	ret->epoch = lease->offer.epoch;
	ret->renew_in_s = server_seconds_until(lease->renew_ns, now_ns);
	ret->expires_in_s = server_seconds_until(lease->expires_ns, now_ns);
}
