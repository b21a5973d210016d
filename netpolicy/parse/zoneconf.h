/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What netpolicy reads of postern.conf: [zone] and [tunnel], which tunneld obeys, and certd's user.
 * The page of policy is another file; this is to see whether both speak of the same tunnel, and to
 * write the first page.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "common/conf.h"
#include "common/ip6.h"
#include "netpolicy/model/policy.h"

#define ZONECONF_PATH "/etc/postern/postern.conf"

struct zoneconf {
	char tunnel[IFNAMSIZ], spare_tunnel[IFNAMSIZ];
	uint32_t mark, wg_port, exchange_port;
	struct policy_prefixes config_nets; /* owned */
	struct ip6_prefix gateways_prefix;
	char certd_user[POLICY_NAME_MAX]; /* of [certd] user, without a group; "" = root */
	struct ip6_endpoint issuer, sts; /* [certd] zts_address, [aws] sts_address; port 0 = none */
};

/* Reads @path and its drop-ins. @ret is released by the caller also after an error.
 * Errors: 0; -errno as conf_load(), @ret_error filled. */
int zoneconf_load(const char *path, struct zoneconf *ret,
		  struct conf_error *ret_error) _warn_unused_;

/* As zoneconf_load() for text in memory; @name stands for the file in errors. */
int zoneconf_load_text(const char *name, const char *text, struct zoneconf *ret,
		       struct conf_error *ret_error) _warn_unused_;

/* Adds to @p what the tunnel needs as a claim ("the tunnel works"): WireGuard, the exchange and
 * neighbour discovery out of the uplinks. A policy that violates it cuts the tunnel; what may pass
 * inside is the page's choice. The links and networks of @p, which policy_finish() has seen, must
 * be those of postern.conf; else the reason is in @ret_error.
 * Errors: 0; -EINVAL with @ret_error; -E2BIG; -ENOMEM. */
int zoneconf_claims(const struct zoneconf *z, struct policy *p,
		    char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* Writes a first page for a host of @tier with these uplinks, blank-separated: what the tunnel, the
 * identity and the cloud need and nothing else, with claims. Errors: 0; -ENOMEM, -EFBIG. */
int zoneconf_first_page(const struct zoneconf *z, enum policy_tier tier, const char *uplinks,
			struct buf *to) _warn_unused_;

/* Releases. For _cleanup_(zoneconf_release). */
void zoneconf_release(struct zoneconf *z);
