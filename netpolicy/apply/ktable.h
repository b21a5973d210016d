/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Our two tables as the kernel shows them: whether they are there, and who may change them. A table
 * with the flag owner can be changed through one socket only, and goes with that socket unless it
 * has the flag persist. Source: linux/netfilter/nf_tables.h, docs/decisions/0017.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/kernio.h"

/* Flags; those of ownership are newer than the headers of some systems. */
#define KTABLE_OWNER UINT32_C(2)   /* NFT_TABLE_F_OWNER, Linux 5.12 */
#define KTABLE_PERSIST UINT32_C(4) /* NFT_TABLE_F_PERSIST, Linux 6.9 */

struct ktable {
	bool exists;
	uint32_t flags; /* also NFT_TABLE_F_DORMANT */
	uint32_t owner; /* address of the owner's socket, kernio_port(); 0 = none */
};

/* Reads both: ret[0] is ours, ret[1] the guard's. Errors: 0; KERNIO_E_CHANGED; -errno. */
int ktable_read(struct kernio *k, struct ktable ret[static 2]) _warn_unused_;

/* True when a socket other than @port owns one of them. */
bool ktable_is_taken(const struct ktable tables[static 2], uint32_t port);

/* False when the release of the kernel says that it is too old for persist, so that nobody needs to
 * be refused first. True is no promise. */
bool ktable_knows_persist(void);
