/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The nearest packets to a denied one that would pass: the fewest fields of people's interest are
 * changed (link, port, protocol, user, mark, grant, the other end's address).
 */
#include "netpolicy/prove/prove.h"
#include "netpolicy/prove/termset.h"

/* Fills at most PROVE_WAYS_MAX of @ret, nearest first; none when it passes or nothing helps.
 * Errors: 0; -EFBIG; -ENOMEM. */
int nearway_find(struct termset *set, const struct terms_packet *packet,
		 struct prove_way ret[static PROVE_WAYS_MAX], size_t *ret_n) _warn_unused_;
