/* SPDX-License-Identifier: MIT */
/* The pace of repairs, in simulated time. */
#include "common/clk.h"
#include "netpolicy/daemon/fightpace.h"
#include "tests/support/tap.h"

#define TEST_START (1000 * CLK_NS_PER_S)

/* A change that is answered @ms after the last repair, at once when that is due. Gives how long it
 * stayed, in ms. */
static uint64_t test_round(struct fightpace *p, uint64_t *now, uint64_t ms)
{
	uint64_t at;

	*now += ms * CLK_NS_PER_MS;
	at = *now;
	fightpace_disturbed(p, *now);
	*now = fightpace_next(p);
	fightpace_repaired(p, *now);
	return (*now - at) / CLK_NS_PER_MS;
}

static void test_fightpace_first(void)
{
	struct fightpace p = { 0 };
	uint64_t now = TEST_START;

	CU_ASSERT_EQUAL(fightpace_next(&p), UINT64_MAX);
	CU_ASSERT_EQUAL(test_round(&p, &now, 0), 0);
	CU_ASSERT_EQUAL(fightpace_next(&p), UINT64_MAX);
	CU_ASSERT_EQUAL(test_round(&p, &now, FIGHTPACE_QUIET_MS), 0);
	CU_ASSERT_EQUAL(test_round(&p, &now, FIGHTPACE_QUIET_MS - 1), 0);
	CU_ASSERT_EQUAL(test_round(&p, &now, 1), FIGHTPACE_PAUSE_MS * 2 - 1);
}

/* Growing pauses, with a cap; quiet forgets them; more changes do not put a repair off. */
static void test_fightpace_burst(void)
{
	static const uint64_t pauses[] = { 0, 2, 4, 8, 16, 16, 16 };
	struct fightpace p = { 0 };
	uint64_t now = TEST_START, due;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		CU_ASSERT_EQUAL(test_round(&p, &now, 0), pauses[i]);
	CU_ASSERT_EQUAL(test_round(&p, &now, FIGHTPACE_QUIET_MS), 0);
	CU_ASSERT_EQUAL(test_round(&p, &now, 0), FIGHTPACE_PAUSE_MS);
	fightpace_disturbed(&p, now);
	due = fightpace_next(&p);
	for (int i = 0; i < 100; i++)
		fightpace_disturbed(&p, now + (uint64_t)i * CLK_NS_PER_MS / 50);
	CU_ASSERT_EQUAL(fightpace_next(&p), due);
	fightpace_dismissed(&p, now);
	CU_ASSERT_EQUAL(fightpace_next(&p), UINT64_MAX);
}

/* Looks that find nothing are paced like repairs, and are no fight. */
static void test_fightpace_looks(void)
{
	struct fightpace p = { 0 };
	uint64_t now = TEST_START, start = now;

	for (int i = 0; i < 1000; i++) {
		fightpace_disturbed(&p, now);
		now = fightpace_next(&p);
		fightpace_dismissed(&p, now);
	}
	CU_ASSERT_TRUE(now - start >= 990 * FIGHTPACE_PAUSE_CAP_MS * CLK_NS_PER_MS);
	CU_ASSERT_FALSE(p.is_fighting);
	CU_ASSERT_EQUAL(test_round(&p, &now, FIGHTPACE_QUIET_MS), 0);
}

static void test_fightpace_fight(void)
{
	struct fightpace p = { 0 };
	uint64_t now = TEST_START, stayed, last = 0;
	unsigned int n = 0;

	while (!p.is_fighting && n < 10000) {
		test_round(&p, &now, 0);
		n++;
	}
	CU_ASSERT_EQUAL(n, FIGHTPACE_MANY + 1);
	for (int i = 0; i < 20; i++) {
		stayed = test_round(&p, &now, 0);
		CU_ASSERT_TRUE(stayed >= FIGHTPACE_FIGHT_MS && stayed <= FIGHTPACE_FIGHT_CAP_MS);
		CU_ASSERT_TRUE(stayed >= last);
		last = stayed;
	}
	CU_ASSERT_EQUAL(last, FIGHTPACE_FIGHT_CAP_MS);
	/* Peace is believed in after a while only, and told once. */
	CU_ASSERT_EQUAL(fightpace_next(&p), now + FIGHTPACE_WINDOW_S * CLK_NS_PER_S);
	CU_ASSERT_EQUAL(fightpace_tick(&p, fightpace_next(&p) - 1), FIGHTPACE_NONE);
	/* Who looked at the clock before the repair does not end it. */
	CU_ASSERT_EQUAL(fightpace_tick(&p, now - 1), FIGHTPACE_NONE);
	now = fightpace_next(&p);
	CU_ASSERT_EQUAL(fightpace_tick(&p, now), FIGHTPACE_ENDS);
	CU_ASSERT_EQUAL(fightpace_tick(&p, now), FIGHTPACE_NONE);
	CU_ASSERT_EQUAL(test_round(&p, &now, 0), 0);
}

/* Many repairs are no fight when they come slowly; the beginning of one is told once. */
static void test_fightpace_window(void)
{
	struct fightpace p = { 0 };
	uint64_t now = TEST_START;
	unsigned int begins = 0;

	for (int i = 0; i < 500; i++) {
		test_round(&p, &now, FIGHTPACE_WINDOW_S * 1000 / FIGHTPACE_MANY + 1);
		CU_ASSERT_FALSE(p.is_fighting);
	}
	for (int i = 0; i < 500; i++)
		begins += fightpace_repaired(&p, now) == FIGHTPACE_BEGINS;
	CU_ASSERT_EQUAL(begins, 1);
}

static const struct tap_test test_fightpace_tests[] = {
	{ "the first at once", test_fightpace_first },
	{ "a burst", test_fightpace_burst },
	{ "looks that find nothing", test_fightpace_looks },
	{ "a fight, and peace", test_fightpace_fight },
	{ "many are no fight when they are slow", test_fightpace_window },
	{ 0 },
};

static const struct tap_suite test_fightpace_suites[] = {
	{ "fightpace", test_fightpace_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fightpace_suites);
}
