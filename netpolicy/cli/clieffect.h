/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The whole meaning of a policy in words, what is implied too, in the order in which it decides:
 * compile --effective. From the terms, which the proof uses, not from the rules.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* Appends it. Errors: 0; -ENOMEM, -EFBIG. */
int clieffect_write(const struct policy *p, struct buf *to) _warn_unused_;
