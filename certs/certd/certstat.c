/* SPDX-License-Identifier: MIT */
#include "certs/certd/certstat.h"

#include <errno.h>

#include "common/wire.h"

static const struct chan_op certstat_table[] = {
	{ CERTSTAT_ASK, "ask", 0, 0, false },
	{ CERTSTAT_TELL, "tell", 64, CHAN_BODY_MAX, false },
	{ CERTSTAT_RENEW, "renew", 0, 0, false },
};

const struct chan_op *certstat_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(certstat_table);
	return certstat_table;
}

void certstat_encode_ask(enum certstat_type type, struct chan_msg *ret)
{
	chan_msg_init(ret, &certstat_table[type == CERTSTAT_RENEW ? 2 : 0], 1);
}

static void certstat_put_self(struct wire *w, const struct fetchjob_self *self)
{
	wire_put_str(w, self->principal);
	wire_put_str(w, self->provider);
	wire_put_str(w, self->instance_id);
	wire_put_str(w, self->region);
	wire_put_str(w, self->account);
}

int certstat_encode(const struct certstat *in, struct chan_msg *ret)
{
	struct wire w;

	chan_msg_init(ret, &certstat_table[1], 1);
	w = wire_writer(ret->body, sizeof(ret->body));
	wire_put_u64(&w, in->now_wall);
	wire_put_u32(&w, in->uptime_s);
	wire_put_u8(&w, in->ready);
	wire_put_u16(&w, (uint16_t)in->reason_code);
	wire_put_str(&w, in->reason);
	certstat_put_self(&w, &in->self);
	wire_put_str(&w, in->serial);
	wire_put_u64(&w, in->not_before);
	wire_put_u64(&w, in->not_after);
	wire_put_u64(&w, in->renew);
	wire_put_u8(&w, (uint8_t)in->running);
	wire_put_u8(&w, (uint8_t)in->last_step);
	wire_put_u64(&w, in->last_wall);
	wire_put_u16(&w, (uint16_t)in->last_code);
	wire_put_str(&w, in->last_detail);
	wire_put_u8(&w, (uint8_t)in->next_step);
	wire_put_u64(&w, in->next_wall);
	wire_put_u64(&w, in->done_wall);
	wire_put_u32(&w, in->failures);
	wire_put_u8(&w, in->renew_refused);
	wire_put_str(&w, in->sia_dir);
	if (wire_done(&w) < 0)
		return -EMSGSIZE;
	ret->len = w.pos;
	return 0;
}

static enum schedule_step certstat_get_step(struct wire *w)
{
	enum schedule_step step = (enum schedule_step)wire_get_u8(w);

	if (step < SCHEDULE_STEP_N)
		return step;
	wire_fail(w);
	return SCHEDULE_NONE;
}

static void certstat_get_self(struct wire *w, struct fetchjob_self *ret)
{
	wire_get_ascii(w, ret->principal, sizeof(ret->principal));
	wire_get_ascii(w, ret->provider, sizeof(ret->provider));
	wire_get_ascii(w, ret->instance_id, sizeof(ret->instance_id));
	wire_get_ascii(w, ret->region, sizeof(ret->region));
	wire_get_ascii(w, ret->account, sizeof(ret->account));
}

int certstat_decode(const struct chan_msg *msg, struct certstat *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	struct certstat s = { 0 };

	if (msg->op->type != CERTSTAT_TELL)
		return -EBADMSG;
	s.now_wall = wire_get_u64(&w);
	s.uptime_s = wire_get_u32(&w);
	s.ready = wire_get_bool(&w);
	s.reason_code = (enum pst)wire_get_u16(&w);
	wire_get_ascii(&w, s.reason, sizeof(s.reason));
	certstat_get_self(&w, &s.self);
	wire_get_ascii(&w, s.serial, sizeof(s.serial));
	s.not_before = wire_get_u64(&w);
	s.not_after = wire_get_u64(&w);
	s.renew = wire_get_u64(&w);
	s.running = certstat_get_step(&w);
	s.last_step = certstat_get_step(&w);
	s.last_wall = wire_get_u64(&w);
	s.last_code = (enum pst)wire_get_u16(&w);
	wire_get_ascii(&w, s.last_detail, sizeof(s.last_detail));
	s.next_step = certstat_get_step(&w);
	s.next_wall = wire_get_u64(&w);
	s.done_wall = wire_get_u64(&w);
	s.failures = wire_get_u32(&w);
	s.renew_refused = wire_get_bool(&w);
	wire_get_ascii(&w, s.sia_dir, sizeof(s.sia_dir));
	if (wire_done(&w) < 0)
		return -EBADMSG;
	*ret = s;
	return 0;
}
