/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oracle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/errand.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/oracle/oraclewire.h"

#define ORACLE_SPARE_UID 60000 /* the first one that is tried */

struct oracle {
	struct errand child;
	struct oraclewire_links links; /* those it has made */
	size_t n_sent;                 /* packets */
};

static bool oracle_is_named(const struct policy *p, uint32_t uid)
{
	for (size_t i = 0; i < p->n_users; i++)
		if (p->users[i].uid == uid)
			return true;
	return false;
}

/* A user whom no rule names: for packets without an owner. Without root there is only one, and
 * when a rule names it, there is none. */
static uint32_t oracle_spare_uid(const struct policy *p)
{
	uint32_t uid = geteuid();

	if (uid)
		return oracle_is_named(p, uid) ? ORACLEWIRE_NO_UID : uid;
	for (uid = ORACLE_SPARE_UID; oracle_is_named(p, uid); uid--)
		;
	return uid;
}

static void oracle_describe(const struct oracle_job *job, const struct terms_packet *packets,
			    size_t n, struct oraclewire_request *ret)
{
	const struct policy *p = job->policy;

	*ret = (struct oraclewire_request){
		.links.n_uplinks = (uint8_t)p->n_uplinks,
		.links.n_tunnels = (uint8_t)p->n_tunnels,
		.n_grants = (uint8_t)p->n_grants,
		.spare_uid = oracle_spare_uid(p),
		.batch = (uint8_t *)job->batch,
		.batch_len = job->batch_len,
		.packets = (struct terms_packet *)packets,
		.n = n,
	};
	memcpy(ret->links.uplinks, p->uplinks, sizeof(ret->links.uplinks));
	memcpy(ret->links.tunnels, p->tunnels, sizeof(ret->links.tunnels));
	for (size_t i = 0; i < p->n_grants; i++)
		memcpy(ret->grants[i], p->grants[i].name, sizeof(ret->grants[i]));
}

/* Makes a child ready for @q: this one, or a new one. */
static int oracle_ready(struct oracle *o, const struct oraclewire_request *q)
{
	if (!oraclewire_same_links(&o->links, &q->links) || q->n > ORACLE_PACKETS_MAX - o->n_sent)
		errand_end(&o->child);
	if (!o->child.pid)
		o->n_sent = 0;
	o->links = q->links;
	return errand_start(&o->child, ORACLE_PROGRAM);
}

static void oracle_fill(const struct oraclewire_reply *reply, struct oracle_answer *ret)
{
	for (size_t i = 0; i < reply->n; i++) {
		const struct oraclewire_verdict *v = &reply->verdicts[i];
		const struct oraclewire_rule *rule = v->rule < reply->n_rules ?
							     &reply->rules[v->rule] :
							     NULL;

		ret[i] = (struct oracle_answer){
			.error = v->error, .verdict = v->verdict, .ct = v->ct, .n_rules = v->n_rules
		};
		if (!rule)
			continue;
		snprintf(ret[i].table, sizeof(ret[i].table), "%s",
			 rule->is_guard ? BATCH_GUARD : BATCH_TABLE);
		memcpy(ret[i].chain, rule->chain, sizeof(ret[i].chain));
		memcpy(ret[i].comment, rule->comment, sizeof(ret[i].comment));
	}
}

static int oracle_exchange(struct oracle *o, const struct oraclewire_request *q,
			   struct oraclewire_reply *ret)
{
	_cleanup_(parcel_release) struct parcel request = { 0 };
	_cleanup_(parcel_release) struct parcel reply = { 0 };
	int r = oraclewire_put_request(q, &request);

	o->n_sent += q->n;
	if (r == 0)
		r = errand_ask(&o->child, &request, ORACLE_DEADLINE_MS, ORACLEWIRE_REPLY_MAX,
			       &reply);
	return r < 0 ? r : oraclewire_get_reply(reply.bytes, reply.len, ret);
}

static int oracle_talk(struct oracle *o, const struct oraclewire_request *q,
		       struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX])
{
	_cleanup_(oraclewire_release_reply) struct oraclewire_reply reply = { 0 };
	int r = oracle_exchange(o, q, &reply);

	if (r == 0 && reply.result < 0) {
		snprintf(ret_error, ORACLE_ERROR_MAX, "%s", reply.error);
		return reply.result;
	}
	if (r == 0 && reply.n != q->n)
		r = -EBADMSG;
	if (r == 0)
		oracle_fill(&reply, ret);
	return r;
}

int oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
	       struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX])
{
	struct oracle alone = { 0 };
	struct oracle *o = job->session ? job->session : &alone;
	struct oraclewire_request q;
	int r;

	ret_error[0] = '\0';
	if (n > ORACLE_PACKETS_MAX)
		return -E2BIG;
	oracle_describe(job, packets, n, &q);
	r = oracle_ready(o, &q);
	if (r == 0)
		r = oracle_talk(o, &q, ret, ret_error);
	if (r < 0)
		errand_explain(&o->child, r, ret_error, ORACLE_ERROR_MAX);
	errand_end(&alone.child);
	return r;
}

int oracle_open(struct oracle **ret)
{
	struct oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	*ret = o;
	return 0;
}

void oracle_close(struct oracle *o)
{
	if (!o)
		return;
	errand_end(&o->child);
	free(o);
}

void oracle_closep(struct oracle **o)
{
	oracle_close(*o);
	*o = NULL;
}
