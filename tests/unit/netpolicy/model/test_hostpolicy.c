/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "netpolicy/model/hostpolicy.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"

/* Refused, with words that hold @word. */
static void test_refused(const char *more, const char *word)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *p = policyfixture_build(more, error);

	if (p)
		tap_fail(__FILE__, __LINE__, "taken: %s", more);
	else if (!strstr(error, word))
		tap_fail(__FILE__, __LINE__, "'%s' is not in '%s'", word, error);
	CU_PASS("refused");
	policy_free(p);
}

static void test_hostpolicy_smallest(void)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *p = policyfixture_build("", error);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	CU_ASSERT_TRUE(p->enforce);
	CU_ASSERT_FALSE(policy_uses_v4(p));
	CU_ASSERT_EQUAL(p->mark, 0x504f);
	/* DNS twice, NTP, metadata, two to the zone outside, two into the tunnel. */
	CU_ASSERT_EQUAL(p->n_rules, 8);
	for (size_t i = 0; i < p->n_rules; i++)
		CU_ASSERT_EQUAL(p->rules[i].dir, POLICY_OUT);
	policy_free(p);
}

static void test_hostpolicy_refuses(void)
{
	test_refused("tier = storage\n", "compute");
	test_refused("identity = 2001:db8:c:1::/64\n", "config_nets");
	test_refused("identity = fd12::5\n", "gateways_prefix");
	test_refused("app_from = 2001:db8:c::/64\napp_ports = tcp/1\n", "config_nets");
	test_refused("app_from = ::/0\napp_ports = tcp/1\n", "config_nets");
	test_refused("app_from = 2001:db8:1::/48\n", "app_ports");
	test_refused("app_ports = tcp/1\n", "app_from");
	test_refused("peers = 2001:db8:1::1\n", "peer_ports");
	test_refused("peers = 10.0.0.1\npeer_ports = tcp/1\n", "IPv4");
	test_refused("identity = 10.0.0.1\n", "IPv4");
	test_refused("app_from = 0.0.0.0/0\napp_ports = tcp/1\n", "inside a VPC");
	test_refused("uplinks = lo\n", "not an uplink");
	test_refused("uplinks = postern0\n", "not an uplink");
	test_refused("uplinks = eth1 eth1\n", "twice");
	test_refused("[zone]\nconfig_nets = 2001::/8\n", "not allowed");
	test_refused("[zone]\nconfig_nets = 2000::/8\n", "/16");
	test_refused("[tunnel]\ninterface = postern1\n", "must differ");
}

/* Every port makes its rules; more than the model holds is an error, not a cut. */
static void test_hostpolicy_counts(void)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *p = policyfixture_build("management = tcp/1 tcp/2\npeers = 2001:db8:1::1\n"
					       "peer_ports = udp/5\n"
					       "egress = a,2001:db8:9::/48,tcp/1+tcp/2,77\n",
					       error);
	size_t users = 0;

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	CU_ASSERT_EQUAL(p->n_rules, 8 + 4 + 2 + 2);
	for (size_t i = 0; i < p->n_rules; i++)
		users += p->rules[i].is_for_user && p->rules[i].uid == 77;
	CU_ASSERT_EQUAL(users, 2);
	policy_free(p);
}

static const struct tap_test test_hostpolicy_tests[] = {
	{ "the smallest policy", test_hostpolicy_smallest },
	{ "refuses what cannot work", test_hostpolicy_refuses },
	{ "one rule for each port", test_hostpolicy_counts },
	{ 0 },
};

static const struct tap_suite test_hostpolicy_suites[] = {
	{ "hostpolicy", test_hostpolicy_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_hostpolicy_suites);
}
