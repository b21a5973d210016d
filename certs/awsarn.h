/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Amazon resource names of roles. The second word of such a name is the partition, which follows
 * from the region: names in China and GovCloud begin differently. Pure.
 * Source: AWS, "Identify AWS resources with Amazon Resource Names", and the partitions of the SDKs.
 */
#include "common/attr.h"

#define AWSARN_MAX 1024 /* bytes with NUL of a name that is written here */

/* The partition of @region: "aws" when no other one claims it. */
const char *awsarn_partition(const char *region);

/* Writes the name of a role, "arn:aws:iam::<account>:role/<path><role>". @path: "", or with a slash
 * at its end. Errors: 0; -EINVAL when it is too long. */
int awsarn_role(const char *region, const char *account, const char *path, const char *role,
		char ret[static AWSARN_MAX]) _warn_unused_;

/* Writes how the name of everybody who assumed a role begins,
 * "arn:aws:sts::<account>:assumed-role/<role>/". Errors: as awsarn_role(). */
int awsarn_session(const char *region, const char *account, const char *role,
		   char ret[static AWSARN_MAX]) _warn_unused_;
