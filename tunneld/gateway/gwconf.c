/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/gwconf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "certs/principal.h"

/* Stores a name of at most @size - 1 bytes at @at: conf_set_name() for a place of our choice. */
static int gwconf_put_name(const struct conf_item *item, const char *value, char *at, size_t size)
{
	struct conf_item slot = *item;

	slot.offset = 0;
	slot.size = size;
	return conf_set_name(&slot, "", value, at);
}

static int gwconf_add_endpoint(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	struct gwconf *c = obj;
	int r;

	if (c->n_endpoints == OFFER_ENDPOINTS_MAX)
		return -E2BIG;
	r = ip6_parse_endpoint(value, &c->endpoints[c->n_endpoints]);
	if (r == 0 && !ip6_is_routable(&c->endpoints[c->n_endpoints].addr))
		r = -EINVAL;
	if (r == 0)
		c->n_endpoints++;
	return r;
}

static int gwconf_add_route(const struct conf_item *item, const char *label, const char *value,
			    void *obj)
{
	struct gwconf *c = obj;
	int r;

	if (c->n_routes == OFFER_ROUTES_MAX)
		return -E2BIG;
	r = ip6_parse_prefix(value, &c->routes[c->n_routes]);
	if (r == 0 && !ip6_is_routable(&c->routes[c->n_routes].addr))
		r = -EINVAL; /* ::/0 among others */
	if (r == 0)
		c->n_routes++;
	return r;
}

static int gwconf_add_provider(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	struct gwconf *c = obj;
	int r;

	if (c->n_providers == GWCONF_PROVIDERS_MAX)
		return -E2BIG;
	r = gwconf_put_name(item, value, c->providers[c->n_providers], GWCONF_PROVIDER_MAX);
	if (r == 0)
		c->n_providers++;
	return r;
}

static int gwconf_add_tenant(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	struct gwconf *c = obj;
	int r;

	if (c->n_tenants == GWCONF_TENANTS_MAX)
		return -E2BIG;
	if (!strchr(value, '.'))
		return -EINVAL;
	r = gwconf_put_name(item, value, c->tenants[c->n_tenants], GWCONF_PRINCIPAL_MAX);
	if (r == 0)
		c->n_tenants++;
	return r;
}

static int gwconf_add_role(const struct conf_item *item, const char *label, const char *value,
			   void *obj)
{
	struct principal_role role;
	struct gwconf *c = obj;

	if (c->n_roles == GWCONF_ROLES_MAX)
		return -E2BIG;
	/* Compared with the name in a certificate, which is lower-cased first. */
	if (principal_parse_role(value, strlen(value), &role) || strcmp(role.name, value) != 0)
		return -EINVAL;
	memcpy(c->roles[c->n_roles++], role.name, sizeof(role.name));
	return 0;
}

/* The sibling of that name, made when it is new; NULL when the list is full. */
static struct offer_gateway *gwconf_sibling(struct gwconf *c, const char *name)
{
	for (size_t i = 0; i < c->n_siblings; i++)
		if (!strcmp(c->siblings[i].name, name))
			return &c->siblings[i];
	if (c->n_siblings == OFFER_GATEWAYS_MAX)
		return NULL;
	snprintf(c->siblings[c->n_siblings].name, OFFER_NAME_MAX, "%s", name);
	return &c->siblings[c->n_siblings++];
}

static int gwconf_set_url(const struct conf_item *item, const char *label, const char *value,
			  void *obj)
{
	struct offer_gateway *sibling;

	if (strncmp(value, "https://", 8) || strlen(value) >= OFFER_URL_MAX)
		return -EINVAL;
	sibling = gwconf_sibling(obj, label);
	if (!sibling)
		return -E2BIG;
	snprintf(sibling->url, sizeof(sibling->url), "%s", value);
	return 0;
}

#define GWCONF_FIELD(f)                                                                            \
	.offset = offsetof(struct gwconf, f), .size = sizeof(((struct gwconf *)0)->f)

static const struct conf_item gwconf_items[] = {
	{ "gateway", "name", conf_set_name, GWCONF_FIELD(name), .flags = CONF_REQUIRED,
	  .range = "a name of a-z 0-9 _ . -, at most 63 characters",
	  .doc = "Name of this configuration server." },
	{ "gateway", "zone", conf_set_name, GWCONF_FIELD(zone), .flags = CONF_REQUIRED,
	  .range = "a name of a-z 0-9 _ . -, at most 63 characters",
	  .doc = "Name of the zone, the same on every configuration server." },
	{ "gateway", "listen", conf_set_endpoint, GWCONF_FIELD(listen), .fallback = "[::]:4443",
	  .range = "[IPv6 address]:port", .doc = "Where exchanges are taken (TCP)." },
	{ "gateway", "endpoints", gwconf_add_endpoint, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "[IPv6 address]:port, at most 4, public",
	  .doc = "Where hosts reach WireGuard (UDP), told to them." },
	{ "gateway", "address", conf_set_addr, GWCONF_FIELD(address), .flags = CONF_REQUIRED,
	  .range = "an IPv6 address outside hosts_prefix",
	  .doc = "Address of this configuration server inside the tunnel." },
	{ "gateway", "routes", gwconf_add_route, .flags = CONF_LIST,
	  .range = "IPv6 prefixes, at most 15",
	  .doc = "Beside the address, what hosts send through the tunnel; the public "
		 "address listed here captures traffic to it." },
	{ "gateway", "hosts_prefix", conf_set_prefix, GWCONF_FIELD(hosts_prefix),
	  .flags = CONF_REQUIRED, .range = "an IPv6 prefix of length 64",
	  .doc = "Tunnel addresses of all hosts of the zone lie in it." },
	{ "gateway", "interface", conf_set_name, GWCONF_FIELD(interface), .fallback = "postern0",
	  .range = "an interface name of at most 15 characters", .doc = "WireGuard interface." },
	{ "gateway", "wg_port", conf_set_u32, GWCONF_FIELD(wg_port), .min = 1, .max = 65535,
	  .fallback = "51820", .range = "1...65535",
	  .doc = "UDP port of WireGuard on this machine." },
	{ "gateway", "keepalive_s", conf_set_u32, GWCONF_FIELD(keepalive_s), .min = 0,
	  .max = OFFER_KEEPALIVE_MAX_S, .fallback = "25", .range = "0...300 seconds, 0 = off",
	  .doc = "How often hosts keep their path open." },
	{ "gateway", "mtu", conf_set_u32, GWCONF_FIELD(mtu), .min = OFFER_MTU_MIN,
	  .max = OFFER_MTU_MAX, .fallback = "1280", .range = "1280...9000 bytes",
	  .doc = "Largest packet in the tunnel." },
	{ "gateway", "renew_after_s", conf_set_u32, GWCONF_FIELD(renew_after_s),
	  .min = OFFER_RENEW_MIN_S, .max = OFFER_LEASE_MAX_S, .fallback = "3600",
	  .range = "5...2592000 seconds",
	  .doc = "When a host comes again for a new pre-shared key." },
	{ "gateway", "expires_after_s", conf_set_u32, GWCONF_FIELD(expires_after_s),
	  .min = OFFER_RENEW_MIN_S, .max = OFFER_LEASE_MAX_S, .fallback = "86400",
	  .range = "5...2592000 seconds, more than renew_after_s",
	  .doc = "When the peer of a host that did not come again is removed." },
	{ "gateway", "workers", conf_set_u32, GWCONF_FIELD(workers), .min = 1,
	  .max = GWCONF_WORKERS_MAX, .fallback = "2", .range = "1...64",
	  .doc = "Processes that take exchanges." },
	{ "gateway", "conns_max", conf_set_u32, GWCONF_FIELD(conns_max), .min = 1, .max = 16384,
	  .fallback = "1024", .range = "1...16384",
	  .doc = "Connections one worker holds at a time; more wait in the kernel." },
	{ "gateway", "conns_per_source", conf_set_u32, GWCONF_FIELD(conns_per_source), .min = 0,
	  .max = 16384, .fallback = "256", .range = "0...16384, 0 = no limit",
	  .doc = "Of them from one IPv4 address or IPv6 /64; more are closed at once." },
	{ "gateway", "request_timeout_ms", conf_set_u32, GWCONF_FIELD(request_timeout_ms),
	  .min = 100, .max = 60000, .fallback = "10000", .range = "100...60000 ms",
	  .doc = "Time from accept until the request must be complete." },
	{ "gateway", "grants_max", conf_set_u32, GWCONF_FIELD(grants_max), .min = 1, .max = 4096,
	  .fallback = "256", .range = "1...4096",
	  .doc = "Exchanges granted in one batch; more are told to come back at a given time." },
	{ "gateway", "user", conf_set_str, GWCONF_FIELD(user),
	  .range = "name, name:group or number",
	  .doc = "User of the keeper when started as root; only CAP_NET_ADMIN is kept." },
	{ "gateway", "worker_user", conf_set_str, GWCONF_FIELD(worker_user), .fallback = "65534",
	  .range = "name, name:group or number",
	  .doc = "User of the workers when started as root; no capability is kept." },
	{ "gateway", "providers", gwconf_add_provider, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "names of at most 127 characters, at most 16",
	  .doc = "Athenz providers whose instance ids are believed." },
	{ "identity", "cert", conf_set_path, GWCONF_FIELD(cert), .flags = CONF_REQUIRED,
	  .range = "an absolute path", .doc = "Certificate of this server and its chain, PEM." },
	{ "identity", "key", conf_set_path, GWCONF_FIELD(key), .flags = CONF_REQUIRED,
	  .range = "an absolute path", .doc = "Private key of the certificate, PEM." },
	{ "identity", "ca", conf_set_path, GWCONF_FIELD(ca), .flags = CONF_REQUIRED,
	  .range = "an absolute path", .doc = "Certificates of the CAs that sign hosts, PEM." },
	{ "identity", "deny_file", conf_set_path, GWCONF_FIELD(deny_file),
	  .range = "an absolute path",
	  .doc = "Who is refused although the certificate is good; see gatewayd(8)." },
	{ "tenants", "allow", gwconf_add_tenant, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "principals (domain.service), at most 4096",
	  .doc = "Who is served: exact principals." },
	{ "tenants", "allow_roles", gwconf_add_role, .flags = CONF_LIST,
	  .range = "roles (domain:role.role) in lower case, at most 64",
	  .doc = "Role certificates that are taken for those in allow; without it none is." },
	{ "sibling", "url", gwconf_set_url, .flags = CONF_LABELLED,
	  .range = "https://..., at most 127 characters, at most 16 siblings",
	  .doc = "Another configuration server of the zone, told to hosts as information." },
};

static const struct conf_schema gwconf_schema = {
	.items = gwconf_items,
	.n_items = ARRAY_SIZE(gwconf_items),
};

static int gwconf_fail(struct conf_error *e, const char *name, const char *text)
{
	snprintf(e->text, sizeof(e->text), "%s: %s", name, text);
	return -EINVAL;
}

/* Puts the tunnel address in front of the routes. */
static int gwconf_lead_routes(struct gwconf *c)
{
	struct ip6_prefix own = ip6_host_prefix(&c->address);
	size_t at = 0;

	while (at < c->n_routes && !ip6_prefix_equal(&c->routes[at], &own))
		at++;
	if (at == OFFER_ROUTES_MAX)
		return -E2BIG;
	if (at == c->n_routes)
		c->n_routes++;
	memmove(&c->routes[1], &c->routes[0], at * sizeof(c->routes[0]));
	c->routes[0] = own;
	return 0;
}

/* What one line alone cannot show. */
static int gwconf_check(struct gwconf *c, const char *name, struct conf_error *ret_error)
{
	if (c->hosts_prefix.len != 64)
		return gwconf_fail(ret_error, name, "[gateway] hosts_prefix must have length 64");
	if (!ip6_is_routable(&c->address) || ip6_prefix_has(&c->hosts_prefix, &c->address))
		return gwconf_fail(ret_error, name,
				   "[gateway] address must be usable and outside hosts_prefix");
	if (c->renew_after_s >= c->expires_after_s)
		return gwconf_fail(ret_error, name,
				   "[gateway] renew_after_s must be less than expires_after_s");
	if (gwconf_lead_routes(c) < 0)
		return gwconf_fail(ret_error, name,
				   "[gateway] routes: at most 15 beside the tunnel address");
	for (size_t i = 0; i < c->n_providers; i++)
		c->provider_list[i] = c->providers[i];
	for (size_t i = 0; i < c->n_roles; i++)
		c->role_list[i] = c->roles[i];
	return 0;
}

/* Reads @text, or the file @name when @text is NULL. */
static int gwconf_read(const char *name, const char *text, struct gwconf **ret,
		       struct conf_error *ret_error)
{
	_cleanup_(gwconf_freep) struct gwconf *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	r = text ? conf_load_text(name, text, &gwconf_schema, c, ret_error) :
		   conf_load(name, &gwconf_schema, c, ret_error);
	if (r == 0)
		r = gwconf_check(c, name, ret_error);
	if (r == 0)
		*ret = steal_ptr(c);
	return r;
}

int gwconf_load(const char *path, struct gwconf **ret, struct conf_error *ret_error)
{
	return gwconf_read(path, NULL, ret, ret_error);
}

int gwconf_load_text(const char *name, const char *text, struct gwconf **ret,
		     struct conf_error *ret_error)
{
	return gwconf_read(name, text, ret, ret_error);
}

void gwconf_print_reference(FILE *to)
{
	conf_print_reference(&gwconf_schema, to);
}

void gwconf_free(struct gwconf *c)
{
	free(c);
}

void gwconf_freep(struct gwconf **p)
{
	gwconf_free(*p);
}
