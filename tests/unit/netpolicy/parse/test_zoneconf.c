/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certconf.h"
#include "netpolicy/parse/policyfile.h"
#include "netpolicy/parse/zoneconf.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/parse/pagetry.h"
#include "tunneld/host/hostconf.h"

#define ZONE                                                                                       \
	"[zone]\nname = z\nhosts_prefix = fd12:1::/64\ngateways_prefix = fd12::/64\n"              \
	"config_nets = 2001:db8:c::/48\n"

static struct conf_error error;

/* Reads; a failed assertion when that fails. */
static struct zoneconf zone(const char *text)
{
	struct zoneconf z;

	if (zoneconf_load_text("postern.conf", text, &z, &error) < 0)
		tap_fail(__FILE__, __LINE__, "not read: %s", error.text);
	return z;
}

static void test_defaults(void)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(ZONE);

	CU_ASSERT_STRING_EQUAL(z.tunnel, "postern0");
	CU_ASSERT_STRING_EQUAL(z.spare_tunnel, "postern1");
	CU_ASSERT_EQUAL(z.mark, 0x504f);
	CU_ASSERT_EQUAL(z.wg_port, 51820);
	CU_ASSERT_EQUAL(z.exchange_port, 4443);
	CU_ASSERT_EQUAL(z.config_nets.n, 1);
	CU_ASSERT_EQUAL(z.gateways_prefix.len, 64);
	CU_ASSERT_STRING_EQUAL(z.certd_user, "");
	CU_ASSERT_EQUAL(z.issuer.port, 0);
	CU_ASSERT_EQUAL(z.sts.port, 0);
}

static void test_values(void)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(
		ZONE "[tunnel]\ninterface = wg0\nspare_interface = wg1\nmark = 7\n"
		     "wg_port = 1024\nexchange_port = 1\n[certd]\nuser = postern-certd:ids\n"
		     "zts_address = [2001:db8::5]:8443\n[aws]\nsts_address = "
		     "[2001:db8::6]:443\n"
		     "[server x]\nanything = goes\n");

	CU_ASSERT_STRING_EQUAL(z.tunnel, "wg0");
	CU_ASSERT_STRING_EQUAL(z.spare_tunnel, "wg1");
	CU_ASSERT_EQUAL(z.mark, 7);
	CU_ASSERT_EQUAL(z.wg_port, 1024);
	CU_ASSERT_EQUAL(z.exchange_port, 1);
	CU_ASSERT_STRING_EQUAL(z.certd_user, "postern-certd");
	CU_ASSERT_EQUAL(z.issuer.port, 8443);
	CU_ASSERT_EQUAL(z.sts.port, 443);
}

static void test_errors(void)
{
	static const struct {
		const char *text, *want;
	} list[] = {
		{ "", "[zone] gateways_prefix: is missing" },
		{ "[zone]\nname = z\nhosts_prefix = fd12:1::/64\ngateways_prefix = fd12::/64\n",
		  "[zone] config_nets: is missing" },
		{ ZONE "config_nets = 10.0.0.0/8\n", "'10.0.0.0/8' is not allowed" },
		{ ZONE "[tunnel]\nwg_port = 1023\n", "expected 1024...65535" },
		{ ZONE "[tunnel]\nexchange_port = 65536\n", "expected 1...65535" },
		{ ZONE "[tunnel]\nmark = 0\n", "expected 1...0xffffffff" },
		{ ZONE "[tunnel]\ninterface = abcdefghijklmnop\n", "at most 15 characters" },
		{ ZONE "[certd]\nuser = :x\n", "expected name, name:group or number" },
		{ ZONE "[policy]\nname = x\n", "unknown section: policy" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		_cleanup_(zoneconf_release) struct zoneconf z;

		CU_ASSERT_TRUE(zoneconf_load_text("postern.conf", list[i].text, &z, &error) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, list[i].want));
		if (!strstr(error.text, list[i].want))
			tap_note("got %s", error.text);
	}
	_cleanup_(zoneconf_release) struct zoneconf absent;

	CU_ASSERT_EQUAL(zoneconf_load("/nonexistent/postern.conf", &absent, &error), -ENOENT);
}

/* Every key that others have in a section of ours is known, lest a new one stops netpolicy. */
static unsigned int check_keys(const char *reference)
{
	char section[512] = "", text[1100], line[512];
	unsigned int n = 0;

	while (*reference) {
		size_t len = strcspn(reference, "\n");
		size_t skip = *reference == '#';
		size_t key = strcspn(reference + skip, " \n");

		snprintf(line, sizeof(line), "%.*s", (int)(key), reference + skip);
		if (*reference == '[')
			snprintf(section, sizeof(section), "%s", line);
		else if (key && !strncmp(reference + skip + key, " = ", 3)) {
			_cleanup_(zoneconf_release) struct zoneconf z;

			snprintf(text, sizeof(text), "%s\n%s = x\n", section, line);
			CU_ASSERT_TRUE(zoneconf_load_text("c", text, &z, &error) < 0);
			CU_ASSERT_PTR_NULL(strstr(error.text, "unknown"));
			if (strstr(error.text, "unknown"))
				tap_note("%s", error.text);
			n++;
		}
		reference += len + (reference[len] == '\n');
	}
	return n;
}

static unsigned int check_printed(void (*print)(FILE *to))
{
	unsigned int n = 0;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	print(to);
	CU_ASSERT_EQUAL(fclose(to), 0);
	n = check_keys(text);
	free(text);
	return n;
}

static void test_keys_of_others(void)
{
	CU_ASSERT_TRUE(check_printed(certconf_print_reference) > 30);
	CU_ASSERT_TRUE(check_printed(hostconf_print_reference) > 10);
}

static void test_claims(void)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(ZONE);
	_cleanup_(policy_freep) struct policy *p = pagetry_load("claim \"c\" { never in new }\n");
	char text[POLICY_ERROR_MAX] = "";
	const struct policy_say *say;

	if (!p)
		return;
	CU_ASSERT_EQUAL(zoneconf_claims(&z, p, text), 0);
	CU_ASSERT_EQUAL(p->n_claims, 2);
	CU_ASSERT_EQUAL(p->n_says, 4);
	CU_ASSERT_STRING_EQUAL(p->claims[1].text, "the tunnel works");
	for (size_t i = 1; i < p->n_says; i++) {
		say = &p->says[i];
		CU_ASSERT_TRUE(say->claim == 1 && !say->is_never && say->n_excepts == 0);
		CU_ASSERT_TRUE(say->match.has_dir && say->match.dir == POLICY_OUT);
		CU_ASSERT_TRUE(say->match.via == POLICY_VIA_UPLINK);
		CU_ASSERT_EQUAL(say->match.grant, POLICY_NONE);
	}
	say = &p->says[1];
	CU_ASSERT_EQUAL(say->match.ports.list[0].proto, POLICY_UDP);
	CU_ASSERT_EQUAL(say->match.ports.list[0].low, 51820);
	CU_ASSERT_TRUE(say->match.has_mark && say->match.mark == 0x504f);
	CU_ASSERT_EQUAL(say->match.net, p->config_net);
	CU_ASSERT_EQUAL(p->says[2].match.ports.list[0].proto, POLICY_TCP);
	CU_ASSERT_EQUAL(p->says[3].match.n_icmp6, 2);
	CU_ASSERT_EQUAL(p->says[3].match.net, POLICY_NONE);
}

static void check_other(const char *conf, const char *want)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(conf);
	_cleanup_(policy_freep) struct policy *p = pagetry_load("");
	char text[POLICY_ERROR_MAX] = "";

	if (!p)
		return;
	CU_ASSERT_EQUAL(zoneconf_claims(&z, p, text), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, want));
	CU_ASSERT_EQUAL(p->n_says, 0);
}

static void test_other_tunnel(void)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(ZONE);
	_cleanup_(policy_freep) struct policy *p = pagetry_load("");
	char text[POLICY_ERROR_MAX] = "";

	check_other(ZONE "[tunnel]\ninterface = wg7\n", "[tunnel] interface wg7 is not in 'link "
							"tun'");
	check_other("[zone]\nname = z\nhosts_prefix = fd12:1::/64\ngateways_prefix = fd13::/64\n"
		    "config_nets = 2001:db8:c::/48\n",
		    "gateways_prefix fd13::/64 is not in 'net gateways'");
	check_other(ZONE "config_nets = 2001:db8:d::/48\n",
		    "config_nets 2001:db8:d::/48 is not in 'net config'");
	if (!p)
		return;
	p->gateways_net = POLICY_NONE;
	CU_ASSERT_EQUAL(zoneconf_claims(&z, p, text), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no 'net gateways'"));
	p->config_net = POLICY_NONE;
	CU_ASSERT_EQUAL(zoneconf_claims(&z, p, text), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no 'net config'"));
}

/* The page must be one, and speak of the tunnel of the configuration. */
static void check_page(const char *conf, enum policy_tier tier)
{
	_cleanup_(zoneconf_release) struct zoneconf z = zone(conf);
	_cleanup_(buf_release) struct buf to = buf_init(1 << 16);
	struct policyfile_error e = { "" };
	char text[POLICY_ERROR_MAX] = "";
	struct policy *p = NULL;
	int r = zoneconf_first_page(&z, tier, "eth0 eth1", &to);

	if (r == 0)
		r = policyfile_load_text("policy.conf", to.text, pagetry_user, &p, &e);
	CU_ASSERT_EQUAL(r, 0);
	if (r < 0)
		tap_note("%s\n%s", e.text, to.text);
	CU_ASSERT_TRUE(p && p->tier == tier && p->n_uplinks == 2 && p->n_claims == 3);
	CU_ASSERT_TRUE(p && zoneconf_claims(&z, p, text) == 0);
	policy_free(p);
}

static void test_first_page(void)
{
	for (unsigned int tier = 0; tier < POLICY_TIERS; tier++) {
		check_page(ZONE, (enum policy_tier)tier);
		check_page(ZONE "[tunnel]\nmark = 9\nwg_port = 5000\ninterface = w0\n"
				"[certd]\nuser = postern-certd\nzts_address = [2001:db8::5]:8443\n"
				"[aws]\nsts_address = [2001:db8::6]:443\n",
			   (enum policy_tier)tier);
		check_page(ZONE "[tunnel]\nspare_interface = postern0\n[certd]\nuser = 998\n",
			   (enum policy_tier)tier);
	}
}

static int all(void *ctx)
{
	struct policy *p = NULL;
	struct policyfile_error e;
	char text[POLICY_ERROR_MAX];
	struct zoneconf z;
	int r = zoneconf_load_text("postern.conf", ZONE, &z, &error);

	if (r == 0)
		r = policyfile_load_text("p", PAGETRY_BASE, pagetry_user, &p, &e);
	if (r == 0)
		r = zoneconf_claims(&z, p, text);
	policy_free(p);
	zoneconf_release(&z);
	return r;
}

static void test_no_memory(void)
{
	CU_ASSERT_TRUE(torture(all, NULL) > 3);
}

static const struct tap_test zone_tests[] = {
	{ "defaults", test_defaults },
	{ "values", test_values },
	{ "errors", test_errors },
	{ "keys of others", test_keys_of_others },
	{ "claims", test_claims },
	{ "another tunnel", test_other_tunnel },
	{ "first page", test_first_page },
	{ "no memory", test_no_memory },
	{},
};

static const struct tap_suite suites[] = { { "zoneconf", zone_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
