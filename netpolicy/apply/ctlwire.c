/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/ctlwire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/clk.h"
#include "common/wire.h"

#define CTLWIRE_ANSWER 0x100    /* added to the number of an operation */
#define CTLWIRE_REQUEST_MIN 35  /* bytes of a request with empty words */
#define CTLWIRE_REQUEST_MAX 512 /* more than a request with the longest words */
#define CTLWIRE_ANSWER_MIN 10   /* bytes of the part that all answers have, without words */

#define CTLWIRE_ROW(op, name)                                                                      \
	{ (op), (name), CTLWIRE_REQUEST_MIN, CTLWIRE_REQUEST_MAX, false },                         \
	{                                                                                          \
		(op) + CTLWIRE_ANSWER, name "-answer", CTLWIRE_ANSWER_MIN, CHAN_BODY_MAX, false    \
	}

const struct chan_op ctlwire_ops[] = {
	CTLWIRE_ROW(CTLWIRE_STATUS, "status"),
	CTLWIRE_ROW(CTLWIRE_APPLY, "apply"),
	CTLWIRE_ROW(CTLWIRE_CONFIRM, "confirm"),
	CTLWIRE_ROW(CTLWIRE_ROLLBACK, "rollback"),
	CTLWIRE_ROW(CTLWIRE_GRANT_ADD, "grant-add"),
	CTLWIRE_ROW(CTLWIRE_GRANT_RENEW, "grant-renew"),
	CTLWIRE_ROW(CTLWIRE_GRANT_END, "grant-end"),
	CTLWIRE_ROW(CTLWIRE_GRANT_LIST, "grant-list"),
	CTLWIRE_ROW(CTLWIRE_DRIFT_LIST, "drift-list"),
};
const size_t ctlwire_n_ops = ARRAY_SIZE(ctlwire_ops);

static const struct chan_op *ctlwire_find_op(unsigned int type)
{
	for (size_t i = 0; i < ctlwire_n_ops; i++)
		if (ctlwire_ops[i].type == type)
			return &ctlwire_ops[i];
	return NULL;
}

static int ctlwire_done(const struct wire *w, struct chan_msg *msg)
{
	if (wire_done(w) < 0)
		return -EMSGSIZE;
	msg->len = w->pos;
	return 0;
}

int ctlwire_put_request(const struct ctlwire_request *q, struct chan_msg *msg)
{
	const struct chan_op *op = ctlwire_find_op(q->op);
	struct wire w = wire_writer(msg->body, sizeof(msg->body));

	if (!op || q->op >= CTLWIRE_ANSWER)
		return -EMSGSIZE;
	chan_msg_init(msg, op, 0);
	wire_put_u32(&w, q->seconds);
	wire_put_u8(&w, q->is_trial);
	wire_put_u64(&w, q->id);
	wire_put_bytes(&w, &q->addr, sizeof(q->addr));
	wire_put_str(&w, q->name);
	wire_put_str(&w, q->who);
	wire_put_str(&w, q->why);
	return ctlwire_done(&w, msg);
}

int ctlwire_get_request(const struct chan_msg *msg, struct ctlwire_request *ret)
{
	struct ctlwire_request q = { .op = msg->op->type };
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type >= CTLWIRE_ANSWER)
		return -EBADMSG;
	q.seconds = wire_get_u32(&w);
	q.is_trial = wire_get_bool(&w);
	q.id = wire_get_u64(&w);
	wire_get_bytes(&w, &q.addr, sizeof(q.addr));
	wire_get_str(&w, q.name, sizeof(q.name));
	wire_get_str(&w, q.who, sizeof(q.who));
	wire_get_str(&w, q.why, sizeof(q.why));
	if (wire_done(&w) < 0)
		return -EBADMSG;
	*ret = q;
	return 0;
}

static void ctlwire_put_grant(struct wire *w, const struct ctlwire_grant *g)
{
	wire_put_u64(w, g->id);
	wire_put_str(w, g->name);
	wire_put_bytes(w, &g->addr, sizeof(g->addr));
	wire_put_u64(w, (uint64_t)g->until_s);
	wire_put_u32(w, g->left_s);
	wire_put_str(w, g->who);
	wire_put_str(w, g->why);
}

static void ctlwire_get_grant(struct wire *w, struct ctlwire_grant *g)
{
	g->id = wire_get_u64(w);
	wire_get_str(w, g->name, sizeof(g->name));
	wire_get_bytes(w, &g->addr, sizeof(g->addr));
	g->until_s = (int64_t)wire_get_u64(w);
	g->left_s = wire_get_u32(w);
	wire_get_str(w, g->who, sizeof(g->who));
	wire_get_str(w, g->why, sizeof(g->why));
}

static void ctlwire_put_drift(struct wire *w, const struct ctlwire_drift *d)
{
	wire_put_u64(w, d->id);
	wire_put_u64(w, (uint64_t)d->at_s);
	wire_put_u32(w, d->pid);
	wire_put_str(w, d->command);
	wire_put_u32(w, d->times);
	wire_put_u32(w, d->repair_us);
	wire_put_str(w, d->what);
	wire_put_u32(w, d->n_differences);
}

static void ctlwire_get_drift(struct wire *w, struct ctlwire_drift *d)
{
	d->id = wire_get_u64(w);
	d->at_s = (int64_t)wire_get_u64(w);
	d->pid = wire_get_u32(w);
	wire_get_str(w, d->command, sizeof(d->command));
	d->times = wire_get_u32(w);
	d->repair_us = wire_get_u32(w);
	wire_get_str(w, d->what, sizeof(d->what));
	d->n_differences = wire_get_u32(w);
}

static void ctlwire_put_status(struct wire *w, const struct ctlwire_status *s)
{
	wire_put_str(w, s->about);
	wire_put_str(w, s->boot_about);
	wire_put_u8(w, s->is_intact);
	wire_put_u8(w, s->is_owner);
	wire_put_u8(w, s->is_pending);
	wire_put_u8(w, s->is_trial);
	wire_put_u32(w, s->pending_left_s);
	wire_put_u32(w, s->generation);
	wire_put_u32(w, s->n_grants);
	wire_put_u64(w, s->n_repairs);
	wire_put_u64(w, s->n_overruns);
	wire_put_u64(w, (uint64_t)s->started_s);
	wire_put_u64(w, (uint64_t)s->checked_s);
}

static void ctlwire_get_status(struct wire *w, struct ctlwire_status *s)
{
	wire_get_str(w, s->about, sizeof(s->about));
	wire_get_str(w, s->boot_about, sizeof(s->boot_about));
	s->is_intact = wire_get_bool(w);
	s->is_owner = wire_get_bool(w);
	s->is_pending = wire_get_bool(w);
	s->is_trial = wire_get_bool(w);
	s->pending_left_s = wire_get_u32(w);
	s->generation = wire_get_u32(w);
	s->n_grants = wire_get_u32(w);
	s->n_repairs = wire_get_u64(w);
	s->n_overruns = wire_get_u64(w);
	s->started_s = (int64_t)wire_get_u64(w);
	s->checked_s = (int64_t)wire_get_u64(w);
}

/* Words of several lines, which wire_put_str() takes and wire_get_str() does not give back. */
static void ctlwire_get_text(struct wire *w, char *ret, size_t cap)
{
	size_t len = wire_get_u16(w);

	ret[0] = '\0';
	if (len >= cap) {
		wire_fail(w);
		return;
	}
	wire_get_bytes(w, ret, len);
	ret[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((ret[i] >= 0 && ret[i] < 0x20 && ret[i] != '\n' && ret[i] != '\t') ||
		    ret[i] == 0x7f)
			wire_fail(w);
}

static void ctlwire_put_rows(struct wire *w, const struct ctlwire_answer *a)
{
	if (a->n > CTLWIRE_LIST_MAX)
		wire_fail(w);
	wire_put_u32(w, a->n);
	for (uint32_t i = 0; i < a->n && !w->failed; i++) {
		if (a->op == CTLWIRE_GRANT_LIST)
			ctlwire_put_grant(w, &a->grants[i]);
		else
			ctlwire_put_drift(w, &a->drifts[i]);
	}
}

static void ctlwire_get_rows(struct wire *w, struct ctlwire_answer *a)
{
	uint32_t n = wire_get_u32(w);

	if (n > CTLWIRE_LIST_MAX) {
		wire_fail(w);
		return;
	}
	a->n = n;
	for (uint32_t i = 0; i < n; i++) {
		if (a->op == CTLWIRE_GRANT_LIST)
			ctlwire_get_grant(w, &a->grants[i]);
		else
			ctlwire_get_drift(w, &a->drifts[i]);
	}
}

int ctlwire_put_answer(const struct ctlwire_answer *a, struct chan_msg *msg)
{
	const struct chan_op *op = ctlwire_find_op(a->op + CTLWIRE_ANSWER);
	struct wire w = wire_writer(msg->body, sizeof(msg->body));

	if (!op)
		return -EMSGSIZE;
	chan_msg_init(msg, op, 0);
	wire_put_u32(&w, (uint32_t)a->result);
	wire_put_u32(&w, a->pst);
	wire_put_str(&w, a->text);
	if (a->op == CTLWIRE_STATUS)
		ctlwire_put_status(&w, &a->status);
	else if (a->op == CTLWIRE_GRANT_ADD)
		wire_put_u64(&w, a->id);
	else if (a->op == CTLWIRE_GRANT_LIST || a->op == CTLWIRE_DRIFT_LIST)
		ctlwire_put_rows(&w, a);
	return ctlwire_done(&w, msg);
}

int ctlwire_get_answer(const struct chan_msg *msg, struct ctlwire_answer *ret)
{
	struct ctlwire_answer a = { 0 };
	struct wire w = wire_reader(msg->body, msg->len);

	if (msg->op->type < CTLWIRE_ANSWER)
		return -EBADMSG;
	a.op = msg->op->type - CTLWIRE_ANSWER;
	a.result = (int32_t)wire_get_u32(&w);
	a.pst = wire_get_u32(&w);
	ctlwire_get_text(&w, a.text, sizeof(a.text));
	if (a.op == CTLWIRE_STATUS)
		ctlwire_get_status(&w, &a.status);
	else if (a.op == CTLWIRE_GRANT_ADD)
		a.id = wire_get_u64(&w);
	else if (a.op == CTLWIRE_GRANT_LIST || a.op == CTLWIRE_DRIFT_LIST)
		ctlwire_get_rows(&w, &a);
	if (wire_done(&w) < 0)
		return -EBADMSG;
	*ret = a;
	return 0;
}

/* Blocking, but never longer than the deadline: connecting to a full queue waits as sending does.
 */
static int ctlwire_connect(const char *path, unsigned int deadline_ms, int *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval wait = { deadline_ms / 1000, (long)(deadline_ms % 1000) * 1000 + 1 };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	*ret = steal_fd(&fd);
	return 0;
}

/* Waits until there is something to read, or the end of time. */
static int ctlwire_wait(int fd, uint64_t end_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now_ns = clk_now_ns();
		uint64_t left_ms = end_ns > now_ns ? (end_ns - now_ns) / CLK_NS_PER_MS + 1 : 0;
		int r = poll(&p, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);

		if (r != 0 && !(r < 0 && errno == EINTR))
			return r < 0 ? -errno : 0;
		if (left_ms == 0)
			return -ETIMEDOUT;
	}
}

int ctlwire_call(const char *path, const struct ctlwire_request *q, unsigned int deadline_ms,
		 struct ctlwire_answer *ret)
{
	uint64_t end_ns = clk_now_ns() + deadline_ms * CLK_NS_PER_MS;
	_cleanup_(closep) int fd = -1;
	struct ctlwire_answer answer;
	struct chan_msg msg;
	int r = ctlwire_put_request(q, &msg);

	if (r == 0)
		r = ctlwire_connect(path, deadline_ms, &fd);
	if (r == 0)
		r = chan_send(fd, &msg);
	if (r == 0)
		r = ctlwire_wait(fd, end_ns);
	if (r == 0)
		r = chan_recv(fd, ctlwire_ops, ctlwire_n_ops, &msg);
	if (r != 0)
		return r == CHAN_E_CLOSED ? -EPIPE : r == -EAGAIN ? -ETIMEDOUT : r;
	r = ctlwire_get_answer(&msg, &answer);
	if (r == 0 && answer.op != q->op)
		r = -EBADMSG;
	if (r == 0)
		*ret = answer;
	return r;
}
