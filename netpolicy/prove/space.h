/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All packets, as variables of decision diagrams: one field of struct terms_packet after the other.
 * What most sets share is at the end: the far address is last, so that a list of 100,000 prefixes
 * is one diagram that every set with that list ends in, however many ports and users come before.
 */
#include "common/attr.h"
#include "netpolicy/model/terms.h"
#include "netpolicy/prove/bdd.h"

enum space_field {
	SPACE_DIR,    /* enum policy_dir */
	SPACE_SOCKET, /* from_packet_socket */
	SPACE_LINK,
	SPACE_FAMILY, /* 0 = IPv6, 1 = IPv4 */
	SPACE_GRANTS, /* most significant first: grant i has the value 1 << i; room for two pages */
	SPACE_FACTS,
	SPACE_HOP, /* the hop limit is 255 */
	SPACE_CT,
	SPACE_HAS_UID,
	SPACE_UID,
	SPACE_MARK,
	SPACE_PROTO,
	SPACE_TYPE,
	SPACE_NEAR_PORT,
	SPACE_FAR_PORT,
	SPACE_NEAR,
	SPACE_FAR,
	SPACE_FIELDS,
};

#define SPACE_VARS (10 + 2 * POLICY_GRANTS_MAX + TERMS_FACTS + 2 * 32 + 2 * 8 + 2 * 16 + 2 * 128)

struct space_known; /* a list of prefixes that has been looked at */

struct space {
	struct bdd_manager *m;     /* owned */
	bdd valid;                 /* packets that can be: a type only with ICMPv6, and the like */
	struct space_known *known; /* owned */
	size_t n_known, cap_known;
	int failed;
};

/* Makes an empty space whose diagrams grow to at most @max nodes. @ret is released by the caller
 * also after an error. Errors: 0; -ENOMEM; -EFBIG. */
int space_init(struct space *ret, size_t max) _warn_unused_;
/* Releases. For _cleanup_(space_release). */
void space_release(struct space *s);

/* 0; -ENOMEM; -EFBIG: sets since then are empty and mean nothing. */
int space_failed(const struct space *s) _warn_unused_;

/* Packets with that value in a field of at most 32 bits. */
bdd space_value(struct space *s, enum space_field field, uint32_t value);
/* Packets with a value of @low...@high in a field of at most 32 bits. */
bdd space_values(struct space *s, enum space_field field, uint32_t low, uint32_t high);
/* Packets with one of the values i of a field of at most 5 bits whose bit 1 << i is in @bits; all
 * when @bits is 0. */
bdd space_bits(struct space *s, enum space_field field, unsigned int bits);

/* Packets whose address is in the list and of the family of the prefix. Borrows @set until the
 * space is released. */
bdd space_prefixes(struct space *s, enum space_field field, const struct policy_prefixes *set);
/* Packets whose far end is in the network; as space_prefixes(). */
bdd space_net(struct space *s, const struct policy_net *net);
/* Packets of TCP or UDP whose port in @field is one of @ports; all packets when there are none. */
bdd space_ports(struct space *s, enum space_field field, const struct policy_ports *ports);
/* Packets of one of the users; all packets when there are none. */
bdd space_users(struct space *s, const struct policy *p, const struct policy_users *users);

/* The set without what it says of the field. */
bdd space_forget(struct space *s, bdd set, enum space_field field);

/* First variable and number of variables of a field. */
unsigned int space_first(enum space_field field);
/* As space_first(). */
unsigned int space_width(enum space_field field);

/* A packet of a set that is not empty, as plain as the set allows: an ordinary connection with
 * documentation addresses, client ports of 1024 and more, no mark. */
void space_pick(const struct space *s, bdd set, struct terms_packet *ret);
/* One that is as @like wherever that is possible. */
void space_pick_like(const struct space *s, bdd set, const struct terms_packet *like,
		     struct terms_packet *ret);
/* True when the packet is in the set. */
bool space_has(const struct space *s, bdd set, const struct terms_packet *packet);
