/* SPDX-License-Identifier: MIT */
#include "certs/awsarn.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The last one has all regions that the others have not. Those of secret clouds are left out. */
static const struct {
	const char *region, *partition;
} awsarn_partitions[] = {
	{ "cn-", "aws-cn" },
	{ "us-gov-", "aws-us-gov" },
	{ "eusc-", "aws-eusc" },
	{ "", "aws" },
};

const char *awsarn_partition(const char *region)
{
	size_t i = 0;

	while (strncmp(region, awsarn_partitions[i].region, strlen(awsarn_partitions[i].region)))
		i++;
	return awsarn_partitions[i].partition;
}

int awsarn_role(const char *region, const char *account, const char *path, const char *role,
		char ret[static AWSARN_MAX])
{
	char arn[AWSARN_MAX];
	int n = snprintf(arn, sizeof(arn), "arn:%s:iam::%s:role/%s%s", awsarn_partition(region),
			 account, path, role);

	if (n < 0 || (size_t)n >= sizeof(arn))
		return -EINVAL;
	memcpy(ret, arn, (size_t)n + 1);
	return 0;
}

int awsarn_session(const char *region, const char *account, const char *role,
		   char ret[static AWSARN_MAX])
{
	char arn[AWSARN_MAX];
	int n = snprintf(arn, sizeof(arn), "arn:%s:sts::%s:assumed-role/%s/",
			 awsarn_partition(region), account, role);

	if (n < 0 || (size_t)n >= sizeof(arn))
		return -EINVAL;
	memcpy(ret, arn, (size_t)n + 1);
	return 0;
}
