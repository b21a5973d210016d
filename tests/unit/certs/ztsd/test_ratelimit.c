/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "certs/ztsd/ratelimit.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define S UINT64_C(1000000000)
#define TEST_RATELIMIT_NOW (1000 * S)

static struct in6_addr test_ratelimit_addr(const char *text)
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, text, &a) != 1)
		exit(2);
	return a;
}

static struct ratelimit *test_ratelimit_new(uint32_t per_minute, uint32_t burst)
{
	struct ratelimit *l = NULL;

	if (ratelimit_new(per_minute, burst, 1, &l) < 0)
		exit(2);
	return l;
}

/* 6 a minute: one in 10 s. */
static void test_ratelimit_burst(void)
{
	struct ratelimit *l = test_ratelimit_new(6, 3);
	struct in6_addr a = test_ratelimit_addr("2001:db8::1");

	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW), 0);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW), 10);
	/* A refusal costs nothing. */
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW), 10);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 9 * S), 1);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 10 * S - 1), 1);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 10 * S), 0);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 10 * S), 10);
	/* However long it was silent, a burst is a burst. */
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 10000 * S), 0);
	CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW + 10000 * S), 10);
	ratelimit_free(l);
}

static void test_ratelimit_sources(void)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "2001:db8::1", "2001:db8::ffff:2", true },
		{ "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ratelimit *l = test_ratelimit_new(1, 1);
		struct in6_addr a = test_ratelimit_addr(cases[i].a);
		struct in6_addr b = test_ratelimit_addr(cases[i].b);

		CU_ASSERT_EQUAL(ratelimit_take(l, &a, TEST_RATELIMIT_NOW), 0);
		CU_ASSERT_EQUAL(ratelimit_take(l, &b, TEST_RATELIMIT_NOW) != 0, cases[i].same);
		ratelimit_free(l);
	}
}

static void test_ratelimit_off(void)
{
	struct ratelimit *l = test_ratelimit_new(0, 1);
	struct in6_addr a = test_ratelimit_addr("2001:db8::1");

	for (int i = 0; i < 10000; i++)
		CU_ASSERT_EQUAL(ratelimit_take(l, &a, 0), 0);
	ratelimit_free(l);
}

/* Many more sources than places: who is refused stays refused while it is pressing, and a source
 * that is new is never locked out. */
static void test_ratelimit_crowd(void)
{
	struct ratelimit *l = test_ratelimit_new(60, 2);
	struct in6_addr a = test_ratelimit_addr("2001:db8::1");
	uint64_t now = TEST_RATELIMIT_NOW;

	for (uint32_t i = 0; i < 4 * RATELIMIT_SOURCES; i++) {
		a.s6_addr[4] = (uint8_t)(i >> 24);
		a.s6_addr[5] = (uint8_t)(i >> 16);
		a.s6_addr[6] = (uint8_t)(i >> 8);
		a.s6_addr[7] = (uint8_t)i;
		CU_ASSERT_EQUAL(ratelimit_take(l, &a, now + i), 0);
	}
	ratelimit_free(l);
}

static int test_ratelimit_torture_run(void *ctx)
{
	struct ratelimit *l = NULL;
	int r = ratelimit_new(60, 60, tap_random(), &l);

	ratelimit_free(l);
	return r;
}

static void test_ratelimit_torture(void)
{
	CU_ASSERT_EQUAL(torture(test_ratelimit_torture_run, NULL), 1);
}

static const struct tap_test test_ratelimit_tests[] = {
	{ "a burst, then the rate", test_ratelimit_burst },
	{ "what is one source", test_ratelimit_sources },
	{ "no limit", test_ratelimit_off },
	{ "more sources than places", test_ratelimit_crowd },
	{ "out of memory", test_ratelimit_torture },
	{ 0 },
};

static const struct tap_suite test_ratelimit_suites[] = {
	{ "ratelimit", test_ratelimit_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ratelimit_suites);
}
