/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/attr.h"
#include "common/clk.h"
#include "common/parcel.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define TEST_SOON (50 * CLK_NS_PER_MS) /* for what never comes */
#define TEST_LATE (60 * CLK_NS_PER_S)  /* for what comes */

#define TEST_LARGE (16 * 1024 * 1024) /* bytes; no socket holds so many */

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
	_cleanup_(parcel_release) struct parcel p = { 0 };
	uint64_t wait = want == -ETIMEDOUT ? TEST_SOON : TEST_LATE;
	int r = parcel_receive(test_pair[0], max, clk_now_ns() + wait, &p);

	CU_ASSERT_EQUAL(r, want);
	CU_ASSERT_EQUAL(p.len, strlen(text));
	CU_ASSERT_TRUE((p.bytes != NULL) == (want == 0));
	if (p.bytes)
		CU_ASSERT_EQUAL(memcmp(p.bytes, text, p.len), 0);
}

static int test_send(int end, const char *text)
{
	return parcel_send(test_pair[end], &(struct parcel){ (uint8_t *)text, strlen(text) }, 0);
}

static void test_parcel_there_and_back(void)
{
	CU_ASSERT_EQUAL(test_send(1, "abc"), 0);
	CU_ASSERT_EQUAL(test_send(1, ""), 0);
	CU_ASSERT_EQUAL(test_send(1, "de"), 0);
	test_receives(3, 0, "abc");
	test_receives(3, 0, "");
	test_receives(3, 0, "de");
	test_receives(3, -ETIMEDOUT, "");
}

static void test_parcel_limit(void)
{
	struct parcel large = { NULL, (size_t)UINT32_MAX + 1 };

	CU_ASSERT_EQUAL(test_send(1, "abc"), 0);
	CU_ASSERT_EQUAL(test_send(1, "abc"), 0);
	CU_ASSERT_EQUAL(parcel_send(test_pair[1], &large, 0), -EFBIG);
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
	CU_ASSERT_EQUAL(test_send(0, "abc"), -EPIPE);
}

/* The other end hangs up without having read what it was sent. */
static void test_parcel_unread(void)
{
	CU_ASSERT_EQUAL(test_send(0, "abc"), 0);
	closep(&test_pair[1]);
	test_receives(100, -EPIPE, "");
}

/* Nobody reads: more than a socket holds ends at the deadline. */
static void test_parcel_full(void)
{
	_cleanup_(parcel_release) struct parcel p = { calloc(1, TEST_LARGE), TEST_LARGE };

	CU_ASSERT_PTR_NOT_NULL(p.bytes);
	if (p.bytes)
		CU_ASSERT_EQUAL(parcel_send(test_pair[0], &p, clk_now_ns() + TEST_SOON),
				-ETIMEDOUT);
}

/* What is put becomes the message, also when it is less than there is room for; what does not fit
 * is refused, and nothing is kept. */
static void test_parcel_made(void)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	struct wire w;

	for (size_t room = 1; room < 4; room++) {
		CU_ASSERT_EQUAL(parcel_begin(room, 3, &w), 0);
		wire_put_u16(&w, 0x6261);
		CU_ASSERT_EQUAL(parcel_seal(&w, &p), room < 2 ? -EFBIG : 0);
		CU_ASSERT_PTR_NULL(w.bytes);
		CU_ASSERT_TRUE(room < 2 ? !p.bytes : p.len == 2 && !memcmp(p.bytes, "ab", 2));
		parcel_release(&p);
		CU_ASSERT_PTR_NULL(p.bytes);
	}
	CU_ASSERT_EQUAL(parcel_begin(4, 3, &w), -EFBIG);
	CU_ASSERT_EQUAL(parcel_begin(0, 3, &w), 0);
	CU_ASSERT_EQUAL(parcel_seal(&w, &p), 0);
	CU_ASSERT_TRUE(p.bytes && !p.len);
	torture_arm(0);
	CU_ASSERT_EQUAL(parcel_begin(3, 3, &w), -ENOMEM);
	CU_ASSERT_TRUE(torture_disarm());
}

static const struct tap_test test_parcel_tests[] = {
	{ "there and back", test_parcel_there_and_back },
	{ "limit", test_parcel_limit },
	{ "hostile", test_parcel_hostile },
	{ "unread", test_parcel_unread },
	{ "full", test_parcel_full },
	{ "made", test_parcel_made },
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
