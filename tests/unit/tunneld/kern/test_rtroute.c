/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtroute.h"

#define SHOW "ip -6 route show table 20559 | sed 's/ pref medium//; s/ linkdown//'"
#define DEV_TEXT "fd12::1 dev v0 proto static metric 1024"
#define REFUSE_TEXT "unreachable fd12::1 dev lo proto static metric 4000000"

static const struct netstate_names own = { .ifname = "v0", .spare = "v1", .table = 20559 };
static const struct netstate_names shared = { .ifname = "v0", .table = RTROUTE_MAIN };
static struct nlsock *sock;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	netns_run(
		"ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	netns_run(
		"ip link add w0 type veth peer name w1 && ip link set w0 up && ip link set w1 up");
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&sock), 0);
	return true;
}

static void teardown(void)
{
	nlsock_close(sock);
	sock = NULL;
}

static struct netstate_route route(const char *text, enum netstate_kind kind)
{
	struct netstate_route r = { .kind = kind };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &r.prefix), 0);
	r.metric = kind == NETSTATE_UNREACHABLE ? NETSTATE_METRIC_UNREACHABLE : NETSTATE_METRIC_DEV;
	return r;
}

/* The kind of the only route that is seen, -1 when there is another number of them. */
static int only_kind(const struct netstate_names *names)
{
	struct netstate_route seen[2];
	size_t n = 0;

	CU_ASSERT_EQUAL(rtroute_list(sock, names, 2, seen, &n), 0);
	return n == 1 ? (int)seen[0].kind : -1;
}

static void test_set_and_del(void)
{
	struct netstate_route dev = route("fd12::1/128", NETSTATE_DEV);
	struct netstate_route refuse = route("fd12::1/128", NETSTATE_UNREACHABLE);

	if (!fresh())
		return;
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(rtroute_set(sock, &own, &refuse), 0);
		CU_ASSERT_EQUAL(rtroute_set(sock, &own, &dev), 0);
	}
	netns_expect(SHOW, DEV_TEXT "\n" REFUSE_TEXT);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &dev), 0);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &dev), 0);
	netns_expect(SHOW, REFUSE_TEXT);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &refuse), 0);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &refuse), 0);
	netns_expect(SHOW, "");
}

static void test_default_route(void)
{
	struct netstate_route all = route("::/0", NETSTATE_UNREACHABLE), seen;
	size_t n = 0;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtroute_set(sock, &own, &all), 0);
	CU_ASSERT_EQUAL(rtroute_list(sock, &own, 1, &seen, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(memcmp(&seen.prefix, &all.prefix, sizeof(seen.prefix)), 0);
	CU_ASSERT_EQUAL(seen.metric, all.metric);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &all), 0);
	netns_expect(SHOW, "");
}

/* What others may have put where our route belongs. */
static void test_strays_are_replaced(void)
{
	static const char *const strays[] = {
		"fd12::1 dev w0",
		"fd12::1 via fe80::1 dev w0",
		"fd12::1 via fe80::1 dev v0",
		"blackhole fd12::1",
	};
	struct netstate_route dev = route("fd12::1/128", NETSTATE_DEV);

	for (size_t i = 0; i < ARRAY_SIZE(strays); i++) {
		if (!fresh())
			return;
		netns_run("ip -6 route add %s metric 1024 table 20559", strays[i]);
		CU_ASSERT_EQUAL(only_kind(&own), NETSTATE_STRAY);
		CU_ASSERT_EQUAL(rtroute_set(sock, &own, &dev), 0);
		netns_expect(SHOW, DEV_TEXT);
		CU_ASSERT_EQUAL(only_kind(&own), NETSTATE_DEV);
		teardown();
	}
}

static void test_stray_is_removed(void)
{
	struct netstate_route stray = route("fd12::1/128", NETSTATE_STRAY);

	if (!fresh())
		return;
	stray.metric = 7;
	netns_run("ip -6 route add fd12::1 via fe80::1 dev w0 metric 7 table 20559");
	netns_run("ip -6 route add fd12::1 dev w0 metric 7 table 20560");
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &stray), 0);
	netns_expect(SHOW, "");
	netns_expect("ip -6 route show table 20560 | wc -l", "1");
}

static void test_spare_is_left_out(void)
{
	struct netstate_names no_spare = own;

	if (!fresh())
		return;
	no_spare.spare[0] = '\0';
	netns_run("ip -6 route add fd12::1 dev v1 table 20559");
	CU_ASSERT_EQUAL(only_kind(&own), -1);
	CU_ASSERT_EQUAL(only_kind(&no_spare), NETSTATE_STRAY);
}

static void test_shared_table(void)
{
	struct netstate_route net = route("fd12:0:0:1::/64", NETSTATE_DEV);

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtroute_set(sock, &shared, &net), 0);
	CU_ASSERT_EQUAL(rtroute_set(sock, &shared, &net), 0);
	CU_ASSERT_EQUAL(only_kind(&shared), NETSTATE_DEV);
	CU_ASSERT_EQUAL(rtroute_del(sock, &shared, &net), 0);
	CU_ASSERT_EQUAL(only_kind(&shared), -1);

	netns_run("ip -6 route add fd12:0:0:1::/64 dev w0 metric 1024");
	CU_ASSERT_EQUAL(rtroute_set(sock, &shared, &net), -EEXIST);
	CU_ASSERT_EQUAL(rtroute_del(sock, &shared, &net), 0);
	netns_expect("ip -6 route show fd12:0:0:1::/64 | sed 's/ pref medium//'",
		     "fd12:0:0:1::/64 dev w0 metric 1024");
}

static void test_interface_down_or_absent(void)
{
	struct netstate_route dev = route("fd12::1/128", NETSTATE_DEV);
	struct netstate_route refuse = route("fd12::1/128", NETSTATE_UNREACHABLE);

	if (!fresh())
		return;
	netns_run("ip link set v0 down");
	CU_ASSERT_EQUAL(rtroute_set(sock, &own, &dev), -ENETDOWN);
	netns_run("ip link del v0");
	CU_ASSERT_EQUAL(rtroute_set(sock, &own, &dev), -ENODEV);
	CU_ASSERT_EQUAL(rtroute_del(sock, &own, &dev), 0);
	CU_ASSERT_EQUAL(rtroute_set(sock, &own, &refuse), 0);
	CU_ASSERT_EQUAL(only_kind(&own), NETSTATE_UNREACHABLE);
}

static void test_list_to_the_limit(void)
{
	struct netstate_route seen[4] = { 0 };
	size_t n = 99;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtroute_list(sock, &own, 3, seen, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	netns_batch(4, "route add fd12::%u dev v0 table 20559\n");
	CU_ASSERT_EQUAL(rtroute_list(sock, &own, 3, seen, &n), 0);
	CU_ASSERT_EQUAL(n, 4);
	CU_ASSERT_EQUAL(seen[2].metric, 1024);
	CU_ASSERT_EQUAL(seen[3].metric, 0);
	CU_ASSERT_EQUAL(rtroute_list(sock, &own, 4, seen, &n), 0);
	CU_ASSERT_EQUAL(seen[3].metric, 1024);
}

static const struct tap_test tests[] = {
	{ "set and removed, each as often as one likes", test_set_and_del },
	{ "the prefix of everything", test_default_route },
	{ "what stands in the place of ours is replaced", test_strays_are_replaced },
	{ "a stray is removed, another table is not touched", test_stray_is_removed },
	{ "routes to the spare interface are left out", test_spare_is_left_out },
	{ "in a shared table nobody else's route is touched", test_shared_table },
	{ "interface down or absent", test_interface_down_or_absent },
	{ "a list counts what does not fit", test_list_to_the_limit },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "rtroute", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
