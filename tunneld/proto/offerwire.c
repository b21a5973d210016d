/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/offerwire.h"

static void offerwire_put_prefix(struct wire *w, const struct ip6_prefix *p)
{
	wire_put_bytes(w, p->addr.s6_addr, 16);
	wire_put_u8(w, p->len);
}

/* Host bits must be zero: everything behind this point compares prefixes as bytes. */
static void offerwire_get_prefix(struct wire *w, struct ip6_prefix *ret)
{
	wire_get_bytes(w, ret->addr.s6_addr, 16);
	ret->len = wire_get_u8(w);
	if (ret->len > 128 || !ip6_prefix_has(ret, &ret->addr))
		wire_fail(w);
}

static void offerwire_put_endpoint(struct wire *w, const struct ip6_endpoint *e)
{
	wire_put_bytes(w, e->addr.s6_addr, 16);
	wire_put_u16(w, e->port);
}

static void offerwire_get_endpoint(struct wire *w, struct ip6_endpoint *ret)
{
	wire_get_bytes(w, ret->addr.s6_addr, 16);
	ret->port = wire_get_u16(w);
}

/* Writes a count of at most @max; a larger one fails the message and gives 0. */
static size_t offerwire_put_count(struct wire *w, size_t n, size_t max)
{
	if (n > max)
		wire_fail(w);
	wire_put_u8(w, (uint8_t)n);
	return w->failed ? 0 : n;
}

/* Reads a count of at most @max; a larger one fails the message and reads as 0. */
static size_t offerwire_get_count(struct wire *w, size_t max)
{
	size_t n = wire_get_u8(w);

	if (n > max)
		wire_fail(w);
	return w->failed ? 0 : n;
}

void offerwire_put(struct wire *w, const struct offer *o)
{
	size_t n;

	wire_put_str(w, o->zone);
	wire_put_bytes(w, o->host_addr.s6_addr, 16);
	wire_put_str(w, o->gateway_name);
	wire_put_bytes(w, o->gateway_key.bytes, WGKEY_BYTES);
	wire_put_bytes(w, o->gateway_addr.s6_addr, 16);
	n = offerwire_put_count(w, o->n_endpoints, OFFER_ENDPOINTS_MAX);
	for (size_t i = 0; i < n; i++)
		offerwire_put_endpoint(w, &o->endpoints[i]);
	n = offerwire_put_count(w, o->n_routes, OFFER_ROUTES_MAX);
	for (size_t i = 0; i < n; i++)
		offerwire_put_prefix(w, &o->routes[i]);
	wire_put_u32(w, o->keepalive_s);
	wire_put_u32(w, o->mtu);
	wire_put_u64(w, o->epoch);
	wire_put_u32(w, o->renew_after_s);
	wire_put_u32(w, o->expires_after_s);
	n = offerwire_put_count(w, o->n_gateways, OFFER_GATEWAYS_MAX);
	for (size_t i = 0; i < n; i++) {
		wire_put_str(w, o->gateways[i].name);
		wire_put_str(w, o->gateways[i].url);
	}
}

void offerwire_get(struct wire *w, struct offer *ret)
{
	wire_get_ascii(w, ret->zone, sizeof(ret->zone));
	wire_get_bytes(w, ret->host_addr.s6_addr, 16);
	wire_get_ascii(w, ret->gateway_name, sizeof(ret->gateway_name));
	wire_get_bytes(w, ret->gateway_key.bytes, WGKEY_BYTES);
	wire_get_bytes(w, ret->gateway_addr.s6_addr, 16);
	ret->n_endpoints = offerwire_get_count(w, OFFER_ENDPOINTS_MAX);
	for (size_t i = 0; i < ret->n_endpoints; i++)
		offerwire_get_endpoint(w, &ret->endpoints[i]);
	ret->n_routes = offerwire_get_count(w, OFFER_ROUTES_MAX);
	for (size_t i = 0; i < ret->n_routes; i++)
		offerwire_get_prefix(w, &ret->routes[i]);
	ret->keepalive_s = wire_get_u32(w);
	ret->mtu = wire_get_u32(w);
	ret->epoch = wire_get_u64(w);
	ret->renew_after_s = wire_get_u32(w);
	ret->expires_after_s = wire_get_u32(w);
	ret->n_gateways = offerwire_get_count(w, OFFER_GATEWAYS_MAX);
	for (size_t i = 0; i < ret->n_gateways; i++) {
		wire_get_ascii(w, ret->gateways[i].name, sizeof(ret->gateways[i].name));
		wire_get_ascii(w, ret->gateways[i].url, sizeof(ret->gateways[i].url));
	}
}
