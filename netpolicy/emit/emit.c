/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emit.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/emit/emitlink.h"
#include "netpolicy/model/sha256.h"

#define EMIT_DIGEST_SHOWN 16 /* hexadecimal digits in the ruleset */

/* What the rules of row 16 and all other denials do. */
static const char *emit_drop(const struct policy *p)
{
	return p->enforce ? "drop" : "accept";
}

static const char *emit_reject(const struct policy *p)
{
	return p->enforce ? "reject with icmpx admin-prohibited" : "accept";
}

/* One line of a chain. @comment is data: it has no quotes. */
static void emit_line(struct buf *to, const char *rule, const char *comment)
{
	buf_addf(to, "\t\t%s comment \"%s\"\n", rule, comment);
}

static void emit_log(const struct policy *p, struct buf *to, const char *what)
{
	if (p->log_rate)
		buf_addf(to,
			 "\t\tlimit rate %u/second burst %u packets counter log prefix "
			 "\"postern %s: \" comment \"row 16: [policy] log_rate\"\n",
			 p->log_rate, p->log_rate, what);
}

static void emit_prerouting(const struct policy *p, struct buf *to)
{
	char rule[128];

	emit_line(to, "iifname \"lo\" counter accept", "row 1: loopback");
	snprintf(rule, sizeof(rule), "ip6 saddr @martians6 counter %s", emit_drop(p));
	emit_line(to, rule, "row 1: such a source is never outside");
	snprintf(rule, sizeof(rule), "ip saddr @martians4 counter %s", emit_drop(p));
	emit_line(to, rule, "row 1: such a source is never outside");
	snprintf(rule, sizeof(rule), "ip6 daddr != ff00::/8 fib saddr type local counter %s",
		 emit_drop(p));
	emit_line(to, rule, "row 1: our own address from outside");
}

/* A row 2 line: @match and the type. */
struct emit_icmp6 {
	const char *type;
	const char *match; /* what else must hold, with a blank behind; "" */
	bool accept;
};

static void emit_icmp6_lines(const struct policy *p, struct buf *to, const struct emit_icmp6 *row,
			     size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(to, "\t\ticmpv6 type %s %scounter %s comment \"row 2: %s%s\"\n",
			 row[i].type, row[i].match, row[i].accept ? "accept" : emit_drop(p),
			 row[i].accept ? "" : "never ", row[i].type);
}

static void emit_icmp6_in(const struct policy *p, struct buf *to)
{
	static const struct emit_icmp6 rows[] = {
		{ "nd-neighbor-solicit", "ip6 hoplimit 255 ", true },
		{ "nd-neighbor-advert", "ip6 hoplimit 255 ", true },
		{ "nd-router-advert", "iifname @uplinks ip6 hoplimit 255 ip6 saddr fe80::/10 ",
		  true },
		{ "mld-listener-query", "ip6 saddr fe80::/10 ", true },
		{ "mld-listener-report", "ip6 saddr fe80::/10 ", true },
		{ "mld-listener-done", "ip6 saddr fe80::/10 ", true },
		{ "mld2-listener-report", "ip6 saddr fe80::/10 ", true },
		{ "nd-redirect", "", false },
		{ "nd-router-solicit", "", false },
	};

	emit_icmp6_lines(p, to, rows, ARRAY_SIZE(rows));
	emit_line(to, "counter jump icmp6_errors", "row 2: before any drop of 'invalid'");
}

static void emit_icmp6_out(const struct policy *p, struct buf *to)
{
	static const struct emit_icmp6 rows[] = {
		{ "nd-neighbor-solicit", "ip6 hoplimit 255 ", true },
		{ "nd-neighbor-advert", "ip6 hoplimit 255 ", true },
		{ "nd-router-solicit", "ip6 hoplimit 255 ", true },
		{ "mld-listener-report", "", true },
		{ "mld-listener-done", "", true },
		{ "mld2-listener-report", "", true },
		{ "nd-redirect", "", false },
		{ "nd-router-advert", "", false },
	};

	emit_icmp6_lines(p, to, rows, ARRAY_SIZE(rows));
}

static void emit_icmp6_errors(const struct policy *p, struct buf *to)
{
	static const struct emit_icmp6 rows[] = {
		{ "destination-unreachable", "", true },
		{ "packet-too-big", "", true },
		{ "time-exceeded", "", true },
		{ "parameter-problem", "", true },
	};

	emit_icmp6_lines(p, to, rows, ARRAY_SIZE(rows));
}

/* Rows 3 and 4, alike in both directions but for the grants. */
static void emit_state(const struct policy *p, struct buf *to)
{
	char rule[64];

	emit_line(to, "ct state established,related counter accept", "row 4: answers");
	snprintf(rule, sizeof(rule), "ct state invalid counter %s", emit_drop(p));
	emit_line(to, rule, "row 4: belongs to nothing");
}

static void emit_input(const struct policy *p, struct buf *to)
{
	char rule[128];

	emit_line(to, "iifname \"lo\" counter accept", "row 1: loopback");
	emit_line(to, "meta l4proto ipv6-icmp counter jump icmp6_in", "row 2: before 'invalid'");
	emit_line(to, "counter jump grants", "row 3: per packet, so that an ended grant ends");
	emit_state(p, to);
	emit_line(to,
		  "iifname @uplinks ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 547 "
		  "udp dport 546 counter accept",
		  "row 5: DHCPv6");
	if (policy_uses_v4(p))
		emit_line(to,
			  "iifname @uplinks meta nfproto ipv4 udp sport 67 udp dport 68 "
			  "counter accept",
			  "row 5: DHCPv4");
	emit_line(to, "counter iifname vmap @in_links", "rows 12 to 14");
	snprintf(rule, sizeof(rule), "fib daddr type multicast counter %s", emit_drop(p));
	emit_line(to, rule, "row 16: multicast, not worth a line in the log");
	emit_log(p, to, "in");
	snprintf(rule, sizeof(rule), "counter name in_denied %s", emit_drop(p));
	emit_line(to, rule, "row 16: not written, so not allowed");
}

static void emit_forward(const struct policy *p, struct buf *to)
{
	char rule[64];

	snprintf(rule, sizeof(rule), "counter name forward_denied %s", emit_drop(p));
	emit_line(to, rule, "row 16: a host does not route");
}

static void emit_output_end(const struct policy *p, struct buf *to)
{
	char rule[128];

	snprintf(rule, sizeof(rule), "fib daddr type multicast counter %s", emit_drop(p));
	emit_line(to, rule, "row 16: multicast, not worth a line in the log");
	emit_log(p, to, "out");
	snprintf(rule, sizeof(rule), "counter name out_denied %s", emit_reject(p));
	emit_line(to, rule, "row 16: not written, so not allowed");
	snprintf(rule, sizeof(rule), "counter %s", emit_drop(p));
	emit_line(to, rule, "row 16: what cannot be rejected");
}

static void emit_output(const struct policy *p, struct buf *to)
{
	emit_line(to, "oifname \"lo\" counter accept", "row 1: loopback");
	emit_line(to, "meta l4proto ipv6-icmp counter jump icmp6_out", "row 2: before 'invalid'");
	emit_line(to, "oifname != @tunnels ip6 daddr @config6 counter jump zone_outside",
		  "row 11: per packet, so that no old session leaks");
	emit_line(to, "oifname != @tunnels ip6 daddr @gateways6 counter jump zone_outside",
		  "row 11: per packet, so that no old session leaks");
	emit_line(to, "meta l4proto ipv6-icmp counter jump icmp6_errors",
		  "row 2: before 'invalid'");
	emit_state(p, to);
	emit_line(to,
		  "oifname @uplinks ip6 saddr fe80::/10 ip6 daddr ff02::1:2 udp sport 546 "
		  "udp dport 547 counter accept",
		  "row 5: DHCPv6");
	emit_line(to,
		  "oifname @uplinks ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 546 "
		  "udp dport 547 counter accept",
		  "row 5: DHCPv6");
	if (policy_uses_v4(p))
		emit_line(to,
			  "oifname @uplinks meta nfproto ipv4 udp sport 68 udp dport 67 "
			  "counter accept",
			  "row 5: DHCPv4");
	emit_line(to, "counter oifname vmap @out_links", "rows 6 to 15");
	emit_output_end(p, to);
}

/* What goes to the zone, but not into the tunnel: the never of the whole product. */
static void emit_zone_outside(const struct policy *p, struct buf *to)
{
	char rule[128];

	emitlink_rules(p, to, POLICY_OUT, POLICY_VIA_UPLINK, true);
	emit_log(p, to, "leak");
	snprintf(rule, sizeof(rule), "counter name leak %s", emit_reject(p));
	emit_line(to, rule, "row 11: would have left outside the tunnel");
	snprintf(rule, sizeof(rule), "counter %s", emit_drop(p));
	emit_line(to, rule, "row 11: what cannot be rejected");
}

static void emit_from_tunnel(const struct policy *p, struct buf *to)
{
	emitlink_rules(p, to, POLICY_IN, POLICY_VIA_TUNNEL, false);
}

static void emit_from_uplink(const struct policy *p, struct buf *to)
{
	emitlink_rules(p, to, POLICY_IN, POLICY_VIA_UPLINK, false);
}

static void emit_to_tunnel(const struct policy *p, struct buf *to)
{
	emitlink_rules(p, to, POLICY_OUT, POLICY_VIA_TUNNEL, false);
}

static void emit_to_uplink(const struct policy *p, struct buf *to)
{
	emitlink_rules(p, to, POLICY_OUT, POLICY_VIA_UPLINK, false);
}

static void emit_mss(const struct policy *p, struct buf *to)
{
	emit_line(to,
		  "oifname @tunnels tcp flags syn / syn,rst counter "
		  "tcp option maxseg size set rt mtu",
		  "row 11: fits into the tunnel");
}

/* Filled for grants by netpolicyd, one rule of its own each. */
static void emit_grants(const struct policy *p, struct buf *to)
{
}

struct emit_chain {
	const char *name;
	const char *base; /* declaration of a base chain without its policy; NULL = regular */
	bool is_filter;   /* its policy is drop */
	void (*write)(const struct policy *p, struct buf *to);
};

/* In the order of the packet's way: in, out, then the rest. A chain comes after those it is jumped
 * to from only for the reader; nft does not care. */
static const struct emit_chain emit_chains[] = {
	{ "prerouting", "type filter hook prerouting priority -300", false, emit_prerouting },
	{ "input", "type filter hook input priority -10", true, emit_input },
	{ "icmp6_in", NULL, false, emit_icmp6_in },
	{ "icmp6_errors", NULL, false, emit_icmp6_errors },
	{ "grants", NULL, false, emit_grants },
	{ "from_tunnel", NULL, false, emit_from_tunnel },
	{ "from_uplink", NULL, false, emit_from_uplink },
	{ "forward", "type filter hook forward priority -10", true, emit_forward },
	{ "output", "type filter hook output priority -10", true, emit_output },
	{ "icmp6_out", NULL, false, emit_icmp6_out },
	{ "zone_outside", NULL, false, emit_zone_outside },
	{ "to_tunnel", NULL, false, emit_to_tunnel },
	{ "to_uplink", NULL, false, emit_to_uplink },
	{ "mss", "type filter hook postrouting priority -150", false, emit_mss },
};

static void emit_base(const struct policy *p, const struct emit_chain *c, struct buf *to)
{
	buf_addf(to, "%s; policy %s;", c->base, c->is_filter && p->enforce ? "drop" : "accept");
}

/* Whatever is there from an earlier policy is emptied, in the same transaction that fills it. */
static void emit_prepare_chains(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(emit_chains); i++) {
		const struct emit_chain *c = &emit_chains[i];

		buf_addf(to, "add chain inet " EMIT_TABLE " %s", c->name);
		if (c->base) {
			buf_add(to, " { ");
			emit_base(p, c, to);
			buf_add(to, " }");
		}
		buf_addf(to, "\nflush chain inet " EMIT_TABLE " %s\n", c->name);
	}
	buf_add(to, "add chain inet " EMIT_TABLE " about\nflush chain inet " EMIT_TABLE " about\n");
}

static void emit_counters(struct buf *to)
{
	static const char *const names[] = { "in_denied", "out_denied", "forward_denied", "leak" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		buf_addf(to, "\tcounter %s {\n\t}\n", names[i]);
	buf_add(to, "\n");
}

static void emit_chain(const struct policy *p, const struct emit_chain *c, struct buf *to)
{
	buf_addf(to, "\n\tchain %s {\n", c->name);
	if (c->base) {
		buf_add(to, "\t\t");
		emit_base(p, c, to);
		buf_add(to, "\n");
	}
	c->write(p, to);
	buf_add(to, "\t}\n");
}

static void emit_body(const struct policy *p, struct buf *to)
{
	buf_add(to, "add table inet " EMIT_TABLE "\n");
	emitlink_prepare_sets(p, to);
	emit_prepare_chains(p, to);
	emitlink_prepare_guard(p, to);
	buf_add(to, "\ntable inet " EMIT_TABLE " {\n");
	emit_counters(to);
	emitlink_sets(p, to);
	for (size_t i = 0; i < ARRAY_SIZE(emit_chains); i++)
		emit_chain(p, &emit_chains[i], to);
	buf_add(to, "}\n\n");
	emitlink_guard(p, to);
}

int emit_digest(const struct policy *p, char ret[static 65])
{
	_cleanup_(buf_release) struct buf body = buf_init(EMIT_TEXT_MAX);
	int r;

	buf_addf(&body, "# %s %u\n", p->name, p->version);
	emit_body(p, &body);
	r = buf_done(&body);
	if (r == 0)
		sha256_text(body.text, body.len, ret);
	return r;
}

/* The comment of a table cannot be changed in place, that of a rule can: docs/decisions/0005. */
static void emit_about(const struct policy *p, const char *digest, struct buf *to)
{
	buf_addf(to,
		 "\ntable inet " EMIT_TABLE " {\n\tchain about {\n\t\tcounter comment "
		 "\"policy %.63s version %u sha256 %.*s%s\"\n\t}\n}\n",
		 p->name, p->version, EMIT_DIGEST_SHOWN, digest,
		 p->enforce ? "" : ", not enforced");
}

int emit_policy(const struct policy *p, struct buf *to)
{
	char digest[65];
	int r = emit_digest(p, digest);

	if (r < 0)
		return r;
	emit_body(p, to);
	emit_about(p, digest, to);
	return buf_done(to);
}
