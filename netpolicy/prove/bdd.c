/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/bdd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BDD_FIRST_NODES 4096u
#define BDD_CACHE_MAX (1u << 20) /* entries; beyond that more memory no longer pays */

enum bdd_op {
	BDD_NOTHING, /* an empty entry of the cache */
	BDD_AND,
	BDD_OR,
	BDD_DIFF,
	BDD_FORGET, /* and everything above: the variables are in the number */
};

struct bdd_entry {
	uint32_t var;
	bdd low, high;
	bdd next; /* in the same bucket; BDD_FALSE ends */
};

struct bdd_memo {
	uint32_t op;
	bdd a, b, result;
};

struct bdd_manager {
	struct bdd_entry *nodes; /* owned */
	uint32_t *buckets;       /* owned; as many as cap */
	struct bdd_memo *cache;  /* owned */
	uint32_t n, cap, n_cache;
	size_t max;
	unsigned int n_vars;
	int failed;
};

static uint32_t bdd_mix(uint32_t a, uint32_t b, uint32_t c)
{
	uint64_t x = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 32 ^ c) * 0xd6e8feb86659fd93ull;
	return (uint32_t)(x >> 32);
}

struct bdd_manager *bdd_new(unsigned int n_vars, size_t max)
{
	_cleanup_(bdd_freep) struct bdd_manager *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->nodes = calloc(BDD_FIRST_NODES, sizeof(*m->nodes));
	m->buckets = calloc(BDD_FIRST_NODES, sizeof(*m->buckets));
	m->cache = calloc(BDD_FIRST_NODES, sizeof(*m->cache));
	if (!m->nodes || !m->buckets || !m->cache)
		return NULL;
	m->n_vars = n_vars;
	m->max = max < BDD_NODES_MAX ? max : BDD_NODES_MAX;
	m->cap = m->n_cache = BDD_FIRST_NODES;
	m->nodes[BDD_FALSE].var = m->nodes[BDD_TRUE].var = n_vars;
	m->n = 2;
	return steal_ptr(m);
}

void bdd_free(struct bdd_manager *m)
{
	if (!m)
		return;
	free(m->nodes);
	free(m->buckets);
	free(m->cache);
	free(m);
}

void bdd_freep(struct bdd_manager **m)
{
	bdd_free(*m);
	*m = NULL;
}

static bdd bdd_fail(struct bdd_manager *m, int error)
{
	if (!m->failed)
		m->failed = error;
	return BDD_FALSE;
}

static void bdd_enter(struct bdd_manager *m, bdd at)
{
	struct bdd_entry *e = &m->nodes[at];
	uint32_t *bucket = &m->buckets[bdd_mix(e->var, e->low, e->high) & (m->cap - 1)];

	e->next = *bucket;
	*bucket = at;
}

/* What was remembered is lost; that costs time only. */
static int bdd_grow_cache(struct bdd_manager *m)
{
	struct bdd_memo *more;

	if (m->n_cache >= BDD_CACHE_MAX)
		return 0;
	more = calloc(2 * (size_t)m->n_cache, sizeof(*more));
	if (!more)
		return -ENOMEM;
	free(m->cache);
	m->cache = more;
	m->n_cache *= 2;
	return 0;
}

static int bdd_grow(struct bdd_manager *m)
{
	struct bdd_entry *nodes = reallocarray(m->nodes, 2 * (size_t)m->cap, sizeof(*nodes));
	uint32_t *buckets;

	if (!nodes)
		return -ENOMEM;
	m->nodes = nodes;
	buckets = calloc(2 * (size_t)m->cap, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(m->buckets);
	m->buckets = buckets;
	m->cap *= 2;
	for (bdd i = 2; i < m->n; i++)
		bdd_enter(m, i);
	return bdd_grow_cache(m);
}

bdd bdd_node(struct bdd_manager *m, unsigned int var, bdd low, bdd high)
{
	int r;

	if (low == high || m->failed)
		return m->failed ? BDD_FALSE : low;
	for (bdd i = m->buckets[bdd_mix(var, low, high) & (m->cap - 1)]; i; i = m->nodes[i].next)
		if (m->nodes[i].low == low && m->nodes[i].high == high && m->nodes[i].var == var)
			return i;
	if (m->n >= m->max)
		return bdd_fail(m, -EFBIG);
	r = m->n == m->cap ? bdd_grow(m) : 0;
	if (r < 0)
		return bdd_fail(m, r);
	m->nodes[m->n] = (struct bdd_entry){ var, low, high, BDD_FALSE };
	bdd_enter(m, m->n);
	return m->n++;
}

bdd bdd_var(struct bdd_manager *m, unsigned int var)
{
	return bdd_node(m, var, BDD_FALSE, BDD_TRUE);
}

static struct bdd_memo *bdd_memo(struct bdd_manager *m, uint32_t op, bdd a, bdd b)
{
	return &m->cache[bdd_mix(a, b, op) & (m->n_cache - 1)];
}

static bool bdd_remembers(const struct bdd_memo *e, uint32_t op, bdd a, bdd b)
{
	return e->op == op && e->a == a && e->b == b;
}

/* The results that need no look inside. */
static bool bdd_is_plain(enum bdd_op op, bdd a, bdd b, bdd *ret)
{
	bdd zero = op == BDD_OR ? BDD_TRUE : BDD_FALSE, one = op == BDD_OR ? BDD_FALSE : BDD_TRUE;

	if (op == BDD_DIFF) {
		*ret = b == BDD_FALSE ? a : BDD_FALSE;
		return a == BDD_FALSE || b == BDD_FALSE || b == BDD_TRUE || a == b;
	}
	if (a == zero || b == zero)
		*ret = zero;
	else
		*ret = a == one ? b : a;
	return a <= BDD_TRUE || b <= BDD_TRUE || a == b;
}

static bdd bdd_apply(struct bdd_manager *m, enum bdd_op op, bdd a, bdd b)
{
	struct bdd_memo *e;
	uint32_t var;
	bdd low, high, result;

	if (bdd_is_plain(op, a, b, &result))
		return result;
	if (m->failed)
		return BDD_FALSE;
	if (op != BDD_DIFF && a > b) {
		result = a;
		a = b;
		b = result;
	}
	e = bdd_memo(m, op, a, b);
	if (bdd_remembers(e, op, a, b))
		return e->result;
	var = m->nodes[a].var < m->nodes[b].var ? m->nodes[a].var : m->nodes[b].var;
	low = bdd_apply(m, op, m->nodes[a].var == var ? m->nodes[a].low : a,
			m->nodes[b].var == var ? m->nodes[b].low : b);
	high = bdd_apply(m, op, m->nodes[a].var == var ? m->nodes[a].high : a,
			 m->nodes[b].var == var ? m->nodes[b].high : b);
	result = bdd_node(m, var, low, high);
	*bdd_memo(m, op, a, b) = (struct bdd_memo){ op, a, b, result };
	return result;
}

bdd bdd_and(struct bdd_manager *m, bdd a, bdd b)
{
	return m->failed ? BDD_FALSE : bdd_apply(m, BDD_AND, a, b);
}

bdd bdd_or(struct bdd_manager *m, bdd a, bdd b)
{
	return m->failed ? BDD_FALSE : bdd_apply(m, BDD_OR, a, b);
}

bdd bdd_diff(struct bdd_manager *m, bdd a, bdd b)
{
	return m->failed ? BDD_FALSE : bdd_apply(m, BDD_DIFF, a, b);
}

bdd bdd_not(struct bdd_manager *m, bdd a)
{
	return bdd_diff(m, BDD_TRUE, a);
}

bdd bdd_or_all(struct bdd_manager *m, bdd *list, size_t n)
{
	while (n > 1) {
		for (size_t i = 0; i < n / 2; i++)
			list[i] = bdd_or(m, list[2 * i], list[2 * i + 1]);
		if (n % 2)
			list[n / 2] = list[n - 1];
		n = (n + 1) / 2;
	}
	return n && !m->failed ? list[0] : BDD_FALSE;
}

bdd bdd_prefix(struct bdd_manager *m, unsigned int first, const uint8_t *bits, unsigned int len)
{
	bdd at = BDD_TRUE;

	while (len-- > 0)
		if (bits[len / 8] & 0x80 >> len % 8)
			at = bdd_node(m, first + len, BDD_FALSE, at);
		else
			at = bdd_node(m, first + len, at, BDD_FALSE);
	return m->failed ? BDD_FALSE : at;
}

/* The numbers that are at least (@up) or at most @limit. */
static bdd bdd_bound(struct bdd_manager *m, unsigned int first, unsigned int width, uint32_t limit,
		     bool up)
{
	bdd at = BDD_TRUE;

	for (unsigned int i = 0; i < width; i++) {
		unsigned int var = first + width - 1 - i;

		if (limit >> i & 1)
			at = bdd_node(m, var, up ? BDD_FALSE : BDD_TRUE, at);
		else
			at = bdd_node(m, var, at, up ? BDD_TRUE : BDD_FALSE);
	}
	return at;
}

bdd bdd_range(struct bdd_manager *m, unsigned int first, unsigned int width, uint32_t low,
	      uint32_t high)
{
	if (low > high)
		return BDD_FALSE;
	return bdd_and(m, bdd_bound(m, first, width, low, true),
		       bdd_bound(m, first, width, high, false));
}

void bdd_pick(const struct bdd_manager *m, bdd a, const uint8_t *like, uint8_t *ret)
{
	for (unsigned int i = 0; i < m->n_vars; i++)
		ret[i] = like ? like[i] : 0;
	while (a > BDD_TRUE) {
		const struct bdd_entry *e = &m->nodes[a];
		uint8_t *value = &ret[e->var];

		if ((*value ? e->high : e->low) == BDD_FALSE)
			*value = !*value;
		a = *value ? e->high : e->low;
	}
}

bool bdd_has(const struct bdd_manager *m, bdd a, const uint8_t *values)
{
	while (a > BDD_TRUE)
		a = values[m->nodes[a].var] ? m->nodes[a].high : m->nodes[a].low;
	return a == BDD_TRUE;
}

bdd bdd_forget(struct bdd_manager *m, bdd a, unsigned int first, unsigned int n)
{
	uint32_t op = BDD_FORGET + first, var = m->nodes[a].var;
	struct bdd_memo *e;
	bdd low, high, result;

	if (m->failed)
		return BDD_FALSE;
	if (a <= BDD_TRUE || var >= first + n)
		return a;
	e = bdd_memo(m, op, a, n);
	if (bdd_remembers(e, op, a, n))
		return e->result;
	low = bdd_forget(m, m->nodes[a].low, first, n);
	high = bdd_forget(m, m->nodes[a].high, first, n);
	result = var < first ? bdd_node(m, var, low, high) : bdd_or(m, low, high);
	*bdd_memo(m, op, a, n) = (struct bdd_memo){ op, a, n, result };
	return result;
}

unsigned int bdd_top(const struct bdd_manager *m, bdd a)
{
	return m->nodes[a].var;
}

bdd bdd_branch(const struct bdd_manager *m, bdd a, bool value)
{
	return value ? m->nodes[a].high : m->nodes[a].low;
}

size_t bdd_nodes(const struct bdd_manager *m)
{
	return m->n;
}

size_t bdd_bytes(const struct bdd_manager *m)
{
	return (size_t)m->cap * (sizeof(*m->nodes) + sizeof(*m->buckets)) +
	       (size_t)m->n_cache * sizeof(*m->cache);
}

int bdd_failed(const struct bdd_manager *m)
{
	return m->failed;
}
