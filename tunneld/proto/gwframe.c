/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/gwframe.h"

#include <errno.h>

#include "common/wire.h"

#define GWFRAME_RETRY_MAX_S 86400 /* what the response format can say, exresp.h */

/* Lengths of four strings, two numbers of 8 bytes, key, address, PSK. */
#define GWFRAME_GRANT_FIXED (4 * 2 + 2 * 8 + WGKEY_BYTES + 16 + SECRET_BYTES)

/* Rows in the order of enum gwframe_type. */
static const struct chan_op gwframe_table[] = {
	{ GWFRAME_HELLO, "hello", WGKEY_BYTES, WGKEY_BYTES, false },
	{ GWFRAME_GRANT, "grant", GWFRAME_GRANT_FIXED + 4,
	  GWFRAME_GRANT_FIXED + GWFRAME_PRINCIPAL_MAX + GWFRAME_PROVIDER_MAX +
		  GWFRAME_INSTANCE_MAX + GWFRAME_SERIAL_MAX - 4,
	  false },
	{ GWFRAME_ANSWER, "answer", 6, 6, false },
	{ GWFRAME_COUNT, "count", 2, 2, false },
	{ GWFRAME_DRAIN, "drain", 0, 0, false },
};

const struct chan_op *gwframe_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(gwframe_table);
	return gwframe_table;
}

static struct wire gwframe_start(enum gwframe_type type, uint32_t seq, struct chan_msg *ret)
{
	chan_msg_init(ret, &gwframe_table[type - 1], seq);
	return wire_writer(ret->body, sizeof(ret->body));
}

static int gwframe_finish(const struct wire *w, struct chan_msg *ret)
{
	if (wire_done(w) < 0 || w->pos < ret->op->body_min || w->pos > ret->op->body_max)
		return -EMSGSIZE;
	ret->len = w->pos;
	return 0;
}

/* Takes a string that must not be empty. */
static void gwframe_get_name(struct wire *w, char *ret, size_t cap)
{
	wire_get_str(w, ret, cap);
	if (!*ret)
		wire_fail(w);
}

static enum pst gwframe_get_code(struct wire *w, bool none_allowed)
{
	unsigned int code = wire_get_u16(w);

	if (!pst_find(code) && !(none_allowed && code == PST_NONE))
		wire_fail(w);
	return (enum pst)code;
}

int gwframe_encode_hello(uint32_t seq, const struct gwframe_hello *in, struct chan_msg *ret)
{
	struct wire w = gwframe_start(GWFRAME_HELLO, seq, ret);

	wire_put_bytes(&w, in->gateway_key.bytes, WGKEY_BYTES);
	return gwframe_finish(&w, ret);
}

int gwframe_decode_hello(const struct chan_msg *msg, struct gwframe_hello *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type != GWFRAME_HELLO)
		return -EBADMSG;
	wire_get_bytes(&w, ret->gateway_key.bytes, WGKEY_BYTES);
	if (wgkey_is_weak(&ret->gateway_key))
		wire_fail(&w);
	return wire_done(&w);
}

int gwframe_encode_grant(uint32_t seq, const struct gwframe_grant *in, struct chan_msg *ret)
{
	struct wire w = gwframe_start(GWFRAME_GRANT, seq, ret);

	wire_put_str(&w, in->principal);
	wire_put_str(&w, in->provider);
	wire_put_str(&w, in->instance_id);
	wire_put_str(&w, in->serial);
	wire_put_u64(&w, in->cert_expires_wall);
	wire_put_bytes(&w, in->host_key.bytes, WGKEY_BYTES);
	wire_put_bytes(&w, in->host_addr.s6_addr, sizeof(in->host_addr.s6_addr));
	wire_put_bytes(&w, in->psk.bytes, SECRET_BYTES);
	wire_put_u64(&w, in->epoch);
	return gwframe_finish(&w, ret);
}

int gwframe_decode_grant(const struct chan_msg *msg, struct gwframe_grant *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type != GWFRAME_GRANT)
		return -EBADMSG;
	gwframe_get_name(&w, ret->principal, sizeof(ret->principal));
	gwframe_get_name(&w, ret->provider, sizeof(ret->provider));
	gwframe_get_name(&w, ret->instance_id, sizeof(ret->instance_id));
	gwframe_get_name(&w, ret->serial, sizeof(ret->serial));
	ret->cert_expires_wall = wire_get_u64(&w);
	wire_get_bytes(&w, ret->host_key.bytes, WGKEY_BYTES);
	wire_get_bytes(&w, ret->host_addr.s6_addr, sizeof(ret->host_addr.s6_addr));
	wire_get_bytes(&w, ret->psk.bytes, SECRET_BYTES);
	ret->epoch = wire_get_u64(&w);
	if (secret_is_zero(&ret->psk))
		wire_fail(&w); /* WireGuard reads zero as "no PSK" */
	return wire_done(&w);
}

int gwframe_encode_answer(uint32_t seq, const struct gwframe_answer *in, struct chan_msg *ret)
{
	struct wire w = gwframe_start(GWFRAME_ANSWER, seq, ret);

	wire_put_u16(&w, (uint16_t)in->code);
	wire_put_u32(&w, in->retry_after_s);
	return gwframe_finish(&w, ret);
}

int gwframe_decode_answer(const struct chan_msg *msg, struct gwframe_answer *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type != GWFRAME_ANSWER)
		return -EBADMSG;
	ret->code = gwframe_get_code(&w, true);
	ret->retry_after_s = wire_get_u32(&w);
	if (ret->retry_after_s > GWFRAME_RETRY_MAX_S)
		wire_fail(&w);
	return wire_done(&w);
}

int gwframe_encode_count(uint32_t seq, const struct gwframe_count *in, struct chan_msg *ret)
{
	struct wire w = gwframe_start(GWFRAME_COUNT, seq, ret);

	wire_put_u16(&w, (uint16_t)in->code);
	return gwframe_finish(&w, ret);
}

int gwframe_decode_count(const struct chan_msg *msg, struct gwframe_count *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type != GWFRAME_COUNT)
		return -EBADMSG;
	ret->code = gwframe_get_code(&w, false);
	return wire_done(&w);
}

void gwframe_init_drain(uint32_t seq, struct chan_msg *ret)
{
	(void)gwframe_start(GWFRAME_DRAIN, seq, ret);
}

void gwframe_grant_wipe(struct gwframe_grant *g)
{
	if (g)
		secret_wipe(&g->psk);
}
