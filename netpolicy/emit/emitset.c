/* SPDX-License-Identifier: MIT */
#include "netpolicy/emit/emitset.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/emit/emit.h"

#define EMITSET_TABLE "inet " EMIT_TABLE
#define EMITSET_NAME_MAX (POLICY_NAME_MAX + 8) /* "grant_", a name, a digit */
#define EMITSET_LINE 78                        /* bytes of elements in one line */

/* Sets that every policy has. policy_check() keeps nets off these names. */
struct emitset_fixed {
	const char *name, *type, *elements;
};

/* "typeof", because nft 1.1.3 keeps a plain "type" in a way that makes nft 1.0.6 crash, also one in
 * a container that only wants to list a table of its own. */
#define EMITSET_IP6 "ip6 saddr"
#define EMITSET_IP4 "ip saddr"
#define EMITSET_LINK "iifname"

/* The documentation prefix is no martian: laboratories live there. */
static const struct emitset_fixed emitset_fixed[] = {
	{ "martians6", EMITSET_IP6, "::1, ::ffff:0.0.0.0/96, ff00::/8" },
	{ "martians4", EMITSET_IP4, "0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3" },
	{ "local_scope6", EMITSET_IP6, "::, fe80::/10" },
	{ "metadata6", EMITSET_IP6, "fd00:ec2::254" },
	{ "metadata4", EMITSET_IP4, "169.254.169.254" },
};

void emitset_prepare_one(struct buf *to, const char *table, const char *name, const char *type)
{
	buf_addf(to, "add set %s %s { typeof %s; }\nflush set %s %s\n", table, name, type, table,
		 name);
}

static const char *emitset_type(bool v4)
{
	return v4 ? EMITSET_IP4 : EMITSET_IP6;
}

static void emitset_prepare_interval(struct buf *to, const char *name, const char *type)
{
	char interval[64];

	snprintf(interval, sizeof(interval), "%s; flags interval", type);
	emitset_prepare_one(to, EMITSET_TABLE, name, interval);
}

static void emitset_prepare_net(struct buf *to, const struct policy_net *net, bool v4)
{
	char name[EMITSET_NAME_MAX];

	if (net->is_any || !policy_net_has(net, v4))
		return;
	snprintf(name, sizeof(name), "%.63s%c", net->name, v4 ? '4' : '6');
	emitset_prepare_interval(to, name, emitset_type(v4));
}

static void emitset_prepare_grant(const struct policy *p, struct buf *to,
				  const struct policy_grant *grant, bool v4)
{
	if (policy_net_has(&p->nets[grant->net], v4))
		buf_addf(to, "add set " EMITSET_TABLE " grant_%s%c { typeof %s; flags timeout; }\n",
			 grant->name, v4 ? '4' : '6', emitset_type(v4));
}

void emitset_prepare(const struct policy *p, struct buf *to)
{
	static const char *const maps[] = { "in_links", "out_links" };

	emitset_prepare_one(to, EMITSET_TABLE, "uplinks", EMITSET_LINK);
	emitset_prepare_one(to, EMITSET_TABLE, "tunnels", EMITSET_LINK);
	for (size_t i = 0; i < ARRAY_SIZE(emitset_fixed); i++)
		emitset_prepare_interval(to, emitset_fixed[i].name, emitset_fixed[i].type);
	for (size_t i = 0; i < p->n_nets; i++) {
		emitset_prepare_net(to, &p->nets[i], false);
		emitset_prepare_net(to, &p->nets[i], true);
	}
	for (size_t i = 0; i < p->n_grants; i++) {
		emitset_prepare_grant(p, to, &p->grants[i], false);
		emitset_prepare_grant(p, to, &p->grants[i], true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		buf_addf(to,
			 "add map " EMITSET_TABLE " %s { typeof " EMITSET_LINK " : verdict; }\n"
			 "flush map " EMITSET_TABLE " %s\n",
			 maps[i], maps[i]);
}

/* As many elements in a line as one can read. */
static void emitset_elements(struct buf *to, const struct policy_prefixes *set, bool v4)
{
	const char *comma = "";
	size_t line = 0;

	for (size_t i = 0; i < set->n; i++) {
		char text[IP6_PREFIX_TEXT];
		size_t len;

		if (policy_is_v4(&set->list[i]) != v4)
			continue;
		len = strlen(policy_format_prefix(&set->list[i], text)) + 2;
		line += len;
		if (line > EMITSET_LINE) {
			comma = ",\n\t\t\t     ";
			line = len;
		}
		buf_addf(to, "%s%s", comma, text);
		comma = ", ";
	}
}

static bool emitset_has(const struct policy_prefixes *set, bool v4)
{
	for (size_t i = 0; i < set->n; i++)
		if (policy_is_v4(&set->list[i]) == v4)
			return true;
	return false;
}

void emitset_prefixes(struct buf *to, const char *name, const struct policy_prefixes *list, bool v4)
{
	if (!emitset_has(list, v4))
		return;
	buf_addf(to, "\tset %s%c {\n\t\ttypeof %s\n\t\tflags interval\n\t\telements = { ", name,
		 v4 ? '4' : '6', emitset_type(v4));
	emitset_elements(to, list, v4);
	buf_add(to, " }\n\t}\n\n");
}

static void emitset_links(struct buf *to, const char *set, const char (*names)[IFNAMSIZ], size_t n)
{
	buf_addf(to, "\tset %s {\n\t\ttypeof " EMITSET_LINK "\n", set);
	for (size_t i = 0; i < n; i++)
		buf_addf(to, "%s\"%s\"", i ? ", " : "\t\telements = { ", names[i]);
	buf_addf(to, "%s\t}\n\n", n ? " }\n" : "");
}

static void emitset_map(const struct policy *p, struct buf *to, const char *name, const char *way)
{
	const char *comma = "";

	buf_addf(to, "\tmap %s {\n\t\ttypeof " EMITSET_LINK " : verdict\n\t\telements = { ", name);
	for (size_t i = 0; i < p->n_tunnels; i++) {
		buf_addf(to, "%s\"%s\" : jump %s_tun", comma, p->tunnels[i], way);
		comma = ", ";
	}
	for (size_t i = 0; i < p->n_uplinks; i++) {
		buf_addf(to, "%s\"%s\" : jump %s_up", comma, p->uplinks[i], way);
		comma = ", ";
	}
	buf_add(to, " }\n\t}\n\n");
}

void emitset_all(const struct policy *p, struct buf *to)
{
	emitset_links(to, "uplinks", p->uplinks, p->n_uplinks);
	emitset_links(to, "tunnels", p->tunnels, p->n_tunnels);
	for (size_t i = 0; i < ARRAY_SIZE(emitset_fixed); i++)
		buf_addf(to,
			 "\tset %s {\n\t\ttypeof %s\n\t\tflags interval\n\t\telements = { %s }\n"
			 "\t}\n\n",
			 emitset_fixed[i].name, emitset_fixed[i].type, emitset_fixed[i].elements);
	for (size_t i = 0; i < p->n_nets; i++) {
		if (p->nets[i].is_any)
			continue;
		emitset_prefixes(to, p->nets[i].name, &p->nets[i].prefixes, false);
		emitset_prefixes(to, p->nets[i].name, &p->nets[i].prefixes, true);
	}
	emitset_map(p, to, "in_links", "from");
	emitset_map(p, to, "out_links", "to");
}
