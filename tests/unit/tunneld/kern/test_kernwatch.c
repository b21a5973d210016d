/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/kernwatch.h"

static const struct netstate_names names = {
	.ifname = "v0",
	.table = NETSTATE_TABLE,
	.rule_priority = NETSTATE_RULE_PRIORITY,
	.fwmark = NETSTATE_FWMARK,
};
static struct kernwatch *watch;

static bool readable(void)
{
	struct pollfd p = { .fd = kernwatch_fd(watch), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* rtnetlink tells its listeners before it answers the one who asked: all events are here. */
static bool changed(const struct netstate_names *n)
{
	bool ret = false;

	CU_ASSERT_EQUAL(kernwatch_drain(watch, n, &ret), 0);
	return ret;
}

static bool fresh(uint32_t rcvbuf)
{
	if (!netns_fresh())
		return false;
	netns_run("ip link add v0 type veth peer name v1");
	/* Nothing may come later by itself: no address detection, and the carrier is there. */
	netns_run("ip link add w0 type veth peer name w1 && ip link set w0 addrgenmode none up && "
		  "ip link set w1 addrgenmode none up");
	netns_run("timeout 10 sh -c 'until ip link show w0 | grep -q \"state UP\" && "
		  "ip link show w1 | grep -q \"state UP\"; do :; done'");
	CU_ASSERT_EQUAL_FATAL(kernwatch_open(rcvbuf, &watch), 0);
	CU_ASSERT_FALSE(changed(&names));
	return true;
}

static void teardown(void)
{
	kernwatch_close(watch);
	watch = NULL;
}

static const char *const ours[] = {
	"ip link set v0 mtu 1400",
	"ip link set v0 up",
	"ip -6 addr add fd12::9/128 dev v0",
	"ip -6 addr del fd12::9/128 dev v0",
	"ip -6 route add unreachable fd12::1 table 20559",
	"ip -6 route add fd12::1 dev w0 metric 5 table 20559",
	"ip -6 route del unreachable fd12::1 table 20559",
	"ip -6 rule add not fwmark 0x504f lookup 20559 pref 20559",
	"ip -6 rule del pref 20559",
	"ip link set v0 down",
	"ip link set v0 name x0",
	"ip link set x0 name v0",
	"ip link del v0",
	"ip link add v0 type veth peer name v1",
	"ip -6 addr add fd12::9/128 dev v0",
};

static void test_ours(void)
{
	if (!fresh(0))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		netns_run("%s", ours[i]);
		if (!changed(&names))
			tap_fail(__FILE__, __LINE__, "not seen: %s", ours[i]);
		CU_ASSERT_FALSE(readable());
	}
	CU_ASSERT_FALSE(changed(&names));
}

static const char *const foreign[] = {
	"ip link set w0 mtu 1400",
	"ip -6 addr add fd12::9/128 dev w0 nodad",
	"ip -6 addr del fd12::9/128 dev w0",
	"ip -6 route add fd12::1 dev w0",
	"ip -6 route add fd12::1 dev w0 table 20560",
	"ip -6 rule add fwmark 1 lookup 20560 pref 20560",
	"ip -4 rule add fwmark 1 lookup 20559 pref 20559",
	"ip -4 addr add 192.0.2.1/32 dev v0",
	"ip -6 rule del pref 20560",
	"ip link del w0",
};

static void test_foreign(void)
{
	if (!fresh(0))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		netns_run("%s", foreign[i]);
		if (changed(&names))
			tap_fail(__FILE__, __LINE__, "taken for ours: %s", foreign[i]);
	}
	CU_ASSERT_TRUE(kernwatch_stats(watch)->events > 0);
	CU_ASSERT_EQUAL(kernwatch_stats(watch)->ours, 0);
}

static void test_shared_table(void)
{
	const struct netstate_names shared = { .ifname = "v0", .table = KERNWATCH_MAIN };

	if (!fresh(0))
		return;
	netns_run("ip link set v0 up");
	CU_ASSERT_TRUE(changed(&shared));
	netns_run("ip -6 rule add fwmark 1 lookup 20560 pref 20560");
	netns_run("ip -6 route add fd12::1 dev w0");
	CU_ASSERT_FALSE(changed(&shared));
	netns_run("ip -6 route add fd12::2 dev v0");
	CU_ASSERT_TRUE(changed(&shared));
}

static void test_overrun(void)
{
	bool any = false;

	if (!fresh(1))
		return;
	netns_batch(200, "route add fd12::%u dev w0 table 20560\n");
	any = changed(&names);
	CU_ASSERT_TRUE(any);
	CU_ASSERT_EQUAL(kernwatch_stats(watch)->overruns, 1);
	CU_ASSERT_EQUAL(kernwatch_stats(watch)->ours, 0);
	/* and listens on */
	CU_ASSERT_FALSE(changed(&names));
	netns_run("ip -6 route add unreachable fd12::1 table 20559");
	CU_ASSERT_TRUE(changed(&names));
	CU_ASSERT_EQUAL(kernwatch_stats(watch)->overruns, 1);
}

static void test_drain_to_the_limit(void)
{
	if (!fresh(8 << 20))
		return;
	netns_batch(KERNWATCH_DRAIN_MAX - 1, "route add fd12::%u dev w0 table 20560\n");
	CU_ASSERT_FALSE(changed(&names));
	CU_ASSERT_FALSE(readable());
	netns_batch(KERNWATCH_DRAIN_MAX, "route add fd13::%u dev w0 table 20560\n");
	CU_ASSERT_FALSE(changed(&names));
	CU_ASSERT_FALSE(readable());
	netns_batch(KERNWATCH_DRAIN_MAX, "route add fd14::%u dev w0 table 20560\n");
	netns_run("ip -6 route add unreachable fd12::1 table 20559");
	CU_ASSERT_FALSE(changed(&names));
	CU_ASSERT_TRUE(readable());
	CU_ASSERT_TRUE(changed(&names));
	CU_ASSERT_FALSE(readable());
	CU_ASSERT_EQUAL(kernwatch_stats(watch)->overruns, 0);
}

static const struct tap_test tests[] = {
	{ "every change of ours is seen, each with one step", test_ours },
	{ "what others do to their own is not ours", test_foreign },
	{ "in a shared table only routes to our interface count", test_shared_table },
	{ "an overrun is a change, counted, and not the end", test_overrun },
	{ "a flood is read in portions", test_drain_to_the_limit },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "kernwatch", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
