/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/core/offer.h"

static struct offer_limits test_offer_limits;
static struct offer test_offer_good;

static struct ip6_prefix test_offer_prefix(const char *text)
{
	struct ip6_prefix p = { .len = 255 };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &p), 0);
	return p;
}

static struct in6_addr test_offer_addr(const char *text)
{
	struct in6_addr a = { 0 };

	CU_ASSERT_EQUAL(ip6_parse_addr(text, &a), 0);
	return a;
}

static void test_offer_setup(void)
{
	struct offer *o = &test_offer_good;

	test_offer_limits = (struct offer_limits){
		.zone = "prod",
		.hosts_prefix = test_offer_prefix("fd12:3456:789a:1::/64"),
		.gateways_prefix = test_offer_prefix("fd12:3456:789a::/64"),
		.config_nets = { test_offer_prefix("2001:db8:b::/48"),
				 test_offer_prefix("2001:db8:c::/48") },
		.n_config_nets = 2,
	};
	*o = (struct offer){
		.zone = "prod",
		.host_addr = test_offer_addr("fd12:3456:789a:1::7"),
		.gateway_name = "cfg1",
		.gateway_key = { .bytes = { 9 } },
		.gateway_addr = test_offer_addr("fd12:3456:789a::1"),
		.endpoints = { { test_offer_addr("2001:db8:c::1"), 51820 } },
		.n_endpoints = 1,
		.routes = { test_offer_prefix("fd12:3456:789a::1/128"),
			    test_offer_prefix("2001:db8:c::1/128") },
		.n_routes = 2,
		.keepalive_s = 25,
		.mtu = 1280,
		.epoch = 1760000000,
		.renew_after_s = 3600,
		.expires_after_s = 86400,
		.gateways = { { "cfg1", "https://cfg1.example:4443" } },
		.n_gateways = 1,
	};
}

static enum pst test_offer_check(const struct offer *o)
{
	return offer_check(o, &test_offer_limits);
}

static void test_offer_good_passes(void)
{
	CU_ASSERT_EQUAL(test_offer_check(&test_offer_good), PST_NONE);
}

static void test_offer_zone(void)
{
	struct offer o = test_offer_good;

	snprintf(o.zone, sizeof(o.zone), "prod2");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ZONE);
	o.zone[0] = '\0';
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ZONE);
}

static void test_offer_weak_key(void)
{
	struct offer o = test_offer_good;

	o.gateway_key = (struct wgkey){ 0 };
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_KEY_WEAK);
	o.gateway_key.bytes[0] = 1;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_KEY_WEAK);
}

/* One address, and one past each end of the prefix it must lie in. */
static void test_offer_addresses(void)
{
	static const struct {
		const char *host, *gateway;
		enum pst code;
	} rows[] = {
		{ "fd12:3456:789a:1::1", "fd12:3456:789a::1", PST_NONE },
		{ "fd12:3456:789a:1:ffff:ffff:ffff:ffff", "fd12:3456:789a::1", PST_NONE },
		{ "fd12:3456:789a:2::", "fd12:3456:789a::1", PST_RESPONSE_ADDRESS },
		{ "fd12:3456:789a:0:ffff:ffff:ffff:ffff", "fd12:3456:789a::1",
		  PST_RESPONSE_ADDRESS },
		{ "::", "fd12:3456:789a::1", PST_RESPONSE_ADDRESS },
		{ "fe80::1", "fd12:3456:789a::1", PST_RESPONSE_ADDRESS },
		{ "fd12:3456:789a:1::1", "fd12:3456:789a:1::1", PST_RESPONSE_ADDRESS },
		{ "fd12:3456:789a:1::1", "fd12:3456:7899:ffff:ffff:ffff:ffff:ffff",
		  PST_RESPONSE_ADDRESS },
		{ "fd12:3456:789a:1::1", "::1", PST_RESPONSE_ADDRESS },
		{ "fd12:3456:789a:1::1", "2001:db8:c::1", PST_RESPONSE_ADDRESS },
		/* A router answers for the address of no interface id: RFC 4291, section 2.6.1. */
		{ "fd12:3456:789a:1::", "fd12:3456:789a::1", PST_RESPONSE_ADDRESS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offer o = test_offer_good;

		o.host_addr = test_offer_addr(rows[i].host);
		o.gateway_addr = test_offer_addr(rows[i].gateway);
		CU_ASSERT_EQUAL(test_offer_check(&o), rows[i].code);
	}
}

static void test_offer_endpoints(void)
{
	static const char *const bad[] = {
		"::",      "::1",           "fe80::1",           "fec0::1",
		"ff02::1", "2001:db8:d::1", "fd12:3456:789a::1", "::7f00:1",
	};
	struct offer o = test_offer_good;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		o.endpoints[0].addr = test_offer_addr(bad[i]);
		CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ENDPOINT);
	}
	o = test_offer_good;
	o.endpoints[0].port = 0;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ENDPOINT);
	o.endpoints[0].port = 1;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.endpoints[1] = (struct ip6_endpoint){ test_offer_addr("2001:db8:b::2"), 65535 };
	o.n_endpoints = 2;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.endpoints[1].addr = test_offer_addr("ff02::1");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ENDPOINT);
}

/* A configuration that allows too much does not make a loopback endpoint usable. */
static void test_offer_endpoint_in_a_wide_net(void)
{
	struct offer o = test_offer_good;

	test_offer_limits.config_nets[0] = test_offer_prefix("::/0");
	o.endpoints[0].addr = test_offer_addr("fe80::1");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ENDPOINT);
	o.endpoints[0].addr = test_offer_addr("::1");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ENDPOINT);
	o = test_offer_good;
	o.routes[1] = test_offer_prefix("::/0");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_DEFAULT_ROUTE);
}

static void test_offer_routes(void)
{
	static const struct {
		const char *text;
		enum pst code;
	} rows[] = {
		{ "2001:db8:c::/48", PST_NONE },
		{ "fd12:3456:789a::/64", PST_NONE },
		{ "::/0", PST_RESPONSE_DEFAULT_ROUTE },
		{ "::/1", PST_RESPONSE_ROUTE },
		{ "8000::/1", PST_RESPONSE_ROUTE },
		{ "2001:db8::/32", PST_RESPONSE_ROUTE },
		{ "fd12:3456:789a::/63", PST_RESPONSE_ROUTE },
		{ "fd12:3456:789a:1::7/128", PST_RESPONSE_ROUTE },
		{ "fe80::1/128", PST_RESPONSE_ROUTE },
		{ "::1/128", PST_RESPONSE_ROUTE },
		{ "2001:db8:d::1/128", PST_RESPONSE_ROUTE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offer o = test_offer_good;

		o.routes[1] = test_offer_prefix(rows[i].text);
		CU_ASSERT_EQUAL(test_offer_check(&o), rows[i].code);
	}
}

static void test_offer_routes_hold_the_gateway(void)
{
	struct offer o = test_offer_good;

	o.routes[0] = test_offer_prefix("fd12:3456:789a::2/128");
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ROUTE);
	o = test_offer_good;
	o.routes[0] = o.routes[1];
	o.n_routes = 1;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_ROUTE);
}

static void test_offer_counts(void)
{
	struct offer o = test_offer_good;

	o.n_endpoints = 0;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_LIMIT);
	for (size_t i = 0; i < OFFER_ENDPOINTS_MAX; i++)
		o.endpoints[i] = o.endpoints[0];
	o.n_endpoints = OFFER_ENDPOINTS_MAX;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.n_endpoints++;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_LIMIT);
	o = test_offer_good;
	o.n_routes = 0;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_LIMIT);
	for (size_t i = 0; i < OFFER_ROUTES_MAX; i++)
		o.routes[i] = o.routes[0];
	o.n_routes = OFFER_ROUTES_MAX;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.n_routes++;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_LIMIT);
	o = test_offer_good;
	o.n_gateways = 0;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.n_gateways = OFFER_GATEWAYS_MAX;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_NONE);
	o.n_gateways++;
	CU_ASSERT_EQUAL(test_offer_check(&o), PST_RESPONSE_LIMIT);
}

/* Each number at -1, 0, +1 of its limits. */
static void test_offer_numbers(void)
{
	static const struct {
		uint32_t keepalive_s, mtu, renew_s, expires_s;
		uint64_t epoch;
		bool good;
	} rows[] = {
		{ 0, 1280, 3600, 86400, 1, true },
		{ 299, 1280, 3600, 86400, 1, true },
		{ 300, 1280, 3600, 86400, 1, true },
		{ 301, 1280, 3600, 86400, 1, false },
		{ UINT32_MAX, 1280, 3600, 86400, 1, false },
		{ 25, 1279, 3600, 86400, 1, false },
		{ 25, 1281, 3600, 86400, 1, true },
		{ 25, 0, 3600, 86400, 1, false },
		{ 25, 8999, 3600, 86400, 1, true },
		{ 25, 9000, 3600, 86400, 1, true },
		{ 25, 9001, 3600, 86400, 1, false },
		{ 25, 1280, 4, 86400, 1, false },
		{ 25, 1280, 5, 86400, 1, true },
		{ 25, 1280, 6, 86400, 1, true },
		{ 25, 1280, 5, 5, 1, false },
		{ 25, 1280, 5, 6, 1, true },
		{ 25, 1280, 6, 5, 1, false },
		{ 25, 1280, 3600, 30 * 86400 - 1, 1, true },
		{ 25, 1280, 3600, 30 * 86400, 1, true },
		{ 25, 1280, 3600, 30 * 86400 + 1, 1, false },
		{ 25, 1280, 30 * 86400 - 1, 30 * 86400, 1, true },
		{ 25, 1280, UINT32_MAX - 1, UINT32_MAX, 1, false },
		{ 25, 1280, 3600, 86400, 0, false },
		{ 25, 1280, 3600, 86400, UINT64_MAX, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offer o = test_offer_good;

		o.keepalive_s = rows[i].keepalive_s;
		o.mtu = rows[i].mtu;
		o.renew_after_s = rows[i].renew_s;
		o.expires_after_s = rows[i].expires_s;
		o.epoch = rows[i].epoch;
		CU_ASSERT_EQUAL(test_offer_check(&o), rows[i].good ? PST_NONE : PST_RESPONSE_LIMIT);
	}
}

static void test_offer_without_nets(void)
{
	test_offer_limits.n_config_nets = 0;
	CU_ASSERT_EQUAL(test_offer_check(&test_offer_good), PST_RESPONSE_ENDPOINT);
}

static const struct tap_test test_offer_tests[] = {
	{ "a good one passes", test_offer_good_passes },
	{ "zone", test_offer_zone },
	{ "weak key", test_offer_weak_key },
	{ "addresses", test_offer_addresses },
	{ "endpoints", test_offer_endpoints },
	{ "endpoint in a wide net", test_offer_endpoint_in_a_wide_net },
	{ "routes", test_offer_routes },
	{ "routes hold the gateway", test_offer_routes_hold_the_gateway },
	{ "counts", test_offer_counts },
	{ "numbers", test_offer_numbers },
	{ "without nets", test_offer_without_nets },
	{ 0 },
};

static const struct tap_suite test_offer_suites[] = {
	{ "offer", test_offer_tests, test_offer_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_offer_suites);
}
