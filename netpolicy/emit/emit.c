/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emit.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/emit/emitguard.h"
#include "netpolicy/emit/emitline.h"
#include "netpolicy/emit/emitset.h"
#include "netpolicy/model/sha256.h"

#define EMIT_DIGEST_SHOWN 16 /* hexadecimal digits in the ruleset */

/* A rule of row @row that denies what fits @match and counts it by name. */
static void emit_deny(const struct policy *p, struct buf *to, const char *match,
		      const char *counter, const char *comment)
{
	buf_addf(to, "\t\t%s%scounter name %s %s comment \"%s\"\n", match, *match ? " " : "",
		 counter, emitline_drop(p), comment);
}

/* No way back to a source by the link it came from: it is not there. The answers of configuration
 * servers come by the uplink although everybody else's way to them is the tunnel: decision 16. */
static void emit_way_back(const struct policy *p, struct buf *to)
{
	const char *config = p->config_net == POLICY_NONE ? "" : "ip6 saddr != @config6 ";
	char match[160];

	snprintf(match, sizeof(match),
		 "iifname @uplinks ip6 saddr != @local_scope6 %sfib saddr . iif oif missing",
		 config);
	emit_deny(p, to, match, "spoofed", "row 1: a source that is not behind this link");
	emit_deny(p, to, "iifname @uplinks meta nfproto ipv4 fib saddr . iif oif missing",
		  "spoofed", "row 1: a source that is not behind this link");
}

static void emit_prerouting(const struct policy *p, struct buf *to)
{
	emitline_fixed(to, "iifname \"lo\" counter accept", "row 1: loopback");
	emit_deny(p, to, "ip6 saddr @martians6", "spoofed",
		  "row 1: such a source is never outside");
	emit_deny(p, to, "ip saddr @martians4", "spoofed", "row 1: such a source is never outside");
	emit_deny(p, to, "ip6 daddr != ff00::/8 fib saddr type local", "spoofed",
		  "row 1: our own address from outside");
	emit_deny(p, to, "ip daddr != 224.0.0.0/4 fib saddr type local", "spoofed",
		  "row 1: our own address from outside");
	if (p->gateways_net != POLICY_NONE)
		emit_deny(p, to, "iifname != @tunnels ip6 saddr @gateways6", "spoofed",
			  "row 11: an address of the tunnel from outside of it");
	emit_way_back(p, to);
	emit_deny(p, to, "exthdr rt exists", "spoofed", "row 1: routing headers");
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
			 row[i].type, row[i].match, row[i].accept ? "accept" : emitline_drop(p),
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
	emitline_fixed(to, "counter jump icmp6_errors", "row 2: before any drop of 'invalid'");
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

	emitline_fixed(to, "ct state established,related counter accept", "row 4: answers");
	snprintf(rule, sizeof(rule), "ct state invalid counter %s", emitline_drop(p));
	emitline_fixed(to, rule, "row 4: belongs to nothing");
}

static void emit_input(const struct policy *p, struct buf *to)
{
	emitline_fixed(to, "iifname \"lo\" counter accept", "row 1: loopback");
	emitline_fixed(to, "meta l4proto ipv6-icmp counter jump icmp6_in",
		       "row 2: before 'invalid'");
	if (p->config_net != POLICY_NONE)
		emitline_fixed(to,
			       "iifname != @tunnels ip6 saddr @config6 counter jump zone_answers",
			       "row 11: per packet, so that nobody joins a session of the tunnel");
	emitline_fixed(to, "counter jump grants", "row 3: per packet, so that an ended grant ends");
	emit_state(p, to);
	emitline_fixed(to,
		       "iifname @uplinks ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 547 "
		       "udp dport 546 counter accept",
		       "row 5: DHCPv6");
	if (policy_uses_v4(p))
		emitline_fixed(to,
			       "iifname @uplinks meta nfproto ipv4 udp sport 67 udp dport 68 "
			       "counter accept",
			       "row 5: DHCPv4");
	emitline_fixed(to, "counter iifname vmap @in_links", "rows 12 and 13");
	buf_addf(to, "\t\tfib daddr type multicast counter %s comment \"%s\"\n", emitline_drop(p),
		 "row 16: multicast, not worth a line in the log");
	emitline_log(p, to, "in");
	emit_deny(p, to, "", "in_denied", "row 16: not written, so not allowed");
}

static void emit_forward(const struct policy *p, struct buf *to)
{
	emit_deny(p, to, "", "forward_denied", "row 16: a host does not route");
}

/* What comes from the zone by another way than the tunnel. */
static void emit_zone_answers(const struct policy *p, struct buf *to)
{
	emitline_answers(p, to);
	emitline_log(p, to, "zone");
	emit_deny(p, to, "", "spoofed", "row 11: from the zone, outside the tunnel");
}

static void emit_output_zone(const struct policy *p, struct buf *to)
{
	static const char why[] = "row 11: per packet, so that no old session leaks";

	if (p->config_net != POLICY_NONE)
		emitline_fixed(to,
			       "oifname != @tunnels ip6 daddr @config6 counter jump zone_outside",
			       why);
	if (p->gateways_net != POLICY_NONE)
		emitline_fixed(to,
			       "oifname != @tunnels ip6 daddr @gateways6 counter jump zone_outside",
			       why);
}

static void emit_output_dhcp(const struct policy *p, struct buf *to)
{
	emitline_fixed(to,
		       "oifname @uplinks ip6 saddr fe80::/10 ip6 daddr ff02::1:2 udp sport 546 "
		       "udp dport 547 counter accept",
		       "row 5: DHCPv6");
	emitline_fixed(to,
		       "oifname @uplinks ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 546 "
		       "udp dport 547 counter accept",
		       "row 5: DHCPv6");
	if (policy_uses_v4(p))
		emitline_fixed(to,
			       "oifname @uplinks meta nfproto ipv4 udp sport 68 udp dport 67 "
			       "counter accept",
			       "row 5: DHCPv4");
}

/* The set of the page holds more of the family than @usual, which every policy guards. */
static bool emit_is_other(const struct policy_net *net, bool v4, const char *usual)
{
	for (size_t i = 0; i < net->prefixes.n; i++) {
		char text[IP6_PREFIX_TEXT];

		if (policy_is_v4(&net->prefixes.list[i]) == v4 &&
		    strcmp(policy_format_prefix(&net->prefixes.list[i], text), usual) != 0)
			return true;
	}
	return false;
}

/* No line for another network may open the way to the identity of the host. */
static void emit_output_metadata(const struct policy *p, struct buf *to)
{
	static const char why[] = "row 7: before any line could let it through";
	size_t imds = policy_find_net(p, "imds");

	emitline_fixed(to, "ip6 daddr @metadata6 counter jump metadata", why);
	emitline_fixed(to, "ip daddr @metadata4 counter jump metadata", why);
	if (imds != POLICY_NONE && emit_is_other(&p->nets[imds], false, "fd00:ec2::254"))
		emitline_fixed(to, "ip6 daddr @imds6 counter jump metadata", why);
	if (imds != POLICY_NONE && emit_is_other(&p->nets[imds], true, "169.254.169.254"))
		emitline_fixed(to, "ip daddr @imds4 counter jump metadata", why);
}

static void emit_output(const struct policy *p, struct buf *to)
{
	emitline_fixed(to, "oifname \"lo\" counter accept", "row 1: loopback");
	emit_deny(p, to, "ip6 saddr != @local_scope6 fib saddr type != local", "spoofed",
		  "row 1: a source that is not ours");
	emit_deny(p, to, "ip saddr != 0.0.0.0 fib saddr type != local", "spoofed",
		  "row 1: a source that is not ours");
	emit_deny(p, to, "exthdr rt exists", "spoofed", "row 1: routing headers");
	emitline_fixed(to, "meta l4proto ipv6-icmp counter jump icmp6_out",
		       "row 2: before 'invalid'");
	emit_output_zone(p, to);
	emitline_fixed(to, "meta l4proto ipv6-icmp counter jump icmp6_errors",
		       "row 2: before 'invalid'");
	emitline_fixed(to, "counter jump grants_out",
		       "row 3: per packet, so that an ended grant ends");
	emit_state(p, to);
	emit_output_dhcp(p, to);
	emit_output_metadata(p, to);
	emitline_fixed(to, "counter oifname vmap @out_links", "rows 6, 11 and 15");
	buf_addf(to, "\t\tfib daddr type multicast counter %s comment \"%s\"\n", emitline_drop(p),
		 "row 16: multicast, not worth a line in the log");
	emitline_log(p, to, "out");
	emitline_refuse(p, to, "out_denied", 16, "not written, so not allowed");
}

/* What goes to the zone, but not into the tunnel: the never of the whole product. */
static void emit_zone_outside(const struct policy *p, struct buf *to)
{
	emitline_marked(p, to);
	emitline_log(p, to, "leak");
	emitline_refuse(p, to, "leak", 11, "would have left outside the tunnel");
}

static void emit_metadata(const struct policy *p, struct buf *to)
{
	emitline_metadata(p, to);
	emitline_log(p, to, "imds");
	emitline_refuse(p, to, "imds_denied", 7, "instance metadata, for nobody else");
}

static void emit_grants(const struct policy *p, struct buf *to)
{
	emitline_grants(p, to, POLICY_IN);
}

static void emit_grants_out(const struct policy *p, struct buf *to)
{
	emitline_grants(p, to, POLICY_OUT);
}

static void emit_from_tun(const struct policy *p, struct buf *to)
{
	emitline_rules(p, to, POLICY_IN, POLICY_VIA_TUNNEL);
}

static void emit_from_up(const struct policy *p, struct buf *to)
{
	emitline_rules(p, to, POLICY_IN, POLICY_VIA_UPLINK);
}

static void emit_to_tun(const struct policy *p, struct buf *to)
{
	emitline_rules(p, to, POLICY_OUT, POLICY_VIA_TUNNEL);
}

static void emit_to_up(const struct policy *p, struct buf *to)
{
	emitline_rules(p, to, POLICY_OUT, POLICY_VIA_UPLINK);
}

static void emit_mss(const struct policy *p, struct buf *to)
{
	if (p->n_tunnels)
		emitline_fixed(to,
			       "oifname @tunnels tcp flags syn / syn,rst counter "
			       "tcp option maxseg size set rt mtu",
			       "row 11: fits into the tunnel");
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
	{ "zone_answers", NULL, false, emit_zone_answers },
	{ "grants", NULL, false, emit_grants },
	{ "from_tun", NULL, false, emit_from_tun },
	{ "from_up", NULL, false, emit_from_up },
	{ "forward", "type filter hook forward priority -10", true, emit_forward },
	{ "output", "type filter hook output priority -10", true, emit_output },
	{ "icmp6_out", NULL, false, emit_icmp6_out },
	{ "zone_outside", NULL, false, emit_zone_outside },
	{ "grants_out", NULL, false, emit_grants_out },
	{ "metadata", NULL, false, emit_metadata },
	{ "to_tun", NULL, false, emit_to_tun },
	{ "to_up", NULL, false, emit_to_up },
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
	static const char *const names[] = { "in_denied",   "out_denied", "forward_denied",
					     "imds_denied", "leak",       "grant_over",
					     "spoofed" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		buf_addf(to, "\tcounter %s {\n\t}\n", names[i]);
	buf_add(to, "\n");
}

static void emit_chain(const struct policy *p, const struct emit_chain *c, bool is_first,
		       struct buf *to)
{
	buf_addf(to, "%s\tchain %s {\n", is_first ? "" : "\n", c->name);
	if (c->base) {
		buf_add(to, "\t\t");
		emit_base(p, c, to);
		buf_add(to, "\n");
	}
	c->write(p, to);
	buf_add(to, "\t}\n");
}

static int emit_body(const struct policy *p, struct buf *to)
{
	int r;

	buf_add(to, "add table inet " EMIT_TABLE "\n");
	emitset_prepare(p, to);
	emit_prepare_chains(p, to);
	emitguard_prepare(p, to);
	buf_add(to, "\ntable inet " EMIT_TABLE " {\n");
	emit_counters(to);
	emitset_all(p, to);
	for (size_t i = 0; i < ARRAY_SIZE(emit_chains); i++)
		emit_chain(p, &emit_chains[i], i == 0, to);
	buf_add(to, "}\n\n");
	r = emitguard_table(p, to);
	return r < 0 ? r : buf_done(to);
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

/* The text without the line that shows the digest, behind a line that is only digested. Gives its
 * length. */
static int emit_digested(const struct policy *p, struct buf *to, size_t *ret_head,
			 char ret[static 65])
{
	int r;

	buf_addf(to, "# %s %u\n", p->name, p->version);
	*ret_head = to->len;
	r = emit_body(p, to);
	if (r == 0)
		sha256_text(to->text, to->len, ret);
	return r;
}

int emit_digest(const struct policy *p, char ret[static 65])
{
	_cleanup_(buf_release) struct buf body = buf_init(EMIT_TEXT_MAX);
	size_t head;

	return emit_digested(p, &body, &head, ret);
}

int emit_policy(const struct policy *p, struct buf *to)
{
	_cleanup_(buf_release) struct buf body = buf_init(EMIT_TEXT_MAX);
	char digest[65];
	size_t head;
	int r = emit_digested(p, &body, &head, digest);

	if (r < 0)
		return r;
	buf_add(to, body.text + head);
	emit_about(p, digest, to);
	return buf_done(to);
}
