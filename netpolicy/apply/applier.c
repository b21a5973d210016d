/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/applier.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "netpolicy/apply/outbox.h"
#include "netpolicy/apply/ktable.h"

#define APPLIER_TRIES 64 /* rounds while another program changes the ruleset, of about 1 ms */

#define APPLIER_SURE_TRIES 2 /* of applier_hold() */

/* What to load. */
struct applier_job {
	const void *batch;
	size_t len;
	const struct kdump *want;
	bool holds; /* applier_hold() */
};

/* One attempt to load. */
struct applier_run {
	struct outbox *out;
	const struct kdump *have;
	struct ktable tables[2]; /* ours and the guard's, as the kernel has them */
	bool skips_guard;        /* it is as it should be */
	bool skips_pending;      /* chains of the guard whose device does not exist */
	bool replaces;           /* our table goes and comes in one transaction */
	bool lacks_persist;      /* this kernel refuses the flag */
	struct applier_result *result;
};

static bool applier_is_pending(const struct applier_result *result, const char *device)
{
	for (size_t i = 0; i < result->n_pending; i++)
		if (!strcmp(result->pending[i], device))
			return true;
	return false;
}

static void applier_note_pending(struct applier_result *result, const char *device)
{
	if (result->n_pending < APPLIER_DEVICES_MAX && !applier_is_pending(result, device))
		snprintf(result->pending[result->n_pending++], IFNAMSIZ, "%s", device);
}

/* Chains of the guard are named after their device. */
static const char *applier_chain_device(const char *chain)
{
	static const char prefix[] = "egress_";

	return strncmp(chain, prefix, sizeof(prefix) - 1) ? NULL : chain + sizeof(prefix) - 1;
}

static bool applier_lacks_device(const char *chain)
{
	const char *device = chain ? applier_chain_device(chain) : NULL;

	return device && !if_nametoindex(device);
}

static bool applier_is_chain_message(int type)
{
	return type == NFT_MSG_NEWCHAIN || type == NFT_MSG_NEWRULE || type == NFT_MSG_DELRULE;
}

/* A table keeps the flags of ownership that it has, and is never dormant; a new one gets persist,
 * which cannot be given later. */
static uint32_t applier_flags(const struct applier_run *run, bool is_guard)
{
	const struct ktable *table = &run->tables[is_guard];
	uint32_t kept = table->flags & (KTABLE_OWNER | KTABLE_PERSIST);

	if (table->exists && (!run->replaces || (kept & KTABLE_OWNER)))
		return kept;
	return run->lacks_persist ? 0 : KTABLE_PERSIST;
}

static int applier_copy(const struct batch_msg *msg, void *ctx)
{
	struct applier_run *run = ctx;

	if (msg->is_guard && run->skips_guard)
		return 0;
	if (msg->is_guard && run->skips_pending && applier_is_chain_message(msg->type) &&
	    applier_lacks_device(msg->name)) {
		applier_note_pending(run->result, applier_chain_device(msg->name));
		return 0;
	}
	if (msg->type == NFT_MSG_NEWTABLE)
		outbox_copy_table(run->out, msg->nlh, applier_flags(run, msg->is_guard));
	else
		outbox_copy(run->out, msg->nlh);
	return 0;
}

/* What is in the kernel's tables and not in @want. */
static bool applier_is_stale(const struct applier_run *run, const struct kdump *want,
			     const struct kdump_record *r)
{
	bool is_object = r->kind == KDUMP_CHAIN || r->kind == KDUMP_SET || r->kind == KDUMP_OBJ ||
			 r->kind == KDUMP_FLOWTABLE;

	if (!is_object || !want || (r->is_guard ? run->skips_guard : run->replaces))
		return false;
	return !kdump_find(want, r->kind, r->is_guard, kdump_holder(run->have, r));
}

static const struct {
	enum kdump_kind kind;
	int empty; /* message that takes the content; 0 = has none */
	uint16_t empty_attr;
	int remove;
	uint16_t remove_attr;
	uint16_t detail_attr;
} applier_ways[] = {
	{ KDUMP_CHAIN, NFT_MSG_DELRULE, NFTA_RULE_CHAIN, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, 0 },
	{ KDUMP_SET, NFT_MSG_DELSETELEM, NFTA_SET_ELEM_LIST_SET, NFT_MSG_DELSET, NFTA_SET_NAME, 0 },
	{ KDUMP_OBJ, 0, 0, NFT_MSG_DELOBJ, NFTA_OBJ_NAME, NFTA_OBJ_TYPE },
	{ KDUMP_FLOWTABLE, 0, 0, NFT_MSG_DELFLOWTABLE, NFTA_FLOWTABLE_NAME, 0 },
};

/* Takes the content of what vanished (@removes false), or the emptied things themselves. */
static void applier_sweep(struct applier_run *run, const struct kdump *want, enum kdump_kind kind,
			  bool removes)
{
	size_t way = 0;

	while (applier_ways[way].kind != kind)
		way++;
	for (size_t i = 0; i < run->have->n; i++) {
		const struct kdump_record *r = &run->have->list[i];
		struct outbox_delete what = { .is_guard = r->is_guard };

		if (r->kind != kind || !applier_is_stale(run, want, r))
			continue;
		what.name = kdump_holder(run->have, r);
		what.type = removes ? applier_ways[way].remove : applier_ways[way].empty;
		what.attr = removes ? applier_ways[way].remove_attr : applier_ways[way].empty_attr;
		what.detail_attr = removes ? applier_ways[way].detail_attr : 0;
		what.detail = r->detail;
		if (what.type)
			outbox_delete(run->out, &what);
	}
}

static void applier_delete_table(struct outbox *out, bool is_guard)
{
	struct outbox_delete what = { .type = NFT_MSG_NEWTABLE, .is_guard = is_guard };

	/* First make sure that it exists: deleting what is absent is an error. */
	outbox_delete(out, &what);
	what.type = NFT_MSG_DELTABLE;
	outbox_delete(out, &what);
}

/* Everything for one transaction: out with what vanished, in with the batch. */
static int applier_assemble(struct applier_run *run, const struct applier_job *job)
{
	const struct kdump *want = job->want;
	int r;

	if (run->replaces)
		applier_delete_table(run->out, false);
	if (run->replaces && !run->skips_guard)
		applier_delete_table(run->out, true);
	applier_sweep(run, want, KDUMP_CHAIN, false);
	applier_sweep(run, want, KDUMP_SET, false);
	r = batch_walk(job->batch, job->len, applier_copy, run, run->result->error);
	applier_sweep(run, want, KDUMP_SET, true);
	applier_sweep(run, want, KDUMP_CHAIN, true);
	applier_sweep(run, want, KDUMP_OBJ, true);
	applier_sweep(run, want, KDUMP_FLOWTABLE, true);
	return r < 0 ? r : outbox_end(run->out);
}

static void applier_explain(const struct outbox *out, uint32_t seq, int error,
			    struct applier_result *result)
{
	const struct nlmsghdr *nlh = outbox_find(out, seq);
	char what[BATCH_ERROR_MAX] = "a change", ignored[BATCH_ERROR_MAX];
	struct batch_msg msg;

	if (nlh && batch_parse(nlh, &msg, ignored) == 0)
		batch_describe(&msg, what);
	snprintf(result->error, sizeof(result->error), "%.180s: %s", what, strerror(-error));
}

/* The generation for which what follows holds, unless @ret_generation is NULL, and our tables as
 * they are in it: -EPERM when somebody else owns one. */
static int applier_look(struct kernio *k, struct ktable ret[static 2], uint32_t *ret_generation)
{
	int r = ret_generation ? kernio_generation(k, ret_generation) : 0;

	if (r == 0)
		r = ktable_read(k, ret);
	return r == 0 && ktable_is_taken(ret, kernio_port(k)) ? -EPERM : r;
}

/* Reads, assembles, sends. */
static int applier_try(struct kernio *k, struct applier_run *run, const struct applier_job *job)
{
	_cleanup_(outbox_release) struct outbox out = { 0 };
	uint32_t generation = 0, seq = 0;
	int r = applier_look(k, run->tables, run->result->is_unsure ? NULL : &generation);

	/* What is sent follows from what was read: a change since then must refuse it. */
	if (job->want)
		generation = run->have->generation;
	run->result->is_owned = ktable_is_taken(run->tables, kernio_port(k));
	if (run->result->is_owned)
		snprintf(run->result->error, sizeof(run->result->error),
			 "another process owns our tables");
	if (r != 0)
		return r;
	out = outbox_begin(generation);
	run->out = &out;
	r = applier_assemble(run, job);
	if (r == 0)
		r = kernio_commit(k, out.bytes, out.len, &seq);
	if (r < 0 && out.len)
		applier_explain(&out, seq, r, run->result);
	return r;
}

/* What keeps a batch from going in in place: something of ours has another type. */
static bool applier_is_conflict(int r)
{
	return r == -EEXIST || r == -EOPNOTSUPP || r == -EBUSY || r == -EINVAL || r == -ENOTEMPTY;
}

/* True when a table would be made with a flag that kernels before 6.9 do not know. */
static bool applier_may_lack_persist(const struct applier_run *run)
{
	return !run->lacks_persist &&
	       (run->replaces || !run->tables[0].exists || !run->tables[1].exists);
}

/* From the gentlest way to the last: in place; without a flag that is too new; without guards that
 * have no device yet; anew. */
static int applier_ladder(struct kernio *k, struct applier_run *run, const struct applier_job *job)
{
	int r = applier_try(k, run, job);

	if (r == -EOPNOTSUPP && applier_may_lack_persist(run)) {
		run->lacks_persist = true;
		r = applier_try(k, run, job);
	}
	if (r == -ENOENT && !run->skips_pending) {
		run->skips_pending = true;
		r = applier_try(k, run, job);
	}
	if (applier_is_conflict(r)) {
		run->replaces = true;
		r = applier_try(k, run, job);
		run->result->was_replaced = r == 0;
	}
	run->result->was_loaded = r == 0;
	if (r == 0)
		run->result->error[0] = '\0';
	return r;
}

static bool applier_is_same(const struct kdump *a, const struct kdump_record *of_a,
			    const struct kdump *b, const struct kdump_record *of_b)
{
	return of_a->len == of_b->len &&
	       !memcmp(a->bytes + of_a->data, b->bytes + of_b->data, of_a->len);
}

/* A guard that waits for its device is not missing; nor is one changed from which the kernel took
 * the device that went (Linux 6.4 to 6.15: the chain stays, and hooks nothing). */
static bool applier_is_forgiven(const struct kdump *want, const struct kdump *have,
				const struct kdump_record *r)
{
	const struct kdump_record *there;

	if (r->kind != KDUMP_CHAIN || !r->is_guard || !applier_lacks_device(kdump_holder(want, r)))
		return false;
	there = kdump_find(have, KDUMP_CHAIN, true, kdump_holder(want, r));
	return !there || !applier_is_same(want, r, have, there);
}

/* Takes what waits out of both, which are copies: by its names, for the copies shrink. */
static void applier_forgive(const struct kdump *want, const struct kdump *have,
			    struct kdump *want_copy, struct kdump *have_copy,
			    struct applier_result *ret)
{
	for (size_t i = 0; i < want->n; i++) {
		const char *name = kdump_holder(want, &want->list[i]);

		if (!applier_is_forgiven(want, have, &want->list[i]))
			continue;
		applier_note_pending(ret, applier_chain_device(name));
		kdump_drop_chain(want_copy, true, name);
		kdump_drop_chain(have_copy, true, name);
	}
}

static bool applier_has_pending(const struct kdump *want, const struct kdump *have)
{
	for (size_t i = 0; i < want->n; i++)
		if (applier_is_forgiven(want, have, &want->list[i]))
			return true;
	return false;
}

static int applier_compare_rest(const struct kdump *want, const struct kdump *have,
				struct applier_result *ret)
{
	_cleanup_(kdump_release) struct kdump want_copy = { 0 };
	_cleanup_(kdump_release) struct kdump have_copy = { 0 };
	int r = kdump_copy(want, &want_copy);

	if (r == 0)
		r = kdump_copy(have, &have_copy);
	if (r < 0)
		return r;
	applier_forgive(want, have, &want_copy, &have_copy, ret);
	return kdiff_compare(&want_copy, &have_copy, &ret->diff);
}

/* Compares what was read with what should be. Releases an older difference. */
static int applier_compare(const struct kdump *want, const struct kdump *have,
			   struct applier_result *ret)
{
	int r;

	ret->n_pending = 0;
	kdiff_release(&ret->diff);
	r = applier_has_pending(want, have) ? applier_compare_rest(want, have, ret) :
					      kdiff_compare(want, have, &ret->diff);
	if (r < 0)
		return r;
	return ret->diff.differs[0] || ret->diff.differs[1] ? APPLIER_E_DRIFT : 0;
}

/* Keeps what was found, for whoever wants to say why anything was sent. */
static void applier_keep_found(struct applier_result *ret)
{
	const char *text = ret->diff.lines.text ? ret->diff.lines.text : "";

	snprintf(ret->found, sizeof(ret->found), "%.*s", (int)strcspn(text, "\n"), text);
	ret->n_found = ret->diff.n;
}

int applier_check(struct kernio *k, const struct kdump *want, struct applier_result *ret)
{
	_cleanup_(kdump_release) struct kdump have = { 0 };
	int r;

	*ret = (struct applier_result){ 0 };
	r = kdump_read(k, &have);
	return r < 0 ? r : applier_compare(want, &have, ret);
}

static int applier_read(struct kernio *k, const struct applier_job *job, struct kdump *have,
			struct applier_result *ret)
{
	return job->holds ? kdump_read_once(k, ret->is_unsure, have) : kdump_read(k, have);
}

static int applier_read_back(struct kernio *k, const struct applier_job *job,
			     struct applier_result *ret)
{
	_cleanup_(kdump_release) struct kdump have = { 0 };
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < APPLIER_TRIES && r == KERNIO_E_CHANGED; i++) {
		ret->is_unsure |= job->holds && i >= APPLIER_SURE_TRIES;
		r = applier_read(k, job, &have, ret);
	}
	if (r == KERNIO_E_CHANGED)
		return -EBUSY;
	return r < 0 ? r : applier_compare(job->want, &have, ret);
}

/* One round: read what is there, load what is missing. */
static int applier_round(struct kernio *k, const struct applier_job *job,
			 struct applier_result *ret)
{
	_cleanup_(kdump_release) struct kdump have = { 0 };
	const struct kdump *want = job->want;
	struct applier_run run = { .have = &have,
				   .result = ret,
				   .lacks_persist = !ktable_knows_persist() };
	int r = want ? applier_read(k, job, &have, ret) : 0;

	if (r == KERNIO_E_CHANGED)
		return r;
	if (r == 0 && want)
		r = applier_compare(want, &have, ret);
	if (r == APPLIER_E_DRIFT)
		applier_keep_found(ret);
	ret->was_current = r == 0 && want && ret->n_pending == 0;
	if (r < 0 || ret->was_current)
		return r;
	run.skips_guard = want && !ret->diff.differs[1] && ret->n_pending == 0;
	r = applier_ladder(k, &run, job);
	/* Without a generation, what was to be swept may have gone. */
	return r == -ENOENT && ret->is_unsure ? KERNIO_E_CHANGED : r;
}

static int applier_do(struct kernio *k, const struct applier_job *job, struct applier_result *ret)
{
	int r = KERNIO_E_CHANGED;

	*ret = (struct applier_result){ 0 };
	for (int i = 0; i < APPLIER_TRIES && r == KERNIO_E_CHANGED; i++) {
		ret->is_unsure = job->holds && i >= APPLIER_SURE_TRIES;
		r = applier_round(k, job, ret);
	}
	if (r == KERNIO_E_CHANGED)
		return -EBUSY;
	return r < 0 || !job->want || ret->was_current ? r : applier_read_back(k, job, ret);
}

int applier_apply(struct kernio *k, const void *batch, size_t len, const struct kdump *want,
		  struct applier_result *ret)
{
	const struct applier_job job = { batch, len, want, false };

	return applier_do(k, &job, ret);
}

int applier_hold(struct kernio *k, const void *batch, size_t len, const struct kdump *want,
		 struct applier_result *ret)
{
	const struct applier_job job = { batch, len, want, true };

	return applier_do(k, &job, ret);
}

static int applier_unload_once(struct kernio *k)
{
	_cleanup_(outbox_release) struct outbox out = { 0 };
	struct ktable tables[2];
	uint32_t generation, seq;
	int r = applier_look(k, tables, &generation);

	if (r != 0)
		return r;
	out = outbox_begin(generation);
	applier_delete_table(&out, false);
	applier_delete_table(&out, true);
	r = outbox_end(&out);
	return r < 0 ? r : kernio_commit(k, out.bytes, out.len, &seq);
}

int applier_unload(struct kernio *k)
{
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < APPLIER_TRIES && r == KERNIO_E_CHANGED; i++)
		r = applier_unload_once(k);
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

/* Whether both can be owned; of one that is not there nothing is asked. */
static int applier_can_own(const struct ktable tables[static 2])
{
	if (!tables[0].exists && !tables[1].exists)
		return -ENOENT;
	for (int i = 0; i < 2; i++)
		if (tables[i].exists && !(tables[i].flags & KTABLE_PERSIST))
			return APPLIER_E_NO_OWNER;
	return 0;
}

/* As applier_look() has refused a stranger's, an owner is we. */
static bool applier_is_owner(const struct ktable tables[static 2])
{
	for (int i = 0; i < 2; i++)
		if (tables[i].exists && !(tables[i].flags & KTABLE_OWNER))
			return false;
	return true;
}

/* One round: looks, and when they are not ours, asks for them; the next round looks again. */
static int applier_own_once(struct kernio *k, bool *ret_owner)
{
	_cleanup_(outbox_release) struct outbox out = { 0 };
	struct ktable tables[2];
	uint32_t generation, seq;
	int r = applier_look(k, tables, &generation);

	if (r == 0)
		r = applier_can_own(tables);
	*ret_owner = r == 0 && applier_is_owner(tables);
	if (r != 0 || *ret_owner)
		return r;
	out = outbox_begin(generation);
	for (int i = 0; i < 2; i++) {
		struct outbox_delete what = { .type = NFT_MSG_NEWTABLE,
					      .is_guard = i == 1,
					      .detail_attr = NFTA_TABLE_FLAGS };

		what.detail = KTABLE_OWNER | KTABLE_PERSIST;
		what.detail |= tables[i].flags & NFT_TABLE_F_DORMANT;
		if (tables[i].exists)
			outbox_delete(&out, &what);
	}
	r = outbox_end(&out);
	if (r == 0)
		r = kernio_commit(k, out.bytes, out.len, &seq);
	return r == -EOPNOTSUPP ? APPLIER_E_NO_OWNER : r;
}

int applier_own(struct kernio *k)
{
	bool is_owner = false;
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < APPLIER_TRIES && !is_owner; i++) {
		r = applier_own_once(k, &is_owner);
		if (r != 0 && r != KERNIO_E_CHANGED)
			return r;
	}
	return is_owner ? 0 : -EBUSY;
}

void applier_release(struct applier_result *result)
{
	kdiff_release(&result->diff);
}
