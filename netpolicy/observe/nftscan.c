/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/nftscan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/foreign.h"

#define NFTSCAN_ATTR_MAX 32

/* Expressions with a side effect that matters, by name. */
static const struct {
	const char *name;
	enum nftscan_kind kind;
} nftscan_effects[] = {
	{ "nat", NFTSCAN_NAT },         { "masq", NFTSCAN_NAT },
	{ "redir", NFTSCAN_NAT },       { "tproxy", NFTSCAN_DIVERT },
	{ "queue", NFTSCAN_DIVERT },    { "fwd", NFTSCAN_DIVERT },
	{ "dup", NFTSCAN_DIVERT },      { "synproxy", NFTSCAN_DIVERT },
	{ "notrack", NFTSCAN_NOTRACK }, { "flow_offload", NFTSCAN_OFFLOAD },
};

/* Those that only look, count, log, or give a verdict; also what fills sets. */
static const char *const nftscan_harmless[] = {
	"bitwise", "byteorder", "cmp",   "connlimit", "counter", "ct",   "dynset",
	"exthdr",  "fib",       "hash",  "immediate", "inner",   "last", "limit",
	"log",     "lookup",    "match", "numgen",    "objref",  "osf",  "quota",
	"range",   "reject",    "rt",    "socket",    "tunnel",  "xfrm",
};

/* Targets of iptables that run inside of nf_tables. */
static const struct {
	const char *name;
	enum nftscan_kind kind;
} nftscan_targets[] = {
	{ "DNAT", NFTSCAN_NAT },        { "SNAT", NFTSCAN_NAT },
	{ "MASQUERADE", NFTSCAN_NAT },  { "REDIRECT", NFTSCAN_NAT },
	{ "NETMAP", NFTSCAN_NAT },      { "DNPT", NFTSCAN_NAT },
	{ "SNPT", NFTSCAN_NAT },        { "MARK", NFTSCAN_MARK },
	{ "CONNMARK", NFTSCAN_MARK },   { "HMARK", NFTSCAN_MARK },
	{ "TPROXY", NFTSCAN_DIVERT },   { "TEE", NFTSCAN_DIVERT },
	{ "NFQUEUE", NFTSCAN_DIVERT },  { "SYNPROXY", NFTSCAN_DIVERT },
	{ "NOTRACK", NFTSCAN_NOTRACK }, { "CT", NFTSCAN_NOTRACK },
};
static const char *const nftscan_mild_targets[] = {
	"ACCEPT",  "AUDIT", "CHECKSUM", "CLASSIFY",    "CONNSECMARK", "DROP",    "DSCP",
	"ECN",     "HL",    "LED",      "LOG",         "NFLOG",       "RATEEST", "REJECT",
	"SECMARK", "SET",   "TCPMSS",   "TCPOPTSTRIP", "TOS",         "TRACE",   "TTL",
};

/* The first attribute of each number between @at and @end. */
static void nftscan_sort(const struct nlattr *at, const char *end,
			 const struct nlattr *tb[static NFTSCAN_ATTR_MAX])
{
	memset(tb, 0, NFTSCAN_ATTR_MAX * sizeof(tb[0]));
	for (; mnl_attr_ok(at, (int)(end - (const char *)at)); at = mnl_attr_next(at)) {
		uint16_t type = mnl_attr_get_type(at);

		if (type < NFTSCAN_ATTR_MAX && !tb[type])
			tb[type] = at;
	}
}

static void nftscan_sort_message(const struct nlmsghdr *nlh,
				 const struct nlattr *tb[static NFTSCAN_ATTR_MAX])
{
	nftscan_sort(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg)),
		     mnl_nlmsg_get_payload_tail(nlh), tb);
}

static void nftscan_sort_nested(const struct nlattr *attr,
				const struct nlattr *tb[static NFTSCAN_ATTR_MAX])
{
	const char *at = mnl_attr_get_payload(attr);

	nftscan_sort((const void *)at, at + mnl_attr_get_payload_len(attr), tb);
}

/* Names are somebody else's: nothing of them may steer a terminal. */
static void nftscan_name(const struct nlattr *attr, char *ret, size_t cap)
{
	int len = attr ? (int)mnl_attr_get_payload_len(attr) : 0;

	snprintf(ret, cap, "%.*s", len, attr ? mnl_attr_get_str(attr) : "");
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static uint32_t nftscan_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static bool nftscan_is(const struct nlattr *attr, const char *name)
{
	return attr && mnl_attr_get_payload_len(attr) == strlen(name) + 1 &&
	       !memcmp(mnl_attr_get_payload(attr), name, strlen(name) + 1);
}

static bool nftscan_is_ours(uint8_t family, const struct nlattr *table)
{
	return (family == NFPROTO_INET && nftscan_is(table, BATCH_TABLE)) ||
	       (family == NFPROTO_NETDEV && nftscan_is(table, BATCH_GUARD));
}

static uint8_t nftscan_family_of(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);

	return gen->nfgen_family;
}

static struct nftscan_table *nftscan_table(struct nftscan *s, uint8_t family, const char *name)
{
	for (size_t i = 0; i < s->n_tables; i++)
		if (s->tables[i].family == family && !strcmp(s->tables[i].name, name))
			return &s->tables[i];
	return NULL;
}

static void nftscan_note_table(struct nftscan *s, uint8_t family, const char *name, uint32_t hook)
{
	struct nftscan_table *t = nftscan_table(s, family, name);

	if (!t && s->n_tables == NFTSCAN_TABLES_MAX) {
		s->is_over = true;
		return;
	}
	if (!t) {
		t = &s->tables[s->n_tables++];
		t->family = family;
		snprintf(t->name, sizeof(t->name), "%s", name);
	}
	t->hooks |= hook < 16 ? 1u << hook : 0xffffu;
}

/* Base chains of strangers: their tables are the ones whose rules are run. */
static int nftscan_take_chain(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX], *hook[NFTSCAN_ATTR_MAX];
	uint8_t family = nftscan_family_of(nlh);
	struct nftscan *s = ctx;
	char name[NFTSCAN_NAME_MAX];

	nftscan_sort_message(nlh, tb);
	if (!tb[NFTA_CHAIN_HOOK] || nftscan_is_ours(family, tb[NFTA_CHAIN_TABLE]))
		return 0;
	nftscan_sort_nested(tb[NFTA_CHAIN_HOOK], hook);
	nftscan_name(tb[NFTA_CHAIN_TABLE], name, sizeof(name));
	nftscan_note_table(s, family, name, nftscan_u32(hook[NFTA_HOOK_HOOKNUM]));
	s->n_chains++;
	s->n_nat_chains += nftscan_is(tb[NFTA_CHAIN_TYPE], "nat");
	return 0;
}

/* A chain of our guard. That it has rules is in its use count. */
static int nftscan_take_guard(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX], *hook[NFTSCAN_ATTR_MAX];
	struct nftscan *s = ctx;

	nftscan_sort_message(nlh, tb);
	if (nftscan_family_of(nlh) != NFPROTO_NETDEV ||
	    !nftscan_is(tb[NFTA_CHAIN_TABLE], BATCH_GUARD) || !tb[NFTA_CHAIN_HOOK] ||
	    nftscan_u32(tb[NFTA_CHAIN_USE]) == 0)
		return 0;
	nftscan_sort_nested(tb[NFTA_CHAIN_HOOK], hook);
	if (nftscan_u32(hook[NFTA_HOOK_HOOKNUM]) == 1 && hook[NFTA_HOOK_DEV] &&
	    s->n_guards < NFTSCAN_GUARDS_MAX)
		nftscan_name(hook[NFTA_HOOK_DEV], s->guards[s->n_guards++], IFNAMSIZ);
	return 0;
}

static enum nftscan_kind nftscan_target(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(nftscan_targets); i++)
		if (!strcmp(name, nftscan_targets[i].name))
			return nftscan_targets[i].kind;
	for (size_t i = 0; i < ARRAY_SIZE(nftscan_mild_targets); i++)
		if (!strcmp(name, nftscan_mild_targets[i]))
			return NFTSCAN_KINDS;
	return *name ? NFTSCAN_OPAQUE : NFTSCAN_KINDS;
}

/* Expressions that look, or write when they have a source register. */
static enum nftscan_kind nftscan_writer(const char *name, const struct nlattr *data, char what[32])
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX] = { NULL };
	enum nftscan_kind kind = NFTSCAN_KINDS;

	if (data)
		nftscan_sort_nested(data, tb);
	if (!strcmp(name, "meta") && tb[NFTA_META_SREG] &&
	    nftscan_u32(tb[NFTA_META_KEY]) == NFT_META_MARK) {
		kind = NFTSCAN_MARK;
		snprintf(what, 32, "meta mark set");
	}
	if (!strcmp(name, "payload") && tb[NFTA_PAYLOAD_SREG]) {
		kind = NFTSCAN_DIVERT;
		snprintf(what, 32, "a header is rewritten");
	}
	if (!strcmp(name, "objref") && nftscan_u32(tb[NFTA_OBJREF_IMM_TYPE]) == NFT_OBJECT_SYNPROXY)
		kind = NFTSCAN_DIVERT;
	return kind;
}

static enum nftscan_kind nftscan_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(nftscan_effects); i++)
		if (!strcmp(name, nftscan_effects[i].name))
			return nftscan_effects[i].kind;
	for (size_t i = 0; i < ARRAY_SIZE(nftscan_harmless); i++)
		if (!strcmp(name, nftscan_harmless[i]))
			return NFTSCAN_KINDS;
	return NFTSCAN_OPAQUE;
}

/* What one expression does; NFTSCAN_KINDS: nothing that matters. */
static enum nftscan_kind nftscan_expr(const struct nlattr *expr, char what[32])
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX], *target[NFTSCAN_ATTR_MAX];
	char name[24], xt[24];

	nftscan_sort_nested(expr, tb);
	nftscan_name(tb[NFTA_EXPR_NAME], name, sizeof(name));
	snprintf(what, 32, "%s", name);
	if (!strcmp(name, "meta") || !strcmp(name, "payload") || !strcmp(name, "objref"))
		return nftscan_writer(name, tb[NFTA_EXPR_DATA], what);
	if (strcmp(name, "target") != 0 || !tb[NFTA_EXPR_DATA])
		return nftscan_named(name);
	nftscan_sort_nested(tb[NFTA_EXPR_DATA], target);
	nftscan_name(target[NFTA_TARGET_NAME], xt, sizeof(xt));
	snprintf(what, 32, "xt %s", xt);
	return nftscan_target(xt);
}

static bool nftscan_same(const struct nftscan_found *a, const struct nftscan_found *b)
{
	return a->kind == b->kind && a->family == b->family && !strcmp(a->table, b->table) &&
	       !strcmp(a->chain, b->chain);
}

static void nftscan_add(struct nftscan *s, const struct nftscan_found *found)
{
	size_t i = 0;

	while (i < s->n && !nftscan_same(&s->list[i], found))
		i++;
	if (i == NFTSCAN_FOUND_MAX) {
		s->is_over = true;
		return;
	}
	if (i == s->n)
		s->list[s->n++] = *found;
	s->list[i].n++;
}

static int nftscan_take_rule(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX], *expr;
	struct nftscan_found found = { .family = nftscan_family_of(nlh) };
	const struct nftscan_table *table;
	struct nftscan *s = ctx;

	nftscan_sort_message(nlh, tb);
	nftscan_name(tb[NFTA_RULE_TABLE], found.table, sizeof(found.table));
	nftscan_name(tb[NFTA_RULE_CHAIN], found.chain, sizeof(found.chain));
	table = nftscan_table(s, found.family, found.table);
	if (!table || !tb[NFTA_RULE_EXPRESSIONS] ||
	    nftscan_is_ours(found.family, tb[NFTA_RULE_TABLE]))
		return 0;
	found.hooks = table->hooks;
	mnl_attr_for_each_nested(expr, tb[NFTA_RULE_EXPRESSIONS]) {
		found.kind = nftscan_expr(expr, found.what);
		if (found.kind != NFTSCAN_KINDS)
			nftscan_add(s, &found);
	}
	return 0;
}

static int nftscan_take_flowtable(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[NFTSCAN_ATTR_MAX];
	struct nftscan_found found = { .kind = NFTSCAN_OFFLOAD, .what = "flow table" };

	nftscan_sort_message(nlh, tb);
	found.family = nftscan_family_of(nlh);
	nftscan_name(tb[NFTA_FLOWTABLE_TABLE], found.table, sizeof(found.table));
	nftscan_name(tb[NFTA_FLOWTABLE_NAME], found.chain, sizeof(found.chain));
	nftscan_add(ctx, &found);
	return 0;
}

/* All tables at once: whoever changes the ruleset in between makes the dump say so. */
static int nftscan_once(struct kernio *k, struct nftscan *to)
{
	static const struct {
		int type;
		int (*fn)(const struct nlmsghdr *nlh, void *ctx);
	} steps[] = {
		{ NFT_MSG_GETCHAIN, nftscan_take_chain },
		{ NFT_MSG_GETCHAIN, nftscan_take_guard },
		{ NFT_MSG_GETRULE, nftscan_take_rule },
		{ NFT_MSG_GETFLOWTABLE, nftscan_take_flowtable },
	};
	uint32_t before, after;
	int r = kernio_generation(k, &before);

	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = kernio_dump(k, &(struct kernio_query){ .type = steps[i].type }, steps[i].fn,
				to);
	if (r == 0)
		r = kernio_generation(k, &after);
	return r == 0 && before != after ? KERNIO_E_CHANGED : r;
}

int nftscan_look(struct kernio *k, struct nftscan *ret)
{
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++) {
		*ret = (struct nftscan){ 0 };
		r = nftscan_once(k, ret);
	}
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}
