/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/prove.h"

#include <errno.h>
#include <stdlib.h>

#include "netpolicy/prove/changeset.h"
#include "netpolicy/prove/claimset.h"
#include "netpolicy/prove/deadrule.h"
#include "netpolicy/prove/nearway.h"
#include "netpolicy/prove/packettext.h"
#include "netpolicy/prove/space.h"
#include "netpolicy/prove/termset.h"
#include "netpolicy/prove/witness.h"

_Static_assert(PROVE_TEXT_MAX == PACKETTEXT_MAX, "one packet fits");

static void prove_count(struct prove_report *ret)
{
	for (size_t i = 0; i < ret->n; i++) {
		ret->n_violated += ret->list[i].outcome == PROVE_VIOLATED;
		ret->n_undecided += ret->list[i].outcome == PROVE_UNDECIDED;
	}
}

int prove_claims(const struct terms *t, struct prove_report *ret)
{
	_cleanup_(space_release) struct space space = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };
	const struct policy *p = t->policy;
	int r;

	*ret = (struct prove_report){ 0 };
	ret->list = calloc(p->n_says ? p->n_says : 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	r = space_init(&space, PROVE_NODES_MAX);
	if (r == 0)
		r = termset_make(&space, t, NULL, &set);
	if (r < 0 && r != -EFBIG)
		return r;
	for (; ret->n < p->n_says; ret->n++) {
		r = claimset_judge(&set, ret->n, &ret->list[ret->n]);
		if (r < 0)
			return r;
	}
	prove_count(ret);
	ret->nodes = bdd_nodes(space.m);
	ret->bytes = bdd_bytes(space.m);
	return 0;
}

int prove_dead_rules(const struct terms *t, struct prove_deads *ret)
{
	_cleanup_(space_release) struct space space = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };
	int r;

	*ret = (struct prove_deads){ 0 };
	r = space_init(&space, PROVE_NODES_MAX);
	if (r == 0)
		r = termset_make(&space, t, NULL, &set);
	return r < 0 ? r : deadrule_list(&set, ret);
}

int prove_changes(const struct terms *from, const struct terms *to, struct prove_changes *ret)
{
	_cleanup_(space_release) struct space space = { 0 };
	_cleanup_(termset_release) struct termset before = { 0 }, after = { 0 };
	int r;

	*ret = (struct prove_changes){ 0 };
	r = space_init(&space, PROVE_NODES_MAX);
	if (r == 0)
		r = termset_make(&space, from, NULL, &before);
	if (r == 0)
		r = termset_make(&space, to, from->policy, &after);
	return r < 0 ? r : changeset_list(&before, &after, ret);
}

int prove_ways(const struct terms *t, const struct terms_packet *packet,
	       struct prove_way ret[static PROVE_WAYS_MAX], size_t *ret_n)
{
	_cleanup_(space_release) struct space space = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };
	int r = space_init(&space, PROVE_NODES_MAX);

	if (r == 0)
		r = termset_make(&space, t, NULL, &set);
	return r < 0 ? r : nearway_find(&set, packet, ret, ret_n);
}

int prove_witnesses(const struct terms *t, size_t max, struct terms_packet **ret, size_t *ret_n)
{
	_cleanup_(space_release) struct space space = { 0 };
	_cleanup_(termset_release) struct termset set = { 0 };
	int r = space_init(&space, PROVE_NODES_MAX);

	if (r == 0)
		r = termset_make(&space, t, NULL, &set);
	return r < 0 ? r : witness_list(&set, max, ret, ret_n);
}

const char *prove_packet_text(const struct terms_packet *packet, char ret[static PROVE_TEXT_MAX])
{
	return packettext_format(packet, ret);
}

int prove_packet_parse(const struct policy *p, int n_words, char *const *words,
		       struct terms_packet *ret, char ret_error[static POLICY_ERROR_MAX])
{
	return packettext_parse(p, n_words, words, ret, ret_error);
}

void prove_release_report(struct prove_report *r)
{
	free(r->list);
	*r = (struct prove_report){ 0 };
}

void prove_release_deads(struct prove_deads *d)
{
	free(d->list);
	*d = (struct prove_deads){ 0 };
}

void prove_release_changes(struct prove_changes *c)
{
	free(c->list);
	*c = (struct prove_changes){ 0 };
}
