/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/rulecount.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/observe/netask.h"

#define RULECOUNT_COMMENT 0 /* NFTNL_UDATA_RULE_COMMENT of libnftnl: type, length, text, NUL */

struct rulecount_search {
	uint8_t family;
	const char *table, *chain, *comment;
	struct rulecount *to;
};

static const struct nlattr *rulecount_attr(const struct nlmsghdr *nlh, int type)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh), header = sizeof(struct nfgenmsg);

	return len < header ?
		       NULL :
		       netask_attr(mnl_nlmsg_get_payload_offset(nlh, header), len - header, type);
}

static const struct nlattr *rulecount_nested(const struct nlattr *attr, int type)
{
	return attr ? netask_attr(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
				  type) :
		      NULL;
}

static bool rulecount_is(const struct nlattr *attr, const char *text)
{
	size_t len = strlen(text) + 1;

	return attr && mnl_attr_get_payload_len(attr) == len &&
	       !memcmp(mnl_attr_get_payload(attr), text, len);
}

/* User data is a list of type, length, value, one byte each but the value. */
static bool rulecount_has_comment(const struct nlattr *udata, const char *comment)
{
	const uint8_t *at = udata ? mnl_attr_get_payload(udata) : NULL;
	size_t left = udata ? mnl_attr_get_payload_len(udata) : 0, len = strlen(comment) + 1;

	while (left >= 2 && (size_t)at[1] + 2 <= left) {
		if (at[0] == RULECOUNT_COMMENT)
			return at[1] == len && !memcmp(at + 2, comment, len);
		left -= (size_t)at[1] + 2;
		at += (size_t)at[1] + 2;
	}
	return *comment == '\0';
}

static uint64_t rulecount_u64(const struct nlattr *attr)
{
	uint64_t value = 0;

	if (attr && mnl_attr_get_payload_len(attr) == sizeof(value))
		memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	return be64toh(value);
}

static void rulecount_add(const struct nlattr *exprs, struct rulecount *to)
{
	const struct nlattr *expr;

	if (!exprs)
		return;
	mnl_attr_for_each_nested(expr, exprs) {
		const struct nlattr *data = rulecount_nested(expr, NFTA_EXPR_DATA);

		if (!rulecount_is(rulecount_nested(expr, NFTA_EXPR_NAME), "counter"))
			continue;
		to->packets += rulecount_u64(rulecount_nested(data, NFTA_COUNTER_PACKETS));
		to->bytes += rulecount_u64(rulecount_nested(data, NFTA_COUNTER_BYTES));
	}
}

static int rulecount_take(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	const struct rulecount_search *s = ctx;

	if (gen->nfgen_family != s->family ||
	    !rulecount_is(rulecount_attr(nlh, NFTA_RULE_TABLE), s->table) ||
	    !rulecount_is(rulecount_attr(nlh, NFTA_RULE_CHAIN), s->chain) ||
	    !rulecount_has_comment(rulecount_attr(nlh, NFTA_RULE_USERDATA), s->comment))
		return 0;
	s->to->n_rules++;
	rulecount_add(rulecount_attr(nlh, NFTA_RULE_EXPRESSIONS), s->to);
	return 0;
}

int rulecount_read(struct kernio *k, bool is_guard, const char *chain, const char *comment,
		   struct rulecount *ret)
{
	struct rulecount found;
	struct rulecount_search search = { is_guard ? NFPROTO_NETDEV : NFPROTO_INET,
					   is_guard ? BATCH_GUARD : BATCH_TABLE, chain, comment,
					   &found };
	struct kernio_query query = { .type = NFT_MSG_GETRULE,
				      .family = search.family,
				      .table = search.table };
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++) {
		found = (struct rulecount){ 0 };
		r = kernio_dump(k, &query, rulecount_take, &search);
	}
	if (r == 0 || r == -ENOENT)
		*ret = found;
	return r == KERNIO_E_CHANGED ? -EBUSY : r == -ENOENT ? 0 : r;
}
