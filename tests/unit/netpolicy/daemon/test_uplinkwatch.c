/* SPDX-License-Identifier: MIT */
/* Interfaces that come and go in a network namespace of its own, and a reader that is too slow. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netpolicy/daemon/uplinkwatch.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

/* How many events there are about @name. */
static unsigned int test_count(int fd, const char *name)
{
	char seen[IFNAMSIZ];
	unsigned int n = 0;
	int r;

	while ((r = uplinkwatch_next(fd, seen)) == 0)
		n += !strcmp(seen, name);
	CU_ASSERT_EQUAL(r, UPLINKWATCH_E_NONE);
	return n;
}

static void test_uplinkwatch_names(void)
{
	int fd = -1;

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(uplinkwatch_open(&fd), 0);
	CU_ASSERT_EQUAL(test_count(fd, "eth0"), 0);
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_TRUE(test_count(fd, "eth0") > 0);
	netns_run("ip link set eth0 name eth123456789012");
	CU_ASSERT_TRUE(test_count(fd, "eth123456789012") > 0);
	netns_run("ip address add 10.0.0.1/24 dev eth123456789012");
	CU_ASSERT_EQUAL(test_count(fd, "eth123456789012"), 0);
	netns_run("ip link del eth123456789012");
	CU_ASSERT_TRUE(test_count(fd, "eth123456789012") > 0);
	close(fd);
}

static void test_uplinkwatch_overrun(void)
{
	char name[IFNAMSIZ];
	int fd = -1, bytes = 1, r;

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(uplinkwatch_open(&fd), 0);
	CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	netns_run("for i in 1 2 3 4; do ip link add eth0 type veth && ip link del eth0; done");
	while ((r = uplinkwatch_next(fd, name)) == 0)
		;
	CU_ASSERT_EQUAL(r, UPLINKWATCH_E_OVERRUN);
	while (uplinkwatch_next(fd, name) == 0)
		;
	netns_run("ip link set lo down");
	CU_ASSERT_TRUE(test_count(fd, "lo") > 0);
	close(fd);
}

static const struct tap_test test_uplinkwatch_tests[] = {
	{ "names", test_uplinkwatch_names },
	{ "a reader that is too slow", test_uplinkwatch_overrun },
	{ 0 },
};

static const struct tap_suite test_uplinkwatch_suites[] = {
	{ "uplinkwatch", test_uplinkwatch_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_uplinkwatch_suites);
}
