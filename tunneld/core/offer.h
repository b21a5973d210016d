/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What one configuration server offers a host in one exchange, as plain values, and the check of
 * it against the host's own configuration. The worker that parsed it may be compromised, so the
 * privileged side believes nothing but what offer_check() lets through. Pure.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ip6.h"
#include "common/pst.h"
#include "tunneld/core/wgkey.h"

#define OFFER_NAME_MAX 64      /* bytes of a zone or gateway name, with NUL */
#define OFFER_URL_MAX 128      /* bytes of a gateway URL, with NUL */
#define OFFER_ENDPOINTS_MAX 4
#define OFFER_ROUTES_MAX 16
#define OFFER_GATEWAYS_MAX 16
#define OFFER_KEEPALIVE_MAX_S 300
#define OFFER_MTU_MIN 1280     /* RFC 8200, section 5 */
#define OFFER_MTU_MAX 9000
#define OFFER_RENEW_MIN_S 5
#define OFFER_LEASE_MAX_S (30 * 86400)

struct offer_gateway {
	char name[OFFER_NAME_MAX];
	char url[OFFER_URL_MAX];
};

struct offer {
	char zone[OFFER_NAME_MAX];
	struct in6_addr host_addr; /* the host's tunnel address, a /128 */
	char gateway_name[OFFER_NAME_MAX];
	struct wgkey gateway_key;
	struct in6_addr gateway_addr; /* inside the tunnel */
	struct ip6_endpoint endpoints[OFFER_ENDPOINTS_MAX];
	size_t n_endpoints;
	struct ip6_prefix routes[OFFER_ROUTES_MAX];
	size_t n_routes;
	uint32_t keepalive_s; /* 0 = off */
	uint32_t mtu;         /* bytes */
	uint64_t epoch;       /* of the PSK, wall clock seconds of the gateway */
	uint32_t renew_after_s;
	uint32_t expires_after_s;
	struct offer_gateway gateways[OFFER_GATEWAYS_MAX]; /* information only */
	size_t n_gateways;
};

#define OFFER_NETS_MAX 16

/* What the host's configuration allows. */
struct offer_limits {
	char zone[OFFER_NAME_MAX];
	struct ip6_prefix hosts_prefix;               /* tunnel addresses of hosts */
	struct ip6_prefix gateways_prefix;            /* tunnel addresses of gateways */
	struct ip6_prefix config_nets[OFFER_NETS_MAX]; /* public, of configuration servers */
	size_t n_config_nets;
};

/* Checks every field of @o against @limits. Gives PST_NONE when it may be used, else the code of
 * the first violation (13xx, PST_KEY_WEAK). Borrows both. */
enum pst offer_check(const struct offer *o, const struct offer_limits *limits);
