/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The gateway's side of the kernel: its interface with key, port, address and the route to its
 * hosts, and the peers as far as the lease store speaks for them. Adopts what is there, changes
 * only what differs, never flushes. Needs CAP_NET_ADMIN.
 */
#include <stddef.h>

#include "common/attr.h"
#include "common/secret.h"
#include "tunneld/core/wgkey.h"
#include "tunneld/gateway/gwconf.h"
#include "tunneld/gateway/leasedb.h"

/* Reads the private key (32 bytes, mode 0600) at @path, or makes one there.
 * Errors: 0; -EINVAL when the file is not a key; -errno. */
int gwkernel_load_key(const char *path, struct secret *ret) _warn_unused_;

/* Makes the interface what @conf says; peers are left alone. Gives the public key and, in
 * *ret_what, the step that failed (static). Errors: 0; -EEXIST when an interface of that name is
 * not WireGuard; -EOPNOTSUPP without WireGuard; -errno. */
int gwkernel_set_up(const struct gwconf *conf, const struct secret *key, struct wgkey *ret_public,
		    const char **ret_what) _warn_unused_;

struct gwkernel_sweep {
	size_t n_peers;   /* that stay */
	size_t n_swept;   /* peers removed: no lease speaks for them */
	size_t n_dropped; /* leases dropped: their pre-shared key is nowhere any more */
};

/* Brings peers and leases together: what only one side has goes. Errors: 0; -ENODEV; -errno. */
int gwkernel_adopt(const struct gwconf *conf, struct leasedb *db,
		   struct gwkernel_sweep *ret) _warn_unused_;
