/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Network interfaces: what one is like, setting it up, its MTU. Made and removed by wgdev.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"

#define RTLINK_KIND_MAX 16 /* bytes, with NUL; "wireguard" */

struct nlsock;

struct rtlink {
	int ifindex;
	char kind[RTLINK_KIND_MAX]; /* "" for hardware */
	bool up;
	uint32_t mtu; /* bytes */
};

/* Reads the interface named @ifname. Errors: 0; -ENODEV; -errno. */
int rtlink_read(struct nlsock *s, const char *ifname, struct rtlink *ret) _warn_unused_;

/* Sets it up; success when it is. Errors: 0; -ENODEV; -errno. */
int rtlink_set_up(struct nlsock *s, const char *ifname) _warn_unused_;

/* Sets the MTU in bytes. Below 1280 the kernel takes IPv6 away from the interface.
 * Errors: 0; -ENODEV; -EINVAL; -errno. */
int rtlink_set_mtu(struct nlsock *s, const char *ifname, uint32_t mtu) _warn_unused_;
