/* SPDX-License-Identifier: MIT */
#include "certs/certd/fetchworker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "common/secret.h"
#include "common/spawn.h"

void fetchworker_init(struct fetchworker *w)
{
	*w = (struct fetchworker){ .fd = -1 };
}

void fetchworker_forget(struct fetchworker *w)
{
	if (w->files)
		secret_wipe_bytes(w->files->key, sizeof(w->files->key));
	free(w->files);
	w->files = NULL;
}

static int fetchworker_send(int fd, const struct fetchjob_start *job)
{
	struct chan_msg msg;
	int r = fetchjob_encode_start(job, &msg);

	return r < 0 ? r : chan_send(fd, &msg);
}

static bool fetchworker_brings_files(enum fetchjob_kind kind)
{
	return kind == FETCHJOB_REGISTER || kind == FETCHJOB_REFRESH;
}

int fetchworker_start(struct fetchworker *w, const struct fetchjob_start *job, uint64_t now_ns)
{
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	int pair[2];
	int r;

	if (w->pid)
		return -EBUSY;
	fetchworker_forget(w);
	if (fetchworker_brings_files(job->kind)) {
		w->files = calloc(1, sizeof(*w->files));
		if (!w->files)
			return -ENOMEM;
	}
	r = chan_pair(pair);
	if (r < 0)
		return r;
	ours = pair[0];
	theirs = pair[1];
	r = fetchworker_send(ours, job);
	if (r == 0)
		r = spawn_worker(FETCHWORKER_NAME, theirs, &w->pid);
	if (r < 0) {
		fetchworker_forget(w);
		return r;
	}
	w->fd = steal_fd(&ours);
	w->kind = job->kind;
	w->deadline_ns = now_ns + (job->conf.timeout_ms + FETCHWORKER_GRACE_MS) * CLK_NS_PER_MS;
	return 0;
}

/* Ends the worker and describes how it ended, for a result that never came. */
static void fetchworker_reap(struct fetchworker *w, char *ret_detail, size_t cap)
{
	spawn_end(w->pid, ret_detail, cap);
	closep(&w->fd);
	w->pid = 0;
	w->deadline_ns = 0;
}

void fetchworker_stop(struct fetchworker *w)
{
	char detail[FETCHJOB_DETAIL_MAX];

	if (w->pid)
		fetchworker_reap(w, detail, sizeof(detail));
	fetchworker_forget(w);
}

static int fetchworker_append(uint8_t *to, size_t cap, size_t *len, const struct fetchjob_part *p)
{
	if (!p->len || p->len > cap - *len)
		return -EBADMSG;
	memcpy(to + *len, p->bytes, p->len);
	*len += p->len;
	return 0;
}

static int fetchworker_take_part(struct fetchworker *w, const struct chan_msg *msg)
{
	_cleanup_(fetchjob_part_wipe) struct fetchjob_part part = { 0 };
	struct fetchworker_files *f = w->files;
	int r = f ? fetchjob_decode_part(msg, &part) : -EBADMSG;

	if (r < 0)
		return r;
	switch (part.file) {
	case FETCHJOB_KEY:
		return fetchworker_append(f->key, sizeof(f->key), &f->key_len, &part);
	case FETCHJOB_CERT:
		return fetchworker_append(f->cert, sizeof(f->cert), &f->cert_len, &part);
	case FETCHJOB_CA:
		return fetchworker_append(f->ca, sizeof(f->ca), &f->ca_len, &part);
	}
	return -EBADMSG;
}

/* A success must bring all it promises, and say whose certificate it is. */
static int fetchworker_take_result(const struct fetchworker *w, const struct chan_msg *msg,
				   struct fetchjob_result *ret)
{
	const struct fetchworker_files *f = w->files;
	struct fetchjob_result result;
	int r = fetchjob_decode_result(msg, &result);

	if (r < 0)
		return r;
	if (result.code == PST_NONE && f && (!f->key_len || !f->cert_len || !f->ca_len))
		return -EBADMSG;
	if (result.code == PST_NONE &&
	    (!result.self.principal[0] || !result.self.provider[0] || !result.self.instance_id[0]))
		return -EBADMSG;
	/* Without one certd would take the pair for over, and register for ever. */
	if (result.code == PST_NONE && w->kind != FETCHJOB_IDENTIFY && !result.serial[0])
		return -EBADMSG;
	*ret = result;
	return 0;
}

/* Takes one message. Errors: 0 = it was the result; FETCHWORKER_E_RUNNING = a part;
 * CHAN_E_CLOSED is given as -EPIPE; -EAGAIN; -EBADMSG; -errno. */
static int fetchworker_take(struct fetchworker *w, struct fetchjob_result *ret)
{
	_cleanup_(chan_msg_release) struct chan_msg msg;
	const struct chan_op *ops;
	size_t n_ops;
	int r;

	ops = fetchjob_ops(&n_ops);
	r = chan_recv(w->fd, ops, n_ops, &msg);
	if (r != 0)
		return r == CHAN_E_CLOSED ? -EPIPE : r;
	if (msg.op->type == FETCHJOB_RESULT)
		return fetchworker_take_result(w, &msg, ret);
	if (msg.op->type != FETCHJOB_PART)
		return -EBADMSG;
	r = fetchworker_take_part(w, &msg);
	return r < 0 ? r : FETCHWORKER_E_RUNNING;
}

/* A result in the place of one that did not come. How a liar ended says nothing: we ended it. Who
 * is late waits for a name: everything else in a worker has a deadline. */
static void fetchworker_explain(const struct fetchworker *w, int r, const char *detail,
				struct fetchjob_result *ret)
{
	*ret = (struct fetchjob_result){ .code = r == -EBADMSG ? PST_FETCH_FRAME : PST_FETCH_DIED };
	if (r == -EAGAIN && fetchworker_brings_files(w->kind))
		detail = "no result in time, worker was stopped; do the name servers answer?";
	else if (r == -EAGAIN)
		detail = "no result in time; worker was stopped";
	if (r != -EBADMSG)
		snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
}

int fetchworker_finish(struct fetchworker *w, uint64_t now_ns, struct fetchjob_result *ret)
{
	struct fetchjob_result result = { 0 };
	char detail[FETCHJOB_DETAIL_MAX];
	bool late = now_ns >= w->deadline_ns;
	int r = FETCHWORKER_E_RUNNING;

	if (!w->pid)
		return FETCHWORKER_E_IDLE;
	/* Ends: every part is not empty, and there is room for so many bytes only. */
	while (r == FETCHWORKER_E_RUNNING)
		r = fetchworker_take(w, &result);
	if (r == -EAGAIN && !late)
		return FETCHWORKER_E_RUNNING;
	fetchworker_reap(w, detail, sizeof(detail));
	if (r < 0)
		fetchworker_explain(w, r, detail, &result);
	if (result.code != PST_NONE)
		fetchworker_forget(w);
	*ret = result;
	return 0;
}
