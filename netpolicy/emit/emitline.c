/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emitline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *emitline_drop(const struct policy *p)
{
	return p->enforce ? "drop" : "accept";
}

const char *emitline_reject(const struct policy *p)
{
	return p->enforce ? "reject with icmpx admin-prohibited" : "accept";
}

void emitline_fixed(struct buf *to, const char *rule, const char *comment)
{
	buf_addf(to, "\t\t%s comment \"%s\"\n", rule, comment);
}

/* The rest of a rule that logs. */
static void emitline_log_end(const struct policy *p, struct buf *to, const char *what)
{
	buf_addf(to,
		 "limit rate %u/second burst %u packets counter log prefix \"postern %s: \" "
		 "flags skuid comment \"row 16: log %u\"\n",
		 p->log_rate, p->log_rate, what, p->log_rate);
}

void emitline_log(const struct policy *p, struct buf *to, const char *what)
{
	if (!p->log_rate)
		return;
	buf_add(to, "\t\t");
	emitline_log_end(p, to, what);
}

void emitline_refuse(const struct policy *p, struct buf *to, const char *counter, unsigned int row,
		     const char *why)
{
	buf_addf(to, "\t\tcounter name %s %s comment \"row %u: %s\"\n", counter, emitline_reject(p),
		 row, why);
	buf_addf(to, "\t\tcounter %s comment \"row %u: what cannot be rejected\"\n",
		 emitline_drop(p), row);
}

/* The other end: "ip6 daddr @archive6". The zone is never part of any: outside the tunnel that is
 * decided before, so only inside of it the rule must say so. */
static void emitline_far(const struct policy *p, struct buf *to, const struct policy_rule *rule,
			 bool v4)
{
	const char *end = rule->dir == POLICY_IN ? "saddr" : "daddr";
	const struct policy_net *net = &p->nets[rule->net];

	if (!net->is_any) {
		buf_addf(to, "%s %s @%s%c", v4 ? "ip" : "ip6", end, net->name, v4 ? '4' : '6');
		return;
	}
	buf_add(to, "meta nfproto ipv6");
	if (rule->via == POLICY_VIA_TUNNEL && p->config_net != POLICY_NONE)
		buf_addf(to, " ip6 %s != @config6", end);
	if (rule->via == POLICY_VIA_TUNNEL && p->gateways_net != POLICY_NONE)
		buf_addf(to, " ip6 %s != @gateways6", end);
}

static int emitline_port_order(const void *a, const void *b)
{
	const struct policy_port *x = a, *y = b;

	return x->low != y->low ? x->low - y->low : x->high - y->high;
}

/* Those of @from with @proto, sorted and merged: an anonymous set takes no overlaps. */
static struct policy_ports emitline_ports_of(const struct policy_ports *from,
					     enum policy_proto proto)
{
	struct policy_ports some = { 0 }, merged = { 0 };

	for (size_t i = 0; i < from->n; i++)
		if (from->list[i].proto == proto)
			some.list[some.n++] = from->list[i];
	qsort(some.list, some.n, sizeof(some.list[0]), emitline_port_order);
	for (size_t i = 0; i < some.n; i++) {
		struct policy_port *last = merged.n ? &merged.list[merged.n - 1] : NULL;

		if (!last || some.list[i].low > last->high + 1)
			merged.list[merged.n++] = some.list[i];
		else if (some.list[i].high > last->high)
			last->high = some.list[i].high;
	}
	return merged;
}

/* "tcp dport 443", "tcp sport { 22, 8000-8100 }". */
static void emitline_ports(struct buf *to, const char *end, const struct policy_ports *ports)
{
	buf_addf(to, "%s %s ", ports->list[0].proto == POLICY_TCP ? "tcp" : "udp", end);
	for (size_t i = 0; i < ports->n; i++) {
		buf_add(to, i ? ", " : ports->n > 1 ? "{ " : "");
		buf_addf(to, "%u", ports->list[i].low);
		if (ports->list[i].high != ports->list[i].low)
			buf_addf(to, "-%u", ports->list[i].high);
	}
	buf_add(to, ports->n > 1 ? " }" : "");
}

static int emitline_uid_order(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* " meta skuid 998", " meta skuid { 0, 998 }", each number once; nothing without users. */
static void emitline_users(const struct policy *p, struct buf *to, const struct policy_users *users)
{
	uint32_t uids[POLICY_RULE_USERS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < users->n; i++)
		uids[i] = p->users[users->at[i]].uid;
	qsort(uids, users->n, sizeof(uids[0]), emitline_uid_order);
	for (size_t i = 0; i < users->n; i++)
		if (!n || uids[n - 1] != uids[i])
			uids[n++] = uids[i];
	for (size_t i = 0; i < n; i++)
		buf_addf(to, "%s%u", i ? ", " : n > 1 ? " meta skuid { " : " meta skuid ", uids[i]);
	buf_add(to, n > 1 ? " }" : "");
}

/* "policy.conf:17 remark". */
static void emitline_comment(struct buf *to, const char *where, const char *more)
{
	buf_addf(to, " comment \"%.63s%s%s\"\n", where, *more ? " " : "", more);
}

static bool emitline_is_metadata(const struct policy *p, const struct policy_rule *rule)
{
	return rule->dir == POLICY_OUT && !strcmp(p->nets[rule->net].name, "imds");
}

/* True for lines whose chain no map of links leads to: marked ones, and those of metadata. */
static bool emitline_is_apart(const struct policy *p, const struct policy_rule *rule)
{
	return rule->has_mark || emitline_is_metadata(p, rule);
}

/* One rule of a line: for one family, and one protocol or whatever. */
static void emitline_one(const struct policy *p, struct buf *to, const struct policy_rule *rule,
			 bool v4, const struct policy_ports *ports)
{
	buf_addf(to, "\t\t%s", emitline_is_apart(p, rule) ? "oifname @uplinks " : "");
	if (rule->has_mark)
		buf_addf(to, "meta mark 0x%x ", rule->mark);
	emitline_far(p, to, rule, v4);
	if (rule->has_mark)
		buf_addf(to, " %s sport 1024-65535",
			 ports->list[0].proto == POLICY_TCP ? "tcp" : "udp");
	if (ports)
		buf_add(to, " ");
	if (ports)
		emitline_ports(to, "dport", ports);
	emitline_users(p, to, &rule->users);
	buf_add(to, " counter accept");
	emitline_comment(to, rule->where, rule->remark);
}

/* All rules of a line. */
static void emitline_line(const struct policy *p, struct buf *to, const struct policy_rule *rule)
{
	const struct policy_ports tcp = emitline_ports_of(&rule->ports, POLICY_TCP);
	const struct policy_ports udp = emitline_ports_of(&rule->ports, POLICY_UDP);

	for (int v4 = 0; v4 < 2; v4++) {
		if (!policy_net_has(&p->nets[rule->net], v4))
			continue;
		if (!rule->ports.n)
			emitline_one(p, to, rule, v4, NULL);
		if (tcp.n)
			emitline_one(p, to, rule, v4, &tcp);
		if (udp.n)
			emitline_one(p, to, rule, v4, &udp);
	}
}

void emitline_rules(const struct policy *p, struct buf *to, enum policy_dir dir,
		    enum policy_via via)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *rule = &p->rules[i];

		if (rule->dir == dir && rule->via == via && !emitline_is_apart(p, rule))
			emitline_line(p, to, rule);
	}
}

void emitline_marked(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].has_mark)
			emitline_line(p, to, &p->rules[i]);
}

void emitline_answers(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *rule = &p->rules[i];

		if (!rule->has_mark || !rule->ports.n)
			continue;
		buf_add(to, "\t\tiifname @uplinks ip6 saddr @config6 ");
		emitline_ports(to, "sport", &rule->ports);
		buf_add(to, " ct state established,related counter accept");
		emitline_comment(to, rule->where, "answers");
	}
}

void emitline_metadata(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (emitline_is_metadata(p, &p->rules[i]))
			emitline_line(p, to, &p->rules[i]);
}

/* One grant, one direction, one family. */
struct emitline_session {
	const struct policy_grant *grant;
	enum policy_dir dir;
	bool v4;
};

/* Where such packets come from, or go to. */
static void emitline_session_ends(const struct policy *p, struct buf *to,
				  const struct emitline_session *s)
{
	const struct policy_net *net = &p->nets[s->grant->net];

	buf_addf(to, "\t\t%s %s ", s->dir == POLICY_IN ? "iifname" : "oifname",
		 s->grant->via == POLICY_VIA_TUNNEL ? "@tunnels" : "@uplinks");
	if (net->is_any)
		buf_add(to, "meta nfproto ipv6 ");
	else
		buf_addf(to, "%s %s @%s%c ", s->v4 ? "ip" : "ip6",
			 s->dir == POLICY_IN ? "saddr" : "daddr", net->name, s->v4 ? '4' : '6');
}

/* Whether a grant is live for the other end. */
static void emitline_session_live(struct buf *to, const struct emitline_session *s)
{
	buf_addf(to, "%s %s @grant_%s%c ", s->v4 ? "ip" : "ip6",
		 s->dir == POLICY_IN ? "saddr" : "daddr !=", s->grant->name, s->v4 ? '4' : '6');
}

static void emitline_session_end(const struct policy *p, struct buf *to,
				 const struct emitline_session *s)
{
	buf_addf(to, " counter name grant_over %s comment \"%.63s grant %.40s: none is live\"\n",
		 emitline_drop(p), s->grant->where, s->grant->name);
}

/* Live passes; the rest of what speaks to these ports ends here, before any old session's state. */
static void emitline_session_in(const struct policy *p, struct buf *to,
				const struct emitline_session *s, const struct policy_ports *ports)
{
	emitline_session_ends(p, to, s);
	emitline_session_live(to, s);
	emitline_ports(to, "dport", ports);
	buf_addf(to, " counter accept comment \"%.63s grant %.40s\"\n", s->grant->where,
		 s->grant->name);
	if (p->log_rate) {
		emitline_session_ends(p, to, s);
		emitline_ports(to, "dport", ports);
		buf_add(to, " ");
		emitline_log_end(p, to, "grant");
	}
	emitline_session_ends(p, to, s);
	emitline_ports(to, "dport", ports);
	emitline_session_end(p, to, s);
}

static void emitline_session_out(const struct policy *p, struct buf *to,
				 const struct emitline_session *s, const struct policy_ports *ports)
{
	emitline_session_ends(p, to, s);
	emitline_session_live(to, s);
	emitline_ports(to, "sport", ports);
	emitline_session_end(p, to, s);
}

void emitline_grants(const struct policy *p, struct buf *to, enum policy_dir dir)
{
	for (size_t i = 0; i < 2 * p->n_grants; i++) {
		const struct emitline_session s = { &p->grants[i / 2], dir, i % 2 };
		const struct policy_ports ports = emitline_ports_of(&s.grant->ports, POLICY_TCP);

		if (!policy_net_has(&p->nets[s.grant->net], s.v4) || !ports.n)
			continue;
		if (dir == POLICY_IN)
			emitline_session_in(p, to, &s, &ports);
		else
			emitline_session_out(p, to, &s, &ports);
	}
}
