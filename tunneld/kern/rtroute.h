/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * IPv6 routes of one table: to an interface, or refusing. In a table that others use too
 * (RTROUTE_MAIN) only routes to the named interface are seen, and none is ever replaced.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/core/netstate.h"

#define RTROUTE_MAIN 254 /* RT_TABLE_MAIN, linux/rtnetlink.h */

struct nlsock;

/* Makes @route in the table of @names. A route with its prefix and metric is replaced in our own
 * table; in RTROUTE_MAIN success when it is exactly that one.
 * Errors: 0; -EEXIST when another's route is in the way (RTROUTE_MAIN only); -ENODEV; -ENETDOWN
 * when the interface is down; -errno. */
int rtroute_set(struct nlsock *s, const struct netstate_names *names,
		const struct netstate_route *route) _warn_unused_;

/* Removes the route of that table, prefix, metric and kind; success when there is none.
 * Errors: 0; -errno. */
int rtroute_del(struct nlsock *s, const struct netstate_names *names,
		const struct netstate_route *route) _warn_unused_;

/* Lists the routes of the table: at most @max into @ret, all of them counted in *ret_n, which may
 * be greater. Routes to names->spare are left out, as are the kernel's own.
 * Errors: 0; -EINTR: begin again; -errno. */
int rtroute_list(struct nlsock *s, const struct netstate_names *names, size_t max,
		 struct netstate_route *ret, size_t *ret_n) _warn_unused_;
