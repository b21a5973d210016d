/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/setwords.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"

#define SETWORDS_PART_MAX 120      /* of one field, with the NUL */
#define SETWORDS_PREFIXES 3        /* that are named */
#define SETWORDS_STEPS_MAX 4000000 /* looks at a diagram of addresses; it can have 2^128 prefixes */

/* The way to one part. */
struct setwords_path {
	struct setwords *w;
	enum policy_dir dir;
	const struct policy_net *net;
	setwords_take *take;
	void *ctx;
	char words[SETWORDS_DIMS][SETWORDS_PART_MAX];
};

struct setwords_text {
	char *text;
	size_t at, cap;
};

static void _printf_(2, 3) setwords_put(struct setwords_text *to, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(to->text + to->at, to->cap - to->at, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < to->cap - to->at) {
		to->at += (size_t)n;
		return;
	}
	to->at = to->cap - 1;
	memcpy(to->text + to->cap - 4, "...", 4);
}

static void setwords_point(struct setwords *w, enum setwords_dim dim, uint64_t value)
{
	struct setwords_points *p = &w->points[dim];
	size_t cap = p->cap ? 2 * p->cap : 16;
	uint32_t *more;

	if (value > UINT32_MAX || w->failed)
		return;
	if (p->n == p->cap) {
		more = p->n < SETWORDS_POINTS_MAX ? reallocarray(p->at, cap, sizeof(*more)) : NULL;
		if (!more) {
			w->failed = p->n < SETWORDS_POINTS_MAX ? -ENOMEM : -EFBIG;
			return;
		}
		p->at = more;
		p->cap = cap;
	}
	p->at[p->n++] = (uint32_t)value;
}

/* Values of @low...@high may differ from those around. */
static void setwords_border(struct setwords *w, enum setwords_dim dim, uint32_t low, uint32_t high)
{
	setwords_point(w, dim, low);
	setwords_point(w, dim, (uint64_t)high + 1);
}

static void setwords_learn_ports(struct setwords *w, const struct terms_match *m)
{
	const struct policy_port *const single[] = { &m->far_ports, &m->near_ports };

	for (size_t i = 0; m->ports && i < m->ports->n; i++) {
		setwords_border(w, SETWORDS_SERVED, m->ports->list[i].low, m->ports->list[i].high);
		setwords_border(w, SETWORDS_PROTO, m->ports->list[i].proto,
				m->ports->list[i].proto);
	}
	for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
		if (!single[i]->low)
			continue;
		setwords_border(w, SETWORDS_SERVED, single[i]->low, single[i]->high);
		setwords_border(w, SETWORDS_CLIENT, single[i]->low, single[i]->high);
	}
}

static void setwords_learn(struct setwords *w, const struct policy *p, const struct terms_match *m)
{
	setwords_learn_ports(w, m);
	if (m->proto)
		setwords_border(w, SETWORDS_PROTO, m->proto, m->proto);
	for (size_t i = 0; i < m->n_types; i++)
		setwords_border(w, SETWORDS_TYPE, m->types[i], m->types[i]);
	for (size_t i = 0; m->users && i < m->users->n; i++) {
		uint32_t uid = p->users[m->users->at[i]].uid;

		setwords_border(w, SETWORDS_UID, uid, uid);
	}
	if (m->has_mark)
		setwords_border(w, SETWORDS_MARK, m->mark, m->mark);
}

static int setwords_order(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void setwords_sort(struct setwords_points *p)
{
	size_t n = 0;

	qsort(p->at, p->n, sizeof(*p->at), setwords_order);
	for (size_t i = 0; i < p->n; i++)
		if (n == 0 || p->at[n - 1] != p->at[i])
			p->at[n++] = p->at[i];
	p->n = n;
}

static enum space_field setwords_field(enum setwords_dim dim, enum policy_dir dir)
{
	bool in = dir == POLICY_IN;
	const enum space_field fields[SETWORDS_DIMS] = {
		[SETWORDS_LINK] = SPACE_LINK,
		[SETWORDS_PROTO] = SPACE_PROTO,
		[SETWORDS_TYPE] = SPACE_TYPE,
		[SETWORDS_SERVED] = in ? SPACE_NEAR_PORT : SPACE_FAR_PORT,
		[SETWORDS_CLIENT] = in ? SPACE_FAR_PORT : SPACE_NEAR_PORT,
		[SETWORDS_HAS_UID] = SPACE_HAS_UID,
		[SETWORDS_UID] = SPACE_UID,
		[SETWORDS_MARK] = SPACE_MARK,
	};

	return fields[dim];
}

static uint32_t setwords_last(enum setwords_dim dim)
{
	return UINT32_MAX >> (32 - space_width(setwords_field(dim, POLICY_IN)));
}

int setwords_init(struct setwords *ret, struct space *s, const struct terms *const *terms, size_t n)
{
	*ret = (struct setwords){ .s = s };
	for (size_t i = 0; i < n && i < SETWORDS_PAGES; i++)
		ret->policies[i] = terms[i]->policy;
	for (enum setwords_dim i = 0; i < SETWORDS_DIMS; i++)
		setwords_point(ret, i, 0);
	for (uint32_t link = 1; link < TERMS_LINKS; link++)
		setwords_point(ret, SETWORDS_LINK, link);
	setwords_point(ret, SETWORDS_HAS_UID, 1);
	setwords_border(ret, SETWORDS_PROTO, POLICY_ICMP6, POLICY_ICMP6);
	setwords_border(ret, SETWORDS_PROTO, POLICY_TCP, POLICY_TCP);
	setwords_border(ret, SETWORDS_PROTO, POLICY_UDP, POLICY_UDP);
	for (size_t i = 0; i < n; i++) {
		const struct terms_list *lists[] = { &terms[i]->in, &terms[i]->out,
						     &terms[i]->guard };

		for (size_t j = 0; j < ARRAY_SIZE(lists); j++)
			for (size_t k = 0; k < lists[j]->n; k++)
				setwords_learn(ret, terms[i]->policy, &lists[j]->list[k].match);
	}
	for (enum setwords_dim i = 0; i < SETWORDS_DIMS && ret->failed == 0; i++)
		setwords_sort(&ret->points[i]);
	return ret->failed;
}

void setwords_release(struct setwords *w)
{
	for (enum setwords_dim i = 0; i < SETWORDS_DIMS; i++)
		free(w->points[i].at);
	*w = (struct setwords){ 0 };
}

static const char *setwords_user(const struct setwords *w, uint32_t uid, char scratch[static 16])
{
	for (size_t i = 0; i < SETWORDS_PAGES && w->policies[i]; i++)
		for (size_t j = 0; j < w->policies[i]->n_users; j++)
			if (w->policies[i]->users[j].uid == uid && w->policies[i]->users[j].name[0])
				return w->policies[i]->users[j].name;
	snprintf(scratch, 16, "%u", uid);
	return scratch;
}

static const char *setwords_value(const struct setwords *w, enum setwords_dim dim, uint32_t value,
				  char scratch[static 16])
{
	if (dim == SETWORDS_LINK)
		return packettext_link((enum terms_link)value);
	if (dim == SETWORDS_PROTO)
		return packettext_proto((uint8_t)value, scratch);
	if (dim == SETWORDS_TYPE)
		return packettext_type((uint8_t)value, scratch);
	if (dim == SETWORDS_UID)
		return setwords_user(w, value, scratch);
	snprintf(scratch, 16, dim == SETWORDS_MARK ? "0x%x" : "%u", value);
	return scratch;
}

static void setwords_range(const struct setwords *w, enum setwords_dim dim, uint32_t low,
			   uint32_t high, struct setwords_text *to)
{
	bool named = dim == SETWORDS_LINK || dim == SETWORDS_TYPE;
	const char *comma = to->at && to->text[to->at - 1] != ' ' ? "," : "";
	char scratch[16];

	setwords_put(to, "%s%s", comma, setwords_value(w, dim, low, scratch));
	if (low == high)
		return;
	if (named && high - low < 4)
		setwords_range(w, dim, low + 1, high, to);
	else
		setwords_put(to, "-%s", setwords_value(w, dim, high, scratch));
}

/* The intervals of @rest that equal @like, or all others when @negate, joined where they touch. */
static void setwords_ranges(const struct setwords_path *path, enum setwords_dim dim,
			    const bdd *rest, bdd like, bool negate, struct setwords_text *to)
{
	const struct setwords_points *p = &path->w->points[dim];

	for (size_t i = 0, j; i < p->n; i = j) {
		for (j = i; j < p->n && (rest[j] == like) != negate; j++)
			;
		if (j > i)
			setwords_range(path->w, dim, p->at[i],
				       j < p->n ? p->at[j] - 1 : setwords_last(dim), to);
		else
			j++;
	}
}

/* What is left out is named where what is in is nearly everything. */
static void setwords_name(struct setwords_path *path, enum setwords_dim dim, const bdd *rest,
			  bdd like)
{
	static const char *const before[SETWORDS_DIMS] = {
		[SETWORDS_CLIENT] = "source port ",
		[SETWORDS_UID] = "user ",
		[SETWORDS_MARK] = "mark ",
	};
	struct setwords_text to = { path->words[dim], 0, SETWORDS_PART_MAX };
	size_t last = path->w->points[dim].n - 1;
	bool negate = dim != SETWORDS_LINK && dim != SETWORDS_SERVED && dim != SETWORDS_CLIENT &&
		      rest[last] == like;

	setwords_put(&to, "%s%s", before[dim] ? before[dim] : "", negate ? "not " : "");
	setwords_ranges(path, dim, rest, like, negate, &to);
	if (dim == SETWORDS_HAS_UID)
		snprintf(path->words[dim], SETWORDS_PART_MAX, "%s",
			 rest[0] == like ? "without a user" : "");
}

/* Prefixes of a set of addresses, in order. */
struct setwords_walk {
	struct space *s;
	struct setwords_text *to;
	struct ip6_prefix at;
	size_t n, steps;
};

static void setwords_walk(struct setwords_walk *walk, bdd set)
{
	unsigned int bit = walk->at.len, first = space_first(SPACE_FAR);
	bool here = set > BDD_TRUE && bdd_top(walk->s->m, set) == first + bit;

	if (set == BDD_FALSE || ++walk->steps > SETWORDS_STEPS_MAX)
		return;
	if (set == BDD_TRUE || bit == 128) {
		char text[IP6_PREFIX_TEXT];

		if (walk->n++ < SETWORDS_PREFIXES)
			setwords_put(walk->to, "%s%s", walk->n > 1 ? "," : "",
				     policy_format_prefix(&walk->at, text));
		return;
	}
	walk->at.len++;
	setwords_walk(walk, here ? bdd_branch(walk->s->m, set, false) : set);
	walk->at.addr.s6_addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	setwords_walk(walk, here ? bdd_branch(walk->s->m, set, true) : set);
	walk->at.addr.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	walk->at.len--;
}

/* The far ends of a set alone. */
static bdd setwords_far(struct space *s, bdd set)
{
	return bdd_forget(s->m, set, 0, space_first(SPACE_FAR));
}

/* The name of a network that is just these far ends; the one that is probably meant first. */
static const char *setwords_net(struct setwords_path *path, bdd far)
{
	struct space *s = path->w->s;
	const struct policy_net *net = path->net;

	if (net && far == setwords_far(s, bdd_and(s->m, s->valid, space_net(s, net))))
		return net->name;
	for (size_t i = 0; i < SETWORDS_PAGES && path->w->policies[i]; i++)
		for (size_t j = 0; j < path->w->policies[i]->n_nets; j++) {
			net = &path->w->policies[i]->nets[j];
			if (far == setwords_far(s, bdd_and(s->m, s->valid, space_net(s, net))))
				return net->name;
		}
	return NULL;
}

/* The first prefixes of a set of addresses and how many more there are. */
static void setwords_prefixes(struct setwords *w, bdd far)
{
	struct setwords_text to = { w->far_words, 0, sizeof(w->far_words) };
	struct setwords_walk walk = { .s = w->s, .to = &to };

	w->far = far;
	w->far_words[0] = '\0';
	setwords_walk(&walk, far);
	if (walk.steps > SETWORDS_STEPS_MAX)
		setwords_put(&to, " and more");
	else if (walk.n > SETWORDS_PREFIXES)
		setwords_put(&to, " and %zu more", walk.n - SETWORDS_PREFIXES);
}

static void setwords_far_words(struct setwords_path *path, bdd part, struct setwords_text *to)
{
	struct space *s = path->w->s;
	bdd far = setwords_far(s, part);
	bdd v6 = bdd_and(s->m, s->valid, space_value(s, SPACE_FAMILY, 0));
	const char *name;

	if (far == setwords_far(s, s->valid))
		return;
	setwords_put(to, path->dir == POLICY_IN ? " from " : " to ");
	name = far == setwords_far(s, v6) ? "any" : setwords_net(path, far);
	if (name) {
		setwords_put(to, "%s", name);
		return;
	}
	if (path->w->far != far || far == BDD_FALSE)
		setwords_prefixes(path->w, far);
	setwords_put(to, "%s", path->w->far_words);
	if (path->net && !path->net->is_any)
		setwords_put(to, " of %s", path->net->name);
}

/* All fields are decided but the addresses. */
static void setwords_leaf(struct setwords_path *path, bdd part)
{
	static const enum setwords_dim behind[] = { SETWORDS_CLIENT, SETWORDS_HAS_UID, SETWORDS_UID,
						    SETWORDS_MARK };
	char text[SETWORDS_TEXT_MAX] = "";
	struct setwords_text to = { text, 0, sizeof(text) };

	setwords_put(&to, "%s", path->dir == POLICY_IN ? "in" : "out");
	if (path->words[SETWORDS_LINK][0])
		setwords_put(&to, " via %s", path->words[SETWORDS_LINK]);
	if (path->words[SETWORDS_PROTO][0])
		setwords_put(&to, " %s", path->words[SETWORDS_PROTO]);
	else
		setwords_put(&to, " any");
	if (path->words[SETWORDS_TYPE][0])
		setwords_put(&to, " %s", path->words[SETWORDS_TYPE]);
	if (path->words[SETWORDS_SERVED][0])
		setwords_put(&to, " %s", path->words[SETWORDS_SERVED]);
	setwords_far_words(path, part, &to);
	for (size_t i = 0; i < ARRAY_SIZE(behind); i++)
		if (path->words[behind[i]][0])
			setwords_put(&to, ", %s", path->words[behind[i]]);
	path->take(path->ctx, part, text);
}

/* The packets whose field has a value of interval @i. */
static bdd setwords_interval(struct setwords_path *path, enum setwords_dim dim, size_t i)
{
	const struct setwords_points *p = &path->w->points[dim];

	return space_values(path->w->s, setwords_field(dim, path->dir), p->at[i],
			    i + 1 < p->n ? p->at[i + 1] - 1 : setwords_last(dim));
}

static void setwords_dim(struct setwords_path *path, enum setwords_dim dim, bdd part);

/* Names the values of one field that leave the same, and goes on with each such group. */
static void setwords_groups(struct setwords_path *path, enum setwords_dim dim, bdd part,
			    const bdd *rest)
{
	const struct setwords_points *p = &path->w->points[dim];
	struct space *s = path->w->s;

	for (size_t i = 0; i < p->n; i++) {
		bdd values = BDD_FALSE;
		bool seen = rest[i] == BDD_FALSE;

		for (size_t j = 0; j < i; j++)
			seen = seen || rest[j] == rest[i];
		if (seen)
			continue;
		for (size_t j = i; j < p->n; j++)
			if (rest[j] == rest[i])
				values = bdd_or(s->m, values, setwords_interval(path, dim, j));
		setwords_name(path, dim, rest, rest[i]);
		setwords_dim(path, dim + 1, bdd_and(s->m, part, values));
		path->words[dim][0] = '\0';
	}
}

static void setwords_dim(struct setwords_path *path, enum setwords_dim dim, bdd part)
{
	struct setwords *w = path->w;
	enum space_field field = dim < SETWORDS_DIMS ? setwords_field(dim, path->dir) : SPACE_FAR;
	bdd *rest;

	if (w->failed || part == BDD_FALSE)
		return;
	if (dim == SETWORDS_DIMS) {
		setwords_leaf(path, part);
		return;
	}
	if (space_forget(w->s, part, field) == part) {
		setwords_dim(path, dim + 1, part);
		return;
	}
	rest = calloc(w->points[dim].n, sizeof(*rest));
	if (!rest) {
		w->failed = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < w->points[dim].n; i++)
		rest[i] = space_forget(
			w->s, bdd_and(w->s->m, part, setwords_interval(path, dim, i)), field);
	setwords_groups(path, dim, part, rest);
	free(rest);
}

/* Ports of what has none, types of what is not ICMPv6, the number of nobody: whatever they are, so
 * that "any" stays one word. */
static bdd setwords_loosen(struct space *s, bdd set)
{
	bdd icmp6 = bdd_and(s->m, space_value(s, SPACE_PROTO, POLICY_ICMP6),
			    space_value(s, SPACE_FAMILY, 0));
	bdd ported = bdd_or(s->m, space_value(s, SPACE_PROTO, POLICY_TCP),
			    space_value(s, SPACE_PROTO, POLICY_UDP));
	bdd somebody = space_value(s, SPACE_HAS_UID, 1);
	bdd loose = space_forget(s, bdd_diff(s->m, set, ported), SPACE_NEAR_PORT);

	loose = space_forget(s, loose, SPACE_FAR_PORT);
	set = bdd_or(s->m, bdd_and(s->m, set, ported), loose);
	loose = space_forget(s, bdd_diff(s->m, set, icmp6), SPACE_TYPE);
	set = bdd_or(s->m, bdd_and(s->m, set, icmp6), loose);
	loose = space_forget(s, bdd_diff(s->m, set, somebody), SPACE_UID);
	return bdd_or(s->m, bdd_and(s->m, set, somebody), loose);
}

int setwords_split(struct setwords *w, bdd set, const struct policy_net *net, setwords_take *take,
		   void *ctx)
{
	struct space *s = w->s;
	struct setwords_path path = { .w = w, .net = net, .take = take, .ctx = ctx };

	for (enum policy_dir dir = POLICY_IN; dir <= POLICY_OUT; dir++) {
		bdd part = bdd_and(s->m, set, space_value(s, SPACE_DIR, dir));

		path.dir = dir;
		part = setwords_loosen(s, part);
		if (dir == POLICY_IN)
			part = space_forget(s, space_forget(s, part, SPACE_HAS_UID), SPACE_UID);
		setwords_dim(&path, 0, part);
	}
	return w->failed ? w->failed : space_failed(s);
}
