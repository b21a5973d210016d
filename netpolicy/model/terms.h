/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a policy means: for each direction an ordered list of terms, the first that fits decides.
 * Everything is in it, what is written and what is implied (rows 1 to 5 and 16 of docs/policy.md),
 * without chains, sets and jumps. The proof reasons over these lists, explain walks them for one
 * packet, --effective prints them. netpolicy/emit does not use them, on purpose: that both mean the
 * same is what the tests with packets show. Pure.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/model/policy.h"

/* Where a packet comes in or goes out. */
enum terms_link {
	TERMS_LO,
	TERMS_UP,
	TERMS_TUN,
	TERMS_OTHER, /* an interface that the policy does not name */
	TERMS_LINKS,
};

/* Conntrack's word for a packet. */
enum terms_ct {
	TERMS_NEW,
	TERMS_ESTABLISHED,
	TERMS_RELATED,
	TERMS_INVALID,
	TERMS_UNTRACKED,
	TERMS_CTS,
};

/* What only the routing tables of the host, or the frame, can tell. Nobody asks for the first three
 * where the words in brackets hold, so a packet has the bit only otherwise. A routing header is not
 * modelled: the kernel's rules drop it, whatever else holds. */
enum terms_fact {
	/* in: the source is an address of this host [for a multicast group] */
	TERMS_OWN_SOURCE = 1 << 0,
	/* in, uplinks: no route to the source by the link it came from [link-local, unspecified] */
	TERMS_NO_WAY_BACK = 1 << 1,
	TERMS_LATER_FRAGMENT = 1 << 2, /* out, guard: a fragment without the ports */
	TERMS_FALSE_FRAME = 1 << 3,    /* out, guard: neither IPv6, IPv4 nor ARP, or it lies */
	/* out: the source is no address of this host [link-local, unspecified] */
	TERMS_FALSE_SOURCE = 1 << 4,
	TERMS_FACTS = 5, /* how many */
};

enum terms_verdict {
	TERMS_ACCEPT,
	TERMS_DROP,
	TERMS_REJECT,
};

/* One packet, for explain and for tests. "far" is the other end, "near" is this host. */
struct terms_packet {
	enum policy_dir dir;
	bool from_packet_socket; /* out: passes the guard only */
	enum terms_link link;
	uint8_t family;               /* 4 or 6 */
	struct in6_addr far, near;    /* IPv4-mapped for family 4 */
	uint8_t proto;                /* protocol number */
	uint16_t far_port, near_port; /* TCP, UDP */
	uint8_t icmp_type;            /* ICMPv6 */
	uint8_t hop_limit;
	enum terms_ct ct;
	bool has_uid; /* out: it has a socket with an owner */
	uint32_t uid;
	uint32_t mark;
	uint32_t grants; /* bit i: the far end has a live grant of policy.grants[i] */
	uint32_t facts;  /* enum terms_fact */
};

/* All fields that are given must fit. Pointers are borrowed from the policy or static. */
struct terms_match {
	unsigned int links;           /* bits 1 << enum terms_link; 0 = all */
	uint8_t family;               /* 4, 6; 0 = both */
	const struct policy_net *far; /* the other end lies there; NULL = anywhere */
	const struct policy_prefixes *far_in, *near_in; /* as far, for what is implied; NULL */
	uint8_t proto;                                  /* 0 = all */
	const struct policy_ports *ports; /* of the served end (near when in, far when out) */
	struct policy_port far_ports, near_ports; /* low == 0: all; proto is not looked at */
	size_t n_types;
	uint8_t types[8]; /* ICMPv6, with proto ICMPv6; n_types == 0: all */
	bool needs_hop_255;
	unsigned int cts; /* bits 1 << enum terms_ct; 0 = all */
	bool has_mark;
	uint32_t mark;
	const struct policy_users *users; /* NULL = whoever, also nobody */
	size_t grant;                     /* POLICY_NONE = whatever */
	bool grant_absent;                /* the grant is not live */
	uint32_t facts;                   /* all of these hold */
};

struct terms_item {
	struct terms_match match;
	enum terms_verdict verdict;
	unsigned int row;             /* of docs/policy.md */
	char where[POLICY_WHERE_MAX]; /* "policy.conf:17"; "" = implied */
	char what[POLICY_REMARK_MAX]; /* words for people, of implied terms too */
	size_t rule;                  /* index into policy.rules; POLICY_NONE */
};

struct terms_list {
	struct terms_item *list; /* owned */
	size_t n, cap;
};

/* A packet out passes "out" and then "guard" (which speaks of uplinks only); from a packet socket
 * the guard alone. The last term of each list fits everything. */
struct terms {
	const struct policy *policy; /* borrowed */
	struct terms_list in, out, guard;
};

struct terms_answer {
	enum terms_verdict verdict;
	bool by_guard;
	const struct terms_item *item; /* the deciding term */
};

/* Makes the lists of @p, which policy_finish() and policy_check() have seen and which must outlive
 * them. @ret is released by the caller also after an error. Errors: 0; -ENOMEM. */
int terms_make(const struct policy *p, struct terms *ret) _warn_unused_;

/* Decides one packet. Borrows all. */
struct terms_answer terms_decide(const struct terms *t, const struct terms_packet *packet);

/* True when the packet fits. */
bool terms_fits(const struct policy *p, const struct terms_match *match,
		const struct terms_packet *packet);

/* "accept", "drop", "reject". Static. */
const char *terms_verdict_name(enum terms_verdict v);

/* Releases; all zero afterwards. For _cleanup_(terms_release). */
void terms_release(struct terms *t);
