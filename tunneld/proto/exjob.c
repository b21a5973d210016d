/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/exjob.h"

#include <errno.h>

#include "common/wire.h"
#include "tunneld/proto/offerwire.h"

#define EXJOB_RETRY_MAX_S 86400 /* more is no answer of a worker of ours */

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
	wire_put_str(&w, in->deny_file);
	wire_put_u32(&w, in->timeout_ms);
	wire_put_u8(&w, in->require_post_quantum);
	wire_put_str(&w, in->zone);
	wire_put_bytes(&w, in->hosts_prefix.addr.s6_addr, 16);
	wire_put_u8(&w, in->hosts_prefix.len);
	exjob_put_request(&w, &in->request);
	return exjob_written(&w, ret);
}

int exjob_decode_start(const struct chan_msg *msg, struct exjob_start *ret)
{
	struct wire w = wire_reader(msg->body, msg->len);
	struct exjob_start job = { 0 };
	int r;

	if (msg->op->type != EXJOB_START)
		return -EBADMSG;
	wire_get_str(&w, job.authority, sizeof(job.authority));
	wire_get_str(&w, job.principal, sizeof(job.principal));
	wire_get_str(&w, job.cert, sizeof(job.cert));
	wire_get_str(&w, job.key, sizeof(job.key));
	wire_get_str(&w, job.ca, sizeof(job.ca));
	wire_get_str(&w, job.deny_file, sizeof(job.deny_file));
	job.timeout_ms = wire_get_u32(&w);
	job.require_post_quantum = wire_get_bool(&w);
	wire_get_str(&w, job.zone, sizeof(job.zone));
	wire_get_bytes(&w, job.hosts_prefix.addr.s6_addr, 16);
	job.hosts_prefix.len = wire_get_u8(&w);
	exjob_get_request(&w, &job.request);
	r = wire_done(&w);
	if (r == 0)
		*ret = job;
	return r;
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
		offerwire_put(&w, &in->offer);
		wire_put_bytes(&w, in->psk.bytes, SECRET_BYTES);
	}
	return exjob_written(&w, ret);
}

/* What only a granted result holds. */
static void exjob_get_grant(struct wire *w, struct exjob_result *ret)
{
	offerwire_get(w, &ret->offer);
	wire_get_bytes(w, ret->psk.bytes, SECRET_BYTES);
	if (secret_is_zero(&ret->psk))
		wire_fail(w); /* WireGuard reads zero as "no PSK" */
}

int exjob_decode_result(const struct chan_msg *msg, struct exjob_result *ret)
{
	_cleanup_(exjob_result_wipe) struct exjob_result result = { 0 };
	struct wire w = wire_reader(msg->body, msg->len);
	int r;

	if (msg->op->type != EXJOB_RESULT)
		return -EBADMSG;
	result.code = (enum pst)wire_get_u16(&w);
	result.retry_after_s = wire_get_u32(&w);
	wire_get_ascii(&w, result.detail, sizeof(result.detail));
	result.connect_us = wire_get_u32(&w);
	result.tls_us = wire_get_u32(&w);
	result.total_us = wire_get_u32(&w);
	wire_get_ascii(&w, result.group, sizeof(result.group));
	if (result.retry_after_s > EXJOB_RETRY_MAX_S)
		wire_fail(&w);
	if (result.code == PST_NONE)
		exjob_get_grant(&w, &result);
	else if (!pst_find((unsigned int)result.code))
		wire_fail(&w);
	r = wire_done(&w);
	if (r == 0)
		*ret = result;
	return r;
}
