/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/termset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TERMSET_RUN_MAX 256 /* terms of one verdict that are joined in halves */

const struct terms_list *termset_terms(const struct terms *t, enum termset_list list)
{
	const struct terms_list *const lists[TERMSET_LISTS] = { &t->in, &t->out, &t->guard };

	return lists[list];
}

static bdd termset_types(struct space *s, const struct terms_match *m)
{
	bdd set = m->n_types ? BDD_FALSE : BDD_TRUE;

	for (size_t i = 0; i < m->n_types; i++)
		set = bdd_or(s->m, set, space_value(s, SPACE_TYPE, m->types[i]));
	return set;
}

static bdd termset_port(struct space *s, enum space_field field, const struct policy_port *port)
{
	return port->low ? space_values(s, field, port->low, port->high) : BDD_TRUE;
}

unsigned int termset_grant_bit(const struct termset *set, size_t grant)
{
	const struct policy *p = set->terms->policy, *other = set->beside;

	for (size_t i = 0; other && i < other->n_grants; i++)
		if (!strcmp(other->grants[i].name, p->grants[grant].name))
			return (unsigned int)i;
	return (unsigned int)(other ? POLICY_GRANTS_MAX + grant : grant);
}

bdd termset_grant_live(struct termset *set, size_t grant)
{
	unsigned int last = space_first(SPACE_GRANTS) + space_width(SPACE_GRANTS) - 1;

	return bdd_var(set->space->m, last - termset_grant_bit(set, grant));
}

static bdd termset_grant(struct termset *set, const struct terms_match *m)
{
	bdd live;

	if (m->grant == POLICY_NONE)
		return BDD_TRUE;
	live = termset_grant_live(set, m->grant);
	return m->grant_absent ? bdd_not(set->space->m, live) : live;
}

static bdd termset_facts(struct space *s, uint32_t facts)
{
	bdd set = BDD_TRUE;

	for (unsigned int i = 0; i < TERMS_FACTS; i++)
		if (facts >> i & 1)
			set = bdd_and(s->m, set,
				      bdd_var(s->m,
					      space_first(SPACE_FACTS) + TERMS_FACTS - 1 - i));
	return set;
}

/* What is asked of the addresses. */
static bdd termset_ends(struct space *s, const struct terms_match *m)
{
	bdd set = m->far ? space_net(s, m->far) : BDD_TRUE;

	if (m->far_in)
		set = bdd_and(s->m, set, space_prefixes(s, SPACE_FAR, m->far_in));
	if (m->near_in)
		set = bdd_and(s->m, set, space_prefixes(s, SPACE_NEAR, m->near_in));
	return set;
}

/* What is asked of the head of the transport. */
static bdd termset_head(struct space *s, const struct terms_match *m, enum policy_dir dir)
{
	bdd set = m->proto ? space_value(s, SPACE_PROTO, m->proto) : BDD_TRUE;

	set = bdd_and(s->m, set, termset_types(s, m));
	set = bdd_and(s->m, set, termset_port(s, SPACE_FAR_PORT, &m->far_ports));
	set = bdd_and(s->m, set, termset_port(s, SPACE_NEAR_PORT, &m->near_ports));
	if (m->ports)
		set = bdd_and(s->m, set,
			      space_ports(s, dir == POLICY_IN ? SPACE_NEAR_PORT : SPACE_FAR_PORT,
					  m->ports));
	return set;
}

static bdd termset_match(struct termset *all, const struct terms_match *m, enum policy_dir dir)
{
	struct space *s = all->space;
	bdd set = bdd_and(s->m, termset_head(s, m, dir), termset_ends(s, m));

	if (m->has_mark)
		set = bdd_and(s->m, set, space_value(s, SPACE_MARK, m->mark));
	if (m->users)
		set = bdd_and(s->m, set, space_users(s, all->terms->policy, m->users));
	if (m->needs_hop_255)
		set = bdd_and(s->m, set, space_value(s, SPACE_HOP, 1));
	if (m->family)
		set = bdd_and(s->m, set, space_value(s, SPACE_FAMILY, m->family == 4));
	set = bdd_and(s->m, set, space_bits(s, SPACE_CT, m->cts));
	set = bdd_and(s->m, set, termset_facts(s, m->facts));
	set = bdd_and(s->m, set, termset_grant(all, m));
	set = bdd_and(s->m, set, space_bits(s, SPACE_LINK, m->links));
	return bdd_and(s->m, bdd_and(s->m, set, space_value(s, SPACE_DIR, dir)), s->valid);
}

static int termset_fit(struct termset *set, enum termset_list which)
{
	const struct terms_list *list = termset_terms(set->terms, which);

	set->fits[which] = calloc(list->n ? list->n : 1, sizeof(bdd));
	if (!set->fits[which])
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++)
		set->fits[which][i] = termset_match(set, &list->list[i].match,
						    which == TERMSET_IN ? POLICY_IN : POLICY_OUT);
	return space_failed(set->space);
}

static bool termset_is_out(const struct terms_item *item, const uint8_t *without)
{
	return without && item->rule != POLICY_NONE && without[item->rule];
}

/* What a list accepts: from its end to its start, the terms of one verdict in a row together. */
static bdd termset_accepts(struct termset *set, enum termset_list which, const uint8_t *without)
{
	const struct terms_list *list = termset_terms(set->terms, which);
	struct bdd_manager *m = set->space->m;
	bdd run[TERMSET_RUN_MAX], accepted = BDD_FALSE;
	size_t at = list->n, n;

	while (at > 0) {
		bool accept = list->list[at - 1].verdict == TERMS_ACCEPT;

		for (n = 0; at > 0 && n < TERMSET_RUN_MAX; at--) {
			if ((list->list[at - 1].verdict == TERMS_ACCEPT) != accept)
				break;
			if (!termset_is_out(&list->list[at - 1], without))
				run[n++] = set->fits[which][at - 1];
		}
		if (accept)
			accepted = bdd_or(m, accepted, bdd_or_all(m, run, n));
		else
			accepted = bdd_diff(m, accepted, bdd_or_all(m, run, n));
	}
	return accepted;
}

/* Both directions, where the guard has a word on the uplinks. */
static bdd termset_both(struct termset *set, const bdd accepts[static TERMSET_LISTS])
{
	struct space *s = set->space;
	bdd up = space_value(s, SPACE_LINK, TERMS_UP);
	bdd out = bdd_diff(s->m, accepts[TERMSET_OUT], up);

	out = bdd_or(s->m, out,
		     bdd_and(s->m, bdd_and(s->m, accepts[TERMSET_OUT], up),
			     accepts[TERMSET_GUARD]));
	return bdd_and(s->m, bdd_or(s->m, accepts[TERMSET_IN], out),
		       space_value(s, SPACE_SOCKET, 0));
}

static bdd termset_sockets(struct termset *set)
{
	struct space *s = set->space;
	bdd where = bdd_and(s->m, space_value(s, SPACE_LINK, TERMS_UP),
			    space_value(s, SPACE_SOCKET, 1));

	return bdd_and(s->m, set->accepts[TERMSET_GUARD], where);
}

int termset_make(struct space *s, const struct terms *t, const struct policy *beside,
		 struct termset *ret)
{
	*ret = (struct termset){ .space = s, .terms = t, .beside = beside };
	for (enum termset_list i = 0; i < TERMSET_LISTS; i++) {
		int r = termset_fit(ret, i);

		if (r < 0)
			return r;
		ret->accepts[i] = termset_accepts(ret, i, NULL);
	}
	ret->allowed = termset_both(ret, ret->accepts);
	ret->by_socket = termset_sockets(ret);
	return space_failed(s);
}

void termset_release(struct termset *set)
{
	for (enum termset_list i = 0; i < TERMSET_LISTS; i++) {
		free(set->fits[i]);
		free(set->reaches[i]);
	}
	*set = (struct termset){ 0 };
}

int termset_reach(struct termset *set)
{
	struct bdd_manager *m = set->space->m;

	for (enum termset_list which = 0; which < TERMSET_LISTS; which++) {
		size_t n = termset_terms(set->terms, which)->n;
		bdd earlier = BDD_FALSE;

		if (set->reaches[which])
			continue;
		set->reaches[which] = calloc(n ? n : 1, sizeof(bdd));
		if (!set->reaches[which])
			return -ENOMEM;
		for (size_t i = 0; i < n; i++) {
			set->reaches[which][i] = bdd_diff(m, set->fits[which][i], earlier);
			earlier = bdd_or(m, earlier, set->fits[which][i]);
		}
	}
	return space_failed(set->space);
}

bdd termset_allowed_without(struct termset *set, const uint8_t *without)
{
	bdd accepts[TERMSET_LISTS];

	for (enum termset_list i = 0; i < TERMSET_LISTS; i++)
		accepts[i] = termset_accepts(set, i, without);
	return termset_both(set, accepts);
}

bdd termset_implied(struct termset *set)
{
	bdd all = BDD_FALSE;

	for (enum termset_list which = TERMSET_IN; which <= TERMSET_OUT; which++) {
		const struct terms_list *list = termset_terms(set->terms, which);

		for (size_t i = 0; i < list->n; i++)
			if (list->list[i].verdict == TERMS_ACCEPT && !list->list[i].where[0] &&
			    (list->list[i].row == 2 || list->list[i].row == 5))
				all = bdd_or(set->space->m, all, set->fits[which][i]);
	}
	return all;
}
