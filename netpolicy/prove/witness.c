/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/witness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WITNESS_PREFIXES 6 /* of a long list: the first, the last and some between */

/* The packets found so far, each once. */
struct witness {
	struct termset *set;
	struct terms_packet *list; /* owned; @max of them */
	uint32_t *table;           /* owned; 1 + index into the list, by hash; 0 = free */
	size_t n, max, n_table;
};

static void witness_release(struct witness *w)
{
	free(w->list);
	free(w->table);
}

static int witness_init(struct witness *w, size_t max)
{
	w->max = max < UINT32_MAX / 4 ? max : UINT32_MAX / 4;
	for (w->n_table = 16; w->n_table < 2 * w->max;)
		w->n_table *= 2;
	w->list = calloc(w->max ? w->max : 1, sizeof(*w->list));
	w->table = calloc(w->n_table, sizeof(*w->table));
	return w->list && w->table ? 0 : -ENOMEM;
}

/* Padding made equal, so that packets can be compared as bytes. */
static void witness_plain(const struct terms_packet *p, struct terms_packet *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->dir = p->dir;
	ret->from_packet_socket = p->from_packet_socket;
	ret->link = p->link;
	ret->family = p->family;
	ret->far = p->far;
	ret->near = p->near;
	ret->proto = p->proto;
	ret->far_port = p->far_port;
	ret->near_port = p->near_port;
	ret->icmp_type = p->icmp_type;
	ret->hop_limit = p->hop_limit;
	ret->ct = p->ct;
	ret->has_uid = p->has_uid;
	ret->uid = p->uid;
	ret->mark = p->mark;
	ret->grants = p->grants;
	ret->facts = p->facts;
}

static uint64_t witness_hash(const struct terms_packet *p)
{
	const uint8_t *bytes = (const uint8_t *)p;
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*p); i++)
		h = (h ^ bytes[i]) * 0x100000001b3ull;
	return h ^ h >> 32;
}

/* Keeps a packet that can be and is not there yet. */
static void witness_add(struct witness *w, const struct terms_packet *packet)
{
	struct terms_packet plain;
	size_t at;

	witness_plain(packet, &plain);
	if (w->n == w->max || !space_has(w->set->space, w->set->space->valid, &plain))
		return;
	for (at = witness_hash(&plain) & (w->n_table - 1); w->table[at];
	     at = (at + 1) & (w->n_table - 1))
		if (!memcmp(&w->list[w->table[at] - 1], &plain, sizeof(plain)))
			return;
	w->list[w->n++] = plain;
	w->table[at] = (uint32_t)w->n;
}

/* One below, the borders, one above. */
static void witness_port(struct witness *w, struct terms_packet p, bool is_far,
			 const struct policy_port *port)
{
	const int32_t values[] = { port->low - 1, port->low, port->high, port->high + 1 };
	uint16_t *field = is_far ? &p.far_port : &p.near_port;

	if (port->proto != POLICY_ANY)
		p.proto = (uint8_t)port->proto;
	if (port->low == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (values[i] < 0 || values[i] > UINT16_MAX)
			continue;
		*field = (uint16_t)values[i];
		witness_add(w, &p);
	}
}

static void witness_ports(struct witness *w, const struct terms_match *m,
			  const struct terms_packet *base)
{
	for (size_t i = 0; m->ports && i < m->ports->n; i++)
		witness_port(w, *base, base->dir == POLICY_OUT, &m->ports->list[i]);
	witness_port(w, *base, true, &m->far_ports);
	witness_port(w, *base, false, &m->near_ports);
}

/* The address that is @step (-1, 1) beyond. */
static struct in6_addr witness_step(struct in6_addr a, int step)
{
	for (size_t i = 16; i-- > 0;) {
		uint8_t before = a.s6_addr[i];

		a.s6_addr[i] = (uint8_t)(before + step);
		if (before != (step < 0 ? 0 : UINT8_MAX))
			break;
	}
	return a;
}

static struct in6_addr witness_last(const struct ip6_prefix *p)
{
	struct in6_addr a = p->addr;

	for (unsigned int i = p->len; i < 128; i++)
		a.s6_addr[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return a;
}

static void witness_prefix(struct witness *w, struct terms_packet p, bool is_far,
			   const struct ip6_prefix *prefix)
{
	const struct in6_addr last = witness_last(prefix);
	const struct in6_addr at[] = { prefix->addr, last, witness_step(prefix->addr, -1),
				       witness_step(last, 1) };

	if (policy_is_v4(prefix) != (p.family == 4))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		*(is_far ? &p.far : &p.near) = at[i];
		witness_add(w, &p);
	}
}

static void witness_prefixes(struct witness *w, const struct terms_packet *base, bool is_far,
			     const struct policy_prefixes *set)
{
	size_t n = set->n < WITNESS_PREFIXES ? set->n : WITNESS_PREFIXES;

	for (size_t i = 0; i < n; i++)
		witness_prefix(w, *base, is_far,
			       &set->list[n > 1 ? i * (set->n - 1) / (n - 1) : 0]);
}

static void witness_addresses(struct witness *w, const struct terms_match *m,
			      const struct terms_packet *base)
{
	if (m->far && !m->far->is_any)
		witness_prefixes(w, base, true, &m->far->prefixes);
	if (m->far_in)
		witness_prefixes(w, base, true, m->far_in);
	if (m->near_in)
		witness_prefixes(w, base, false, m->near_in);
}

static void witness_types(struct witness *w, const struct terms_match *m,
			  const struct terms_packet *base)
{
	struct terms_packet p = *base;

	for (size_t i = 0; i < m->n_types; i++)
		for (int step = -1; step <= 1; step++) {
			p.icmp_type = (uint8_t)(m->types[i] + step);
			witness_add(w, &p);
		}
	p = *base;
	p.hop_limit = p.hop_limit == 255 ? 254 : 255;
	witness_add(w, &p);
}

static void witness_protos(struct witness *w, const struct terms_match *m,
			   const struct terms_packet *base)
{
	static const uint8_t protos[] = { POLICY_TCP, POLICY_UDP };
	struct terms_packet p = *base;

	if (p.proto != POLICY_TCP && p.proto != POLICY_UDP)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		p.proto = protos[i];
		witness_add(w, &p);
	}
	p.proto = POLICY_ICMP6;
	p.near_port = p.far_port = 0;
	p.icmp_type = p.family == 6 ? 128 : 0;
	witness_add(w, &p);
}

static void witness_users(struct witness *w, const struct terms_match *m,
			  const struct terms_packet *base)
{
	const struct policy *policy = w->set->terms->policy;
	struct terms_packet p = *base;

	for (size_t i = 0; m->users && i < m->users->n; i++)
		for (uint32_t step = 0; step < 2; step++) {
			p.has_uid = true;
			p.uid = policy->users[m->users->at[i]].uid + step;
			witness_add(w, &p);
		}
	p.has_uid = false;
	p.uid = 0;
	witness_add(w, &p);
}

static void witness_marks(struct witness *w, const struct terms_match *m,
			  const struct terms_packet *base)
{
	struct terms_packet p = *base;

	for (uint32_t i = 0; m->has_mark && i < 3; i++) {
		p.mark = i == 2 ? 0 : m->mark ^ i;
		witness_add(w, &p);
	}
}

static void witness_places(struct witness *w, const struct terms_match *m,
			   const struct terms_packet *base)
{
	struct terms_packet p = *base;

	for (p.link = 0; p.link < TERMS_LINKS; p.link++)
		witness_add(w, &p);
	p = *base;
	for (p.ct = 0; p.ct < TERMS_CTS; p.ct++)
		witness_add(w, &p);
	p = *base;
	p.from_packet_socket = !p.from_packet_socket;
	p.has_uid = false;
	p.uid = 0;
	witness_add(w, &p);
}

static void witness_states(struct witness *w, const struct terms_match *m,
			   const struct terms_packet *base)
{
	struct terms_packet p = *base;

	for (size_t i = 0; i < w->set->terms->policy->n_grants; i++) {
		p.grants = base->grants ^ 1u << i;
		witness_add(w, &p);
	}
	p = *base;
	for (unsigned int i = 0; i < TERMS_FACTS; i++) {
		p.facts = base->facts ^ 1u << i;
		witness_add(w, &p);
	}
}

/* A packet that only this term decides; of the guard, one that came as far. */
static bool witness_base(struct witness *w, enum termset_list which, size_t i, bool from_socket,
			 struct terms_packet *ret)
{
	struct space *s = w->set->space;
	bdd set = bdd_and(s->m, w->set->reaches[which][i],
			  space_value(s, SPACE_SOCKET, from_socket));

	if (which == TERMSET_GUARD && !from_socket)
		set = bdd_and(s->m, set, w->set->accepts[TERMSET_OUT]);
	if (which == TERMSET_GUARD)
		set = bdd_and(s->m, set, space_value(s, SPACE_LINK, TERMS_UP));
	if (set == BDD_FALSE)
		return false;
	space_pick(s, set, ret);
	return true;
}

typedef void witness_kind(struct witness *w, const struct terms_match *m,
			  const struct terms_packet *base);

static void witness_base_alone(struct witness *w, const struct terms_match *m,
			       const struct terms_packet *base)
{
	witness_add(w, base);
}

/* One kind of border of all terms. */
static void witness_round(struct witness *w, witness_kind *kind)
{
	for (enum termset_list which = 0; which < TERMSET_LISTS; which++) {
		const struct terms_list *list = termset_terms(w->set->terms, which);

		for (size_t i = 0; i < 2 * list->n && w->n < w->max; i++) {
			bool from_socket = i % 2;
			struct terms_packet base;

			if (from_socket && which != TERMSET_GUARD)
				continue;
			if (witness_base(w, which, i / 2, from_socket, &base))
				kind(w, &list->list[i / 2].match, &base);
		}
	}
}

int witness_list(struct termset *set, size_t max, struct terms_packet **ret, size_t *ret_n)
{
	static witness_kind *const kinds[] = {
		witness_base_alone, witness_ports,  witness_addresses,
		witness_users,      witness_marks,  witness_types,
		witness_protos,     witness_places, witness_states,
	};
	_cleanup_(witness_release) struct witness w = { .set = set };
	int r = witness_init(&w, max);

	if (r == 0)
		r = termset_reach(set);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		witness_round(&w, kinds[i]);
	r = space_failed(set->space);
	if (r < 0)
		return r;
	*ret = steal_ptr(w.list);
	*ret_n = w.n;
	return 0;
}
