/* SPDX-License-Identifier: MIT */
#include "tunneld/host/hostconf.h"

#include <errno.h>
#include <string.h>

static int hostconf_add_net(const struct conf_item *item, const char *label, const char *value,
			    void *obj)
{
	struct hostconf *c = obj;

	struct ip6_prefix net;

	if (c->limits.n_config_nets == OFFER_NETS_MAX)
		return -E2BIG;
	/* With ::/0 every check of an offer against this list would be empty. */
	if (ip6_parse_prefix(value, &net) < 0 || net.len == 0)
		return -EINVAL;
	c->limits.config_nets[c->limits.n_config_nets++] = net;
	return 0;
}

/* The server named by the section's label; made when it is new. */
static struct hostconf_server *hostconf_server(struct hostconf *c, const char *label)
{
	for (size_t i = 0; i < c->n_servers; i++)
		if (!strcmp(c->servers[i].name, label))
			return &c->servers[i];
	if (c->n_servers == HOSTCONF_SERVERS_MAX)
		return NULL;
	snprintf(c->servers[c->n_servers].name, sizeof(c->servers[0].name), "%s", label);
	return &c->servers[c->n_servers++];
}

static int hostconf_set_address(const struct conf_item *item, const char *label, const char *value,
				void *obj)
{
	struct hostconf_server *s = hostconf_server(obj, label);

	return s ? ip6_parse_endpoint(value, &s->address) : -E2BIG;
}

static int hostconf_set_principal(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	struct hostconf_server *s = hostconf_server(obj, label);

	if (!s)
		return -E2BIG;
	/* Compared with the name in a certificate, which is lower-cased first. */
	if (!strchr(value, '.') || strlen(value) >= sizeof(s->principal) ||
	    value[strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_.-")])
		return -EINVAL;
	snprintf(s->principal, sizeof(s->principal), "%s", value);
	return 0;
}

/* Goes into every request, where only printable ASCII without blanks is taken. */
static int hostconf_set_hostname(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	for (const char *p = value; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			return -EINVAL;
	return conf_set_str(item, label, value, obj);
}

#define HOSTCONF_SIA "/var/lib/sia/current/" /* where certd keeps the pair in use */

#define HOSTCONF_FIELD(f)                                                                          \
	.offset = offsetof(struct hostconf, f), .size = sizeof(((struct hostconf *)0)->f)

static const struct conf_item hostconf_items[] = {
	{ "zone", "name", conf_set_name, HOSTCONF_FIELD(limits.zone), .flags = CONF_REQUIRED,
	  .range = "a name of a-z 0-9 _ . -, at most 63 characters", .doc = "Name of the zone." },
	{ "zone", "hosts_prefix", conf_set_prefix, HOSTCONF_FIELD(limits.hosts_prefix),
	  .flags = CONF_REQUIRED, .range = "an IPv6 prefix of length 64",
	  .doc = "Tunnel addresses of all hosts of the zone lie in it." },
	{ "zone", "gateways_prefix", conf_set_prefix, HOSTCONF_FIELD(limits.gateways_prefix),
	  .flags = CONF_REQUIRED, .range = "an IPv6 prefix, for example fd12:3456:789a::/64",
	  .doc = "Tunnel addresses of the configuration servers lie in it." },
	{ "zone", "config_nets", hostconf_add_net, .flags = CONF_REQUIRED | CONF_LIST,
	  .range = "IPv6 prefixes but ::/0, at most 16",
	  .doc = "Public addresses of configuration servers; only the tunnel leads there." },
	{ "server", "address", hostconf_set_address, .flags = CONF_LABELLED | CONF_REQUIRED,
	  .range = "[IPv6 address]:port, for example [2001:db8:c::1]:4443",
	  .doc = "Where the configuration server takes exchanges." },
	{ "server", "principal", hostconf_set_principal, .flags = CONF_LABELLED | CONF_REQUIRED,
	  .range = "domain.service in lower case, for example vespa.vespa.cfg",
	  .doc = "Principal that the configuration server's certificate must carry." },
	{ "identity", "cert", conf_set_path, HOSTCONF_FIELD(cert),
	  .fallback = HOSTCONF_SIA "cert.pem", .range = "an absolute path",
	  .doc = "Certificate of this host, PEM; the default is what certd keeps." },
	{ "identity", "key", conf_set_path, HOSTCONF_FIELD(key), .fallback = HOSTCONF_SIA "key.pem",
	  .range = "an absolute path", .doc = "Private key of the certificate, PEM." },
	{ "identity", "ca", conf_set_path, HOSTCONF_FIELD(ca),
	  .fallback = HOSTCONF_SIA "ca.cert.pem", .range = "an absolute path",
	  .doc = "Certificates of the CAs that sign configuration servers, PEM." },
	{ "identity", "deny_file", conf_set_path, HOSTCONF_FIELD(deny_file),
	  .range = "an absolute path",
	  .doc = "Servers that are refused although their certificate is good." },
	{ "tunnel", "interface", conf_set_name, HOSTCONF_FIELD(interface), .fallback = "postern0",
	  .range = "an interface name of at most 15 characters", .doc = "WireGuard interface." },
	{ "tunnel", "spare_interface", conf_set_name, HOSTCONF_FIELD(spare_interface),
	  .fallback = "postern1", .range = "an interface name of at most 15 characters",
	  .doc = "Second WireGuard interface, for the time of a key rotation." },
	{ "tunnel", "mtu", conf_set_u32, HOSTCONF_FIELD(mtu), .min = 1280, .max = 9000,
	  .fallback = "1280", .range = "1280...9000 bytes",
	  .doc = "Largest packet in the tunnel; a server may ask for less." },
	{ "tunnel", "mark", conf_set_u32, HOSTCONF_FIELD(mark), .min = 1, .max = UINT32_MAX,
	  .fallback = "0x504f", .range = "1...0xffffffff",
	  .doc = "Firewall mark of WireGuard's own packets and of exchanges." },
	{ "tunnel", "table", conf_set_u32, HOSTCONF_FIELD(table), .min = 256, .max = UINT32_MAX,
	  .fallback = "20559", .range = "256...4294967295",
	  .doc = "Routing table that holds our routes and nothing else." },
	{ "tunnel", "priority", conf_set_u32, HOSTCONF_FIELD(priority), .min = 1, .max = 32765,
	  .fallback = "20559", .range = "1...32765", .doc = "Priority of our one routing rule." },
	{ "tunnel", "wg_port", conf_set_u32, HOSTCONF_FIELD(wg_port), .min = 1024, .max = 65535,
	  .fallback = "51820", .range = "1024...65535",
	  .doc = "UDP port of WireGuard on configuration servers." },
	{ "tunnel", "exchange_port", conf_set_u32, HOSTCONF_FIELD(exchange_port), .min = 1,
	  .max = 65535, .fallback = "4443", .range = "1...65535",
	  .doc = "TCP port of exchanges on configuration servers." },
	{ "tunneld", "user", conf_set_str, HOSTCONF_FIELD(user),
	  .range = "name, name:group or number",
	  .doc = "User to change to when started as root; only CAP_NET_ADMIN is kept." },
	{ "tunneld", "hostname", hostconf_set_hostname, HOSTCONF_FIELD(hostname),
	  .range = "a host name of printable ASCII",
	  .doc = "Name told to configuration servers, information only; default: the kernel's." },
	{ "tunneld", "timeout_ms", conf_set_u32, HOSTCONF_FIELD(timeout_ms), .min = 1000,
	  .max = 120000, .fallback = "15000", .range = "1000...120000 ms",
	  .doc = "Time one exchange may take." },
	{ "tunneld", "require_post_quantum", conf_set_bool, HOSTCONF_FIELD(require_post_quantum),
	  .fallback = "no", .range = "yes or no",
	  .doc = "Refuse a TLS key exchange without X25519MLKEM768." },
};

static const struct conf_schema hostconf_schema = {
	.items = hostconf_items,
	.n_items = ARRAY_SIZE(hostconf_items),
	.foreign = (const char *const[]){ "certd", "csr", "aws", NULL },
};

static int hostconf_fail(struct conf_error *e, const char *path, const char *text)
{
	snprintf(e->text, sizeof(e->text), "%s: %s", path, text);
	return -EINVAL;
}

static int hostconf_check_server(const struct hostconf *c, const struct hostconf_server *s,
				 const char *path, struct conf_error *ret_error)
{
	char text[192];

	if (s->address.port && s->principal[0])
		for (size_t i = 0; i < c->limits.n_config_nets; i++)
			if (ip6_prefix_has(&c->limits.config_nets[i], &s->address.addr))
				return 0;
	snprintf(text, sizeof(text), "[server %s] %s", s->name,
		 !s->address.port ? "address is missing" :
		 !s->principal[0] ? "principal is missing" :
				    "address lies outside [zone] config_nets");
	return hostconf_fail(ret_error, path, text);
}

/* What one line alone cannot show. */
static int hostconf_check(const struct hostconf *c, const char *path, struct conf_error *ret_error)
{
	if (c->limits.hosts_prefix.len != 64)
		return hostconf_fail(ret_error, path, "[zone] hosts_prefix must have length 64");
	if (ip6_prefix_covers(&c->limits.gateways_prefix, &c->limits.hosts_prefix) ||
	    ip6_prefix_covers(&c->limits.hosts_prefix, &c->limits.gateways_prefix))
		return hostconf_fail(ret_error, path,
				     "[zone] hosts_prefix and gateways_prefix must not overlap");
	if (!strcmp(c->interface, c->spare_interface))
		return hostconf_fail(ret_error, path,
				     "[tunnel] interface and spare_interface must differ");
	for (size_t i = 0; i < c->n_servers; i++) {
		int r = hostconf_check_server(c, &c->servers[i], path, ret_error);

		if (r < 0)
			return r;
	}
	return 0;
}

int hostconf_load(const char *path, struct hostconf *ret, struct conf_error *ret_error)
{
	int r;

	*ret = (struct hostconf){ 0 };
	r = conf_load(path, &hostconf_schema, ret, ret_error);
	return r < 0 ? r : hostconf_check(ret, path, ret_error);
}

void hostconf_print_reference(FILE *to)
{
	conf_print_reference(&hostconf_schema, to);
}
