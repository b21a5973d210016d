/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtaddr.h"

#define ADDRS 1500 /* more than the kernel puts into one answer */

static struct nlsock *sock, *other;

static bool fresh(void)
{
	if (!netns_fresh())
		return false;
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&sock), 0);
	CU_ASSERT_EQUAL_FATAL(nlsock_open(&other), 0);
	return true;
}

static void teardown(void)
{
	nlsock_close(sock);
	nlsock_close(other);
	sock = other = NULL;
}

static struct nl_msg *addr_dump(void)
{
	const struct ifaddrmsg header = { .ifa_family = AF_INET6 };

	return nlsock_request(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
}

static int count(struct nlmsghdr *h, void *arg)
{
	(*(unsigned int *)arg)++;
	return 0;
}

static void test_no_message(void)
{
	struct nl_msg *none = NULL;
	unsigned int n = 0;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(nlsock_talk(sock, NULL), -ENOMEM);
	CU_ASSERT_EQUAL(nlsock_ask(sock, NULL, count, &n), -ENOMEM);
	nlsock_put_u32(&none, 1, 1);
	CU_ASSERT_PTR_NULL(none);
}

static void test_attribute_too_long(void)
{
	static const char big[70000];
	struct nl_msg *msg = addr_dump();

	nlsock_put(&msg, 1, big, sizeof(big));
	CU_ASSERT_PTR_NULL(msg);
}

static int refuse_second(struct nlmsghdr *h, void *arg)
{
	return ++*(unsigned int *)arg == 2 ? -EDOM : 0;
}

static void test_reader_refuses(void)
{
	unsigned int n = 0;

	if (!fresh())
		return;
	netns_batch(5, "addr add fd12::%u/128 dev lo\n");
	CU_ASSERT_EQUAL(nlsock_ask(sock, addr_dump(), refuse_second, &n), -EDOM);
	CU_ASSERT_EQUAL(n, 2);
	n = 0;
	CU_ASSERT_EQUAL(nlsock_ask(sock, addr_dump(), count, &n), 0);
	CU_ASSERT_EQUAL(n, 6); /* and ::1 */
}

static void test_kernels_words(void)
{
	struct ifaddrmsg header = { .ifa_family = AF_INET6, .ifa_index = 12345 };
	unsigned int n = 0;

	if (!fresh())
		return;
	CU_ASSERT_EQUAL(
		nlsock_ask(sock, nlsock_request(RTM_NEWADDR, NLM_F_CREATE, &header, sizeof(header)),
			   NULL, NULL),
		-EINVAL);
	CU_ASSERT_EQUAL(nlsock_ask(sock, addr_dump(), count, &n), 0);
	CU_ASSERT_STRING_EQUAL(nlsock_error_text(sock), "");
	CU_ASSERT_EQUAL(n, 1);
}

/* In the middle of a dump another socket removes what the dump runs over. */
static int disturb(struct nlmsghdr *h, void *arg)
{
	struct netstate_addr first = { .addr.s6_addr = { 0xfd, 0x12 }, .len = 128 };

	if ((*(unsigned int *)arg)++ == 0)
		return rtaddr_del(other, "lo", &first);
	return 0;
}

static void test_interrupted(void)
{
	unsigned int n = 0;

	if (!fresh())
		return;
	netns_batch(ADDRS, "addr add fd12::%x/128 dev lo nodad\n");
	CU_ASSERT_EQUAL(nlsock_ask(sock, addr_dump(), disturb, &n), -EINTR);
	n = 0;
	CU_ASSERT_EQUAL(nlsock_ask(sock, addr_dump(), count, &n), 0);
	CU_ASSERT_EQUAL(n, ADDRS);
}

static const struct tap_test tests[] = {
	{ "a message that could not be made", test_no_message },
	{ "an attribute that does not fit takes the message with it", test_attribute_too_long },
	{ "the reader's error ends the dump, not the socket", test_reader_refuses },
	{ "a refusal, then a new request", test_kernels_words },
	{ "a dump that the kernel changed meanwhile says so", test_interrupted },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "nlsock", tests, NULL, teardown }, { 0 } };

	return tap_main(argc, argv, suites);
}
