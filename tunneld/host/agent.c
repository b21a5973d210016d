/* SPDX-License-Identifier: MIT */
#include "tunneld/host/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bootid.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"
#include "config.h"
#include "tunneld/core/plan.h"
#include "tunneld/host/leasefile.h"
#include "tunneld/host/server.h"
#include "tunneld/host/statsock.h"
#include "tunneld/kern/kern.h"
#include "tunneld/kern/kernwatch.h"

#define AGENT_AUDIT_NS (5 * CLK_NS_PER_S)      /* WireGuard tells nobody about peers: look */
#define AGENT_EAGER_NS (100 * CLK_NS_PER_MS)   /* ... while a first handshake is awaited */
#define AGENT_DEBOUNCE_NS (20 * CLK_NS_PER_MS) /* several kernel events, one repair */
#define AGENT_FIGHT_NS (1 * CLK_NS_PER_S)      /* ... when repairs do not last */
#define AGENT_FIGHT_REPAIRS 20                 /* in a row without a quiet audit */

struct agent {
	const struct hostconf *conf;
	const struct agent_paths *paths;
	struct event_base *base;
	struct event *timer, *watch_event, *term, *intr;
	struct kern *kern;
	struct kernwatch *watch;
	struct statsock *statsock;
	struct netstate_names names;
	struct server servers[HOSTCONF_SERVERS_MAX];
	size_t n_servers;
	struct exreq request; /* the same for every server, but for a new key */
	uint64_t started_ns;
	uint64_t reconcile_ns; /* when the kernel is looked at next */
	bool has_key;          /* the interface is there with its key: exchanges make sense */
	bool expects_change;   /* the next difference is our own doing */
	unsigned int n_repairs, n_malformed, n_fight;
	bool was_up;
};

/* Why a session came into a state, for the log. */
static const char *agent_cause(const struct session *s)
{
	switch (s->state) {
	case SESSION_WAIT:
	case SESSION_STALE:
	case SESSION_EXPIRED:
		return pst_text(s->last_code ? s->last_code : session_missing(s));
	case SESSION_EXCHANGE:
		return "an exchange is due";
	case SESSION_HANDSHAKE:
		return "leased";
	case SESSION_UP:
		return "the kernel has a handshake";
	case SESSION_STATE_N:
		break;
	}
	return "?";
}

static void agent_log_change(const struct server *s, struct session_change change)
{
	if (change.moved)
		log_info("%s: %s -> %s: %s", s->session.name, session_state_name(change.from),
			 session_state_name(change.to), agent_cause(&s->session));
}

/* Leases on disk are a convenience: without the file a restart exchanges again. */
static void agent_save_leases(struct agent *a)
{
	char path[FILES_PATH_MAX];
	struct leasefile *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return;
	memcpy(f->boot_id, a->request.boot_id, sizeof(f->boot_id));
	for (size_t i = 0; i < a->n_servers; i++) {
		if (!a->servers[i].session.lease.held)
			continue;
		snprintf(f->entries[f->n_entries].name, OFFER_NAME_MAX, "%s",
			 a->servers[i].session.name);
		f->entries[f->n_entries++].lease = a->servers[i].session.lease;
	}
	snprintf(path, sizeof(path), "%s/%s", a->paths->state_dir, LEASEFILE_NAME);
	r = leasefile_write(path, f);
	if (r < 0)
		log_warning("cannot save leases in %s: %s; a restart would exchange again", path,
			    strerror(-r));
	free(f);
}

/* ---- kernel ---- */

static void agent_drop_lease(struct server *s)
{
	agent_log_change(s, session_on_lost(&s->session, clk_now_ns()));
	secret_wipe(&s->psk);
	s->psk_fresh = false;
}

static void agent_lose(struct agent *a, struct server *s, const char *why)
{
	if (!s->session.lease.held)
		return;
	log_pst(LOG_LEVEL_WARNING, PST_KERNEL_STATE, "%s: %s; exchanging again", s->session.name,
		why);
	agent_drop_lease(s);
}

/* A new interface has a new key: no gateway knows it. */
static void agent_note_key(struct agent *a, const struct netstate *have)
{
	a->has_key = have->link.has_key;
	if (!a->has_key || wgkey_equal(&have->link.public_key, &a->request.public_key))
		return;
	a->request.public_key = have->link.public_key;
	for (size_t i = 0; i < a->n_servers; i++)
		agent_lose(a, &a->servers[i], "the interface was made anew with a new key");
}

static void agent_note_peers(struct agent *a, const struct netstate *have)
{
	uint64_t now_ns = clk_now_ns(), now_wall = clk_now_wall();

	for (size_t i = 0; i < a->n_servers; i++) {
		struct server *s = &a->servers[i];
		const struct netstate_peer *peer;

		if (!s->session.lease.held)
			continue;
		peer = netstate_find_peer(have, &s->session.lease.offer.gateway_key);
		if (peer)
			agent_log_change(s, session_on_kernel(&s->session,
							      (uint64_t)peer->handshake_wall_s,
							      peer->rx_bytes, peer->tx_bytes,
							      now_ns, now_wall));
	}
}

static bool agent_apply(struct agent *a, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_ops; i++) {
		int r = kern_apply(a->kern, &a->names, &plan->ops[i]);

		if (r < 0) {
			log_pst(LOG_LEVEL_ERROR, PST_NETLINK, "%s: %s%s%s; trying again",
				plan_kind_text(plan->ops[i].kind), strerror(-r),
				*kern_error_text(a->kern) ? ": " : "", kern_error_text(a->kern));
			return false;
		}
	}
	return true;
}

/* Says what a stranger undid, once per repair, with the first step as the example. */
static void agent_count_repair(struct agent *a, const struct plan *plan)
{
	if (!plan->n_ops) {
		a->n_fight = 0;
		return;
	}
	if (a->expects_change)
		return;
	a->n_repairs++;
	a->n_fight++;
	log_pst(LOG_LEVEL_WARNING, PST_KERNEL_STATE,
		"%zu changes by somebody else put back, first: %s", plan->n_ops,
		plan_kind_text(plan->ops[0].kind));
}

static void agent_take_needs(struct agent *a, const struct netstate *want, uint32_t needs_psk)
{
	for (size_t p = 0; p < want->n_peers; p++)
		for (size_t i = 0; needs_psk & (1U << p) && i < a->n_servers; i++)
			if (a->servers[i].session.lease.held &&
			    wgkey_equal(&a->servers[i].session.lease.offer.gateway_key,
					&want->peers[p].key))
				agent_lose(a, &a->servers[i], "its peer is gone from the kernel");
}

static void agent_forget_psks(struct agent *a)
{
	for (size_t i = 0; i < a->n_servers; i++) {
		secret_wipe(&a->servers[i].psk);
		a->servers[i].psk_fresh = false;
	}
}

/* Plans from @have to what the servers want, applies. Gives true when it all succeeded. */
static bool agent_converge(struct agent *a, const struct netstate *have)
{
	_cleanup_(netstate_wipe) struct netstate want = { 0 };
	struct plan *plan = calloc(1, sizeof(*plan));
	bool done = false;
	int r;

	r = plan ? server_want(a->conf, a->servers, a->n_servers, &want) : -ENOMEM;
	if (r == 0)
		r = plan_make(&want, have, plan);
	if (r == PLAN_E_FOREIGN_LINK) {
		log_pst(LOG_LEVEL_ERROR, PST_KERNEL_STATE,
			"interface %s exists and is not WireGuard; remove or "
			"rename it",
			a->names.ifname);
	} else if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_KERNEL_STATE, "cannot plan: %s", strerror(-r));
	} else {
		agent_count_repair(a, plan);
		done = agent_apply(a, plan);
		agent_take_needs(a, &want, plan->needs_psk);
	}
	free(plan);
	if (done)
		agent_forget_psks(a);
	return done;
}

static bool agent_awaits_handshake(const struct agent *a)
{
	for (size_t i = 0; i < a->n_servers; i++)
		if (a->servers[i].session.state == SESSION_HANDSHAKE)
			return true;
	return false;
}

static void agent_tell_manager(struct agent *a)
{
	char text[128];
	size_t n_up = 0;

	for (size_t i = 0; i < a->n_servers; i++)
		n_up += a->servers[i].session.state == SESSION_UP;
	snprintf(text, sizeof(text), "%zu of %zu configuration servers reached", n_up,
		 a->n_servers);
	if (notify_status(text) < 0)
		log_debug("no answer from the service manager");
}

static void agent_reconcile(struct agent *a)
{
	_cleanup_(netstate_wipe) struct netstate have = { 0 };
	uint64_t wait_ns = AGENT_AUDIT_NS;
	int r = kern_read(a->kern, &a->names, &have);

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_NETLINK, "cannot read the kernel's state: %s",
			strerror(-r));
	} else {
		agent_note_key(a, &have);
		agent_note_peers(a, &have);
		if (!agent_converge(a, &have)) {
			wait_ns = AGENT_FIGHT_NS;
		} else {
			a->expects_change = have.truncated;
			if (agent_awaits_handshake(a))
				wait_ns = AGENT_EAGER_NS;
		}
	}
	a->reconcile_ns = clk_now_ns() + wait_ns;
	agent_tell_manager(a);
}

/* Looks at the kernel soon; sooner than planned, never later. */
static void agent_look_soon(struct agent *a)
{
	uint64_t wait_ns = a->n_fight > AGENT_FIGHT_REPAIRS ? AGENT_FIGHT_NS : AGENT_DEBOUNCE_NS;
	uint64_t at_ns = clk_now_ns() + wait_ns;

	if (at_ns < a->reconcile_ns)
		a->reconcile_ns = at_ns;
}

/* ---- exchanges ---- */

static void agent_on_worker(evutil_socket_t fd, short what, void *arg);
static void agent_arm(struct agent *a);

static void agent_fail(struct server *s, enum pst code, uint32_t retry_after_s, const char *detail)
{
	snprintf(s->detail, sizeof(s->detail), "%.*s", (int)sizeof(s->detail) - 1, detail);
	log_pst(LOG_LEVEL_WARNING, code, "%s: %s%s%s", s->session.name, pst_text(code),
		*detail ? ": " : "", detail);
	agent_log_change(s, session_on_failed(&s->session, code, retry_after_s, clk_now_ns()));
}

static void agent_grant(struct agent *a, struct server *s, const struct exjob_result *result)
{
	const char *conflict = server_conflict(a->servers, a->n_servers, s, &result->offer);
	enum pst code = offer_check(&result->offer, &a->conf->limits);

	if (!wgkey_equal(&s->asked_key, &a->request.public_key)) {
		agent_fail(s, PST_KERNEL_STATE, 0, "the interface got a new key meanwhile");
		return;
	}
	if (code || conflict) {
		agent_fail(s, code ? code : PST_RESPONSE_LIMIT, 0,
			   conflict ? conflict : "offer refused");
		return;
	}
	s->psk = result->psk;
	s->psk_fresh = true;
	s->detail[0] = '\0';
	snprintf(s->group, sizeof(s->group), "%s", result->group);
	log_info("%s: granted; tcp %.1f ms, tls %.1f ms, all %.1f ms, group %s", s->session.name,
		 result->connect_us / 1e3, result->tls_us / 1e3, result->total_us / 1e3,
		 result->group);
	agent_log_change(s, session_on_granted(&s->session, &result->offer, clk_now_ns(),
					       clk_now_wall()));
	a->expects_change = true;
	agent_reconcile(a);
	/* Last: the disk is slow, and a lease without its peer is worth nothing after a crash. */
	agent_save_leases(a);
}

/* One of the two ends denies the other: no tunnel stands until its lease ends. */
static void agent_end_tunnel(struct agent *a, struct server *s)
{
	if (!s->session.lease.held)
		return;
	log_pst(LOG_LEVEL_WARNING, PST_PEER_DENIED, "%s: its tunnel is ended", s->session.name);
	agent_drop_lease(s);
	a->expects_change = true;
	agent_reconcile(a);
	agent_save_leases(a);
}

static void agent_finish(struct agent *a, struct server *s)
{
	_cleanup_(exjob_result_wipe) struct exjob_result result = { 0 };

	if (exworker_finish(&s->worker, clk_now_ns(), &result) != 0)
		return;
	if (s->event)
		event_free(s->event);
	s->event = NULL;
	if (result.code == PST_WORKER_FRAME)
		a->n_malformed++;
	if (result.code == PST_NONE)
		agent_grant(a, s, &result);
	else
		agent_fail(s, result.code, result.retry_after_s, result.detail);
	if (result.code == PST_PEER_DENIED)
		agent_end_tunnel(a, s);
}

static void agent_on_worker(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	agent_finish(s->agent, s);
	agent_arm(s->agent);
}

static void agent_fill_job(const struct agent *a, const struct server *s, struct exjob_start *ret)
{
	*ret = (struct exjob_start){
		.timeout_ms = a->conf->timeout_ms,
		.require_post_quantum = a->conf->require_post_quantum,
		.hosts_prefix = a->conf->limits.hosts_prefix,
		.request = a->request,
	};
	memcpy(ret->zone, a->conf->limits.zone, sizeof(ret->zone));
	ip6_format_endpoint(&s->conf->address, ret->authority);
	memcpy(ret->principal, s->conf->principal, sizeof(ret->principal));
	memcpy(ret->cert, a->conf->cert, sizeof(ret->cert));
	memcpy(ret->key, a->conf->key, sizeof(ret->key));
	memcpy(ret->ca, a->conf->ca, sizeof(ret->ca));
	memcpy(ret->deny_file, a->conf->deny_file, sizeof(ret->deny_file));
}

static void agent_start(struct agent *a, struct server *s)
{
	struct exjob_start job;
	int r;

	agent_fill_job(a, s, &job);
	s->asked_key = job.request.public_key;
	agent_log_change(s, session_on_start(&s->session));
	r = exworker_start(&s->worker, &job, &s->conf->address, a->conf->mark, clk_now_ns());
	if (r < 0) {
		agent_fail(s, PST_TCP_CONNECT, 0, strerror(-r));
		return;
	}
	s->event = event_new(a->base, s->worker.fd, EV_READ | EV_PERSIST, agent_on_worker, s);
	if (!s->event || event_add(s->event, NULL) < 0)
		log_error("%s: out of memory; the result is fetched late", s->session.name);
}

/* ---- loop ---- */

static uint64_t agent_deadline(const struct agent *a)
{
	uint64_t at_ns = a->reconcile_ns;

	for (size_t i = 0; i < a->n_servers; i++) {
		const struct server *s = &a->servers[i];
		uint64_t t_ns = a->has_key ? session_deadline(&s->session) : UINT64_MAX;

		if (s->worker.pid && s->worker.deadline_ns < t_ns)
			t_ns = s->worker.deadline_ns;
		if (t_ns < at_ns)
			at_ns = t_ns;
	}
	return at_ns;
}

static void agent_arm(struct agent *a)
{
	uint64_t now_ns = clk_now_ns();
	uint64_t at_ns = agent_deadline(a);
	uint64_t wait_ns = at_ns > now_ns ? at_ns - now_ns : 0;
	/* Rounded up: a timer that fires a little early would spin. */
	const struct timeval tv = {
		.tv_sec = (time_t)(wait_ns / CLK_NS_PER_S),
		.tv_usec = (suseconds_t)(wait_ns % CLK_NS_PER_S / 1000 + 1),
	};

	if (event_add(a->timer, &tv) < 0)
		log_error("cannot set the timer");
}

static void agent_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;

	for (size_t i = 0; i < a->n_servers; i++) {
		agent_finish(a, &a->servers[i]);
		if (a->has_key && session_wants_exchange(&a->servers[i].session, clk_now_ns()))
			agent_start(a, &a->servers[i]);
	}
	if (clk_now_ns() >= a->reconcile_ns)
		agent_reconcile(a);
	agent_arm(a);
}

static void agent_on_kernel(evutil_socket_t fd, short what, void *arg)
{
	struct agent *a = arg;
	bool changed = false;

	if (kernwatch_drain(a->watch, &a->names, &changed) < 0 || changed)
		agent_look_soon(a);
	agent_arm(a);
}

static void agent_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct agent *a = arg;

	log_info("signal %d: ending; tunnels stay as they are", (int)sig);
	event_base_loopbreak(a->base);
}

static void agent_fill_status(void *user, struct status *ret)
{
	struct agent *a = user;
	uint64_t now_ns = clk_now_ns();

	/* Fresh byte counts and handshakes: the question is rare, the answer should be true. */
	agent_reconcile(a);
	*ret = (struct status){
		.now_wall = clk_now_wall(),
		.uptime_s = (uint32_t)((now_ns - a->started_ns) / CLK_NS_PER_S),
		.n_repairs = a->n_repairs,
		.n_overruns = (uint32_t)kernwatch_stats(a->watch)->overruns,
		.n_malformed = a->n_malformed,
		.n_servers = a->n_servers,
	};
	memcpy(ret->zone, a->conf->limits.zone, sizeof(ret->zone));
	memcpy(ret->interface, a->conf->interface, sizeof(ret->interface));
	for (size_t i = 0; i < a->n_servers; i++) {
		server_describe(&a->servers[i], now_ns, &ret->servers[i]);
		if (a->servers[i].session.lease.held)
			ret->host_addr = a->servers[i].session.lease.offer.host_addr;
	}
	agent_arm(a);
}

int agent_run(struct agent *a)
{
	agent_arm(a);
	if (notify_ready("started") < 0)
		log_debug("no answer from the service manager");
	if (event_base_dispatch(a->base) < 0)
		return -EIO;
	return notify_stopping();
}

/* ---- start and end ---- */

static void agent_adopt(struct agent *a, const struct leasefile *f, const struct netstate *have)
{
	for (size_t i = 0; i < f->n_entries; i++) {
		const struct session_lease *lease = &f->entries[i].lease;
		const struct netstate_peer *peer = netstate_find_peer(have,
								      &lease->offer.gateway_key);

		for (size_t n = 0; n < a->n_servers; n++) {
			struct server *s = &a->servers[n];

			if (strcmp(s->session.name, f->entries[i].name) || !peer ||
			    !peer->has_psk || offer_check(&lease->offer, &a->conf->limits))
				continue;
			log_info("%s: adopting the tunnel found in the kernel", s->session.name);
			agent_log_change(s, session_adopt(&s->session, lease, clk_now_ns()));
		}
	}
}

/* The file is believed only for tunnels that the kernel really holds, in this boot. */
static void agent_load_leases(struct agent *a)
{
	_cleanup_(netstate_wipe) struct netstate have = { 0 };
	struct leasefile *f = calloc(1, sizeof(*f));
	char path[FILES_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s", a->paths->state_dir, LEASEFILE_NAME);
	r = f ? leasefile_read(path, f) : -ENOMEM;
	if (r == 0)
		r = kern_read(a->kern, &a->names, &have);
	if (r == 0 && have.link.has_key) {
		a->request.public_key = have.link.public_key;
		if (!strcmp(f->boot_id, a->request.boot_id))
			agent_adopt(a, f, &have);
	} else if (r < 0 && r != -ENOENT) {
		log_warning("%s: %s; exchanging afresh", path, strerror(-r));
	}
	free(f);
}

static int agent_fill_request(struct agent *a)
{
	struct exreq *req = &a->request;

	if (a->conf->hostname[0])
		memcpy(req->hostname, a->conf->hostname, sizeof(req->hostname));
	else if (gethostname(req->hostname, sizeof(req->hostname) - 1) < 0 || !req->hostname[0])
		snprintf(req->hostname, sizeof(req->hostname), "unnamed");
	/* What the kernel calls us may hold anything; the request takes printable ASCII. */
	for (char *p = req->hostname; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			*p = '?';
	snprintf(req->software, sizeof(req->software), "postern/%s", POSTERN_VERSION);
	return bootid_read(req->boot_id);
}

static void agent_make_servers(struct agent *a)
{
	a->n_servers = a->conf->n_servers;
	for (size_t i = 0; i < a->n_servers; i++) {
		struct server *s = &a->servers[i];

		s->conf = &a->conf->servers[i];
		s->agent = a;
		exworker_init(&s->worker);
		session_init(&s->session, s->conf->name, a->request.hostname, clk_now_ns());
	}
}

static int agent_open_events(struct agent *a)
{
	a->base = event_base_new();
	if (!a->base)
		return -ENOMEM;
	a->timer = evtimer_new(a->base, agent_on_timer, a);
	a->term = evsignal_new(a->base, SIGTERM, agent_on_signal, a);
	a->intr = evsignal_new(a->base, SIGINT, agent_on_signal, a);
	a->watch_event = event_new(a->base, kernwatch_fd(a->watch), EV_READ | EV_PERSIST,
				   agent_on_kernel, a);
	if (!a->timer || !a->term || !a->intr || !a->watch_event || event_add(a->term, NULL) < 0 ||
	    event_add(a->intr, NULL) < 0 || event_add(a->watch_event, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int agent_open_all(struct agent *a)
{
	char path[FILES_PATH_MAX];
	int r = agent_fill_request(a);

	if (r == 0)
		r = kern_open(&a->kern);
	if (r == 0)
		r = kernwatch_open(0, &a->watch);
	if (r == 0)
		r = agent_open_events(a);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", a->paths->run_dir, STATUS_SOCKET);
	return statsock_open(a->base, path, agent_fill_status, a, &a->statsock);
}

static void agent_closep(struct agent **a)
{
	agent_close(*a);
}

int agent_open(const struct hostconf *conf, const struct agent_paths *paths, struct agent **ret)
{
	_cleanup_(agent_closep) struct agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->conf = conf;
	a->paths = paths;
	a->names = server_names(conf);
	a->started_ns = clk_now_ns();
	a->expects_change = true;
	r = agent_open_all(a);
	if (r < 0)
		return r;
	agent_make_servers(a);
	agent_load_leases(a);
	/* Twice: the first makes the interface and its key, the second learns the key. */
	agent_reconcile(a);
	agent_reconcile(a);
	*ret = steal_ptr(a);
	return 0;
}

static void agent_free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void agent_close(struct agent *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_servers; i++) {
		exworker_stop(&a->servers[i].worker);
		agent_free_event(a->servers[i].event);
	}
	agent_forget_psks(a);
	statsock_close(a->statsock);
	agent_free_event(a->timer);
	agent_free_event(a->term);
	agent_free_event(a->intr);
	agent_free_event(a->watch_event);
	if (a->base)
		event_base_free(a->base);
	kernwatch_close(a->watch);
	kern_close(a->kern);
	free(a);
}
