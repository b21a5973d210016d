/* SPDX-License-Identifier: MIT */
/*
 * netpolicy-oracle: sends packets through a compiled policy in a scratch network namespace and
 * reports what nf_tables' trace says, for one question after the other. Started by netpolicy; no
 * use on its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/attr.h"
#include "common/ip6.h"
#include "common/parcel.h"
#include "common/spawn.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/liveset.h"
#include "netpolicy/oracle/oraclenet.h"
#include "netpolicy/oracle/oraclens.h"
#include "netpolicy/oracle/oraclesend.h"
#include "netpolicy/oracle/oracletrace.h"

#define MAIN_CPU_S 60
#define MAIN_LIVE_MAX 512 /* live elements of grants at one time */

/* An address that is in the sets of some grants. */
struct main_live {
	struct in6_addr addr;
	uint32_t grants;
};

/* All that is open. */
struct main_world {
	const struct oraclewire_request *q; /* the present question */
	struct oraclewire_reply *reply;
	struct oraclewire_links names; /* of the first question */
	size_t n_before;               /* packets of the questions before this one */
	bool is_open;
	struct oraclens ns;
	struct oraclenet *net;
	struct oraclesend *send;
	struct oracletrace *trace;
	struct kernio *k;
	size_t links[TERMS_LINKS][POLICY_UPLINKS_MAX]; /* numbers for oraclenet_link() */
	size_t n_links[TERMS_LINKS];
	size_t n_live;
	struct main_live live[MAIN_LIVE_MAX];
};

static int main_say(struct main_world *w, int r, const char *what)
{
	if (r < 0 && !w->reply->error[0])
		snprintf(w->reply->error, sizeof(w->reply->error), "%s: %s", what, strerror(-r));
	return r;
}

static int main_add_link(struct main_world *w, enum terms_link kind, const char *name, int fd)
{
	size_t *at = &w->links[kind][w->n_links[kind]];
	int r = oraclenet_add(w->net, name, fd, kind == TERMS_UP, at);

	if (r == 0)
		w->n_links[kind]++;
	return main_say(w, r, name);
}

static bool main_is_taken(const struct main_world *w, const char *name)
{
	for (size_t i = 0; i < w->names.n_uplinks; i++)
		if (!strcmp(w->names.uplinks[i], name))
			return true;
	for (size_t i = 0; i < w->names.n_tunnels; i++)
		if (!strcmp(w->names.tunnels[i], name))
			return true;
	return false;
}

/* The links of the policy, and one that it does not name. */
static int main_add_links(struct main_world *w)
{
	const struct oraclewire_links *names = &w->names;
	size_t at = 0;
	char other[IFNAMSIZ] = "";
	int r = 0;

	w->n_links[TERMS_LO] = 1;
	for (size_t i = 0; i < names->n_uplinks && r == 0; i++)
		r = main_add_link(w, TERMS_UP, names->uplinks[i], w->ns.tuns[at++]);
	for (size_t i = 0; i < names->n_tunnels && r == 0; i++)
		r = main_add_link(w, TERMS_TUN, names->tunnels[i], w->ns.tuns[at++]);
	for (unsigned int i = 0; !other[0] || main_is_taken(w, other); i++)
		snprintf(other, sizeof(other), "other%u", i);
	return r < 0 ? r : main_add_link(w, TERMS_OTHER, other, w->ns.tuns[at]);
}

/* Whom this process cannot become, the packets of are told so later. */
static int main_add_user(struct main_world *w, uint32_t uid)
{
	int r = oraclesend_add_user(w->send, uid);

	return r == -EOPNOTSUPP || r == -E2BIG ? 0 : r;
}

/* Sockets of all users of the question. Of the first one: while this process surely can become
 * them. */
static int main_add_users(struct main_world *w)
{
	int r = main_add_user(w, w->q->spare_uid);

	for (size_t i = 0; i < w->q->n && r == 0; i++) {
		const struct terms_packet *p = &w->q->packets[i];

		if (p->dir == POLICY_OUT && p->has_uid)
			r = main_add_user(w, p->uid);
	}
	return main_say(w, r, "raw sockets");
}

static int main_enter(struct main_world *w)
{
	const char *what = "";
	int r = oraclens_enter(w->names.n_uplinks + w->names.n_tunnels + 1u, &w->ns, &what);

	if (r < 0)
		return main_say(w, r, what);
	/* A change of user makes the kernel forget it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	r = main_say(w, oraclenet_open(&w->net), "routes of the namespace");
	if (r == 0)
		r = main_say(w, oraclesend_open(&w->send), "packet sockets");
	if (r == 0)
		r = main_add_links(w);
	if (r == 0)
		r = main_add_users(w);
	if (r == 0)
		r = main_say(w, oracletrace_open(&w->trace), "the trace");
	if (r == 0)
		r = main_say(w, kernio_open(&w->k), "nf_tables");
	if (r == 0)
		r = main_say(w, oraclens_drop(&w->ns), "giving up power");
	return r == 0 ? main_say(w, oracletrace_install(w->k, w->names.uplinks, w->names.n_uplinks),
				 "rules that trace") :
			r;
}

/* The conntrack zone of a packet: no other one of this process has it. */
static uint16_t main_zone(const struct main_world *w, size_t at)
{
	return (uint16_t)(w->n_before + at + 1);
}

/* The link that a packet takes: of several uplinks, by its ports, always the same. */
static int main_link(const struct main_world *w, const struct terms_packet *p, size_t *ret)
{
	size_t n = w->n_links[p->link];

	if (!n)
		return -EOPNOTSUPP;
	*ret = w->links[p->link][(p->far_port + p->near_port) % n];
	return 0;
}

static bool main_is_group(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a) ? a->s6_addr[12] >= 224 && a->s6_addr[12] < 240 :
					 IN6_IS_ADDR_MULTICAST(a);
}

static bool main_is_none(const struct in6_addr *a)
{
	static const uint8_t zero[4];

	return IN6_IS_ADDR_UNSPECIFIED(a) ||
	       (IN6_IS_ADDR_V4MAPPED(a) && !memcmp(a->s6_addr + 12, zero, 4));
}

static bool main_is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* This end: an address of the host, a group it listens to, or on purpose neither. */
static int main_near(struct main_world *w, const struct terms_packet *p, size_t link)
{
	if (main_is_none(&p->near) || main_is_loopback(&p->near))
		return p->dir == POLICY_OUT || link == 0 ? 0 : -EOPNOTSUPP;
	if (main_is_group(&p->near))
		return p->dir == POLICY_IN ?
			       oraclenet_want(w->net, &p->near, ORACLENET_GROUP, link) :
			       -EOPNOTSUPP;
	return oraclenet_want(w->net, &p->near,
			      p->facts & TERMS_FALSE_SOURCE ? ORACLENET_FAR : ORACLENET_OWN, link);
}

static int main_far(struct main_world *w, const struct terms_packet *p, size_t link)
{
	bool is_own = p->facts & TERMS_OWN_SOURCE || link == 0;
	bool is_nowhere = p->facts & TERMS_NO_WAY_BACK && !is_own;

	if (main_is_none(&p->far) || main_is_group(&p->far) || main_is_loopback(&p->far))
		return is_own && !main_is_loopback(&p->far) ? -EOPNOTSUPP : 0;
	if (is_nowhere && IN6_IS_ADDR_LINKLOCAL(&p->far))
		return -EOPNOTSUPP;
	return oraclenet_want(w->net, &p->far,
			      is_own     ? ORACLENET_OWN :
			      is_nowhere ? ORACLENET_NOWHERE :
					   ORACLENET_FAR,
			      link);
}

/* What cannot be made at all. */
static bool main_is_possible(const struct terms_packet *p)
{
	uint32_t guard_only = TERMS_LATER_FRAGMENT | TERMS_FALSE_FRAME;
	bool same = ip6_addr_equal(&p->far, &p->near);

	if (p->from_packet_socket)
		return p->dir == POLICY_OUT && p->link != TERMS_LO;
	if (p->facts & guard_only)
		return false;
	if (p->dir == POLICY_IN)
		return !p->mark && !(p->facts & TERMS_FALSE_SOURCE) &&
		       (!same || p->link == TERMS_LO || p->facts & TERMS_OWN_SOURCE);
	return !(p->facts & (TERMS_OWN_SOURCE | TERMS_NO_WAY_BACK)) &&
	       (!same || p->link == TERMS_LO || p->facts & TERMS_FALSE_SOURCE);
}

/* Routes and addresses as this packet needs them. */
static int main_place(struct main_world *w, const struct terms_packet *p, size_t *ret_link)
{
	int r = main_is_possible(p) ? main_link(w, p, ret_link) : -EOPNOTSUPP;

	if (r == 0)
		r = oraclenet_choose(w->net, *ret_link);
	if (r == 0 && !p->from_packet_socket)
		r = main_far(w, p, *ret_link);
	if (r == 0 && !p->from_packet_socket)
		r = main_near(w, p, *ret_link);
	return r < 0 ? -EOPNOTSUPP : 0;
}

static int main_grant_change(struct main_world *w, const struct in6_addr *addr, size_t grant,
			     bool is_live)
{
	struct liveset_element e = { .addr = *addr, .left_ms = 3600 * 1000 };

	snprintf(e.set, sizeof(e.set), "grant_%.50s%c", w->q->grants[grant],
		 IN6_IS_ADDR_V4MAPPED(addr) ? '4' : '6');
	return is_live ? liveset_put(w->k, &e) : liveset_drop(w->k, &e);
}

static int main_grants_change(struct main_world *w, struct main_live *live, uint32_t want)
{
	int r = 0;

	for (size_t i = 0; i < w->q->n_grants && r == 0; i++) {
		if (!((live->grants ^ want) >> i & 1))
			continue;
		r = main_grant_change(w, &live->addr, i, want >> i & 1);
		if (r == 0)
			live->grants ^= UINT32_C(1) << i;
	}
	/* No set for this family: nobody of it can have such a grant. */
	return r == -ENOENT ? -EOPNOTSUPP : r;
}

/* At the end of a question: sets of the next policy may have the same names, and keep what is in
 * them. */
static int main_grants_end(struct main_world *w)
{
	int r = 0;

	for (size_t i = 0; i < w->n_live && r == 0; i++) {
		r = main_grants_change(w, &w->live[i], 0);
		r = r == -EOPNOTSUPP ? 0 : r;
	}
	w->n_live = 0;
	return r;
}

/* Makes the other end have exactly the grants that the question says. */
static int main_grants(struct main_world *w, const struct terms_packet *p)
{
	size_t i = 0;
	int r;

	while (i < w->n_live && !ip6_addr_equal(&w->live[i].addr, &p->far))
		i++;
	if (i == w->n_live && !p->grants)
		return 0;
	if (i == MAIN_LIVE_MAX) {
		r = main_grants_change(w, &w->live[--i], 0);
		if (r < 0)
			return r;
		w->n_live--;
	}
	if (i == w->n_live)
		w->live[w->n_live++] = (struct main_live){ .addr = p->far };
	return main_grants_change(w, &w->live[i], p->grants);
}

/* Before the policy is there: what conntrack has to know. */
static int main_before(struct main_world *w, size_t at)
{
	struct terms_packet before;
	struct oracleframe frame;
	size_t link = 0;
	int r;

	if (!oracleframe_before(&w->q->packets[at], &before))
		return 0;
	r = main_place(w, &before, &link);
	if (r == 0)
		r = oracleframe_make_before(&before, main_zone(w, at), &frame);
	if (r == 0)
		r = before.dir == POLICY_IN ?
			    oraclesend_in(w->send, oraclenet_link(w->net, link), &frame) :
			    oraclesend_out(w->send, oraclenet_link(w->net, link), &before,
					   w->q->spare_uid, &frame);
	(void)oraclesend_came_out(oraclenet_link(w->net, link), 0);
	return r;
}

static int main_send(struct main_world *w, size_t at, size_t link)
{
	const struct oraclenet_link *l = oraclenet_link(w->net, link);
	const struct terms_packet *p = &w->q->packets[at];
	struct oracleframe frame;
	int r = oracleframe_make(p, main_zone(w, at), &frame);

	if (r < 0)
		return r;
	if (p->dir == POLICY_IN)
		return oraclesend_in(w->send, l, &frame);
	if (p->from_packet_socket)
		return oraclesend_frame(w->send, l, p, &frame);
	return oraclesend_out(w->send, l, p, p->has_uid ? p->uid : w->q->spare_uid, &frame);
}

/* Whether trace and wire fit each other, and the question. */
static int main_doubt(const struct terms_packet *p, const struct oracletrace_seen *seen,
		      bool came_out, const struct oraclewire_verdict *v)
{
	bool is_accepted = v->verdict == TERMS_ACCEPT;

	if (seen->is_lost)
		return -ENODATA;
	if (v->ct != p->ct)
		return -EOPNOTSUPP;
	/* Accepted before routing, and then the kernel itself found no use for it. */
	if (p->dir == POLICY_IN)
		return is_accepted && !seen->is_through ? -ENODATA : 0;
	return p->link != TERMS_LO && is_accepted != came_out ? -EPROTO : 0;
}

static void main_judge(const struct terms_packet *p, const struct oracletrace_seen *seen,
		       bool came_out, struct oraclewire_verdict *v)
{
	bool has_guard = seen->guard_rule != ORACLEWIRE_NO_RULE;
	bool by_guard = has_guard && (p->from_packet_socket || seen->guard_verdict != TERMS_ACCEPT);
	bool is_silent = seen->rule == ORACLEWIRE_NO_RULE && !has_guard;

	v->rule = by_guard ? seen->guard_rule : seen->rule;
	v->verdict = by_guard ? seen->guard_verdict : seen->verdict;
	v->n_rules = seen->n_rules;
	v->ct = p->from_packet_socket ? p->ct : seen->ct;
	if (is_silent)
		v->verdict = TERMS_ACCEPT; /* past everything, as packet sockets on a tunnel */
	v->error = is_silent && !came_out ? -ENODATA : main_doubt(p, seen, came_out, v);
}

static void main_ask(struct main_world *w, size_t at)
{
	const struct terms_packet *p = &w->q->packets[at];
	struct oraclewire_verdict *v = &w->reply->verdicts[at];
	struct oracletrace_seen seen;
	bool came_out;
	size_t link = 0;
	int r;

	*v = (struct oraclewire_verdict){ .rule = ORACLEWIRE_NO_RULE };
	r = main_place(w, p, &link);
	if (r == 0)
		r = main_grants(w, p);
	oracletrace_clear(w->trace);
	if (r == 0)
		r = main_send(w, at, link);
	if (r < 0) {
		v->error = r;
		return;
	}
	oracletrace_read(w->trace, p->dir, &seen);
	came_out = oraclesend_came_out(oraclenet_link(w->net, link), main_zone(w, at));
	main_judge(p, &seen, came_out, v);
}

/* In the order of the links: the default route points to one at a time. */
static int main_each(struct main_world *w, bool is_before)
{
	size_t n = w->names.n_uplinks + w->names.n_tunnels + 2u;
	int r = 0;

	for (size_t link = 0; link < n; link++)
		for (size_t i = 0; i < w->q->n; i++) {
			size_t mine = 0;

			if (main_link(w, &w->q->packets[i], &mine) < 0 && link == 0)
				w->reply->verdicts[i].error = -EOPNOTSUPP;
			else if (mine != link || w->reply->verdicts[i].error)
				continue;
			else if (is_before)
				r = main_before(w, i);
			else
				main_ask(w, i);
			if (r < 0 && r != -EOPNOTSUPP && r != -ENOENT)
				return r;
		}
	return 0;
}

/* Whether some packet needs another one before it. Then those go first, past no policy at all. */
static bool main_has_before(const struct main_world *w)
{
	struct terms_packet before;

	for (size_t i = 0; i < w->q->n; i++)
		if (oracleframe_before(&w->q->packets[i], &before))
			return true;
	return false;
}

static int main_prepare(struct main_world *w)
{
	int r;

	if (!main_has_before(w))
		return 0;
	r = main_say(w, applier_unload(w->k), "the policy before");
	return r < 0 ? r : main_say(w, main_each(w, true), "packets before the policy");
}

static int main_load(struct main_world *w)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	char error[BATCH_ERROR_MAX] = "";
	int r = batch_check_trial(w->q->batch, w->q->batch_len, error);

	if (r == 0)
		r = applier_apply(w->k, w->q->batch, w->q->batch_len, NULL, &result);
	if (r < 0)
		snprintf(w->reply->error, sizeof(w->reply->error), "the batch: %s",
			 error[0]        ? error :
			 result.error[0] ? result.error :
					   strerror(-r));
	return r > 0 ? -EPROTO : r;
}

/* The rules that were met, for the reply. */
static int main_rules(struct main_world *w)
{
	const struct oraclewire_rule *rules = oracletrace_rules(w->trace, &w->reply->n_rules);

	w->reply->rules = calloc(w->reply->n_rules + 1, sizeof(*rules));
	if (!w->reply->rules) {
		w->reply->n_rules = 0;
		return -ENOMEM;
	}
	if (w->reply->n_rules)
		memcpy(w->reply->rules, rules, w->reply->n_rules * sizeof(*rules));
	return 0;
}

/* The namespace, for the first question; the links of the others are the same. */
static int main_begin(struct main_world *w)
{
	struct rlimit cpu = { MAIN_CPU_S, MAIN_CPU_S };

	if (w->is_open && !oraclewire_same_links(&w->names, &w->q->links))
		return main_say(w, -EINVAL, "other links than before");
	if (w->n_before + w->q->n > ORACLE_PACKETS_MAX)
		return -E2BIG;
	if (w->is_open)
		return main_add_users(w);
	w->is_open = true;
	w->names = w->q->links;
	return setrlimit(RLIMIT_CPU, &cpu) < 0 ? -errno : main_enter(w);
}

static int main_work(struct main_world *w)
{
	int r = main_begin(w);

	w->reply->verdicts = calloc(w->q->n + 1, sizeof(*w->reply->verdicts));
	if (r == 0 && !w->reply->verdicts)
		r = -ENOMEM;
	if (r == 0)
		r = main_prepare(w);
	if (r == 0)
		r = main_load(w);
	if (r == 0)
		r = main_say(w, oracletrace_learn(w->trace, w->k), "the rules");
	if (r == 0)
		r = main_each(w, false);
	if (r == 0)
		r = main_say(w, main_grants_end(w), "the end of the grants");
	if (r < 0)
		return r;
	w->n_before += w->q->n;
	w->reply->n = w->q->n;
	return main_rules(w);
}

static int main_receive(struct oraclewire_request *ret)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	int r = parcel_receive(SPAWN_CHAN_FD, ORACLEWIRE_REQUEST_MAX, 0, &p);

	return r < 0 ? r : oraclewire_get_request(p.bytes, p.len, ret);
}

static int main_answer(struct oraclewire_reply *reply)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	int r;

	if (reply->result < 0 && !reply->error[0])
		snprintf(reply->error, sizeof(reply->error), "%s", strerror(-reply->result));
	r = oraclewire_put_reply(reply, &p);
	return r < 0 ? r : parcel_send(SPAWN_CHAN_FD, &p, 0);
}

/* One question. After an error of its own the parent takes a new child. */
static int main_serve(struct main_world *w)
{
	_cleanup_(oraclewire_release_request) struct oraclewire_request q = { 0 };
	_cleanup_(oraclewire_release_reply) struct oraclewire_reply reply = { 0 };
	int r = main_receive(&q);

	if (r < 0)
		return r;
	w->q = &q;
	w->reply = &reply;
	reply.result = main_work(w);
	r = main_answer(&reply);
	return r < 0 ? r : reply.result;
}

/* The worker. What is open is left to the kernel. */
static int main_serve_all(void)
{
	struct main_world *w = calloc(1, sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	while (r == 0)
		r = main_serve(w);
	if (w && w->is_open)
		return r == -EPIPE ? 0 : 1; /* no more questions */
	fprintf(stderr, "netpolicy-oracle is started by netpolicy, not by hand\n");
	return 2;
}

/* The parent waits for this process, and not for the kernel to take the worker's interfaces down,
 * which takes long: the worker ends by our end, behind our back. */
static int main_watch(pid_t worker)
{
	int status = 0;

	close(SPAWN_CHAN_FD);
	if (TEMP_FAILURE_RETRY(waitpid(worker, &status, 0)) < 0)
		return 1;
	if (WIFSIGNALED(status))
		fprintf(stderr, "netpolicy-oracle: signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (pid)
		return main_watch(pid);
	/* Not by return: a sanitizer would look for leaks, which this process no longer may. */
	_exit(main_serve_all());
}
