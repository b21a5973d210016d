/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What one line of a page alone cannot show: the tier of the host, the zone through the tunnel
 * only, IPv4 inside the VPC only, lines that say nothing. For policy_check() only.
 */
#include "common/attr.h"
#include "netpolicy/model/policy.h"

/* Shortest prefix of config and gateways, and of a network that is not as good as "any": what the
 * registries give to one organisation is longer. */
#define POLICYCHECK_WIDE_BITS 16
/* Shortest prefix of dns, ntp and imds, which every tier may reach: their lines name addresses, but
 * neighbours are merged. */
#define POLICYCHECK_SERVICE_BITS 120

/* Links and networks. Errors: 0; -EINVAL with words in @ret_error. */
int policycheck_nets(const struct policy *p, char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* Lines and grants, each on its own and with the tier. Errors: as policycheck_nets(). */
int policycheck_lines(const struct policy *p,
		      char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* Lines against lines and grants. Errors: as policycheck_nets(). */
int policycheck_doubles(const struct policy *p,
			char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;
