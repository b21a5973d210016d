/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/claimset.h"

#include <errno.h>

/* Addresses by what they are good for. IPv4-mapped for IPv4. */
static struct ip6_prefix claimset_link_local[] = {
	{ .addr = { .s6_addr = { 0xfe, 0x80 } }, .len = 10 },
};
static struct ip6_prefix claimset_unspecified[] = {
	{ .len = 128 },
};
static struct ip6_prefix claimset_loopback[] = {
	{ .addr = { .s6_addr = { [15] = 1 } }, .len = 128 },
	{ .addr = { .s6_addr = { [10] = 0xff, 0xff, 0 } }, .len = 104 },
	{ .addr = { .s6_addr = { [10] = 0xff, 0xff, 127 } }, .len = 104 },
};
static struct ip6_prefix claimset_multicast[] = {
	{ .addr = { .s6_addr = { 0xff } }, .len = 8 },
	{ .addr = { .s6_addr = { [10] = 0xff, 0xff, 224 } }, .len = 99 },
};

/* Static, because the space remembers lists by where they are. */
static const struct {
	struct policy_prefixes link_local, unspecified, loopback, multicast;
} claimset_lists = {
	{ claimset_link_local, ARRAY_SIZE(claimset_link_local), 0 },
	{ claimset_unspecified, ARRAY_SIZE(claimset_unspecified), 0 },
	{ claimset_loopback, ARRAY_SIZE(claimset_loopback), 0 },
	{ claimset_multicast, ARRAY_SIZE(claimset_multicast), 0 },
};

static bdd claimset_types(struct space *s, const uint8_t *types, size_t n)
{
	bdd set = BDD_FALSE;

	for (size_t i = 0; i < n; i++)
		set = bdd_or(s->m, set, space_value(s, SPACE_TYPE, types[i]));
	set = bdd_and(s->m, set, space_value(s, SPACE_PROTO, POLICY_ICMP6));
	return bdd_and(s->m, set, space_value(s, SPACE_FAMILY, 0));
}

/* @in of the packets that come in, @out of those that go out. */
static bdd claimset_by_dir(struct space *s, bdd in, bdd out)
{
	return bdd_or(s->m, bdd_and(s->m, space_value(s, SPACE_DIR, POLICY_IN), in),
		      bdd_and(s->m, space_value(s, SPACE_DIR, POLICY_OUT), out));
}

static bdd claimset_via(struct space *s, enum policy_via via)
{
	if (via == POLICY_VIA_ANY)
		return BDD_TRUE;
	return space_value(s, SPACE_LINK, via == POLICY_VIA_UPLINK ? TERMS_UP : TERMS_TUN);
}

/* Packets of the sessions of a grant, whose far end has it. */
static bdd claimset_grant(struct termset *all, size_t grant)
{
	const struct policy *p = all->terms->policy;
	const struct policy_grant *g = &p->grants[grant];
	struct space *s = all->space;
	bdd set = bdd_and(s->m, space_ports(s, SPACE_NEAR_PORT, &g->ports),
			  space_net(s, &p->nets[g->net]));

	set = bdd_and(s->m, set, claimset_via(s, g->via));
	return bdd_and(s->m, set, termset_grant_live(all, grant));
}

/* What is asked of the far end and of the transport. */
static bdd claimset_ends(struct termset *set, const struct policy_match *match)
{
	const struct policy *p = set->terms->policy;
	struct space *s = set->space;
	bdd fit = claimset_by_dir(s, space_ports(s, SPACE_NEAR_PORT, &match->ports),
				  space_ports(s, SPACE_FAR_PORT, &match->ports));

	if (match->n_icmp6)
		fit = bdd_and(s->m, fit, claimset_types(s, match->icmp6, match->n_icmp6));
	if (match->net != POLICY_NONE)
		fit = bdd_and(s->m, fit, space_net(s, &p->nets[match->net]));
	if (match->grant != POLICY_NONE)
		fit = bdd_and(s->m, fit, claimset_grant(set, match->grant));
	if (match->is_implied)
		fit = bdd_and(s->m, fit, termset_implied(set));
	return fit;
}

bdd claimset_match(struct termset *set, const struct policy_match *match)
{
	struct space *s = set->space;
	bdd fit = claimset_ends(set, match);

	fit = bdd_and(s->m, fit, space_users(s, set->terms->policy, &match->users));
	if (match->has_mark)
		fit = bdd_and(s->m, fit, space_value(s, SPACE_MARK, match->mark));
	if (match->is_new)
		fit = bdd_and(s->m, fit,
			      space_bits(s, SPACE_CT, 1u << TERMS_NEW | 1u << TERMS_UNTRACKED));
	if (match->family)
		fit = bdd_and(s->m, fit, space_value(s, SPACE_FAMILY, match->family == 4));
	if (match->has_dir)
		fit = bdd_and(s->m, fit, space_value(s, SPACE_DIR, match->dir));
	fit = bdd_and(s->m, fit, claimset_via(s, match->via));
	return bdd_and(s->m, fit, s->valid);
}

bdd claimset_target(struct termset *set, const struct policy_say *say)
{
	bdd target = claimset_match(set, &say->match);

	for (size_t i = 0; i < say->n_excepts; i++)
		target = bdd_diff(set->space->m, target, claimset_match(set, &say->excepts[i]));
	return target;
}

/* Packets whose source or destination is in the list. */
static bdd claimset_source(struct space *s, const struct policy_prefixes *list)
{
	return claimset_by_dir(s, space_prefixes(s, SPACE_FAR, list),
			       space_prefixes(s, SPACE_NEAR, list));
}

static bdd claimset_destination(struct space *s, const struct policy_prefixes *list)
{
	return claimset_by_dir(s, space_prefixes(s, SPACE_NEAR, list),
			       space_prefixes(s, SPACE_FAR, list));
}

/* Packets that a wire does not carry, or that ask for an answer nobody could send. */
static bdd claimset_odd_ends(struct space *s)
{
	static const uint8_t before_address[] = { 131, 132, 133, 135, 143 };
	bdd odd = claimset_source(s, &claimset_lists.multicast);
	bdd ends = bdd_or(s->m, claimset_source(s, &claimset_lists.loopback),
			  claimset_destination(s, &claimset_lists.loopback));
	bdd nobody = bdd_diff(s->m, claimset_source(s, &claimset_lists.unspecified),
			      claimset_types(s, before_address, sizeof(before_address)));
	bdd many = bdd_and(s->m, claimset_destination(s, &claimset_lists.multicast),
			   space_value(s, SPACE_PROTO, POLICY_TCP));

	odd = bdd_or(s->m, odd, bdd_diff(s->m, ends, space_value(s, SPACE_LINK, TERMS_LO)));
	odd = bdd_or(s->m, odd, claimset_destination(s, &claimset_lists.unspecified));
	return bdd_or(s->m, bdd_or(s->m, odd, nobody), many);
}

/* ICMPv6 that its receiver throws away: RFC 4861, 6.1 and 7.1; RFC 2710, 3; RFC 3810, 5. */
static bdd claimset_odd_icmp6(struct space *s)
{
	static const uint8_t nd[] = { 133, 134, 135, 136, 137 };
	static const uint8_t of_link[] = { 130, 131, 132, 134, 137, 143 };
	bdd far = bdd_and(s->m, claimset_types(s, nd, sizeof(nd)), space_value(s, SPACE_HOP, 0));
	bdd global = bdd_diff(s->m, claimset_types(s, of_link, sizeof(of_link)),
			      claimset_source(s, &claimset_lists.link_local));

	return bdd_or(s->m, far, global);
}

static bdd claimset_no_port(struct space *s)
{
	bdd none = bdd_or(s->m, space_value(s, SPACE_NEAR_PORT, 0),
			  space_value(s, SPACE_FAR_PORT, 0));

	return bdd_and(s->m, none,
		       bdd_or(s->m, space_value(s, SPACE_PROTO, POLICY_TCP),
			      space_value(s, SPACE_PROTO, POLICY_UDP)));
}

/* Gateways are reached through the tunnel: their addresses outside of it are somebody else's. */
static bdd claimset_spoofed(struct termset *set)
{
	const struct policy *p = set->terms->policy;
	struct space *s = set->space;
	bdd outside = space_bits(s, SPACE_LINK, 1u << TERMS_UP | 1u << TERMS_OTHER);

	if (p->gateways_net == POLICY_NONE)
		return BDD_FALSE;
	return bdd_and(s->m, outside, space_net(s, &p->nets[p->gateways_net]));
}

/* The packets that an always speaks of. */
static bdd claimset_well_formed(struct termset *set, bdd target)
{
	struct space *s = set->space;
	bdd odd = bdd_or(s->m, claimset_odd_ends(s), claimset_odd_icmp6(s));

	odd = bdd_or(s->m, odd, bdd_or(s->m, claimset_no_port(s), claimset_spoofed(set)));
	target = bdd_and(s->m, target,
			 space_bits(s, SPACE_CT, 1u << TERMS_NEW | 1u << TERMS_UNTRACKED));
	target = bdd_and(s->m, target, space_value(s, SPACE_FACTS, 0));
	target = bdd_and(s->m, target, space_value(s, SPACE_SOCKET, 0));
	return bdd_diff(s->m, target, odd);
}

/* The packets that only the guard keeps from where they must not go. */
static bdd claimset_zone(struct termset *set)
{
	const struct policy *p = set->terms->policy;
	bdd zone = BDD_FALSE;

	if (p->config_net != POLICY_NONE)
		zone = space_net(set->space, &p->nets[p->config_net]);
	if (p->gateways_net != POLICY_NONE)
		zone = bdd_or(set->space->m, zone,
			      space_net(set->space, &p->nets[p->gateways_net]));
	return zone;
}

/* Takes one packet of @bad for an example; an empty set says that the say holds. */
static bool claimset_example(struct termset *set, bdd bad, struct terms_packet *ret_packet,
			     struct terms_answer *ret_lets)
{
	if (bad == BDD_FALSE)
		return false;
	space_pick(set->space, bad, ret_packet);
	*ret_lets = terms_decide(set->terms, ret_packet);
	return true;
}

static void claimset_never(struct termset *set, bdd target, struct prove_say *ret)
{
	struct bdd_manager *m = set->space->m;
	bdd passes = bdd_and(m, target, set->by_socket);

	ret->is_empty = target == BDD_FALSE;
	if (claimset_example(set, bdd_and(m, target, set->allowed), &ret->witness, &ret->lets)) {
		ret->outcome = PROVE_VIOLATED;
		return;
	}
	ret->but_sockets = claimset_example(set, passes, &ret->socket_witness, &ret->socket_lets);
	if (!ret->but_sockets || bdd_diff(m, target, claimset_zone(set)) != BDD_FALSE)
		return;
	/* All that it speaks of is the zone, which the guard is there for. */
	ret->outcome = PROVE_VIOLATED;
	ret->witness = ret->socket_witness;
	ret->lets = ret->socket_lets;
	ret->but_sockets = false;
}

/* A line with a mark lets nothing out that comes from a port below 1024: those who have the mark
 * never send from there, and an always about them does not speak of it. */
static bdd claimset_low_ports(struct space *s)
{
	static const struct policy_ports low = {
		2, { { POLICY_TCP, 1, 1023 }, { POLICY_UDP, 1, 1023 } }
	};

	return bdd_and(s->m, space_value(s, SPACE_DIR, POLICY_OUT),
		       space_ports(s, SPACE_NEAR_PORT, &low));
}

static void claimset_always(struct termset *set, const struct policy_say *say, bdd target,
			    struct prove_say *ret)
{
	struct space *s = set->space;
	bdd stopped;

	target = claimset_well_formed(set, target);
	if (say->match.has_mark)
		target = bdd_diff(s->m, target, claimset_low_ports(s));
	ret->is_empty = target == BDD_FALSE;
	stopped = bdd_diff(s->m, target, set->allowed);
	if (claimset_example(set, stopped, &ret->witness, &ret->lets))
		ret->outcome = PROVE_VIOLATED;
}

static void claimset_decide(struct termset *set, const struct policy_say *what,
			    struct prove_say *ret)
{
	bdd target = claimset_target(set, what);

	if (what->is_never)
		claimset_never(set, target, ret);
	else
		claimset_always(set, what, target, ret);
}

int claimset_judge(struct termset *set, size_t say, struct prove_say *ret)
{
	int r = space_failed(set->space);

	*ret = (struct prove_say){ .say = say, .outcome = PROVE_HOLDS };
	/* A set that could not be made has no terms to ask. */
	if (r == 0) {
		claimset_decide(set, &set->terms->policy->says[say], ret);
		r = space_failed(set->space);
	}
	if (r == -EFBIG)
		*ret = (struct prove_say){ .say = say, .outcome = PROVE_UNDECIDED };
	return r == -EFBIG ? 0 : r;
}
