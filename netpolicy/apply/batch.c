/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>

#define BATCH_ATTR_MAX 32 /* attribute numbers of one level */
#define BATCH_EXPRS_MAX 32
#define BATCH_ELEMS_MAX 16384 /* of one message, which is limited to 64 KiB anyhow */
#define BATCH_EGRESS 1        /* NF_NETDEV_EGRESS; older headers lack the name */
#define BATCH_FILTERS_MAX 8   /* chains at input, forward and output */
#define BATCH_LIVE_MAX 128    /* sets with timeouts */

/* What one walk has seen: a batch must leave these closed. */
struct batch_seen {
	bool is_trial; /* what lets everything through is allowed */
	bool table, rules;
	bool input, forward, output;            /* base chains of ours at these hooks */
	const char *filters[BATCH_FILTERS_MAX]; /* their names */
	size_t n_filters;
	const char *live[BATCH_LIVE_MAX]; /* sets that only netpolicyd fills */
	size_t n_live;
};

struct batch_hook {
	bool is_guard;
	uint32_t hook;
	int32_t priority;
};

/* Where our chains stand, and nowhere else. Source: docs/policy.md, "Priorities". */
static const struct batch_hook batch_hooks[] = {
	{ false, NF_INET_PRE_ROUTING, -300 },  { false, NF_INET_LOCAL_IN, -10 },
	{ false, NF_INET_FORWARD, -10 },       { false, NF_INET_LOCAL_OUT, -10 },
	{ false, NF_INET_POST_ROUTING, -150 }, { true, BATCH_EGRESS, 500 },
};

/* Expressions that only look, count, log or give a verdict. Not among them: nat, notrack, queue,
 * tproxy, fwd, dup, synproxy, dynset, flow_offload. Some can also write into the packet or its
 * mark, which nothing of ours does but for the segment size (exthdr). */
static const struct {
	const char *name;
	uint16_t write; /* attribute that makes it write; 0 = none, or allowed */
} batch_exprs[] = {
	{ "bitwise", 0 },
	{ "byteorder", 0 },
	{ "cmp", 0 },
	{ "counter", 0 },
	{ "ct", NFTA_CT_SREG },
	{ "exthdr", 0 },
	{ "fib", 0 },
	{ "immediate", 0 },
	{ "limit", 0 },
	{ "log", 0 },
	{ "lookup", 0 },
	{ "meta", NFTA_META_SREG },
	{ "objref", 0 },
	{ "payload", NFTA_PAYLOAD_SREG },
	{ "range", 0 },
	{ "reject", 0 },
	{ "rt", 0 },
};

static int batch_fail(char *error, const char *what, const char *object)
{
	snprintf(error, BATCH_ERROR_MAX, "%.120s%s%.100s", what, *object ? ": " : "", object);
	return -EBADMSG;
}

/* Sorts the attributes between @at and @end into @tb. Nothing twice (the kernel would take the
 * last), no unknown number, no rest. */
static int batch_attrs(const void *at, const void *end,
		       const struct nlattr *tb[static BATCH_ATTR_MAX])
{
	const struct nlattr *attr = at;

	memset(tb, 0, BATCH_ATTR_MAX * sizeof(tb[0]));
	while ((const char *)attr < (const char *)end) {
		size_t left = (size_t)((const char *)end - (const char *)attr);
		uint16_t type;

		if (left < sizeof(*attr) || attr->nla_len < sizeof(*attr) || attr->nla_len > left)
			return -EBADMSG;
		type = mnl_attr_get_type(attr);
		if (type == 0 || type >= BATCH_ATTR_MAX || tb[type])
			return -EBADMSG;
		tb[type] = attr;
		attr = (const void *)((const char *)attr + NLMSG_ALIGN(attr->nla_len));
	}
	return 0;
}

static int batch_nested(const struct nlattr *attr, const struct nlattr *tb[static BATCH_ATTR_MAX])
{
	const char *at = mnl_attr_get_payload(attr);

	return batch_attrs(at, at + mnl_attr_get_payload_len(attr), tb);
}

/* A string attribute with exactly one NUL, at its end. Gives NULL for anything else. */
static const char *batch_str(const struct nlattr *attr)
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;
	const char *s = attr ? mnl_attr_get_payload(attr) : NULL;

	if (len < 2 || len > BATCH_NAME_MAX || memchr(s, '\0', len) != s + len - 1)
		return NULL;
	return s;
}

static bool batch_u32(const struct nlattr *attr, uint32_t *ret)
{
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(uint32_t))
		return false;
	*ret = ntohl(mnl_attr_get_u32(attr));
	return true;
}

static bool batch_hook_is_ours(bool is_guard, uint32_t hook, int32_t priority)
{
	for (size_t i = 0; i < ARRAY_SIZE(batch_hooks); i++)
		if (batch_hooks[i].is_guard == is_guard && batch_hooks[i].hook == hook &&
		    batch_hooks[i].priority == priority)
			return true;
	return false;
}

static bool batch_is_listed(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

/* A filter: at which hook, and that it is closed. @drops: its policy. */
static int batch_note_filter(struct batch_seen *seen, const struct batch_msg *msg, uint32_t hook,
			     bool drops, char *error)
{
	bool is_filter = hook == NF_INET_LOCAL_IN || hook == NF_INET_FORWARD ||
			 hook == NF_INET_LOCAL_OUT;

	if (!seen || msg->is_guard || !is_filter)
		return 0;
	if (!drops && !seen->is_trial)
		return batch_fail(error, "it would leave a direction open: no policy drop, chain",
				  msg->name);
	/* Rules are judged by the chains that were seen before them. */
	if (seen->rules || seen->n_filters == BATCH_FILTERS_MAX)
		return batch_fail(error, "a filter behind rules, or too many, chain", msg->name);
	seen->filters[seen->n_filters++] = msg->name;
	seen->input |= hook == NF_INET_LOCAL_IN;
	seen->forward |= hook == NF_INET_FORWARD;
	seen->output |= hook == NF_INET_LOCAL_OUT;
	return 0;
}

static int batch_check_hook(const struct nlattr *attr, struct batch_msg *msg, uint32_t *ret_hook,
			    char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	uint32_t hook, priority;

	if (batch_nested(attr, tb) < 0 || tb[NFTA_HOOK_DEVS] ||
	    !batch_u32(tb[NFTA_HOOK_HOOKNUM], &hook) ||
	    !batch_u32(tb[NFTA_HOOK_PRIORITY], &priority))
		return batch_fail(error, "malformed hook of chain", msg->name);
	msg->device = batch_str(tb[NFTA_HOOK_DEV]);
	if (!msg->device != !msg->is_guard || !msg->device != !tb[NFTA_HOOK_DEV])
		return batch_fail(error, "wrong device of chain", msg->name);
	if (!batch_hook_is_ours(msg->is_guard, hook, (int32_t)priority))
		return batch_fail(error, "a hook or priority that is not ours, chain", msg->name);
	*ret_hook = hook;
	return 0;
}

static int batch_check_chain(const struct nlattr **tb, struct batch_msg *msg,
			     struct batch_seen *seen, char *error)
{
	const char *type = batch_str(tb[NFTA_CHAIN_TYPE]);
	uint32_t flags = 0, policy = NF_ACCEPT, hook = 0;
	int r;

	msg->name = batch_str(tb[NFTA_CHAIN_NAME]);
	if (!msg->name)
		return batch_fail(error, "a chain without a name", "");
	if (tb[NFTA_CHAIN_HANDLE])
		return batch_fail(error, "a chain by its number", msg->name);
	if (tb[NFTA_CHAIN_FLAGS] &&
	    (!batch_u32(tb[NFTA_CHAIN_FLAGS], &flags) || (flags & ~(uint32_t)NFT_CHAIN_BASE)))
		return batch_fail(error, "flags of chain", msg->name);
	if (!tb[NFTA_CHAIN_HOOK])
		return tb[NFTA_CHAIN_TYPE] || tb[NFTA_CHAIN_POLICY] ?
			       batch_fail(error, "a type or a policy without a hook, chain",
					  msg->name) :
			       0;
	if (!type || strcmp(type, "filter") != 0)
		return batch_fail(error, "not of type filter, chain", msg->name);
	/* Without a policy it is the kernel's: accept. */
	if (tb[NFTA_CHAIN_POLICY] && !batch_u32(tb[NFTA_CHAIN_POLICY], &policy))
		return batch_fail(error, "malformed policy of chain", msg->name);
	r = batch_check_hook(tb[NFTA_CHAIN_HOOK], msg, &hook, error);
	return r < 0 ? r : batch_note_filter(seen, msg, hook, policy == NF_DROP, error);
}

static bool batch_verdict_is_known(uint32_t code)
{
	switch ((int32_t)code) {
	case NF_DROP:
	case NF_ACCEPT:
	case NFT_CONTINUE:
	case NFT_BREAK:
	case NFT_JUMP:
	case NFT_GOTO:
	case NFT_RETURN:
		return true;
	default:
		return false; /* NF_QUEUE would give the packet to any program */
	}
}

/* What an expression or an element of a map yields: a value, or a verdict of those above. */
static int batch_check_data(const struct nlattr *data, char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	const struct nlattr *verdict;
	uint32_t code;

	if (batch_nested(data, tb) < 0)
		return batch_fail(error, "malformed data", "");
	verdict = tb[NFTA_DATA_VERDICT];
	if (!verdict)
		return 0;
	if (batch_nested(verdict, tb) < 0 || !batch_u32(tb[NFTA_VERDICT_CODE], &code) ||
	    !batch_verdict_is_known(code))
		return batch_fail(error, "a verdict that our policies do not use", "");
	return 0;
}

/* The place in batch_exprs, or -1. */
static int batch_expr_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(batch_exprs); i++)
		if (!strcmp(batch_exprs[i].name, name))
			return (int)i;
	return -1;
}

/* What an expression is told to do, where that can be more than looking. */
static int batch_check_expr_data(int expr, const struct nlattr *data, char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	const char *name = batch_exprs[expr].name;
	uint16_t write = batch_exprs[expr].write;

	if (!write && strcmp(name, "immediate") != 0)
		return 0;
	if (!data || batch_nested(data, tb) < 0)
		return batch_fail(error, "malformed expression", name);
	if (write && tb[write])
		return batch_fail(error, "an expression that changes the packet", name);
	return write || !tb[NFTA_IMMEDIATE_DATA] ? 0 :
						   batch_check_data(tb[NFTA_IMMEDIATE_DATA], error);
}

/* One element of the list of expressions. */
static int batch_check_expr(const struct nlattr *elem, const char *chain, char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	const char *name;
	int expr;

	if (mnl_attr_get_type(elem) != NFTA_LIST_ELEM || batch_nested(elem, tb) < 0)
		return batch_fail(error, "malformed expression in chain", chain);
	name = batch_str(tb[NFTA_EXPR_NAME]);
	expr = batch_expr_find(name);
	if (expr < 0)
		return batch_fail(error, "an expression that our policies do not use",
				  name ? name : "");
	return batch_check_expr_data(expr, tb[NFTA_EXPR_DATA], error);
}

/* Calls @fn for each member of the list, at most @max of them. */
static int batch_check_list(const struct nlattr *list, size_t max, const char *holder, char *error,
			    int (*fn)(const struct nlattr *elem, const char *holder, char *error))
{
	const char *at = mnl_attr_get_payload(list);
	const char *end = at + mnl_attr_get_payload_len(list);
	int r = 0;

	for (size_t n = 0; at < end && r == 0; n++) {
		const struct nlattr *elem = (const void *)at;
		size_t left = (size_t)(end - at);

		if (n == max || left < sizeof(*elem) || elem->nla_len > left ||
		    elem->nla_len < sizeof(*elem))
			return batch_fail(error, "a malformed list in", holder);
		r = fn(elem, holder, error);
		at += NLMSG_ALIGN(elem->nla_len);
	}
	return r;
}

/* Elements of sets and sets themselves may count, and nothing else. */
static int batch_check_counter(const struct nlattr *expr, const char *set, char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	const char *name;

	if (batch_nested(expr, tb) < 0)
		return batch_fail(error, "malformed expression in set", set);
	name = batch_str(tb[NFTA_EXPR_NAME]);
	return name && !strcmp(name, "counter") ?
		       0 :
		       batch_fail(error, "more than a counter in set", set);
}

/* One element of a set. */
static int batch_check_elem(const struct nlattr *elem, const char *set, char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	int r = 0;

	/* The library numbers them, the kernel does not look. */
	if (batch_nested(elem, tb) < 0)
		return batch_fail(error, "malformed element in set", set);
	if (tb[NFTA_SET_ELEM_TIMEOUT] || tb[NFTA_SET_ELEM_EXPIRATION])
		return batch_fail(error, "an element that ends by itself in set", set);
	if (tb[NFTA_SET_ELEM_EXPR])
		r = batch_check_counter(tb[NFTA_SET_ELEM_EXPR], set, error);
	if (r == 0 && tb[NFTA_SET_ELEM_EXPRESSIONS])
		r = batch_check_list(tb[NFTA_SET_ELEM_EXPRESSIONS], BATCH_EXPRS_MAX, set, error,
				     batch_check_counter);
	if (r == 0 && tb[NFTA_SET_ELEM_DATA])
		r = batch_check_data(tb[NFTA_SET_ELEM_DATA], error);
	return r;
}

/* True for "accept" as the yield of an immediate. */
static bool batch_is_accept(const struct nlattr *data)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	uint32_t code;

	return batch_nested(data, tb) == 0 && tb[NFTA_IMMEDIATE_DATA] &&
	       batch_nested(tb[NFTA_IMMEDIATE_DATA], tb) == 0 && tb[NFTA_DATA_VERDICT] &&
	       batch_nested(tb[NFTA_DATA_VERDICT], tb) == 0 &&
	       batch_u32(tb[NFTA_VERDICT_CODE], &code) && code == NF_ACCEPT;
}

/* True when the expressions, which have been checked, come to an accept before they compare
 * anything. */
static bool batch_accepts_all(const struct nlattr *list)
{
	static const char *const conditions[] = { "cmp", "range", "lookup", "limit" };
	const struct nlattr *elem, *tb[BATCH_ATTR_MAX];

	mnl_attr_for_each_nested(elem, list) {
		const char *name = batch_nested(elem, tb) == 0 ? batch_str(tb[NFTA_EXPR_NAME]) :
								 NULL;

		if (!name || batch_is_listed(conditions, ARRAY_SIZE(conditions), name))
			return false;
		if (!strcmp(name, "immediate") && batch_is_accept(tb[NFTA_EXPR_DATA]))
			return true;
	}
	return false;
}

/* One way of opening the host that can be seen: a filter that ends in accept for all. */
static int batch_note_rule(struct batch_seen *seen, const struct batch_msg *msg,
			   const struct nlattr *expressions, char *error)
{
	if (!seen || msg->is_guard)
		return 0;
	seen->rules = true;
	if (!seen->is_trial && batch_is_listed(seen->filters, seen->n_filters, msg->name) &&
	    batch_accepts_all(expressions))
		return batch_fail(error, "a rule that accepts everything in chain", msg->name);
	return 0;
}

static int batch_check_rule(const struct nlattr **tb, struct batch_msg *msg,
			    struct batch_seen *seen, char *error)
{
	const struct nlattr *expressions = tb[NFTA_RULE_EXPRESSIONS];
	int r;

	msg->name = batch_str(tb[NFTA_RULE_CHAIN]);
	if (!msg->name || tb[NFTA_RULE_COMPAT])
		return batch_fail(error, "a rule without a chain, or of another kind", "");
	if (tb[NFTA_RULE_HANDLE] || tb[NFTA_RULE_POSITION] || tb[NFTA_RULE_ID] ||
	    tb[NFTA_RULE_POSITION_ID] || tb[NFTA_RULE_CHAIN_ID])
		return batch_fail(error, "a rule by its number in chain", msg->name);
	if (msg->type == NFT_MSG_DELRULE)
		return 0;
	if (!expressions)
		return batch_fail(error, "a rule without expressions in chain", msg->name);
	r = batch_check_list(expressions, BATCH_EXPRS_MAX, msg->name, error, batch_check_expr);
	return r < 0 ? r : batch_note_rule(seen, msg, expressions, error);
}

static int batch_check_named(const struct nlattr *name, struct batch_msg *msg, char *error)
{
	msg->name = batch_str(name);
	return msg->name ? 0 : batch_fail(error, "a set or an object without a name", "");
}

/* A set whose elements end is netpolicyd's to fill: what a batch put there, no comparison sees. */
static int batch_note_set(struct batch_seen *seen, const struct batch_msg *msg,
			  const struct nlattr *flags, char *error)
{
	uint32_t bits = 0;

	if (flags && !batch_u32(flags, &bits))
		return batch_fail(error, "malformed flags of set", msg->name);
	if (!seen || msg->type != NFT_MSG_NEWSET || !(bits & NFT_SET_TIMEOUT))
		return 0;
	if (seen->n_live == BATCH_LIVE_MAX)
		return batch_fail(error, "too many sets with timeouts", msg->name);
	seen->live[seen->n_live++] = msg->name;
	return 0;
}

static int batch_check_set(const struct nlattr **tb, struct batch_msg *msg, struct batch_seen *seen,
			   char *error)
{
	int r = batch_check_named(tb[NFTA_SET_NAME], msg, error);

	if (r == 0)
		r = batch_note_set(seen, msg, tb[NFTA_SET_FLAGS], error);
	if (r == 0 && tb[NFTA_SET_EXPR])
		r = batch_check_counter(tb[NFTA_SET_EXPR], msg->name, error);
	if (r == 0 && tb[NFTA_SET_EXPRESSIONS])
		r = batch_check_list(tb[NFTA_SET_EXPRESSIONS], BATCH_EXPRS_MAX, msg->name, error,
				     batch_check_counter);
	return r;
}

static int batch_check_elems(const struct nlattr **tb, struct batch_msg *msg,
			     const struct batch_seen *seen, char *error)
{
	int r = batch_check_named(tb[NFTA_SET_ELEM_LIST_SET], msg, error);

	if (r == 0 && seen && batch_is_listed(seen->live, seen->n_live, msg->name))
		return batch_fail(error, "elements of a set with timeouts", msg->name);
	if (r == 0 && tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		r = batch_check_list(tb[NFTA_SET_ELEM_LIST_ELEMENTS], BATCH_ELEMS_MAX, msg->name,
				     error, batch_check_elem);
	return r;
}

/* A named object can also be a helper, a tunnel or a mark. Ours are counters. */
static int batch_check_object(const struct nlattr **tb, struct batch_msg *msg, char *error)
{
	uint32_t type;
	int r = batch_check_named(tb[NFTA_OBJ_NAME], msg, error);

	if (r < 0 || msg->type == NFT_MSG_DELOBJ)
		return r;
	if (!batch_u32(tb[NFTA_OBJ_TYPE], &type) || type != NFT_OBJECT_COUNTER)
		return batch_fail(error, "an object that is no counter", msg->name);
	return 0;
}

static int batch_check_table(const struct nlattr **tb, struct batch_seen *seen, bool is_guard,
			     char *error)
{
	uint32_t flags = 0;

	if (tb[NFTA_TABLE_FLAGS] && (!batch_u32(tb[NFTA_TABLE_FLAGS], &flags) || flags))
		return batch_fail(error, "a table with flags (dormant, owner)", "");
	if (seen && !is_guard)
		seen->table = true;
	return 0;
}

/* The parts that depend on the kind of message. Removing a table or a chain opens the host for a
 * moment and is never recorded: updates work in place. */
static int batch_check_kind(const struct nlattr **tb, struct batch_msg *msg,
			    struct batch_seen *seen, char *error)
{
	switch (msg->type) {
	case NFT_MSG_NEWTABLE:
		return batch_check_table(tb, seen, msg->is_guard, error);
	case NFT_MSG_NEWCHAIN:
		return batch_check_chain(tb, msg, seen, error);
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		return batch_check_rule(tb, msg, seen, error);
	case NFT_MSG_NEWSET:
	case NFT_MSG_DELSET:
		return batch_check_set(tb, msg, seen, error);
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		return batch_check_elems(tb, msg, seen, error);
	case NFT_MSG_NEWOBJ:
	case NFT_MSG_DELOBJ:
		return batch_check_object(tb, msg, error);
	default:
		return batch_fail(error, "a message that no policy needs", "");
	}
}

/* The family and the table's name belong together. The name is attribute 1 of every kind. */
static int batch_check_owner(uint8_t family, const struct nlattr *name, struct batch_msg *msg,
			     char *error)
{
	const char *table = batch_str(name);

	if (!table)
		return batch_fail(error, "a message without a table", "");
	msg->is_guard = family == NFPROTO_NETDEV && !strcmp(table, BATCH_GUARD);
	if (msg->is_guard || (family == NFPROTO_INET && !strcmp(table, BATCH_TABLE)))
		return 0;
	return batch_fail(error, "a table that is not ours", table);
}

static int batch_take(const struct nlmsghdr *nlh, struct batch_msg *ret, struct batch_seen *seen,
		      char *error)
{
	const struct nlattr *tb[BATCH_ATTR_MAX];
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	struct batch_msg msg = { .nlh = nlh, .type = nlh->nlmsg_type & 0xff };
	int r;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*gen)) ||
	    nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return batch_fail(error, "a message of another subsystem", "");
	if (batch_attrs(mnl_nlmsg_get_payload_offset(nlh, sizeof(*gen)),
			(const char *)nlh + nlh->nlmsg_len, tb) < 0)
		return batch_fail(error, "malformed attributes", "");
	r = batch_check_owner(gen->nfgen_family, tb[NFTA_TABLE_NAME], &msg, error);
	if (r == 0)
		r = batch_check_kind(tb, &msg, seen, error);
	if (r == 0)
		*ret = msg;
	return r;
}

int batch_parse(const struct nlmsghdr *nlh, struct batch_msg *ret,
		char ret_error[static BATCH_ERROR_MAX])
{
	return batch_take(nlh, ret, NULL, ret_error);
}

/* The message at @at, or NULL when it does not fit into the rest. */
static const struct nlmsghdr *batch_at(const char *at, const char *end)
{
	const struct nlmsghdr *nlh = (const void *)at;
	size_t left = (size_t)(end - at);

	/* First as it is: rounding a length near 4 GiB up would give 0, and a walk without end. */
	if (left < sizeof(*nlh) || nlh->nlmsg_len < sizeof(*nlh) || nlh->nlmsg_len > left ||
	    NLMSG_ALIGN(nlh->nlmsg_len) > left)
		return NULL;
	return nlh;
}

size_t batch_length(const void *bytes, size_t len)
{
	const char *at = bytes, *end = at + len;
	const struct nlmsghdr *nlh;

	while ((nlh = batch_at(at, end))) {
		at += NLMSG_ALIGN(nlh->nlmsg_len);
		if (nlh->nlmsg_type == NFNL_MSG_BATCH_END)
			return (size_t)(at - (const char *)bytes);
	}
	return 0;
}

/* The frame: one BEGIN for nf_tables in front, one END behind, nothing after it. Gives the first
 * byte behind BEGIN and the first of END. */
static int batch_frame(const void *bytes, size_t len, const char **ret_at, const char **ret_end,
		       char *error)
{
	const char *at = bytes, *end = at + len;
	const struct nlmsghdr *nlh = len <= BATCH_BYTES_MAX ? batch_at(at, end) : NULL;
	const struct nfgenmsg *gen;

	if (!nlh || nlh->nlmsg_type != NFNL_MSG_BATCH_BEGIN ||
	    nlh->nlmsg_len != NLMSG_LENGTH(sizeof(*gen)))
		return batch_fail(error, "does not begin as a batch, or is too large", "");
	gen = mnl_nlmsg_get_payload(nlh);
	if (ntohs(gen->res_id) != NFNL_SUBSYS_NFTABLES)
		return batch_fail(error, "a batch of another subsystem", "");
	if (batch_length(bytes, len) != len)
		return batch_fail(error, "does not end as a batch", "");
	*ret_at = at + NLMSG_ALIGN(nlh->nlmsg_len);
	*ret_end = end;
	return 0;
}

static int batch_each(const void *bytes, size_t len, struct batch_seen *seen,
		      int (*fn)(const struct batch_msg *msg, void *ctx), void *ctx, char *error)
{
	const char *at, *end;
	const struct nlmsghdr *nlh;
	struct batch_msg msg;
	size_t n = 0;
	int r = batch_frame(bytes, len, &at, &end, error);

	while (r == 0 && (nlh = batch_at(at, end)) && nlh->nlmsg_type != NFNL_MSG_BATCH_END) {
		if (++n > BATCH_MESSAGES_MAX)
			return batch_fail(error, "too many messages", "");
		r = batch_take(nlh, &msg, seen, error);
		if (r == 0 && fn)
			r = fn(&msg, ctx);
		at += NLMSG_ALIGN(nlh->nlmsg_len);
	}
	return r;
}

int batch_walk(const void *bytes, size_t len, int (*fn)(const struct batch_msg *msg, void *ctx),
	       void *ctx, char ret_error[static BATCH_ERROR_MAX])
{
	return batch_each(bytes, len, NULL, fn, ctx, ret_error);
}

static int batch_check_all(const void *bytes, size_t len, bool is_trial, char *error)
{
	struct batch_seen seen = { .is_trial = is_trial };
	int r = batch_each(bytes, len, &seen, NULL, NULL, error);

	if (r < 0)
		return r;
	if (!seen.table || !seen.input || !seen.forward || !seen.output)
		return batch_fail(error, "incomplete: it would leave a direction open", "");
	return 0;
}

int batch_check(const void *bytes, size_t len, char ret_error[static BATCH_ERROR_MAX])
{
	return batch_check_all(bytes, len, false, ret_error);
}

int batch_check_trial(const void *bytes, size_t len, char ret_error[static BATCH_ERROR_MAX])
{
	return batch_check_all(bytes, len, true, ret_error);
}

static const char *batch_verb(int type)
{
	switch (type) {
	case NFT_MSG_NEWTABLE:
		return "adding table";
	case NFT_MSG_NEWCHAIN:
		return "adding chain";
	case NFT_MSG_NEWRULE:
		return "adding a rule to chain";
	case NFT_MSG_DELRULE:
		return "emptying chain";
	case NFT_MSG_NEWSET:
		return "adding set";
	case NFT_MSG_NEWSETELEM:
		return "filling set";
	case NFT_MSG_DELSETELEM:
		return "emptying set";
	case NFT_MSG_NEWOBJ:
		return "adding counter";
	default:
		return "removing";
	}
}

void batch_describe(const struct batch_msg *msg, char ret[static BATCH_ERROR_MAX])
{
	snprintf(ret, BATCH_ERROR_MAX, "%s %.128s%sof %s%s%s", batch_verb(msg->type),
		 msg->name ? msg->name : "", msg->name ? " " : "",
		 msg->is_guard ? "netdev " BATCH_GUARD : "inet " BATCH_TABLE,
		 msg->device ? " on " : "", msg->device ? msg->device : "");
}
