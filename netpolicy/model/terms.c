/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/terms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TERMS_ON(link) (1u << (link))
#define TERMS_ANSWERS (1u << TERMS_ESTABLISHED | 1u << TERMS_RELATED)
#define TERMS_NOT_TUN (TERMS_ON(TERMS_UP) | TERMS_ON(TERMS_OTHER))

/* A prefix under a name, for what is implied. */
#define TERMS_PREFIX(name, length, ...)                                                            \
	static struct ip6_prefix name##_list[] = { { { { __VA_ARGS__ } }, length } };              \
	static const struct policy_prefixes name = { name##_list, 1, 1 }

TERMS_PREFIX(terms_link_local, 10, { 0xfe, 0x80 });
/* clang-format off */
TERMS_PREFIX(terms_all_dhcp, 128, { 0xff, 0x02, [13] = 1, [15] = 2 }); /* ff02::1:2, RFC 8415 */
/* clang-format on */

static struct ip6_prefix terms_martians6_list[] = {
	{ { { { [15] = 1 } } }, 128 }, /* ::1 */
	{ { { { 0xff } } }, 8 },       /* multicast */
};
static const struct policy_prefixes terms_martians6 = { terms_martians6_list, 2, 2 };

static struct ip6_prefix terms_martians4_list[] = {
	{ { { { [10] = 0xff, 0xff, 0 } } }, 96 + 8 },
	{ { { { [10] = 0xff, 0xff, 127 } } }, 96 + 8 },
	{ { { { [10] = 0xff, 0xff, 224 } } }, 96 + 3 },
};
static const struct policy_prefixes terms_martians4 = { terms_martians4_list, 3, 3 };

static struct ip6_prefix terms_multicast_list[] = {
	{ { { { [10] = 0xff, 0xff, 224 } } }, 96 + 4 },
	{ { { { 0xff } } }, 8 },
};
static const struct policy_prefixes terms_multicast = { terms_multicast_list, 2, 2 };

/* fd00:ec2::254 and 169.254.169.254: where a host is given its identity. */
static struct ip6_prefix terms_metadata_list[] = {
	{ { { { [10] = 0xff, 0xff, 169, 254, 169, 254 } } }, 128 },
	{ { { { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54 } } }, 128 },
};
static const struct policy_prefixes terms_metadata = { terms_metadata_list, 2, 2 };

/* What is being made. */
struct terms_maker {
	const struct policy *p;
	struct terms_list *to;
	int error; /* sticky */
};

static int terms_grow(struct terms_list *to)
{
	size_t cap = to->cap ? 2 * to->cap : 64;
	struct terms_item *more;

	if (to->n < to->cap)
		return 0;
	more = reallocarray(to->list, cap, sizeof(*more));
	if (!more)
		return -ENOMEM;
	to->list = more;
	to->cap = cap;
	return 0;
}

/* Appends a copy; a denial that is not enforced lets through. */
static void terms_add(struct terms_maker *m, const struct terms_item *item)
{
	struct terms_item *at;

	if (m->error == 0)
		m->error = terms_grow(m->to);
	if (m->error < 0)
		return;
	at = &m->to->list[m->to->n++];
	*at = *item;
	if (!m->p->enforce)
		at->verdict = TERMS_ACCEPT;
}

/* Appends what no line says: those of a table, which names neither grants nor rules. */
static void terms_imply(struct terms_maker *m, const struct terms_item *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct terms_item item = list[i];

		item.match.grant = item.rule = POLICY_NONE;
		terms_add(m, &item);
	}
}

static const struct policy_net *terms_config(const struct policy *p)
{
	return p->config_net == POLICY_NONE ? NULL : &p->nets[p->config_net];
}

/* Denies @links what comes from or goes to the zone. */
static void terms_deny_zone(struct terms_maker *m, unsigned int links, enum terms_verdict verdict,
			    const char *what)
{
	const size_t nets[] = { m->p->config_net, m->p->gateways_net };

	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct terms_item item = {
			.match = { .links = links },
			.verdict = verdict,
			.row = 11,
		};

		if (nets[i] == POLICY_NONE)
			continue;
		item.match.far = &m->p->nets[nets[i]];
		snprintf(item.what, sizeof(item.what), "%s", what);
		terms_imply(m, &item, 1);
	}
}

/* The term of one line, as far as all kinds of lines are alike. */
static struct terms_item terms_of_rule(const struct policy *p, size_t at)
{
	const struct policy_rule *rule = &p->rules[at];
	struct terms_item item = {
		.match = {
			.links = TERMS_ON(rule->via == POLICY_VIA_TUNNEL ? TERMS_TUN : TERMS_UP),
			.family = p->nets[rule->net].is_any ? 6 : 0,
			.far = p->nets[rule->net].is_any ? NULL : &p->nets[rule->net],
			.ports = rule->ports.n ? &rule->ports : NULL,
			.users = rule->users.n ? &rule->users : NULL,
			.grant = POLICY_NONE,
		},
		.verdict = TERMS_ACCEPT,
		.row = rule->row,
		.rule = at,
	};

	memcpy(item.where, rule->where, sizeof(item.where));
	memcpy(item.what, rule->remark, sizeof(item.what));
	return item;
}

/* Sources that cannot be. */
static void terms_sources(struct terms_maker *m)
{
	static const struct terms_item first[] = {
		{ .match = { .links = TERMS_ON(TERMS_LO) },
		  .verdict = TERMS_ACCEPT,
		  .row = 1,
		  .what = "loopback" },
		{ .match = { .family = 6, .far_in = &terms_martians6 },
		  .verdict = TERMS_DROP,
		  .row = 1,
		  .what = "a source that is never outside" },
		{ .match = { .family = 4, .far_in = &terms_martians4 },
		  .verdict = TERMS_DROP,
		  .row = 1,
		  .what = "a source that is never outside" },
		{ .match = { .facts = TERMS_OWN_SOURCE },
		  .verdict = TERMS_DROP,
		  .row = 1,
		  .what = "our own address from outside" },
	};
	struct terms_item gateways = {
		.match = { .links = TERMS_NOT_TUN },
		.verdict = TERMS_DROP,
		.row = 11,
		.what = "an address of the tunnel from outside of it",
	};

	terms_imply(m, first, ARRAY_SIZE(first));
	if (m->p->gateways_net != POLICY_NONE) {
		gateways.match.far = &m->p->nets[m->p->gateways_net];
		terms_imply(m, &gateways, 1);
	}
}

static const struct terms_item terms_icmp6_errors[] = {
	{ .match = { .proto = POLICY_ICMP6, .n_types = 4, .types = { 1, 2, 3, 4 } },
	  .verdict = TERMS_ACCEPT,
	  .row = 2,
	  .what = "ICMPv6 errors, packet too big among them" },
};

/* @far, by @links: what a single net can send; NULL: whoever, by any. */
static void terms_icmp6_in(struct terms_maker *m, const struct policy_net *far, unsigned int links)
{
	static const struct terms_item rows[] = {
		{ .match = { .proto = POLICY_ICMP6,
			     .n_types = 2,
			     .types = { 135, 136 },
			     .needs_hop_255 = true },
		  .verdict = TERMS_ACCEPT,
		  .row = 2,
		  .what = "neighbour discovery" },
		{ .match = { .links = TERMS_ON(TERMS_UP),
			     .far_in = &terms_link_local,
			     .proto = POLICY_ICMP6,
			     .n_types = 1,
			     .types = { 134 },
			     .needs_hop_255 = true },
		  .verdict = TERMS_ACCEPT,
		  .row = 2,
		  .what = "router advertisements" },
		{ .match = { .far_in = &terms_link_local,
			     .proto = POLICY_ICMP6,
			     .n_types = 4,
			     .types = { 130, 131, 132, 143 } },
		  .verdict = TERMS_ACCEPT,
		  .row = 2,
		  .what = "multicast listener discovery" },
		{ .match = { .proto = POLICY_ICMP6, .n_types = 2, .types = { 133, 137 } },
		  .verdict = TERMS_DROP,
		  .row = 2,
		  .what = "never redirects and router solicitations" },
	};

	for (size_t i = 0; i <= ARRAY_SIZE(rows); i++) {
		struct terms_item item = i < ARRAY_SIZE(rows) ? rows[i] : terms_icmp6_errors[0];

		if (far && item.match.far_in)
			continue;
		item.match.far = far;
		item.match.links = far ? links : item.match.links;
		terms_imply(m, &item, 1);
	}
}

static void terms_icmp6_out(struct terms_maker *m)
{
	static const struct terms_item rows[] = {
		{ .match = { .proto = POLICY_ICMP6,
			     .n_types = 3,
			     .types = { 133, 135, 136 },
			     .needs_hop_255 = true },
		  .verdict = TERMS_ACCEPT,
		  .row = 2,
		  .what = "neighbour discovery, router solicitations" },
		{ .match = { .proto = POLICY_ICMP6, .n_types = 3, .types = { 131, 132, 143 } },
		  .verdict = TERMS_ACCEPT,
		  .row = 2,
		  .what = "multicast listener reports" },
		{ .match = { .proto = POLICY_ICMP6, .n_types = 2, .types = { 134, 137 } },
		  .verdict = TERMS_DROP,
		  .row = 2,
		  .what = "never redirects and router advertisements" },
	};

	terms_imply(m, rows, ARRAY_SIZE(rows));
}

/* One port of one grant: live passes when coming in, absent stops in both directions. */
static void terms_grant_port(struct terms_maker *m, size_t at, const struct policy_port *port,
			     enum policy_dir dir)
{
	const struct policy_grant *grant = &m->p->grants[at];
	const struct policy_net *net = &m->p->nets[grant->net];
	struct terms_item item = {
		.match = {
			.links = TERMS_ON(grant->via == POLICY_VIA_TUNNEL ? TERMS_TUN : TERMS_UP),
			.family = net->is_any ? 6 : 0,
			.far = net->is_any ? NULL : net,
			.proto = (uint8_t)port->proto,
			.near_ports = *port,
			.grant = at,
		},
		.verdict = TERMS_ACCEPT,
		.row = 3,
		.rule = POLICY_NONE,
	};

	memcpy(item.where, grant->where, sizeof(item.where));
	snprintf(item.what, sizeof(item.what), "grant %.50s", grant->name);
	if (dir == POLICY_IN)
		terms_add(m, &item);
	item.match.grant_absent = true;
	item.verdict = TERMS_DROP;
	snprintf(item.what, sizeof(item.what), "no grant %.40s is live", grant->name);
	terms_add(m, &item);
}

static void terms_grants(struct terms_maker *m, enum policy_dir dir)
{
	for (size_t i = 0; i < m->p->n_grants; i++)
		for (size_t j = 0; j < m->p->grants[i].ports.n; j++)
			terms_grant_port(m, i, &m->p->grants[i].ports.list[j], dir);
}

/* Answers of the configuration servers to what is marked; nothing else of the zone comes in from
 * outside of the tunnel, also no packet that pretends to belong to a session inside of it. */
static void terms_zone_in(struct terms_maker *m)
{
	if (terms_config(m->p))
		terms_icmp6_in(m, terms_config(m->p), TERMS_NOT_TUN);
	for (size_t i = 0; i < m->p->n_rules; i++) {
		const struct policy_rule *rule = &m->p->rules[i];
		struct terms_item item = terms_of_rule(m->p, i);

		if (!rule->has_mark || !rule->ports.n)
			continue;
		item.match.ports = NULL;
		item.match.proto = (uint8_t)rule->ports.list[0].proto;
		item.match.far_ports = rule->ports.list[0];
		item.match.cts = TERMS_ANSWERS;
		item.rule = POLICY_NONE;
		snprintf(item.what, sizeof(item.what), "answers");
		terms_add(m, &item);
	}
	terms_deny_zone(m, TERMS_NOT_TUN, TERMS_DROP, "from the zone, outside the tunnel");
}

/* The way back: nobody asks for it where the answers of the zone are, which stand before. */
static void terms_way_back(struct terms_maker *m)
{
	static const struct terms_item item = {
		.match = { .links = TERMS_ON(TERMS_UP), .facts = TERMS_NO_WAY_BACK },
		.verdict = TERMS_DROP,
		.row = 1,
		.what = "a source that is not behind this link",
	};

	terms_imply(m, &item, 1);
}

static void terms_zone_out(struct terms_maker *m)
{
	for (size_t i = 0; i < m->p->n_rules; i++) {
		const struct policy_rule *rule = &m->p->rules[i];
		struct terms_item item = terms_of_rule(m->p, i);

		if (!rule->has_mark)
			continue;
		item.match.has_mark = true;
		item.match.mark = rule->mark;
		item.match.near_ports = (struct policy_port){ POLICY_ANY, 1024, UINT16_MAX };
		terms_add(m, &item);
	}
	terms_deny_zone(m, TERMS_NOT_TUN, TERMS_REJECT, "to the zone, outside the tunnel");
}

static void terms_state(struct terms_maker *m)
{
	static const struct terms_item rows[] = {
		{ .match = { .cts = TERMS_ANSWERS },
		  .verdict = TERMS_ACCEPT,
		  .row = 4,
		  .what = "established, related" },
		{ .match = { .cts = 1u << TERMS_INVALID },
		  .verdict = TERMS_DROP,
		  .row = 4,
		  .what = "belongs to nothing" },
	};

	terms_imply(m, rows, ARRAY_SIZE(rows));
}

/* @ours and @theirs: the ports of the protocol. */
static void terms_dhcp(struct terms_maker *m, uint8_t family, const struct policy_prefixes *far,
		       uint16_t ours, uint16_t theirs)
{
	struct terms_item item = {
		.match = {
			.links = TERMS_ON(TERMS_UP),
			.family = family,
			.far_in = far,
			.near_in = family == 6 ? &terms_link_local : NULL,
			.proto = POLICY_UDP,
			.far_ports = { POLICY_UDP, theirs, theirs },
			.near_ports = { POLICY_UDP, ours, ours },
		},
		.verdict = TERMS_ACCEPT,
		.row = 5,
	};

	snprintf(item.what, sizeof(item.what), "DHCPv%u", family);
	terms_imply(m, &item, 1);
}

/* True when the page gives metadata another address than every cloud host knows. */
static bool terms_is_metadata_moved(const struct policy_net *imds)
{
	for (size_t i = 0; i < imds->prefixes.n; i++)
		if (imds->prefixes.list[i].len != 128 ||
		    !policy_has(&terms_metadata, &imds->prefixes.list[i].addr))
			return true;
	return false;
}

static void terms_metadata_out(struct terms_maker *m)
{
	size_t imds = policy_find_net(m->p, "imds");
	struct terms_item deny = {
		.match = { .far_in = &terms_metadata },
		.verdict = TERMS_REJECT,
		.row = 7,
		.what = "instance metadata, for nobody else",
	};

	for (size_t i = 0; i < m->p->n_rules; i++) {
		struct terms_item item = terms_of_rule(m->p, i);

		if (m->p->rules[i].dir == POLICY_OUT && m->p->rules[i].net == imds)
			terms_add(m, &item);
	}
	terms_imply(m, &deny, 1);
	if (imds == POLICY_NONE || !terms_is_metadata_moved(&m->p->nets[imds]))
		return;
	deny.match.far_in = &m->p->nets[imds].prefixes;
	terms_imply(m, &deny, 1);
}

/* True for lines that stand in the list of rows 6 and 10 to 15: not the marked ones, not imds. */
static bool terms_is_plain(const struct policy *p, const struct policy_rule *rule)
{
	return !rule->has_mark && strcmp(p->nets[rule->net].name, "imds") != 0;
}

static bool terms_is_zone(const struct policy *p, size_t net)
{
	return net == p->config_net || net == p->gateways_net;
}

static void terms_lines(struct terms_maker *m, enum policy_dir dir, enum policy_via via,
			bool of_zone)
{
	for (size_t i = 0; i < m->p->n_rules; i++) {
		const struct policy_rule *rule = &m->p->rules[i];
		struct terms_item item = terms_of_rule(m->p, i);

		if (rule->dir == dir && rule->via == via && terms_is_plain(m->p, rule) &&
		    terms_is_zone(m->p, rule->net) == of_zone)
			terms_add(m, &item);
	}
}

/* What the page says. "any" never speaks of the zone: outside the tunnel that is decided already,
 * inside it stands before the other lines. */
static void terms_written(struct terms_maker *m, enum policy_dir dir)
{
	terms_lines(m, dir, POLICY_VIA_TUNNEL, true);
	terms_deny_zone(m, TERMS_ON(TERMS_TUN), dir == POLICY_IN ? TERMS_DROP : TERMS_REJECT,
			"the zone, what is not written");
	terms_lines(m, dir, POLICY_VIA_TUNNEL, false);
	terms_lines(m, dir, POLICY_VIA_UPLINK, false);
}

static void terms_make_in(struct terms_maker *m)
{
	static const struct terms_item last[] = {
		{ .match = { .near_in = &terms_multicast },
		  .verdict = TERMS_DROP,
		  .row = 16,
		  .what = "multicast" },
		{ .verdict = TERMS_DROP, .row = 16, .what = "not written, so not allowed" },
	};

	terms_sources(m);
	terms_zone_in(m);
	terms_way_back(m);
	terms_icmp6_in(m, NULL, 0);
	terms_grants(m, POLICY_IN);
	terms_state(m);
	terms_dhcp(m, 6, &terms_link_local, 546, 547);
	if (policy_uses_v4(m->p))
		terms_dhcp(m, 4, NULL, 68, 67);
	terms_written(m, POLICY_IN);
	terms_imply(m, last, ARRAY_SIZE(last));
}

static void terms_make_out(struct terms_maker *m)
{
	static const struct terms_item first[] = {
		{ .match = { .links = TERMS_ON(TERMS_LO) },
		  .verdict = TERMS_ACCEPT,
		  .row = 1,
		  .what = "loopback" },
		{ .match = { .facts = TERMS_FALSE_SOURCE },
		  .verdict = TERMS_DROP,
		  .row = 1,
		  .what = "a source that is not ours" },
	};
	static const struct terms_item last[] = {
		{ .match = { .far_in = &terms_multicast },
		  .verdict = TERMS_DROP,
		  .row = 16,
		  .what = "multicast" },
		{ .verdict = TERMS_REJECT, .row = 16, .what = "not written, so not allowed" },
	};

	terms_imply(m, first, ARRAY_SIZE(first));
	terms_icmp6_out(m);
	terms_zone_out(m);
	terms_imply(m, terms_icmp6_errors, ARRAY_SIZE(terms_icmp6_errors));
	terms_grants(m, POLICY_OUT);
	terms_state(m);
	terms_dhcp(m, 6, &terms_all_dhcp, 546, 547);
	terms_dhcp(m, 6, &terms_link_local, 546, 547);
	if (policy_uses_v4(m->p))
		terms_dhcp(m, 4, NULL, 68, 67);
	terms_metadata_out(m);
	terms_written(m, POLICY_OUT);
	terms_imply(m, last, ARRAY_SIZE(last));
}

static void terms_guard_v4(struct terms_maker *m)
{
	static const struct terms_item cut = {
		.match = { .family = 4, .facts = TERMS_LATER_FRAGMENT },
		.verdict = TERMS_DROP,
		.row = 16,
		.what = "IPv4 that the policy does not name",
	};
	static const struct terms_item rest = {
		.match = { .family = 4 },
		.verdict = TERMS_DROP,
		.row = 16,
		.what = "IPv4 that the policy does not name",
	};

	for (size_t i = 0; i < m->p->n_nets; i++) {
		struct terms_item item = {
			.match = { .family = 4, .far = &m->p->nets[i] },
			.verdict = TERMS_ACCEPT,
			.row = 13,
			.what = "IPv4 that the policy names",
		};

		if (policy_opens_v4(m->p, i))
			terms_imply(m, &item, 1);
	}
	terms_imply(m, &cut, 1);
	if (policy_uses_v4(m->p))
		terms_dhcp(m, 4, NULL, 68, 67);
	terms_imply(m, &rest, 1);
}

/* Marked packets, or the rest of those that were cut, which has no ports to ask for. */
static void terms_guard_marked(struct terms_maker *m, bool is_rest)
{
	for (size_t i = 0; i < m->p->n_rules; i++) {
		struct terms_item item = terms_of_rule(m->p, i);

		if (!m->p->rules[i].has_mark)
			continue;
		item.match.has_mark = true;
		item.match.mark = m->p->rules[i].mark;
		if (is_rest) {
			item.match.facts = TERMS_LATER_FRAGMENT;
			item.match.ports = NULL;
			item.rule = POLICY_NONE;
			item.row = 8;
			item.where[0] = '\0';
			snprintf(item.what, sizeof(item.what), "rest of a packet that was cut");
		}
		terms_add(m, &item);
	}
}

/* Fragments come first: behind them stands only what has its ports. */
static void terms_guard_zone(struct terms_maker *m)
{
	const struct terms_item nd = {
		.match = { .family = 6,
			   .far = terms_config(m->p),
			   .proto = POLICY_ICMP6,
			   .n_types = 2,
			   .types = { 135, 136 },
			   .needs_hop_255 = true },
		.verdict = TERMS_ACCEPT,
		.row = 2,
		.what = "neighbour discovery stays on the link",
	};
	struct terms_item cut = {
		.match = { .family = 6, .far = terms_config(m->p), .facts = TERMS_LATER_FRAGMENT },
		.verdict = TERMS_DROP,
		.row = 11,
		.what = "to the zone, outside the tunnel",
	};

	terms_guard_marked(m, true);
	terms_imply(m, &cut, 1);
	terms_guard_marked(m, false);
	terms_imply(m, &nd, 1);
}

static void terms_make_guard(struct terms_maker *m)
{
	static const struct terms_item first[] = {
		{ .match = { .links = TERMS_ON(TERMS_LO) | TERMS_ON(TERMS_TUN) |
				      TERMS_ON(TERMS_OTHER) },
		  .verdict = TERMS_ACCEPT,
		  .row = 11,
		  .what = "no guard on this link" },
		{ .match = { .facts = TERMS_FALSE_FRAME },
		  .verdict = TERMS_DROP,
		  .row = 16,
		  .what = "neither IPv6 nor ARP, or says so falsely" },
	};
	static const struct terms_item last = {
		.verdict = TERMS_ACCEPT,
		.row = 11,
		.what = "not for the zone",
	};

	terms_imply(m, first, ARRAY_SIZE(first));
	terms_guard_v4(m);
	if (terms_config(m->p))
		terms_guard_zone(m);
	terms_deny_zone(m, 0, TERMS_DROP, "to the zone, outside the tunnel");
	terms_imply(m, &last, 1);
}

int terms_make(const struct policy *p, struct terms *ret)
{
	struct terms_maker m = { .p = p };

	*ret = (struct terms){ .policy = p };
	m.to = &ret->in;
	terms_make_in(&m);
	m.to = &ret->out;
	terms_make_out(&m);
	m.to = &ret->guard;
	terms_make_guard(&m);
	return m.error;
}

static bool terms_port_fits(const struct policy_port *want, uint16_t port)
{
	return want->low == 0 || (port >= want->low && port <= want->high);
}

static bool terms_ports_fit(const struct policy_ports *ports, const struct terms_packet *packet)
{
	uint16_t port = packet->dir == POLICY_IN ? packet->near_port : packet->far_port;

	for (size_t i = 0; i < ports->n; i++)
		if (ports->list[i].proto == packet->proto && terms_port_fits(&ports->list[i], port))
			return true;
	return false;
}

static bool terms_type_fits(const struct terms_match *match, uint8_t type)
{
	for (size_t i = 0; i < match->n_types; i++)
		if (match->types[i] == type)
			return true;
	return match->n_types == 0;
}

static bool terms_user_fits(const struct policy *p, const struct policy_users *users,
			    const struct terms_packet *packet)
{
	for (size_t i = 0; packet->has_uid && i < users->n; i++)
		if (p->users[users->at[i]].uid == packet->uid)
			return true;
	return false;
}

static bool terms_net_fits(const struct policy_net *net, const struct terms_packet *packet)
{
	return net->is_any ? packet->family == 6 : policy_has(&net->prefixes, &packet->far);
}

static bool terms_addresses_fit(const struct terms_match *match, const struct terms_packet *packet)
{
	if (match->family && match->family != packet->family)
		return false;
	if (match->far && !terms_net_fits(match->far, packet))
		return false;
	if (match->far_in && !policy_has(match->far_in, &packet->far))
		return false;
	return !match->near_in || policy_has(match->near_in, &packet->near);
}

static bool terms_transport_fits(const struct terms_match *match, const struct terms_packet *packet)
{
	if (match->proto && match->proto != packet->proto)
		return false;
	if (match->ports && !terms_ports_fit(match->ports, packet))
		return false;
	if (!terms_port_fits(&match->far_ports, packet->far_port) ||
	    !terms_port_fits(&match->near_ports, packet->near_port))
		return false;
	return terms_type_fits(match, packet->icmp_type) &&
	       (!match->needs_hop_255 || packet->hop_limit == 255);
}

static bool terms_grant_fits(const struct terms_match *match, const struct terms_packet *packet)
{
	return match->grant == POLICY_NONE ||
	       (packet->grants >> match->grant & 1) == !match->grant_absent;
}

bool terms_fits(const struct policy *p, const struct terms_match *match,
		const struct terms_packet *packet)
{
	if (match->links && !(match->links & TERMS_ON(packet->link)))
		return false;
	if (match->cts && !(match->cts & 1u << packet->ct))
		return false;
	if (match->has_mark && match->mark != packet->mark)
		return false;
	if ((match->facts & packet->facts) != match->facts)
		return false;
	if (match->users && !terms_user_fits(p, match->users, packet))
		return false;
	return terms_grant_fits(match, packet) && terms_addresses_fit(match, packet) &&
	       terms_transport_fits(match, packet);
}

static const struct terms_item *terms_first(const struct terms *t, const struct terms_list *list,
					    const struct terms_packet *packet)
{
	size_t i = 0;

	while (i + 1 < list->n && !terms_fits(t->policy, &list->list[i].match, packet))
		i++;
	return &list->list[i];
}

struct terms_answer terms_decide(const struct terms *t, const struct terms_packet *packet)
{
	const struct terms_item *item, *guard;

	if (packet->dir == POLICY_IN) {
		item = terms_first(t, &t->in, packet);
		return (struct terms_answer){ item->verdict, false, item };
	}
	item = terms_first(t, &t->out, packet);
	guard = terms_first(t, &t->guard, packet);
	if (packet->from_packet_socket ||
	    (item->verdict == TERMS_ACCEPT && guard->verdict != TERMS_ACCEPT))
		return (struct terms_answer){ guard->verdict, true, guard };
	return (struct terms_answer){ item->verdict, false, item };
}

const char *terms_verdict_name(enum terms_verdict v)
{
	static const char *const names[] = { "accept", "drop", "reject" };

	return v < ARRAY_SIZE(names) ? names[v] : "?";
}

void terms_release(struct terms *t)
{
	free(t->in.list);
	free(t->out.list);
	free(t->guard.list);
	*t = (struct terms){ 0 };
}
