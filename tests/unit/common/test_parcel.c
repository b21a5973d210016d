/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/attr.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/parcel.h"
#include "tests/support/tap.h"

#define TEST_SOON (50 * CLK_NS_PER_MS)

static int test_pair[2];

static void test_setup(void)
{
	CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, test_pair), 0);
}

static void test_teardown(void)
{
	closep(&test_pair[0]);
	closep(&test_pair[1]);
}

/* What arrives and the error with which @bytes are received, at most @max of them. */
static void test_receives(size_t max, int want, const char *text)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = parcel_receive(test_pair[0], max, clk_now_ns() + TEST_SOON, &bytes, &len);

	CU_ASSERT_EQUAL(r, want);
	CU_ASSERT_EQUAL(len, strlen(text));
	CU_ASSERT_TRUE((bytes != NULL) == (want == 0));
	if (bytes)
		CU_ASSERT_EQUAL(memcmp(bytes, text, len), 0);
}

static void test_parcel_there_and_back(void)
{
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "abc", 3, 0), 0);
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "", 0, 0), 0);
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "de", 2, 0), 0);
	test_receives(3, 0, "abc");
	test_receives(3, 0, "");
	test_receives(3, 0, "de");
	test_receives(3, -ETIMEDOUT, "");
}

static void test_parcel_limit(void)
{
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "abc", 3, 0), 0);
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "abc", 3, 0), 0);
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], "", (size_t)UINT32_MAX + 1, 0), -EFBIG);
	test_receives(4, 0, "abc");
	test_receives(2, -EBADMSG, "");
}

/* Over the limit by far, half a message, the end: each is told in time. */
static void test_parcel_hostile(void)
{
	static const uint8_t large[] = { 0xff, 0xff, 0xff, 0x7f }, half[] = { 4, 0, 0, 0, 1 };

	CU_ASSERT_EQUAL(write(test_pair[1], large, sizeof(large)), sizeof(large));
	test_receives(100, -EBADMSG, "");
	CU_ASSERT_EQUAL(write(test_pair[1], half, sizeof(half)), sizeof(half));
	test_receives(100, -ETIMEDOUT, "");
	closep(&test_pair[1]);
	test_receives(100, -EPIPE, "");
	CU_ASSERT_EQUAL(parcel_send(test_pair[0], "abc", 3, 0), -EPIPE);
}

/* The other end hangs up without having read what it was sent. */
static void test_parcel_unread(void)
{
	CU_ASSERT_EQUAL(parcel_send(test_pair[0], "abc", 3, 0), 0);
	closep(&test_pair[1]);
	test_receives(100, -EPIPE, "");
}

/* Nobody reads: more than a socket holds ends at the deadline. */
static void test_parcel_full(void)
{
	size_t len = (size_t)16 * 1024 * 1024;
	_cleanup_(files_freep) uint8_t *bytes = calloc(1, len);

	CU_ASSERT_PTR_NOT_NULL(bytes);
	if (bytes)
		CU_ASSERT_EQUAL(parcel_send(test_pair[0], bytes, len, clk_now_ns() + TEST_SOON),
				-ETIMEDOUT);
}

static const struct tap_test test_parcel_tests[] = {
	{ "there and back", test_parcel_there_and_back },
	{ "limit", test_parcel_limit },
	{ "hostile", test_parcel_hostile },
	{ "unread", test_parcel_unread },
	{ "full", test_parcel_full },
	{ 0 },
};

static const struct tap_suite test_parcel_suites[] = {
	{ "parcel", test_parcel_tests, test_setup, test_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_parcel_suites);
}
