/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/granter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/denylist.h"
#include "tunneld/gateway/gate.h"
#include "tunneld/kern/wgdev.h"

struct granter_item {
	struct granter_from from;
	struct gwframe_grant grant;
	struct ip6_prefix allowed; /* of the peer, which borrows it */
	enum pst code;
};

struct granter {
	const struct gwconf *conf;
	struct leasedb *db;
	struct gwstats *stats;
	struct granter_item *items; /* conf->grants_max of them */
	size_t n_items;
	struct wgdev_peer *peers; /* as many; scratch of one batch */
	struct wgkey *gone;       /* GATE_REMOVE_MAX times as many; replaced in this batch */
	size_t n_gone;
	const struct denylist *deny; /* NULL = nobody is denied */
	struct wgkey swept;          /* the sweep has seen all keys up to this one */
	struct gate_lease *looked;   /* GRANTER_SWEEP_MAX of them; scratch of one step */
	char error[160];
};

/* What one step of the sweep cuts off. */
struct granter_cuts {
	struct wgkey keys[GRANTER_EXPIRE_MAX];
	const struct gate_lease *leases[GRANTER_EXPIRE_MAX];
	const char *by[GRANTER_EXPIRE_MAX];
	size_t n;
};

int granter_new(const struct gwconf *conf, struct leasedb *db, struct gwstats *stats,
		struct granter **ret)
{
	struct granter *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->conf = conf;
	g->db = db;
	g->stats = stats;
	g->items = calloc(conf->grants_max, sizeof(*g->items));
	g->peers = calloc(conf->grants_max, sizeof(*g->peers));
	g->gone = calloc((size_t)conf->grants_max * GATE_REMOVE_MAX, sizeof(*g->gone));
	g->looked = calloc(GRANTER_SWEEP_MAX, sizeof(*g->looked));
	if (!g->items || !g->peers || !g->gone || !g->looked) {
		granter_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

int granter_add(struct granter *g, const struct granter_from *from,
		const struct gwframe_grant *grant)
{
	struct granter_item *item = &g->items[g->n_items];

	if (g->n_items == g->conf->grants_max)
		return -ENOSPC;
	item->from = *from;
	item->grant = *grant;
	item->allowed = ip6_host_prefix(&grant->host_addr);
	item->code = PST_NONE;
	g->n_items++;
	return 0;
}

size_t granter_n_waiting(const struct granter *g)
{
	return g->n_items;
}

const char *granter_error(const struct granter *g)
{
	return g->error;
}

/* Errors: 0; -errno of the store. */
static int granter_find_holders(struct granter *g, const struct gate_lease *wanted,
				struct gate_lease found[static 3], struct gate_holders *ret)
{
	int by_key = leasedb_find_key(g->db, &wanted->key, &found[0]);
	int by_addr = leasedb_find_addr(g->db, &wanted->addr, &found[1]);
	int by_identity = leasedb_find_identity(g->db, wanted, &found[2]);

	if (by_key < 0 || by_addr < 0 || by_identity < 0)
		return -EIO;
	ret->by_key = by_key == 0 ? &found[0] : NULL;
	ret->by_addr = by_addr == 0 ? &found[1] : NULL;
	ret->by_identity = by_identity == 0 ? &found[2] : NULL;
	return 0;
}

static int granter_store(struct granter *g, const struct gate_lease *lease,
			 const struct gate_plan *plan)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_remove && r == 0; i++) {
		r = leasedb_remove(g->db, &plan->remove[i]);
		g->gone[g->n_gone++] = plan->remove[i];
	}
	return r < 0 ? r : leasedb_put(g->db, lease);
}

/* The worker looks, too; but it may have been started with an older list. Nobody can be judged
 * before the first has come. */
static enum pst granter_check_denied(const struct granter *g, const struct gwframe_grant *grant)
{
	if (*g->conf->deny_file && !g->deny)
		return PST_RETRY_LATER;
	return denylist_has(g->deny, grant->principal, grant->instance_id, grant->serial) ?
		       PST_PEER_DENIED :
		       PST_NONE;
}

/* Judges one grant and writes its lease into the open transaction. Errors: 0 with item->code set;
 * -errno of the store. */
static int granter_judge(struct granter *g, struct granter_item *item, uint64_t now_wall)
{
	struct gate_lease found[3], wanted;
	struct gate_holders holders;
	struct gate_plan plan;
	int r;

	item->code = gate_check(g->conf, &item->grant, now_wall);
	if (item->code == PST_NONE)
		item->code = granter_check_denied(g, &item->grant);
	if (item->code != PST_NONE)
		return 0;
	wanted = gate_make_lease(g->conf, &item->grant, now_wall);
	r = granter_find_holders(g, &wanted, found, &holders);
	if (r < 0)
		return r;
	item->code = gate_decide(&wanted, &holders, now_wall, &plan);
	return item->code == PST_NONE ? granter_store(g, &wanted, &plan) : 0;
}

/* Judges the batch and makes it durable. Gives how many are granted, none on failure.
 * Errors: 0; -errno of the store, which is as it was. */
static int granter_record(struct granter *g, uint64_t now_wall, size_t *ret_n)
{
	size_t n = 0;
	int r = leasedb_begin(g->db);

	g->n_gone = 0;
	for (size_t i = 0; i < g->n_items && r == 0; i++) {
		r = granter_judge(g, &g->items[i], now_wall);
		n += r == 0 && g->items[i].code == PST_NONE;
	}
	if (r == 0 && n)
		r = leasedb_commit(g->db);
	if (r < 0)
		snprintf(g->error, sizeof(g->error), "%s", leasedb_error(g->db));
	leasedb_rollback(g->db); /* when it was not committed */
	*ret_n = r < 0 ? 0 : n;
	return r;
}

/* A key that this batch replaced and, further on, granted again must stay. */
static size_t granter_keep_gone(struct granter *g)
{
	struct gate_lease lease;
	size_t n = 0;

	for (size_t i = 0; i < g->n_gone; i++)
		if (leasedb_find_key(g->db, &g->gone[i], &lease) == LEASEDB_E_NONE)
			g->gone[n++] = g->gone[i];
	return n;
}

/* New peers first: their address moves over from the old ones at that moment, not between two. */
static int granter_program(struct granter *g)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < g->n_items; i++) {
		const struct granter_item *item = &g->items[i];

		if (item->code != PST_NONE)
			continue;
		g->peers[n++] = (struct wgdev_peer){
			.key = item->grant.host_key,
			.psk = item->grant.psk,
			/* Adds the address; replacing the list would leave a renewed peer
			 * without any for a moment, and lose what is sent to it then. */
			.flags = WGDEV_PEER_PSK,
			.allowed = &item->allowed,
			.n_allowed = 1,
		};
	}
	r = wgdev_put_peers(g->conf->interface, g->peers, n);
	secret_wipe_bytes(g->peers, n * sizeof(*g->peers));
	n = granter_keep_gone(g);
	return r < 0 || !n ? r : wgdev_remove_peers(g->conf->interface, g->gone, n);
}

/* Gives all that was granted so far another code. */
static void granter_fail_all(struct granter *g, enum pst code)
{
	for (size_t i = 0; i < g->n_items; i++)
		if (g->items[i].code == PST_NONE)
			g->items[i].code = code;
}

static bool granter_is_passing(enum pst code)
{
	return code == PST_STORE_FAILED || code == PST_GATEWAY_KERNEL || code == PST_RETRY_LATER;
}

static void granter_answer_all(struct granter *g, granter_answer_fn *answer, void *ctx)
{
	for (size_t i = 0; i < g->n_items; i++) {
		struct gwframe_answer a = { .code = g->items[i].code };

		if (granter_is_passing(a.code))
			a.retry_after_s = GRANTER_RETRY_S + (uint32_t)(i % GRANTER_RETRY_S);
		answer(&g->items[i].from, &g->items[i].grant, &a, ctx);
	}
	secret_wipe_bytes(g->items, g->n_items * sizeof(*g->items));
	g->n_items = 0;
}

int granter_run(struct granter *g, uint64_t now_wall, granter_answer_fn *answer, void *ctx)
{
	size_t n = 0;
	int kernel = 0;

	if (!g->n_items)
		return 0;
	if (granter_record(g, now_wall, &n) < 0)
		granter_fail_all(g, PST_STORE_FAILED);
	else if (n)
		kernel = granter_program(g);
	if (kernel < 0)
		granter_fail_all(g, PST_GATEWAY_KERNEL);
	else if (n)
		g->stats->batches++;
	g->stats->changed = true;
	granter_answer_all(g, answer, ctx);
	return kernel;
}

/* Takes the leases of @n keys out of the store. Errors: 0; -errno. */
static int granter_forget(struct granter *g, const struct wgkey *keys, size_t n)
{
	int r = n ? leasedb_begin(g->db) : 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = leasedb_remove(g->db, &keys[i]);
	if (r == 0 && n)
		r = leasedb_commit(g->db);
	if (r < 0)
		snprintf(g->error, sizeof(g->error), "%s", leasedb_error(g->db));
	leasedb_rollback(g->db);
	return r;
}

int granter_expire(struct granter *g, uint64_t now_wall, size_t *ret_n)
{
	struct wgkey keys[GRANTER_EXPIRE_MAX];
	size_t n = 0;
	int r = leasedb_list_expired(g->db, now_wall, ARRAY_SIZE(keys), keys, &n);

	if (r < 0)
		snprintf(g->error, sizeof(g->error), "%s", leasedb_error(g->db));
	if (r == 0)
		r = granter_forget(g, keys, n);
	if (r == 0 && n)
		r = wgdev_remove_peers(g->conf->interface, keys, n);
	if (r == 0)
		*ret_n = n;
	return r;
}

void granter_deny(struct granter *g, const struct denylist *deny)
{
	g->deny = deny;
	g->swept = (struct wgkey){ 0 };
}

/* Finds who is listed among the @n leases looked at. Gives how many of them were compared: fewer
 * when @ret is full. */
static size_t granter_pick(const struct granter *g, size_t n, struct granter_cuts *ret)
{
	size_t i;

	for (i = 0; i < n && ret->n < GRANTER_EXPIRE_MAX; i++) {
		const struct gate_lease *lease = &g->looked[i];
		const char *by = denylist_find(g->deny, lease->principal, lease->instance_id,
					       lease->serial);

		if (!by)
			continue;
		ret->keys[ret->n] = lease->key;
		ret->leases[ret->n] = lease;
		ret->by[ret->n++] = by;
	}
	return i;
}

/* The peers first: a disk that is full must not keep a tunnel up. */
int granter_sweep(struct granter *g, granter_cut_fn *cut, void *ctx, bool *ret_more)
{
	struct granter_cuts cuts = { .n = 0 };
	size_t n = 0, n_seen;
	int r = leasedb_list_after(g->db, &g->swept, GRANTER_SWEEP_MAX, g->looked, &n);

	if (r < 0) {
		snprintf(g->error, sizeof(g->error), "%s", leasedb_error(g->db));
		return GRANTER_E_UNREAD;
	}
	n_seen = granter_pick(g, n, &cuts);
	if (cuts.n)
		r = wgdev_remove_peers(g->conf->interface, cuts.keys, cuts.n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cuts.n; i++)
		cut(cuts.leases[i], cuts.by[i], ctx);
	if (n_seen)
		g->swept = g->looked[n_seen - 1].key;
	*ret_more = n_seen < n || n == GRANTER_SWEEP_MAX;
	return granter_forget(g, cuts.keys, cuts.n) < 0 ? GRANTER_E_STORE : 0;
}

void granter_free(struct granter *g)
{
	if (!g)
		return;
	if (g->items)
		secret_wipe_bytes(g->items, g->n_items * sizeof(*g->items));
	free(g->items);
	free(g->peers);
	free(g->gone);
	free(g->looked);
	free(g);
}

void granter_freep(struct granter **p)
{
	granter_free(*p);
}
