/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The same things for machines: the outcome of a check as JSON.
 */
#include <stdio.h>

#include "common/attr.h"
#include "common/pst.h"
#include "netpolicy/apply/applier.h"

struct clijson_check {
	int code; /* exit code */
	enum pst pst;
	const char *about;
	const struct applier_result *result;
	const char *foreign; /* lines; may be NULL */
};

/* Prints the outcome of a check. Errors: 0; -ENOMEM; -EIO. */
int clijson_check(const struct clijson_check *what, FILE *to) _warn_unused_;
