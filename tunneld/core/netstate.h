/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Everything of ours in the kernel of one host, as plain values: the WireGuard interface with its
 * addresses and peers, the routes of our table and our rule. The same shape says what there is
 * (filled by tunneld/kern) and what there should be (filled by the host); plan.h turns the
 * difference into steps. May hold pre-shared keys: wipe it. Pure.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"
#include "common/secret.h"
#include "tunneld/core/wgkey.h"

#define NETSTATE_ADDRS_MAX 8
#define NETSTATE_PEERS_MAX 16
#define NETSTATE_ALLOWED_MAX 16 /* prefixes per peer */
#define NETSTATE_CLOSED_MAX 17  /* refusals of the configuration: gateways_prefix, config_nets */
/* And for each prefix of each peer a way out and a refusal behind it. */
#define NETSTATE_ROUTES_MAX (NETSTATE_CLOSED_MAX + 2 * NETSTATE_PEERS_MAX * NETSTATE_ALLOWED_MAX)

#define NETSTATE_TABLE 20559         /* 0x504f; docs/protocol, kernel state on the host */
#define NETSTATE_RULE_PRIORITY 20559 /* before the main table's 32766 */
#define NETSTATE_FWMARK 0x504f
#define NETSTATE_METRIC_DEV 1024            /* the kernel's IP6_RT_PRIO_USER */
#define NETSTATE_METRIC_UNREACHABLE 4000000 /* any number above the device routes' */

/* What of the kernel is ours. */
struct netstate_names {
	char ifname[IFNAMSIZ];
	char spare[IFNAMSIZ];   /* our second interface during a rotation: its routes in our table
				 * are left alone; "" = none */
	uint32_t table;         /* of the routes */
	uint32_t rule_priority; /* 0: no rule is ours */
	uint32_t fwmark;        /* of the rule */
};

struct netstate_link {
	bool present;
	bool is_wireguard; /* false: a stranger's interface that has our name */
	bool up;
	bool has_key;
	struct wgkey public_key; /* when has_key; never compared, the kernel's counts */
	uint32_t mtu;            /* bytes */
	uint32_t fwmark;
	uint16_t listen_port; /* host byte order; wanted 0 = whatever there is */
};

struct netstate_addr {
	struct in6_addr addr; /* unique in a state */
	uint8_t len;          /* of its prefix, 128 on a host */
};

struct netstate_peer {
	struct wgkey key;             /* unique in a state */
	bool has_psk;                 /* there is (to be) one */
	bool knows_psk;               /* @psk holds it; wanted without: the kernel's stays */
	struct secret psk;            /* wipe */
	struct ip6_endpoint endpoint; /* port 0: none there; wanted: the kernel's stays */
	uint16_t keepalive_s;         /* 0 = off */
	struct ip6_prefix allowed[NETSTATE_ALLOWED_MAX];
	size_t n_allowed;
	bool allows_more;         /* read only: more or other prefixes than @allowed can hold */
	int64_t handshake_wall_s; /* read only: last handshake, wall clock; 0 = never */
	uint64_t rx_bytes;        /* read only */
	uint64_t tx_bytes;        /* read only */
};

enum netstate_kind {
	NETSTATE_DEV,         /* to our interface */
	NETSTATE_UNREACHABLE, /* refuses */
	NETSTATE_STRAY,       /* read only: anything else in our table; not ours, but leaks */
};

struct netstate_route {
	struct ip6_prefix prefix; /* with @metric unique in a state */
	enum netstate_kind kind;
	uint32_t metric; /* not 0 */
};

struct netstate {
	struct netstate_link link;
	struct netstate_addr addrs[NETSTATE_ADDRS_MAX]; /* without link-local ones */
	size_t n_addrs;
	struct netstate_peer peers[NETSTATE_PEERS_MAX];
	size_t n_peers;
	struct netstate_route routes[NETSTATE_ROUTES_MAX];
	size_t n_routes;
	bool rule;            /* `not fwmark F lookup T` at our priority */
	uint32_t stale_rules; /* read only: other rules with our priority and our table */
	bool truncated;       /* read only: the kernel has more than fits here: apply, read again */
};

/* Wipes all of @s to zero, secrets included. For _cleanup_(netstate_wipe). Borrows @s. */
void netstate_wipe(struct netstate *s);

/* Adds an address, a route or a peer (copied, with its secret); what is already there (same
 * address; same prefix and metric; same key) is replaced.
 * Errors: 0; -ENOSPC at the limit, @s unchanged. */
int netstate_put_addr(struct netstate *s, const struct netstate_addr *addr) _warn_unused_;
/* As netstate_put_addr(). */
int netstate_put_route(struct netstate *s, const struct netstate_route *route) _warn_unused_;
/* As netstate_put_addr(). */
int netstate_put_peer(struct netstate *s, const struct netstate_peer *peer) _warn_unused_;
/* Adds @prefix to the peer unless it is there. Errors: 0; -ENOSPC at the limit. */
int netstate_put_allowed(struct netstate_peer *peer, const struct ip6_prefix *prefix) _warn_unused_;

/* Gives the address, peer or route of @s with that identity, NULL when there is none. Borrows. */
const struct netstate_addr *netstate_find_addr(const struct netstate *s, const struct in6_addr *a);
/* As netstate_find_addr(). */
const struct netstate_peer *netstate_find_peer(const struct netstate *s, const struct wgkey *key);
/* As netstate_find_addr(). */
const struct netstate_route *netstate_find_route(const struct netstate *s,
						 const struct ip6_prefix *prefix, uint32_t metric);
/* True when the peer may use exactly @prefix. */
bool netstate_allows(const struct netstate_peer *peer, const struct ip6_prefix *prefix);
