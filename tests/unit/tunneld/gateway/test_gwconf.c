/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/gwconf.h"

#define TEST_GWCONF_MAX (512 * 1024)

/* Loads the fixture with @from replaced by @to. */
static int test_gwconf_load(const char *from, const char *to, struct gwconf **ret,
			    struct conf_error *e)
{
	static char text[TEST_GWCONF_MAX];
	const char *whole = gwfixture_conf_text(), *at = strstr(whole, from);

	*ret = NULL;
	e->text[0] = '\0';
	if (!at)
		return -ENOENT;
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
	return gwconf_load_text("gateway.conf", text, ret, e);
}

static void test_gwconf_defaults(void)
{
	struct gwconf *c = gwfixture_conf();

	CU_ASSERT_STRING_EQUAL(c->interface, "postern0");
	CU_ASSERT_EQUAL(c->listen.port, 4443);
	CU_ASSERT_EQUAL(c->wg_port, 51820);
	CU_ASSERT_EQUAL(c->keepalive_s, 25);
	CU_ASSERT_EQUAL(c->mtu, 1280);
	CU_ASSERT_EQUAL(c->workers, 2);
	CU_ASSERT_EQUAL(c->conns_per_source, 256);
	CU_ASSERT_EQUAL(c->request_timeout_ms, 10000);
	CU_ASSERT_STRING_EQUAL(c->provider_list[0], GWFIXTURE_PROVIDER);
	CU_ASSERT_EQUAL(c->n_routes, 2);
	CU_ASSERT_TRUE(ip6_addr_equal(&c->routes[0].addr, &c->address));
	CU_ASSERT_EQUAL(c->routes[0].len, 128);
	gwconf_free(c);
}

static void test_gwconf_reads_identity(void)
{
	struct conf_error e;
	struct gwconf *c = gwfixture_conf();

	CU_ASSERT_STRING_EQUAL(c->deny_file, "");
	CU_ASSERT_EQUAL(c->n_roles, 0);
	gwconf_free(c);
	CU_ASSERT_EQUAL(test_gwconf_load("[tenants]\n",
					 "deny_file = /etc/postern/deny\n"
					 "[tenants]\nallow_roles = a:role.b c.d:role.e.f\n",
					 &c, &e),
			0);
	if (!c)
		return;
	CU_ASSERT_STRING_EQUAL(c->deny_file, "/etc/postern/deny");
	CU_ASSERT_EQUAL(c->n_roles, 2);
	CU_ASSERT_STRING_EQUAL(c->role_list[1], "c.d:role.e.f");
	gwconf_free(c);
}

static void test_gwconf_own_route_first(void)
{
	struct conf_error e;
	struct gwconf *c;

	CU_ASSERT_EQUAL(test_gwconf_load("routes = ",
					 "routes = 2001:db8:d::/48 fd12:3456:789a::1/128 ", &c, &e),
			0);
	if (!c)
		return;
	CU_ASSERT_EQUAL(c->n_routes, 3);
	CU_ASSERT_TRUE(ip6_addr_equal(&c->routes[0].addr, &c->address));
	CU_ASSERT_EQUAL(c->routes[1].len, 48);
	CU_ASSERT_EQUAL(c->routes[2].addr.s6_addr[5], 0x0c);
	gwconf_free(c);
}

static void test_gwconf_refuses(void)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "expires_after_s = 100", "expires_after_s = 50", "less than expires_after_s" },
		{ "renew_after_s = 50", "renew_after_s = 4", "gateway.conf:9:" },
		{ "1::/64", "1::/63", "hosts_prefix" },
		{ "1::/64", "::/48", "length 64" },
		{ "address = fd12:3456:789a::1", "address = fd12:3456:789a:1::1",
		  "outside hosts_prefix" },
		{ "address = fd12:3456:789a::1", "address = fe80::1", "must be usable" },
		{ "2001:db8:c::1/128", "::/0", "routes" },
		{ "2001:db8:c::1/128", "fe80::/64", "routes" },
		{ "[2001:db8:c::1]:51820", "[::1]:51820", "endpoints" },
		{ "[2001:db8:c::1]:51820", "192.0.2.1:51820", "endpoints" },
		{ "name = cfg1\n", "", "name: is missing" },
		{ "allow = " GWFIXTURE_TENANT, "", "allow: is missing" },
		{ "allow = ", "allow = nodots ", "domain.service" },
		{ "cert = /nowhere", "cert = nowhere", "an absolute path" },
		{ "[identity]", "[sibling cfg2]\nurl = http://x\n[identity]", "https" },
		{ "[identity]", "typo = 1\n[identity]", "unknown key" },
		{ "cert = /nowhere", "deny_file = deny\ncert = /nowhere", "an absolute path" },
		{ "allow = ", "allow_roles = a.b\nallow = ", "domain:role.role" },
		{ "allow = ", "allow_roles = a:role.\nallow = ", "domain:role.role" },
		{ "allow = ", "allow_roles = A:role.b\nallow = ", "lower case" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf_error e;
		struct gwconf *c;
		int r = test_gwconf_load(cases[i].from, cases[i].to, &c, &e);

		if (r != -EINVAL || !strstr(e.text, cases[i].says))
			tap_fail(__FILE__, __LINE__, "case %zu: %d, '%s'", i, r, e.text);
		CU_ASSERT_PTR_NULL(c);
	}
}

/* Loads with @from replaced by @n times @head, a number, @tail. */
static int test_gwconf_list(const char *from, const char *head, const char *tail, unsigned int n)
{
	static char text[TEST_GWCONF_MAX / 2];
	struct conf_error e;
	struct gwconf *c;
	size_t at = 0;
	int r;

	text[0] = '\0';
	for (unsigned int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u%s", head, i + 1, tail);
	r = test_gwconf_load(from, text, &c, &e);
	gwconf_free(c);
	return r;
}

static void test_gwconf_limits(void)
{
	static const struct {
		const char *from, *head, *tail;
		unsigned int max;
		int over; /* what one more gives */
	} lists[] = {
		{ "allow = " GWFIXTURE_TENANT "\n", "allow = a.b", "\n", GWCONF_TENANTS_MAX,
		  -E2BIG },
		{ "[tenants]\n", "[tenants]\nallow_roles = a:role.b", "\n", GWCONF_ROLES_MAX,
		  -E2BIG },
		{ "providers = " GWFIXTURE_PROVIDER "\n", "providers = p", "\n",
		  GWCONF_PROVIDERS_MAX, -E2BIG },
		/* One place is for the tunnel address. */
		{ "routes = 2001:db8:c::1/128\n", "routes = 2001:db8:", "::/48\n",
		  OFFER_ROUTES_MAX - 1, -EINVAL },
		{ "endpoints = [2001:db8:c::1]:51820\n", "endpoints = [2001:db8::", "]:1\n",
		  OFFER_ENDPOINTS_MAX, -E2BIG },
		{ "[identity]\n", "[sibling s", "]\nurl = https://x\n[identity]\n",
		  OFFER_GATEWAYS_MAX, -E2BIG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		int at = test_gwconf_list(lists[i].from, lists[i].head, lists[i].tail,
					  lists[i].max);
		int over = test_gwconf_list(lists[i].from, lists[i].head, lists[i].tail,
					    lists[i].max + 1);

		if (at != 0 || over != lists[i].over)
			tap_fail(__FILE__, __LINE__, "list %zu: %d at its limit, %d above", i, at,
				 over);
	}
	CU_ASSERT_EQUAL(test_gwconf_list(lists[3].from, lists[3].head, lists[3].tail,
					 OFFER_ROUTES_MAX + 1),
			-E2BIG);
}

static void test_gwconf_conns_per_source(void)
{
	static const struct {
		const char *value;
		int r;
	} cases[] = { { "-1", -EINVAL }, { "0", 0 }, { "16384", 0 }, { "16385", -EINVAL } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gwconf *c = NULL;
		struct conf_error e;
		char text[80];

		snprintf(text, sizeof(text), "conns_per_source = %s\n[identity]\n", cases[i].value);
		CU_ASSERT_EQUAL(test_gwconf_load("[identity]\n", text, &c, &e), cases[i].r);
		gwconf_free(c);
	}
}

static const struct tap_test test_gwconf_tests[] = {
	{ "defaults", test_gwconf_defaults },
	{ "deny-list and roles", test_gwconf_reads_identity },
	{ "the tunnel address leads the routes", test_gwconf_own_route_first },
	{ "refuses with the place and the reason", test_gwconf_refuses },
	{ "lists at their limits", test_gwconf_limits },
	{ "connections of one source at their limits", test_gwconf_conns_per_source },
	{ 0 },
};

static const struct tap_suite test_gwconf_suites[] = {
	{ "gwconf", test_gwconf_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_gwconf_suites);
}
