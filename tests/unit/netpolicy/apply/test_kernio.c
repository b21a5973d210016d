/* SPDX-License-Identifier: MIT */
/* When the kernel cannot answer, has no memory, or somebody else is quicker: the rules are those of
 * before or those of the batch, never a mix, and whoever asked is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/attr.h"
#include "netpolicy/apply/applier.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

#define TEST_APPLIES 200 /* of each of two processes */

static struct compilewire_reply test_one, test_two;

/* The call that fails; both ways to the kernel are counted together. */
static struct {
	long countdown; /* < 0 = none */
	int error;
} test_fault = { .countdown = -1 };

static bool test_fails(void)
{
	if (test_fault.countdown < 0 || test_fault.countdown-- > 0)
		return false;
	errno = test_fault.error;
	return true;
}

/* In front of the C library's, for libmnl. */
_public_ ssize_t sendto(int fd, const void *p, size_t len, int flags, const struct sockaddr *to,
			socklen_t to_len)
{
	return test_fails() ? -1 : syscall(SYS_sendto, fd, p, len, flags, to, to_len);
}

/* As sendto(). What the kernel had said is lost, unless a signal or the deadline came first. */
_public_ ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	bool fails = test_fails();
	int error = errno;
	ssize_t n;

	if (fails && (error == EINTR || error == EAGAIN))
		return -1;
	n = syscall(SYS_recvmsg, fd, msg, flags);
	if (fails)
		errno = error;
	return fails ? -1 : n;
}

static bool test_ready(void)
{
	nftfixture_once(0, "", &test_one);
	nftfixture_once(0,
			"add chain inet postern more\nflush chain inet postern more\n"
			"add rule inet postern more tcp dport 23 accept\n",
			&test_two);
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	return test_one.batch && test_two.batch;
}

static int test_apply(struct kernio *k, const struct compilewire_reply *what)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_apply(k, what->batch, what->batch_len, &what->expected, &result);
}

/* 1 or 2: which of the two is in the kernel; 0 = neither. */
static int test_which(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	if (applier_check(k, &test_one.expected, &result) == 0)
		return 1;
	applier_release(&result);
	return applier_check(k, &test_two.expected, &result) == 0 ? 2 : 0;
}

/* Applies "two" over "one" with call number @n failing. False when there are fewer calls. */
static bool test_one_fault(int error, long n)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	int r, which;
	bool was_reached;

	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_one), 0);
	test_fault.countdown = n;
	test_fault.error = error;
	r = applier_apply(k, test_two.batch, test_two.batch_len, &test_two.expected, &result);
	was_reached = test_fault.countdown < 0;
	test_fault.countdown = -1;
	which = test_which();
	/* Told "done": it is. Told an error: it says whether anything has changed. */
	if (which == 0 || (r == 0 && which != 2) ||
	    (r < 0 && r != -ETIMEDOUT && which != (result.was_loaded ? 2 : 1)))
		tap_fail(__FILE__, __LINE__, "%s at call %ld: result %d, policy %d",
			 strerror(error), n, r, which);
	/* The socket is good for the next one. */
	CU_ASSERT_EQUAL(test_apply(k, &test_two), 0);
	return was_reached;
}

static void test_kernio_faults(void)
{
	static const int errors[] = { ENOBUFS, ENOMEM, EBUSY, EINTR, EAGAIN };
	long calls = 0;

	if (!test_ready())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		long n = 0;

		while (test_one_fault(errors[i], n))
			n++;
		calls += n;
	}
	tap_note("%ld calls made to fail", calls);
	CU_ASSERT_TRUE(calls > 100);
}

/* Without memory in the kernel the reason is passed on, and not tried for ever. */
static void test_kernio_tells(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;

	if (!test_ready())
		return;
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	test_fault.error = ENOMEM;
	test_fault.countdown = 0;
	CU_ASSERT_EQUAL(test_apply(k, &test_one), -ENOMEM);
	test_fault.error = EAGAIN; /* the deadline of the socket: no answer */
	test_fault.countdown = 1;
	CU_ASSERT_EQUAL(test_apply(k, &test_one), -ETIMEDOUT);
	CU_ASSERT_EQUAL(test_which(), 0);
}

/* One of two who apply without end. A result of somebody else's is no error. */
static void test_child(const struct compilewire_reply *what)
{
	struct kernio *k = NULL;
	int bad = 0;

	if (kernio_open(&k) < 0)
		_exit(2);
	for (int i = 0; i < TEST_APPLIES; i++) {
		int r = test_apply(k, what);

		bad += r != 0 && r != APPLIER_E_DRIFT && r != -EBUSY;
	}
	_exit(bad ? 1 : 0);
}

static void test_kernio_two_appliers(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int n_seen[3] = { 0 }, n_alive = 2, status;
	pid_t pids[2];

	if (!test_ready())
		return;
	CU_ASSERT_EQUAL(kernio_open(&k), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_one), 0);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			test_child(i ? &test_one : &test_two);
	}
	while (n_alive > 0) {
		_cleanup_(kdump_release) struct kdump have = { 0 };
		int r = kdump_read(k, &have), which = 0;

		for (int i = 0; i < 2; i++)
			if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				CU_ASSERT_EQUAL(status, 0);
				pids[i] = -1;
				n_alive--;
			}
		if (r == -EBUSY)
			continue;
		CU_ASSERT_EQUAL(r, 0);
		for (int i = 1; i <= 2; i++) {
			_cleanup_(kdiff_release) struct kdiff diff = { 0 };

			CU_ASSERT_EQUAL(kdiff_compare(i == 1 ? &test_one.expected :
							       &test_two.expected,
						      &have, &diff),
					0);
			which = diff.n == 0 ? i : which;
		}
		n_seen[which]++;
	}
	tap_note("%d readings of one, %d of the other", n_seen[1], n_seen[2]);
	CU_ASSERT_EQUAL(n_seen[0], 0);
	CU_ASSERT_TRUE(test_which() != 0);
}

static const struct tap_test test_kernio_tests[] = {
	{ "every call fails once", test_kernio_faults },
	{ "tells why", test_kernio_tells },
	{ "two appliers at once", test_kernio_two_appliers },
	{ 0 },
};

static const struct tap_suite test_kernio_suites[] = {
	{ "kernio", test_kernio_tests },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_kernio_suites);

	compilewire_release_reply(&test_one);
	compilewire_release_reply(&test_two);
	return r;
}
