/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/status.h"

#include <errno.h>

#include "common/wire.h"
#include "tunneld/proto/offerwire.h"

static const struct chan_op status_table[] = {
	{ STATUS_ASK, "ask", 0, 0, false },
	{ STATUS_TELL, "tell", 32, CHAN_BODY_MAX, false },
};

const struct chan_op *status_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(status_table);
	return status_table;
}

void status_encode_ask(struct chan_msg *ret)
{
	chan_msg_init(ret, &status_table[0], 1);
}

static void status_put_server(struct wire *w, const struct status_server *s)
{
	wire_put_str(w, s->name);
	wire_put_u8(w, (uint8_t)s->state);
	wire_put_u16(w, (uint16_t)s->missing);
	wire_put_u16(w, (uint16_t)s->last_code);
	wire_put_str(w, s->detail);
	wire_put_u8(w, s->leased);
	wire_put_u8(w, s->exchanging);
	wire_put_bytes(w, s->gateway_addr.s6_addr, 16);
	wire_put_bytes(w, s->endpoint.addr.s6_addr, 16);
	wire_put_u16(w, s->endpoint.port);
	wire_put_u64(w, s->epoch);
	wire_put_u32(w, s->renew_in_s);
	wire_put_u32(w, s->expires_in_s);
	wire_put_u32(w, s->next_try_s);
	wire_put_u64(w, s->handshake_wall);
	wire_put_u64(w, s->rx_bytes);
	wire_put_u64(w, s->tx_bytes);
	wire_put_u32(w, s->n_exchanges);
	wire_put_u32(w, s->n_failed);
	wire_put_str(w, s->group);
}

static void status_get_server(struct wire *w, struct status_server *ret)
{
	wire_get_ascii(w, ret->name, sizeof(ret->name));
	ret->state = (enum session_state)wire_get_u8(w);
	ret->missing = (enum pst)wire_get_u16(w);
	ret->last_code = (enum pst)wire_get_u16(w);
	wire_get_ascii(w, ret->detail, sizeof(ret->detail));
	ret->leased = wire_get_bool(w);
	ret->exchanging = wire_get_bool(w);
	wire_get_bytes(w, ret->gateway_addr.s6_addr, 16);
	wire_get_bytes(w, ret->endpoint.addr.s6_addr, 16);
	ret->endpoint.port = wire_get_u16(w);
	ret->epoch = wire_get_u64(w);
	ret->renew_in_s = wire_get_u32(w);
	ret->expires_in_s = wire_get_u32(w);
	ret->next_try_s = wire_get_u32(w);
	ret->handshake_wall = wire_get_u64(w);
	ret->rx_bytes = wire_get_u64(w);
	ret->tx_bytes = wire_get_u64(w);
	ret->n_exchanges = wire_get_u32(w);
	ret->n_failed = wire_get_u32(w);
	wire_get_ascii(w, ret->group, sizeof(ret->group));
	if (ret->state >= SESSION_STATE_N)
		wire_fail(w);
}

int status_encode(const struct status *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &status_table[1], 1);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_str(&w, in->zone);
	wire_put_str(&w, in->interface);
	wire_put_u64(&w, in->now_wall);
	wire_put_u32(&w, in->uptime_s);
	wire_put_bytes(&w, in->host_addr.s6_addr, 16);
	wire_put_u32(&w, in->n_repairs);
	wire_put_u32(&w, in->n_overruns);
	wire_put_u32(&w, in->n_malformed);
	if (in->n_servers > STATUS_SERVERS_MAX)
		return -EMSGSIZE;
	wire_put_u8(&w, (uint8_t)in->n_servers);
	for (size_t i = 0; i < in->n_servers; i++)
		status_put_server(&w, &in->servers[i]);
	if (wire_done(&w) < 0)
		return -EMSGSIZE;
	ret->len = w.pos;
	return 0;
}

int status_decode(const struct chan_msg *msg, struct status *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	struct status s = { 0 };
	int r;

	if (msg->op->type != STATUS_TELL)
		return -EBADMSG;
	wire_get_ascii(&w, s.zone, sizeof(s.zone));
	wire_get_ascii(&w, s.interface, sizeof(s.interface));
	s.now_wall = wire_get_u64(&w);
	s.uptime_s = wire_get_u32(&w);
	wire_get_bytes(&w, s.host_addr.s6_addr, 16);
	s.n_repairs = wire_get_u32(&w);
	s.n_overruns = wire_get_u32(&w);
	s.n_malformed = wire_get_u32(&w);
	s.n_servers = wire_get_u8(&w);
	if (s.n_servers > STATUS_SERVERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < s.n_servers; i++)
		status_get_server(&w, &s.servers[i]);
	r = wire_done(&w);
	if (r == 0)
		*ret = s;
	return r;
}

enum status_health status_health(const struct status *s)
{
	size_t n_up = 0;

	for (size_t i = 0; i < s->n_servers; i++)
		n_up += s->servers[i].state == SESSION_UP;
	if (n_up && n_up == s->n_servers)
		return STATUS_OK;
	return n_up ? STATUS_DEGRADED : STATUS_DOWN;
}

const char *status_health_name(enum status_health health)
{
	switch (health) {
	case STATUS_OK:
		return "OK";
	case STATUS_DEGRADED:
		return "DEGRADED";
	case STATUS_DOWN:
		break;
	}
	return "DOWN";
}
