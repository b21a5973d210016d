/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/host/hostconf.h"

static const char test_hostconf_good[] =
	"[zone]\nname = prod\nhosts_prefix = fd12:3456:789a:1::/64\n"
	"gateways_prefix = fd12:3456:789a::/64\nconfig_nets = 2001:db8:c::/48\n"
	"[server cfg1]\naddress = [2001:db8:c::1]:4443\nprincipal = vespa.vespa.cfg\n"
	"[identity]\ncert = /c\nkey = /k\nca = /a\n[tunneld]\nhostname = h1\n"
	"[aws]\nfree = yes\n";

static struct hostconf test_hostconf_read;
static struct conf_error test_hostconf_error;

static int test_hostconf_load(const char *text, size_t len)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("postern.conf", text, len), 0);
	test_hostconf_error.text[0] = '\0';
	return hostconf_load(tmpdir_path(path, "postern.conf"), &test_hostconf_read,
			     &test_hostconf_error);
}

static void test_hostconf_reads_a_good_one(void)
{
	const struct hostconf *c = &test_hostconf_read;

	CU_ASSERT_EQUAL(test_hostconf_load(test_hostconf_good, strlen(test_hostconf_good)), 0);
	CU_ASSERT_STRING_EQUAL(c->limits.zone, "prod");
	CU_ASSERT_EQUAL(c->limits.n_config_nets, 1);
	CU_ASSERT_EQUAL(c->n_servers, 1);
	CU_ASSERT_STRING_EQUAL(c->servers[0].name, "cfg1");
	CU_ASSERT_EQUAL(c->servers[0].address.port, 4443);
	CU_ASSERT_STRING_EQUAL(c->interface, "postern0");
	CU_ASSERT_EQUAL(c->mark, 0x504f);
	CU_ASSERT_EQUAL(c->table, 20559);
	CU_ASSERT_EQUAL(c->mtu, 1280);
	CU_ASSERT_FALSE(c->require_post_quantum);
	CU_ASSERT_STRING_EQUAL(c->cert, "/c");
	CU_ASSERT_STRING_EQUAL(c->deny_file, "");
}

/* What certd keeps is the default; its sections are not ours. */
static void test_hostconf_identity_defaults(void)
{
	const struct hostconf *c = &test_hostconf_read;
	const char *at = strstr(test_hostconf_good, "cert = /c\nkey = /k\nca = /a\n");
	char text[2000];

	snprintf(text, sizeof(text),
		 "%.*sdeny_file = /etc/postern/deny\n"
		 "[certd]\nx = y\n[csr]\nx = y\n[aws]\nx = y\n",
		 (int)(at - test_hostconf_good), test_hostconf_good);
	CU_ASSERT_EQUAL(test_hostconf_load(text, strlen(text)), 0);
	CU_ASSERT_STRING_EQUAL(c->cert, "/var/lib/sia/current/cert.pem");
	CU_ASSERT_STRING_EQUAL(c->key, "/var/lib/sia/current/key.pem");
	CU_ASSERT_STRING_EQUAL(c->ca, "/var/lib/sia/current/ca.cert.pem");
	CU_ASSERT_STRING_EQUAL(c->deny_file, "/etc/postern/deny");
}

/* One piece replaced: refused, and the message names the key. */
static void test_hostconf_bad_values(void)
{
	static const char *const rows[][3] = {
		{ "name = prod", "name = Prod/x", "name" },
		{ "1::/64", "1::/63", "hosts_prefix" },
		{ "789a::/64", "789a:1::/64", "overlap" },
		{ "config_nets = 2001:db8:c::/48", "config_nets = ::/0", "config_nets" },
		{ "config_nets = 2001:db8:c::/48", "config_nets = 192.0.2.0/24", "config_nets" },
		{ "[2001:db8:c::1]:4443", "[2001:db8:d::1]:4443", "outside" },
		{ "[2001:db8:c::1]:4443", "[2001:db8:c::1]:0", "address" },
		{ "[2001:db8:c::1]:4443", "cfg1.example:4443", "address" },
		{ "vespa.vespa.cfg", "Vespa.vespa.cfg", "principal" },
		{ "vespa.vespa.cfg", "cfg", "principal" },
		{ "principal = vespa.vespa.cfg\n", "", "principal" },
		{ "cert = /c", "cert = c", "cert" },
		{ "cert = /c", "cert = /c\ndeny_file = deny", "deny_file" },
		{ "[aws]", "[unknown]", "unknown" },
		{ "[aws]", "[policy]", "policy" },
		{ "hostname = h1", "hostname = h 1", "hostname" },
		{ "hostname = h1", "hostname = h\xc3\xa9", "hostname" },
		{ "hostname = h1", "timeout_ms = 999", "timeout_ms" },
		{ "hostname = h1", "timeout_ms = 120001", "timeout_ms" },
		{ "hostname = h1", "unknown = 1", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *at = strstr(test_hostconf_good, rows[i][0]);
		char text[2000];

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - test_hostconf_good),
			 test_hostconf_good, rows[i][1], at + strlen(rows[i][0]));
		if (test_hostconf_load(text, strlen(text)) >= 0 ||
		    !strstr(test_hostconf_error.text, rows[i][2]))
			tap_fail(__FILE__, __LINE__, "row %zu: %s", i, test_hostconf_error.text);
	}
}

static void test_hostconf_server_limit(void)
{
	char text[8192];

	for (int n = HOSTCONF_SERVERS_MAX - 1; n <= HOSTCONF_SERVERS_MAX; n++) {
		int len = snprintf(text, sizeof(text), "%s", test_hostconf_good);

		for (int i = 0; i < n; i++)
			len += snprintf(
				text + len, sizeof(text) - (size_t)len,
				"[server more%d]\naddress = [2001:db8:c::2]:1\nprincipal = a.b\n",
				i);
		CU_ASSERT_EQUAL(test_hostconf_load(text, (size_t)len) < 0,
				n == HOSTCONF_SERVERS_MAX);
	}
}

static const struct tap_test test_hostconf_tests[] = {
	{ "reads a good one", test_hostconf_reads_a_good_one },
	{ "where certd keeps its files", test_hostconf_identity_defaults },
	{ "bad values", test_hostconf_bad_values },
	{ "server limit", test_hostconf_server_limit },
	{ 0 },
};

static const struct tap_suite test_hostconf_suites[] = {
	{ "hostconf", test_hostconf_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_hostconf_suites);
}
