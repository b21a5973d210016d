/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Random policies of a few nets, ports, users and claims, and packets that have one value of each
 * kind that such a policy can tell from the others: what holds for all of those holds for all.
 */
#include <stddef.h>

#include "netpolicy/model/policy.h"
#include "netpolicy/model/terms.h"

#define TINYPOLICY_MARK 0x504f

/* A random policy, finished; NULL fails the running test. */
struct policy *tinypolicy_new(void);

/* A random packet that can be. */
void tinypolicy_packet(struct terms_packet *ret);

/* Calls @each for every combination of values in direction @dir over @link. */
void tinypolicy_each(enum policy_dir dir, enum terms_link link,
		     void (*each)(void *ctx, const struct terms_packet *packet), void *ctx);
