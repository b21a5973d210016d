/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/deadrule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is known of each line. */
struct deadrule {
	struct termset *set;
	struct prove_deads *ret;
	uint8_t *is_gone;   /* owned; by rule */
	uint8_t *is_seen;   /* owned; packets fit a term of it */
	uint8_t *is_alive;  /* owned; packets reach a term of it */
	uint8_t *is_needed; /* owned; some of them are accepted by nothing that is later */
};

static void deadrule_release(struct deadrule *d)
{
	free(d->is_gone);
	free(d->is_seen);
	free(d->is_alive);
	free(d->is_needed);
}

static int deadrule_init(struct deadrule *d, size_t n)
{
	n = n ? n : 1;
	d->is_gone = calloc(n, 1);
	d->is_seen = calloc(n, 1);
	d->is_alive = calloc(n, 1);
	d->is_needed = calloc(n, 1);
	return d->is_gone && d->is_seen && d->is_alive && d->is_needed ? 0 : -ENOMEM;
}

/* From the end of the list: what the terms behind each accept. */
static void deadrule_look(struct deadrule *d, enum termset_list which)
{
	const struct terms_list *list = termset_terms(d->set->terms, which);
	struct bdd_manager *m = d->set->space->m;
	bdd later = BDD_FALSE;

	for (size_t i = list->n; i-- > 0;) {
		const struct terms_item *item = &list->list[i];
		bdd fits = d->set->fits[which][i], reaches = d->set->reaches[which][i];

		if (item->rule != POLICY_NONE && which != TERMSET_GUARD) {
			d->is_seen[item->rule] |= fits != BDD_FALSE;
			d->is_alive[item->rule] |= reaches != BDD_FALSE;
			d->is_needed[item->rule] |= bdd_diff(m, reaches, later) != BDD_FALSE;
		}
		/* What decides nothing accepts nothing either. */
		if (item->verdict == TERMS_ACCEPT && reaches != BDD_FALSE)
			later = bdd_or(m, later, fits);
		else if (reaches != BDD_FALSE)
			later = bdd_diff(m, later, fits);
	}
}

/* The term of a written line, other than @rule, that fits all of @packets. */
static const char *deadrule_cover(struct deadrule *d, size_t rule, bdd packets,
				  enum termset_list which)
{
	const struct terms_list *list = termset_terms(d->set->terms, which);

	for (size_t i = 0; i < list->n; i++) {
		const struct terms_item *item = &list->list[i];

		if (!item->where[0] || item->rule == rule || item->verdict != TERMS_ACCEPT ||
		    (item->rule != POLICY_NONE && d->is_gone[item->rule]))
			continue;
		if (bdd_diff(d->set->space->m, packets, d->set->fits[which][i]) == BDD_FALSE)
			return item->where;
	}
	return NULL;
}

/* One line that stands for all of @rule, when there is one. */
static void deadrule_because(struct deadrule *d, struct prove_dead *dead)
{
	enum termset_list which = d->set->terms->policy->rules[dead->rule].dir == POLICY_IN ?
					  TERMSET_IN :
					  TERMSET_OUT;
	const struct terms_list *list = termset_terms(d->set->terms, which);
	bdd packets = BDD_FALSE;
	const char *where;

	for (size_t i = 0; i < list->n; i++)
		if (list->list[i].rule == dead->rule)
			packets = bdd_or(d->set->space->m, packets,
					 dead->is_redundant ? d->set->reaches[which][i] :
							      d->set->fits[which][i]);
	where = packets == BDD_FALSE ? NULL : deadrule_cover(d, dead->rule, packets, which);
	if (where)
		memcpy(dead->because, where, sizeof(dead->because));
}

static void deadrule_add(struct deadrule *d, struct prove_dead dead)
{
	d->is_gone[dead.rule] = 1;
	deadrule_because(d, &dead);
	d->ret->list[d->ret->n++] = dead;
}

static void deadrule_find(struct deadrule *d)
{
	size_t n = d->set->terms->policy->n_rules;

	for (size_t i = 0; i < n; i++)
		if (!d->is_alive[i])
			deadrule_add(d,
				     (struct prove_dead){ .rule = i, .is_never = !d->is_seen[i] });
	for (size_t i = 0; i < n; i++) {
		if (!d->is_alive[i] || d->is_needed[i])
			continue;
		d->is_gone[i] = 1;
		if (termset_allowed_without(d->set, d->is_gone) == d->set->allowed)
			deadrule_add(d, (struct prove_dead){ .rule = i, .is_redundant = true });
		else
			d->is_gone[i] = 0;
	}
}

int deadrule_list(struct termset *set, struct prove_deads *ret)
{
	_cleanup_(deadrule_release) struct deadrule d = { .set = set, .ret = ret };
	size_t n = set->terms->policy->n_rules;
	int r = deadrule_init(&d, n);

	*ret = (struct prove_deads){ 0 };
	ret->list = calloc(n ? n : 1, sizeof(*ret->list));
	if (r < 0 || !ret->list)
		return -ENOMEM;
	r = termset_reach(set);
	if (r < 0)
		return r;
	for (enum termset_list which = 0; which < TERMSET_LISTS; which++)
		deadrule_look(&d, which);
	deadrule_find(&d);
	return space_failed(set->space);
}
