/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/keeper.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "tunneld/gateway/denier.h"
#include "tunneld/gateway/filewatch.h"
#include "tunneld/gateway/granter.h"
#include "tunneld/gateway/gwkernel.h"
#include "tunneld/gateway/gwstats.h"
#include "tunneld/gateway/herd.h"
#include "tunneld/gateway/leasedb.h"
#include "tunneld/gateway/starter.h"
#include "tunneld/proto/gwframe.h"

#define KEEPER_SNDBUF (4 * 1024 * 1024) /* answers of a whole batch to one worker, with overhead */
#define KEEPER_READ_MAX 64              /* frames of one worker before the others have their turn */
#define KEEPER_EXPIRE_LATE_S 5          /* longest sleep past the end of a lease */

struct keeper;

struct keeper_worker {
	struct keeper *k;
	uint32_t slot;
	uint32_t generation;
	int chan_fd; /* -1 = not running */
	struct event *on_chan;
	struct event *on_restart;
	uint64_t started_ns;
	unsigned int n_failed; /* in a row */
	bool draining;
	uint64_t drained_ns; /* when it was asked to end */
};

/* Workers load their files only at their start. New files are proven by a probe, before a worker
 * that still works is given up for them; then the workers are replaced one after the other. */
struct keeper_roll {
	struct filewatch watch;
	bool wanted;  /* there is something new that no probe has read well */
	bool replace; /* the workers that run have read something older */
	bool probing;
	bool stale;            /* the probe that runs may have read what was there before */
	uint64_t probe_ns;     /* when the probe was started, or when the next one may be */
	unsigned int n_failed; /* probes in a row */
	uint32_t slot;         /* next worker to replace; conf->workers = none */
};

struct keeper {
	const struct gwconf *conf;
	const struct keeper_spec *spec;
	struct event_base *base;
	struct leasedb *db;
	struct granter *granter;
	struct denier *denier;
	struct gwstats stats;
	struct herd herd;
	struct secret key;
	struct wgkey public_key;
	struct keeper_worker workers[GWCONF_WORKERS_MAX];
	struct event *on_signal[3];
	struct event *on_starter;
	struct event *on_batch;
	struct event *on_expiry;
	struct event *on_audit;
	struct event *on_identity;
	struct event *on_stats;
	struct keeper_roll roll;
	char stats_path[FILES_PATH_MAX];
	int result;
};

static void keeper_after_ms(struct event *ev, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(ev, &tv);
}

static void keeper_touch_stats(struct keeper *k)
{
	k->stats.changed = true;
	if (!event_pending(k->on_stats, EV_TIMEOUT, NULL))
		keeper_after_ms(k->on_stats, KEEPER_STATS_MS);
}

static void keeper_on_changed(void *ctx)
{
	keeper_touch_stats(ctx);
}

static void keeper_count(struct keeper *k, enum pst code)
{
	gwstats_count(&k->stats, code);
	keeper_touch_stats(k);
}

static void keeper_format_status(struct keeper *k, char *ret, size_t cap)
{
	uint64_t leases = k->stats.leases;

	if (leasedb_count(k->db, &leases) == 0)
		k->stats.leases = leases;
	snprintf(ret, cap, "%u of %u workers, %" PRIu64 " leases, %" PRIu64 " granted",
		 k->stats.workers, k->conf->workers, k->stats.leases, k->stats.granted);
}

static void keeper_on_stats(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	char status[128];
	int r;

	keeper_format_status(k, status, sizeof(status));
	(void)notify_status(status);
	r = gwstats_write(&k->stats, k->stats_path);
	if (r < 0)
		log_warning("cannot write %s: %s", k->stats_path, strerror(-r));
}

/* Workers */

static void keeper_stop_listening(struct keeper_worker *w)
{
	if (w->chan_fd < 0)
		return;
	event_free(w->on_chan);
	w->on_chan = NULL;
	closep(&w->chan_fd);
	w->k->stats.workers--;
	keeper_touch_stats(w->k);
}

static void keeper_schedule_restart(struct keeper_worker *w)
{
	uint64_t ms = KEEPER_BACKOFF_FIRST_MS;

	if (clk_now_ns() - w->started_ns > KEEPER_HEALTHY_S * CLK_NS_PER_S)
		w->n_failed = 0;
	for (unsigned int i = 0; i < w->n_failed && ms < KEEPER_BACKOFF_LAST_MS; i++)
		ms *= 2;
	w->n_failed++;
	keeper_after_ms(w->on_restart, ms < KEEPER_BACKOFF_LAST_MS ? ms : KEEPER_BACKOFF_LAST_MS);
}

/* The worker sent what does not fit, or is gone. */
static void keeper_give_up(struct keeper_worker *w, const char *why)
{
	if (w->chan_fd < 0)
		return;
	keeper_stop_listening(w);
	if (w->draining) {
		keeper_after_ms(w->on_restart, 0);
		return;
	}
	log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_WORKER, "worker %u: %s; it is replaced", w->slot, why);
	keeper_count(w->k, PST_GATEWAY_WORKER);
	if (starter_stop(w->k->spec->starter_fd, w->slot) < 0)
		log_debug("worker %u: the starter was not told", w->slot);
	keeper_schedule_restart(w);
}

static void keeper_send(struct keeper_worker *w, const struct chan_msg *msg)
{
	if (w->chan_fd >= 0 && chan_send(w->chan_fd, msg) < 0)
		keeper_give_up(w, "does not take its answers");
}

/* Every grant and every refusal by the keeper is on record with who asked for what. */
static void keeper_log_answer(const struct gwframe_grant *grant, enum pst code)
{
	char addr[IP6_ADDR_TEXT], key[WGKEY_TEXT];

	ip6_format_addr(&grant->host_addr, addr);
	wgkey_format(&grant->host_key, key);
	if (code == PST_NONE)
		log_info("granted %s to %s, instance %s, serial %s, key %s", addr, grant->principal,
			 grant->instance_id, grant->serial, key);
	else
		log_pst(LOG_LEVEL_WARNING, code, "%s, instance %s, address %s, key %s: %s",
			grant->principal, grant->instance_id, addr, key, pst_text(code));
}

static void keeper_answer(const struct granter_from *from, const struct gwframe_grant *grant,
			  const struct gwframe_answer *answer, void *ctx)
{
	struct keeper *k = ctx;
	struct keeper_worker *w = &k->workers[from->slot];
	struct chan_msg msg;

	keeper_log_answer(grant, answer->code);
	if (answer->code == PST_NONE)
		k->stats.granted++;
	else
		keeper_count(k, answer->code);
	if (w->generation != from->generation)
		return; /* its host will come again */
	if (answer->code == PST_GATEWAY_WORKER)
		keeper_give_up(w, "asked for what no worker may ask for");
	else if (gwframe_encode_answer(from->seq, answer, &msg) == 0)
		keeper_send(w, &msg);
}

/* Errors: 0; -EBADMSG. */
static int keeper_on_grant(struct keeper_worker *w, const struct chan_msg *msg)
{
	_cleanup_(gwframe_grant_wipe) struct gwframe_grant grant = { .epoch = 0 };
	struct granter_from from = { w->slot, w->generation, msg->seq };
	struct keeper *k = w->k;
	struct gwframe_answer busy = { .code = PST_GATEWAY_BUSY };
	int r = gwframe_decode_grant(msg, &grant);

	if (r < 0)
		return r;
	if (granter_add(k->granter, &from, &grant) == 0) {
		event_active(k->on_batch, EV_TIMEOUT, 0);
		return 0;
	}
	busy.retry_after_s = herd_take(&k->herd, clk_now_ns());
	keeper_answer(&from, &grant, &busy, k);
	return 0;
}

static int keeper_on_message(struct keeper_worker *w, const struct chan_msg *msg)
{
	struct gwframe_count count;

	if (msg->op->type == GWFRAME_GRANT)
		return keeper_on_grant(w, msg);
	if (msg->op->type != GWFRAME_COUNT || gwframe_decode_count(msg, &count) < 0)
		return -EBADMSG;
	keeper_count(w->k, count.code);
	return 0;
}

static void keeper_on_chan(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_worker *w = arg;
	size_t n_ops;
	const struct chan_op *ops = gwframe_ops(&n_ops);
	uint32_t generation = w->generation;
	int r = 0;

	for (unsigned int i = 0; i < KEEPER_READ_MAX && r == 0; i++) {
		_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };

		if (w->chan_fd < 0 || w->generation != generation)
			return; /* given up meanwhile */
		r = chan_recv(w->chan_fd, ops, n_ops, &msg);
		if (r == 0)
			r = keeper_on_message(w, &msg);
	}
	if (r == CHAN_E_CLOSED)
		keeper_give_up(w, "closed its channel");
	else if (r == -EBADMSG)
		keeper_give_up(w, "sent a malformed frame");
	else if (r < 0 && r != -EAGAIN)
		keeper_give_up(w, strerror(-r));
}

static int keeper_say_hello(struct keeper *k, int fd)
{
	struct gwframe_hello hello = { .gateway_key = k->public_key };
	struct chan_msg msg;
	int r = gwframe_encode_hello(0, &hello, &msg);

	return r < 0 ? r : chan_send(fd, &msg);
}

static void keeper_widen(int fd)
{
	int size = KEEPER_SNDBUF;

	/* Without CAP_NET_ADMIN (tests) the system's limit holds. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int keeper_start_worker(struct keeper_worker *w)
{
	int pair[2];
	int r = chan_pair(pair);

	if (r < 0)
		return r;
	keeper_widen(pair[0]);
	keeper_widen(pair[1]);
	r = keeper_say_hello(w->k, pair[0]);
	if (r == 0)
		r = starter_start(w->k->spec->starter_fd, w->slot, pair[1]);
	closep(&pair[1]);
	if (r == 0) {
		w->on_chan = event_new(w->k->base, pair[0], EV_READ | EV_PERSIST, keeper_on_chan,
				       w);
		r = w->on_chan && event_add(w->on_chan, NULL) == 0 ? 0 : -ENOMEM;
	}
	if (r < 0) {
		closep(&pair[0]);
		return r;
	}
	w->chan_fd = pair[0];
	return 0;
}

static void keeper_on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct keeper_worker *w = arg;
	int r;

	w->generation++;
	w->draining = false;
	w->started_ns = clk_now_ns();
	r = keeper_start_worker(w);
	if (r < 0) {
		log_error("worker %u cannot be started: %s", w->slot, strerror(-r));
		keeper_schedule_restart(w);
		return;
	}
	w->k->stats.workers++;
	w->k->stats.starts++;
	keeper_touch_stats(w->k);
}

/* Every worker runs, and none is about to end. */
static bool keeper_is_whole(const struct keeper *k)
{
	for (uint32_t slot = 0; slot < k->conf->workers; slot++)
		if (k->workers[slot].chan_fd < 0 || k->workers[slot].draining)
			return false;
	return true;
}

/* Lets the next worker finish and replaces it, when nobody else is missing. */
static void keeper_roll_next(struct keeper *k)
{
	struct keeper_worker *w;
	struct chan_msg msg;

	if (k->roll.slot >= k->conf->workers || !keeper_is_whole(k))
		return;
	w = &k->workers[k->roll.slot++];
	gwframe_init_drain(0, &msg);
	w->draining = true;
	w->drained_ns = clk_now_ns();
	keeper_send(w, &msg);
}

/* One that does not end would keep the others at the old certificate until nobody takes it. */
static void keeper_mind_drains(struct keeper *k)
{
	uint64_t limit_ns = (2 * (uint64_t)k->conf->request_timeout_ms + KEEPER_DRAIN_GRACE_MS) *
			    CLK_NS_PER_MS;

	for (uint32_t slot = 0; slot < k->conf->workers; slot++) {
		struct keeper_worker *w = &k->workers[slot];

		if (!w->draining || w->chan_fd < 0 || clk_now_ns() - w->drained_ns < limit_ns)
			continue;
		log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_WORKER,
			"worker %u: does not end; it is killed and replaced", slot);
		keeper_count(k, PST_GATEWAY_WORKER);
		keeper_give_up(w, "does not end");
	}
}

/* Identity files */

static void keeper_look_now(struct keeper *k)
{
	keeper_after_ms(k->on_identity, 0);
}

/* Those that wait to be started again have probably waited for these files. */
static void keeper_wake_workers(struct keeper *k)
{
	for (uint32_t slot = 0; slot < k->conf->workers; slot++)
		if (event_pending(k->workers[slot].on_restart, EV_TIMEOUT, NULL))
			keeper_after_ms(k->workers[slot].on_restart, 0);
}

/* The files are good: from now on every worker that has read older ones may be replaced. */
static void keeper_begin_roll(struct keeper *k)
{
	k->roll.wanted = false;
	keeper_wake_workers(k);
	if (!k->roll.replace)
		return;
	k->roll.replace = false;
	k->roll.slot = 0;
	log_info("identity files are good, workers are replaced one after the other");
	keeper_look_now(k);
}

static void keeper_put_roll_off(struct keeper *k, enum pst code, const char *text)
{
	uint64_t wait_s = KEEPER_PROBE_FIRST_S;

	for (unsigned int i = 0; i < k->roll.n_failed && wait_s < KEEPER_PROBE_LAST_S; i++)
		wait_s *= 2;
	wait_s = wait_s < KEEPER_PROBE_LAST_S ? wait_s : KEEPER_PROBE_LAST_S;
	k->roll.n_failed++;
	k->roll.probe_ns = clk_now_ns() + wait_s * CLK_NS_PER_S;
	log_pst(LOG_LEVEL_ERROR, code,
		"new files are not used: the worker that tried them %s; the others go on with what "
		"they have read; tried again in %" PRIu64 " s, or when a file changes",
		text, wait_s);
	keeper_count(k, code);
}

static void keeper_on_probe(struct keeper *k, const struct starter_event *event, const char *text)
{
	int status = event->pid && WIFEXITED(event->status) ? WEXITSTATUS(event->status) : -1;
	bool came = denier_finish(k->denier);

	k->roll.probing = false;
	if (k->roll.stale) {
		k->roll.stale = false;
		keeper_look_now(k);
	} else if (status == 0 && !came) {
		keeper_put_roll_off(k, PST_GATEWAY_WORKER, "did not report a whole deny-list");
	} else if (status == 0) {
		keeper_begin_roll(k);
	} else {
		keeper_put_roll_off(k,
				    status == STARTER_EXIT_DENYLIST ? PST_DENYLIST_UNUSABLE :
								      PST_IDENTITY_FILES,
				    text);
	}
}

static void keeper_probe(struct keeper *k)
{
	_cleanup_(closep) int probe_fd = -1;
	char text[96];
	int r = denier_open(k->denier, &probe_fd);

	if (r == 0)
		r = starter_probe(k->spec->starter_fd, probe_fd);
	if (r < 0) {
		(void)denier_finish(k->denier);
		snprintf(text, sizeof(text), "could not be started: %s", strerror(-r));
		keeper_put_roll_off(k, PST_IDENTITY_FILES, text);
		return;
	}
	k->roll.probing = true;
	k->roll.probe_ns = clk_now_ns();
}

/* A probe that hangs (a FIFO in the place of a file) must not be the last one. */
static void keeper_mind_probe(struct keeper *k)
{
	uint64_t late_ns = k->roll.probe_ns + KEEPER_PROBE_S * CLK_NS_PER_S;

	if (clk_now_ns() > late_ns && starter_stop(k->spec->starter_fd, STARTER_PROBE_SLOT) < 0)
		log_debug("the probe could not be stopped");
}

/* What a probe has begun to read may be older than what is wanted now: its word counts no more. */
static void keeper_want_roll(struct keeper *k, const char *why)
{
	log_info("%s: the files are tried before a worker is replaced", why);
	k->roll.wanted = true;
	k->roll.replace = true;
	k->roll.stale = k->roll.probing;
	k->roll.n_failed = 0;
	k->roll.probe_ns = 0;
}

static void keeper_on_identity(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (filewatch_changed(&k->roll.watch))
		keeper_want_roll(k, "a file of [identity] has changed");
	if (k->roll.probing)
		keeper_mind_probe(k);
	else if (k->roll.wanted && clk_now_ns() >= k->roll.probe_ns)
		keeper_probe(k);
	keeper_mind_drains(k);
	keeper_roll_next(k);
	keeper_after_ms(k->on_identity,
			k->roll.slot < k->conf->workers ? 1000 : 1000 * KEEPER_IDENTITY_S);
}

/* The keeper only looks at the files; where it may not even do that, SIGHUP is left. One that is
 * missing is seen when it comes. */
static int keeper_watch(struct keeper *k)
{
	const char *const files[] = { k->conf->cert, k->conf->key, k->conf->ca,
				      k->conf->deny_file };

	k->roll.slot = k->conf->workers;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = *files[i] ? filewatch_add(&k->roll.watch, files[i]) : 0;

		if (r == -E2BIG)
			return r;
		if (r < 0 && r != -ENOENT)
			log_warning("%s: %s; a change of it may be seen only with SIGHUP", files[i],
				    strerror(-r));
	}
	return 0;
}

static void keeper_on_starter(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	struct starter_event event;
	char text[96];
	int r = starter_receive(fd, &event);

	if (r == -EAGAIN)
		return;
	if (r != 0 || (event.slot >= k->conf->workers && event.slot != STARTER_PROBE_SLOT)) {
		log_error("the starter process is gone");
		k->result = -ECHILD;
		event_base_loopexit(k->base, NULL);
		return;
	}
	starter_describe(&event, text, sizeof(text));
	if (event.slot == STARTER_PROBE_SLOT) {
		keeper_on_probe(k, &event, text);
		return;
	}
	if (!k->workers[event.slot].draining)
		log_warning("worker %u %s", event.slot, text);
	if (!event.pid)
		keeper_give_up(&k->workers[event.slot], "could not be started");
}

/* Peers */

static void keeper_schedule_expiry(struct keeper *k)
{
	uint64_t next = UINT64_MAX, now = clk_now_wall(), wait;

	if (leasedb_next_expiry(k->db, &next) < 0 || next == UINT64_MAX)
		next = now + KEEPER_EXPIRE_LATE_S;
	wait = next > now ? next - now : 0;
	keeper_after_ms(k->on_expiry,
			1000 * (wait < KEEPER_EXPIRE_LATE_S ? wait : KEEPER_EXPIRE_LATE_S));
}

static int keeper_set_up_kernel(struct keeper *k)
{
	struct gwkernel_sweep sweep;
	const char *what;
	int r = gwkernel_set_up(k->conf, &k->key, &k->public_key, &what);

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_KERNEL, "%s: cannot %s: %s",
			k->conf->interface, what,
			r == -EEXIST ? "an interface of that name is not ours" : strerror(-r));
		return r;
	}
	r = gwkernel_adopt(k->conf, k->db, &sweep);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_KERNEL,
			"%s: cannot compare peers and leases: %s", k->conf->interface,
			strerror(-r));
		return r;
	}
	k->stats.swept += sweep.n_swept;
	k->stats.dropped += sweep.n_dropped;
	if (sweep.n_swept || sweep.n_dropped)
		log_warning("%s: %zu peers adopted, %zu without a lease removed, "
			    "%zu leases without a peer dropped",
			    k->conf->interface, sweep.n_peers, sweep.n_swept, sweep.n_dropped);
	keeper_touch_stats(k);
	return 0;
}

static void keeper_on_batch(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	uint64_t failed = gwstats_of(&k->stats, PST_STORE_FAILED);
	int r = granter_run(k->granter, clk_now_wall(), keeper_answer, k);

	keeper_touch_stats(k);
	if (gwstats_of(&k->stats, PST_STORE_FAILED) != failed)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_FAILED, "%s; nothing was granted",
			granter_error(k->granter));
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_GATEWAY_KERNEL, "%s: %s; it is set up again",
			k->conf->interface, strerror(-r));
		if (keeper_set_up_kernel(k) < 0)
			keeper_count(k, PST_GATEWAY_KERNEL);
	}
}

static void keeper_on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;
	size_t n = 0;
	int r = granter_expire(k->granter, clk_now_wall(), &n);

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_STORE_FAILED, "cannot end leases: %s (%s)",
			strerror(-r), granter_error(k->granter));
		keeper_after_ms(k->on_expiry, 1000 * KEEPER_EXPIRE_LATE_S);
		return;
	}
	k->stats.expired += n;
	if (n) {
		log_info("%zu leases ended, their peers are removed", n);
		keeper_touch_stats(k);
	}
	keeper_schedule_expiry(k);
}

static void keeper_on_audit(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (keeper_set_up_kernel(k) < 0)
		keeper_count(k, PST_GATEWAY_KERNEL);
	keeper_after_ms(k->on_audit, 1000 * KEEPER_AUDIT_S);
}

static void keeper_on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *k = arg;

	if (fd == SIGHUP) {
		keeper_want_roll(k, "SIGHUP");
		keeper_look_now(k);
		return;
	}
	(void)notify_stopping();
	event_base_loopexit(k->base, NULL);
}

/* Start and end */

static struct event *keeper_timer(struct keeper *k, event_callback_fn fn, int priority)
{
	struct event *ev = event_new(k->base, -1, 0, fn, k);

	if (ev)
		(void)event_priority_set(ev, priority);
	return ev;
}

static int keeper_make_events(struct keeper *k)
{
	static const int signals[3] = { SIGTERM, SIGINT, SIGHUP };

	k->base = event_base_new();
	if (!k->base || event_base_priority_init(k->base, 2) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		k->on_signal[i] = evsignal_new(k->base, signals[i], keeper_on_signal, k);
		if (!k->on_signal[i] || event_priority_set(k->on_signal[i], 0) < 0 ||
		    event_add(k->on_signal[i], NULL) < 0)
			return -ENOMEM;
	}
	k->on_starter = event_new(k->base, k->spec->starter_fd, EV_READ | EV_PERSIST,
				  keeper_on_starter, k);
	/* All channels are read before the batch runs: that is what makes it a batch. */
	k->on_batch = keeper_timer(k, keeper_on_batch, 1);
	k->on_expiry = keeper_timer(k, keeper_on_expiry, 1);
	k->on_audit = keeper_timer(k, keeper_on_audit, 1);
	k->on_identity = keeper_timer(k, keeper_on_identity, 1);
	k->on_stats = keeper_timer(k, keeper_on_stats, 1);
	if (!k->on_starter || !k->on_batch || !k->on_expiry || !k->on_audit || !k->on_identity ||
	    !k->on_stats)
		return -ENOMEM;
	(void)event_priority_set(k->on_starter, 0);
	return event_add(k->on_starter, NULL) < 0 ? -ENOMEM : 0;
}

/* Without the deny-list the keeper grants nothing: workers wait a moment for it, rather than send
 * away those who come first. The probe that brings it wakes them. */
static int keeper_make_workers(struct keeper *k)
{
	for (uint32_t slot = 0; slot < k->conf->workers; slot++) {
		struct keeper_worker *w = &k->workers[slot];

		w->k = k;
		w->slot = slot;
		w->on_restart = event_new(k->base, -1, 0, keeper_on_restart, w);
		if (!w->on_restart)
			return -ENOMEM;
		keeper_after_ms(w->on_restart, *k->conf->deny_file ? KEEPER_LIST_MS : 0);
	}
	return 0;
}

static int keeper_open_files(struct keeper *k)
{
	char path[FILES_PATH_MAX];
	int r;

	snprintf(k->stats_path, sizeof(k->stats_path), "%s/gatewayd.prom", k->spec->run_dir);
	snprintf(path, sizeof(path), "%s/gateway.key", k->spec->state_dir);
	r = gwkernel_load_key(path, &k->key);
	if (r < 0) {
		log_error("%s: %s", path, r == -EINVAL ? "not a key of 32 bytes" : strerror(-r));
		return r;
	}
	snprintf(path, sizeof(path), "%s/leases.db", k->spec->state_dir);
	r = leasedb_open(path, &k->db);
	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, PST_STORE_FAILED, "%s: %s", path,
			r == -EPROTO ? "made by a newer program" : strerror(-r));
	return r;
}

/* Who may have a tunnel. */
static int keeper_make_judges(struct keeper *k)
{
	struct denier_spec spec = {
		.base = k->base, .stats = &k->stats, .changed = keeper_on_changed, .ctx = k
	};
	int r = granter_new(k->conf, k->db, &k->stats, &k->granter);

	if (r < 0)
		return r;
	spec.granter = k->granter;
	return denier_new(&spec, &k->denier);
}

static int keeper_start(struct keeper *k)
{
	int r = keeper_open_files(k);

	if (r == 0)
		r = keeper_make_events(k);
	if (r == 0)
		r = keeper_set_up_kernel(k);
	if (r == 0)
		r = keeper_make_judges(k);
	if (r == 0)
		r = keeper_watch(k);
	if (r == 0)
		r = keeper_make_workers(k);
	if (r < 0)
		return r;
	/* Who was denied while nobody looked has a tunnel still. */
	k->roll.wanted = *k->conf->deny_file;
	keeper_after_ms(k->on_identity, k->roll.wanted ? 0 : 1000 * KEEPER_IDENTITY_S);
	keeper_after_ms(k->on_audit, 1000 * KEEPER_AUDIT_S);
	keeper_schedule_expiry(k);
	keeper_touch_stats(k);
	return 0;
}

static void keeper_free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void keeper_release(struct keeper *k)
{
	struct event *const events[] = { k->on_signal[0], k->on_signal[1], k->on_signal[2],
					 k->on_starter,   k->on_batch,     k->on_expiry,
					 k->on_audit,     k->on_identity,  k->on_stats };

	for (uint32_t slot = 0; slot < k->conf->workers; slot++) {
		keeper_free_event(k->workers[slot].on_chan);
		keeper_free_event(k->workers[slot].on_restart);
		closep(&k->workers[slot].chan_fd);
	}
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		keeper_free_event(events[i]);
	denier_free(k->denier);
	granter_free(k->granter);
	leasedb_close(k->db);
	if (k->base)
		event_base_free(k->base);
	secret_wipe(&k->key);
}

int keeper_run(const struct keeper_spec *spec)
{
	struct keeper k = { .conf = spec->conf, .spec = spec };
	char key[WGKEY_TEXT], status[128];
	int r;

	for (uint32_t slot = 0; slot < spec->conf->workers; slot++)
		k.workers[slot].chan_fd = -1;
	r = keeper_start(&k);
	if (r == 0) {
		keeper_format_status(&k, status, sizeof(status));
		log_info("%s serves zone %s on %s, public key %s; %s", k.conf->name, k.conf->zone,
			 k.conf->interface, wgkey_format(&k.public_key, key), status);
		(void)notify_ready(status);
		if (event_base_dispatch(k.base) < 0)
			k.result = -EIO;
		keeper_on_stats(-1, 0, &k);
		r = k.result;
	}
	keeper_release(&k);
	return r;
}
