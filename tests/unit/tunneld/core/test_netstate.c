/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/core/netstate.h"

static struct in6_addr numbered(unsigned int n)
{
	struct in6_addr a = { .s6_addr = { 0xfd } };

	a.s6_addr[14] = (uint8_t)(n >> 8);
	a.s6_addr[15] = (uint8_t)n;
	return a;
}

static struct ip6_prefix numbered_prefix(unsigned int n)
{
	struct in6_addr a = numbered(n);

	return ip6_host_prefix(&a);
}

static void test_addrs_to_the_limit(void)
{
	struct netstate s = { 0 };
	struct netstate_addr a = { .len = 128 };
	struct in6_addr absent = numbered(NETSTATE_ADDRS_MAX);

	for (unsigned int i = 0; i < NETSTATE_ADDRS_MAX; i++) {
		a.addr = numbered(i);
		CU_ASSERT_EQUAL(netstate_put_addr(&s, &a), 0);
	}
	a.addr = absent;
	CU_ASSERT_EQUAL(netstate_put_addr(&s, &a), -ENOSPC);
	CU_ASSERT_EQUAL(s.n_addrs, NETSTATE_ADDRS_MAX);
	CU_ASSERT_PTR_NULL(netstate_find_addr(&s, &absent));

	a.addr = numbered(3);
	a.len = 64;
	CU_ASSERT_EQUAL(netstate_put_addr(&s, &a), 0);
	CU_ASSERT_EQUAL(s.n_addrs, NETSTATE_ADDRS_MAX);
	CU_ASSERT_EQUAL(s.addrs[3].len, 64);
}

static void test_routes_to_the_limit(void)
{
	static struct netstate s;
	struct netstate_route r = { .kind = NETSTATE_DEV, .metric = 1 };

	for (unsigned int i = 0; i < NETSTATE_ROUTES_MAX; i++) {
		r.prefix = numbered_prefix(i / 2);
		r.metric = 1 + i % 2;
		CU_ASSERT_EQUAL(netstate_put_route(&s, &r), 0);
	}
	r.metric = 3;
	CU_ASSERT_EQUAL(netstate_put_route(&s, &r), -ENOSPC);
	CU_ASSERT_EQUAL(s.n_routes, NETSTATE_ROUTES_MAX);
	CU_ASSERT_PTR_NULL(netstate_find_route(&s, &r.prefix, 3));

	r.prefix = numbered_prefix(1);
	r.metric = 2;
	r.kind = NETSTATE_UNREACHABLE;
	CU_ASSERT_EQUAL(netstate_put_route(&s, &r), 0);
	CU_ASSERT_EQUAL(s.routes[3].kind, NETSTATE_UNREACHABLE);
	CU_ASSERT_EQUAL(s.routes[2].kind, NETSTATE_DEV);
}

static void test_peers_to_the_limit(void)
{
	struct netstate s = { 0 };
	struct netstate_peer p = { .keepalive_s = 25 };

	for (unsigned int i = 0; i < NETSTATE_PEERS_MAX; i++) {
		p.key.bytes[0] = (uint8_t)i;
		CU_ASSERT_EQUAL(netstate_put_peer(&s, &p), 0);
	}
	p.key.bytes[0] = NETSTATE_PEERS_MAX;
	CU_ASSERT_EQUAL(netstate_put_peer(&s, &p), -ENOSPC);
	CU_ASSERT_PTR_NULL(netstate_find_peer(&s, &p.key));

	p.key.bytes[0] = 5;
	p.keepalive_s = 26;
	CU_ASSERT_EQUAL(netstate_put_peer(&s, &p), 0);
	CU_ASSERT_EQUAL(s.n_peers, NETSTATE_PEERS_MAX);
	CU_ASSERT_EQUAL(netstate_find_peer(&s, &p.key)->keepalive_s, 26);
}

static void test_allowed_to_the_limit(void)
{
	struct netstate_peer p = { 0 };
	struct ip6_prefix wide = numbered_prefix(0);

	for (unsigned int i = 0; i < NETSTATE_ALLOWED_MAX; i++) {
		struct ip6_prefix prefix = numbered_prefix(i);

		CU_ASSERT_EQUAL(netstate_put_allowed(&p, &prefix), 0);
		CU_ASSERT_EQUAL(netstate_put_allowed(&p, &prefix), 0);
	}
	CU_ASSERT_EQUAL(p.n_allowed, NETSTATE_ALLOWED_MAX);
	wide.len = 64;
	CU_ASSERT_FALSE(netstate_allows(&p, &wide));
	CU_ASSERT_EQUAL(netstate_put_allowed(&p, &wide), -ENOSPC);
	CU_ASSERT_EQUAL(p.n_allowed, NETSTATE_ALLOWED_MAX);
}

static void test_wipe_leaves_nothing(void)
{
	static struct netstate s;
	const unsigned char *bytes = (const unsigned char *)&s;
	unsigned int left = 0;

	memset(&s, 0xa5, sizeof(s));
	netstate_wipe(&s);
	for (size_t i = 0; i < sizeof(s); i++)
		left |= bytes[i];
	CU_ASSERT_EQUAL(left, 0);
}

static const struct tap_test tests[] = {
	{ "addresses are unique and bounded", test_addrs_to_the_limit },
	{ "routes are unique by prefix and metric, and bounded", test_routes_to_the_limit },
	{ "peers are unique and bounded", test_peers_to_the_limit },
	{ "allowed prefixes are unique and bounded", test_allowed_to_the_limit },
	{ "a wiped state holds nothing", test_wipe_leaves_nothing },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "netstate", tests }, { 0 } };

	return tap_main(argc, argv, suites);
}
