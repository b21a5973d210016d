/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/enforcer.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "netpolicy/apply/ktable.h"
#include "netpolicy/boot/closed.h"

#define ENFORCER_LOOKS 64 /* readings while others commit without a pause */
#define ENFORCER_TRIES 3

int enforcer_open(struct enforcer *ret, bool may_own)
{
	*ret = (struct enforcer){ .may_own = may_own };
	return kernio_open(&ret->k);
}

static void enforcer_report(const struct applier_result *result, struct enforcer_report *ret)
{
	ret->was_current = result->was_current;
	ret->was_replaced |= result->was_replaced;
	ret->was_loaded |= result->was_loaded;
	if (result->n_found && !ret->n_found) {
		ret->n_found = result->n_found;
		snprintf(ret->found, sizeof(ret->found), "%s", result->found);
	}
	snprintf(ret->error, sizeof(ret->error), "%s", result->error);
}

/* The socket that holds the tables is the one that changes them; after each change, for what was
 * made anew belongs to nobody. */
static int enforcer_own(struct enforcer *e)
{
	int r = e->may_own ? applier_own(e->k) : APPLIER_E_NO_OWNER;

	e->is_owner = r == 0;
	return r == -EPERM ? r : 0;
}

/* Sends, and says how often the ruleset changed in between. */
static int enforcer_send(struct enforcer *e, const struct batchfile *f,
			 struct enforcer_report *report, uint32_t *ret_changes)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	const struct kdump *want = f->expected.n ? &f->expected : NULL;
	uint32_t before, after = 0;
	int r = kernio_generation(e->k, &before);
	bool is_known = r == 0;

	*ret_changes = 0;
	if (r < 0)
		return r;
	/* Events tell us when ours are touched, so that strangers' commits may come in between. */
	r = want ? applier_hold(e->k, f->batch, f->batch_len, want, &result) :
		   applier_apply(e->k, f->batch, f->batch_len, NULL, &result);
	enforcer_report(&result, report);
	if (r < 0)
		return r;
	e->n_pending = result.n_pending;
	memcpy(e->pending, result.pending, sizeof(e->pending));
	/* Unless both are known nothing is learned from it. */
	if (is_known && kernio_generation(e->k, &after) == 0)
		*ret_changes = after - before;
	return r;
}

/* Reads what one batch of ours and nobody else's led to. */
static int enforcer_learn(struct enforcer *e, struct batchfile *f, uint32_t changes)
{
	_cleanup_(kdump_release) struct kdump have = { 0 };
	uint32_t before, after;
	int r = kernio_generation(e->k, &before);

	if (r == 0)
		r = kdump_read(e->k, &have);
	if (r == 0)
		r = kernio_generation(e->k, &after);
	if (r < 0)
		return r;
	if (r != 0 || changes != 1 || before != after)
		return -EIO;
	kdump_release(&f->expected);
	f->expected = have;
	have = (struct kdump){ 0 };
	return 0;
}

/* Until the kernel shows what it should, or what it shows is surely ours. */
static int enforcer_settle(struct enforcer *e, struct batchfile *f, struct enforcer_report *report,
			   bool *ret_learned)
{
	uint32_t changes = 0;
	int r = -EIO;

	*ret_learned = false;
	for (int i = 0; i < ENFORCER_TRIES && r == -EIO; i++) {
		bool is_unknown = !f->expected.n;

		r = enforcer_send(e, f, report, &changes);
		if (r == APPLIER_E_DRIFT || (r == 0 && is_unknown)) {
			r = enforcer_learn(e, f, changes);
			*ret_learned = r == 0;
		}
	}
	return r;
}

/* What was enforced before is put back as well as it goes. */
static void enforcer_restore(struct enforcer *e)
{
	struct enforcer_report ignored = { 0 };
	uint32_t changes;

	if (e->law.batch && enforcer_send(e, &e->law, &ignored, &changes) != 0)
		e->is_intact = false;
}

int enforcer_load(struct enforcer *e, struct batchfile *f, struct enforcer_report *ret_report)
{
	bool is_learned;
	int r;

	*ret_report = (struct enforcer_report){ 0 };
	r = enforcer_settle(e, f, ret_report, &is_learned);
	/* Without an answer it may be there or not. */
	if (r < 0 && (ret_report->was_loaded || r == -ETIMEDOUT))
		enforcer_restore(e);
	if (r == 0)
		r = enforcer_own(e);
	if (r < 0)
		return r;
	free(f->page);
	f->page = NULL;
	f->page_len = 0;
	batchfile_release(&e->law);
	e->law = *f;
	*f = (struct batchfile){ 0 };
	e->mode = ENFORCER_POLICY;
	e->is_learned = is_learned;
	e->is_intact = true;
	e->looked_s = clk_now_wall();
	/* What reading a large policy took is the system's again. */
	malloc_trim(0);
	return 0;
}

int enforcer_load_closed(struct enforcer *e, struct enforcer_report *ret_report)
{
	_cleanup_(batchfile_release) struct batchfile f = { .about = "the closed policy" };
	int r = batch_check(closed_batch, closed_batch_len, ret_report->error);

	if (r < 0)
		return r;
	f.batch = malloc(closed_batch_len);
	if (!f.batch)
		return -ENOMEM;
	memcpy(f.batch, closed_batch, closed_batch_len);
	f.batch_len = closed_batch_len;
	r = enforcer_load(e, &f, ret_report);
	if (r == 0) {
		e->mode = ENFORCER_CLOSED;
		e->is_learned = false; /* there was nothing else to compare with */
	}
	return r;
}

/* Base chains that drop at input, forward and output, where ours stand. */
static bool enforcer_looks_closed(const struct kdump *have)
{
	static const char *const labels[] = { "hook 1 priority -10 policy drop",
					      "hook 2 priority -10 policy drop",
					      "hook 3 priority -10 policy drop" };
	char scratch[KDUMP_LABEL_MAX];
	unsigned int seen = 0;

	for (size_t i = 0; i < have->n; i++) {
		const char *label;

		if (have->list[i].kind != KDUMP_CHAIN || have->list[i].is_guard)
			continue;
		label = kdump_label(have, &have->list[i], scratch);
		for (unsigned int j = 0; j < ARRAY_SIZE(labels); j++)
			seen |= strcmp(label, labels[j]) ? 0 : 1U << j;
	}
	return seen == 7;
}

/* Whoever commits all the time interrupts even a short reading, but not each of many. */
static int enforcer_see(struct enforcer *e, struct kdump *have, struct ktable tables[static 2])
{
	int r = kdump_read(e->k, have);

	if (r == -EBUSY)
		r = KERNIO_E_CHANGED;
	for (int i = 0; i < ENFORCER_LOOKS && r == KERNIO_E_CHANGED; i++)
		r = kdump_read_once(e->k, true, have);
	if (r == 0)
		r = KERNIO_E_CHANGED;
	for (int i = 0; i < ENFORCER_LOOKS && r == KERNIO_E_CHANGED; i++)
		r = ktable_read(e->k, tables);
	return r == KERNIO_E_CHANGED ? -EBUSY : r;
}

static int enforcer_look_blind(struct enforcer *e, struct enforcer_report *ret)
{
	_cleanup_(kdump_release) struct kdump have = { 0 };
	struct ktable tables[2];
	int r = enforcer_see(e, &have, tables);

	*ret = (struct enforcer_report){ 0 };
	if (r < 0)
		return r;
	e->looked_s = clk_now_wall();
	/* Chains of a table that sleeps drop nothing. */
	e->is_intact = enforcer_looks_closed(&have) && !(tables[0].flags & NFT_TABLE_F_DORMANT);
	ret->was_current = e->is_intact;
	if (e->is_intact)
		return enforcer_own(e);
	r = enforcer_load_closed(e, ret);
	ret->n_found = 1;
	snprintf(ret->found, sizeof(ret->found), "inet " BATCH_TABLE ": no closed rules are there");
	return r;
}

int enforcer_begin_blind(struct enforcer *e, struct enforcer_report *ret_report)
{
	e->mode = ENFORCER_BLIND;
	return enforcer_look_blind(e, ret_report);
}

int enforcer_repair(struct enforcer *e, struct enforcer_report *ret)
{
	uint32_t changes;
	int r;

	*ret = (struct enforcer_report){ 0 };
	if (e->mode == ENFORCER_BLIND)
		return enforcer_look_blind(e, ret);
	r = enforcer_send(e, &e->law, ret, &changes);
	e->looked_s = clk_now_wall();
	e->is_intact = r == 0;
	if (r == 0 && (!ret->was_current || !e->is_owner))
		r = enforcer_own(e);
	return r == APPLIER_E_DRIFT ? -EIO : r;
}

const struct batchfile_grant *enforcer_grant(const struct enforcer *e, const char *name)
{
	for (size_t i = 0; i < e->law.n_grants; i++)
		if (!strcmp(e->law.grants[i].name, name))
			return &e->law.grants[i];
	return NULL;
}

bool enforcer_guards(const struct enforcer *e, const char *device)
{
	char chain[IFNAMSIZ + 16];

	snprintf(chain, sizeof(chain), "egress_%s", device);
	return kdump_find(&e->law.expected, KDUMP_CHAIN, true, chain);
}

void enforcer_close(struct enforcer *e)
{
	batchfile_release(&e->law);
	kernio_closep(&e->k);
}
