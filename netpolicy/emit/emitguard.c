/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emitguard.h"

#include <errno.h>
#include <stdio.h>

#include "netpolicy/emit/emit.h"
#include "netpolicy/emit/emitline.h"
#include "netpolicy/emit/emitset.h"

#define EMITGUARD_TABLE "netdev " EMIT_GUARD

/* @ll,96,16 is the type in the frame itself. What a packet socket declares as its protocol can
 * differ from it; "ip6 …" brings the check of that one along, so here both must agree. */
#define EMITGUARD_IP6 "@ll,96,16 0x86dd "
#define EMITGUARD_IP4 "@ll,96,16 0x0800 "
#define EMITGUARD_ARP "@ll,96,16 0x0806 "

void emitguard_prepare(const struct policy *p, struct buf *to)
{
	buf_add(to, "add table " EMITGUARD_TABLE "\n");
	if (p->config_net != POLICY_NONE)
		emitset_prepare_one(to, EMITGUARD_TABLE, "config6", "ip6 saddr; flags interval");
	if (p->gateways_net != POLICY_NONE)
		emitset_prepare_one(to, EMITGUARD_TABLE, "gateways6", "ip6 saddr; flags interval");
	if (policy_uses_v4(p))
		emitset_prepare_one(to, EMITGUARD_TABLE, "allowed4", "ip saddr; flags interval");
	for (size_t i = 0; i < p->n_uplinks; i++)
		buf_addf(to,
			 "add chain " EMITGUARD_TABLE
			 " egress_%s { type filter hook egress device \"%s\" "
			 "priority 500; policy accept; }\n"
			 "flush chain " EMITGUARD_TABLE " egress_%s\n",
			 p->uplinks[i], p->uplinks[i], p->uplinks[i]);
}

/* What is not for the zone has nothing to fear: that is nearly all, so it comes first. */
static void emitguard_elsewhere(const struct policy *p, struct buf *to)
{
	buf_add(to, "\t\t" EMITGUARD_IP6);
	if (p->config_net == POLICY_NONE && p->gateways_net == POLICY_NONE)
		buf_add(to, "meta protocol ip6 ");
	if (p->config_net != POLICY_NONE)
		buf_add(to, "ip6 daddr != @config6 ");
	if (p->gateways_net != POLICY_NONE)
		buf_add(to, "ip6 daddr != @gateways6 ");
	buf_add(to, "counter accept comment \"row 11: not for the zone\"\n");
}

static void emitguard_marked(struct buf *to, const struct policy_rule *rule)
{
	const struct policy_port *port = &rule->ports.list[0];

	buf_addf(
		to,
		"\t\t" EMITGUARD_IP6
		"ip6 daddr @config6 meta mark 0x%x %s dport %u counter accept comment \"%.63s%s%s\""
		"\n",
		rule->mark, port->proto == POLICY_TCP ? "tcp" : "udp", port->low, rule->where,
		*rule->remark ? " " : "", rule->remark);
}

/* Later fragments have no ports to ask for: once for each mark. */
static void emitguard_cut(const struct policy *p, struct buf *to, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (p->rules[i].has_mark && p->rules[i].mark == p->rules[at].mark)
			return;
	buf_addf(to,
		 "\t\t" EMITGUARD_IP6
		 "ip6 daddr @config6 meta mark 0x%x frag frag-off != 0 counter accept "
		 "comment \"row 8: rest of a packet that was cut\"\n",
		 p->rules[at].mark);
}

static void emitguard_config(const struct policy *p, struct buf *to)
{
	static const char *const types[] = { "nd-neighbor-solicit", "nd-neighbor-advert" };

	if (p->config_net == POLICY_NONE)
		return;
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].has_mark && p->rules[i].ports.n)
			emitguard_marked(to, &p->rules[i]);
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].has_mark)
			emitguard_cut(p, to, i);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		buf_addf(to,
			 "\t\t" EMITGUARD_IP6 "ip6 daddr @config6 icmpv6 type %s ip6 hoplimit 255 "
			 "counter accept comment \"row 2: stays on the link\"\n",
			 types[i]);
}

static void emitguard_v4(const struct policy *p, struct buf *to)
{
	emitline_fixed(to, EMITGUARD_ARP "counter accept", "row 16: ARP stays on the link");
	if (policy_uses_v4(p)) {
		emitline_fixed(to, EMITGUARD_IP4 "ip daddr @allowed4 counter accept",
			       "row 13: IPv4 that the policy names");
		emitline_fixed(to,
			       EMITGUARD_IP4
			       "meta protocol ip udp sport 68 udp dport 67 counter accept",
			       "row 5: DHCPv4");
	}
	buf_addf(
		to,
		"\t\t" EMITGUARD_IP4
		"counter name ipv4_denied %s comment \"row 16: IPv4 that the policy does not name\""
		"\n",
		emitline_drop(p));
}

static void emitguard_chain(const struct policy *p, struct buf *to, const char *uplink)
{
	buf_addf(to,
		 "\tchain egress_%s {\n\t\ttype filter hook egress device \"%s\" priority 500; "
		 "policy accept;\n",
		 uplink, uplink);
	emitguard_elsewhere(p, to);
	emitguard_config(p, to);
	emitguard_v4(p, to);
	emitline_log(p, to, "guard");
	buf_addf(to,
		 "\t\t" EMITGUARD_IP6
		 "counter name leak %s comment \"row 11: to the zone, outside the tunnel\"\n",
		 emitline_drop(p));
	buf_addf(to,
		 "\t\tcounter name frame_denied %s comment "
		 "\"row 16: neither IPv6 nor ARP, or says so falsely\"\n\t}\n",
		 emitline_drop(p));
}

/* All IPv4 that lines let over the uplinks, in one list. */
static int emitguard_allowed4(const struct policy *p, struct policy_prefixes *ret)
{
	int r = 0;

	for (size_t i = 0; i < p->n_nets; i++) {
		const struct policy_prefixes *from = &p->nets[i].prefixes;

		if (!policy_opens_v4(p, i))
			continue;
		for (size_t j = 0; j < from->n && r == 0; j++)
			if (policy_is_v4(&from->list[j]))
				r = policy_add_prefix(ret, &from->list[j]);
	}
	policy_merge(ret);
	return r;
}

int emitguard_table(const struct policy *p, struct buf *to)
{
	struct policy_prefixes allowed = { 0 };
	int r = emitguard_allowed4(p, &allowed);

	buf_add(to, "table " EMITGUARD_TABLE " {\n\tcounter leak {\n\t}\n\tcounter ipv4_denied {\n"
		    "\t}\n\tcounter frame_denied {\n\t}\n\n");
	if (p->config_net != POLICY_NONE)
		emitset_prefixes(to, "config", &p->nets[p->config_net].prefixes, false);
	if (p->gateways_net != POLICY_NONE)
		emitset_prefixes(to, "gateways", &p->nets[p->gateways_net].prefixes, false);
	emitset_prefixes(to, "allowed", &allowed, true);
	for (size_t i = 0; i < p->n_uplinks; i++) {
		buf_add(to, i ? "\n" : "");
		emitguard_chain(p, to, p->uplinks[i]);
	}
	buf_add(to, "}\n");
	policy_release_prefixes(&allowed);
	return r;
}
