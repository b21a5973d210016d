/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a claim speaks of as a set of packets, and whether the policy keeps to it.
 *
 * A never is about every packet that fits, however strange. An always is about packets that are
 * well-formed: hop limit 255 where neighbour discovery wants it, link-local where RFC 4861 and 2710
 * want it, no source or destination that cannot be on a wire, conntrack's word new or untracked,
 * and no fact of the host that stands against them. "new" are new and untracked packets: neighbour
 * discovery is never tracked. "grant NAME" are packets of its ports, network and link whose far end
 * has a live grant.
 */
#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/termset.h"

/* The packets that fit. Errors stick in the space of @set. */
bdd claimset_match(struct termset *set, const struct policy_match *match);

/* The packets that a say speaks of: they fit, and none of the excepts. As claimset_match(). */
bdd claimset_target(struct termset *set, const struct policy_say *say);

/* Decides policy.says[@say]. @set: termset_make(). Errors: 0, also when it cannot be decided
 * (PROVE_UNDECIDED); -ENOMEM. */
int claimset_judge(struct termset *set, size_t say, struct prove_say *ret) _warn_unused_;
