/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/zoneconf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ZONECONF_CLAIM "the tunnel works"
#define ZONECONF_OTHERS "see tunneld(8) and certd(8)"

/* A key of others, checked there. */
static int zoneconf_ignore(const struct conf_item *item, const char *label, const char *value,
			   void *obj)
{
	return 0;
}

static int zoneconf_add_net(const struct conf_item *item, const char *label, const char *value,
			    void *obj)
{
	struct zoneconf *z = obj;
	struct ip6_prefix prefix;
	int r = ip6_parse_prefix(value, &prefix);

	return r < 0 ? r : policy_add_prefix(&z->config_nets, &prefix);
}

/* "name:group" without the group. */
static int zoneconf_set_user(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	char name[CONF_VALUE_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(value, ":"), value);
	return conf_set_str(item, label, name, obj);
}

#define ZONECONF_AT(f) .offset = offsetof(struct zoneconf, f)
#define ZONECONF_FIELD(f) ZONECONF_AT(f), .size = sizeof(((struct zoneconf *)0)->f)
#define ZONECONF_IGNORED(section, key)                                                             \
	{                                                                                          \
		section, key, zoneconf_ignore, .range = ZONECONF_OTHERS,                           \
					       .doc = "Not of this program."                       \
	}

/* clang-format off */
static const struct conf_item zoneconf_items[] = {
	ZONECONF_IGNORED("zone", "name"),
	ZONECONF_IGNORED("zone", "hosts_prefix"),
	{ "zone", "gateways_prefix", conf_set_prefix, ZONECONF_AT(gateways_prefix),
	  .flags = CONF_REQUIRED, .range = "an IPv6 prefix",
	  .doc = "Tunnel addresses of the configuration servers." },
	{ "zone", "config_nets", zoneconf_add_net, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "IPv6 prefixes", .doc = "Public addresses of the configuration servers." },
	{ "tunnel", "interface", conf_set_name, ZONECONF_FIELD(tunnel), .fallback = "postern0",
	  .range = "an interface name of at most 15 characters", .doc = "WireGuard interface." },
	{ "tunnel", "spare_interface", conf_set_name, ZONECONF_FIELD(spare_tunnel),
	  .fallback = "postern1", .range = "an interface name of at most 15 characters",
	  .doc = "Second WireGuard interface, for the time of a key rotation." },
	ZONECONF_IGNORED("tunnel", "mtu"),
	{ "tunnel", "mark", conf_set_u32, ZONECONF_AT(mark), .min = 1, .max = UINT32_MAX,
	  .fallback = "0x504f", .range = "1...0xffffffff",
	  .doc = "Firewall mark of WireGuard's own packets and of exchanges." },
	ZONECONF_IGNORED("tunnel", "table"),
	ZONECONF_IGNORED("tunnel", "priority"),
	{ "tunnel", "wg_port", conf_set_u32, ZONECONF_AT(wg_port), .min = 1024, .max = UINT16_MAX,
	  .fallback = "51820", .range = "1024...65535",
	  .doc = "UDP port of WireGuard on configuration servers." },
	{ "tunnel", "exchange_port", conf_set_u32, ZONECONF_AT(exchange_port), .min = 1,
	  .max = UINT16_MAX, .fallback = "4443", .range = "1...65535",
	  .doc = "TCP port of exchanges on configuration servers." },
	{ "certd", "user", zoneconf_set_user, ZONECONF_FIELD(certd_user),
	  .range = "name, name:group or number", .doc = "The user who asks for the identity." },
	{ "certd", "zts_address", conf_set_endpoint, ZONECONF_AT(issuer),
	  .range = "[IPv6 address]:port", .doc = "The issuer." },
	ZONECONF_IGNORED("certd", "zts_url"),
	ZONECONF_IGNORED("certd", "zts_ca"),
	ZONECONF_IGNORED("certd", "ca_pin"),
	ZONECONF_IGNORED("certd", "domain"),
	ZONECONF_IGNORED("certd", "service"),
	ZONECONF_IGNORED("certd", "provider"),
	ZONECONF_IGNORED("certd", "provider_prefix"),
	ZONECONF_IGNORED("certd", "attestation"),
	ZONECONF_IGNORED("certd", "token_file"),
	ZONECONF_IGNORED("certd", "instance_id"),
	ZONECONF_IGNORED("certd", "key_type"),
	ZONECONF_IGNORED("certd", "expiry_min"),
	ZONECONF_IGNORED("certd", "sia_dir"),
	ZONECONF_IGNORED("certd", "renew_max_s"),
	ZONECONF_IGNORED("certd", "retry_min_s"),
	ZONECONF_IGNORED("certd", "retry_max_s"),
	ZONECONF_IGNORED("certd", "timeout_ms"),
	{ "aws", "sts_address", conf_set_endpoint, ZONECONF_AT(sts),
	  .range = "[IPv6 address]:port", .doc = "STS." },
	ZONECONF_IGNORED("aws", "imds"),
	ZONECONF_IGNORED("aws", "document_signature"),
	ZONECONF_IGNORED("aws", "credentials"),
	ZONECONF_IGNORED("aws", "role_path"),
	ZONECONF_IGNORED("aws", "role_omits_domain"),
	ZONECONF_IGNORED("aws", "sts_url"),
	ZONECONF_IGNORED("aws", "sts_ca"),
	ZONECONF_IGNORED("aws", "audience"),
	ZONECONF_IGNORED("aws", "signing_algorithm"),
	ZONECONF_IGNORED("aws", "token_duration_s"),
};
/* clang-format on */

static const struct conf_schema zoneconf_schema = {
	.items = zoneconf_items,
	.n_items = ARRAY_SIZE(zoneconf_items),
	.foreign = (const char *const[]){ "server", "identity", "log", "tunneld", "csr", NULL },
};

int zoneconf_load(const char *path, struct zoneconf *ret, struct conf_error *ret_error)
{
	*ret = (struct zoneconf){ .certd_user = "" };
	return conf_load(path, &zoneconf_schema, ret, ret_error);
}

int zoneconf_load_text(const char *name, const char *text, struct zoneconf *ret,
		       struct conf_error *ret_error)
{
	*ret = (struct zoneconf){ .certd_user = "" };
	return conf_load_text(name, text, &zoneconf_schema, ret, ret_error);
}

static bool zoneconf_covers(const struct policy_prefixes *set, const struct ip6_prefix *prefix)
{
	for (size_t i = 0; i < set->n; i++)
		if (ip6_prefix_covers(&set->list[i], prefix))
			return true;
	return false;
}

static bool zoneconf_has_tunnel(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_tunnels; i++)
		if (!strcmp(p->tunnels[i], name))
			return true;
	return false;
}

static int zoneconf_not_in(const struct ip6_prefix *prefix, const char *net, const char *key,
			   char ret_error[static POLICY_ERROR_MAX])
{
	char text[IP6_PREFIX_TEXT];

	snprintf(ret_error, POLICY_ERROR_MAX,
		 "postern.conf: %s %s is not in 'net %s' of the policy; name it there", key,
		 ip6_format_prefix(prefix, text), net);
	return -EINVAL;
}

/* Sees whether page and configuration speak of the same tunnel. */
static int zoneconf_compare(const struct zoneconf *z, const struct policy *p,
			    char ret_error[static POLICY_ERROR_MAX])
{
	if (!zoneconf_has_tunnel(p, z->tunnel)) {
		snprintf(ret_error, POLICY_ERROR_MAX,
			 "postern.conf: [tunnel] interface %s is not in 'link tun' of the policy; "
			 "name it there",
			 z->tunnel);
		return -EINVAL;
	}
	if (p->config_net == POLICY_NONE || p->gateways_net == POLICY_NONE) {
		snprintf(ret_error, POLICY_ERROR_MAX,
			 "the policy has no 'net %s', but postern.conf has the zone; declare it",
			 p->config_net == POLICY_NONE ? "config" : "gateways");
		return -EINVAL;
	}
	for (size_t i = 0; i < z->config_nets.n; i++)
		if (!zoneconf_covers(&p->nets[p->config_net].prefixes, &z->config_nets.list[i]))
			return zoneconf_not_in(&z->config_nets.list[i], "config", "config_nets",
					       ret_error);
	if (!zoneconf_covers(&p->nets[p->gateways_net].prefixes, &z->gateways_prefix))
		return zoneconf_not_in(&z->gateways_prefix, "gateways", "gateways_prefix",
				       ret_error);
	return 0;
}

static int zoneconf_add_say(struct policy *p, size_t claim, const struct policy_match *match)
{
	struct policy_say say = { .claim = claim, .match = *match };

	say.match.has_dir = true;
	say.match.dir = POLICY_OUT;
	say.match.via = POLICY_VIA_UPLINK;
	say.match.grant = POLICY_NONE;
	snprintf(say.where, sizeof(say.where), "postern.conf");
	return policy_add_say(p, &say);
}

/* Marked packets of the tunnel to one port of the zone. */
static int zoneconf_add_marked(const struct zoneconf *z, struct policy *p, size_t claim,
			       enum policy_proto proto, uint32_t port)
{
	struct policy_match m = { .net = p->config_net, .has_mark = true, .mark = z->mark };

	m.ports.n = 1;
	m.ports.list[0] = (struct policy_port){ proto, (uint16_t)port, (uint16_t)port };
	return zoneconf_add_say(p, claim, &m);
}

int zoneconf_claims(const struct zoneconf *z, struct policy *p,
		    char ret_error[static POLICY_ERROR_MAX])
{
	struct policy_claim claim = { .text = ZONECONF_CLAIM, .where = "postern.conf" };
	struct policy_match nd = { .net = POLICY_NONE, .n_icmp6 = 2, .icmp6 = { 135, 136 } };
	size_t at = p->n_claims;
	int r = zoneconf_compare(z, p, ret_error);

	if (r == 0)
		r = policy_add_claim(p, &claim);
	if (r == 0)
		r = zoneconf_add_marked(z, p, at, POLICY_UDP, z->wg_port);
	if (r == 0)
		r = zoneconf_add_marked(z, p, at, POLICY_TCP, z->exchange_port);
	return r < 0 ? r : zoneconf_add_say(p, at, &nd);
}

static void zoneconf_put_head(const struct zoneconf *z, enum policy_tier tier, const char *uplinks,
			      struct buf *to)
{
	bool has_spare = z->spare_tunnel[0] && strcmp(z->spare_tunnel, z->tunnel);

	buf_add(to, "# What may cross the edge of this host. What no line allows is dropped.\n"
		    "# netpolicy.conf(5) explains the lines; netpolicy prove tries the claims.\n"
		    "policy host 1\n\n");
	buf_addf(to, "# %s\nhost   tier %s\n\n",
		 tier == POLICY_PUBLIC  ? "Entered from anywhere, on the ports that lines name." :
		 tier == POLICY_COMPUTE ? "Entered from load balancers and through the tunnel." :
					  "Entered from compute hosts and through the tunnel.",
		 policy_tier_name(tier));
	buf_addf(to,
		 "# Interfaces that lead outside, and WireGuard's.\n"
		 "link   up %s\nlink   tun %s%s%s\n\n",
		 uplinks, z->tunnel, has_spare ? " " : "", has_spare ? z->spare_tunnel : "");
}

static void zoneconf_put_zone(const struct zoneconf *z, struct buf *to)
{
	char text[IP6_PREFIX_TEXT];

	buf_add(to,
		"# The zone: configuration servers, outside and inside of the tunnel. The only\n"
		"# way there is the tunnel itself, whose packets carry its mark.\n"
		"net    config  ");
	for (size_t i = 0; i < z->config_nets.n; i++)
		buf_addf(to, " %s", policy_format_prefix(&z->config_nets.list[i], text));
	buf_addf(to, "\nnet    gateways %s\n", policy_format_prefix(&z->gateways_prefix, text));
	buf_addf(to, "to     config   via up  allow udp %u mark 0x%x \"tunnel\"\n", z->wg_port,
		 z->mark);
	buf_addf(to, "to     config   via up  allow tcp %u mark 0x%x \"exchange\"\n",
		 z->exchange_port, z->mark);
	buf_add(to, "to     config   via tun allow any\n"
		    "to     gateways via tun allow any\n\n");
}

/* One server of the identity. */
static void zoneconf_put_server(const char *name, const struct ip6_endpoint *e, const char *user,
				struct buf *to)
{
	char text[IP6_ADDR_TEXT];

	if (!e->port)
		return;
	buf_addf(to, "net    %s %s\n", name, ip6_format_addr(&e->addr, text));
	buf_addf(to, "to     %s allow tcp %u user %s\n", name, e->port, user);
}

static void zoneconf_put_cloud(const struct zoneconf *z, struct buf *to)
{
	const char *user = z->certd_user[0] ? z->certd_user : "root";

	buf_add(to, "# The cloud: names and time for everybody; metadata, which gives out\n"
		    "# credentials, for who asks for the identity.\n"
		    "dns    allow\nntp    allow\n");
	buf_addf(to, "imds   allow user %s\n\n", user);
	buf_add(to, "# Who gives out the identity, for the same user.\n");
	if (!z->issuer.port && !z->sts.port)
		buf_addf(to,
			 "#net    identity PREFIX...\n"
			 "#to     identity allow tcp 443 4443 user %s\n",
			 user);
	zoneconf_put_server("issuer", &z->issuer, user, to);
	zoneconf_put_server("sts", &z->sts, user, to);
	buf_add(to, "\n# Denials that are logged in a second; all are counted.\nlog    5\n\n");
}

/* What is promised is tried over all packets, with every change of the page. */
static void zoneconf_put_claims(const struct zoneconf *z, struct buf *to)
{
	buf_addf(to,
		 "# What stays true whatever is added above; a new 'from' line belongs into\n"
		 "# the exceptions of the second claim.\n"
		 "claim \"config only inside the tunnel\" {\n"
		 "\tnever out via up to config except mark 0x%x, icmpv6 nd\n}\n",
		 z->mark);
	buf_add(to, "claim \"nothing from outside\" {\n\tnever in via up new except implied\n}\n"
		    "claim \"IPv6 keeps working\" {\n\talways out via up icmpv6 nd\n}\n");
}

int zoneconf_first_page(const struct zoneconf *z, enum policy_tier tier, const char *uplinks,
			struct buf *to)
{
	zoneconf_put_head(z, tier, uplinks, to);
	zoneconf_put_zone(z, to);
	zoneconf_put_cloud(z, to);
	zoneconf_put_claims(z, to);
	return buf_done(to);
}

void zoneconf_release(struct zoneconf *z)
{
	policy_release_prefixes(&z->config_nets);
}
