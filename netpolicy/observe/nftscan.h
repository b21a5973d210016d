/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Rules of other programs that do more than accept, drop and count: what translates addresses, sets
 * marks, diverts or rewrites packets, takes them out of conntrack, or leads them around the chains.
 * A filter of somebody else can only narrow what ours allow; these can make ours see other packets
 * than those that come in or go out. Also: where our guard hangs.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/kernio.h"

#define NFTSCAN_FOUND_MAX 48
#define NFTSCAN_TABLES_MAX 64
#define NFTSCAN_GUARDS_MAX 16
#define NFTSCAN_NAME_MAX 48 /* of a table or chain, longer ones are cut */

enum nftscan_kind {
	NFTSCAN_NAT,     /* another address or port */
	NFTSCAN_MARK,    /* a mark of the packet */
	NFTSCAN_DIVERT,  /* to another socket, interface or program, or rewritten */
	NFTSCAN_NOTRACK, /* out of conntrack */
	NFTSCAN_OFFLOAD, /* a flow table: later packets meet no chain */
	NFTSCAN_OPAQUE,  /* cannot be told */
	NFTSCAN_KINDS,
};

/* All rules of one chain that do the same kind of thing. */
struct nftscan_found {
	enum nftscan_kind kind;
	uint8_t family;     /* NFPROTO_… */
	unsigned int hooks; /* bits of the base chains of its table */
	uint32_t n;         /* rules */
	char table[NFTSCAN_NAME_MAX], chain[NFTSCAN_NAME_MAX]; /* or flow table */
	char what[32]; /* the first one: "dnat", "meta mark", "xt MARK" */
};

struct nftscan_table {
	char name[NFTSCAN_NAME_MAX];
	uint8_t family;
	unsigned int hooks; /* bits 1 << hook of its base chains */
};

struct nftscan {
	size_t n;
	struct nftscan_found list[NFTSCAN_FOUND_MAX];
	bool is_over;          /* there is more than fits: nothing may be concluded */
	uint32_t n_chains;     /* foreign base chains */
	uint32_t n_nat_chains; /* those of type nat among them */
	size_t n_guards;
	char guards[NFTSCAN_GUARDS_MAX]
		   [IFNAMSIZ]; /* devices with a chain of our guard that has rules */
	size_t n_tables;
	struct nftscan_table tables[NFTSCAN_TABLES_MAX]; /* foreign ones with base chains */
};

/* Reads the ruleset. Errors: 0; -EBUSY when it keeps changing; -EPERM...; -errno. */
int nftscan_look(struct kernio *k, struct nftscan *ret) _warn_unused_;
