/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clk.h"
#include "tests/support/tap.h"
#include "tunneld/core/offer.h"
#include "tunneld/host/server.h"

/* As many servers as there may be; a test says how many of them count. */
static struct hostconf test_server_conf;
static struct server test_server_list[HOSTCONF_SERVERS_MAX];
static struct netstate test_server_state;

static struct ip6_prefix test_server_prefix(const char *text)
{
	struct ip6_prefix p = { 0 };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &p), 0);
	return p;
}

/* Server @i with the address 2001:db8:c::(i + 1) and no lease. */
static void test_server_fill(size_t i)
{
	struct hostconf_server *conf = &test_server_conf.servers[i];
	struct server *s = &test_server_list[i];

	*s = (struct server){ .conf = conf };
	snprintf(conf->name, sizeof(conf->name), "cfg%zu", i + 1);
	conf->address = (struct ip6_endpoint){ .addr = test_server_prefix("2001:db8:c::/128").addr,
					       .port = 4443 };
	conf->address.addr.s6_addr[15] = (uint8_t)(i + 1);
	session_init(&s->session, conf->name, "h1", 0);
}

static void test_server_setup(void)
{
	test_server_conf = (struct hostconf){
		.limits = { .zone = "prod",
			    .gateways_prefix = test_server_prefix("fd12::/64"),
			    .config_nets = { test_server_prefix("2001:db8:c::/48"),
					     test_server_prefix("2001:db8:d::/48") },
			    .n_config_nets = 2 },
		.n_servers = HOSTCONF_SERVERS_MAX,
		.interface = "postern0",
		.spare_interface = "postern1",
		.mtu = 1400,
		.mark = 77,
		.table = 88,
		.priority = 99,
	};
	for (size_t i = 0; i < HOSTCONF_SERVERS_MAX; i++)
		test_server_fill(i);
}

static void test_server_teardown(void)
{
	netstate_wipe(&test_server_state);
}

/* Gives server @i a lease: gateway fd12::(i + 1), the routes to it and to its public address. */
static struct offer *test_server_lease(size_t i)
{
	struct session_lease *lease = &test_server_list[i].session.lease;
	struct offer *o = &lease->offer;

	lease->held = true;
	*o = (struct offer){
		.host_addr = test_server_prefix("fd12:0:0:1::9/128").addr,
		.gateway_key = { .bytes = { (uint8_t)(i + 1) } },
		.gateway_addr = test_server_prefix("fd12::/128").addr,
		.endpoints = { { test_server_list[i].conf->address.addr, 51820 },
			       { test_server_list[i].conf->address.addr, 51821 } },
		.n_endpoints = 2,
		.n_routes = 2,
		.keepalive_s = 25,
		.mtu = 1420,
	};
	o->gateway_addr.s6_addr[15] = (uint8_t)(i + 1);
	o->routes[0] = (struct ip6_prefix){ .addr = o->gateway_addr, .len = 128 };
	o->routes[1] = (struct ip6_prefix){ .addr = o->endpoints[0].addr, .len = 128 };
	return o;
}

static int test_server_want(size_t n)
{
	return server_want(&test_server_conf, test_server_list, n, &test_server_state);
}

/* True when the state has that route, of that kind. */
static bool test_server_has(const char *prefix, enum netstate_kind kind)
{
	const struct ip6_prefix p = test_server_prefix(prefix);
	const struct netstate_route *route = netstate_find_route(
		&test_server_state, &p,
		kind == NETSTATE_DEV ? NETSTATE_METRIC_DEV : NETSTATE_METRIC_UNREACHABLE);

	return route && route->kind == kind;
}

static const struct netstate_peer *test_server_peer(size_t i)
{
	static const struct netstate_peer none;
	const struct wgkey key = { .bytes = { (uint8_t)(i + 1) } };
	const struct netstate_peer *peer = netstate_find_peer(&test_server_state, &key);

	CU_ASSERT_PTR_NOT_NULL(peer);
	return peer ? peer : &none;
}

static void test_server_names_are_of_the_configuration(void)
{
	struct netstate_names names = server_names(&test_server_conf);

	CU_ASSERT_STRING_EQUAL(names.ifname, "postern0");
	CU_ASSERT_STRING_EQUAL(names.spare, "postern1");
	CU_ASSERT_EQUAL(names.fwmark, 77);
	CU_ASSERT_EQUAL(names.table, 88);
	CU_ASSERT_EQUAL(names.rule_priority, 99);
}

/* Before the first lease everything meant for a server is refused, and nothing is let through. */
static void test_server_closed_first(void)
{
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_TRUE(test_server_state.link.present && test_server_state.link.is_wireguard);
	CU_ASSERT_TRUE(test_server_state.link.up && test_server_state.link.has_key);
	CU_ASSERT_EQUAL(test_server_state.link.mtu, 1400);
	CU_ASSERT_EQUAL(test_server_state.link.fwmark, 77);
	CU_ASSERT_TRUE(test_server_state.rule);
	CU_ASSERT_EQUAL(test_server_state.n_routes, 3);
	CU_ASSERT_TRUE(test_server_has("fd12::/64", NETSTATE_UNREACHABLE));
	CU_ASSERT_TRUE(test_server_has("2001:db8:c::/48", NETSTATE_UNREACHABLE));
	CU_ASSERT_TRUE(test_server_has("2001:db8:d::/48", NETSTATE_UNREACHABLE));
	/* The kernel takes them in this order: the refusals before the first route out. */
	test_server_lease(0);
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(test_server_state.routes[i].kind, NETSTATE_UNREACHABLE);
}

/* The server with a lease has a peer and routes, with a refusal behind each; the others nothing. */
static void test_server_leases(void)
{
	test_server_lease(1);
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_EQUAL(test_server_state.n_peers, 1);
	CU_ASSERT_EQUAL(test_server_state.n_addrs, 1);
	CU_ASSERT_EQUAL(test_server_state.addrs[0].len, 128);
	CU_ASSERT_EQUAL(test_server_state.addrs[0].addr.s6_addr[15], 9);
	CU_ASSERT_EQUAL(test_server_peer(1)->n_allowed, 2);
	CU_ASSERT_EQUAL(test_server_peer(1)->keepalive_s, 25);
	CU_ASSERT_TRUE(test_server_has("fd12::2/128", NETSTATE_DEV));
	CU_ASSERT_TRUE(test_server_has("fd12::2/128", NETSTATE_UNREACHABLE));
	CU_ASSERT_TRUE(test_server_has("2001:db8:c::2/128", NETSTATE_DEV));
	CU_ASSERT_TRUE(test_server_has("2001:db8:c::2/128", NETSTATE_UNREACHABLE));
	CU_ASSERT_EQUAL(test_server_state.n_routes, 3 + 4);
	test_server_lease(0);
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_EQUAL(test_server_state.n_peers, 2);
	CU_ASSERT_EQUAL(test_server_state.n_addrs, 1); /* one address, whoever grants it */
	test_server_list[0].session.lease.held = false;
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_EQUAL(test_server_state.n_peers, 1);
	CU_ASSERT_FALSE(test_server_has("fd12::1/128", NETSTATE_DEV));
	CU_ASSERT_TRUE(test_server_has("fd12::/64", NETSTATE_UNREACHABLE));
}

/* WireGuard sends a prefix to one peer only: the first keeps it, the second loses nothing else. */
static void test_server_two_with_one_route(void)
{
	const struct ip6_prefix shared = test_server_prefix("2001:db8:d::/64");

	for (size_t i = 0; i < 2; i++) {
		struct offer *o = test_server_lease(i);

		o->routes[o->n_routes++] = shared;
	}
	CU_ASSERT_EQUAL(test_server_want(2), 0);
	CU_ASSERT_TRUE(netstate_allows(test_server_peer(0), &shared));
	CU_ASSERT_FALSE(netstate_allows(test_server_peer(1), &shared));
	CU_ASSERT_EQUAL(test_server_peer(1)->n_allowed, 2);
	CU_ASSERT_EQUAL(test_server_state.n_routes, 3 + 2 * 5);
}

/* The kernel keeps a PSK and an endpoint that we do not give again. */
static void test_server_psk_only_when_fresh(void)
{
	struct server *s = &test_server_list[0];

	test_server_lease(0);
	memset(&s->psk, 0xa5, sizeof(s->psk));
	CU_ASSERT_EQUAL(test_server_want(1), 0);
	CU_ASSERT_TRUE(test_server_peer(0)->has_psk);
	CU_ASSERT_FALSE(test_server_peer(0)->knows_psk);
	CU_ASSERT_TRUE(secret_is_zero(&test_server_peer(0)->psk));
	CU_ASSERT_EQUAL(test_server_peer(0)->endpoint.port, 0);
	s->psk_fresh = true;
	CU_ASSERT_EQUAL(test_server_want(1), 0);
	CU_ASSERT_TRUE(test_server_peer(0)->has_psk && test_server_peer(0)->knows_psk);
	CU_ASSERT_TRUE(secret_equal(&test_server_peer(0)->psk, &s->psk));
	CU_ASSERT_EQUAL(test_server_peer(0)->endpoint.port, 51820);
	/* Another exchange tries another endpoint. */
	s->session.n_exchanges = 3;
	CU_ASSERT_EQUAL(test_server_want(1), 0);
	CU_ASSERT_EQUAL(test_server_peer(0)->endpoint.port, 51821);
}

static void test_server_smallest_mtu(void)
{
	test_server_lease(0)->mtu = 1300;
	test_server_lease(1)->mtu = OFFER_MTU_MIN;
	test_server_lease(2)->mtu = OFFER_MTU_MAX;
	CU_ASSERT_EQUAL(test_server_want(1), 0);
	CU_ASSERT_EQUAL(test_server_state.link.mtu, 1300);
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_EQUAL(test_server_state.link.mtu, OFFER_MTU_MIN);
	test_server_list[1].session.lease.held = false;
	test_server_list[0].session.lease.held = false;
	CU_ASSERT_EQUAL(test_server_want(3), 0);
	CU_ASSERT_EQUAL(test_server_state.link.mtu, 1400); /* ours is the upper bound */
}

/* Everything at its limit, no route there twice. */
static void test_server_limits(void)
{
	struct offer_limits *limits = &test_server_conf.limits;

	for (limits->n_config_nets = 0; limits->n_config_nets < OFFER_NETS_MAX;
	     limits->n_config_nets++) {
		limits->config_nets[limits->n_config_nets] = test_server_prefix("2001:db8::/48");
		limits->config_nets[limits->n_config_nets].addr.s6_addr[5] =
			(uint8_t)limits->n_config_nets;
	}
	for (size_t i = 0; i < HOSTCONF_SERVERS_MAX; i++) {
		struct offer *o = test_server_lease(i);

		for (o->n_routes = 0; o->n_routes < OFFER_ROUTES_MAX; o->n_routes++) {
			o->routes[o->n_routes] = test_server_prefix("2001:db8::/64");
			o->routes[o->n_routes].addr.s6_addr[6] = (uint8_t)i;
			o->routes[o->n_routes].addr.s6_addr[7] = (uint8_t)o->n_routes;
		}
	}
	CU_ASSERT_EQUAL(test_server_want(HOSTCONF_SERVERS_MAX), 0);
	CU_ASSERT_EQUAL(test_server_state.n_peers, HOSTCONF_SERVERS_MAX);
	CU_ASSERT_EQUAL(test_server_peer(15)->n_allowed, OFFER_ROUTES_MAX);
	CU_ASSERT_EQUAL(test_server_state.n_routes, NETSTATE_ROUTES_MAX);
	/* Nobody lets one more in; if it happens, it is no silent loss. */
	for (size_t i = 0; i < HOSTCONF_SERVERS_MAX; i++)
		test_server_list[i].session.lease.offer.host_addr.s6_addr[14] = (uint8_t)i;
	CU_ASSERT_EQUAL(test_server_want(HOSTCONF_SERVERS_MAX), -ENOSPC);
}

/* What server 0 may be offered beside servers 1 and 2. */
static const char *test_server_conflict(const struct offer *offer)
{
	return server_conflict(test_server_list, 3, &test_server_list[0], offer);
}

static void test_server_expect_conflict(unsigned int line, const struct offer *offer,
					const char *want)
{
	const char *got = test_server_conflict(offer);

	if (!got || !strstr(got, want))
		tap_fail(__FILE__, line, "%s", got ? got : "no conflict");
}

static void test_server_same_key(void)
{
	struct offer offer = *test_server_lease(0);

	test_server_lease(2);
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
	offer.gateway_key.bytes[0] = 3;
	test_server_expect_conflict(__LINE__, &offer, "key");
	test_server_list[2].session.lease.held = false;
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
}

static void test_server_same_host_address(void)
{
	struct offer offer = *test_server_lease(0);

	test_server_lease(1);
	offer.host_addr.s6_addr[15] ^= 1;
	test_server_expect_conflict(__LINE__, &offer, "host address");
	/* Nobody else has a lease: there is nothing to compare with. */
	test_server_list[1].session.lease.held = false;
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
}

/* A renewal names what the same server named before. */
static void test_server_no_conflict_with_itself(void)
{
	struct offer offer = *test_server_lease(0);

	test_server_lease(1);
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
}

static void test_server_routes_to_others(void)
{
	struct offer offer = *test_server_lease(0);

	/* The address of a server without a lease, exactly and inside a wide route. */
	offer.routes[1] = test_server_prefix("2001:db8:c::2/128");
	test_server_expect_conflict(__LINE__, &offer, "the address of another");
	offer.routes[1] = test_server_prefix("2001:db8:c::/48");
	test_server_expect_conflict(__LINE__, &offer, "the address of another");
	offer.routes[1] = test_server_prefix("2001:db8:d::/48");
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
	/* The tunnel address of one with a lease. */
	offer.routes[0] = test_server_prefix("fd12::/64");
	CU_ASSERT_PTR_NULL(test_server_conflict(&offer));
	test_server_lease(1);
	test_server_expect_conflict(__LINE__, &offer, "tunnel address of another");
}

static void test_server_described_without_lease(void)
{
	struct server *s = &test_server_list[0];
	struct status_server got;

	s->session.exchange_at_ns = 5 * CLK_NS_PER_S + 1;
	s->session.last_code = PST_TCP_CONNECT;
	s->session.n_failed = 4;
	snprintf(s->detail, sizeof(s->detail), "refused");
	server_describe(s, 2 * CLK_NS_PER_S, &got);
	CU_ASSERT_STRING_EQUAL(got.name, "cfg1");
	CU_ASSERT_STRING_EQUAL(got.detail, "refused");
	CU_ASSERT_EQUAL(got.state, SESSION_WAIT);
	CU_ASSERT_EQUAL(got.missing, PST_TCP_CONNECT);
	CU_ASSERT_EQUAL(got.last_code, PST_TCP_CONNECT);
	CU_ASSERT_EQUAL(got.n_failed, 4);
	CU_ASSERT_EQUAL(got.next_try_s, 3);
	CU_ASSERT_FALSE(got.leased);
	CU_ASSERT_EQUAL(got.endpoint.port, 0);
	/* Due already. */
	server_describe(s, 6 * CLK_NS_PER_S, &got);
	CU_ASSERT_EQUAL(got.next_try_s, 0);
}

static void test_server_described_with_lease(void)
{
	struct server *s = &test_server_list[0];
	struct status_server got;

	test_server_lease(0)->epoch = 1760000000;
	s->session.lease.renew_ns = 10 * CLK_NS_PER_S;
	s->session.lease.expires_ns = 20 * CLK_NS_PER_S;
	s->session.state = SESSION_HANDSHAKE;
	s->session.exchanging = true;
	s->session.handshake_wall = 6;
	s->session.rx_bytes = 7;
	s->session.tx_bytes = 8;
	s->session.n_exchanges = 9;
	snprintf(s->group, sizeof(s->group), "x25519");
	server_describe(s, 4 * CLK_NS_PER_S, &got);
	CU_ASSERT_TRUE(got.leased && got.exchanging);
	CU_ASSERT_EQUAL(got.missing, PST_NO_HANDSHAKE);
	CU_ASSERT_EQUAL(got.gateway_addr.s6_addr[15], 1);
	CU_ASSERT_EQUAL(got.endpoint.port, 51820);
	CU_ASSERT_EQUAL(got.epoch, 1760000000);
	CU_ASSERT_EQUAL(got.renew_in_s, 6);
	CU_ASSERT_EQUAL(got.expires_in_s, 16);
	CU_ASSERT_EQUAL(got.handshake_wall, 6);
	CU_ASSERT_EQUAL(got.rx_bytes, 7);
	CU_ASSERT_EQUAL(got.tx_bytes, 8);
	CU_ASSERT_EQUAL(got.n_exchanges, 9);
	CU_ASSERT_STRING_EQUAL(got.group, "x25519");
	server_describe(s, 30 * CLK_NS_PER_S, &got);
	CU_ASSERT_EQUAL(got.renew_in_s, 0);
	CU_ASSERT_EQUAL(got.expires_in_s, 0);
}

static const struct tap_test test_server_tests[] = {
	{ "names are of the configuration", test_server_names_are_of_the_configuration },
	{ "closed first", test_server_closed_first },
	{ "leases", test_server_leases },
	{ "two with one route", test_server_two_with_one_route },
	{ "psk only when fresh", test_server_psk_only_when_fresh },
	{ "smallest MTU", test_server_smallest_mtu },
	{ "limits", test_server_limits },
	{ "same key", test_server_same_key },
	{ "one host address", test_server_same_host_address },
	{ "no conflict with itself", test_server_no_conflict_with_itself },
	{ "routes to others", test_server_routes_to_others },
	{ "described without lease", test_server_described_without_lease },
	{ "described with lease", test_server_described_with_lease },
	{ 0 },
};

static const struct tap_suite test_server_suites[] = {
	{ "server", test_server_tests, test_server_setup, test_server_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_server_suites);
}
