/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Elements that come and go while a policy stays: the addresses of live grants in the sets
 * "grant_<name>6" and "grant_<name>4" of table inet postern. Raw netlink, one transaction for each
 * change. Renewal is delete and add, because adding again does not extend before Linux 6.12.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/kernio.h"

struct liveset_element {
	char set[64];         /* grant_ssh6 */
	struct in6_addr addr; /* IPv4-mapped for a set of IPv4 */
	uint64_t left_ms;     /* until the kernel takes it out */
};

/* Adds, or renews in one transaction when it is there. Errors: 0; -ENOENT no such set; -errno. */
int liveset_put(struct kernio *k, const struct liveset_element *e) _warn_unused_;

/* Takes out; not being there is no error. Errors: 0; -ENOENT no such set; -errno. */
int liveset_drop(struct kernio *k, const struct liveset_element *e) _warn_unused_;

/* Lists the elements of all sets with timeouts of our table. Gives *ret (free() it).
 * Errors: 0; -EBUSY; -ENOMEM; -errno. */
int liveset_list(struct kernio *k, struct liveset_element **ret, size_t *ret_n) _warn_unused_;
