/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lines of a policy that could go: no packet fits, earlier ones decide all of its packets, or later
 * ones would accept them too.
 */
#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/termset.h"

/* Fills @ret with the lines that could go. Calls termset_reach() on @set. Errors: 0; -EFBIG;
 * -ENOMEM. */
int deadrule_list(struct termset *set, struct prove_deads *ret) _warn_unused_;
