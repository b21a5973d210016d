/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtaddr.h"

#define SHOW "ip -6 -o addr show dev v0 scope global | sed 's/.*inet6 //; s/ *\\\\.*//'"

static struct nlsock *sock;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	netns_run(
		"ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&sock), 0);
	return true;
}

static void teardown(void)
{
	nlsock_close(sock);
	sock = NULL;
}

static struct netstate_addr addr(const char *text, uint8_t len)
{
	struct netstate_addr a = { .len = len };

	CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, &a.addr), 1);
	return a;
}

static void test_add(void)
{
	struct netstate_addr a = addr("fd12::9", 128);

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &a), 0);
	netns_expect(SHOW, "fd12::9/128 scope global nodad noprefixroute");
	netns_expect("ip -6 route show fd12::9 proto kernel", "");
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &a), 0);
	netns_expect(SHOW, "fd12::9/128 scope global nodad noprefixroute");
}

static void test_other_length(void)
{
	struct netstate_addr a = addr("fd12::9", 128), wide = addr("fd12::9", 64);

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &wide), 0);
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &a), -EEXIST);
	CU_ASSERT_EQUAL(rtaddr_del(sock, "v0", &wide), 0);
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &a), 0);
}

static void test_del(void)
{
	struct netstate_addr a = addr("fd12::9", 128), other = addr("fd12::a", 128);

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &a), 0);
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v0", &other), 0);
	CU_ASSERT_EQUAL(rtaddr_add(sock, "v1", &a), 0);
	CU_ASSERT_EQUAL(rtaddr_del(sock, "v0", &a), 0);
	CU_ASSERT_EQUAL(rtaddr_del(sock, "v0", &a), 0);
	netns_expect(SHOW, "fd12::a/128 scope global nodad noprefixroute");
	netns_expect("ip -6 -o addr show dev v1 scope global | grep -c fd12::9/128", "1");
}

static void test_list_to_the_limit(void)
{
	struct netstate_addr seen[3] = { 0 };
	size_t n = 99;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtaddr_list(sock, "v0", 2, seen, &n), 0);
	CU_ASSERT_EQUAL(n, 0); /* the link-local one is the kernel's */
	netns_run("ip -6 addr add fd12::1/64 dev v1 nodad");
	netns_batch(3, "addr add fd12::%u/64 dev v0 nodad\n");
	CU_ASSERT_EQUAL(rtaddr_list(sock, "v0", 2, seen, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(seen[1].len, 64);
	CU_ASSERT_EQUAL(seen[2].len, 0);
	CU_ASSERT_EQUAL(rtaddr_list(sock, "v0", 3, seen, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(seen[2].len, 64);
}

static void test_no_interface(void)
{
	struct netstate_addr a = addr("fd12::9", 128), seen;
	size_t n = 99;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(rtaddr_add(sock, "postern0", &a), -ENODEV);
	CU_ASSERT_EQUAL(rtaddr_del(sock, "postern0", &a), 0);
	CU_ASSERT_EQUAL(rtaddr_list(sock, "postern0", 1, &seen, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static const struct tap_test tests[] = {
	{ "an address comes without detection and without a route", test_add },
	{ "the same address with another prefix length", test_other_length },
	{ "removing takes that one only", test_del },
	{ "a list counts what does not fit", test_list_to_the_limit },
	{ "no interface", test_no_interface },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "rtaddr", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
