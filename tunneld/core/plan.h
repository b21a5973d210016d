/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Desired minus actual: the shortest list of steps that turns the kernel's state into the wanted
 * one, in an order that fails closed (refusing routes and the rule come first, removals last).
 * Equal states give an empty plan. Only what is ours is ever touched. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "tunneld/core/netstate.h"

/* Our interface name belongs to an interface that is not WireGuard's. */
#define PLAN_E_FOREIGN_LINK 1

/* Each route of either state once, each peer and address of either once (an address whose prefix
 * length changes twice), and one of each remaining kind. */
#define PLAN_OPS_MAX (2 * (NETSTATE_ROUTES_MAX + NETSTATE_PEERS_MAX + NETSTATE_ADDRS_MAX) + 7)

enum plan_kind {
	PLAN_SET_ROUTE, /* route: create, or replace what has its prefix and metric */
	PLAN_ADD_RULE,
	PLAN_ADD_LINK,
	PLAN_SET_DEVICE, /* device */
	PLAN_SET_MTU,    /* mtu */
	PLAN_SET_PEER,   /* peer, flags */
	PLAN_DEL_ADDR,   /* addr */
	PLAN_ADD_ADDR,   /* addr */
	PLAN_SET_UP,
	PLAN_DEL_ROUTE,   /* route */
	PLAN_DEL_PEER,    /* peer: only its key counts */
	PLAN_SWEEP_RULES, /* rules of our priority and table that are not the wanted one; without a
			   * wanted one all of them */
	PLAN_DEL_LINK,
};

/* PLAN_SET_DEVICE: what to set. */
#define PLAN_DEVICE_KEY (1U << 0) /* make a new private key: the device has none */
#define PLAN_DEVICE_FWMARK (1U << 1)
#define PLAN_DEVICE_PORT (1U << 2)

/* PLAN_SET_PEER: what to set beside the allowed prefixes, which are always added. */
#define PLAN_PEER_PSK (1U << 0) /* an all-zero one when the peer is to have none */
#define PLAN_PEER_ENDPOINT (1U << 1)
#define PLAN_PEER_KEEPALIVE (1U << 2)
#define PLAN_PEER_REPLACE                                                                          \
	(1U << 3) /* drop the other allowed prefixes: leaves a moment without any */

struct plan_device {
	uint32_t fwmark;
	uint16_t listen_port;
};

struct plan_op {
	enum plan_kind kind;
	uint32_t flags; /* PLAN_DEVICE_… or PLAN_PEER_… */
	union {
		struct netstate_route route;
		struct netstate_addr addr;
		struct plan_device device;
		const struct netstate_peer *peer; /* borrowed from the wanted or the actual state */
		uint32_t mtu;                     /* bytes */
		bool keep_rule;                   /* PLAN_SWEEP_RULES: the exact one is wanted */
	};
};

struct plan {
	struct plan_op ops[PLAN_OPS_MAX];
	size_t n_ops;
	/* Bit i: peers[i] of the wanted state needs a pre-shared key that nobody knows; it was not
	 * added (or stays without one): exchange again. */
	uint32_t needs_psk;
};

/* Makes the plan from @have to @want. The plan borrows both: they must outlive it.
 * Errors: 0; PLAN_E_FOREIGN_LINK, nothing may be touched; -EINVAL when @want contradicts itself (a
 * count over its limit, an identity or an allowed prefix twice, a stray route, a peer, an address
 * or a device route without the interface). */
int plan_make(const struct netstate *want, const struct netstate *have,
	      struct plan *ret) _warn_unused_;

/* The word for a kind of step, for messages: "set route". Never NULL. */
const char *plan_kind_text(enum plan_kind kind);
