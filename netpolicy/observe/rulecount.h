/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the counters of our rules have seen, found by chain and comment.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/kernio.h"

struct rulecount {
	uint64_t packets, bytes; /* of all rules with that comment in that chain */
	uint32_t n_rules;
};

/* Adds up the counters of the rules with @comment in chain @chain of table inet postern, or of the
 * guard. Errors: 0, also when there is none; -EBUSY; -errno. */
int rulecount_read(struct kernio *k, bool is_guard, const char *chain, const char *comment,
		   struct rulecount *ret) _warn_unused_;
