/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/kern.h"

/* What needs no WireGuard in the running kernel; the rest is tried in the lab. */

static const struct netstate_names names = {
	.ifname = "postern0",
	.table = NETSTATE_TABLE,
	.rule_priority = NETSTATE_RULE_PRIORITY,
	.fwmark = NETSTATE_FWMARK,
};
static struct netstate want, have;
static struct plan plan;
static struct kern *kern;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	memset(&want, 0, sizeof(want));
	memset(&have, 0x5a, sizeof(have));
	CU_ASSERT_EQUAL_FATAL(kern_open(&kern), 0);
	return true;
}

static void teardown(void)
{
	kern_close(kern);
	kern = NULL;
}

static struct netstate_route refusal(const char *text)
{
	struct netstate_route r = { .kind = NETSTATE_UNREACHABLE,
				    .metric = NETSTATE_METRIC_UNREACHABLE };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &r.prefix), 0);
	return r;
}

static void apply_all(void)
{
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), 0);
	for (size_t i = 0; i < plan.n_ops; i++)
		CU_ASSERT_EQUAL(kern_apply(kern, &names, &plan.ops[i]), 0);
}

static void test_nothing_there(void)
{
	static const struct netstate nothing;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_EQUAL(memcmp(&have, &nothing, sizeof(have)), 0);
	CU_ASSERT_EQUAL(kern_stats(kern)->reads, 1);
	CU_ASSERT_EQUAL(kern_stats(kern)->interrupted, 0);
}

static void test_refusal_and_back(void)
{
	if (!fresh())
		return;
	want.rule = true;
	want.routes[0] = refusal("fd12::1/128");
	want.routes[1] = refusal("2001:db8::/48");
	want.n_routes = 2;
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 3);
	CU_ASSERT_EQUAL(kern_stats(kern)->applied, 3);
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 0);

	netns_run("ip -6 route del unreachable 2001:db8::/48 table 20559");
	netns_run("ip -6 rule del pref 20559");
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 2);
	netns_expect("ip -6 route get 2001:db8::1 2>&1 | tail -n 1",
		     "RTNETLINK answers: No route to host");

	memset(&want, 0, sizeof(want));
	apply_all();
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 0);
	netns_expect("ip -6 route show table 20559; ip -6 rule | grep 20559", "");
}

static void test_foreign_link(void)
{
	struct plan_op op = { .kind = PLAN_ADD_LINK };

	if (!fresh())
		return;
	netns_run("ip link add postern0 type veth peer name other");
	netns_run("ip -6 addr add fd12::9/64 dev postern0");
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_TRUE(have.link.present);
	CU_ASSERT_FALSE(have.link.is_wireguard);
	CU_ASSERT_EQUAL(plan_make(&want, &have, &plan), PLAN_E_FOREIGN_LINK);
	/* also when it comes after the plan was made */
	CU_ASSERT_EQUAL(kern_apply(kern, &names, &op), -EEXIST);
	op.kind = PLAN_DEL_LINK;
	CU_ASSERT_EQUAL(kern_apply(kern, &names, &op), -EEXIST);
	CU_ASSERT_EQUAL(kern_stats(kern)->failed, 2);
	netns_expect("ip -6 -o addr show dev postern0 | grep -c fd12::9/64", "1");
}

static void test_steps_on_nothing(void)
{
	struct plan_op op = { .kind = PLAN_SET_UP };

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(kern_apply(kern, &names, &op), -ENODEV);
	op.kind = PLAN_DEL_LINK;
	CU_ASSERT_EQUAL(kern_apply(kern, &names, &op), 0);
	op.kind = (enum plan_kind)(PLAN_DEL_LINK + 1);
	CU_ASSERT_EQUAL(kern_apply(kern, &names, &op), -EINVAL);
}

static void test_more_than_fits(void)
{
	if (!fresh())
		return;
	netns_batch(NETSTATE_ROUTES_MAX, "route add unreachable fd12::%x table 20559\n");
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_EQUAL(have.n_routes, NETSTATE_ROUTES_MAX);
	CU_ASSERT_FALSE(have.truncated);
	netns_run("ip -6 route add unreachable fd13::1 table 20559");
	CU_ASSERT_EQUAL(kern_read(kern, &names, &have), 0);
	CU_ASSERT_EQUAL(have.n_routes, NETSTATE_ROUTES_MAX);
	CU_ASSERT_TRUE(have.truncated);
	/* step by step all of it goes */
	apply_all();
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 1);
	apply_all();
	CU_ASSERT_EQUAL(plan.n_ops, 0);
}

static const struct tap_test tests[] = {
	{ "an empty kernel is an empty state", test_nothing_there },
	{ "refusing routes and the rule come, are repaired and go", test_refusal_and_back },
	{ "an interface of a stranger is never touched", test_foreign_link },
	{ "steps on nothing", test_steps_on_nothing },
	{ "more than fits is said, and removed in two plans", test_more_than_fits },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "kern", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
