/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Stand-in devices: in the scratch namespace an interface of the right name must exist before a
 * chain can hang on it. Any kind will do; which ones a kernel has differs.
 */
#include "common/attr.h"

/* Makes an interface called @name in this network namespace.
 * Errors: 0; -EEXIST; -EOPNOTSUPP when the kernel has none of the kinds; -errno. */
int standin_make(const char *name) _warn_unused_;
