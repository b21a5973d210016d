/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/hostpolicy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOSTPOLICY_CONFIG_LEN_MIN 16 /* shorter config_nets would swallow whole registries */
#define HOSTPOLICY_V4_LEN_MIN (POLICY_V4_BITS + 8)

/* Instance metadata over IPv4. Source: EC2 user guide, "Instance metadata". */
static const char hostpolicy_imds4[] = "169.254.169.254";

/* One building: where it goes, and where it sticks when something does not fit. */
struct hostpolicy_run {
	const struct hostpolicy *h;
	struct policy *p;
	char *error;
	int r;
};

static void hostpolicy_fail(struct hostpolicy_run *run, int r, const char *what, const char *object)
{
	if (run->r == 0)
		snprintf(run->error, POLICY_ERROR_MAX, "%s%s%s", what, *object ? ": " : "", object);
	if (run->r == 0)
		run->r = r;
}

/* Gives the index of a new net that holds @from. */
static size_t hostpolicy_net(struct hostpolicy_run *run, const char *name,
			     const struct policy_prefixes *from)
{
	size_t at = 0;
	int r = policy_add_net(run->p, name, &at);

	if (r == -E2BIG)
		hostpolicy_fail(run, r, "too many networks at", name);
	else if (r < 0)
		hostpolicy_fail(run, r, "the name is taken or not of a-z 0-9 _ -", name);
	else
		run->p->nets[at].prefixes = *from;
	return at;
}

static void hostpolicy_rule(struct hostpolicy_run *run, const struct policy_rule *rule)
{
	if (policy_add_rule(run->p, rule) < 0)
		hostpolicy_fail(run, -E2BIG, "too many rules at", rule->why);
}

/* One rule for each port of the list, from the same template. */
static void hostpolicy_rules(struct hostpolicy_run *run, const struct policy_rule *like,
			     const struct policy_ports *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		struct policy_rule rule = *like;

		rule.port = ports->list[i];
		hostpolicy_rule(run, &rule);
	}
}

static struct policy_rule hostpolicy_like(enum policy_dir dir, enum policy_via via, size_t net,
					  unsigned int row, const char *why)
{
	struct policy_rule rule = { .dir = dir, .via = via, .net = net, .row = row };

	snprintf(rule.why, sizeof(rule.why), "%s", why);
	return rule;
}

static void hostpolicy_one_port(struct hostpolicy_run *run, struct policy_rule rule,
				enum policy_proto proto, uint32_t port)
{
	rule.port = (struct policy_port){ proto, (uint16_t)port, (uint16_t)port };
	hostpolicy_rule(run, &rule);
}

/* Rows 6 and 7: what the cloud offers every host. */
static void hostpolicy_cloud(struct hostpolicy_run *run)
{
	const struct hostpolicy *h = run->h;
	struct policy_prefixes imds = h->imds;
	struct ip6_prefix imds4;
	struct policy_rule rule;

	if (h->imds_ipv4 && (policy_parse_prefix(hostpolicy_imds4, &imds4) < 0 ||
			     policy_add_prefix(&imds, &imds4) < 0))
		hostpolicy_fail(run, -E2BIG, "too many prefixes", "[policy] imds");
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, hostpolicy_net(run, "dns", &h->dns),
			       6, "[policy] dns");
	hostpolicy_one_port(run, rule, POLICY_UDP, 53);
	hostpolicy_one_port(run, rule, POLICY_TCP, 53);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, hostpolicy_net(run, "ntp", &h->ntp),
			       6, "[policy] ntp");
	hostpolicy_one_port(run, rule, POLICY_UDP, 123);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, hostpolicy_net(run, "imds", &imds), 7,
			       "[policy] imds, certd_user");
	rule.is_for_user = true;
	rule.uid = h->certd.uid;
	if (h->has_certd)
		hostpolicy_one_port(run, rule, POLICY_TCP, 80);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, rule.net, 7, "[policy] imds_root");
	rule.is_for_user = true;
	if (h->imds_root && !(h->has_certd && h->certd.uid == 0))
		hostpolicy_one_port(run, rule, POLICY_TCP, 80);
}

/* Rows 8, 9, 11 and 12: the zone. */
static void hostpolicy_zone(struct hostpolicy_run *run)
{
	const struct hostpolicy *h = run->h;
	struct policy_prefixes gateways = { .n = 1, .list = { h->gateways_prefix } };
	size_t config = hostpolicy_net(run, "config", &h->config_nets);
	size_t gate = hostpolicy_net(run, "gateways", &gateways);
	struct policy_rule rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, config, 8,
						  "[tunnel] wg_port, mark");

	run->p->config_net = config;
	run->p->gateways_net = gate;
	rule.is_marked = true;
	hostpolicy_one_port(run, rule, POLICY_UDP, h->wg_port);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, config, 9,
			       "[tunnel] exchange_port, mark");
	rule.is_marked = true;
	hostpolicy_one_port(run, rule, POLICY_TCP, h->exchange_port);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_TUNNEL, config, 11, "[zone] config_nets");
	hostpolicy_rule(run, &rule);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_TUNNEL, gate, 11, "[zone] gateways_prefix");
	hostpolicy_rule(run, &rule);
	rule = hostpolicy_like(POLICY_IN, POLICY_VIA_TUNNEL, config, 12, "[policy] management");
	hostpolicy_rules(run, &rule, &h->management);
	rule.net = gate;
	hostpolicy_rules(run, &rule, &h->management);
}

/* Rows 10, 13 and 14. A list that is empty makes no rule, so its net would match nothing. */
static void hostpolicy_neighbours(struct hostpolicy_run *run)
{
	const struct hostpolicy *h = run->h;
	struct policy_rule rule;

	if (h->identity.n && !h->has_certd)
		hostpolicy_fail(run, -EINVAL, "[policy] identity",
				"who may reach them? there is no user postern-certd, "
				"and certd_user is not set");
	if (h->identity.n) {
		rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK,
				       hostpolicy_net(run, "identity", &h->identity), 10,
				       "[policy] identity, certd_user");
		rule.is_for_user = true;
		rule.uid = h->certd.uid;
		hostpolicy_rules(run, &rule, &h->identity_ports);
	}
	if (h->app_from.n) {
		rule = hostpolicy_like(POLICY_IN, POLICY_VIA_UPLINK,
				       hostpolicy_net(run, "app", &h->app_from), 13,
				       "[policy] app_from, app_ports");
		hostpolicy_rules(run, &rule, &h->app_ports);
	}
	if (h->peers.n) {
		rule = hostpolicy_like(POLICY_IN, POLICY_VIA_UPLINK,
				       hostpolicy_net(run, "peers", &h->peers), 14,
				       "[policy] peers, peer_ports");
		hostpolicy_rules(run, &rule, &h->peer_ports);
		rule.dir = POLICY_OUT;
		hostpolicy_rules(run, &rule, &h->peer_ports);
	}
}

/* Row 15. */
static void hostpolicy_egress(struct hostpolicy_run *run, const struct hostpolicy_egress *e)
{
	char name[POLICY_NAME_MAX];
	char why[POLICY_WHY_MAX];
	struct policy_rule rule;

	if ((size_t)snprintf(name, sizeof(name), "to_%s", e->name) >= sizeof(name))
		hostpolicy_fail(run, -EINVAL, "the name is too long", e->name);
	snprintf(why, sizeof(why), "[policy] egress %s", e->name);
	rule = hostpolicy_like(POLICY_OUT, POLICY_VIA_UPLINK, hostpolicy_net(run, name, &e->to), 15,
			       why);
	rule.is_for_user = e->user.name[0] != '\0';
	rule.uid = e->user.uid;
	hostpolicy_rules(run, &rule, &e->ports);
}

/* A list on the uplink that meets the zone could never match: its packets belong into the
 * tunnel. */
static void hostpolicy_check_apart(struct hostpolicy_run *run, const struct policy_net *net)
{
	const struct policy *p = run->p;

	if (net == &p->nets[p->config_net] || net == &p->nets[p->gateways_net])
		return;
	if (policy_overlaps(&net->prefixes, &p->nets[p->config_net].prefixes))
		hostpolicy_fail(run, -EINVAL,
				"overlaps [zone] config_nets, which are reached "
				"through the tunnel only; the list",
				net->name);
	if (policy_overlaps(&net->prefixes, &p->nets[p->gateways_net].prefixes))
		hostpolicy_fail(run, -EINVAL,
				"overlaps [zone] gateways_prefix, which is reached "
				"through the tunnel only; the list",
				net->name);
}

/* IPv4 has two places: instance metadata, and the application's networks inside the VPC. */
static void hostpolicy_check_v4(struct hostpolicy_run *run, const struct policy_net *net)
{
	char text[IP6_PREFIX_TEXT];

	if (strcmp(net->name, "app") && strcmp(net->name, "imds") &&
	    policy_has_family(&net->prefixes, true))
		hostpolicy_fail(run, -EINVAL, "IPv4 is allowed in app_from only; the list",
				net->name);
	for (size_t i = 0; i < net->prefixes.n; i++)
		if (policy_is_v4(&net->prefixes.list[i]) &&
		    net->prefixes.list[i].len < HOSTPOLICY_V4_LEN_MIN)
			hostpolicy_fail(run, -EINVAL,
					"an IPv4 network this large is not inside a VPC",
					policy_format_prefix(&net->prefixes.list[i], text));
}

static void hostpolicy_check_nets(struct hostpolicy_run *run)
{
	const struct policy *p = run->p;

	for (size_t i = 0; i < p->nets[p->config_net].prefixes.n; i++)
		if (p->nets[p->config_net].prefixes.list[i].len < HOSTPOLICY_CONFIG_LEN_MIN)
			hostpolicy_fail(run, -EINVAL, "[zone] config_nets",
					"a prefix shorter than /16");
	for (size_t i = 0; i < p->n_nets; i++) {
		hostpolicy_check_apart(run, &p->nets[i]);
		hostpolicy_check_v4(run, &p->nets[i]);
	}
	for (size_t i = 0; i < run->h->app_from.n; i++)
		if (run->h->app_from.list[i].len == 0)
			hostpolicy_fail(run, -EINVAL, "[policy] app_from",
					"a compute host is not entered from everywhere (::/0)");
}

static void hostpolicy_check_half(struct hostpolicy_run *run, size_t n_nets, size_t n_ports,
				  const char *what)
{
	if (!n_nets != !n_ports)
		hostpolicy_fail(run, -EINVAL, "one without the other allows nothing", what);
}

static void hostpolicy_check_links(struct hostpolicy_run *run)
{
	const struct hostpolicy *h = run->h;

	if (h->n_uplinks == 0 || h->n_uplinks > POLICY_UPLINKS_MAX)
		hostpolicy_fail(run, -EINVAL, "[policy] uplinks", "1 to 8 interfaces");
	if (!strcmp(h->tunnel, h->spare_tunnel))
		hostpolicy_fail(run, -EINVAL, "[tunnel] interface and spare_interface",
				"must differ");
	for (size_t i = 0; i < h->n_uplinks; i++) {
		const char *up = h->uplinks[i];

		if (!strcmp(up, "lo") || !strcmp(up, h->tunnel) || !strcmp(up, h->spare_tunnel))
			hostpolicy_fail(run, -EINVAL, "[policy] uplinks: not an uplink", up);
		for (size_t j = 0; j < i; j++)
			if (!strcmp(up, h->uplinks[j]))
				hostpolicy_fail(run, -EINVAL, "[policy] uplinks: given twice", up);
	}
}

static void hostpolicy_frame(const struct hostpolicy *h, struct policy *p)
{
	memcpy(p->name, h->name, sizeof(p->name));
	p->version = h->version;
	p->enforce = h->enforce;
	p->log_rate = h->log_rate;
	p->mark = h->mark;
	p->wg_port = h->wg_port;
	p->exchange_port = h->exchange_port;
	p->n_uplinks = h->n_uplinks;
	memcpy(p->uplinks, h->uplinks, sizeof(p->uplinks));
	p->n_tunnels = 2;
	memcpy(p->tunnels[0], h->tunnel, sizeof(p->tunnels[0]));
	memcpy(p->tunnels[1], h->spare_tunnel, sizeof(p->tunnels[1]));
}

int hostpolicy_build(const struct hostpolicy *h, struct policy *ret,
		     char ret_error[static POLICY_ERROR_MAX])
{
	struct hostpolicy_run run = { .h = h, .p = ret, .error = ret_error };

	if (strcmp(h->tier, "compute") != 0)
		hostpolicy_fail(&run, -EINVAL, "[policy] tier: only 'compute' is known", h->tier);
	hostpolicy_check_links(&run);
	if (run.r < 0)
		return run.r;
	hostpolicy_frame(h, ret);
	hostpolicy_zone(&run);
	hostpolicy_cloud(&run);
	hostpolicy_neighbours(&run);
	for (size_t i = 0; i < h->n_egress; i++)
		hostpolicy_egress(&run, &h->egress[i]);
	hostpolicy_check_half(&run, h->app_from.n, h->app_ports.n,
			      "[policy] app_from and app_ports");
	hostpolicy_check_half(&run, h->peers.n, h->peer_ports.n, "[policy] peers and peer_ports");
	if (run.r == 0)
		hostpolicy_check_nets(&run);
	policy_finish(ret);
	return run.r;
}
