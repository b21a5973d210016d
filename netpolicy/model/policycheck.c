/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/policycheck.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where a host without a public IPv4 address meets IPv4. Sources: RFC 1918, RFC 6598, RFC 3927. */
static const struct policycheck_vpc {
	uint8_t addr[2], len;
} policycheck_vpc[] = { { { 10, 0 }, 8 },
			{ { 172, 16 }, 12 },
			{ { 192, 168 }, 16 },
			{ { 100, 64 }, 10 },
			{ { 169, 254 }, 16 } };

/* Sets of the rules themselves, and words of nft: with the digit of a family behind them. */
static const char *const policycheck_reserved[] = { "martians", "local_scope", "metadata", "ip",
						    "icmpv" };

/* The message of an error, behind the line it is about. Gives -EINVAL. */
_printf_(3, 4) static int policycheck_fail(char *error, const char *where, const char *fmt, ...)
{
	size_t at = 0;
	va_list ap;

	if (*where)
		at = (size_t)snprintf(error, POLICY_ERROR_MAX, "%.63s: ", where);
	va_start(ap, fmt);
	vsnprintf(error + at, POLICY_ERROR_MAX - at, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool policycheck_is_zone(const struct policy *p, size_t net)
{
	return net == p->config_net || net == p->gateways_net;
}

static bool policycheck_is_named(const struct policy *p, size_t net, const char *name)
{
	return !strcmp(p->nets[net].name, name);
}

/* The cloud's services, which have directives of their own. */
static bool policycheck_is_service(const struct policy *p, size_t net)
{
	return policycheck_is_named(p, net, "dns") || policycheck_is_named(p, net, "ntp") ||
	       policycheck_is_named(p, net, "imds");
}

static bool policycheck_is_vpc(const struct ip6_prefix *v4)
{
	for (size_t i = 0; i < ARRAY_SIZE(policycheck_vpc); i++) {
		struct ip6_prefix range = { .len = (uint8_t)(POLICY_V4_BITS +
							     policycheck_vpc[i].len) };

		range.addr.s6_addr[10] = range.addr.s6_addr[11] = 0xff;
		memcpy(&range.addr.s6_addr[12], policycheck_vpc[i].addr, 2);
		if (ip6_prefix_covers(&range, v4))
			return true;
	}
	return false;
}

/* Addresses that no server of a zone has: ::/8, fe80::/10, ff00::/8. */
static bool policycheck_is_local(const struct ip6_prefix *prefix)
{
	const uint8_t *a = prefix->addr.s6_addr;

	return a[0] == 0 || a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

/* "any", or as much of the Internet under another name. IPv4 is inside the VPC. */
static bool policycheck_is_internet(const struct policy_net *n)
{
	for (size_t i = 0; i < n->prefixes.n; i++)
		if (n->prefixes.list[i].len < POLICYCHECK_WIDE_BITS)
			return true;
	return n->is_any;
}

/* No packet comes from there: multicast, and loopback outside of lo. */
static bool policycheck_is_no_source(const struct policy_net *n)
{
	static const struct ip6_prefix multicast = { { { { 0xff } } }, 8 };
	static const struct ip6_prefix loopback = { { { { [15] = 1 } } }, 128 };
	size_t i = 0;

	while (i < n->prefixes.n && (ip6_prefix_covers(&multicast, &n->prefixes.list[i]) ||
				     ip6_prefix_equal(&loopback, &n->prefixes.list[i])))
		i++;
	return i == n->prefixes.n && !n->is_any;
}

static int policycheck_prefix(const struct policy *p, size_t net, const struct ip6_prefix *prefix,
			      char *error)
{
	const struct policy_net *n = &p->nets[net];
	bool v4 = policy_is_v4(prefix);
	char text[IP6_PREFIX_TEXT];

	policy_format_prefix(prefix, text);
	if (policycheck_is_zone(p, net) && v4)
		return policycheck_fail(error, n->where,
					"%s of '%s' is IPv4; the zone is reached over IPv6 only",
					text, n->name);
	if (policycheck_is_zone(p, net) && policycheck_is_local(prefix))
		return policycheck_fail(
			error, n->where,
			"%s of '%s' is no network of servers; link-local, multicast "
			"and reserved addresses are never behind the tunnel",
			text, n->name);
	if (policycheck_is_zone(p, net) && prefix->len < POLICYCHECK_WIDE_BITS)
		return policycheck_fail(error, n->where,
					"%s of '%s' is too wide; its prefixes have /%d to /128",
					text, n->name, POLICYCHECK_WIDE_BITS);
	if (policycheck_is_service(p, net) && prefix->len < POLICYCHECK_SERVICE_BITS)
		return policycheck_fail(
			error, n->where,
			"%s of '%s' is a network; name the addresses of the servers", text,
			n->name);
	if (v4 && !policycheck_is_vpc(prefix))
		return policycheck_fail(error, n->where,
					"%s of '%s' is not inside the VPC; IPv4 is for 10.0.0.0/8, "
					"172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 and "
					"169.254.0.0/16",
					text, n->name);
	return 0;
}

static int policycheck_name(const struct policy_net *n, char *error)
{
	bool is_reserved = !strncmp(n->name, "grant_", strlen("grant_"));

	for (size_t i = 0; i < ARRAY_SIZE(policycheck_reserved); i++)
		is_reserved |= !strcmp(n->name, policycheck_reserved[i]);
	return is_reserved ? policycheck_fail(error, n->where,
					      "the rules use the name '%s' themselves; choose "
					      "another",
					      n->name) :
			     0;
}

/* The zone and the instance metadata belong to nobody else: packets there never come to a line of
 * another network. */
static int policycheck_overlaps(const struct policy *p, size_t net, char *error)
{
	static struct ip6_prefix list[] = {
		{ { { { [10] = 0xff, 0xff, 169, 254, 169, 254 } } }, 128 },
		{ { { { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54 } } }, 128 },
	};
	static const struct policy_net metadata = { .prefixes = { list, ARRAY_SIZE(list), 0 } };
	const struct policy_net *n = &p->nets[net];
	const size_t zones[] = { p->config_net, p->gateways_net };
	size_t imds = policy_find_net(p, "imds");

	for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
		if (zones[i] != POLICY_NONE && zones[i] != net &&
		    policy_nets_overlap(n, &p->nets[zones[i]]))
			return policycheck_fail(error, n->where,
						"'%s' holds addresses of '%s', which are reached "
						"through the tunnel only; take them out",
						n->name, p->nets[zones[i]].name);
	if (net == imds)
		return 0;
	if (policy_nets_overlap(n, &metadata) ||
	    (imds != POLICY_NONE && policy_nets_overlap(n, &p->nets[imds])))
		return policycheck_fail(
			error, n->where,
			"'%s' holds the address of the instance metadata, where only "
			"'imds allow user USER...' leads; take it out",
			n->name);
	return 0;
}

static int policycheck_net(const struct policy *p, size_t net, char *error)
{
	const struct policy_net *n = &p->nets[net];
	int r = policycheck_name(n, error);

	if (r == 0 && n->prefixes.n == 0)
		return policycheck_fail(error, n->where, "'%s' has no prefix", n->name);
	for (size_t i = 0; i < n->prefixes.n && r == 0; i++)
		r = policycheck_prefix(p, net, &n->prefixes.list[i], error);
	return r < 0 ? r : policycheck_overlaps(p, net, error);
}

static bool policycheck_say_uses(const struct policy_say *say, size_t net)
{
	for (size_t i = 0; i < say->n_excepts; i++)
		if (say->excepts[i].net == net)
			return true;
	return say->match.net == net;
}

static bool policycheck_uses(const struct policy *p, size_t net)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].net == net)
			return true;
	for (size_t i = 0; i < p->n_grants; i++)
		if (p->grants[i].net == net)
			return true;
	for (size_t i = 0; i < p->n_says; i++)
		if (policycheck_say_uses(&p->says[i], net))
			return true;
	return p->nets[net].has_tier || policycheck_is_zone(p, net);
}

int policycheck_nets(const struct policy *p, char ret_error[static POLICY_ERROR_MAX])
{
	int r = 0;

	if (p->n_uplinks == 0)
		return policycheck_fail(ret_error, "", "the line 'link up IF...' is missing");
	if (p->n_tunnels && p->config_net == POLICY_NONE)
		return policycheck_fail(
			ret_error, "",
			"'link tun' needs a line 'net config PREFIX...': the servers "
			"that are reached through the tunnel only");
	for (size_t i = 0; i < p->n_nets && r == 0; i++) {
		if (p->nets[i].is_any)
			continue;
		r = policycheck_net(p, i, ret_error);
		if (r == 0 && !policycheck_uses(p, i))
			r = policycheck_fail(ret_error, p->nets[i].where,
					     "'%s' is declared, but no line uses it; use it or "
					     "take the line out",
					     p->nets[i].name);
	}
	return r;
}

/* The zone outside of the tunnel: only what is marked, one port a line. */
static int policycheck_marked(const struct policy *p, const struct policy_rule *rule, char *error)
{
	const struct policy_ports *ports = &rule->ports;

	if (rule->dir != POLICY_OUT || rule->via != POLICY_VIA_UPLINK || rule->net != p->config_net)
		return policycheck_fail(
			error, rule->where,
			"a mark stands only in 'to config via up allow (udp|tcp) PORT "
			"mark MARK'");
	if (ports->n != 1 || ports->list[0].low != ports->list[0].high)
		return policycheck_fail(error, rule->where,
					"a marked line names one port; write a line for each");
	if (rule->users.n)
		return policycheck_fail(
			error, rule->where,
			"a marked line has no user: packets of the tunnel belong to "
			"nobody");
	return 0;
}

static int policycheck_zone(const struct policy *p, const struct policy_rule *rule, char *error)
{
	const char *name = p->nets[rule->net].name;

	if (rule->has_mark)
		return policycheck_marked(p, rule, error);
	if (!policycheck_is_zone(p, rule->net) || rule->via == POLICY_VIA_TUNNEL)
		return 0;
	if (rule->dir == POLICY_IN || rule->net == p->gateways_net)
		return policycheck_fail(error, rule->where,
					"'%s' is reached through the tunnel only; write 'via tun'",
					name);
	return policycheck_fail(
		error, rule->where,
		"outside the tunnel only marked packets go to '%s'; write 'via tun', "
		"or 'mark MARK' behind one port",
		name);
}

static int policycheck_storage(const struct policy *p, const struct policy_rule *rule, char *error)
{
	const struct policy_net *n = &p->nets[rule->net];

	if (policycheck_is_internet(n))
		return policycheck_fail(
			error, rule->where,
			"a storage host has no line for '%s': it reaches nobody on "
			"the Internet and nobody there reaches it; name the network, of /%d or "
			"longer",
			n->name, POLICYCHECK_WIDE_BITS);
	if (rule->via == POLICY_VIA_TUNNEL || rule->has_mark ||
	    policycheck_is_service(p, rule->net))
		return 0;
	if (rule->dir == POLICY_IN && (!n->has_tier || n->tier != POLICY_COMPUTE))
		return policycheck_fail(
			error, rule->where,
			"a storage host is entered from 'tier compute' and the tunnel "
			"only, not from '%s'",
			n->name);
	if (rule->dir == POLICY_OUT && rule->users.n == 0)
		return policycheck_fail(error, rule->where,
					"a storage host sends only as a named user: write 'user "
					"USER...' behind the ports");
	return 0;
}

static int policycheck_tier(const struct policy *p, const struct policy_rule *rule, char *error)
{
	if (p->tier == POLICY_STORAGE)
		return policycheck_storage(p, rule, error);
	if (p->tier == POLICY_COMPUTE && rule->dir == POLICY_IN &&
	    policycheck_is_internet(&p->nets[rule->net]))
		return policycheck_fail(
			error, rule->where,
			"a compute host is entered from load balancers and the tunnel, "
			"not from '%s'; name the network, of /%d or longer",
			p->nets[rule->net].name, POLICYCHECK_WIDE_BITS);
	return 0;
}

static int policycheck_rule(const struct policy *p, const struct policy_rule *rule, char *error)
{
	int r = policycheck_zone(p, rule, error);

	if (r < 0)
		return r;
	if (rule->via == POLICY_VIA_TUNNEL && p->n_tunnels == 0)
		return policycheck_fail(error, rule->where,
					"there is no tunnel; declare it as 'link tun IF...'");
	if (rule->dir == POLICY_IN && rule->users.n)
		return policycheck_fail(error, rule->where,
					"what comes in has no user; 'user' stands in 'to' only");
	if (rule->dir == POLICY_IN && policycheck_is_no_source(&p->nets[rule->net]))
		return policycheck_fail(error, rule->where,
					"no packet comes from '%s': it holds multicast or loopback "
					"addresses only",
					p->nets[rule->net].name);
	if (policycheck_is_named(p, rule->net, "imds") && rule->users.n == 0)
		return policycheck_fail(
			error, rule->where,
			"instance metadata is for users by name; write 'user USER...'");
	return policycheck_tier(p, rule, error);
}

/* A grant is held to what a line may say. */
static int policycheck_grant(const struct policy *p, const struct policy_grant *grant, char *error)
{
	struct policy_rule rule = {
		.dir = POLICY_IN,
		.via = grant->via,
		.net = grant->net,
		.ports = grant->ports,
	};

	memcpy(rule.where, grant->where, sizeof(rule.where));
	if (grant->ports.n == 0)
		return policycheck_fail(error, grant->where, "grant '%s' has no port", grant->name);
	if (p->nets[grant->net].is_any && grant->via == POLICY_VIA_TUNNEL)
		return policycheck_fail(error, grant->where,
					"grant '%s' through the tunnel is not for 'any'; name the "
					"network",
					grant->name);
	return policycheck_rule(p, &rule, error);
}

int policycheck_lines(const struct policy *p, char ret_error[static POLICY_ERROR_MAX])
{
	int r = 0;

	for (size_t i = 0; i < p->n_rules && r == 0; i++)
		r = policycheck_rule(p, &p->rules[i], ret_error);
	for (size_t i = 0; i < p->n_grants && r == 0; i++)
		r = policycheck_grant(p, &p->grants[i], ret_error);
	return r;
}

/* The end of the range in @ports that holds @port, or 0. */
static uint32_t policycheck_range_end(const struct policy_ports *ports, enum policy_proto proto,
				      uint32_t port)
{
	for (size_t i = 0; i < ports->n; i++)
		if (ports->list[i].proto == proto && port >= ports->list[i].low &&
		    port <= ports->list[i].high)
			return ports->list[i].high;
	return 0;
}

static bool policycheck_has_range(const struct policy_ports *ports, const struct policy_port *range)
{
	for (uint32_t at = range->low; at <= range->high; at++) {
		at = policycheck_range_end(ports, range->proto, at);
		if (at == 0)
			return false;
	}
	return true;
}

static bool policycheck_covers_ports(const struct policy_ports *a, const struct policy_ports *b)
{
	if (a->n == 0 || b->n == 0)
		return a->n == 0;
	for (size_t i = 0; i < b->n; i++)
		if (!policycheck_has_range(a, &b->list[i]))
			return false;
	return true;
}

static bool policycheck_ports_meet(const struct policy_ports *a, const struct policy_ports *b)
{
	if (a->n == 0 || b->n == 0)
		return true;
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (a->list[i].proto == b->list[j].proto &&
			    a->list[i].low <= b->list[j].high && b->list[j].low <= a->list[i].high)
				return true;
	return false;
}

static bool policycheck_has_user(const struct policy *p, const struct policy_users *users,
				 uint32_t uid)
{
	for (size_t i = 0; i < users->n; i++)
		if (p->users[users->at[i]].uid == uid)
			return true;
	return false;
}

static bool policycheck_covers_users(const struct policy *p, const struct policy_users *a,
				     const struct policy_users *b)
{
	if (a->n == 0 || b->n == 0)
		return a->n == 0;
	for (size_t i = 0; i < b->n; i++)
		if (!policycheck_has_user(p, a, p->users[b->at[i]].uid))
			return false;
	return true;
}

/* Both lists are merged, so one prefix of @a must hold each of @b. */
static bool policycheck_covers_net(const struct policy *p, size_t a, size_t b)
{
	const struct policy_prefixes *wide = &p->nets[a].prefixes, *narrow = &p->nets[b].prefixes;
	size_t at = 0;

	if (a == b)
		return true;
	if (policycheck_is_zone(p, b) || policycheck_is_named(p, b, "imds"))
		return false;
	if (p->nets[a].is_any || p->nets[b].is_any)
		return p->nets[a].is_any && !policy_net_has(&p->nets[b], true);
	for (size_t i = 0; i < narrow->n; i++) {
		while (at < wide->n && !ip6_prefix_covers(&wide->list[at], &narrow->list[i]))
			at++;
		if (at == wide->n ||
		    policy_is_v4(&wide->list[at]) != policy_is_v4(&narrow->list[i]))
			return false;
	}
	return true;
}

static bool policycheck_covers(const struct policy *p, const struct policy_rule *a,
			       const struct policy_rule *b)
{
	return a->dir == b->dir && a->via == b->via && a->has_mark == b->has_mark &&
	       a->mark == b->mark && policycheck_covers_ports(&a->ports, &b->ports) &&
	       policycheck_covers_users(p, &a->users, &b->users) &&
	       policycheck_covers_net(p, a->net, b->net);
}

static int policycheck_covered(const struct policy *p, size_t at, char *error)
{
	for (size_t i = 0; i < at; i++)
		if (policycheck_covers(p, &p->rules[i], &p->rules[at]))
			return policycheck_fail(error, p->rules[at].where,
						"already allowed by %s; take one of the two out",
						p->rules[i].where);
	return 0;
}

/* True when @net and @via of a grant and of something else can be the same packets. */
static bool policycheck_meets(const struct policy *p, const struct policy_grant *grant,
			      const struct policy_rule *rule)
{
	return rule->dir == POLICY_IN && grant->via == rule->via &&
	       policycheck_ports_meet(&grant->ports, &rule->ports) &&
	       policy_nets_overlap(&p->nets[grant->net], &p->nets[rule->net]);
}

static int policycheck_grant_alone(const struct policy *p, size_t at, char *error)
{
	const struct policy_grant *grant = &p->grants[at];

	for (size_t i = 0; i < p->n_rules; i++)
		if (policycheck_meets(p, grant, &p->rules[i]))
			return policycheck_fail(
				error, grant->where,
				"what grant '%s' is for is allowed without it by %s; "
				"take one of the two out",
				grant->name, p->rules[i].where);
	for (size_t i = 0; i < at; i++) {
		const struct policy_rule other = {
			.dir = POLICY_IN,
			.via = p->grants[i].via,
			.net = p->grants[i].net,
			.ports = p->grants[i].ports,
		};

		if (policycheck_meets(p, grant, &other))
			return policycheck_fail(
				error, grant->where,
				"grant '%s' and grant '%s' of %s are for the same "
				"packets; make them one, or their networks or ports "
				"apart",
				grant->name, p->grants[i].name, p->grants[i].where);
	}
	return 0;
}

int policycheck_doubles(const struct policy *p, char ret_error[static POLICY_ERROR_MAX])
{
	int r = 0;

	for (size_t i = 0; i < p->n_rules && r == 0; i++)
		r = policycheck_covered(p, i, ret_error);
	for (size_t i = 0; i < p->n_grants && r == 0; i++)
		r = policycheck_grant_alone(p, i, ret_error);
	return r;
}
