/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>

#include "common/attr.h"
#include "common/crowd.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static struct in6_addr test_addr(const char *text)
{
	struct in6_addr addr = in6addr_any;

	CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static int test_enter(struct crowd *c, const char *text)
{
	struct in6_addr addr = test_addr(text);

	return crowd_enter(c, &addr);
}

static void test_leave(struct crowd *c, const char *text)
{
	struct in6_addr addr = test_addr(text);

	crowd_leave(c, &addr);
}

static void test_limit(void)
{
	struct crowd *c = NULL;

	CU_ASSERT_EQUAL_FATAL(crowd_new(2, 7, &c), 0);
	CU_ASSERT_EQUAL(test_enter(c, "2001:db8:0:1::1"), 0);
	CU_ASSERT_EQUAL(test_enter(c, "2001:db8:0:1::1"), 0);
	CU_ASSERT_EQUAL(test_enter(c, "2001:db8:0:1::1"), CROWD_E_FULL);
	CU_ASSERT_EQUAL(crowd_n_sources(c), 1);
	test_leave(c, "2001:db8:0:1::1");
	CU_ASSERT_EQUAL(test_enter(c, "2001:db8:0:1::1"), 0);
	CU_ASSERT_EQUAL(test_enter(c, "2001:db8:0:1::1"), CROWD_E_FULL);
	test_leave(c, "2001:db8:0:1::1");
	test_leave(c, "2001:db8:0:1::1");
	CU_ASSERT_EQUAL(crowd_n_sources(c), 0);
	crowd_free(c);
}

/* With a limit of one: what is one source with 2001:db8:0:1::1 or ::ffff:192.0.2.1, what is not. */
static void test_sources(void)
{
	static const struct {
		const char *first, *second;
		int r;
	} cases[] = {
		{ "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", CROWD_E_FULL },
		{ "2001:db8:0:1::1", "2001:db8:0:2::1", 0 },
		{ "2001:db8:0:1::1", "2001:db8:0:0:ffff::1", 0 },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", CROWD_E_FULL },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", 0 },
		{ "::ffff:192.0.2.1", "::1", 0 },
		{ "::fffe:192.0.2.1", "::1", CROWD_E_FULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct crowd *c = NULL;

		CU_ASSERT_EQUAL_FATAL(crowd_new(1, i, &c), 0);
		CU_ASSERT_EQUAL(test_enter(c, cases[i].first), 0);
		CU_ASSERT_EQUAL(test_enter(c, cases[i].second), cases[i].r);
		test_leave(c, cases[i].first);
		CU_ASSERT_EQUAL(crowd_n_sources(c), cases[i].r == 0);
		crowd_free(c); /* with what is still open */
	}
}

/* More sources than lists, so that some share one; they leave in the order they came. */
static void test_many(void)
{
	struct in6_addr addr = test_addr("2001:db8::");
	struct crowd *c = NULL;

	CU_ASSERT_EQUAL_FATAL(crowd_new(1, 1, &c), 0);
	for (uint32_t i = 0; i < 3 * CROWD_BUCKETS; i++) {
		addr.s6_addr32[1] = htonl(i);
		if (crowd_enter(c, &addr) != 0 || crowd_enter(c, &addr) != CROWD_E_FULL)
			tap_fail(__FILE__, __LINE__, "source %u", i);
	}
	CU_ASSERT_EQUAL(crowd_n_sources(c), 3 * CROWD_BUCKETS);
	for (uint32_t i = 0; i < 3 * CROWD_BUCKETS; i++) {
		addr.s6_addr32[1] = htonl(i);
		crowd_leave(c, &addr);
	}
	CU_ASSERT_EQUAL(crowd_n_sources(c), 0);
	addr = test_addr("2001:db8:ff00::");
	crowd_leave(c, &addr); /* never entered: nothing happens */
	crowd_free(c);
}

static int test_torture_run(void *ctx)
{
	struct in6_addr addr = test_addr("2001:db8::1");
	struct crowd *c = NULL;
	int r = crowd_new(1, 1, &c);

	if (r < 0)
		return r;
	r = crowd_enter(c, &addr);
	CU_ASSERT_EQUAL(crowd_n_sources(c), r == 0);
	crowd_free(c);
	return r;
}

static void test_torture(void)
{
	CU_ASSERT_EQUAL(torture(test_torture_run, NULL), 2);
}

static const struct tap_test tests[] = {
	{ "one source at its limit", test_limit },
	{ "what is one source", test_sources },
	{ "more sources than lists", test_many },
	{ "out of memory", test_torture },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "crowd", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
