/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Away from the host, and back to nobody: a user and network namespace in which every user number
 * exists, but stands for one that owns nothing outside. Root is needed for that, only to write the
 * map and to open the tunnel device; a caller without root has its own number alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define ORACLENS_TUNS_MAX 16
#define ORACLENS_UIDS UINT32_C(0x7ffffffe) /* user numbers below this one exist in there */

struct oraclens {
	int tuns[ORACLENS_TUNS_MAX]; /* open, of /dev/net/tun; not yet interfaces */
	size_t n;
	bool has_uids; /* else the own one alone */
	bool is_plain; /* no user namespace: root made the network namespace */
};

/* Moves this process there and opens @n descriptors of the tunnel device. *ret is filled as far as
 * it came. On an error *ret_what names the step, static.
 * Errors: 0; -EPERM; -ENOENT; -errno. */
int oraclens_enter(size_t n, struct oraclens *ret, const char **ret_what) _warn_unused_;

/* Gives up what is left of the power over the host, when the sockets of other users are open. A
 * second call would fail. Errors: 0; -errno. */
int oraclens_drop(const struct oraclens *ns) _warn_unused_;
