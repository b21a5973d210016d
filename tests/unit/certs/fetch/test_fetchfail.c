/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "certs/fetch/fetchfail.h"
#include "tests/support/tap.h"

static void test_fetchfail_sanitises(void)
{
	struct fetchjob_result r = { .http_status = 403 };

	CU_ASSERT_EQUAL(fetchfail_set(&r, PST_ZTS_REFUSED, "%s %d", "a\033[2Jb\nc\x7f\xc3\xa9", 7),
			-EPERM);
	CU_ASSERT_EQUAL(r.code, PST_ZTS_REFUSED);
	CU_ASSERT_STRING_EQUAL(r.detail, "a?[2Jb?c??? 7");
	CU_ASSERT_EQUAL(r.http_status, 403);
}

static void test_fetchfail_cuts(void)
{
	struct fetchjob_result r = { 0 };

	for (int len = FETCHJOB_DETAIL_MAX - 2; len <= FETCHJOB_DETAIL_MAX; len++) {
		fetchfail_set(&r, PST_STS_FAILED, "%0*d", len, 0);
		CU_ASSERT_EQUAL(strlen(r.detail),
				len < FETCHJOB_DETAIL_MAX ? (size_t)len : FETCHJOB_DETAIL_MAX - 1);
	}
}

/* A detail may be made of the one before. */
static void test_fetchfail_from_itself(void)
{
	struct fetchjob_result r = { .detail = "inner" };

	fetchfail_set(&r, PST_STS_FAILED, "outer: %s", r.detail);
	CU_ASSERT_STRING_EQUAL(r.detail, "outer: inner");
}

static const struct tap_test test_fetchfail_tests[] = {
	{ "sanitises", test_fetchfail_sanitises },
	{ "cuts", test_fetchfail_cuts },
	{ "from itself", test_fetchfail_from_itself },
	{ 0 },
};

static const struct tap_suite test_fetchfail_suites[] = {
	{ "fetchfail", test_fetchfail_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchfail_suites);
}
