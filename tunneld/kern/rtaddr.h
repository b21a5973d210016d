/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * IPv6 addresses of an interface: set without duplicate address detection (a tunnel has no
 * neighbours to ask) and without the kernel's own route to the prefix (routes are ours to make).
 */
#include <stddef.h>

#include "common/attr.h"
#include "tunneld/core/netstate.h"

struct nlsock;

/* Adds the address; success when the interface has exactly it.
 * Errors: 0; -EEXIST when it is there with another prefix length; -ENODEV; -errno. */
int rtaddr_add(struct nlsock *s, const char *ifname,
	       const struct netstate_addr *addr) _warn_unused_;

/* Removes the address; success when it is not there. Errors: 0; -errno. */
int rtaddr_del(struct nlsock *s, const char *ifname,
	       const struct netstate_addr *addr) _warn_unused_;

/* Lists the addresses of the interface that are not link-local: at most @max into @ret, all of them
 * counted in *ret_n, which may be greater. No such interface: none.
 * Errors: 0; -EINTR: begin again; -errno. */
int rtaddr_list(struct nlsock *s, const char *ifname, size_t max, struct netstate_addr *ret,
		size_t *ret_n) _warn_unused_;
