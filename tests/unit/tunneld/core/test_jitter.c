/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "common/attr.h"
#include "tests/support/tap.h"
#include "tunneld/core/jitter.h"

#define TEST_JITTER_HOSTS 10000
#define TEST_JITTER_SLOTS 100

/* The fleet's timers must not move with a new version, hence values made outside this program. */
static void test_jitter_known_values(void)
{
	CU_ASSERT_EQUAL(jitter_pick("h1.example", "cfg1", 0, UINT64_C(360000000000)),
			UINT64_C(41846122670));
	CU_ASSERT_EQUAL(jitter_pick("", "", 0, UINT64_MAX), UINT64_C(5427104198013045284));
	CU_ASSERT_EQUAL(jitter_pick("h1.example", "cfg1", 1, 1000), 851);
	CU_ASSERT_EQUAL(jitter_pick("h1", "cfg12", 0, 1000), 666);
	CU_ASSERT_EQUAL(jitter_pick("h1c", "fg12", 0, 1000), 501);
	CU_ASSERT_EQUAL(jitter_pick("x", "y", UINT64_MAX, 1000), 306);
}

static void test_jitter_span_limits(void)
{
	CU_ASSERT_EQUAL(jitter_pick("h", "p", 7, 0), 0);
	CU_ASSERT_EQUAL(jitter_pick("h", "p", 7, 1), 0);
	for (uint64_t n = 0; n < 1000; n++)
		CU_ASSERT_TRUE(jitter_pick("h", "p", n, 2) < 2);
}

/* 100 hosts expected per slot; a slot with none or with three times as many is no spread. */
static void test_jitter_spreads_a_fleet(void)
{
	unsigned int slots[TEST_JITTER_SLOTS] = { 0 };

	for (unsigned int i = 0; i < TEST_JITTER_HOSTS; i++) {
		char host[32];

		snprintf(host, sizeof(host), "host-%u.example", i);
		slots[jitter_pick(host, "cfg1", 0, TEST_JITTER_SLOTS)]++;
	}
	for (size_t i = 0; i < TEST_JITTER_SLOTS; i++) {
		CU_ASSERT_TRUE(slots[i] > 50);
		CU_ASSERT_TRUE(slots[i] < 200);
	}
}

static const struct tap_test test_jitter_tests[] = {
	{ "known values", test_jitter_known_values },
	{ "span limits", test_jitter_span_limits },
	{ "spreads a fleet", test_jitter_spreads_a_fleet },
	{ 0 },
};

static const struct tap_suite test_jitter_suites[] = {
	{ "jitter", test_jitter_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_jitter_suites);
}
