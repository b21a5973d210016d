/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/changeset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/setwords.h"

/* One reading of the difference: which of two policies lets more through. */
struct changeset {
	struct termset *side, *other; /* of the one that accepts, of the one that does not */
	bool newly_allowed;
	bdd more; /* what the side accepts and the other does not */
	bdd same; /* what both accept, or neither */
	struct setwords *words;
	struct prove_changes *ret;
	/* Of the set that is just put into words. */
	bdd like, piece;
	const struct terms_item *item;
	char suffix[POLICY_NAME_MAX + 32];
};

/* What a difference is not about. */
static bdd changeset_forget(struct space *s, bdd set)
{
	static const enum space_field noise[] = { SPACE_GRANTS, SPACE_FACTS, SPACE_HOP, SPACE_CT,
						  SPACE_SOCKET };

	for (size_t i = 0; i < ARRAY_SIZE(noise); i++)
		set = space_forget(s, set, noise[i]);
	return set;
}

/* Plain packets: no facts, that word of conntrack, and just those grants. */
static bdd changeset_plain(struct space *s, enum terms_ct ct, uint32_t grants)
{
	bdd set = bdd_and(s->m, space_value(s, SPACE_CT, ct), space_value(s, SPACE_FACTS, 0));

	return bdd_and(s->m, set, space_value(s, SPACE_GRANTS, grants));
}

/* In the numbers of the policy itself. */
static uint32_t changeset_grants(const struct termset *set, uint32_t bits)
{
	uint32_t grants = 0;

	for (size_t i = 0; i < set->terms->policy->n_grants; i++)
		grants |= (bits >> termset_grant_bit(set, i) & 1) << i;
	return grants;
}

static void changeset_take(void *ctx, bdd part, const char *text)
{
	struct changeset *c = ctx;
	struct space *s = c->side->space;
	bdd shown = bdd_and(s->m, c->piece, part);
	struct prove_change *change;

	/* Only what has been added to make the sentence shorter. */
	if (shown == BDD_FALSE)
		return;
	if (c->ret->n == PROVE_CHANGES_MAX) {
		c->ret->n_left_out++;
		return;
	}
	change = &c->ret->list[c->ret->n++];
	change->newly_allowed = c->newly_allowed;
	snprintf(change->set, sizeof(change->set), "%.*s%s",
		 (int)(sizeof(change->set) - 1 - strlen(c->suffix)), text, c->suffix);
	memcpy(change->because, c->item->where, sizeof(change->because));
	space_pick(s, shown, &change->example);
	change->example.grants = changeset_grants(c->newly_allowed ? c->side : c->other,
						  change->example.grants);
}

/* With what the same term fits and implied terms decide alike in both policies, at the same places:
 * "allow any" is one sentence, although ICMPv6 errors have always passed. @earlier: packets that
 * implied terms took before it. */
static bdd changeset_fill(struct changeset *c, enum termset_list which, size_t i, bdd earlier)
{
	static const enum space_field kept[] = { SPACE_DIR, SPACE_LINK, SPACE_FAMILY, SPACE_FAR };
	struct space *s = c->side->space;
	bdd more = bdd_and(s->m, c->side->fits[which][i], c->same), places = c->piece;

	more = bdd_and(s->m, more, earlier);
	for (enum space_field f = 0; f < SPACE_FIELDS; f++)
		if (f != kept[0] && f != kept[1] && f != kept[2] && f != kept[3])
			places = space_forget(s, places, f);
	return bdd_or(s->m, c->piece, bdd_and(s->m, more, places));
}

/* One term's part of what differs, but for @known. */
static int changeset_term(struct changeset *c, enum termset_list which, size_t i, bdd earlier,
			  bdd known)
{
	struct space *s = c->side->space;
	bdd set;

	if (c->item->verdict != TERMS_ACCEPT || c->piece == BDD_FALSE ||
	    bdd_diff(s->m, changeset_forget(s, c->piece), known) == BDD_FALSE)
		return 0;
	set = bdd_and(s->m, changeset_fill(c, which, i, earlier), c->like);
	set = bdd_diff(s->m, changeset_forget(s, set), known);
	return setwords_split(c->words, set, c->item->match.far, changeset_take, c);
}

/* What differs for packets of @like, line by line, but for @known. */
static int changeset_lines(struct changeset *c, bdd like, bdd known)
{
	struct space *s = c->side->space;
	bdd differ = bdd_and(s->m, c->more, like);

	c->like = like;

	for (enum termset_list which = TERMSET_IN; which <= TERMSET_OUT; which++) {
		const struct terms_list *list = termset_terms(c->side->terms, which);

		bdd earlier = BDD_FALSE;

		for (size_t i = 0; i < list->n && differ != BDD_FALSE; i++) {
			bdd reaches = c->side->reaches[which][i];
			int r;

			c->item = &list->list[i];
			c->piece = bdd_and(s->m, differ, reaches);
			r = changeset_term(c, which, i, earlier, known);
			if (r < 0)
				return r;
			if (!c->item->where[0])
				earlier = bdd_or(s->m, earlier, reaches);
		}
	}
	return space_failed(s);
}

static int changeset_live_grants(struct changeset *c, bdd known)
{
	const struct policy *p = c->side->terms->policy;
	int r = 0;

	for (size_t i = 0; i < p->n_grants && r == 0; i++) {
		uint32_t bit = 1u << termset_grant_bit(c->side, i);

		snprintf(c->suffix, sizeof(c->suffix), ", with a live grant %s", p->grants[i].name);
		r = changeset_lines(c, changeset_plain(c->side->space, TERMS_NEW, bit), known);
	}
	return r;
}

/* A connection is established only when its first packet passed, so what is newly allowed for
 * established ones says nothing new; what is newly denied cuts them. */
static int changeset_read(struct changeset *c)
{
	struct space *s = c->side->space;
	bdd first = changeset_plain(s, TERMS_NEW, 0), known;
	int r;

	c->more = bdd_diff(s->m, c->side->allowed, c->other->allowed);
	c->same = bdd_not(s->m, bdd_or(s->m, c->more,
				       bdd_diff(s->m, c->other->allowed, c->side->allowed)));
	known = changeset_forget(s, bdd_and(s->m, c->more, first));
	r = changeset_lines(c, first, BDD_FALSE);
	if (r == 0)
		r = changeset_live_grants(c, known);
	if (r < 0 || c->newly_allowed)
		return r;
	snprintf(c->suffix, sizeof(c->suffix), ", established connections only");
	return changeset_lines(c, changeset_plain(s, TERMS_ESTABLISHED, 0), known);
}

int changeset_list(struct termset *before, struct termset *after, struct prove_changes *ret)
{
	_cleanup_(setwords_release) struct setwords words = { 0 };
	const struct terms *const terms[] = { after->terms, before->terms };
	struct changeset allowed = { .side = after, .other = before, .newly_allowed = true };
	struct changeset denied = { .side = before, .other = after };
	int r;

	*ret = (struct prove_changes){ 0 };
	ret->list = calloc(PROVE_CHANGES_MAX, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	r = setwords_init(&words, before->space, terms, ARRAY_SIZE(terms));
	if (r == 0)
		r = termset_reach(before);
	if (r == 0)
		r = termset_reach(after);
	if (r < 0)
		return r;
	allowed.words = denied.words = &words;
	allowed.ret = denied.ret = ret;
	r = changeset_read(&allowed);
	return r < 0 ? r : changeset_read(&denied);
}
