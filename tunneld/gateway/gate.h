/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who gets a peer: the keeper's judgement of what a worker asks for. The worker may be compromised,
 * so everything that the keeper can know by itself is checked again. Pure: leases and time come
 * in, a verdict goes out.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"
#include "tunneld/core/wgkey.h"
#include "tunneld/gateway/gwconf.h"
#include "tunneld/proto/gwframe.h"

#define GATE_EPOCH_SLACK_S 300 /* how far a worker's clock reading may be from the keeper's */
#define GATE_REMOVE_MAX 2      /* peers that one grant can replace: the identity's, the address's */

/* One granted exchange as the store keeps it; nothing secret. */
struct gate_lease {
	char principal[GWFRAME_PRINCIPAL_MAX];
	char provider[GWFRAME_PROVIDER_MAX];
	char instance_id[GWFRAME_INSTANCE_MAX];
	char serial[GWFRAME_SERIAL_MAX];
	struct wgkey key;      /* unique among leases */
	struct in6_addr addr;  /* unique among leases */
	uint64_t epoch;        /* of the PSK, seconds since 1970 */
	uint64_t granted_wall; /* seconds since 1970 */
	uint64_t expires_wall;
};

/* The leases that a grant may collide with; NULL = none. */
struct gate_holders {
	const struct gate_lease *by_key;
	const struct gate_lease *by_addr;
	const struct gate_lease *by_identity;
};

/* Keys whose leases and peers go when the grant is carried out. */
struct gate_plan {
	struct wgkey remove[GATE_REMOVE_MAX];
	size_t n_remove;
};

/* True when @principal is on the list. Borrows both. */
bool gate_serves(const struct gwconf *conf, const char *principal);

/* Judges a grant by itself. Gives PST_NONE, or why not; PST_GATEWAY_WORKER when no honest worker
 * would have sent it. Borrows all. */
enum pst gate_check(const struct gwconf *conf, const struct gwframe_grant *grant,
		    uint64_t now_wall);

/* The lease that @grant asks for. Borrows both. */
struct gate_lease gate_make_lease(const struct gwconf *conf, const struct gwframe_grant *grant,
				  uint64_t now_wall);

/* Judges a lease against those it meets; an expired one of another identity gives way. Gives
 * PST_NONE and *ret, or why not. Borrows all. */
enum pst gate_decide(const struct gate_lease *wanted, const struct gate_holders *holders,
		     uint64_t now_wall, struct gate_plan *ret);
