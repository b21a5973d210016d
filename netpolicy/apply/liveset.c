/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/liveset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/outbox.h"

#define LIVESET_ATTR_MAX 32
/* No generation: what is sent is right whatever others change, who could else keep it from going
 * in by changing something all the time. */
#define LIVESET_ANY 0
#define LIVESET_MESSAGE_MAX 512 /* bytes of a message with one element */

/* A set with timeouts, as the kernel has it. */
struct liveset_set {
	char name[LIVESET_NAME_MAX];
	bool differs;
};

/* One reading. */
struct liveset_view {
	struct liveset_set sets[LIVESET_SETS_MAX];
	size_t n_sets;
	size_t at; /* the set whose elements are read */
	struct liveset_element *list;
	size_t n, cap;
	bool is_over; /* more elements, or more sets, than are looked at */
};

static void liveset_view_release(struct liveset_view *v)
{
	free(v->list);
}

static void liveset_attrs(const void *at, const char *end,
			  const struct nlattr *tb[static LIVESET_ATTR_MAX])
{
	const struct nlattr *attr = at;

	memset(tb, 0, LIVESET_ATTR_MAX * sizeof(tb[0]));
	for (; mnl_attr_ok(attr, (int)(end - (const char *)attr)); attr = mnl_attr_next(attr))
		if (mnl_attr_get_type(attr) < LIVESET_ATTR_MAX)
			tb[mnl_attr_get_type(attr)] = attr;
}

static void liveset_nested(const struct nlattr *attr,
			   const struct nlattr *tb[static LIVESET_ATTR_MAX])
{
	liveset_attrs(mnl_attr_get_payload(attr), (const char *)attr + attr->nla_len, tb);
}

/* True for a message about table inet postern of type @type, whose attributes then are in @tb. */
static bool liveset_is_ours(const struct nlmsghdr *nlh, int type,
			    const struct nlattr *tb[static LIVESET_ATTR_MAX])
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);

	if ((nlh->nlmsg_type & 0xff) != type || gen->nfgen_family != NFPROTO_INET)
		return false;
	liveset_attrs(mnl_nlmsg_get_payload_offset(nlh, sizeof(*gen)),
		      (const char *)nlh + nlh->nlmsg_len, tb);
	/* The table is attribute 1 of every kind of message. */
	return tb[1] && !strcmp(mnl_attr_get_str(tb[1]), BATCH_TABLE);
}

static int liveset_take_set(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[LIVESET_ATTR_MAX];
	struct liveset_view *v = ctx;
	const char *name;

	if (!liveset_is_ours(nlh, NFT_MSG_NEWSET, tb) || !tb[NFTA_SET_NAME] || !tb[NFTA_SET_FLAGS])
		return 0;
	name = mnl_attr_get_str(tb[NFTA_SET_NAME]);
	if (!(ntohl(mnl_attr_get_u32(tb[NFTA_SET_FLAGS])) & NFT_SET_TIMEOUT) ||
	    strlen(name) >= LIVESET_NAME_MAX)
		return 0;
	if (v->n_sets == LIVESET_SETS_MAX)
		v->is_over = true;
	else
		snprintf(v->sets[v->n_sets++].name, LIVESET_NAME_MAX, "%s", name);
	return 0;
}

/* IPv4 becomes IPv4-mapped. Gives false for a key that is no address. */
static bool liveset_get_key(const struct nlattr *key, struct in6_addr *ret)
{
	const struct nlattr *tb[LIVESET_ATTR_MAX];
	size_t len;

	liveset_nested(key, tb);
	len = tb[NFTA_DATA_VALUE] ? mnl_attr_get_payload_len(tb[NFTA_DATA_VALUE]) : 0;
	if (len != 4 && len != 16)
		return false;
	*ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(&ret->s6_addr[16 - len], mnl_attr_get_payload(tb[NFTA_DATA_VALUE]), len);
	return true;
}

static int liveset_add(struct liveset_view *v, const struct liveset_element *e)
{
	size_t cap = v->cap ? v->cap * 2 : 16;
	struct liveset_element *more;

	if (v->n == LIVESET_ELEMENTS_MAX) {
		v->is_over = true;
		return 0;
	}
	if (v->n == v->cap) {
		more = reallocarray(v->list, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		v->list = more;
		v->cap = cap;
	}
	v->list[v->n++] = *e;
	return 0;
}

static int liveset_take_element(struct liveset_view *v, const struct nlattr *elem)
{
	const struct nlattr *tb[LIVESET_ATTR_MAX];
	struct liveset_element e = { .left_ms = UINT64_MAX };

	liveset_nested(elem, tb);
	if (!tb[NFTA_SET_ELEM_KEY] || !liveset_get_key(tb[NFTA_SET_ELEM_KEY], &e.addr)) {
		v->sets[v->at].differs = true; /* a set of something else; nothing of ours */
		return 0;
	}
	memcpy(e.set, v->sets[v->at].name, sizeof(e.set));
	if (tb[NFTA_SET_ELEM_EXPIRATION])
		e.left_ms = be64toh(mnl_attr_get_u64(tb[NFTA_SET_ELEM_EXPIRATION]));
	return liveset_add(v, &e);
}

static int liveset_take_elements(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[LIVESET_ATTR_MAX], *elem;
	int r;

	if (!liveset_is_ours(nlh, NFT_MSG_NEWSETELEM, tb) || !tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	mnl_attr_for_each_nested(elem, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) {
		r = liveset_take_element(ctx, elem);
		if (r < 0)
			return r;
	}
	return 0;
}

static int liveset_read_once(struct kernio *k, struct liveset_view *v)
{
	struct kernio_query query = { .type = NFT_MSG_GETSET,
				      .family = NFPROTO_INET,
				      .table = BATCH_TABLE };
	int r;

	v->n = v->n_sets = 0;
	v->is_over = false;
	memset(v->sets, 0, sizeof(v->sets));
	r = kernio_dump(k, &query, liveset_take_set, v);
	if (r == -ENOENT)
		return 0; /* no table, no sets */
	query.type = NFT_MSG_GETSETELEM;
	for (v->at = 0; v->at < v->n_sets && r == 0; v->at++) {
		query.holder = v->sets[v->at].name;
		r = kernio_dump(k, &query, liveset_take_elements, v);
	}
	return r;
}

static int liveset_read(struct kernio *k, struct liveset_view *v)
{
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++)
		r = liveset_read_once(k, v);
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

int liveset_list(struct kernio *k, struct liveset_element **ret, size_t *ret_n)
{
	_cleanup_(liveset_view_release) struct liveset_view v = { 0 };
	int r = liveset_read(k, &v);

	if (r < 0 || v.is_over)
		return r < 0 ? r : -E2BIG;
	*ret = steal_ptr(v.list);
	*ret_n = v.n;
	return 0;
}

/* One message for one element. NULL @e: for all of the set. */
static void liveset_write(struct outbox *out, int type, uint16_t flags, const char *set,
			  const struct liveset_element *e)
{
	char bytes[LIVESET_MESSAGE_MAX] __attribute__((aligned(8))) = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(bytes);
	struct nlattr *list, *elem, *key;
	struct nfgenmsg *gen;
	bool is_v4 = e && IN6_IS_ADDR_V4MAPPED(&e->addr);

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->nfgen_family = NFPROTO_INET;
	gen->version = NFNETLINK_V0;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, BATCH_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	if (e) {
		list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
		elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
		key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
		mnl_attr_put(nlh, NFTA_DATA_VALUE, is_v4 ? 4 : 16,
			     is_v4 ? &e->addr.s6_addr[12] : &e->addr.s6_addr[0]);
		mnl_attr_nest_end(nlh, key);
		if (type == NFT_MSG_NEWSETELEM && e->left_ms != UINT64_MAX)
			mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(e->left_ms));
		mnl_attr_nest_end(nlh, elem);
		mnl_attr_nest_end(nlh, list);
	}
	outbox_copy(out, nlh);
}

static int liveset_commit(struct kernio *k, struct outbox *out)
{
	uint32_t seq;
	int r = outbox_end(out);

	return r < 0 ? r : kernio_commit(k, out->bytes, out->len, &seq);
}

/* Without the element there before (@is_new), or instead of it. */
static int liveset_put_once(struct kernio *k, const struct liveset_element *e, bool is_new)
{
	_cleanup_(outbox_release) struct outbox out = { 0 };

	out = outbox_begin(LIVESET_ANY);
	if (!is_new)
		liveset_write(&out, NFT_MSG_DELSETELEM, 0, e->set, e);
	liveset_write(&out, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, e->set, e);
	return liveset_commit(k, &out);
}

int liveset_put(struct kernio *k, const struct liveset_element *e)
{
	bool is_new = true;
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES; i++) {
		r = liveset_put_once(k, e, is_new);
		/* It is there; or it ended just now, and there is nothing to replace. */
		if ((is_new && r == -EEXIST) || (!is_new && r == -ENOENT))
			is_new = !is_new;
		else if (r != KERNIO_E_CHANGED)
			return r;
	}
	return r == -ENOENT ? r : -EBUSY;
}

static int liveset_drop_once(struct kernio *k, const struct liveset_element *e)
{
	_cleanup_(outbox_release) struct outbox out = { 0 };

	out = outbox_begin(LIVESET_ANY);
	liveset_write(&out, NFT_MSG_DELSETELEM, 0, e->set, e);
	return liveset_commit(k, &out);
}

static const struct liveset_set *liveset_find(const struct liveset_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_sets; i++)
		if (!strcmp(v->sets[i].name, name))
			return &v->sets[i];
	return NULL;
}

int liveset_drop(struct kernio *k, const struct liveset_element *e)
{
	_cleanup_(liveset_view_release) struct liveset_view v = { 0 };
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++)
		r = liveset_drop_once(k, e);
	if (r == KERNIO_E_CHANGED)
		return -EBUSY;
	if (r != -ENOENT)
		return r;
	/* The kernel says the same for a set and for an element that are not there. */
	r = liveset_read(k, &v);
	return r < 0 ? r : liveset_find(&v, e->set) ? 0 : -ENOENT;
}

static bool liveset_is_same(const struct liveset_element *a, const struct liveset_element *b)
{
	return !memcmp(&a->addr, &b->addr, sizeof(a->addr)) && !strcmp(a->set, b->set);
}

/* The same, and for the same time. */
static bool liveset_is_as(const struct liveset_element *want, const struct liveset_element *have)
{
	if (!liveset_is_same(want, have))
		return false;
	if (want->left_ms == UINT64_MAX || have->left_ms == UINT64_MAX)
		return want->left_ms == have->left_ms;
	return have->left_ms <= want->left_ms + LIVESET_SLACK_MS &&
	       want->left_ms <= have->left_ms + LIVESET_SLACK_MS;
}

static void liveset_note(struct liveset_view *v, const struct liveset_element *e, size_t *count,
			 struct liveset_found *ret)
{
	for (size_t i = 0; i < v->n_sets; i++)
		if (!strcmp(v->sets[i].name, e->set))
			v->sets[i].differs = true;
	if (!ret->first.set[0])
		ret->first = *e;
	++*count;
}

static bool liveset_has(const struct liveset_element *list, size_t n,
			const struct liveset_element *e)
{
	for (size_t i = 0; i < n; i++)
		if (liveset_is_as(&list[i], e))
			return true;
	return false;
}

/* Marks the sets that differ. */
static void liveset_compare(struct liveset_view *v, const struct liveset_element *want, size_t n,
			    struct liveset_found *ret)
{
	*ret = (struct liveset_found){ 0 };
	for (size_t i = 0; i < v->n; i++)
		if (!liveset_has(want, n, &v->list[i]))
			liveset_note(v, &v->list[i], &ret->n_foreign, ret);
	for (size_t i = 0; i < n; i++)
		if (liveset_find(v, want[i].set) && !liveset_has(v->list, v->n, &want[i]))
			liveset_note(v, &want[i], &ret->n_missing, ret);
	for (size_t i = 0; i < v->n_sets; i++) {
		v->sets[i].differs |= v->is_over;
		ret->n_sets += v->sets[i].differs;
	}
}

static void liveset_refill(struct outbox *out, const struct liveset_set *set,
			   const struct liveset_element *want, size_t n)
{
	liveset_write(out, NFT_MSG_DELSETELEM, 0, set->name, NULL);
	for (size_t i = 0; i < n; i++)
		if (want[i].left_ms && !strcmp(want[i].set, set->name))
			liveset_write(out, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set->name, &want[i]);
}

static int liveset_sync_once(struct kernio *k, const struct liveset_element *want, size_t n,
			     struct liveset_found *ret)
{
	_cleanup_(liveset_view_release) struct liveset_view v = { 0 };
	_cleanup_(outbox_release) struct outbox out = { 0 };
	int r = liveset_read(k, &v);

	if (r != 0)
		return r;
	liveset_compare(&v, want, n, ret);
	if (!ret->n_sets)
		return 0;
	out = outbox_begin(LIVESET_ANY);
	for (size_t i = 0; i < v.n_sets; i++)
		if (v.sets[i].differs)
			liveset_refill(&out, &v.sets[i], want, n);
	return liveset_commit(k, &out);
}

int liveset_sync(struct kernio *k, const struct liveset_element *want, size_t n,
		 struct liveset_found *ret)
{
	struct liveset_found found = { 0 };
	int r = KERNIO_E_CHANGED;

	if (n > LIVESET_ELEMENTS_MAX)
		return -E2BIG;
	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++)
		r = liveset_sync_once(k, want, n, &found);
	if (r != 0)
		return r == KERNIO_E_CHANGED ? -EBUSY : r;
	*ret = found;
	return 0;
}
