/* SPDX-License-Identifier: MIT */
/* The numbers tap draws; that it reports failures is shown by tap-must-fail.sh. */
#include <string.h>

#include "tests/support/tap.h"

static unsigned int test_tap_n_setup;
static unsigned int test_tap_n_teardown;

static void test_tap_setup(void)
{
	test_tap_n_setup++;
}

static void test_tap_teardown(void)
{
	test_tap_n_teardown++;
}

static void test_tap_random_below_stays_below(void)
{
	CU_ASSERT_EQUAL(tap_random_below(0), 0);
	CU_ASSERT_EQUAL(tap_random_below(1), 0);
	for (unsigned int i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(tap_random_below(10) < 10);
}

static void test_tap_random_reaches_every_value(void)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < 1000; i++)
		seen |= 1U << tap_random_below(10);
	CU_ASSERT_EQUAL(seen, 0x3ff);
}

static void test_tap_random_fill_keeps_to_its_bytes(void)
{
	unsigned char bytes[64] = { 0 };
	static const unsigned char zero[16];

	tap_random_fill(bytes + 16, 32);
	CU_ASSERT_EQUAL(memcmp(bytes, zero, 16), 0);
	CU_ASSERT_EQUAL(memcmp(bytes + 48, zero, 16), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(bytes + 16, zero, 16), 0);
}

static void test_tap_setup_and_teardown_surround_each_test(void)
{
	CU_ASSERT_EQUAL(test_tap_n_setup, test_tap_n_teardown + 1);
}

static const struct tap_test test_tap_tests[] = {
	{ "random_below stays below", test_tap_random_below_stays_below },
	{ "random reaches every value", test_tap_random_reaches_every_value },
	{ "random_fill keeps to its bytes", test_tap_random_fill_keeps_to_its_bytes },
	{ "setup and teardown surround each test", test_tap_setup_and_teardown_surround_each_test },
	{ 0 },
};

static const struct tap_suite test_tap_suites[] = {
	{ "tap", test_tap_tests, test_tap_setup, test_tap_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_tap_suites);
}
