/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oracletrace.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/outbox.h"
#include "netpolicy/oracle/oracleframe.h"

#define ORACLETRACE_TABLE "postern_oracle"
#define ORACLETRACE_BUFFER (4 * 1024 * 1024) /* of the socket, bytes */
#define ORACLETRACE_AT_ONCE 32               /* messages of one reading */
#define ORACLETRACE_MESSAGE 2048             /* bytes of one */
#define ORACLETRACE_COMMENT 0                /* kind of user data of a rule, as libnftnl has it */

/* Which table a rule is in; handles count in each table on their own. */
enum oracletrace_home {
	ORACLETRACE_POSTERN,
	ORACLETRACE_GUARD,
	ORACLETRACE_OURS,
	ORACLETRACE_OUR_GUARD,
	ORACLETRACE_ELSEWHERE,
};

struct oracletrace_rule {
	enum oracletrace_home home;
	uint64_t handle; /* 0: the policy of a chain */
	bool is_reject;
};

struct oracletrace {
	struct mnl_socket *socket;
	size_t n, cap;
	struct oracletrace_rule *rules;     /* sorted by home and handle up to n_learned */
	struct oraclewire_rule *for_people; /* the same, in the same order */
	size_t n_learned;
	struct mmsghdr heads[ORACLETRACE_AT_ONCE];
	struct iovec iov[ORACLETRACE_AT_ONCE];
	uint8_t bytes[ORACLETRACE_AT_ONCE][ORACLETRACE_MESSAGE] __attribute__((aligned(8)));
};

/* One event of a trace. */
struct oracletrace_event {
	uint32_t id, type, policy;
	int verdict;
	uint64_t handle;
	enum oracletrace_home home;
	const char *chain;
};

int oracletrace_open(struct oracletrace **ret)
{
	_cleanup_(oracletrace_closep) struct oracletrace *t = calloc(1, sizeof(*t));
	int group = NFNLGRP_NFTRACE, bytes = ORACLETRACE_BUFFER, fd;

	if (!t)
		return -ENOMEM;
	t->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!t->socket || mnl_socket_bind(t->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(t->socket);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	for (size_t i = 0; i < ORACLETRACE_AT_ONCE; i++) {
		t->iov[i] = (struct iovec){ t->bytes[i], ORACLETRACE_MESSAGE };
		t->heads[i].msg_hdr.msg_iov = &t->iov[i];
		t->heads[i].msg_hdr.msg_iovlen = 1;
	}
	*ret = steal_ptr(t);
	return 0;
}

void oracletrace_close(struct oracletrace *t)
{
	if (!t)
		return;
	if (t->socket)
		mnl_socket_close(t->socket);
	free(t->rules);
	free(t->for_people);
	free(t);
}

void oracletrace_closep(struct oracletrace **t)
{
	oracletrace_close(*t);
	*t = NULL;
}

/* Making our own tables. A message is put together here and copied into the batch. */
struct oracletrace_maker {
	struct outbox out;
	uint8_t family;
	uint8_t room[2048] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	struct nlattr *list;
};

static void oracletrace_begin(struct oracletrace_maker *m, int type)
{
	struct nfgenmsg *gen;

	m->nlh = mnl_nlmsg_put_header(m->room);
	m->nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	m->nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;
	gen = mnl_nlmsg_put_extra_header(m->nlh, sizeof(*gen));
	gen->nfgen_family = m->family;
	gen->version = NFNETLINK_V0;
	/* The table is attribute 1 of every message. */
	mnl_attr_put_strz(m->nlh, NFTA_TABLE_NAME, ORACLETRACE_TABLE);
}

static void oracletrace_u32(struct oracletrace_maker *m, uint16_t type, uint32_t v)
{
	mnl_attr_put_u32(m->nlh, type, htonl(v));
}

struct oracletrace_chain {
	const char *name;
	uint32_t hook;
	int32_t priority;
	const char *device; /* of an egress hook; else NULL */
};

static void oracletrace_chain(struct oracletrace_maker *m, const struct oracletrace_chain *c)
{
	struct nlattr *nest;

	oracletrace_begin(m, NFT_MSG_NEWCHAIN);
	mnl_attr_put_strz(m->nlh, NFTA_CHAIN_NAME, c->name);
	mnl_attr_put_strz(m->nlh, NFTA_CHAIN_TYPE, "filter");
	nest = mnl_attr_nest_start(m->nlh, NFTA_CHAIN_HOOK);
	oracletrace_u32(m, NFTA_HOOK_HOOKNUM, c->hook);
	oracletrace_u32(m, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
	if (c->device)
		mnl_attr_put_strz(m->nlh, NFTA_HOOK_DEV, c->device);
	mnl_attr_nest_end(m->nlh, nest);
	outbox_copy(&m->out, m->nlh);
}

static void oracletrace_rule_begin(struct oracletrace_maker *m, const char *chain,
				   const char *comment)
{
	uint8_t data[64] = { ORACLETRACE_COMMENT };
	size_t len = strlen(comment) + 1;

	oracletrace_begin(m, NFT_MSG_NEWRULE);
	mnl_attr_put_strz(m->nlh, NFTA_RULE_CHAIN, chain);
	data[1] = (uint8_t)len;
	memcpy(data + 2, comment, len);
	mnl_attr_put(m->nlh, NFTA_RULE_USERDATA, len + 2, data);
	m->list = mnl_attr_nest_start(m->nlh, NFTA_RULE_EXPRESSIONS);
}

static void oracletrace_rule_end(struct oracletrace_maker *m)
{
	mnl_attr_nest_end(m->nlh, m->list);
	outbox_copy(&m->out, m->nlh);
}

/* Expressions: up to four numbers each, in the order of the attributes. */
struct oracletrace_expr {
	const char *name;
	size_t n;
	struct {
		uint16_t attr;
		uint32_t value;
	} list[4];
	uint16_t data_attr; /* of a value of @data_len bytes; 0 = none */
	uint8_t data[4];
	size_t data_len;
};

static void oracletrace_expr(struct oracletrace_maker *m, const struct oracletrace_expr *e)
{
	struct nlattr *element = mnl_attr_nest_start(m->nlh, NFTA_LIST_ELEM);
	struct nlattr *data, *inner;

	mnl_attr_put_strz(m->nlh, NFTA_EXPR_NAME, e->name);
	data = mnl_attr_nest_start(m->nlh, NFTA_EXPR_DATA);
	for (size_t i = 0; i < e->n; i++)
		oracletrace_u32(m, e->list[i].attr, e->list[i].value);
	if (e->data_attr) {
		inner = mnl_attr_nest_start(m->nlh, e->data_attr);
		mnl_attr_put(m->nlh, NFTA_DATA_VALUE, e->data_len, e->data);
		mnl_attr_nest_end(m->nlh, inner);
	}
	mnl_attr_nest_end(m->nlh, data);
	mnl_attr_nest_end(m->nlh, element);
}

static void oracletrace_load_header(struct oracletrace_maker *m, uint32_t offset, uint32_t len)
{
	oracletrace_expr(m, &(struct oracletrace_expr){
				    .name = "payload",
				    .n = 4,
				    .list = { { NFTA_PAYLOAD_DREG, NFT_REG32_00 },
					      { NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER },
					      { NFTA_PAYLOAD_OFFSET, offset },
					      { NFTA_PAYLOAD_LEN, len } },
			    });
}

static void oracletrace_compare(struct oracletrace_maker *m, uint32_t op, const void *data,
				size_t len)
{
	struct oracletrace_expr e = {
		.name = "cmp",
		.n = 2,
		.list = { { NFTA_CMP_SREG, NFT_REG32_00 }, { NFTA_CMP_OP, op } },
		.data_attr = NFTA_CMP_DATA,
		.data_len = len,
	};

	memcpy(e.data, data, len);
	oracletrace_expr(m, &e);
}

/* The second byte of the packet says what to do. */
static void oracletrace_if_marked(struct oracletrace_maker *m, uint8_t mark)
{
	oracletrace_load_header(m, 1, 1);
	oracletrace_compare(m, NFT_CMP_EQ, &mark, 1);
}

static void oracletrace_if_family(struct oracletrace_maker *m, uint8_t family)
{
	oracletrace_expr(m, &(struct oracletrace_expr){
				    .name = "meta",
				    .n = 2,
				    .list = { { NFTA_META_DREG, NFT_REG32_00 },
					      { NFTA_META_KEY, NFT_META_NFPROTO } },
			    });
	oracletrace_compare(m, NFT_CMP_EQ, &family, 1);
}

static void oracletrace_zone(struct oracletrace_maker *m, const char *chain, uint8_t family,
			     uint32_t offset)
{
	oracletrace_rule_begin(m, chain, "zone");
	oracletrace_if_family(m, family);
	oracletrace_load_header(m, offset, 2);
	oracletrace_expr(
		m, &(struct oracletrace_expr){
			   .name = "ct",
			   .n = 2,
			   .list = { { NFTA_CT_KEY, NFT_CT_ZONE }, { NFTA_CT_SREG, NFT_REG32_00 } },
		   });
	oracletrace_rule_end(m);
}

static void oracletrace_switch_on(struct oracletrace_maker *m)
{
	oracletrace_expr(m, &(struct oracletrace_expr){
				    .name = "immediate",
				    .n = 1,
				    .list = { { NFTA_IMMEDIATE_DREG, NFT_REG32_00 } },
				    .data_attr = NFTA_IMMEDIATE_DATA,
				    .data = { 1 },
				    .data_len = 1,
			    });
	oracletrace_expr(m, &(struct oracletrace_expr){
				    .name = "meta",
				    .n = 2,
				    .list = { { NFTA_META_KEY, NFT_META_NFTRACE },
					      { NFTA_META_SREG, NFT_REG32_00 } },
			    });
}

static void oracletrace_verdict(struct oracletrace_maker *m, uint32_t verdict)
{
	struct nlattr *element = mnl_attr_nest_start(m->nlh, NFTA_LIST_ELEM);
	struct nlattr *data, *value, *inner;

	mnl_attr_put_strz(m->nlh, NFTA_EXPR_NAME, "immediate");
	data = mnl_attr_nest_start(m->nlh, NFTA_EXPR_DATA);
	oracletrace_u32(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = mnl_attr_nest_start(m->nlh, NFTA_IMMEDIATE_DATA);
	inner = mnl_attr_nest_start(m->nlh, NFTA_DATA_VERDICT);
	oracletrace_u32(m, NFTA_VERDICT_CODE, verdict);
	mnl_attr_nest_end(m->nlh, inner);
	mnl_attr_nest_end(m->nlh, value);
	mnl_attr_nest_end(m->nlh, data);
	mnl_attr_nest_end(m->nlh, element);
}

static void oracletrace_marked_rule(struct oracletrace_maker *m, const char *chain, uint8_t mark,
				    bool is_first)
{
	oracletrace_rule_begin(m, chain, "mark");
	oracletrace_if_marked(m, mark);
	if (is_first && mark == ORACLEFRAME_NOTRACK)
		oracletrace_expr(m, &(struct oracletrace_expr){ .name = "notrack" });
	oracletrace_switch_on(m);
	oracletrace_verdict(m, NF_ACCEPT);
	oracletrace_rule_end(m);
}

/* Before conntrack: its zone, or that it stays away; and the trace. */
static void oracletrace_first_chain(struct oracletrace_maker *m, const char *name, uint32_t hook)
{
	oracletrace_chain(m, &(struct oracletrace_chain){ name, hook, -390, NULL });
	oracletrace_marked_rule(m, name, ORACLEFRAME_NOTRACK, true);
	oracletrace_zone(m, name, NFPROTO_IPV6, 2);
	oracletrace_zone(m, name, NFPROTO_IPV4, 4);
	oracletrace_marked_rule(m, name, ORACLEFRAME_TRACED, true);
}

/* Conntrack's words; a packet that meets none of these rules is new. */
static const struct {
	const char *text;
	enum terms_ct ct;
	uint32_t bit;
} oracletrace_words[] = {
	{ "established", TERMS_ESTABLISHED, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) },
	{ "related", TERMS_RELATED, NF_CT_STATE_BIT(IP_CT_RELATED) },
	{ "invalid", TERMS_INVALID, NF_CT_STATE_INVALID_BIT },
	{ "untracked", TERMS_UNTRACKED, NF_CT_STATE_UNTRACKED_BIT },
};

static void oracletrace_word(struct oracletrace_maker *m, const char *chain, size_t i)
{
	struct oracletrace_expr same = { .name = "cmp",
					 .n = 2,
					 .list = { { NFTA_CMP_SREG, NFT_REG32_00 },
						   { NFTA_CMP_OP, NFT_CMP_EQ } },
					 .data_attr = NFTA_CMP_DATA,
					 .data_len = 4 };

	memcpy(same.data, &oracletrace_words[i].bit, 4);
	oracletrace_rule_begin(m, chain, oracletrace_words[i].text);
	oracletrace_expr(m, &(struct oracletrace_expr){
				    .name = "ct",
				    .n = 2,
				    .list = { { NFTA_CT_DREG, NFT_REG32_00 },
					      { NFTA_CT_KEY, NFT_CT_STATE } },
			    });
	oracletrace_expr(m, &same);
	oracletrace_verdict(m, NF_ACCEPT);
	oracletrace_rule_end(m);
}

static void oracletrace_word_chain(struct oracletrace_maker *m, const char *name, uint32_t hook)
{
	oracletrace_chain(m, &(struct oracletrace_chain){ name, hook, -190, NULL });
	for (size_t i = 0; i < ARRAY_SIZE(oracletrace_words); i++)
		oracletrace_word(m, name, i);
}

/* The end of the way in: nobody shall answer. The end of the way out is only seen. */
static void oracletrace_end_chains(struct oracletrace_maker *m)
{
	static const uint8_t marks[] = { ORACLEFRAME_TRACED, ORACLEFRAME_NOTRACK };

	oracletrace_chain(m, &(struct oracletrace_chain){ "end_in", NF_INET_LOCAL_IN, 1000, NULL });
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		oracletrace_rule_begin(m, "end_in", "end");
		oracletrace_if_marked(m, marks[i]);
		oracletrace_verdict(m, NF_DROP);
		oracletrace_rule_end(m);
	}
	oracletrace_chain(m,
			  &(struct oracletrace_chain){ "end_out", NF_INET_LOCAL_OUT, 1000, NULL });
}

static void oracletrace_guard_chain(struct oracletrace_maker *m, const char *device, size_t i)
{
	char name[32];

	snprintf(name, sizeof(name), "mark_%zu", i);
	oracletrace_chain(m, &(struct oracletrace_chain){ name, NF_NETDEV_EGRESS, -1000, device });
	oracletrace_marked_rule(m, name, ORACLEFRAME_TRACED, false);
	oracletrace_marked_rule(m, name, ORACLEFRAME_NOTRACK, false);
}

static void oracletrace_write(struct oracletrace_maker *m, const char (*uplinks)[IFNAMSIZ],
			      size_t n)
{
	m->family = NFPROTO_INET;
	oracletrace_begin(m, NFT_MSG_NEWTABLE);
	outbox_copy(&m->out, m->nlh);
	oracletrace_first_chain(m, "mark_in", NF_INET_PRE_ROUTING);
	oracletrace_first_chain(m, "mark_out", NF_INET_LOCAL_OUT);
	oracletrace_word_chain(m, "word_in", NF_INET_PRE_ROUTING);
	oracletrace_word_chain(m, "word_out", NF_INET_LOCAL_OUT);
	oracletrace_end_chains(m);
	m->family = NFPROTO_NETDEV;
	oracletrace_begin(m, NFT_MSG_NEWTABLE);
	outbox_copy(&m->out, m->nlh);
	for (size_t i = 0; i < n; i++)
		oracletrace_guard_chain(m, uplinks[i], i);
}

int oracletrace_install(struct kernio *k, const char (*uplinks)[IFNAMSIZ], size_t n)
{
	struct oracletrace_maker m = { .family = NFPROTO_INET };
	uint32_t generation, seq;
	int r = kernio_generation(k, &generation);

	if (r < 0)
		return r;
	m.out = outbox_begin(generation);
	oracletrace_write(&m, uplinks, n);
	r = outbox_end(&m.out);
	if (r == 0)
		r = kernio_commit(k, m.out.bytes, m.out.len, &seq);
	outbox_release(&m.out);
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

static enum oracletrace_home oracletrace_home(uint8_t family, const char *table)
{
	bool is_ours = !strcmp(table, ORACLETRACE_TABLE);

	if (family == NFPROTO_NETDEV)
		return is_ours                     ? ORACLETRACE_OUR_GUARD :
		       !strcmp(table, BATCH_GUARD) ? ORACLETRACE_GUARD :
						     ORACLETRACE_ELSEWHERE;
	return is_ours                     ? ORACLETRACE_OURS :
	       !strcmp(table, BATCH_TABLE) ? ORACLETRACE_POSTERN :
					     ORACLETRACE_ELSEWHERE;
}

/* Room for one more rule, at the end. */
static int oracletrace_room(struct oracletrace *t)
{
	size_t want = t->cap ? 2 * t->cap : 256;
	void *more;

	if (t->n < t->cap)
		return 0;
	if (want > ORACLEWIRE_RULES_MAX)
		return -EFBIG;
	more = reallocarray(t->rules, want, sizeof(*t->rules));
	if (!more)
		return -ENOMEM;
	t->rules = more;
	more = reallocarray(t->for_people, want, sizeof(*t->for_people));
	if (!more)
		return -ENOMEM;
	t->for_people = more;
	t->cap = want;
	return 0;
}

static void oracletrace_copy(char *to, size_t cap, const char *from, size_t len)
{
	size_t n = strnlen(from, len);

	n = n < cap ? n : cap - 1;
	for (size_t i = 0; i < n; i++)
		to[i] = from[i] < ' ' && from[i] >= 0 ? '?' : from[i];
	to[n] = '\0';
}

static void oracletrace_comment(const struct nlattr *attr, struct oraclewire_rule *rule)
{
	const uint8_t *data = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	for (size_t at = 0; at + 2 <= len && at + 2u + data[at + 1] <= len; at += 2u + data[at + 1])
		if (data[at] == ORACLETRACE_COMMENT)
			oracletrace_copy(rule->comment, sizeof(rule->comment),
					 (const char *)data + at + 2, data[at + 1]);
}

static bool oracletrace_has_reject(const struct nlattr *expressions)
{
	const struct nlattr *element, *attr;

	mnl_attr_for_each_nested(element, expressions)
		mnl_attr_for_each_nested(attr, element)
			if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME &&
			    !strcmp(mnl_attr_get_str(attr), "reject"))
				return true;
	return false;
}

/* One rule of a dump. */
static int oracletrace_take_rule(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	struct oracletrace *t = ctx;
	struct oracletrace_rule rule = { .home = ORACLETRACE_ELSEWHERE };
	struct oraclewire_rule words = { 0 };
	const struct nlattr *attr;
	int r;

	mnl_attr_for_each(attr, nlh, sizeof(*gen)) {
		int type = mnl_attr_get_type(attr);

		if (type == NFTA_RULE_TABLE)
			rule.home = oracletrace_home(gen->nfgen_family, mnl_attr_get_str(attr));
		else if (type == NFTA_RULE_CHAIN)
			oracletrace_copy(words.chain, sizeof(words.chain), mnl_attr_get_str(attr),
					 sizeof(words.chain));
		else if (type == NFTA_RULE_HANDLE)
			rule.handle = be64toh(mnl_attr_get_u64(attr));
		else if (type == NFTA_RULE_USERDATA)
			oracletrace_comment(attr, &words);
		else if (type == NFTA_RULE_EXPRESSIONS)
			rule.is_reject = oracletrace_has_reject(attr);
	}
	if (rule.home == ORACLETRACE_ELSEWHERE)
		return 0;
	words.is_guard = rule.home == ORACLETRACE_GUARD || rule.home == ORACLETRACE_OUR_GUARD;
	r = oracletrace_room(t);
	if (r < 0)
		return r;
	t->rules[t->n] = rule;
	t->for_people[t->n++] = words;
	return 0;
}

int oracletrace_learn(struct oracletrace *t, struct kernio *k)
{
	struct kernio_query query = { .type = NFT_MSG_GETRULE };
	int r;

	t->n = 0;
	r = kernio_dump(k, &query, oracletrace_take_rule, t);
	t->n_learned = t->n;
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

void oracletrace_clear(struct oracletrace *t)
{
	int fd = mnl_socket_get_fd(t->socket);

	while (recvmmsg(fd, t->heads, ORACLETRACE_AT_ONCE, MSG_DONTWAIT, NULL) > 0)
		;
}

static void oracletrace_take_verdict(const struct nlattr *attr, struct oracletrace_event *ret)
{
	const struct nlattr *inner;

	mnl_attr_for_each_nested(inner, attr)
		if (mnl_attr_get_type(inner) == NFTA_VERDICT_CODE)
			ret->verdict = (int)ntohl(mnl_attr_get_u32(inner));
}

static void oracletrace_take_attr(const struct nlattr *attr, uint8_t family,
				  struct oracletrace_event *ret)
{
	switch (mnl_attr_get_type(attr)) {
	case NFTA_TRACE_ID:
		ret->id = mnl_attr_get_u32(attr);
		break;
	case NFTA_TRACE_TYPE:
		ret->type = ntohl(mnl_attr_get_u32(attr));
		break;
	case NFTA_TRACE_TABLE:
		ret->home = oracletrace_home(family, mnl_attr_get_str(attr));
		break;
	case NFTA_TRACE_CHAIN:
		ret->chain = mnl_attr_get_str(attr);
		break;
	case NFTA_TRACE_RULE_HANDLE:
		ret->handle = be64toh(mnl_attr_get_u64(attr));
		break;
	case NFTA_TRACE_POLICY:
		ret->policy = ntohl(mnl_attr_get_u32(attr));
		break;
	case NFTA_TRACE_VERDICT:
		oracletrace_take_verdict(attr, ret);
		break;
	default:
		break;
	}
}

static bool oracletrace_parse(const struct nlmsghdr *nlh, struct oracletrace_event *ret)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE))
		return false;
	*ret = (struct oracletrace_event){ .home = ORACLETRACE_ELSEWHERE, .chain = "" };
	mnl_attr_for_each(attr, nlh, sizeof(*gen))
		oracletrace_take_attr(attr, gen->nfgen_family, ret);
	return true;
}

static bool oracletrace_is(const struct oracletrace *t, size_t i, const struct oracletrace_event *e)
{
	if (t->rules[i].home != e->home || t->rules[i].handle != e->handle)
		return false;
	return e->handle || !strcmp(t->for_people[i].chain, e->chain);
}

/* The rule of an event; for the policy of a chain a row is made when there is none. */
static uint32_t oracletrace_find(struct oracletrace *t, const struct oracletrace_event *e)
{
	size_t i = 0;

	while (i < t->n && !oracletrace_is(t, i, e))
		i++;
	if (i < t->n)
		return (uint32_t)i;
	if (oracletrace_room(t) < 0)
		return ORACLEWIRE_NO_RULE;
	t->rules[t->n] = (struct oracletrace_rule){ .home = e->home, .handle = e->handle };
	t->for_people[t->n] = (struct oraclewire_rule){ .is_guard = e->home == ORACLETRACE_GUARD };
	oracletrace_copy(t->for_people[t->n].chain, ORACLE_CHAIN_MAX, e->chain, ORACLE_CHAIN_MAX);
	return (uint32_t)t->n++;
}

/* A verdict in one of the policy's tables. The last one counts: an accept of an earlier hook is
 * overruled by a later one, and a drop has nothing behind it. */
static void oracletrace_judge(struct oracletrace *t, const struct oracletrace_event *e,
			      struct oracletrace_seen *ret)
{
	bool is_policy = e->type == NFT_TRACETYPE_POLICY;
	int code = is_policy ? (int)e->policy : e->verdict;
	enum terms_verdict verdict = code == NF_ACCEPT ? TERMS_ACCEPT : TERMS_DROP;
	uint32_t rule;

	ret->n_rules += e->type == NFT_TRACETYPE_RULE;
	if (e->type == NFT_TRACETYPE_RETURN || (code != NF_ACCEPT && code != NF_DROP))
		return;
	rule = oracletrace_find(t, e);
	if (verdict == TERMS_DROP && rule != ORACLEWIRE_NO_RULE && t->rules[rule].is_reject)
		verdict = TERMS_REJECT;
	if (e->home == ORACLETRACE_GUARD) {
		ret->guard_rule = rule;
		ret->guard_verdict = verdict;
	} else {
		ret->rule = rule;
		ret->verdict = verdict;
	}
}

/* What our own chains say. */
static void oracletrace_note(struct oracletrace *t, const struct oracletrace_event *e,
			     struct oracletrace_seen *ret)
{
	uint32_t rule;

	if (!strncmp(e->chain, "end_", 4))
		ret->is_through = true;
	if (strncmp(e->chain, "word_", 5) != 0 || e->type != NFT_TRACETYPE_RULE)
		return;
	rule = oracletrace_find(t, e);
	for (size_t i = 0; rule != ORACLEWIRE_NO_RULE && i < ARRAY_SIZE(oracletrace_words); i++)
		if (!strcmp(t->for_people[rule].comment, oracletrace_words[i].text))
			ret->ct = oracletrace_words[i].ct;
}

/* What comes behind the end of the hook is another hook's. */
static void oracletrace_take(struct oracletrace *t, const struct oracletrace_event *e,
			     struct oracletrace_seen *ret)
{
	if (e->home == ORACLETRACE_OURS)
		oracletrace_note(t, e, ret);
	else if (e->home == ORACLETRACE_GUARD ||
		 (e->home == ORACLETRACE_POSTERN && !ret->is_through))
		oracletrace_judge(t, e, ret);
}

void oracletrace_read(struct oracletrace *t, enum policy_dir dir, struct oracletrace_seen *ret)
{
	int fd = mnl_socket_get_fd(t->socket);
	uint32_t id = 0;
	int n;

	*ret = (struct oracletrace_seen){ .rule = ORACLEWIRE_NO_RULE,
					  .guard_rule = ORACLEWIRE_NO_RULE };
	while ((n = recvmmsg(fd, t->heads, ORACLETRACE_AT_ONCE, MSG_DONTWAIT, NULL)) != 0) {
		if (n < 0 && errno == ENOBUFS)
			ret->is_lost = true;
		if (n < 0 && errno != ENOBUFS)
			break;
		for (int i = 0; i < n; i++) {
			const struct nlmsghdr *nlh = (const void *)t->bytes[i];
			struct oracletrace_event e;

			if (!mnl_nlmsg_ok(nlh, (int)t->heads[i].msg_len) ||
			    !oracletrace_parse(nlh, &e))
				continue;
			id = ret->is_any ? id : e.id;
			ret->is_any = true;
			if (e.id == id)
				oracletrace_take(t, &e, ret);
		}
	}
}

const struct oraclewire_rule *oracletrace_rules(const struct oracletrace *t, size_t *ret_n)
{
	*ret_n = t->n;
	return t->for_people;
}
