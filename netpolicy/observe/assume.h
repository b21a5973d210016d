/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a proof about our tables takes for granted of the rest of the host, looked up on this host:
 * foreign chains that could change or divert packets, tc filters and XDP programs on the uplinks,
 * forwarding, sysctls, the guard on every uplink, the tunnel a WireGuard interface with our mark.
 * What cannot weaken a claim, yet is worth knowing, is a note: it decides nothing.
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

/* Which claims need a row. */
enum {
	ASSUME_ON_IN = 1 << 0,  /* those about packets that come in */
	ASSUME_ON_OUT = 1 << 1, /* those about packets that go out */
	ASSUME_ON_BOTH = ASSUME_ON_IN | ASSUME_ON_OUT,
};

struct assume_row {
	char id[40]; /* "forwarding-off", "no-foreign-nat", "guard-on-eth0" */
	enum assume_outcome outcome;
	unsigned int bears_on;      /* bits ASSUME_ON_…; 0 = a note */
	char text[ASSUME_TEXT_MAX]; /* what was looked at and found */
};

struct assume_input {
	const char (*uplinks)[IFNAMSIZ];
	size_t n_uplinks;
	const char (*tunnels)[IFNAMSIZ];
	size_t n_tunnels;
	uint32_t mark; /* of WireGuard's packets; 0 = there is no tunnel */
};

/* Notes are in no count. When rows had to be left out, the last one says so and is unknown. */
struct assume_report {
	size_t n, n_broken, n_unknown;
	struct assume_row list[ASSUME_MAX];
};

/* Looks at this network namespace. Rows are always given; what cannot be looked at is unknown.
 * Errors: 0; -ENOMEM. */
int assume_look(const struct assume_input *in, struct assume_report *ret) _warn_unused_;

/* Adds a row, for callers that know of more. Borrows all. */
void assume_add(struct assume_report *r, const struct assume_row *row);

/* "holds", "broken", "unknown". Static. */
const char *assume_outcome_name(enum assume_outcome outcome);
