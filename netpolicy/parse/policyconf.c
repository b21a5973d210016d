/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyconf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/sandbox.h"

#define POLICYCONF_CERTD "postern-certd"
#define POLICYCONF_EGRESS_PARTS 4 /* NAME,PREFIX+…,PORT+…,USER */

/* A key of tunneld's, checked there. */
static int policyconf_ignore(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	return strlen(value) < CONF_VALUE_MAX ? 0 : -EINVAL;
}

/* The list field of @item. */
static void *policyconf_field(const struct conf_item *item, void *obj)
{
	return (char *)obj + item->offset;
}

static int policyconf_add_prefix(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	struct ip6_prefix prefix;
	int r = policy_parse_prefix(value, &prefix);

	return r < 0 ? r : policy_add_prefix(policyconf_field(item, obj), &prefix);
}

static int policyconf_append_port(struct policy_ports *to, const char *text)
{
	struct policy_port port;
	int r = policy_parse_port(text, &port);

	if (r < 0)
		return r;
	if (to->n == POLICY_PORTS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < to->n; i++)
		if (to->list[i].proto == port.proto && to->list[i].low == port.low)
			return -EEXIST;
	to->list[to->n++] = port;
	return 0;
}

static int policyconf_add_port(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	return policyconf_append_port(policyconf_field(item, obj), value);
}

static int policyconf_add_uplink(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	struct hostpolicy *h = obj;
	struct conf_item one = { .size = IFNAMSIZ };

	if (h->n_uplinks == POLICY_UPLINKS_MAX)
		return -E2BIG;
	return conf_set_name(&one, label, value, h->uplinks[h->n_uplinks]) < 0 ?
		       -EINVAL :
		       (h->n_uplinks++, 0);
}

static int policyconf_set_ipv4(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	struct hostpolicy *h = obj;

	h->imds_ipv4 = !strcmp(value, "imds");
	return h->imds_ipv4 || !strcmp(value, "no") ? 0 : -EINVAL;
}

static int policyconf_set_policy_name(const struct conf_item *item, const char *label,
				      const char *value, void *obj)
{
	return policy_is_name(value) ? conf_set_str(item, label, value, obj) : -EINVAL;
}

/* "A+B+C" into the list at @to; @one_more takes each. */
static int policyconf_split(char *text, void *to, int (*one_more)(void *to, const char *text))
{
	char *save = NULL;
	int r = *text ? 0 : -EINVAL;

	for (char *word = strtok_r(text, "+", &save); word && r == 0;
	     word = strtok_r(NULL, "+", &save))
		r = one_more(to, word);
	return r;
}

static int policyconf_one_prefix(void *to, const char *text)
{
	struct ip6_prefix prefix;
	int r = policy_parse_prefix(text, &prefix);

	return r < 0 ? r : policy_add_prefix(to, &prefix);
}

static int policyconf_one_port(void *to, const char *text)
{
	return policyconf_append_port(to, text);
}

static int policyconf_fill_egress(struct hostpolicy_egress *e,
				  char *part[static POLICYCONF_EGRESS_PARTS])
{
	int r;

	if (!policy_is_name(part[0]))
		return -EINVAL;
	memcpy(e->name, part[0], strlen(part[0]) + 1);
	if (part[3] && (!*part[3] || strlen(part[3]) >= sizeof(e->user.name)))
		return -EINVAL;
	if (part[3])
		memcpy(e->user.name, part[3], strlen(part[3]) + 1);
	r = policyconf_split(part[1], &e->to, policyconf_one_prefix);
	return r < 0 ? r : policyconf_split(part[2], &e->ports, policyconf_one_port);
}

/* "archive,2001:db8:53::/48+2001:db8:54::/48,tcp/443,postern-archive"; the user may be left out. */
static int policyconf_add_egress(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	char *part[POLICYCONF_EGRESS_PARTS] = { NULL };
	struct hostpolicy *h = obj;
	char copy[CONF_VALUE_MAX];
	char *rest = copy;
	size_t n = 0;
	int r;

	if (h->n_egress == HOSTPOLICY_EGRESS_MAX)
		return -E2BIG;
	snprintf(copy, sizeof(copy), "%s", value);
	while (rest && n < ARRAY_SIZE(part))
		part[n++] = strsep(&rest, ",");
	if (rest || n < 3)
		return -EINVAL;
	for (size_t i = 0; i < h->n_egress; i++)
		if (!strcmp(h->egress[i].name, part[0]))
			return -EEXIST;
	r = policyconf_fill_egress(&h->egress[h->n_egress], part);
	return r < 0 ? r : (h->n_egress++, 0);
}

#define POLICYCONF_AT(f) .offset = offsetof(struct hostpolicy, f)
#define POLICYCONF_FIELD(f) POLICYCONF_AT(f), .size = sizeof(((struct hostpolicy *)0)->f)
#define POLICYCONF_OTHERS "see tunneld(8)"

/* clang-format off */
static const struct conf_item policyconf_items[] = {
	{ "zone", "name", policyconf_ignore, .flags = CONF_REQUIRED, .range = POLICYCONF_OTHERS,
	  .doc = "Name of the zone." },
	{ "zone", "hosts_prefix", policyconf_ignore, .flags = CONF_REQUIRED,
	  .range = POLICYCONF_OTHERS, .doc = "Tunnel addresses of all hosts of the zone." },
	{ "zone", "gateways_prefix", conf_set_prefix, POLICYCONF_AT(gateways_prefix),
	  .flags = CONF_REQUIRED, .range = "an IPv6 prefix",
	  .doc = "Tunnel addresses of the configuration servers." },
	{ "zone", "config_nets", policyconf_add_prefix, POLICYCONF_AT(config_nets),
	  .flags = CONF_REQUIRED | CONF_LIST, .range = "IPv6 prefixes",
	  .doc = "Public addresses of the configuration servers." },
	{ "tunnel", "interface", conf_set_name, POLICYCONF_FIELD(tunnel), .fallback = "postern0",
	  .range = "an interface name of at most 15 characters", .doc = "WireGuard interface." },
	{ "tunnel", "spare_interface", conf_set_name, POLICYCONF_FIELD(spare_tunnel),
	  .fallback = "postern1", .range = "an interface name of at most 15 characters",
	  .doc = "Second WireGuard interface, for the time of a key rotation." },
	{ "tunnel", "mtu", policyconf_ignore,
	  .range = POLICYCONF_OTHERS, .doc = "Largest packet." },
	{ "tunnel", "mark", conf_set_u32, POLICYCONF_AT(mark), .min = 1, .max = UINT32_MAX,
	  .fallback = "0x504f", .range = "1...0xffffffff",
	  .doc = "Firewall mark of WireGuard's own packets and of exchanges." },
	{ "tunnel", "table", policyconf_ignore,
	  .range = POLICYCONF_OTHERS, .doc = "Routing table." },
	{ "tunnel", "priority", policyconf_ignore, .range = POLICYCONF_OTHERS,
	  .doc = "Priority of the routing rule." },
	{ "tunnel", "wg_port", conf_set_u32, POLICYCONF_AT(wg_port), .min = 1, .max = UINT16_MAX,
	  .fallback = "51820", .range = "1...65535", .doc = "UDP port of configuration servers." },
	{ "tunnel", "exchange_port", conf_set_u32, POLICYCONF_AT(exchange_port), .min = 1,
	  .max = UINT16_MAX, .fallback = "4443", .range = "1...65535",
	  .doc = "TCP port of exchanges on configuration servers." },
	{ "policy", "name", policyconf_set_policy_name, POLICYCONF_FIELD(name), .fallback = "host",
	  .range = "a name of a-z 0-9 _ -, first a letter, at most 63 characters",
	  .doc = "Name of the policy, shown in the ruleset." },
	{ "policy", "version", conf_set_u32, POLICYCONF_AT(version), .max = UINT32_MAX,
	  .fallback = "1", .range = "0...4294967295", .doc = "Version of the policy." },
	{ "policy", "tier", conf_set_str, POLICYCONF_FIELD(tier), .fallback = "compute",
	  .range = "compute", .doc = "Kind of host." },
	{ "policy", "enforce", conf_set_bool, POLICYCONF_AT(enforce), .fallback = "yes",
	  .range = "yes or no", .doc = "no: denials are counted and logged, but let through." },
	{ "policy", "log_rate", conf_set_u32, POLICYCONF_AT(log_rate), .max = 1000,
	  .fallback = "5", .range = "0...1000 lines per second",
	  .doc = "How many denials are logged; 0 logs none." },
	{ "policy", "uplinks", policyconf_add_uplink, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "1 to 8 interface names", .doc = "Ethernet interfaces that lead outside." },
	{ "policy", "ipv4", policyconf_set_ipv4, .fallback = "no", .range = "no or imds",
	  .doc = "imds: instance metadata may be asked over IPv4." },
	{ "policy", "dns", policyconf_add_prefix, POLICYCONF_AT(dns), .flags = CONF_LIST,
	  .range = "IPv6 addresses; when none is given: fd00:ec2::253", .doc = "Name servers." },
	{ "policy", "ntp", policyconf_add_prefix, POLICYCONF_AT(ntp), .flags = CONF_LIST,
	  .range = "IPv6 addresses; when none is given: fd00:ec2::123", .doc = "Time servers." },
	{ "policy", "imds", policyconf_add_prefix, POLICYCONF_AT(imds), .flags = CONF_LIST,
	  .range = "IPv6 addresses; when none is given: fd00:ec2::254",
	  .doc = "Instance metadata." },
	{ "policy", "imds_root", conf_set_bool, POLICYCONF_AT(imds_root), .fallback = "no",
	  .range = "yes or no", .doc = "Root may ask for instance metadata, too." },
	{ "policy", "certd_user", conf_set_str, POLICYCONF_FIELD(certd.name),
	  .range = "a user name or number; when it is not given: postern-certd, if there is one",
	  .doc = "The user who may reach instance metadata and identity servers." },
	{ "policy", "identity", policyconf_add_prefix, POLICYCONF_AT(identity), .flags = CONF_LIST,
	  .range = "IPv6 prefixes", .doc = "Identity servers (ZTS, STS)." },
	{ "policy", "identity_ports", policyconf_add_port, POLICYCONF_AT(identity_ports),
	  .flags = CONF_LIST, .range = "PROTOCOL/PORT; when none is given: tcp/443 tcp/4443",
	  .doc = "Their ports." },
	{ "policy", "management", policyconf_add_port, POLICYCONF_AT(management),
	  .flags = CONF_LIST, .range = "tcp/PORT, udp/PORT or tcp/LOW-HIGH, at most 64",
	  .doc = "What configuration servers may reach on this host, in the tunnel." },
	{ "policy", "app_from", policyconf_add_prefix, POLICYCONF_AT(app_from), .flags = CONF_LIST,
	  .range = "IPv6 prefixes, or IPv4 prefixes inside the VPC",
	  .doc = "Load-balancer networks." },
	{ "policy", "app_ports", policyconf_add_port, POLICYCONF_AT(app_ports), .flags = CONF_LIST,
	  .range = "tcp/PORT, udp/PORT or tcp/LOW-HIGH, at most 64",
	  .doc = "Ports of the application, open to app_from." },
	{ "policy", "peers", policyconf_add_prefix, POLICYCONF_AT(peers), .flags = CONF_LIST,
	  .range = "IPv6 prefixes", .doc = "Other hosts of the same application." },
	{ "policy", "peer_ports", policyconf_add_port, POLICYCONF_AT(peer_ports),
	  .flags = CONF_LIST, .range = "tcp/PORT, udp/PORT or tcp/LOW-HIGH, at most 64",
	  .doc = "Ports between them, in both directions." },
	{ "policy", "egress", policyconf_add_egress, .flags = CONF_LIST,
	  .range = "NAME,PREFIX[+PREFIX],PROTOCOL/PORT[+PROTOCOL/PORT][,USER], at most 32",
	  .doc = "Destinations that this host may open connections to." },
};
/* clang-format on */

static const struct conf_schema policyconf_schema = {
	.items = policyconf_items,
	.n_items = ARRAY_SIZE(policyconf_items),
	.foreign = (const char *const[]){ "server", "identity", "log", "tunneld", "certd", "csr",
					  "aws", NULL },
};

static int policyconf_default(struct policy_prefixes *to, const char *text)
{
	return to->n ? 0 : policyconf_one_prefix(to, text);
}

static int policyconf_defaults(struct hostpolicy *h)
{
	int r = policyconf_default(&h->dns, "fd00:ec2::253");

	if (r == 0)
		r = policyconf_default(&h->ntp, "fd00:ec2::123");
	if (r == 0)
		r = policyconf_default(&h->imds, "fd00:ec2::254");
	if (r < 0 || h->identity_ports.n)
		return r;
	h->identity_ports = (struct policy_ports){
		.n = 2,
		.list = { { POLICY_TCP, 443, 443 }, { POLICY_TCP, 4443, 4443 } },
	};
	return 0;
}

static int policyconf_find_user(struct hostpolicy_user *user, const char *key, const char *file,
				struct conf_error *ret_error)
{
	uid_t uid;
	gid_t gid;

	if (strchr(user->name, ':') || sandbox_find_user(user->name, &uid, &gid) < 0) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "%s: [policy] %s: there is no user '%s'", file, key, user->name);
		return -ENOENT;
	}
	user->uid = uid;
	return 0;
}

/* The default user comes with certd's package; without it nobody needs what it may do. */
static int policyconf_find_certd(struct hostpolicy *h, const char *file,
				 struct conf_error *ret_error)
{
	bool is_default = !h->certd.name[0];
	int r;

	if (is_default)
		snprintf(h->certd.name, sizeof(h->certd.name), POLICYCONF_CERTD);
	r = policyconf_find_user(&h->certd, "certd_user", file, ret_error);
	h->has_certd = r == 0;
	return is_default && r == -ENOENT ? 0 : r;
}

static int policyconf_find_users(struct hostpolicy *h, const char *file,
				 struct conf_error *ret_error)
{
	int r = policyconf_find_certd(h, file, ret_error);

	for (size_t i = 0; i < h->n_egress && r == 0; i++)
		if (h->egress[i].user.name[0])
			r = policyconf_find_user(&h->egress[i].user, "egress", file, ret_error);
	return r;
}

static struct hostpolicy *policyconf_new(const char *file, struct conf_error *ret_error)
{
	struct hostpolicy *h = calloc(1, sizeof(*h));

	if (!h)
		snprintf(ret_error->text, sizeof(ret_error->text), "%s: out of memory", file);
	return h;
}

/* What follows the reading. Takes over @h. */
static int policyconf_done(struct hostpolicy **h, const char *file, struct hostpolicy **ret,
			   struct conf_error *ret_error)
{
	int r = policyconf_defaults(*h);

	if (r == 0)
		r = policyconf_find_users(*h, file, ret_error);
	if (r == 0)
		*ret = steal_ptr(*h);
	return r;
}

int policyconf_load(const char *path, struct hostpolicy **ret, struct conf_error *ret_error)
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = policyconf_new(path, ret_error);
	int r;

	if (!h)
		return -ENOMEM;
	r = conf_load(path, &policyconf_schema, h, ret_error);
	return r < 0 ? r : policyconf_done(&h, path, ret, ret_error);
}

int policyconf_load_text(const char *name, const char *text, struct hostpolicy **ret,
			 struct conf_error *ret_error)
{
	_cleanup_(policyconf_freep) struct hostpolicy *h = policyconf_new(name, ret_error);
	int r;

	if (!h)
		return -ENOMEM;
	r = conf_load_text(name, text, &policyconf_schema, h, ret_error);
	return r < 0 ? r : policyconf_done(&h, name, ret, ret_error);
}

void policyconf_print_reference(FILE *to)
{
	conf_print_reference(&policyconf_schema, to);
}

void policyconf_freep(struct hostpolicy **h)
{
	free(*h);
	*h = NULL;
}
