/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Base chains of other programs at the hooks where ours stand. They can only narrow what we allow
 * (accept ends one chain, drop ends the packet), but whoever audits wants to know of them.
 */
#include <stdint.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/apply/kernio.h"

#define FOREIGN_BYTES_MAX 65536 /* of the list */

/* The word of nft for an address family, NFPROTO_…; what it does not know is "arp". Static. */
const char *foreign_family(uint8_t family);

/* Appends one line for each, "ip mangle: chain OUTPUT at output, priority -150". Control characters
 * in their names are gone; not a word about our own tables.
 * Errors: 0; -EBUSY when the ruleset keeps changing; -errno. */
int foreign_list(struct kernio *k, struct buf *to) _warn_unused_;
