/* SPDX-License-Identifier: MIT */
/* Not a test: the program that tap-must-fail.sh runs to see the driver report failures. The first
 * argument chooses the table, the others go to the driver. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/torture.h"

static void fixture_passes(void)
{
	CU_ASSERT_EQUAL(1 + 1, 2);
}

static void fixture_fails(void)
{
	CU_ASSERT_EQUAL(1 + 1, 3);
}

static void fixture_fails_fatally(void)
{
	CU_ASSERT_FATAL(1 > 2);
}

static void fixture_asserts_nothing(void)
{
}

static void fixture_exits(void)
{
	exit(0);
}

static void fixture_aborts(void)
{
	abort();
}

static void fixture_skips(void)
{
	tap_skip("not on this machine");
}

static void fixture_skips_and_fails(void)
{
	tap_skip("not on this machine");
	CU_FAIL("failed before the skip");
}

static void fixture_draws(void)
{
	tap_note("drawn %llu", (unsigned long long)tap_random());
	CU_PASS("drawn");
}

/* What torture exists to find: a failed allocation that nobody noticed. */
static int fixture_ignores_failure(void *ctx)
{
	void *volatile lost = malloc(1);

	(void)ctx;
	free(lost);
	return 0;
}

static int fixture_never_works(void *ctx)
{
	(void)ctx;
	return -EIO;
}

static void fixture_tortures_careless(void)
{
	(void)torture(fixture_ignores_failure, NULL);
}

static void fixture_tortures_broken(void)
{
	(void)torture(fixture_never_works, NULL);
}

#define FIXTURE(table, ...)                                                                        \
	static const struct tap_test fixture_##table##_tests[] = { __VA_ARGS__, { 0 } };           \
	static const struct tap_suite fixture_##table##_suites[] = {                               \
		{ .name = #table, .tests = fixture_##table##_tests }, { 0 }                        \
	}

FIXTURE(passing, { "one", fixture_passes }, { "two", fixture_passes });
FIXTURE(failing, { "good", fixture_passes }, { "bad", fixture_fails }, { "last", fixture_passes });
FIXTURE(fatal, { "bad", fixture_fails_fatally });
FIXTURE(hollow, { "nothing", fixture_asserts_nothing });
FIXTURE(exiting, { "leaves", fixture_exits }, { "never", fixture_passes });
FIXTURE(aborting, { "dies", fixture_aborts }, { "never", fixture_passes });
FIXTURE(skipping, { "skips", fixture_skips }, { "runs", fixture_passes });
FIXTURE(skipfail, { "both", fixture_skips_and_fails });
FIXTURE(drawing, { "a", fixture_draws }, { "b", fixture_draws });
FIXTURE(twice, { "same", fixture_passes }, { "same", fixture_passes });
FIXTURE(torture, { "careless", fixture_tortures_careless }, { "broken", fixture_tortures_broken });
FIXTURE(empty, { 0 });

static const struct {
	const char *name;
	const struct tap_suite *suites;
} fixture_tables[] = {
	{ "passing", fixture_passing_suites },   { "failing", fixture_failing_suites },
	{ "fatal", fixture_fatal_suites },       { "hollow", fixture_hollow_suites },
	{ "exiting", fixture_exiting_suites },   { "aborting", fixture_aborting_suites },
	{ "skipping", fixture_skipping_suites }, { "skipfail", fixture_skipfail_suites },
	{ "drawing", fixture_drawing_suites },   { "twice", fixture_twice_suites },
	{ "torture", fixture_torture_suites },   { "empty", fixture_empty_suites },
};

int main(int argc, char **argv)
{
	size_t n_tables = sizeof(fixture_tables) / sizeof(fixture_tables[0]);

	for (size_t i = 0; argc > 1 && i < n_tables; i++) {
		if (strcmp(argv[1], fixture_tables[i].name) == 0)
			return tap_main(argc - 1, argv + 1, fixture_tables[i].suites);
	}
	return 99;
}
