/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a proof about our tables takes for granted of the rest of the host, looked up on this host:
 * foreign chains that could change or divert packets, tc filters and XDP programs on the uplinks,
 * forwarding, sysctls, the guard on every uplink, the tunnel a WireGuard interface with our mark.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define ASSUME_MAX 128
#define ASSUME_TEXT_MAX 160

enum assume_outcome {
	ASSUME_HOLDS,
	ASSUME_BROKEN,
	ASSUME_UNKNOWN, /* no right to look, or the kernel cannot tell */
};

struct assume_row {
	char id[40]; /* "forwarding-off", "no-foreign-nat" */
	enum assume_outcome outcome;
	char text[ASSUME_TEXT_MAX]; /* what was looked at and found */
};

struct assume_input {
	const char (*uplinks)[IFNAMSIZ];
	size_t n_uplinks;
	const char (*tunnels)[IFNAMSIZ];
	size_t n_tunnels;
	uint32_t mark; /* of WireGuard's packets; 0 = there is no tunnel */
};

struct assume_report {
	size_t n, n_broken, n_unknown;
	struct assume_row list[ASSUME_MAX];
};

/* Looks at this network namespace. Rows are always given; what cannot be looked at is unknown.
 * Errors: 0; -ENOMEM. */
int assume_look(const struct assume_input *in, struct assume_report *ret) _warn_unused_;
