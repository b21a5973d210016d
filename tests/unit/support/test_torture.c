/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/torture.h"

/* One site per function that torture promises to fail. */
static int test_torture_all_sites(void *ctx)
{
	void *slots[7] = { 0 };
	char *printed = NULL;
	int r = -ENOMEM;

	(*(int *)ctx)++;
	if ((slots[0] = malloc(1)) != NULL && (slots[1] = calloc(1, 1)) != NULL &&
	    (slots[2] = realloc(NULL, 1)) != NULL &&
	    (slots[3] = reallocarray(NULL, 1, 1)) != NULL && (slots[4] = strdup("x")) != NULL &&
	    (slots[5] = strndup("x", 1)) != NULL && asprintf(&printed, "%d", r) >= 0) {
		free(printed);
		r = 0;
	}
	for (size_t i = 0; i < 7; i++)
		free(slots[i]);
	return r;
}

static int test_torture_no_site(void *ctx)
{
	(*(int *)ctx)++;
	return 0;
}

static void test_torture_tries_every_site(void)
{
	int n_runs = 0;

	CU_ASSERT_EQUAL(torture(test_torture_all_sites, &n_runs), 7);
	CU_ASSERT_EQUAL(n_runs, 8);
}

static void test_torture_without_a_site(void)
{
	int n_runs = 0;

	CU_ASSERT_EQUAL(torture(test_torture_no_site, &n_runs), 0);
	CU_ASSERT_EQUAL(n_runs, 1);
}

static void test_torture_arm_fails_one_allocation(void)
{
	void *first;
	void *second;
	void *third;

	torture_arm(1);
	first = malloc(1);
	second = malloc(1);
	third = malloc(1);
	CU_ASSERT_TRUE(torture_disarm());
	CU_ASSERT_PTR_NOT_NULL(first);
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_PTR_NOT_NULL(third);
	free(first);
	free(second);
	free(third);
}

static void test_torture_disarm_says_when_not_reached(void)
{
	torture_arm(0);
	CU_ASSERT_FALSE(torture_disarm());
}

static const struct tap_test test_torture_tests[] = {
	{ "tries every site", test_torture_tries_every_site },
	{ "without a site", test_torture_without_a_site },
	{ "arm fails one allocation", test_torture_arm_fails_one_allocation },
	{ "disarm says when not reached", test_torture_disarm_says_when_not_reached },
	{ 0 },
};

static const struct tap_suite test_torture_suites[] = {
	{ "torture", test_torture_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_torture_suites);
}
