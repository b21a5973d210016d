/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/attest.h"
#include "tests/support/tap.h"

static int test_attest_check(struct fetchjob_self *self, const char *principal,
			     const char *provider, const char *id)
{
	struct fetchjob_result result = { 0 };
	int r;

	*self = (struct fetchjob_self){ .region = "r" };
	snprintf(self->principal, sizeof(self->principal), "%s", principal);
	snprintf(self->provider, sizeof(self->provider), "%s", provider);
	snprintf(self->instance_id, sizeof(self->instance_id), "%s", id);
	r = attest_check_self(self, &result);
	CU_ASSERT_EQUAL(result.code, r == 0 ? PST_NONE : PST_NAME_UNKNOWN);
	CU_ASSERT_EQUAL(result.detail[0] == '\0', r == 0);
	return r;
}

static void test_attest_good(void)
{
	struct fetchjob_self self;

	CU_ASSERT_EQUAL(test_attest_check(&self, "Acme.Prod.Host", "Athenz.AWS.x", "i-ABC"), 0);
	CU_ASSERT_STRING_EQUAL(self.principal, "acme.prod.host");
	CU_ASSERT_STRING_EQUAL(self.provider, "athenz.aws.x");
	CU_ASSERT_STRING_EQUAL(self.instance_id, "i-ABC"); /* ids may differ in case only */
	CU_ASSERT_STRING_EQUAL(self.region, "r");
}

static void test_attest_bad(void)
{
	static const char *const rows[][3] = {
		{ "", "p", "i" },       { "host", "p", "i" },     { "a..b", "p", "i" },
		{ ".b", "p", "i" },     { "a:role.b", "p", "i" }, { "a b.c", "p", "i" },
		{ "a.b", "", "i" },     { "a.b", "p/q", "i" },    { "a.b", "p", "" },
		{ "a.b", "p", "i,j" },  { "a.b", "p", "i/j" },    { "a.b", "p", "i j" },
		{ "a.b", "p", "i%2f" },
	};
	struct fetchjob_self self;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (test_attest_check(&self, rows[i][0], rows[i][1], rows[i][2]) != -EPERM)
			tap_fail(__FILE__, __LINE__, "'%s' '%s' '%s'", rows[i][0], rows[i][1],
				 rows[i][2]);
}

static const struct tap_test test_attest_tests[] = {
	{ "good names", test_attest_good },
	{ "bad names", test_attest_bad },
	{ 0 },
};

static const struct tap_suite test_attest_suites[] = {
	{ "attest", test_attest_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_attest_suites);
}
