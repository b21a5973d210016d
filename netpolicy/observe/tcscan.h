/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What can take hold of packets at one interface beside nftables: filters of tc, programs attached
 * with tcx, XDP. Also what kind of interface it is. Filters that hang on a class inside of another
 * queue discipline than the outermost are not found.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define TCSCAN_KIND_MAX 32 /* bytes with the NUL */
#define TCSCAN_QDISCS_MAX 32

struct tcscan {
	int index;
	char kind[TCSCAN_KIND_MAX]; /* "wireguard", "veth"; "" for a network card */
	bool has_xdp;
	size_t n_filters;             /* of tc */
	char filter[TCSCAN_KIND_MAX]; /* kind of the first one: "matchall", "bpf" */
	bool is_ingress, is_egress;   /* where there are filters */
	uint32_t n_tcx;               /* programs attached by tcx links */
	int tcx_error;                /* -errno: cannot tell; 0 also when the kernel has no tcx */
};

/* Looks at interface @name. Errors: 0; -ENODEV; -errno. */
int tcscan_look(const char *name, struct tcscan *ret) _warn_unused_;
