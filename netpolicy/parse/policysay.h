/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lines of a claim: "never out via up to config except mark 0x504f, icmpv6 nd".
 */
#include "netpolicy/parse/policyline.h"

/* Takes one line, up to its end, and adds it to the policy as part of @claim. Errors: as
 * policyline_read(). */
int policysay_read(struct policyline *l, size_t claim) _warn_unused_;

/* The name of the group of ICMPv6 types ("nd") that the first of @n types make, and how many it
 * stands for; NULL when there is none. Static. */
const char *policysay_icmp6_group(const uint8_t *types, size_t n, size_t *ret_n);
