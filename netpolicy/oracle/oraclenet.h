/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The interfaces of the scratch namespace and what its routing tables say: which addresses are the
 * host's own, and to which there is no way back. Changed from packet to packet, only where a packet
 * needs it otherwise.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define ORACLENET_LINKS_MAX 16

/* What an address is to this host. */
enum oraclenet_kind {
	ORACLENET_FAR,     /* somewhere behind the present link */
	ORACLENET_OWN,     /* an address of this host */
	ORACLENET_NOWHERE, /* no route to it */
	ORACLENET_GROUP,   /* a multicast group that this host has joined */
};

struct oraclenet_link {
	char name[IFNAMSIZ];
	int index;
	int fd; /* of the tunnel device, not owned; -1 for lo */
	bool is_tap;
	uint8_t mac[6];
};

struct oraclenet;

/* Opens a netlink socket in this network namespace, sets what the kernel does by itself to rest,
 * brings lo up. Gives *ret. Errors: 0; -ENOMEM; -errno. */
int oraclenet_open(struct oraclenet **ret) _warn_unused_;
/* Closes. Accepts NULL. */
void oraclenet_close(struct oraclenet *net);
/* oraclenet_close() for _cleanup_(oraclenet_closep). */
void oraclenet_closep(struct oraclenet **net);

/* Turns @fd of the tunnel device into the interface @name, with or without Ethernet, and brings it
 * up. Gives its number in *ret_link for oraclenet_link(). Errors: 0; -errno. */
int oraclenet_add(struct oraclenet *net, const char *name, int fd, bool is_tap,
		  size_t *ret_link) _warn_unused_;

/* A link; number 0 is lo. */
const struct oraclenet_link *oraclenet_link(const struct oraclenet *net, size_t link);

/* Routes everything that is not local by @link from now on. Errors: 0; -errno. */
int oraclenet_choose(struct oraclenet *net, size_t link) _warn_unused_;

/* Makes @addr (IPv4-mapped for IPv4) what is wanted; @link matters for link-local addresses and
 * groups. Errors: 0; -errno, also when an address cannot be that. */
int oraclenet_want(struct oraclenet *net, const struct in6_addr *addr, enum oraclenet_kind kind,
		   size_t link) _warn_unused_;
