/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"

#define SPACE_ADDR_BITS 128

struct space_known {
	const struct policy_prefixes *set; /* borrowed */
	enum space_field field;
	bdd packets;
};

static const uint8_t space_widths[SPACE_FIELDS] = {
	[SPACE_DIR] = 1,
	[SPACE_SOCKET] = 1,
	[SPACE_LINK] = 2,
	[SPACE_FAMILY] = 1,
	[SPACE_GRANTS] = 2 * POLICY_GRANTS_MAX,
	[SPACE_FACTS] = TERMS_FACTS,
	[SPACE_HOP] = 1,
	[SPACE_CT] = 3,
	[SPACE_HAS_UID] = 1,
	[SPACE_UID] = 32,
	[SPACE_MARK] = 32,
	[SPACE_PROTO] = 8,
	[SPACE_TYPE] = 8,
	[SPACE_NEAR_PORT] = 16,
	[SPACE_FAR_PORT] = 16,
	[SPACE_NEAR] = SPACE_ADDR_BITS,
	[SPACE_FAR] = SPACE_ADDR_BITS,
};

unsigned int space_width(enum space_field field)
{
	return space_widths[field];
}

unsigned int space_first(enum space_field field)
{
	unsigned int at = 0;

	for (unsigned int i = 0; i < field; i++)
		at += space_widths[i];
	return at;
}

bdd space_value(struct space *s, enum space_field field, uint32_t value)
{
	return space_values(s, field, value, value);
}

bdd space_values(struct space *s, enum space_field field, uint32_t low, uint32_t high)
{
	return bdd_range(s->m, space_first(field), space_width(field), low, high);
}

bdd space_bits(struct space *s, enum space_field field, unsigned int bits)
{
	bdd set = bits ? BDD_FALSE : BDD_TRUE;

	for (uint32_t i = 0; i < 32; i++)
		if (bits >> i & 1)
			set = bdd_or(s->m, set, space_value(s, field, i));
	return set;
}

/* Packets that have at least the @bits of the field. */
static bdd space_all_bits(struct space *s, enum space_field field, uint32_t bits)
{
	bdd set = BDD_TRUE;

	for (unsigned int i = 0; i < space_width(field); i++)
		if (bits >> i & 1) {
			unsigned int var = space_first(field) + space_width(field) - 1 - i;

			set = bdd_and(s->m, set, bdd_var(s->m, var));
		}
	return set;
}

static bdd space_implies(struct space *s, bdd when, bdd then)
{
	return bdd_not(s->m, bdd_diff(s->m, when, then));
}

static bdd space_both(struct space *s, bdd a, bdd b)
{
	return bdd_and(s->m, a, b);
}

/* IPv4-mapped. */
static bdd space_mapped(struct space *s, enum space_field field)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return bdd_prefix(s->m, space_first(field), mapped, POLICY_V4_BITS);
}

static bdd space_valid_family(struct space *s)
{
	bdd far4 = space_mapped(s, SPACE_FAR), near4 = space_mapped(s, SPACE_NEAR);
	bdd v4 = space_value(s, SPACE_FAMILY, 1), v6 = space_value(s, SPACE_FAMILY, 0);
	bdd all6 = space_both(s, bdd_not(s->m, far4), bdd_not(s->m, near4));

	return bdd_or(s->m, space_both(s, v4, space_both(s, far4, near4)), space_both(s, v6, all6));
}

/* Which end knows what: users and packet sockets are ours, the way back is the other's. */
static bdd space_valid_dir(struct space *s)
{
	bdd in = space_value(s, SPACE_DIR, POLICY_IN), out = space_value(s, SPACE_DIR, POLICY_OUT);
	bdd nobody = space_value(s, SPACE_HAS_UID, 0), plain = space_value(s, SPACE_SOCKET, 0);
	bdd in_facts = bdd_or(s->m, space_all_bits(s, SPACE_FACTS, TERMS_OWN_SOURCE),
			      space_all_bits(s, SPACE_FACTS, TERMS_NO_WAY_BACK));
	bdd out_facts = bdd_or(s->m, space_all_bits(s, SPACE_FACTS, TERMS_LATER_FRAGMENT),
			       space_all_bits(s, SPACE_FACTS, TERMS_FALSE_FRAME));
	bdd set = space_implies(s, in, space_both(s, nobody, plain));

	out_facts = bdd_or(s->m, out_facts, space_all_bits(s, SPACE_FACTS, TERMS_FALSE_SOURCE));
	set = space_both(s, set, space_implies(s, in, bdd_not(s->m, out_facts)));
	set = space_both(s, set, space_implies(s, out, bdd_not(s->m, in_facts)));
	return space_both(s, set, bdd_or(s->m, plain, nobody));
}

static bdd space_valid_proto(struct space *s)
{
	bdd ported = bdd_or(s->m, space_value(s, SPACE_PROTO, POLICY_TCP),
			    space_value(s, SPACE_PROTO, POLICY_UDP));
	bdd icmp6 = space_both(s, space_value(s, SPACE_PROTO, POLICY_ICMP6),
			       space_value(s, SPACE_FAMILY, 0));
	bdd no_ports = space_both(s, space_value(s, SPACE_NEAR_PORT, 0),
				  space_value(s, SPACE_FAR_PORT, 0));
	bdd set = bdd_or(s->m, ported, no_ports);

	return space_both(s, set, bdd_or(s->m, icmp6, space_value(s, SPACE_TYPE, 0)));
}

int space_init(struct space *ret, size_t max)
{
	struct space *s = ret;

	*s = (struct space){ .m = bdd_new(SPACE_VARS, max) };
	if (!s->m)
		return -ENOMEM;
	s->valid = space_both(s, space_valid_family(s), space_valid_proto(s));
	s->valid = space_both(s, s->valid, space_valid_dir(s));
	s->valid = space_both(s, s->valid, space_values(s, SPACE_CT, 0, TERMS_CTS - 1));
	s->valid = space_both(s, s->valid,
			      bdd_or(s->m, space_value(s, SPACE_HAS_UID, 1),
				     space_value(s, SPACE_UID, 0)));
	return space_failed(s);
}

void space_release(struct space *s)
{
	bdd_free(s->m);
	free(s->known);
	*s = (struct space){ 0 };
}

int space_failed(const struct space *s)
{
	return s->failed ? s->failed : bdd_failed(s->m);
}

static bool space_bit(const struct ip6_prefix *p, unsigned int bit)
{
	return p->addr.s6_addr[bit / 8] & 0x80 >> bit % 8;
}

/* The bits from @bit to the end of one prefix. */
static bdd space_tail(struct space *s, unsigned int first, const struct ip6_prefix *p,
		      unsigned int bit)
{
	bdd at = BDD_TRUE;

	for (unsigned int i = p->len; i-- > bit;)
		at = space_bit(p, i) ? bdd_node(s->m, first + i, BDD_FALSE, at) :
				       bdd_node(s->m, first + i, at, BDD_FALSE);
	return at;
}

/* A sorted list without overlap, whose members agree in the bits before @bit. Deep as an address,
 * never deeper. */
static bdd space_trie(struct space *s, unsigned int first, const struct policy_prefixes *set,
		      unsigned int bit)
{
	struct policy_prefixes low = *set, high = *set;
	size_t from = 0, to = set->n;

	if (set->n == 0)
		return BDD_FALSE;
	if (set->n == 1 || set->list[0].len <= bit)
		return space_tail(s, first, &set->list[0], bit);
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (space_bit(&set->list[middle], bit))
			to = middle;
		else
			from = middle + 1;
	}
	low.n = from;
	high.list += from;
	high.n -= from;
	return bdd_node(s->m, first + bit, space_trie(s, first, &low, bit + 1),
			space_trie(s, first, &high, bit + 1));
}

static int space_copy_family(const struct policy_prefixes *from, bool v4,
			     struct policy_prefixes *to)
{
	to->list = reallocarray(NULL, from->n ? from->n : 1, sizeof(*to->list));
	if (!to->list)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++)
		if (policy_is_v4(&from->list[i]) == v4)
			to->list[to->n++] = from->list[i];
	policy_merge(to);
	return 0;
}

static bdd space_family(struct space *s, enum space_field field, const struct policy_prefixes *set,
			bool v4)
{
	_cleanup_(policy_release_prefixes) struct policy_prefixes mine = { 0 };

	if (space_copy_family(set, v4, &mine) < 0) {
		s->failed = -ENOMEM;
		return BDD_FALSE;
	}
	return bdd_and(s->m, space_value(s, SPACE_FAMILY, v4),
		       space_trie(s, space_first(field), &mine, 0));
}

static void space_learn(struct space *s, const struct space_known *what)
{
	size_t cap = s->cap_known ? 2 * s->cap_known : 64;
	struct space_known *more;

	if (s->n_known == s->cap_known) {
		more = reallocarray(s->known, cap, sizeof(*more));
		if (!more) {
			s->failed = -ENOMEM;
			return;
		}
		s->known = more;
		s->cap_known = cap;
	}
	s->known[s->n_known++] = *what;
}

bdd space_prefixes(struct space *s, enum space_field field, const struct policy_prefixes *set)
{
	struct space_known what = { set, field, BDD_FALSE };

	for (size_t i = 0; i < s->n_known; i++)
		if (s->known[i].set == set && s->known[i].field == field)
			return s->known[i].packets;
	what.packets = bdd_or(s->m, space_family(s, field, set, false),
			      space_family(s, field, set, true));
	space_learn(s, &what);
	return what.packets;
}

bdd space_net(struct space *s, const struct policy_net *net)
{
	if (net->is_any)
		return space_value(s, SPACE_FAMILY, 0);
	return space_prefixes(s, SPACE_FAR, &net->prefixes);
}

bdd space_ports(struct space *s, enum space_field field, const struct policy_ports *ports)
{
	bdd set = ports->n ? BDD_FALSE : BDD_TRUE;

	for (size_t i = 0; i < ports->n; i++) {
		const struct policy_port *port = &ports->list[i];

		set = bdd_or(s->m, set,
			     bdd_and(s->m, space_value(s, SPACE_PROTO, port->proto),
				     space_values(s, field, port->low, port->high)));
	}
	return set;
}

bdd space_users(struct space *s, const struct policy *p, const struct policy_users *users)
{
	bdd set = users->n ? BDD_FALSE : BDD_TRUE;

	for (size_t i = 0; i < users->n; i++)
		set = bdd_or(s->m, set, space_value(s, SPACE_UID, p->users[users->at[i]].uid));
	return users->n ? bdd_and(s->m, set, space_value(s, SPACE_HAS_UID, 1)) : set;
}

bdd space_forget(struct space *s, bdd set, enum space_field field)
{
	return bdd_forget(s->m, set, space_first(field), space_width(field));
}

static void space_put(uint8_t *values, enum space_field field, uint32_t number)
{
	unsigned int first = space_first(field), width = space_width(field);

	for (unsigned int i = 0; i < width; i++)
		values[first + i] = number >> (width - 1 - i) & 1;
}

static uint32_t space_get(const uint8_t *values, enum space_field field)
{
	unsigned int first = space_first(field), width = space_width(field);
	uint32_t number = 0;

	for (unsigned int i = 0; i < width; i++)
		number = number << 1 | values[first + i];
	return number;
}

static void space_put_addr(uint8_t *values, enum space_field field, const struct in6_addr *a)
{
	unsigned int first = space_first(field);

	for (unsigned int i = 0; i < SPACE_ADDR_BITS; i++)
		values[first + i] = a->s6_addr[i / 8] >> (7 - i % 8) & 1;
}

static struct in6_addr space_get_addr(const uint8_t *values, enum space_field field)
{
	unsigned int first = space_first(field);
	struct in6_addr a = { 0 };

	for (unsigned int i = 0; i < SPACE_ADDR_BITS; i++)
		if (values[first + i])
			a.s6_addr[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return a;
}

static void space_encode(const struct terms_packet *p, uint8_t values[static SPACE_VARS])
{
	space_put(values, SPACE_DIR, p->dir);
	space_put(values, SPACE_SOCKET, p->from_packet_socket);
	space_put(values, SPACE_LINK, p->link);
	space_put(values, SPACE_FAMILY, p->family == 4);
	space_put(values, SPACE_GRANTS, p->grants);
	space_put(values, SPACE_FACTS, p->facts);
	space_put(values, SPACE_HOP, p->hop_limit == 255);
	space_put(values, SPACE_CT, p->ct);
	space_put(values, SPACE_HAS_UID, p->has_uid);
	space_put(values, SPACE_UID, p->uid);
	space_put(values, SPACE_MARK, p->mark);
	space_put(values, SPACE_PROTO, p->proto);
	space_put(values, SPACE_TYPE, p->icmp_type);
	space_put(values, SPACE_NEAR_PORT, p->near_port);
	space_put(values, SPACE_FAR_PORT, p->far_port);
	space_put_addr(values, SPACE_NEAR, &p->near);
	space_put_addr(values, SPACE_FAR, &p->far);
}

static void space_decode(const uint8_t values[static SPACE_VARS], struct terms_packet *ret)
{
	*ret = (struct terms_packet){
		.dir = space_get(values, SPACE_DIR) ? POLICY_OUT : POLICY_IN,
		.from_packet_socket = space_get(values, SPACE_SOCKET),
		.link = (enum terms_link)space_get(values, SPACE_LINK),
		.family = space_get(values, SPACE_FAMILY) ? 4 : 6,
		.grants = space_get(values, SPACE_GRANTS),
		.facts = space_get(values, SPACE_FACTS),
		.hop_limit = space_get(values, SPACE_HOP) ? 255 : 64,
		.ct = (enum terms_ct)space_get(values, SPACE_CT),
		.has_uid = space_get(values, SPACE_HAS_UID),
		.uid = space_get(values, SPACE_UID),
		.mark = space_get(values, SPACE_MARK),
		.proto = (uint8_t)space_get(values, SPACE_PROTO),
		.icmp_type = (uint8_t)space_get(values, SPACE_TYPE),
		.near_port = (uint16_t)space_get(values, SPACE_NEAR_PORT),
		.far_port = (uint16_t)space_get(values, SPACE_FAR_PORT),
		.near = space_get_addr(values, SPACE_NEAR),
		.far = space_get_addr(values, SPACE_FAR),
	};
}

void space_pick_like(const struct space *s, bdd set, const struct terms_packet *like,
		     struct terms_packet *ret)
{
	uint8_t wish[SPACE_VARS], values[SPACE_VARS];

	space_encode(like, wish);
	bdd_pick(s->m, set, wish, values);
	space_decode(values, ret);
}

/* What a packet of that direction and family usually looks like. */
static void space_usual(enum policy_dir dir, uint8_t family, struct terms_packet *ret)
{
	bool in = dir == POLICY_IN;

	*ret = (struct terms_packet){
		.dir = dir,
		.link = TERMS_UP,
		.family = family,
		.proto = POLICY_TCP,
		.near_port = in ? 443 : 40000,
		.far_port = in ? 40000 : 443,
		.hop_limit = 64,
		.ct = TERMS_NEW,
		.has_uid = !in,
		.uid = in ? 0 : 1000,
	};
	packettext_far(family, &ret->far);
	packettext_host(family, &ret->near);
}

void space_pick(const struct space *s, bdd set, struct terms_packet *ret)
{
	struct terms_packet like, first;

	space_usual(POLICY_IN, 6, &like);
	space_pick_like(s, set, &like, &first);
	space_usual(first.dir, first.family, &like);
	space_pick_like(s, set, &like, ret);
}

bool space_has(const struct space *s, bdd set, const struct terms_packet *packet)
{
	uint8_t values[SPACE_VARS];

	space_encode(packet, values);
	return bdd_has(s->m, set, values);
}
