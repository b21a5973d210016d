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

#define LIVESET_ELEMENTS_MAX 4096 /* of all sets together */
#define LIVESET_SLACK_MS 2000     /* clocks of kernel and daemon may differ by that much */
#define LIVESET_NAME_MAX 72       /* of a set, with the NUL: a grant's name has 63 bytes */
#define LIVESET_SETS_MAX 128

struct liveset_element {
	char set[LIVESET_NAME_MAX]; /* grant_ssh6 */
	struct in6_addr addr;       /* IPv4-mapped for a set of IPv4 */
	uint64_t left_ms;           /* until the kernel takes it out; UINT64_MAX = never */
};

/* Adds, or renews in one transaction when it is there.
 * Errors: 0; -ENOENT no such set; -EINVAL not of its type; -EBUSY; -errno. */
int liveset_put(struct kernio *k, const struct liveset_element *e) _warn_unused_;

/* Takes out; not being there is no error. Errors: 0; -ENOENT no such set; -EBUSY; -errno. */
int liveset_drop(struct kernio *k, const struct liveset_element *e) _warn_unused_;

/* Lists the elements of all sets with timeouts of our table. Gives *ret (free() it).
 * Errors: 0; -E2BIG; -EBUSY; -ENOMEM; -errno. */
int liveset_list(struct kernio *k, struct liveset_element **ret, size_t *ret_n) _warn_unused_;

/* What liveset_sync() found. */
struct liveset_found {
	size_t n_sets;    /* that had to be filled anew */
	size_t n_foreign; /* elements that were not wanted, or for another time */
	size_t n_missing;
	struct liveset_element first; /* of those; the set is "" when there is none */
};

/* Makes the sets with timeouts hold @want and nothing else. A set that differs is emptied and
 * filled in one transaction, so that nobody who stays is out for a moment. What is wanted of a set
 * that does not exist is left out. Errors: 0 with @ret filled; -E2BIG too many wanted; -EBUSY;
 * -errno. */
int liveset_sync(struct kernio *k, const struct liveset_element *want, size_t n,
		 struct liveset_found *ret) _warn_unused_;
