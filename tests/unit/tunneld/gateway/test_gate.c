/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/gate.h"

static struct gwconf *test_gate_conf;

static void test_gate_setup(void)
{
	test_gate_conf = gwfixture_conf();
}

static void test_gate_teardown(void)
{
	gwconf_free(test_gate_conf);
}

static enum pst test_gate_check(const struct gwframe_grant *g)
{
	return gate_check(test_gate_conf, g, GWFIXTURE_NOW);
}

static void test_gate_checks_alone(void)
{
	struct gwframe_grant g = gwfixture_grant(1);

	CU_ASSERT_EQUAL(test_gate_check(&g), PST_NONE);
	snprintf(g.principal, sizeof(g.principal), "vespa.tenant.evil.aws-1.tenant-host");
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_TENANT_DENIED);
	/* A prefix of an allowed principal is another principal. */
	g = gwfixture_grant(1);
	g.principal[strlen(g.principal) - 1] = '\0';
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_TENANT_DENIED);
	g = gwfixture_grant(1);
	snprintf(g.provider, sizeof(g.provider), "athenz.gcp.us-east-1");
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_PROVIDER_DENIED);
	g = gwfixture_grant(1);
	memset(&g.host_key, 0, sizeof(g.host_key));
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_KEY_WEAK);
	g = gwfixture_grant(1);
	g.host_addr.s6_addr[7] ^= 1; /* the last byte of the /64 */
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_GATEWAY_WORKER);
}

static void test_gate_checks_time(void)
{
	struct gwframe_grant g = gwfixture_grant(1);

	g.epoch = GWFIXTURE_NOW - GATE_EPOCH_SLACK_S;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_NONE);
	g.epoch--;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_GATEWAY_WORKER);
	g.epoch = GWFIXTURE_NOW + GATE_EPOCH_SLACK_S;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_NONE);
	g.epoch++;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_GATEWAY_WORKER);
	g.epoch = UINT64_MAX;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_GATEWAY_WORKER);
	g = gwfixture_grant(1);
	g.cert_expires_wall = GWFIXTURE_NOW;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_CERT_EXPIRED);
	g.cert_expires_wall = GWFIXTURE_NOW + 1;
	CU_ASSERT_EQUAL(test_gate_check(&g), PST_NONE);
}

static struct gate_lease test_gate_lease(uint8_t n)
{
	struct gwframe_grant g = gwfixture_grant(n);

	return gate_make_lease(test_gate_conf, &g, GWFIXTURE_NOW);
}

static void test_gate_lease_of_grant(void)
{
	struct gate_lease lease = test_gate_lease(3);

	CU_ASSERT_EQUAL(lease.granted_wall, GWFIXTURE_NOW);
	CU_ASSERT_EQUAL(lease.expires_wall, GWFIXTURE_NOW + 100);
	CU_ASSERT_EQUAL(lease.epoch, GWFIXTURE_NOW);
	CU_ASSERT_EQUAL(lease.addr.s6_addr[15], 3);
	CU_ASSERT_STRING_EQUAL(lease.instance_id, "i-003");
}

static void test_gate_renewal_keeps_the_peer(void)
{
	struct gate_lease held = test_gate_lease(1), wanted = held;
	struct gate_holders h = { &held, &held, &held };
	struct gate_plan plan = { .n_remove = 9 };

	wanted.epoch++;
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_NONE);
	CU_ASSERT_EQUAL(plan.n_remove, 0);
	/* The same second twice is no step back. */
	wanted.epoch = held.epoch;
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_NONE);
	wanted.epoch = held.epoch - 1;
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_RETRY_LATER);
}

static void test_gate_new_key_replaces_the_old(void)
{
	struct gate_lease held = test_gate_lease(1), wanted = held;
	struct gate_holders h = { NULL, &held, &held };
	struct gate_plan plan;

	memset(wanted.key.bytes, 0x77, WGKEY_BYTES);
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_NONE);
	CU_ASSERT_EQUAL(plan.n_remove, 1);
	CU_ASSERT_TRUE(wgkey_equal(&plan.remove[0], &held.key));
}

static void test_gate_key_of_another(void)
{
	struct gate_lease held = test_gate_lease(1), wanted = test_gate_lease(2);
	struct gate_holders h = { &held, NULL, NULL };
	struct gate_plan plan;

	wanted.key = held.key;
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_KEY_TAKEN);
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, held.expires_wall - 1, &plan), PST_KEY_TAKEN);
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, held.expires_wall, &plan), PST_NONE);
	/* The key stays in the kernel: it is wanted. */
	CU_ASSERT_EQUAL(plan.n_remove, 0);
	/* The same instance under another principal is another identity. */
	wanted = held;
	snprintf(wanted.principal, sizeof(wanted.principal), "vespa.tenant.other.host");
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_KEY_TAKEN);
}

static void test_gate_address_of_another(void)
{
	struct gate_lease held = test_gate_lease(1), wanted = test_gate_lease(2), own = wanted;
	struct gate_holders h = { NULL, &held, &own };
	struct gate_plan plan;

	wanted.addr = held.addr;
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, GWFIXTURE_NOW, &plan), PST_ADDRESS_TAKEN);
	memset(own.key.bytes, 0x55, WGKEY_BYTES);
	CU_ASSERT_EQUAL(gate_decide(&wanted, &h, held.expires_wall, &plan), PST_NONE);
	CU_ASSERT_EQUAL(plan.n_remove, GATE_REMOVE_MAX);
	CU_ASSERT_TRUE(wgkey_equal(&plan.remove[0], &held.key));
	CU_ASSERT_TRUE(wgkey_equal(&plan.remove[1], &own.key));
}

static const struct tap_test test_gate_tests[] = {
	{ "what the keeper knows by itself", test_gate_checks_alone },
	{ "clock and certificate at their limits", test_gate_checks_time },
	{ "lease of a grant", test_gate_lease_of_grant },
	{ "renewal keeps the peer", test_gate_renewal_keeps_the_peer },
	{ "a new key replaces the old one", test_gate_new_key_replaces_the_old },
	{ "a key of another identity", test_gate_key_of_another },
	{ "an address of another identity", test_gate_address_of_another },
	{ 0 },
};

static const struct tap_suite test_gate_suites[] = {
	{ "gate", test_gate_tests, test_gate_setup, test_gate_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_gate_suites);
}
