/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The host policy that the product ships, tier compute: from a handful of settings to the model.
 * The rows are those of the table in docs/policy.md. Checks what one setting alone cannot show:
 * rules that could never match, or that would go around the tunnel.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/model/policy.h"

#define HOSTPOLICY_USER_MAX 64   /* bytes of a user name with the NUL */
#define HOSTPOLICY_EGRESS_MAX 32 /* named destinations */

struct hostpolicy_user {
	char name[HOSTPOLICY_USER_MAX]; /* "" = any user */
	uint32_t uid; /* filled by the caller: looking a name up is a system call */
};

struct hostpolicy_egress {
	char name[POLICY_NAME_MAX];
	struct policy_prefixes to;
	struct policy_ports ports;
	struct hostpolicy_user user;
};

/* Prefix lists may hold IPv4 only where it says so. */
struct hostpolicy {
	char name[POLICY_NAME_MAX];
	char tier[POLICY_NAME_MAX];
	uint32_t version;
	bool enforce;
	uint32_t log_rate;
	bool imds_ipv4; /* [policy] ipv4 = imds */
	bool imds_root; /* root may reach instance metadata as well */
	char tunnel[IFNAMSIZ], spare_tunnel[IFNAMSIZ];
	uint32_t mark, wg_port, exchange_port;
	size_t n_uplinks;
	char uplinks[POLICY_UPLINKS_MAX][IFNAMSIZ];
	struct policy_prefixes config_nets;
	struct ip6_prefix gateways_prefix;
	struct policy_prefixes dns, ntp, imds, identity;
	struct policy_ports identity_ports;
	struct hostpolicy_user certd;
	bool has_certd; /* such a user exists; else nobody has rows 7 and 10 */
	struct policy_ports management;
	struct policy_prefixes app_from; /* IPv4, too: networks inside the VPC */
	struct policy_ports app_ports;
	struct policy_prefixes peers;
	struct policy_ports peer_ports;
	size_t n_egress;
	struct hostpolicy_egress egress[HOSTPOLICY_EGRESS_MAX];
};

/* Builds the model. Borrows @h. Fills @ret, which policy_new() made.
 * Errors: 0; -EINVAL or -E2BIG with @ret_error filled for people. */
int hostpolicy_build(const struct hostpolicy *h, struct policy *ret,
		     char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;
