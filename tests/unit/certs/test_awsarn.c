/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "certs/awsarn.h"
#include "tests/support/tap.h"

#define ACCOUNT "123456789012"

static void test_awsarn_regions(void)
{
	static const char *const rows[][2] = {
		{ "us-east-1", "aws" },
		{ "eu-central-1", "aws" },
		{ "cn-north-1", "aws-cn" },
		{ "cn-northwest-1", "aws-cn" },
		{ "cn", "aws" },
		{ "ca-central-1", "aws" },
		{ "us-gov", "aws" },
		{ "us-gov-west-1", "aws-us-gov" },
		{ "us-gov-east-1", "aws-us-gov" },
		{ "us-west-2", "aws" },
		{ "eusc-de-east-1", "aws-eusc" },
		{ "", "aws" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_STRING_EQUAL(awsarn_partition(rows[i][0]), rows[i][1]);
}

static void test_awsarn_names(void)
{
	char arn[AWSARN_MAX];

	CU_ASSERT_EQUAL(awsarn_role("us-east-1", ACCOUNT, "", "a.b", arn), 0);
	CU_ASSERT_STRING_EQUAL(arn, "arn:aws:iam::" ACCOUNT ":role/a.b");
	CU_ASSERT_EQUAL(awsarn_role("cn-north-1", ACCOUNT, "x/y/", "a.b", arn), 0);
	CU_ASSERT_STRING_EQUAL(arn, "arn:aws-cn:iam::" ACCOUNT ":role/x/y/a.b");
	CU_ASSERT_EQUAL(awsarn_session("us-east-1", ACCOUNT, "a.b", arn), 0);
	CU_ASSERT_STRING_EQUAL(arn, "arn:aws:sts::" ACCOUNT ":assumed-role/a.b/");
	CU_ASSERT_EQUAL(awsarn_session("us-gov-west-1", ACCOUNT, "a.b", arn), 0);
	CU_ASSERT_STRING_EQUAL(arn, "arn:aws-us-gov:sts::" ACCOUNT ":assumed-role/a.b/");
}

/* A role of the longest name, and of one more byte, which must leave the output alone. */
static void test_awsarn_limits(void)
{
	char role[AWSARN_MAX + 1], arn[AWSARN_MAX];
	size_t n = sizeof(arn) - 1 - strlen("arn:aws:iam::1:role/");

	memset(role, 'r', sizeof(role));
	for (size_t i = n - 1; i <= n + 1; i++) {
		role[i] = '\0';
		memcpy(arn, "old", sizeof("old"));
		CU_ASSERT_EQUAL(awsarn_role("r", "1", "", role, arn), i > n ? -EINVAL : 0);
		CU_ASSERT_EQUAL(strlen(arn), i > n ? 3 : i + strlen("arn:aws:iam::1:role/"));
		role[i] = 'r';
	}
	n = sizeof(arn) - 1 - strlen("arn:aws:sts::1:assumed-role//");
	for (size_t i = n - 1; i <= n + 1; i++) {
		role[i] = '\0';
		memcpy(arn, "old", sizeof("old"));
		CU_ASSERT_EQUAL(awsarn_session("r", "1", role, arn), i > n ? -EINVAL : 0);
		CU_ASSERT_EQUAL(strlen(arn),
				i > n ? 3 : i + strlen("arn:aws:sts::1:assumed-role//"));
		role[i] = 'r';
	}
}

static const struct tap_test test_awsarn_tests[] = {
	{ "partitions of regions", test_awsarn_regions },
	{ "names", test_awsarn_names },
	{ "limits", test_awsarn_limits },
	{ 0 },
};

static const struct tap_suite test_awsarn_suites[] = {
	{ "awsarn", test_awsarn_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_awsarn_suites);
}
