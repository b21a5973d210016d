/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsdconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Adds one value to the list at @item->offset of @obj. */
static int ztsdconf_add(const struct conf_item *item, const char *label, const char *value,
			void *obj)
{
	struct ztsdconf_list *list = (void *)((char *)obj + item->offset);
	struct conf_item slot = *item;
	int r;

	if (list->n == ZTSDCONF_LIST_MAX)
		return -E2BIG;
	slot.offset = 0;
	slot.size = ZTSDCONF_TEXT_MAX;
	r = conf_set_str(&slot, label, value, list->texts[list->n]);
	if (r == 0)
		list->n++;
	return r;
}

static int ztsdconf_add_path(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	return *value == '/' ? ztsdconf_add(item, label, value, obj) : -EINVAL;
}

/* Sets the whole list, values with "|" between them, for they may hold blanks inside. */
static int ztsdconf_set_bars(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	struct ztsdconf_list *list = (void *)((char *)obj + item->offset);
	int r = 0;

	list->n = 0;
	while (value && r == 0) {
		const char *bar = strchr(value, '|');
		char one[ZTSDCONF_TEXT_MAX];
		size_t n;

		value += strspn(value, " \t");
		n = strcspn(value, "|");
		while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
			n--;
		if (n >= sizeof(one))
			return -EINVAL;
		memcpy(one, value, n);
		one[n] = '\0';
		r = ztsdconf_add(item, label, one, obj);
		value = bar ? bar + 1 : NULL;
	}
	return r;
}

/* A scheme has more than one letter. */
bool ztsdconf_is_key(const char *text)
{
	size_t n = strspn(text,
			  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return *text == '/' || (n > 1 && text[n] == ':');
}

static int ztsdconf_set_key(const struct conf_item *item, const char *label, const char *value,
			    void *obj)
{
	return ztsdconf_is_key(value) ? conf_set_str(item, label, value, obj) : -EINVAL;
}

static int ztsdconf_set_https(const struct conf_item *item, const char *label, const char *value,
			      void *obj)
{
	if (strncmp(value, "https://", 8) || strpbrk(value + 8, " \t?#\"<>"))
		return -EINVAL;
	return conf_set_str(item, label, value, obj);
}

/* The provider of that name, made when it is new; NULL when there are too many. */
static struct ztsdconf_provider *ztsdconf_provider(struct ztsdconf *c, const char *label)
{
	for (size_t i = 0; i < c->n_providers; i++)
		if (!strcmp(c->providers[i].name, label))
			return &c->providers[i];
	if (c->n_providers == ZTSDCONF_PROVIDERS_MAX)
		return NULL;
	snprintf(c->providers[c->n_providers].name, sizeof(c->providers[0].name), "%s", label);
	return &c->providers[c->n_providers++];
}

/* Runs the setter @fn on the provider named by the label. */
static int ztsdconf_in_provider(conf_set_fn *fn, const struct conf_item *item, const char *label,
				const char *value, void *obj)
{
	struct ztsdconf_provider *p = ztsdconf_provider(obj, label);

	return p ? fn(item, label, value, p) : -E2BIG;
}

#define ZTSDCONF_PROVIDER_SETTER(name, fn)                                                         \
	static int ztsdconf_provider_##name(const struct conf_item *item, const char *label,       \
					    const char *value, void *obj)                          \
	{                                                                                          \
		return ztsdconf_in_provider(fn, item, label, value, obj);                          \
	}

ZTSDCONF_PROVIDER_SETTER(str, conf_set_str)
ZTSDCONF_PROVIDER_SETTER(path, conf_set_path)
ZTSDCONF_PROVIDER_SETTER(u32, conf_set_u32)
ZTSDCONF_PROVIDER_SETTER(bool, conf_set_bool)
ZTSDCONF_PROVIDER_SETTER(https, ztsdconf_set_https)
ZTSDCONF_PROVIDER_SETTER(list, ztsdconf_add)
ZTSDCONF_PROVIDER_SETTER(paths, ztsdconf_add_path)

static int ztsdconf_provider_kind(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	struct ztsdconf_provider *p = ztsdconf_provider(obj, label);

	if (!p)
		return -E2BIG;
	if (strcmp(value, "aws") && strcmp(value, "token"))
		return -EINVAL;
	p->is_token = !strcmp(value, "token");
	return 0;
}

static int ztsdconf_provider_address(const struct conf_item *item, const char *label,
				     const char *value, void *obj)
{
	struct ip6_endpoint ignored;

	if (ip6_parse_endpoint(value, &ignored) < 0)
		return -EINVAL;
	return ztsdconf_in_provider(conf_set_str, item, label, value, obj);
}

/* "192.0.2.0/24" as the IPv6 prefix in which such addresses arrive at a socket for both. */
static int ztsdconf_parse_ipv4(const char *text, struct ip6_prefix *ret)
{
	char mapped[CONF_VALUE_MAX];
	const char *slash = strchr(text, '/');
	struct in_addr addr;
	uint64_t len;

	if (!slash || slash - text >= INET_ADDRSTRLEN || conf_parse_u64(slash + 1, 0, 32, &len) < 0)
		return -EINVAL;
	snprintf(mapped, sizeof(mapped), "%.*s", (int)(slash - text), text);
	if (inet_pton(AF_INET, mapped, &addr) != 1 ||
	    (len < 32 && ntohl(addr.s_addr) & UINT32_MAX >> len))
		return -EINVAL;
	memset(&ret->addr, 0, sizeof(ret->addr));
	memset(ret->addr.s6_addr + 10, 0xff, 2);
	memcpy(ret->addr.s6_addr + 12, &addr, sizeof(addr));
	ret->len = (uint8_t)(96 + len);
	return 0;
}

static int ztsdconf_provider_source(const struct conf_item *item, const char *label,
				    const char *value, void *obj)
{
	struct ztsdconf_provider *p = ztsdconf_provider(obj, label);
	int r;

	if (!p || p->n_sources == ZTSDCONF_PREFIXES_MAX)
		return -E2BIG;
	r = ip6_parse_prefix(value, &p->sources[p->n_sources]);
	if (r < 0)
		r = ztsdconf_parse_ipv4(value, &p->sources[p->n_sources]);
	if (r == 0)
		p->n_sources++;
	return r;
}

#define ZTSDCONF_FIELD(f)                                                                          \
	.offset = offsetof(struct ztsdconf, f), .size = sizeof(((struct ztsdconf *)0)->f)
#define ZTSDCONF_OF_PROVIDER(f)                                                                    \
	.offset = offsetof(struct ztsdconf_provider, f),                                           \
	.size = sizeof(((struct ztsdconf_provider *)0)->f), .flags = CONF_LABELLED

static const struct conf_item ztsdconf_items[] = {
	{ "ztsd", "listen", conf_set_endpoint, ZTSDCONF_FIELD(listen), .fallback = "[::]:8443",
	  .range = "[IPv6 address]:port",
	  .doc = "Where requests are taken (TCP); [::] takes IPv4 as well." },
	{ "ztsd", "user", conf_set_str, ZTSDCONF_FIELD(user), .range = "name, name:group or number",
	  .doc = "User to change to when started as root; no capability is kept." },
	{ "ztsd", "cert", conf_set_path, ZTSDCONF_FIELD(cert),
	  .fallback = "/etc/postern/ztsd/server.cert.pem", .range = "an absolute path",
	  .doc = "Certificate of the listener and its chain, PEM." },
	{ "ztsd", "key", conf_set_path, ZTSDCONF_FIELD(key),
	  .fallback = "/etc/postern/ztsd/server.key.pem", .range = "an absolute path",
	  .doc = "Private key of that certificate, PEM; one that everybody may read is refused." },
	{ "ztsd", "ca_cert", conf_set_path, ZTSDCONF_FIELD(ca_cert),
	  .fallback = "/etc/postern/ztsd/ca.cert.pem", .range = "an absolute path",
	  .doc = "Certificate of the CA that signs instances, and its chain, PEM." },
	{ "ztsd", "ca_key", ztsdconf_set_key, ZTSDCONF_FIELD(ca_key), .flags = CONF_SECRET,
	  .fallback = "/etc/postern/ztsd/ca.key.pem",
	  .range = "an absolute path, or a URI such as pkcs11:... for OpenSSL's providers",
	  .doc = "Private key of the CA; a file that everybody may read is refused." },
	{ "ztsd", "ca_key_provider", conf_set_name, ZTSDCONF_FIELD(ca_key_provider),
	  .range = "a name of a-z 0-9 _ . -, at most 63 characters, such as pkcs11 or tpm2",
	  .doc = "OpenSSL's provider for the URI in ca_key, beside those of openssl.cnf." },
	{ "ztsd", "ca_key_pin_file", conf_set_path, ZTSDCONF_FIELD(ca_key_pin_file),
	  .range = "an absolute path",
	  .doc = "File with the PIN of the token, or with the passphrase of the file, in ca_key; "
		 "one that everybody may read is refused." },
	{ "ztsd", "ca_bundle", conf_set_name, ZTSDCONF_FIELD(ca_bundle), .fallback = "athenz",
	  .range = "a name of a-z 0-9 _ . -, at most 63 characters",
	  .doc = "Name under which /zts/v1/cacerts gives the CA's certificates." },
	{ "ztsd", "client_ca", conf_set_path, ZTSDCONF_FIELD(client_ca),
	  .range = "an absolute path, ca_cert when absent",
	  .doc = "Certificates of the CAs that sign clients, PEM." },
	{ "ztsd", "deny_file", conf_set_path, ZTSDCONF_FIELD(deny_file),
	  .range = "an absolute path",
	  .doc = "Principals, instances and serials that are refused, read at start and when it "
		 "changes." },
	{ "ztsd", "default_lifetime_s", conf_set_u32, ZTSDCONF_FIELD(default_lifetime_s), .min = 1,
	  .max = ZTSDCONF_LIFETIME_MAX_S, .fallback = "604800", .range = "1...31622400 seconds",
	  .doc = "Lifetime of a certificate when the request names none." },
	{ "ztsd", "min_lifetime_s", conf_set_u32, ZTSDCONF_FIELD(min_lifetime_s), .min = 1,
	  .max = ZTSDCONF_LIFETIME_MAX_S, .fallback = "60",
	  .range = "1...31622400 seconds, at most max_lifetime_s",
	  .doc = "Shortest lifetime; the cap of a domain goes before." },
	{ "ztsd", "max_lifetime_s", conf_set_u32, ZTSDCONF_FIELD(max_lifetime_s), .min = 1,
	  .max = ZTSDCONF_LIFETIME_MAX_S, .fallback = "2592000", .range = "1...31622400 seconds",
	  .doc = "Longest lifetime, whatever is asked for." },
	{ "ztsd", "backdate_s", conf_set_u32, ZTSDCONF_FIELD(backdate_s), .min = 0, .max = 86400,
	  .fallback = "60", .range = "0...86400 seconds; 0 is what Athenz does",
	  .doc = "How long before its signing a certificate is valid, for clocks that are "
		 "behind." },
	{ "ztsd", "organizations", ztsdconf_set_bars, ZTSDCONF_FIELD(organizations),
	  .range = "at most 16 with | between them",
	  .doc = "Values of O that a request may have; any when there is none here." },
	{ "ztsd", "verify_ou", conf_set_bool, ZTSDCONF_FIELD(verify_ou), .fallback = "yes",
	  .range = "yes or no",
	  .doc = "Whether OU must be the provider's name or one of organizational_units." },
	{ "ztsd", "organizational_units", ztsdconf_set_bars, ZTSDCONF_FIELD(organizational_units),
	  .range = "at most 16 with | between them",
	  .doc = "Values of OU that a request may have beside its provider's name." },
	{ "ztsd", "spiffe_trust_domain", conf_set_str, ZTSDCONF_FIELD(spiffe_trust_domain),
	  .fallback = "athenz.io", .range = "a name of at most 255 characters",
	  .doc = "Trust domain of SPIFFE URIs that have one." },
	{ "ztsd", "requests_per_minute", conf_set_u32, ZTSDCONF_FIELD(requests_per_minute),
	  .min = 0, .max = 1000000, .fallback = "60", .range = "0...1000000, 0 = no limit",
	  .doc = "Registrations and refreshes of one source: an IPv4 address or an IPv6 /64." },
	{ "ztsd", "request_burst", conf_set_u32, ZTSDCONF_FIELD(request_burst), .min = 1,
	  .max = 1000000, .fallback = "60", .range = "1...1000000",
	  .doc = "How many of them may come at once." },
	{ "ztsd", "conns_max", conf_set_u32, ZTSDCONF_FIELD(conns_max), .min = 1, .max = 16384,
	  .fallback = "1024", .range = "1...16384",
	  .doc = "Connections held at a time; more wait in the kernel." },
	{ "ztsd", "conns_per_source", conf_set_u32, ZTSDCONF_FIELD(conns_per_source), .min = 0,
	  .max = 16384, .fallback = "256", .range = "0...16384, 0 = no limit",
	  .doc = "Of them from one IPv4 address or IPv6 /64; more are closed at once." },
	{ "ztsd", "request_timeout_ms", conf_set_u32, ZTSDCONF_FIELD(request_timeout_ms),
	  .min = 100, .max = 60000, .fallback = "10000", .range = "100...60000 ms",
	  .doc = "Time from accept until the request must be complete." },
	{ "ztsd", "read_only", conf_set_bool, ZTSDCONF_FIELD(read_only), .fallback = "no",
	  .range = "yes or no", .doc = "Refuse registrations and refreshes for now." },
	{ "provider", "kind", ztsdconf_provider_kind, .flags = CONF_LABELLED | CONF_REQUIRED,
	  .range = "aws or token",
	  .doc = "How its instances prove themselves: as EC2 instances, or by a token of "
		 "ztsctl." },
	{ "provider", "suffixes", ztsdconf_provider_list,
	  ZTSDCONF_OF_PROVIDER(suffixes) | CONF_LIST,
	  .range = "DNS suffixes without a leading dot, at most 16",
	  .doc = "DNS names in its certificates end in one of them." },
	{ "provider", "sources", ztsdconf_provider_source, .flags = CONF_LABELLED | CONF_LIST,
	  .range = "IPv6 or IPv4 prefixes, at most 64",
	  .doc = "Where its requests may come from; anywhere when there is none here." },
	{ "provider", "aws_certs", ztsdconf_provider_paths,
	  ZTSDCONF_OF_PROVIDER(aws_certs) | CONF_LIST, .range = "absolute paths, at most 16",
	  .doc = "Who signs instance identity documents, PEM, DSA or RSA." },
	{ "provider", "boot_window_s", ztsdconf_provider_u32, ZTSDCONF_OF_PROVIDER(boot_window_s),
	  .min = 0, .max = 31622400, .fallback = "300", .range = "0...31622400 seconds, 0 = any",
	  .doc = "How long after its boot an instance may register." },
	{ "provider", "check_private_ip", ztsdconf_provider_bool,
	  ZTSDCONF_OF_PROVIDER(check_private_ip), .fallback = "yes", .range = "yes or no",
	  .doc = "Whether an address in the request may also be the document's privateIp." },
	{ "provider", "need_credentials", ztsdconf_provider_bool,
	  ZTSDCONF_OF_PROVIDER(need_credentials), .fallback = "yes", .range = "yes or no",
	  .doc = "Whether the document alone is too little." },
	{ "provider", "sts_url", ztsdconf_provider_https, ZTSDCONF_OF_PROVIDER(sts_url),
	  .range = "https://...",
	  .doc = "STS that judges credentials; without it credentials are refused." },
	{ "provider", "sts_address", ztsdconf_provider_address, ZTSDCONF_OF_PROVIDER(sts_address),
	  .range = "[IPv6 address]:port", .doc = "Where STS is, in place of asking DNS." },
	{ "provider", "sts_ca", ztsdconf_provider_path, ZTSDCONF_OF_PROVIDER(sts_ca),
	  .range = "an absolute path, the system's CAs when absent",
	  .doc = "Certificates of the CAs that sign STS, PEM." },
	{ "provider", "sts_timeout_ms", ztsdconf_provider_u32, ZTSDCONF_OF_PROVIDER(sts_timeout_ms),
	  .min = 100, .max = 60000, .fallback = "5000",
	  .range = "100...60000 ms, below request_timeout_ms", .doc = "How long STS may take." },
	{ "provider", "jwt_issuer", ztsdconf_provider_https, ZTSDCONF_OF_PROVIDER(jwt_issuer),
	  .range = "https://...",
	  .doc = "Issuer of web-identity tokens; without it tokens are refused." },
	{ "provider", "jwt_keys", ztsdconf_provider_path, ZTSDCONF_OF_PROVIDER(jwt_keys),
	  .range = "an absolute path", .doc = "Keys of that issuer, a JWKS file." },
	{ "provider", "jwt_audience", ztsdconf_provider_str, ZTSDCONF_OF_PROVIDER(jwt_audience),
	  .range = "text of at most 255 characters",
	  .doc = "Audience that the tokens must be for." },
	{ "provider", "jwt_orgs", ztsdconf_provider_list,
	  ZTSDCONF_OF_PROVIDER(jwt_orgs) | CONF_LIST, .range = "at most 16",
	  .doc = "AWS organisations whose tokens are believed." },
	{ "provider", "token_key", ztsdconf_provider_path, ZTSDCONF_OF_PROVIDER(token_key),
	  .range = "an absolute path", .doc = "Secret of the tokens, made by 'ztsctl key'." },
};

static const struct conf_schema ztsdconf_schema = {
	.items = ztsdconf_items,
	.n_items = ARRAY_SIZE(ztsdconf_items),
};

static void ztsdconf_point(struct ztsdconf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		list->at[i] = list->texts[i];
}

static void ztsdconf_fill_spec(struct ztsdconf_provider *p)
{
	ztsdconf_point(&p->aws_certs);
	ztsdconf_point(&p->suffixes);
	ztsdconf_point(&p->jwt_orgs);
	p->spec = (struct attestor_spec){
		.provider = p->name,
		.kind = p->is_token ? ATTESTOR_TOKEN : ATTESTOR_AWS,
		.aws_certs = p->aws_certs.at,
		.n_aws_certs = p->aws_certs.n,
		.suffixes = p->suffixes.at,
		.n_suffixes = p->suffixes.n,
		.boot_window_s = p->boot_window_s,
		.check_private_ip = p->check_private_ip,
		.need_credentials = p->need_credentials,
		.sts_url = p->sts_url,
		.sts_address = p->sts_address,
		.sts_ca = p->sts_ca,
		.sts_timeout_ms = p->sts_timeout_ms,
		.jwt_issuer = p->jwt_issuer,
		.jwt_keys = p->jwt_keys,
		.jwt_audience = p->jwt_audience,
		.jwt_orgs = p->jwt_orgs.at,
		.n_jwt_orgs = p->jwt_orgs.n,
		.token_key = p->token_key,
	};
}

/* NULL, or what is missing in a provider of kind aws. */
static const char *ztsdconf_judge_aws(const struct ztsdconf_provider *p, uint32_t request_ms)
{
	/* Credentials and tokens prove a role; only the document proves the instance. */
	if (!p->aws_certs.n)
		return "kind = aws needs aws_certs";
	if (!p->suffixes.n)
		return "kind = aws needs suffixes";
	if (p->need_credentials && !*p->sts_url && !*p->jwt_issuer)
		return "need_credentials = yes needs sts_url or jwt_issuer";
	if (*p->jwt_issuer && (!*p->jwt_keys || !*p->jwt_audience || !p->jwt_orgs.n))
		return "jwt_issuer needs jwt_keys, jwt_audience and jwt_orgs";
	/* Else the connection is gone before there is an answer for it. */
	if (*p->sts_url && p->sts_timeout_ms >= request_ms)
		return "sts_timeout_ms must be below request_timeout_ms";
	return NULL;
}

static int ztsdconf_check_provider(struct ztsdconf_provider *p, const struct ztsdconf *c,
				   const char *file, struct conf_error *ret_error)
{
	const char *wrong = NULL;

	if (!p->is_token)
		wrong = ztsdconf_judge_aws(p, c->request_timeout_ms);
	else if (!*p->token_key)
		wrong = "kind = token needs token_key";
	if (wrong) {
		snprintf(ret_error->text, sizeof(ret_error->text), "%s: [provider %s] %s", file,
			 p->name, wrong);
		return -EINVAL;
	}
	ztsdconf_fill_spec(p);
	return 0;
}

static int ztsdconf_check(struct ztsdconf *c, const char *file, struct conf_error *ret_error)
{
	int r = 0;

	if (c->min_lifetime_s > c->max_lifetime_s || c->default_lifetime_s > c->max_lifetime_s) {
		snprintf(ret_error->text, sizeof(ret_error->text),
			 "%s: [ztsd] min_lifetime_s and default_lifetime_s must be at most "
			 "max_lifetime_s",
			 file);
		return -EINVAL;
	}
	if (!*c->client_ca)
		memcpy(c->client_ca, c->ca_cert, sizeof(c->client_ca));
	ztsdconf_point(&c->organizations);
	ztsdconf_point(&c->organizational_units);
	for (size_t i = 0; i < c->n_providers && r == 0; i++)
		r = ztsdconf_check_provider(&c->providers[i], c, file, ret_error);
	return r;
}

/* Reads @text, or the file @name when @text is NULL. */
static int ztsdconf_read(const char *name, const char *text, struct ztsdconf **ret,
			 struct conf_error *ret_error)
{
	_cleanup_(ztsdconf_freep) struct ztsdconf *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	r = text ? conf_load_text(name, text, &ztsdconf_schema, c, ret_error) :
		   conf_load(name, &ztsdconf_schema, c, ret_error);
	if (r == 0)
		r = ztsdconf_check(c, name, ret_error);
	if (r == 0)
		*ret = steal_ptr(c);
	return r;
}

int ztsdconf_load(const char *path, struct ztsdconf **ret, struct conf_error *ret_error)
{
	return ztsdconf_read(path, NULL, ret, ret_error);
}

int ztsdconf_load_text(const char *name, const char *text, struct ztsdconf **ret,
		       struct conf_error *ret_error)
{
	return ztsdconf_read(name, text, ret, ret_error);
}

const struct ztsdconf_provider *ztsdconf_find(const struct ztsdconf *c, const char *name)
{
	for (size_t i = 0; i < c->n_providers; i++)
		if (!strcmp(c->providers[i].name, name))
			return &c->providers[i];
	return NULL;
}

void ztsdconf_print_reference(FILE *to)
{
	conf_print_reference(&ztsdconf_schema, to);
}

void ztsdconf_free(struct ztsdconf *c)
{
	free(c);
}

void ztsdconf_freep(struct ztsdconf **p)
{
	ztsdconf_free(*p);
}
