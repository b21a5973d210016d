/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Packets at the borders of everything a policy speaks of, for the comparison of model, compiled
 * table and kernel: one for each term that decides anything, then the first and last address, port,
 * type, user and mark of each and the one beyond, and all words of conntrack.
 */
#include "netpolicy/prove/termset.h"

/* Gives at most @max packets that can be, each once, in *ret (free() it). Calls termset_reach() on
 * @set. Errors: 0; -EFBIG; -ENOMEM. */
int witness_list(struct termset *set, size_t max, struct terms_packet **ret,
		 size_t *ret_n) _warn_unused_;
