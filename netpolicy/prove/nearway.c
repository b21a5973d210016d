/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/nearway.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"

#define NEARWAY_CHANGES_MAX 3 /* what must change in more ways is another packet */
#define NEARWAY_TRIES_MAX 64  /* of one combination, for ways that no line gives */

/* What people can change, nearest first. */
enum nearway_what {
	NEARWAY_LINK,
	NEARWAY_PORT,
	NEARWAY_USER,
	NEARWAY_MARK,
	NEARWAY_GRANT,
	NEARWAY_OWN_PORT,
	NEARWAY_PROTO,
	NEARWAY_ADDRESS,
	NEARWAY_CT,
	NEARWAY_SOCKET,
	NEARWAY_FACTS,
	NEARWAY_WHATS,
};

struct nearway {
	struct termset *set;
	const struct terms_packet *packet; /* the denied one */
	bdd same[NEARWAY_WHATS];           /* packets that are like it there */
	bdd other[NEARWAY_WHATS];          /* packets that may stand for a change there */
	bdd fixed;                         /* like it in what never changes */
	unsigned int found[PROVE_WAYS_MAX];
	struct prove_way *ret;
	size_t n;
};

static bdd nearway_addr(struct space *s, enum space_field field, const struct in6_addr *a)
{
	return bdd_prefix(s->m, space_first(field), a->s6_addr, 128);
}

static bdd nearway_users(struct space *s, const struct terms_packet *p)
{
	return bdd_and(s->m, space_value(s, SPACE_HAS_UID, p->has_uid),
		       space_value(s, SPACE_UID, p->uid));
}

static void nearway_same(struct nearway *w)
{
	const struct terms_packet *p = w->packet;
	struct space *s = w->set->space;
	bool in = p->dir == POLICY_IN;
	bdd near_port = space_value(s, SPACE_NEAR_PORT, p->near_port);
	bdd far_port = space_value(s, SPACE_FAR_PORT, p->far_port);
	const bdd same[NEARWAY_WHATS] = {
		[NEARWAY_LINK] = space_value(s, SPACE_LINK, p->link),
		[NEARWAY_PORT] = in ? near_port : far_port,
		[NEARWAY_USER] = nearway_users(s, p),
		[NEARWAY_MARK] = space_value(s, SPACE_MARK, p->mark),
		[NEARWAY_GRANT] = space_value(s, SPACE_GRANTS, p->grants),
		[NEARWAY_OWN_PORT] = in ? far_port : near_port,
		[NEARWAY_PROTO] = space_value(s, SPACE_PROTO, p->proto),
		[NEARWAY_ADDRESS] = nearway_addr(s, SPACE_FAR, &p->far),
		[NEARWAY_CT] = space_value(s, SPACE_CT, p->ct),
		[NEARWAY_SOCKET] = space_value(s, SPACE_SOCKET, p->from_packet_socket),
		[NEARWAY_FACTS] = space_value(s, SPACE_FACTS, p->facts),
	};

	memcpy(w->same, same, sizeof(same));
	w->fixed = bdd_and(s->m, nearway_addr(s, SPACE_NEAR, &p->near),
			   space_value(s, SPACE_TYPE, p->icmp_type));
	w->fixed = bdd_and(s->m, w->fixed, space_value(s, SPACE_HOP, p->hop_limit == 255));
	w->fixed = bdd_and(s->m, w->fixed, space_value(s, SPACE_FAMILY, p->family == 4));
	w->fixed = bdd_and(s->m, w->fixed, space_value(s, SPACE_DIR, p->dir));
}

/* Changes that would say nothing are none: into loopback, into an established connection. */
static void nearway_other(struct nearway *w)
{
	const struct terms_packet *p = w->packet;
	struct space *s = w->set->space;
	bool ports = p->proto == POLICY_TCP || p->proto == POLICY_UDP;
	bdd proto = bdd_or(s->m, space_value(s, SPACE_PROTO, POLICY_TCP),
			   space_value(s, SPACE_PROTO, POLICY_UDP));

	for (size_t i = 0; i < NEARWAY_WHATS; i++)
		w->other[i] = BDD_TRUE;
	w->other[NEARWAY_LINK] = space_values(s, SPACE_LINK, TERMS_UP, TERMS_TUN);
	w->other[NEARWAY_PROTO] = ports ? proto : BDD_FALSE;
	w->other[NEARWAY_PORT] = w->other[NEARWAY_OWN_PORT] = ports ? BDD_TRUE : BDD_FALSE;
	w->other[NEARWAY_USER] = p->dir == POLICY_OUT ? space_value(s, SPACE_HAS_UID, 1) :
							BDD_FALSE;
	w->other[NEARWAY_CT] = space_value(s, SPACE_CT, TERMS_NEW);
	w->other[NEARWAY_SOCKET] = space_value(s, SPACE_SOCKET, 0);
	w->other[NEARWAY_FACTS] = space_value(s, SPACE_FACTS, 0);
	for (size_t i = 0; i < NEARWAY_WHATS; i++)
		w->other[i] = bdd_diff(s->m, w->other[i], w->same[i]);
}

static const char *nearway_user(const struct policy *p, uint32_t uid, char scratch[static 32])
{
	for (size_t i = 0; i < p->n_users; i++)
		if (p->users[i].uid == uid && p->users[i].name[0])
			return p->users[i].name;
	snprintf(scratch, 32, "%u", uid);
	return scratch;
}

/* The name of the first grant that the new packet has and the old one has not. */
static const char *nearway_grant(const struct nearway *w, const struct terms_packet *now)
{
	const struct policy *p = w->set->terms->policy;

	for (size_t i = 0; i < p->n_grants; i++)
		if ((now->grants & ~w->packet->grants) >> i & 1)
			return p->grants[i].name;
	return "less";
}

static void nearway_address(const struct nearway *w, const struct prove_way *way, size_t cap,
			    char *ret)
{
	struct terms_answer a = terms_decide(w->set->terms, &way->packet);
	struct ip6_prefix one = ip6_host_prefix(&way->packet.far);
	const struct policy_net *net = a.item->match.far;
	char text[IP6_PREFIX_TEXT];

	snprintf(ret, cap, "%s %s%s%s%s", w->packet->dir == POLICY_IN ? "from" : "to",
		 policy_format_prefix(&one, text), net ? " (" : "", net ? net->name : "",
		 net ? ")" : "");
}

/* One change in words. */
static void nearway_say(const struct nearway *w, enum nearway_what what,
			const struct prove_way *way, size_t cap, char *ret)
{
	const struct policy *p = w->set->terms->policy;
	const struct terms_packet *now = &way->packet;
	bool in = now->dir == POLICY_IN;
	char scratch[32], proto[8];

	if (what == NEARWAY_LINK)
		snprintf(ret, cap, "via %s", packettext_link(now->link));
	else if (what == NEARWAY_PORT)
		snprintf(ret, cap, "port %u", in ? now->near_port : now->far_port);
	else if (what == NEARWAY_USER)
		snprintf(ret, cap, "user %s", nearway_user(p, now->uid, scratch));
	else if (what == NEARWAY_MARK)
		snprintf(ret, cap, "mark 0x%x", now->mark);
	else if (what == NEARWAY_GRANT)
		snprintf(ret, cap, "a live grant %s", nearway_grant(w, now));
	else if (what == NEARWAY_OWN_PORT)
		snprintf(ret, cap, "source port %u", in ? now->far_port : now->near_port);
	else if (what == NEARWAY_PROTO)
		snprintf(ret, cap, "%s", packettext_proto(now->proto, proto));
	else if (what == NEARWAY_ADDRESS)
		nearway_address(w, way, cap, ret);
	else
		snprintf(ret, cap, "%s",
			 what == NEARWAY_CT     ? "as a new connection" :
			 what == NEARWAY_SOCKET ? "from an ordinary socket" :
						  "without what the host knows against it");
}

static void nearway_words(const struct nearway *w, unsigned int changes, struct prove_way *way)
{
	size_t at = 0;

	for (enum nearway_what i = 0; i < NEARWAY_WHATS; i++) {
		char one[POLICY_NAME_MAX + 2 * IP6_PREFIX_TEXT];

		if (!(changes >> i & 1))
			continue;
		nearway_say(w, i, way, sizeof(one), one);
		at += (size_t)snprintf(way->change + at, sizeof(way->change) - at, "%s%s",
				       at ? " and " : "", one);
		if (at >= sizeof(way->change))
			return;
	}
}

/* All packets that pass, differ in each of @changes and agree in all else. */
static bdd nearway_allowed(struct nearway *w, unsigned int changes)
{
	struct bdd_manager *m = w->set->space->m;
	bdd like = w->fixed;

	for (size_t i = 0; i < NEARWAY_WHATS; i++)
		like = bdd_and(m, like, changes >> i & 1 ? w->other[i] : w->same[i]);
	return bdd_and(m, like, bdd_or(m, w->set->allowed, w->set->by_socket));
}

/* The packets that the deciding term fits. */
static bdd nearway_decided(const struct nearway *w, const struct terms_answer *a)
{
	enum termset_list which = w->packet->dir == POLICY_IN ? TERMSET_IN : TERMSET_OUT;

	which = a->by_guard ? TERMSET_GUARD : which;
	return w->set->fits[which][a->item - termset_terms(w->set->terms, which)->list];
}

/* The ways of one combination, one for each line that gives one. */
static void nearway_try(struct nearway *w, unsigned int changes)
{
	bdd allowed = nearway_allowed(w, changes);

	for (int i = 0; i < NEARWAY_TRIES_MAX && allowed != BDD_FALSE; i++) {
		struct prove_way way = { { 0 } };
		struct terms_answer a;

		space_pick_like(w->set->space, allowed, w->packet, &way.packet);
		a = terms_decide(w->set->terms, &way.packet);
		allowed = bdd_diff(w->set->space->m, allowed, nearway_decided(w, &a));
		if (!a.item->where[0])
			continue;
		nearway_words(w, changes, &way);
		memcpy(way.because, a.item->where, sizeof(way.because));
		w->found[w->n] = changes;
		w->ret[w->n++] = way;
		if (w->n == PROVE_WAYS_MAX)
			return;
	}
}

/* True when less than that is enough. */
static bool nearway_is_more(const struct nearway *w, size_t n, unsigned int changes)
{
	for (size_t i = 0; i < n; i++)
		if ((w->found[i] & changes) == w->found[i])
			return true;
	return false;
}

int nearway_find(struct termset *set, const struct terms_packet *packet,
		 struct prove_way ret[static PROVE_WAYS_MAX], size_t *ret_n)
{
	struct nearway w = { .set = set, .packet = packet, .ret = ret };
	int r;

	nearway_same(&w);
	nearway_other(&w);
	if (terms_decide(set->terms, packet).verdict == TERMS_ACCEPT)
		goto end;
	for (int n = 1; n <= NEARWAY_CHANGES_MAX; n++) {
		size_t known = w.n;

		for (unsigned int i = 1; i < 1u << NEARWAY_WHATS && w.n < PROVE_WAYS_MAX; i++)
			if (__builtin_popcount(i) == n && !nearway_is_more(&w, known, i))
				nearway_try(&w, i);
	}
end:
	r = space_failed(set->space);
	if (r == 0)
		*ret_n = w.n;
	return r;
}
