/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * WireGuard interfaces, through the embeddable library, which is at home here only. The library
 * does not wipe what it frees; these functions do, as far as they can reach. Never replaces all
 * peers. Works in the current network namespace. Needs CAP_NET_ADMIN.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"
#include "common/secret.h"
#include "tunneld/core/wgkey.h"

#define WGDEV_BATCH 256 /* peers per call of the library: a list of that many is built at a time */

/* wgdev_put_peers(): what to set beside adding the allowed prefixes. */
#define WGDEV_PEER_PSK (1U << 0) /* all zero: none */
#define WGDEV_PEER_ENDPOINT (1U << 1)
#define WGDEV_PEER_KEEPALIVE (1U << 2)
#define WGDEV_PEER_REPLACE (1U << 3) /* the other allowed prefixes go */

struct wgdev_peer {
	struct wgkey key;
	struct secret psk;                /* all zero: none */
	uint32_t flags;                   /* WGDEV_PEER_…, for wgdev_put_peers() */
	struct ip6_endpoint endpoint;     /* port 0: none, or IPv4 */
	uint16_t keepalive_s;             /* 0 = off */
	bool allows_ip4;                  /* read only: IPv4 prefixes are not listed */
	const struct ip6_prefix *allowed; /* borrowed; in a dump part of it */
	size_t n_allowed;
	int64_t handshake_wall_s; /* read only: last one, wall clock; 0 = never */
	uint64_t rx_bytes;        /* read only */
	uint64_t tx_bytes;        /* read only */
};

struct wgdev_dump {
	bool has_key;
	struct wgkey public_key; /* when has_key */
	uint32_t fwmark;         /* 0 = none */
	uint16_t listen_port;    /* host byte order */
	struct wgdev_peer *peers;
	size_t n_peers;
	struct ip6_prefix *prefixes; /* what peers[].allowed point into */
};

/* Makes the interface, down and without a key. Errors: 0; -EEXIST; -EOPNOTSUPP when the kernel has
 * no WireGuard; -errno. */
int wgdev_create(const char *ifname) _warn_unused_;

/* Removes the interface with its key, addresses and routes; its peers before, by key: the kernel
 * takes 17 ms for each peer that is left (6.1), and some 50 us by key.
 * Errors: 0; -ENODEV; -EOPNOTSUPP when it is not WireGuard's: nothing is done; -errno. */
int wgdev_delete(const char *ifname) _warn_unused_;

/* Makes a private key and hands it to the kernel; it is nowhere else afterwards. Gives the public
 * half. Existing sessions of the interface end. Errors: 0; -ENODEV; -errno. */
int wgdev_make_key(const char *ifname, struct wgkey *ret_public) _warn_unused_;

/* Hands @key to the kernel unless the interface has it already, and then nothing is disturbed; for
 * a gateway, whose key outlives its interface. Borrows @key. Gives the public half.
 * Errors: 0; -ENODEV; -errno. */
int wgdev_set_key(const char *ifname, const struct secret *key,
		  struct wgkey *ret_public) _warn_unused_;

/* Sets the mark of the outer packets. Errors: 0; -ENODEV; -errno. */
int wgdev_set_fwmark(const char *ifname, uint32_t fwmark) _warn_unused_;

/* Sets the UDP port, host byte order. Errors: 0; -ENODEV; -EADDRINUSE; -errno. */
int wgdev_set_port(const char *ifname, uint16_t port) _warn_unused_;

/* Adds or changes @n peers, any number, WGDEV_BATCH at a time: what comes before an error is done,
 * the rest is not. An allowed prefix that another peer has moves over. Borrows @peers.
 * Errors: 0; -ENODEV; -ENOMEM; -errno. */
int wgdev_put_peers(const char *ifname, const struct wgdev_peer *peers, size_t n) _warn_unused_;

/* Removes @n peers; who is not there is no error. Borrows @keys.
 * Errors: 0; -ENODEV; -ENOMEM; -errno. */
int wgdev_remove_peers(const char *ifname, const struct wgkey *keys, size_t n) _warn_unused_;

/* Reads the interface and all its peers. Gives *ret, wgdev_dump_free() it.
 * Errors: 0; -ENODEV; -EOPNOTSUPP; -ENOMEM; -errno. */
int wgdev_read(const char *ifname, struct wgdev_dump *ret) _warn_unused_;

/* Wipes and frees what @d holds, not @d. For _cleanup_(wgdev_dump_free) on a zeroed struct. */
void wgdev_dump_free(struct wgdev_dump *d);
