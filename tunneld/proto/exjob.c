/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/exjob.h"

#include <errno.h>

#include "common/wire.h"

static const struct chan_op exjob_table[] = {
	{ EXJOB_START, "start", 64, CHAN_BODY_MAX, true },
	{ EXJOB_RESULT, "result", 16, CHAN_BODY_MAX, false },
};

const struct chan_op *exjob_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(exjob_table);
	return exjob_table;
}

void exjob_result_wipe(struct exjob_result *r)
{
	if (r)
		secret_wipe(&r->psk);
}

/* A writer that failed did not fit. */
static int exjob_written(const struct wire *w, struct chan_msg *ret)
{
	if (wire_done(w) < 0)
		return -EMSGSIZE;
	ret->len = w->pos;
	return 0;
}

static void exjob_put_request(struct wire *w, const struct exreq *req)
{
	wire_put_bytes(w, req->public_key.bytes, WGKEY_BYTES);
	wire_put_str(w, req->hostname);
	wire_put_str(w, req->software);
	wire_put_str(w, req->boot_id);
}

static void exjob_get_request(struct wire *w, struct exreq *ret)
{
	wire_get_bytes(w, ret->public_key.bytes, WGKEY_BYTES);
	wire_get_str(w, ret->hostname, sizeof(ret->hostname));
	wire_get_str(w, ret->software, sizeof(ret->software));
	wire_get_str(w, ret->boot_id, sizeof(ret->boot_id));
}

int exjob_encode_start(const struct exjob_start *in, int fd, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &exjob_table[0], 1);
	ret->fd = fd;
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_str(&w, in->authority);
	wire_put_str(&w, in->principal);
	wire_put_str(&w, in->cert);
	wire_put_str(&w, in->key);
	wire_put_str(&w, in->ca);
	wire_put_u32(&w, in->timeout_ms);
	wire_put_u8(&w, in->require_post_quantum);
	exjob_put_request(&w, &in->request);
	return exjob_written(&w, ret);
}

int exjob_decode_start(const struct chan_msg *msg, struct exjob_start *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type != EXJOB_START)
		return -EBADMSG;
	wire_get_str(&w, ret->authority, sizeof(ret->authority));
	wire_get_str(&w, ret->principal, sizeof(ret->principal));
	wire_get_str(&w, ret->cert, sizeof(ret->cert));
	wire_get_str(&w, ret->key, sizeof(ret->key));
	wire_get_str(&w, ret->ca, sizeof(ret->ca));
	ret->timeout_ms = wire_get_u32(&w);
	ret->require_post_quantum = wire_get_bool(&w);
	exjob_get_request(&w, &ret->request);
	return wire_done(&w);
}

static void exjob_put_prefix(struct wire *w, const struct ip6_prefix *p)
{
	wire_put_bytes(w, p->addr.s6_addr, 16);
	wire_put_u8(w, p->len);
}

/* Host bits must be zero: everything behind this point compares prefixes as bytes. */
static void exjob_get_prefix(struct wire *w, struct ip6_prefix *ret)
{
	wire_get_bytes(w, ret->addr.s6_addr, 16);
	ret->len = wire_get_u8(w);
	if (ret->len > 128 || !ip6_prefix_has(ret, &ret->addr))
		wire_fail(w);
}

static void exjob_put_endpoint(struct wire *w, const struct ip6_endpoint *e)
{
	wire_put_bytes(w, e->addr.s6_addr, 16);
	wire_put_u16(w, e->port);
}

static void exjob_get_endpoint(struct wire *w, struct ip6_endpoint *ret)
{
	wire_get_bytes(w, ret->addr.s6_addr, 16);
	ret->port = wire_get_u16(w);
}

/* Reads a count of at most @max; a larger one fails the message and reads as 0. */
static size_t exjob_get_count(struct wire *w, size_t max)
{
	size_t n = wire_get_u8(w);

	if (n > max)
		wire_fail(w);
	return w->failed ? 0 : n;
}

static void exjob_put_offer(struct wire *w, const struct offer *o)
{
	wire_put_str(w, o->zone);
	wire_put_bytes(w, o->host_addr.s6_addr, 16);
	wire_put_str(w, o->gateway_name);
	wire_put_bytes(w, o->gateway_key.bytes, WGKEY_BYTES);
	wire_put_bytes(w, o->gateway_addr.s6_addr, 16);
	wire_put_u8(w, (uint8_t)o->n_endpoints);
	for (size_t i = 0; i < o->n_endpoints; i++)
		exjob_put_endpoint(w, &o->endpoints[i]);
	wire_put_u8(w, (uint8_t)o->n_routes);
	for (size_t i = 0; i < o->n_routes; i++)
		exjob_put_prefix(w, &o->routes[i]);
	wire_put_u32(w, o->keepalive_s);
	wire_put_u32(w, o->mtu);
	wire_put_u64(w, o->epoch);
	wire_put_u32(w, o->renew_after_s);
	wire_put_u32(w, o->expires_after_s);
	wire_put_u8(w, (uint8_t)o->n_gateways);
	for (size_t i = 0; i < o->n_gateways; i++) {
		wire_put_str(w, o->gateways[i].name);
		wire_put_str(w, o->gateways[i].url);
	}
}

static void exjob_get_offer(struct wire *w, struct offer *ret)
{
	wire_get_str(w, ret->zone, sizeof(ret->zone));
	wire_get_bytes(w, ret->host_addr.s6_addr, 16);
	wire_get_str(w, ret->gateway_name, sizeof(ret->gateway_name));
	wire_get_bytes(w, ret->gateway_key.bytes, WGKEY_BYTES);
	wire_get_bytes(w, ret->gateway_addr.s6_addr, 16);
	ret->n_endpoints = exjob_get_count(w, OFFER_ENDPOINTS_MAX);
	for (size_t i = 0; i < ret->n_endpoints; i++)
		exjob_get_endpoint(w, &ret->endpoints[i]);
	ret->n_routes = exjob_get_count(w, OFFER_ROUTES_MAX);
	for (size_t i = 0; i < ret->n_routes; i++)
		exjob_get_prefix(w, &ret->routes[i]);
	ret->keepalive_s = wire_get_u32(w);
	ret->mtu = wire_get_u32(w);
	ret->epoch = wire_get_u64(w);
	ret->renew_after_s = wire_get_u32(w);
	ret->expires_after_s = wire_get_u32(w);
	ret->n_gateways = exjob_get_count(w, OFFER_GATEWAYS_MAX);
	for (size_t i = 0; i < ret->n_gateways; i++) {
		wire_get_str(w, ret->gateways[i].name, sizeof(ret->gateways[i].name));
		wire_get_str(w, ret->gateways[i].url, sizeof(ret->gateways[i].url));
	}
}

int exjob_encode_result(const struct exjob_result *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &exjob_table[1], 1);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u16(&w, (uint16_t)in->code);
	wire_put_u32(&w, in->retry_after_s);
	wire_put_str(&w, in->detail);
	wire_put_u32(&w, in->connect_us);
	wire_put_u32(&w, in->tls_us);
	wire_put_u32(&w, in->total_us);
	wire_put_str(&w, in->group);
	if (in->code == PST_NONE) {
		exjob_put_offer(&w, &in->offer);
		wire_put_bytes(&w, in->psk.bytes, SECRET_BYTES);
	}
	return exjob_written(&w, ret);
}

int exjob_decode_result(const struct chan_msg *msg, struct exjob_result *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	unsigned int code;

	if (msg->op->type != EXJOB_RESULT)
		return -EBADMSG;
	code = wire_get_u16(&w);
	ret->code = (enum pst)code;
	ret->retry_after_s = wire_get_u32(&w);
	wire_get_str(&w, ret->detail, sizeof(ret->detail));
	ret->connect_us = wire_get_u32(&w);
	ret->tls_us = wire_get_u32(&w);
	ret->total_us = wire_get_u32(&w);
	wire_get_str(&w, ret->group, sizeof(ret->group));
	if (code == PST_NONE) {
		exjob_get_offer(&w, &ret->offer);
		wire_get_bytes(&w, ret->psk.bytes, SECRET_BYTES);
		if (secret_is_zero(&ret->psk))
			wire_fail(&w); /* WireGuard reads zero as "no PSK" */
	} else if (!pst_find(code)) {
		wire_fail(&w);
	}
	return wire_done(&w);
}
