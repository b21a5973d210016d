/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The whole meaning of a policy as lines for people, what is written and what is implied, in the
 * order in which it decides: what "netpolicy compile --effective" prints. Made from the terms.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* Appends the lines of @p, which policy_finish() and policy_check() have seen.
 * Errors: 0; -ENOMEM, -EFBIG. */
int effective_write(const struct policy *p, struct buf *to) _warn_unused_;
