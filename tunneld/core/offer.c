/* SPDX-License-Identifier: MIT */
#include "tunneld/core/offer.h"

#include <stdbool.h>
#include <string.h>

static bool offer_in_nets(const struct offer_limits *limits, const struct ip6_prefix *p)
{
	for (size_t i = 0; i < limits->n_config_nets; i++)
		if (ip6_prefix_covers(&limits->config_nets[i], p))
			return true;
	return false;
}

static enum pst offer_check_address(const struct offer *o, const struct offer_limits *limits)
{
	if (!ip6_prefix_has(&limits->hosts_prefix, &o->host_addr))
		return PST_RESPONSE_ADDRESS;
	/* The first address of a subnet belongs to its routers. Source: RFC 4291, section 2.6.1. */
	if (ip6_addr_equal(&limits->hosts_prefix.addr, &o->host_addr))
		return PST_RESPONSE_ADDRESS;
	if (!ip6_prefix_has(&limits->gateways_prefix, &o->gateway_addr))
		return PST_RESPONSE_ADDRESS;
	return PST_NONE;
}

static enum pst offer_check_endpoints(const struct offer *o, const struct offer_limits *limits)
{
	if (!o->n_endpoints || o->n_endpoints > OFFER_ENDPOINTS_MAX)
		return PST_RESPONSE_LIMIT;
	for (size_t i = 0; i < o->n_endpoints; i++) {
		struct ip6_prefix host = ip6_host_prefix(&o->endpoints[i].addr);

		if (!o->endpoints[i].port || !ip6_is_routable(&o->endpoints[i].addr) ||
		    !offer_in_nets(limits, &host))
			return PST_RESPONSE_ENDPOINT;
	}
	return PST_NONE;
}

static enum pst offer_check_route(const struct ip6_prefix *route, const struct offer_limits *limits)
{
	if (route->len == 0)
		return PST_RESPONSE_DEFAULT_ROUTE;
	if (!ip6_prefix_covers(&limits->gateways_prefix, route) && !offer_in_nets(limits, route))
		return PST_RESPONSE_ROUTE;
	return PST_NONE;
}

static enum pst offer_check_routes(const struct offer *o, const struct offer_limits *limits)
{
	bool has_gateway = false;

	if (!o->n_routes || o->n_routes > OFFER_ROUTES_MAX)
		return PST_RESPONSE_LIMIT;
	for (size_t i = 0; i < o->n_routes; i++) {
		enum pst code = offer_check_route(&o->routes[i], limits);

		if (code)
			return code;
		has_gateway |= ip6_prefix_has(&o->routes[i], &o->gateway_addr);
	}
	return has_gateway ? PST_NONE : PST_RESPONSE_ROUTE;
}

static enum pst offer_check_numbers(const struct offer *o)
{
	if (o->keepalive_s > OFFER_KEEPALIVE_MAX_S || o->mtu < OFFER_MTU_MIN ||
	    o->mtu > OFFER_MTU_MAX)
		return PST_RESPONSE_LIMIT;
	if (o->renew_after_s < OFFER_RENEW_MIN_S || o->expires_after_s > OFFER_LEASE_MAX_S ||
	    o->renew_after_s >= o->expires_after_s || !o->epoch)
		return PST_RESPONSE_LIMIT;
	return o->n_gateways > OFFER_GATEWAYS_MAX ? PST_RESPONSE_LIMIT : PST_NONE;
}

enum pst offer_check(const struct offer *o, const struct offer_limits *limits)
{
	enum pst code;

	if (strcmp(o->zone, limits->zone))
		return PST_RESPONSE_ZONE;
	if (wgkey_is_weak(&o->gateway_key))
		return PST_KEY_WEAK;
	code = offer_check_address(o, limits);
	if (!code)
		code = offer_check_endpoints(o, limits);
	if (!code)
		code = offer_check_routes(o, limits);
	return code ? code : offer_check_numbers(o);
}
