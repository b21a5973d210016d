/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The difference of two policies in words: which packets pass with one and not with the other, line
 * by line, each set taken apart only as far as it must be to be said exactly.
 */
#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/termset.h"

/* Fills @ret. Both are sets of the same space; calls termset_reach() on them. Errors: 0; -EFBIG;
 * -ENOMEM. */
int changeset_list(struct termset *before, struct termset *after,
		   struct prove_changes *ret) _warn_unused_;
