/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/kdump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/ktable.h"
#include "netpolicy/apply/kwords.h"

#define KDUMP_ATTR_MAX 32
#define KDUMP_BIT(attr) (UINT32_C(1) << (attr))

/* Newer than the headers of Debian 12. Source: linux/netfilter/nf_tables.h of 6.16. */
#define KDUMP_SET_COUNT 20

/* One kind of object: how to ask for it, where its name is, what of it is not content. */
struct kdump_source {
	enum kdump_kind kind;
	int get, reply; /* NFT_MSG_… */
	uint16_t name;  /* attribute; 0 = it has none */
	uint32_t volatile_bits;
};

static const struct kdump_source kdump_sources[] = {
	{ KDUMP_TABLE, NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE, 0,
	  KDUMP_BIT(NFTA_TABLE_USE) | KDUMP_BIT(NFTA_TABLE_HANDLE) | KDUMP_BIT(NFTA_TABLE_PAD) |
		  KDUMP_BIT(NFTA_TABLE_OWNER) },
	{ KDUMP_CHAIN, NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, NFTA_CHAIN_NAME,
	  KDUMP_BIT(NFTA_CHAIN_HANDLE) | KDUMP_BIT(NFTA_CHAIN_USE) |
		  KDUMP_BIT(NFTA_CHAIN_COUNTERS) | KDUMP_BIT(NFTA_CHAIN_PAD) |
		  KDUMP_BIT(NFTA_CHAIN_ID) },
	{ KDUMP_SET, NFT_MSG_GETSET, NFT_MSG_NEWSET, NFTA_SET_NAME,
	  KDUMP_BIT(NFTA_SET_HANDLE) | KDUMP_BIT(NFTA_SET_ID) | KDUMP_BIT(NFTA_SET_PAD) |
		  KDUMP_BIT(NFTA_SET_NAME) |     /* the holder is the name */
		  KDUMP_BIT(NFTA_SET_USERDATA) | /* for listings; each nft its own */
		  KDUMP_BIT(KDUMP_SET_COUNT) },
	{ KDUMP_OBJ, NFT_MSG_GETOBJ, NFT_MSG_NEWOBJ, NFTA_OBJ_NAME,
	  KDUMP_BIT(NFTA_OBJ_USE) | KDUMP_BIT(NFTA_OBJ_HANDLE) | KDUMP_BIT(NFTA_OBJ_PAD) |
		  KDUMP_BIT(NFTA_OBJ_DATA) },
	{ KDUMP_FLOWTABLE, NFT_MSG_GETFLOWTABLE, NFT_MSG_NEWFLOWTABLE, NFTA_FLOWTABLE_NAME,
	  KDUMP_BIT(NFTA_FLOWTABLE_USE) | KDUMP_BIT(NFTA_FLOWTABLE_HANDLE) |
		  KDUMP_BIT(NFTA_FLOWTABLE_PAD) },
};

/* Elements come in lists, not one to a message. */
static const struct kdump_source kdump_elements = {
	KDUMP_ELEM,
	NFT_MSG_GETSETELEM,
	NFT_MSG_NEWSETELEM,
	NFTA_SET_ELEM_LIST_SET,
	KDUMP_BIT(NFTA_SET_ELEM_TIMEOUT) | KDUMP_BIT(NFTA_SET_ELEM_EXPIRATION) |
		KDUMP_BIT(NFTA_SET_ELEM_PAD) | KDUMP_BIT(NFTA_SET_ELEM_EXPR) |
		KDUMP_BIT(NFTA_SET_ELEM_EXPRESSIONS), /* counters; the set says which */
};

static const struct kdump_source kdump_rules = {
	KDUMP_RULE,
	NFT_MSG_GETRULE,
	NFT_MSG_NEWRULE,
	NFTA_RULE_CHAIN,
	KDUMP_BIT(NFTA_RULE_HANDLE) | KDUMP_BIT(NFTA_RULE_POSITION) | KDUMP_BIT(NFTA_RULE_PAD) |
		KDUMP_BIT(NFTA_RULE_ID) | KDUMP_BIT(NFTA_RULE_POSITION_ID) |
		KDUMP_BIT(NFTA_RULE_CHAIN_ID),
};

/* One reading. */
struct kdump_run {
	struct kdump *d;
	const struct kdump_source *source;
	bool is_guard;
	bool is_loose;
	const char *set;      /* whose elements are read */
	bool is_anonymous;    /* that set is */
	size_t n_before;      /* records before elements and rules: sets are among them */
	uint32_t *first;      /* for each of these, where its elements begin */
	size_t next;          /* record behind the anonymous set that was found last */
	uint32_t place;       /* of the next rule in the chain */
	uint32_t last_holder; /* offset of that chain's name */
};

static int kdump_room(void **list, size_t *cap, size_t need, size_t max, size_t unit)
{
	size_t want = *cap ? *cap : 64;
	void *more;

	if (need <= *cap)
		return 0;
	if (need > max)
		return -EFBIG;
	while (want < need)
		want *= 2;
	more = reallocarray(*list, want, unit);
	if (!more)
		return -ENOMEM;
	*list = more;
	*cap = want;
	return 0;
}

/* Appends @len bytes. Gives their offset. */
static int kdump_add_bytes(struct kdump *d, const void *p, size_t len, uint32_t *ret)
{
	void *list = d->bytes;
	int r = kdump_room(&list, &d->size, d->used + len, KDUMP_BYTES_MAX, 1);

	d->bytes = list;
	if (r < 0)
		return r;
	if (len)
		memcpy(d->bytes + d->used, p, len);
	*ret = (uint32_t)d->used;
	d->used += len;
	return 0;
}

static int kdump_add_str(struct kdump *d, const char *s, uint32_t *ret)
{
	return kdump_add_bytes(d, s, strlen(s) + 1, ret);
}

/* The name once for all records in a row that have it. */
static int kdump_add_holder(struct kdump *d, const char *holder, uint32_t *ret)
{
	const struct kdump_record *last = d->n ? &d->list[d->n - 1] : NULL;

	if (!last || strcmp(kdump_holder(d, last), holder) != 0)
		return kdump_add_str(d, holder, ret);
	*ret = last->holder;
	return 0;
}

static int kdump_add_record(struct kdump *d, const struct kdump_record *record)
{
	void *list = d->list;
	int r = kdump_room(&list, &d->cap, d->n + 1, KDUMP_RECORDS_MAX, sizeof(d->list[0]));

	d->list = list;
	if (r == 0)
		d->list[d->n++] = *record;
	return r;
}

/* Zeros up to the next multiple of 4, so that attributes can be read where they lie. */
static int kdump_pad(struct kdump *d)
{
	static const uint8_t zeros[4];

	return kdump_add_bytes(d, zeros, -d->used % sizeof(zeros), &(uint32_t){ 0 });
}

/* Appends one attribute; the padding behind it is ours, the kernel's is not always zero. */
static int kdump_add_attr(struct kdump *d, const struct nlattr *attr)
{
	uint32_t at;
	int r = kdump_add_bytes(d, attr, attr->nla_len, &at);

	return r < 0 ? r : kdump_pad(d);
}

/* The flags of a table but those that say who may change it. */
static int kdump_add_table_flags(struct kdump *d, const struct nlattr *attr)
{
	uint32_t flags = mnl_attr_get_payload_len(attr) == 4 ? mnl_attr_get_u32(attr) : 0;

	flags &= ~htonl(KTABLE_OWNER | KTABLE_PERSIST);
	return kdump_add_bytes(d, &flags, sizeof(flags), &(uint32_t){ 0 });
}

static int kdump_order_bytes(const void *pa, const void *pb, void *ctx)
{
	const struct kdump_record *a = pa, *b = pb;
	const struct kdump *d = ctx;
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(d->bytes + a->data, d->bytes + b->data, n);

	return r ? r : (a->len > b->len) - (a->len < b->len);
}

/* The place of the anonymous set of that name, or -1. Rules come in the order in which their sets
 * were made, so the next one is most often the right one. */
static ptrdiff_t kdump_anonymous(struct kdump_run *run, const char *name)
{
	for (size_t i = 0; i < run->n_before; i++) {
		size_t at = (run->next + i) % run->n_before;
		const struct kdump_record *r = &run->d->list[at];

		if (r->kind != KDUMP_SET || !(r->detail & NFT_SET_ANONYMOUS) ||
		    r->is_guard != run->is_guard || strcmp(kdump_holder(run->d, r), name) != 0)
			continue;
		run->next = at + 1;
		return (ptrdiff_t)at;
	}
	return -1;
}

/* Appends once more what is there already. */
static int kdump_repeat(struct kdump *d, const struct kdump_record *what)
{
	struct kdump_record r = *what; /* moves when the bytes grow */
	uint32_t at = (uint32_t)d->used;
	void *list = d->bytes;
	int error = kdump_room(&list, &d->size, d->used + r.len, KDUMP_BYTES_MAX, 1);

	d->bytes = list;
	if (error < 0)
		return error;
	memcpy(d->bytes + at, d->bytes + r.data, r.len);
	d->used += r.len;
	return 0;
}

/* Appends what an anonymous set holds instead of its name, which is a number that the kernel chose:
 * its definition, and its elements in an order of their own. */
static int kdump_add_set(struct kdump_run *run, size_t set)
{
	struct kdump *d = run->d;
	size_t first = run->first[set], end = first;
	int r = kdump_repeat(d, &d->list[set]);

	while (end < d->n && d->list[end].kind == KDUMP_ELEM &&
	       !strcmp(kdump_holder(d, &d->list[end]), kdump_holder(d, &d->list[set])))
		end++;
	if (end > first)
		qsort_r(d->list + first, end - first, sizeof(d->list[0]), kdump_order_bytes, d);
	for (size_t i = first; i < end && r == 0; i++)
		r = kdump_repeat(d, &d->list[i]);
	return r;
}

/* The content of a lookup, with an anonymous set for its name. */
static int kdump_add_lookup(struct kdump_run *run, const struct nlattr *data)
{
	const struct nlattr *attr;
	int r = 0;

	mnl_attr_for_each_nested(attr, data) {
		ptrdiff_t set = -1;

		if (mnl_attr_get_type(attr) == NFTA_LOOKUP_SET)
			set = kdump_anonymous(run, mnl_attr_get_str(attr));
		r = set < 0 ? kdump_add_attr(run->d, attr) : kdump_add_set(run, (size_t)set);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The name of the expression, and its content unless that is a counter's. */
static int kdump_add_expr(struct kdump_run *run, const struct nlattr *elem)
{
	const struct nlattr *attr, *data = NULL;
	const char *name = "";
	int r = 0;

	mnl_attr_for_each_nested(attr, elem) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			data = attr;
	}
	r = kdump_add_bytes(run->d, name, strlen(name) + 1, &(uint32_t){ 0 });
	if (r < 0 || !data || !strcmp(name, "counter"))
		return r;
	return strcmp(name, "lookup") ? kdump_add_attr(run->d, data) : kdump_add_lookup(run, data);
}

static int kdump_add_exprs(struct kdump_run *run, const struct nlattr *list)
{
	const struct nlattr *elem;
	int r = 0;

	mnl_attr_for_each_nested(elem, list) {
		r = kdump_add_expr(run, elem);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Appends what is content among the attributes from @at on. */
static int kdump_add_content(struct kdump_run *run, const struct nlattr *at, const char *end)
{
	int r = 0;

	for (; mnl_attr_ok(at, (int)(end - (const char *)at)) && r == 0; at = mnl_attr_next(at)) {
		uint16_t type = mnl_attr_get_type(at);

		if (type < KDUMP_ATTR_MAX && (run->source->volatile_bits & KDUMP_BIT(type)))
			continue;
		if (run->source->kind == KDUMP_RULE && type == NFTA_RULE_EXPRESSIONS)
			r = kdump_add_exprs(run, at);
		else if (run->source->kind == KDUMP_TABLE && type == NFTA_TABLE_FLAGS)
			r = kdump_add_table_flags(run->d, at);
		else
			r = kdump_add_attr(run->d, at);
	}
	return r;
}

/* Counts the rules of a chain; they come in their order, chain after chain. */
static uint32_t kdump_next_place(struct kdump_run *run, uint32_t holder)
{
	const char *bytes = (const char *)run->d->bytes;

	if (strcmp(bytes + run->last_holder, bytes + holder) != 0)
		run->place = 0;
	run->last_holder = holder;
	return run->place++;
}

/* The one record for the attributes at @at. @tb: the first of each number. */
static int kdump_add(struct kdump_run *run, const struct nlattr *at, const char *end,
		     const char *holder, const struct nlattr **tb)
{
	struct kdump_record record = { .kind = run->source->kind, .is_guard = run->is_guard };
	char label[KDUMP_LABEL_MAX] = "";
	int r = kdump_add_holder(run->d, holder, &record.holder);

	if (record.kind != KDUMP_ELEM)
		kwords_label(record.kind, tb, label, sizeof(label));
	if (r == 0 && record.kind != KDUMP_ELEM)
		r = kdump_add_str(run->d, label, &record.label);
	if (r == 0)
		r = kdump_pad(run->d);
	record.data = (uint32_t)run->d->used;
	if (r == 0)
		r = kdump_add_content(run, at, end);
	if (r < 0)
		return r;
	record.len = (uint32_t)run->d->used - record.data;
	if (record.kind == KDUMP_RULE)
		record.detail = kdump_next_place(run, record.holder);
	else if (record.kind == KDUMP_OBJ && tb[NFTA_OBJ_TYPE])
		record.detail = ntohl(mnl_attr_get_u32(tb[NFTA_OBJ_TYPE]));
	else if (record.kind == KDUMP_ELEM)
		record.detail = run->is_anonymous;
	else if (record.kind == KDUMP_SET && tb[NFTA_SET_FLAGS])
		record.detail = ntohl(mnl_attr_get_u32(tb[NFTA_SET_FLAGS]));
	return kdump_add_record(run->d, &record);
}

static void kdump_sort_attrs(const struct nlattr *at, const char *end, const struct nlattr **tb)
{
	memset(tb, 0, KDUMP_ATTR_MAX * sizeof(*tb));
	for (; mnl_attr_ok(at, (int)(end - (const char *)at)); at = mnl_attr_next(at))
		if (mnl_attr_get_type(at) < KDUMP_ATTR_MAX)
			tb[mnl_attr_get_type(at)] = at;
}

static int kdump_take_elements(struct kdump_run *run, const struct nlattr *list)
{
	const struct nlattr *elem;
	int r = 0;

	mnl_attr_for_each_nested(elem, list) {
		const struct nlattr *tb[KDUMP_ATTR_MAX];
		const char *end = (const char *)elem + elem->nla_len;

		kdump_sort_attrs(mnl_attr_get_payload(elem), end, tb);
		r = kdump_add(run, mnl_attr_get_payload(elem), end, run->set, tb);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool kdump_is_ours(const struct kdump_run *run, const struct nlmsghdr *nlh,
			  const struct nlattr *table)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);

	return table && gen->nfgen_family == (run->is_guard ? NFPROTO_NETDEV : NFPROTO_INET) &&
	       !strcmp(mnl_attr_get_str(table), run->is_guard ? BATCH_GUARD : BATCH_TABLE);
}

static int kdump_take(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[KDUMP_ATTR_MAX];
	const struct nlattr *at = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
	const char *end = (const char *)nlh + nlh->nlmsg_len;
	struct kdump_run *run = ctx;
	const struct kdump_source *source = run->source;

	kdump_sort_attrs(at, end, tb);
	if ((nlh->nlmsg_type & 0xff) != source->reply || !kdump_is_ours(run, nlh, tb[1]))
		return 0;
	if (source->kind == KDUMP_ELEM)
		return tb[NFTA_SET_ELEM_LIST_ELEMENTS] ?
			       kdump_take_elements(run, tb[NFTA_SET_ELEM_LIST_ELEMENTS]) :
			       0;
	return kdump_add(run, at, end,
			 source->name && tb[source->name] ? mnl_attr_get_str(tb[source->name]) : "",
			 tb);
}

static int kdump_ask(struct kernio *k, struct kdump_run *run)
{
	struct kernio_query query = {
		.type = run->source->get,
		.family = run->is_guard ? NFPROTO_NETDEV : NFPROTO_INET,
		.table = run->source->kind == KDUMP_TABLE || run->source->kind == KDUMP_CHAIN ?
				 NULL :
			 run->is_guard ? BATCH_GUARD :
					 BATCH_TABLE,
		.holder = run->set,
		.takes_torn = run->is_loose,
	};

	run->place = run->last_holder = 0;
	return kernio_dump(k, &query, kdump_take, run);
}

/* The elements of a set with timeouts come and go while the policy stays. */
static bool kdump_has_policy(const struct kdump_record *r, bool is_guard)
{
	return r->kind == KDUMP_SET && r->is_guard == is_guard && !(r->detail & NFT_SET_TIMEOUT);
}

/* The elements of every set found so far. */
static int kdump_ask_elements(struct kernio *k, struct kdump_run *run)
{
	int r = 0;

	run->source = &kdump_elements;
	for (size_t i = 0; i < run->n_before && r == 0; i++) {
		char set[BATCH_NAME_MAX * 2 + 8]; /* records move while the list grows */

		if (!kdump_has_policy(&run->d->list[i], run->is_guard))
			continue;
		snprintf(set, sizeof(set), "%s", kdump_holder(run->d, &run->d->list[i]));
		run->set = set;
		run->is_anonymous = run->d->list[i].detail & NFT_SET_ANONYMOUS;
		run->first[i] = (uint32_t)run->d->n;
		r = kdump_ask(k, run);
		run->set = NULL;
	}
	return r;
}

static int kdump_ask_rules(struct kernio *k, struct kdump_run *run)
{
	run->source = &kdump_rules;
	return kdump_ask(k, run);
}

/* What belongs to one rule has been seen there. */
static void kdump_drop_anonymous(struct kdump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct kdump_record *r = &d->list[i];
		bool is_anonymous = (r->kind == KDUMP_SET && (r->detail & NFT_SET_ANONYMOUS)) ||
				    (r->kind == KDUMP_ELEM && r->detail);

		if (!is_anonymous)
			d->list[n++] = *r;
	}
	d->n = n;
}

static int kdump_read_table(struct kernio *k, struct kdump *d, bool is_guard, bool is_loose)
{
	struct kdump_run run = { .d = d, .is_guard = is_guard, .is_loose = is_loose };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kdump_sources) && r == 0; i++) {
		run.source = &kdump_sources[i];
		r = kdump_ask(k, &run);
		/* A table that is not there has nothing; kernels differ in saying so. */
		if (r == -ENOENT)
			r = 0;
	}
	if (r != 0)
		return r;
	run.n_before = d->n;
	run.first = calloc(d->n + 1, sizeof(run.first[0]));
	if (!run.first)
		return -ENOMEM;
	r = kdump_ask_elements(k, &run);
	if (r == 0)
		r = kdump_ask_rules(k, &run);
	free(run.first);
	kdump_drop_anonymous(d);
	return r == -ENOENT ? 0 : r;
}

int kdump_compare(const struct kdump *a, const struct kdump_record *ra, const struct kdump *b,
		  const struct kdump_record *rb)
{
	int r = (int)ra->kind - (int)rb->kind;
	size_t n = ra->len < rb->len ? ra->len : rb->len;

	if (r == 0)
		r = (int)ra->is_guard - (int)rb->is_guard;
	if (r == 0)
		r = strcmp(kdump_holder(a, ra), kdump_holder(b, rb));
	if (r != 0 || ra->kind != KDUMP_ELEM)
		return r;
	r = memcmp(a->bytes + ra->data, b->bytes + rb->data, n);
	return r ? r : (ra->len > rb->len) - (ra->len < rb->len);
}

static int kdump_order(const void *pa, const void *pb, void *ctx)
{
	const struct kdump_record *a = pa, *b = pb;
	int r = kdump_compare(ctx, a, ctx, b);

	if (r == 0 && a->kind == KDUMP_RULE)
		r = (a->detail > b->detail) - (a->detail < b->detail);
	return r;
}

static int kdump_read_tables(struct kernio *k, struct kdump *d, bool is_loose)
{
	int r = kdump_read_table(k, d, false, is_loose);

	return r == 0 ? kdump_read_table(k, d, true, is_loose) : r;
}

static int kdump_read_sure(struct kernio *k, struct kdump *d)
{
	uint32_t before, after;
	int r = kernio_generation(k, &before);

	if (r == 0)
		r = kdump_read_tables(k, d, false);
	if (r == 0)
		r = kernio_generation(k, &after);
	if (r == 0)
		d->generation = after;
	return r == 0 && before != after ? KERNIO_E_CHANGED : r;
}

int kdump_read_once(struct kernio *k, bool is_loose, struct kdump *ret)
{
	int r;

	kdump_release(ret);
	r = is_loose ? kdump_read_tables(k, ret, true) : kdump_read_sure(k, ret);
	if (r == 0 && ret->n)
		qsort_r(ret->list, ret->n, sizeof(ret->list[0]), kdump_order, ret);
	return r;
}

int kdump_read(struct kernio *k, struct kdump *ret)
{
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++)
		r = kdump_read_once(k, false, ret);
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

const char *kdump_holder(const struct kdump *d, const struct kdump_record *r)
{
	return (const char *)d->bytes + r->holder;
}

const char *kdump_label(const struct kdump *d, const struct kdump_record *r,
			char scratch[static KDUMP_LABEL_MAX])
{
	const struct nlattr *tb[KDUMP_ATTR_MAX];
	const char *data = (const char *)d->bytes + r->data;

	if (r->kind != KDUMP_ELEM)
		return (const char *)d->bytes + r->label;
	kdump_sort_attrs((const void *)data, data + r->len, tb);
	kwords_label(r->kind, tb, scratch, KDUMP_LABEL_MAX);
	return scratch;
}

bool kdump_same(const struct kdump *a, const struct kdump_record *ra, const struct kdump *b,
		const struct kdump_record *rb)
{
	return ra->len == rb->len && !memcmp(a->bytes + ra->data, b->bytes + rb->data, ra->len);
}

/* As kdump_compare(), with a record that is not in a dump. */
static int kdump_compare_name(const struct kdump *d, const struct kdump_record *r,
			      enum kdump_kind kind, bool is_guard, const char *holder)
{
	int diff = (int)r->kind - (int)kind;

	if (diff == 0)
		diff = (int)r->is_guard - (int)is_guard;
	return diff ? diff : strcmp(kdump_holder(d, r), holder);
}

const struct kdump_record *kdump_find(const struct kdump *d, enum kdump_kind kind, bool is_guard,
				      const char *holder)
{
	size_t low = 0, high = d->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = kdump_compare_name(d, &d->list[mid], kind, is_guard, holder);

		if (diff == 0)
			return &d->list[mid];
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int kdump_copy(const struct kdump *from, struct kdump *ret)
{
	struct kdump copy = { .n = from->n, .used = from->used };

	copy.cap = from->n ? from->n : 1;
	copy.size = from->used ? from->used : 1;
	copy.list = calloc(copy.cap, sizeof(copy.list[0]));
	copy.bytes = malloc(copy.size);
	if (!copy.list || !copy.bytes) {
		kdump_release(&copy);
		return -ENOMEM;
	}
	if (from->n)
		memcpy(copy.list, from->list, from->n * sizeof(copy.list[0]));
	if (from->used)
		memcpy(copy.bytes, from->bytes, from->used);
	kdump_release(ret);
	*ret = copy;
	return 0;
}

void kdump_drop_chain(struct kdump *d, bool is_guard, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		const struct kdump_record *r = &d->list[i];
		bool is_part = r->kind == KDUMP_CHAIN || r->kind == KDUMP_RULE;

		if (!is_part || r->is_guard != is_guard || strcmp(kdump_holder(d, r), name) != 0)
			d->list[n++] = *r;
	}
	d->n = n;
}

/* The first byte of a record in the encoding: its kind and these. */
#define KDUMP_HEAD_KIND 0x07
#define KDUMP_HEAD_GUARD 0x08
#define KDUMP_HEAD_SAME 0x10 /* the holder is that of the record before */

static bool kdump_has_same_holder(const struct kdump *d, size_t i)
{
	return i && !strcmp(kdump_holder(d, &d->list[i - 1]), kdump_holder(d, &d->list[i]));
}

size_t kdump_size(const struct kdump *d)
{
	size_t size = 4;

	for (size_t i = 0; i < d->n; i++) {
		const struct kdump_record *r = &d->list[i];

		size += 1 + 4 + r->len;
		if (!kdump_has_same_holder(d, i))
			size += 2 + strlen(kdump_holder(d, r));
		if (r->kind != KDUMP_ELEM)
			size += 4 + 2 + strlen((const char *)d->bytes + r->label);
	}
	return size;
}

void kdump_put(struct wire *w, const struct kdump *d)
{
	wire_put_u32(w, (uint32_t)d->n);
	for (size_t i = 0; i < d->n; i++) {
		const struct kdump_record *r = &d->list[i];
		bool is_same = kdump_has_same_holder(d, i);

		wire_put_u8(w, (uint8_t)(r->kind | (r->is_guard ? KDUMP_HEAD_GUARD : 0) |
					 (is_same ? KDUMP_HEAD_SAME : 0)));
		if (!is_same)
			wire_put_str(w, kdump_holder(d, r));
		if (r->kind != KDUMP_ELEM) {
			wire_put_u32(w, r->detail);
			wire_put_str(w, (const char *)d->bytes + r->label);
		}
		wire_put_u32(w, r->len);
		wire_put_bytes(w, d->bytes + r->data, r->len);
	}
}

static int kdump_get_content(struct wire *w, struct kdump *d, struct kdump_record *record)
{
	uint32_t len = wire_get_u32(w);
	int r;

	if (w->failed || len > w->len - w->pos)
		return -EBADMSG;
	r = kdump_pad(d);
	if (r == 0)
		r = kdump_add_bytes(d, w->bytes + w->pos, len, &record->data);
	record->len = len;
	w->pos += len;
	return r;
}

/* The name: a new one, or that of the record before. */
static int kdump_get_holder(struct wire *w, struct kdump *d, bool is_same, uint32_t *ret)
{
	char holder[BATCH_NAME_MAX * 2];

	if (is_same && !d->n)
		return -EBADMSG;
	if (is_same) {
		*ret = d->list[d->n - 1].holder;
		return 0;
	}
	wire_get_str(w, holder, sizeof(holder));
	/* One encoding for one dump. */
	if (w->failed || (d->n && !strcmp(kdump_holder(d, &d->list[d->n - 1]), holder)))
		return -EBADMSG;
	return kdump_add_str(d, holder, ret);
}

static int kdump_get_label(struct wire *w, struct kdump *d, struct kdump_record *record)
{
	char label[KDUMP_LABEL_MAX];

	record->detail = wire_get_u32(w);
	wire_get_str(w, label, sizeof(label));
	return w->failed ? -EBADMSG : kdump_add_str(d, label, &record->label);
}

static int kdump_get_record(struct wire *w, struct kdump *d)
{
	struct kdump_record record = { 0 };
	uint8_t head = wire_get_u8(w);
	int r;

	if (w->failed || (head & KDUMP_HEAD_KIND) >= KDUMP_KINDS ||
	    head >= KDUMP_HEAD_SAME + KDUMP_HEAD_SAME)
		return -EBADMSG;
	record.kind = head & KDUMP_HEAD_KIND;
	record.is_guard = head & KDUMP_HEAD_GUARD;
	r = kdump_get_holder(w, d, head & KDUMP_HEAD_SAME, &record.holder);
	if (r == 0 && record.kind != KDUMP_ELEM)
		r = kdump_get_label(w, d, &record);
	if (r == 0)
		r = kdump_get_content(w, d, &record);
	if (r == 0)
		r = kdump_add_record(d, &record);
	if (r == 0 && d->n > 1 && kdump_order(&d->list[d->n - 2], &d->list[d->n - 1], d) > 0)
		r = -EBADMSG;
	return r;
}

int kdump_get(struct wire *w, struct kdump *ret)
{
	uint32_t n = wire_get_u32(w);
	int r = w->failed || n > KDUMP_RECORDS_MAX ? -EBADMSG : 0;

	kdump_release(ret);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = kdump_get_record(w, ret);
	return r == -EFBIG ? -EBADMSG : r;
}

void kdump_release(struct kdump *d)
{
	free(d->list);
	free(d->bytes);
	*d = (struct kdump){ 0 };
}
