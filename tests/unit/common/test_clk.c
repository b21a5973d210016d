/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "common/clk.h"
#include "tests/support/tap.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts = { 0 };

	CU_ASSERT_EQUAL(clock_gettime(id, &ts), 0);
	return (uint64_t)ts.tv_sec * CLK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void test_boot_time(void)
{
	uint64_t before = read_clock(CLOCK_BOOTTIME);
	uint64_t now = clk_now_ns();
	uint64_t after = read_clock(CLOCK_BOOTTIME);

	CU_ASSERT(before <= now);
	CU_ASSERT(now <= after);
	CU_ASSERT(now > 0);
}

static void test_wall_clock(void)
{
	uint64_t before = read_clock(CLOCK_REALTIME) / CLK_NS_PER_S;
	uint64_t now = clk_now_wall();

	CU_ASSERT(now >= before);
	CU_ASSERT(now - before <= 60);
}

static void test_units(void)
{
	CU_ASSERT_EQUAL(CLK_NS_PER_S, 1000 * CLK_NS_PER_MS);
	CU_ASSERT_EQUAL(CLK_NS_PER_MS, UINT64_C(1000000));
}

static const struct tap_test tests[] = {
	{ "boot time is the clock of the kernel", test_boot_time },
	{ "wall clock in seconds", test_wall_clock },
	{ "units", test_units },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "clk", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
