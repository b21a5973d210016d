/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emitlink.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/emit/emit.h"

#define EMITLINK_SET_MAX (POLICY_NAME_MAX + 1) /* name and family digit */

/* Sources that must not come in from any link: our loopback, multicast, IPv4 in disguise. The
 * documentation prefix is none of them: laboratories live there. */
static const char emitlink_martians6[] = "::1, ::ffff:0.0.0.0/96, ff00::/8";
static const char emitlink_martians4[] = "0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3";

static void emitlink_one_set(struct buf *to, const char *table, const char *name, const char *type)
{
	buf_addf(to, "add set %s %s { type %s; }\nflush set %s %s\n", table, name, type, table,
		 name);
}

/* Calls for each set of addresses that the nets need. */
static void emitlink_prepare_nets(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < p->n_nets; i++)
		for (int v4 = 0; v4 < 2; v4++) {
			char name[EMITLINK_SET_MAX];

			if (!policy_net_has(&p->nets[i], v4))
				continue;
			snprintf(name, sizeof(name), "%.62s%c", p->nets[i].name, v4 ? '4' : '6');
			emitlink_one_set(to, "inet " EMIT_TABLE, name,
					 v4 ? "ipv4_addr; flags interval" :
					      "ipv6_addr; flags interval");
		}
}

void emitlink_prepare_sets(const struct policy *p, struct buf *to)
{
	static const char *const maps[] = { "in_links", "out_links" };

	emitlink_one_set(to, "inet " EMIT_TABLE, "uplinks", "ifname");
	emitlink_one_set(to, "inet " EMIT_TABLE, "tunnels", "ifname");
	emitlink_one_set(to, "inet " EMIT_TABLE, "martians6", "ipv6_addr; flags interval");
	emitlink_one_set(to, "inet " EMIT_TABLE, "martians4", "ipv4_addr; flags interval");
	emitlink_prepare_nets(p, to);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		buf_addf(to,
			 "add map inet " EMIT_TABLE " %s { type ifname : verdict; }\n"
			 "flush map inet " EMIT_TABLE " %s\n",
			 maps[i], maps[i]);
}

static void emitlink_elements(struct buf *to, const struct policy_prefixes *set, bool v4)
{
	const char *comma = "";

	for (size_t i = 0; i < set->n; i++) {
		char text[IP6_PREFIX_TEXT];

		if (policy_is_v4(&set->list[i]) != v4)
			continue;
		buf_addf(to, "%s%s", comma, policy_format_prefix(&set->list[i], text));
		comma = ",\n\t\t\t     ";
	}
}

/* One set of addresses, unless the list has none of that family. */
static void emitlink_net(struct buf *to, const char *name, const struct policy_net *net, bool v4)
{
	if (net->is_any || !policy_net_has(net, v4))
		return;
	buf_addf(to, "\tset %s%c {\n\t\ttype %s\n\t\tflags interval\n\t\telements = { ", name,
		 v4 ? '4' : '6', v4 ? "ipv4_addr" : "ipv6_addr");
	emitlink_elements(to, &net->prefixes, v4);
	buf_add(to, " }\n\t}\n\n");
}

static void emitlink_names(struct buf *to, const char *set, const char (*names)[IFNAMSIZ], size_t n)
{
	buf_addf(to, "\tset %s {\n\t\ttype ifname\n\t\telements = { ", set);
	for (size_t i = 0; i < n; i++)
		buf_addf(to, "%s\"%s\"", i ? ", " : "", names[i]);
	buf_add(to, " }\n\t}\n\n");
}

static void emitlink_map(const struct policy *p, struct buf *to, const char *name, const char *way)
{
	buf_addf(to, "\tmap %s {\n\t\ttype ifname : verdict\n\t\telements = { ", name);
	for (size_t i = 0; i < p->n_tunnels; i++)
		buf_addf(to, "%s\"%s\" : jump %s_tunnel", i ? ", " : "", p->tunnels[i], way);
	for (size_t i = 0; i < p->n_uplinks; i++)
		buf_addf(to, ", \"%s\" : jump %s_uplink", p->uplinks[i], way);
	buf_add(to, " }\n\t}\n\n");
}

void emitlink_sets(const struct policy *p, struct buf *to)
{
	emitlink_names(to, "uplinks", p->uplinks, p->n_uplinks);
	emitlink_names(to, "tunnels", p->tunnels, p->n_tunnels);
	buf_addf(to,
		 "\tset martians6 {\n\t\ttype ipv6_addr\n\t\tflags interval\n"
		 "\t\telements = { %s }\n\t}\n\n",
		 emitlink_martians6);
	buf_addf(to,
		 "\tset martians4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n"
		 "\t\telements = { %s }\n\t}\n\n",
		 emitlink_martians4);
	for (size_t i = 0; i < p->n_nets; i++) {
		emitlink_net(to, p->nets[i].name, &p->nets[i], false);
		emitlink_net(to, p->nets[i].name, &p->nets[i], true);
	}
	emitlink_map(p, to, "in_links", "from");
	emitlink_map(p, to, "out_links", "to");
}

static void emitlink_port(struct buf *to, const struct policy_port *port)
{
	const char *proto = port->proto == POLICY_TCP ? "tcp" : "udp";

	if (port->proto == POLICY_ANY)
		return;
	if (port->low == port->high)
		buf_addf(to, " %s dport %u", proto, port->low);
	else
		buf_addf(to, " %s dport %u-%u", proto, port->low, port->high);
}

/* One allow for one family and port. */
static void emitlink_rule(const struct policy *p, struct buf *to, const struct policy_rule *rule,
			  bool v4, const struct policy_port *port)
{
	const struct policy_net *net = &p->nets[rule->net];

	if (!policy_net_has(net, v4))
		return;
	buf_addf(to, "\t\t%s %s @%s%c", v4 ? "ip" : "ip6",
		 rule->dir == POLICY_IN ? "saddr" : "daddr", net->name, v4 ? '4' : '6');
	if (rule->has_mark)
		buf_addf(to, " meta mark 0x%x %s sport 1024-65535", rule->mark,
			 port->proto == POLICY_TCP ? "tcp" : "udp");
	emitlink_port(to, port);
	if (rule->users.n)
		buf_addf(to, " meta skuid %u", p->users[rule->users.at[0]].uid);
	buf_addf(to, " counter accept comment \"%s\"\n", rule->where);
}

void emitlink_rules(const struct policy *p, struct buf *to, enum policy_dir dir,
		    enum policy_via via, bool marked)
{
	static const struct policy_port any = { 0 };

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *rule = &p->rules[i];

		if (rule->dir != dir || rule->via != via || rule->has_mark != marked)
			continue;
		for (size_t j = 0; j < (rule->ports.n ? rule->ports.n : 1); j++) {
			const struct policy_port *port = rule->ports.n ? &rule->ports.list[j] :
									 &any;

			emitlink_rule(p, to, rule, false, port);
			emitlink_rule(p, to, rule, true, port);
		}
	}
}

void emitlink_prepare_guard(const struct policy *p, struct buf *to)
{
	static const char table[] = "netdev " EMIT_GUARD;

	buf_addf(to, "add table %s\n", table);
	emitlink_one_set(to, table, "config6", "ipv6_addr; flags interval");
	emitlink_one_set(to, table, "gateways6", "ipv6_addr; flags interval");
	if (policy_uses_v4(p))
		emitlink_one_set(to, table, "allowed4", "ipv4_addr; flags interval");
	for (size_t i = 0; i < p->n_uplinks; i++)
		buf_addf(to,
			 "add chain %s egress_%s { type filter hook egress device \"%s\" "
			 "priority 500; policy accept; }\nflush chain %s egress_%s\n",
			 table, p->uplinks[i], p->uplinks[i], table, p->uplinks[i]);
}

/* @ll,96,16 is the type in the frame itself. What a packet socket declares as its protocol can
 * differ from it; "ip6 …" brings the check of that one along, so here both must agree. */
#define EMITLINK_IP6 "\t\t@ll,96,16 0x86dd "
#define EMITLINK_IP4 "\t\t@ll,96,16 0x0800 "
#define EMITLINK_ARP "\t\t@ll,96,16 0x0806 "

static void emitlink_guard_config(const struct policy *p, struct buf *to)
{
	buf_add(to, EMITLINK_IP6 "ip6 daddr != @config6 ip6 daddr != @gateways6 counter accept "
				 "comment \"row 11: not for the zone\"\n");
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *rule = &p->rules[i];

		if (!rule->has_mark || !rule->ports.n)
			continue;
		buf_addf(to,
			 EMITLINK_IP6 "ip6 daddr @config6 meta mark 0x%x %s dport %u counter "
				      "accept comment \"%s\"\n",
			 rule->mark, rule->ports.list[0].proto == POLICY_TCP ? "tcp" : "udp",
			 rule->ports.list[0].low, rule->where);
	}
	buf_add(to, EMITLINK_IP6 "ip6 daddr @config6 icmpv6 type nd-neighbor-solicit ip6 hoplimit "
				 "255 counter accept comment \"row 2: stays on the link\"\n");
	buf_add(to, EMITLINK_IP6 "ip6 daddr @config6 icmpv6 type nd-neighbor-advert ip6 hoplimit "
				 "255 counter accept comment \"row 2: stays on the link\"\n");
}

static void emitlink_guard_v4(const struct policy *p, struct buf *to)
{
	const char *drop = p->enforce ? "drop" : "accept";

	buf_add(to, EMITLINK_ARP "counter accept comment \"ARP stays on the link\"\n");
	if (policy_uses_v4(p)) {
		buf_add(to, EMITLINK_IP4 "ip daddr @allowed4 counter accept "
					 "comment \"rows 7 and 13: IPv4 that the policy names\"\n");
		buf_add(to,
			EMITLINK_IP4 "meta protocol ip udp sport 68 udp dport 67 counter accept "
				     "comment \"row 5: DHCPv4\"\n");
	}
	buf_addf(to, EMITLINK_IP4 "counter name ipv4_denied %s comment \"IPv4 never\"\n", drop);
}

static void emitlink_guard_chain(const struct policy *p, struct buf *to, const char *uplink)
{
	const char *drop = p->enforce ? "drop" : "accept";

	buf_addf(to,
		 "\tchain egress_%s {\n\t\ttype filter hook egress device \"%s\" priority 500; "
		 "policy accept;\n",
		 uplink, uplink);
	emitlink_guard_config(p, to);
	emitlink_guard_v4(p, to);
	buf_addf(to,
		 EMITLINK_IP6 "counter name leak %s comment \"row 11: to the zone, outside the "
			      "tunnel\"\n",
		 drop);
	buf_addf(to, "\t\tcounter %s comment \"neither IPv6 nor ARP, or says so falsely\"\n", drop);
	buf_add(to, "\t}\n");
}

void emitlink_guard(const struct policy *p, struct buf *to)
{
	buf_add(to,
		"table netdev " EMIT_GUARD " {\n\tcounter leak {\n\t}\n\tcounter ipv4_denied {\n"
		"\t}\n\n");
	if (p->config_net != POLICY_NONE)
		emitlink_net(to, "config", &p->nets[p->config_net], false);
	if (p->gateways_net != POLICY_NONE)
		emitlink_net(to, "gateways", &p->nets[p->gateways_net], false);
	for (size_t i = 0; i < p->n_uplinks; i++)
		emitlink_guard_chain(p, to, p->uplinks[i]);
	buf_add(to, "}\n");
}
