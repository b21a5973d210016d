/* SPDX-License-Identifier: MIT */
#include "certs/certconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define CERTCONF_LOWER "abcdefghijklmnopqrstuvwxyz"
#define CERTCONF_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define CERTCONF_DIGITS "0123456789"
#define CERTCONF_REGION "{region}" /* stands in [aws] sts_url for the instance's region */

/* Labels of a-z 0-9 _ -, none of which starts with "-", joined by single dots. */
static bool certconf_is_name(const char *s)
{
	while (*s) {
		size_t n = strspn(s, CERTCONF_LOWER CERTCONF_DIGITS "_-");

		if (!n || *s == '-')
			return false;
		s += n;
		if (!*s)
			return true;
		if (*s++ != '.')
			return false;
	}
	return false;
}

static bool certconf_is_port(const char *s)
{
	uint64_t port;

	return s[strspn(s, CERTCONF_DIGITS)] == '\0' && conf_parse_u64(s, 1, 65535, &port) == 0;
}

/* A name in lower case: a domain, a provider, a namespace, all of which go into certificates. */
static int certconf_set_name(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	return certconf_is_name(value) ? conf_set_str(item, label, value, obj) : -EINVAL;
}

/* As certconf_set_name(), of one label. */
static int certconf_set_simple(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	return strchr(value, '.') ? -EINVAL : certconf_set_name(item, label, value, obj);
}

/* Printable ASCII; blanks too, for the names of organisations. */
static int certconf_set_ascii(const struct conf_item *item, const char *label, const char *value,
			      void *obj)
{
	for (const char *p = value; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return -EINVAL;
	return conf_set_str(item, label, value, obj);
}

/* It is told in the status, whose readers take nothing else. */
static int certconf_set_ascii_path(const struct conf_item *item, const char *label,
				   const char *value, void *obj)
{
	return value[0] == '/' ? certconf_set_ascii(item, label, value, obj) : -EINVAL;
}

/* As certconf_set_ascii(), without blanks. */
static int certconf_set_word(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	return strchr(value, ' ') ? -EINVAL : certconf_set_ascii(item, label, value, obj);
}

static int certconf_set_country(const struct conf_item *item, const char *label, const char *value,
				void *obj)
{
	/* The field has room for two. */
	return strspn(value, CERTCONF_UPPER) == 2 ? conf_set_str(item, label, value, obj) : -EINVAL;
}

static int certconf_set_instance(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	if (!principal_is_instance_id(value, strlen(value)))
		return -EINVAL;
	return conf_set_str(item, label, value, obj);
}

/* The path of an IAM role as it stands between "role/" and the name. */
static int certconf_set_role_path(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	size_t n = strlen(value);

	if (!n || value[0] == '/' || value[n - 1] != '/' ||
	    value[strspn(value, CERTCONF_LOWER CERTCONF_UPPER CERTCONF_DIGITS "/_+=,.@-")])
		return -EINVAL;
	return conf_set_str(item, label, value, obj);
}

/* Steps over "[IPv6 address]". NULL when it is none. */
static const char *certconf_skip_literal(const char *s)
{
	char text[IP6_ADDR_TEXT];
	struct in6_addr addr;
	size_t n = strcspn(s + 1, "]");

	if (!s[1 + n] || n >= sizeof(text))
		return NULL;
	memcpy(text, s + 1, n);
	text[n] = '\0';
	return ip6_parse_addr(text, &addr) < 0 ? NULL : s + n + 2;
}

/* Steps over the host of an URL: a name, in which "{region}" may stand when @region, or an IPv6
 * address in brackets. Gives what follows, NULL when there is no host. */
static const char *certconf_skip_host(const char *s, bool region)
{
	const char *start = s;

	if (*s == '[')
		return certconf_skip_literal(s);
	for (;;) {
		s += strspn(s, CERTCONF_LOWER CERTCONF_UPPER CERTCONF_DIGITS ".-");
		if (!region || strncmp(s, CERTCONF_REGION, strlen(CERTCONF_REGION)) != 0)
			break;
		s += strlen(CERTCONF_REGION);
	}
	return s == start || *start == '.' || *start == '-' ? NULL : s;
}

/* "https://host[:port][/path]": no user, query or fragment. */
static bool certconf_is_url(const char *s, bool region)
{
	char port[6];
	size_t n;

	if (strncmp(s, "https://", 8) != 0)
		return false;
	s = certconf_skip_host(s + 8, region);
	if (s && *s == ':') {
		n = strcspn(++s, "/");
		snprintf(port, sizeof(port), "%.*s", (int)sizeof(port) - 1, s);
		if (n < sizeof(port))
			port[n] = '\0';
		if (n >= sizeof(port) || !certconf_is_port(port))
			return false;
		s += n;
	}
	if (!s || (*s && *s != '/'))
		return false;
	return !s[strspn(s, CERTCONF_LOWER CERTCONF_UPPER CERTCONF_DIGITS "/._~-")];
}

/* Paths are added behind an URL, so that it has no slash at its end. */
static int certconf_store_url(const struct conf_item *item, const char *value, bool region,
			      void *obj)
{
	char text[CONF_VALUE_MAX];
	size_t n = strlen(value);

	if (!certconf_is_url(value, region) || n >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, n + 1);
	while (text[n - 1] == '/')
		text[--n] = '\0';
	return conf_set_str(item, "", text, obj);
}

static int certconf_set_url(const struct conf_item *item, const char *label, const char *value,
			    void *obj)
{
	return certconf_store_url(item, value, false, obj);
}

static int certconf_set_sts_url(const struct conf_item *item, const char *label, const char *value,
				void *obj)
{
	return certconf_store_url(item, value, true, obj);
}

static bool certconf_is_ipv4(const char *text)
{
	struct in_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1;
}

/* Literal only: a name that resolves elsewhere would send the host's identity there. */
static bool certconf_is_imds(const char *value)
{
	char host[64];
	const char *rest;
	size_t n;

	if (strncmp(value, "http://", 7) != 0)
		return false;
	value += 7;
	rest = certconf_skip_host(value, false);
	if (!rest || (*rest && (*rest != ':' || !certconf_is_port(rest + 1))))
		return false;
	n = (size_t)(rest - value);
	if (n >= sizeof(host))
		return false;
	memcpy(host, value, n);
	host[n] = '\0';
	return *host == '[' || certconf_is_ipv4(host);
}

static int certconf_add_imds(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	struct certconf *c = obj;

	if (!certconf_is_imds(value) || strlen(value) >= sizeof(c->imds[0]))
		return -EINVAL;
	if (c->n_imds == CERTCONF_IMDS_MAX)
		return -E2BIG;
	snprintf(c->imds[c->n_imds++], sizeof(c->imds[0]), "%s", value);
	return 0;
}

static int certconf_add_suffix(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	struct certconf *c = obj;

	if (!certconf_is_name(value) || strlen(value) >= sizeof(c->suffixes[0]))
		return -EINVAL;
	for (size_t i = 0; i < c->n_suffixes; i++)
		if (!strcmp(c->suffixes[i], value))
			return -EEXIST;
	if (c->n_suffixes == CERTCONF_SUFFIXES_MAX)
		return -E2BIG;
	snprintf(c->suffixes[c->n_suffixes++], sizeof(c->suffixes[0]), "%s", value);
	return 0;
}

/* The place of @value among @names, which end with NULL. */
static int certconf_choose(const char *const *names, const char *value)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], value))
			return i;
	return -EINVAL;
}

static int certconf_set_attestation(const struct conf_item *item, const char *label,
				    const char *value, void *obj)
{
	static const char *const names[] = { "aws", "token", NULL };
	struct certconf *c = obj;
	int r = certconf_choose(names, value);

	if (r < 0)
		return r;
	c->attestation = (enum certconf_attestation)r;
	return 0;
}

static int certconf_set_credentials(const struct conf_item *item, const char *label,
				    const char *value, void *obj)
{
	static const char *const names[] = { "assume-role", "web-identity", "none", NULL };
	struct certconf *c = obj;
	int r = certconf_choose(names, value);

	if (r < 0)
		return r;
	c->credentials = (enum certconf_credentials)r;
	return 0;
}

static int certconf_set_key_type(const struct conf_item *item, const char *label, const char *value,
				 void *obj)
{
	static const char *const names[] = { "ec-p256", "rsa-2048", "rsa-3072", NULL };
	struct certconf *c = obj;
	int r = certconf_choose(names, value);

	if (r < 0)
		return r;
	c->key_type = (enum certconf_key)r;
	return 0;
}

static int certconf_set_signature(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	static const char *const names[] = { "pkcs7", "rsa2048", NULL };
	int r = certconf_choose(names, value);

	return r < 0 ? r : conf_set_str(item, label, value, obj);
}

static int certconf_set_algorithm(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	static const char *const names[] = { "ES384", "RS256", NULL };
	int r = certconf_choose(names, value);

	return r < 0 ? r : conf_set_str(item, label, value, obj);
}

#define CERTCONF_FIELD(f)                                                                          \
	.offset = offsetof(struct certconf, f), .size = sizeof(((struct certconf *)0)->f)

static const struct conf_item certconf_items[] = {
	{ "certd", "zts_url", certconf_set_url, CERTCONF_FIELD(zts_url), .flags = CONF_REQUIRED,
	  .range = "https://host:port/path, for example https://zts.example:4443/zts/v1",
	  .doc = "Where the issuer (Athenz ZTS or ztsd) answers." },
	{ "certd", "zts_address", conf_set_endpoint, CERTCONF_FIELD(zts_address),
	  .range = "[IPv6 address]:port, for example [2001:db8:f::1]:4443",
	  .doc = "Where the issuer's name leads, instead of looking it up." },
	{ "certd", "zts_ca", conf_set_path, CERTCONF_FIELD(zts_ca), .flags = CONF_REQUIRED,
	  .range = "an absolute path",
	  .doc = "CAs that sign the issuer's own TLS certificate, PEM." },
	{ "certd", "ca_pin", conf_set_path, CERTCONF_FIELD(ca_pin), .range = "an absolute path",
	  .doc = "CAs that our certificate must chain to, PEM; default: what the issuer sends." },
	{ "certd", "domain", certconf_set_name, CERTCONF_FIELD(domain),
	  .range = "labels of a-z 0-9 _ - joined by dots, for example vespa.tenant",
	  .doc = "Athenz domain of this host; default: from the name of the instance profile." },
	{ "certd", "service", certconf_set_simple, CERTCONF_FIELD(service),
	  .range = "one label of a-z 0-9 _ -, for example tenant-host",
	  .doc = "Athenz service of this host; default: from the name of the instance profile." },
	{ "certd", "provider", certconf_set_name, CERTCONF_FIELD(provider),
	  .range = "labels of a-z 0-9 _ - joined by dots, for example athenz.aws.us-east-1",
	  .doc = "Provider that vouches for this host; default: provider_prefix and the region." },
	{ "certd", "provider_prefix", certconf_set_name, CERTCONF_FIELD(provider_prefix),
	  .range = "labels of a-z 0-9 _ - joined by dots, for example athenz.aws",
	  .doc = "Provider without the region, which is added; not used when provider is set." },
	{ "certd", "attestation", certconf_set_attestation, .fallback = "aws",
	  .range = "aws or token", .doc = "How this host proves what it is." },
	{ "certd", "token_file", conf_set_path, CERTCONF_FIELD(token_file),
	  .range = "an absolute path",
	  .doc = "What is sent as proof; with attestation = token, where it must be set." },
	{ "certd", "instance_id", certconf_set_instance, CERTCONF_FIELD(instance_id),
	  .range = "A-Z a-z 0-9 . _ ~ = + @ $ : -, at most 127 characters",
	  .doc = "Id of this host with attestation = token; default: /etc/machine-id." },
	{ "certd", "key_type", certconf_set_key_type, .fallback = "ec-p256",
	  .range = "ec-p256, rsa-2048 or rsa-3072", .doc = "Kind of the private keys." },
	{ "certd", "expiry_min", conf_set_u32, CERTCONF_FIELD(expiry_min), .min = 0, .max = 525600,
	  .fallback = "0", .range = "0...525600 minutes",
	  .doc = "Life asked for; the issuer may shorten it, and chooses it when this is 0." },
	{ "certd", "sia_dir", certconf_set_ascii_path, CERTCONF_FIELD(sia_dir),
	  .fallback = "/var/lib/sia", .range = "an absolute path in printable ASCII",
	  .doc = "Directory of keys/, certs/ and the state, laid out as by Athenz' agents." },
	{ "certd", "user", conf_set_str, CERTCONF_FIELD(user),
	  .range = "name, name:group or number",
	  .doc = "User to change to when started as root; no capability is kept." },
	{ "certd", "renew_max_s", conf_set_u32, CERTCONF_FIELD(renew_max_s), .min = 60,
	  .max = 2592000, .fallback = "86400", .range = "60...2592000 s",
	  .doc = "A certificate is renewed at the latest after this time." },
	{ "certd", "retry_min_s", conf_set_u32, CERTCONF_FIELD(retry_min_s), .min = 1, .max = 3600,
	  .fallback = "5", .range = "1...3600 s",
	  .doc = "Shortest bound of the random wait after a failure; it doubles each time." },
	{ "certd", "retry_max_s", conf_set_u32, CERTCONF_FIELD(retry_max_s), .min = 1, .max = 86400,
	  .fallback = "1800", .range = "1...86400 s",
	  .doc = "Longest bound of the random wait after a failure." },
	{ "certd", "timeout_ms", conf_set_u32, CERTCONF_FIELD(timeout_ms), .min = 1000,
	  .max = 300000, .fallback = "30000", .range = "1000...300000 ms",
	  .doc = "Time one attempt may take, all its calls together." },
	{ "csr", "suffixes", certconf_add_suffix, .flags = CONF_LIST,
	  .range = "names of a-z 0-9 _ - joined by dots, at most 4",
	  .doc = "DNS suffixes of the names in the certificate; needed with attestation = aws." },
	{ "csr", "country", certconf_set_country, CERTCONF_FIELD(country),
	  .range = "two letters A-Z", .doc = "Country (C) of the subject; default: none." },
	{ "csr", "organization", certconf_set_ascii, CERTCONF_FIELD(organization),
	  .range = "printable ASCII, at most 127 characters",
	  .doc = "Organization (O) of the subject; default: none." },
	{ "csr", "organizational_unit", certconf_set_ascii, CERTCONF_FIELD(organizational_unit),
	  .range = "printable ASCII, at most 127 characters",
	  .doc = "Organizational unit (OU) of the subject; default: the provider." },
	{ "csr", "spiffe", conf_set_bool, CERTCONF_FIELD(spiffe), .fallback = "yes",
	  .range = "yes or no", .doc = "Ask for a SPIFFE URI, too." },
	{ "csr", "spiffe_trust_domain", certconf_set_name, CERTCONF_FIELD(spiffe_trust_domain),
	  .range = "labels of a-z 0-9 _ - joined by dots",
	  .doc = "Trust domain of the SPIFFE URI; default: its short form, which has none." },
	{ "csr", "spiffe_namespace", certconf_set_simple, CERTCONF_FIELD(spiffe_namespace),
	  .fallback = "default", .range = "one label of a-z 0-9 _ -",
	  .doc = "Namespace of the SPIFFE URI where it has a trust domain." },
	{ "csr", "wildcard_dns", conf_set_bool, CERTCONF_FIELD(wildcard_dns), .fallback = "no",
	  .range = "yes or no",
	  .doc = "Ask for the name with *. before it, too, for each suffix." },
	{ "csr", "instance_dns", conf_set_bool, CERTCONF_FIELD(instance_dns), .fallback = "no",
	  .range = "yes or no",
	  .doc = "Ask for the old DNS name that carries the instance id, too." },
	{ "csr", "private_ip", conf_set_bool, CERTCONF_FIELD(private_ip), .fallback = "no",
	  .range = "yes or no",
	  .doc = "Ask for the private address of the instance document, too." },
	{ "aws", "imds", certconf_add_imds, .flags = CONF_LIST,
	  .fallback = "http://[fd00:ec2::254] http://169.254.169.254",
	  .range = "http:// with a literal address and perhaps a port, at most 2",
	  .doc = "Addresses of the instance metadata service, tried in turn." },
	{ "aws", "document_signature", certconf_set_signature, CERTCONF_FIELD(document_signature),
	  .fallback = "pkcs7", .range = "pkcs7 or rsa2048",
	  .doc = "Which signature of the instance document is sent." },
	{ "aws", "credentials", certconf_set_credentials, .fallback = "assume-role",
	  .range = "assume-role, web-identity or none",
	  .doc = "What is sent beside the instance document." },
	{ "aws", "role_path", certconf_set_role_path, CERTCONF_FIELD(role_path),
	  .range = "a path with a slash at its end and none before it, for example athenz/",
	  .doc = "Path of the IAM role to assume; default: none." },
	{ "aws", "role_omits_domain", conf_set_bool, CERTCONF_FIELD(role_omits_domain),
	  .fallback = "no", .range = "yes or no",
	  .doc = "The IAM role is called like the service alone, without the domain." },
	{ "aws", "sts_url", certconf_set_sts_url, CERTCONF_FIELD(sts_url),
	  .fallback = "https://sts.{region}.api.aws",
	  .range = "https://host:port/path; {region} stands for the region of the instance",
	  .doc = "Where STS answers; the default has IPv6 and IPv4." },
	{ "aws", "sts_address", conf_set_endpoint, CERTCONF_FIELD(sts_address),
	  .range = "[IPv6 address]:port, for example [2001:db8:f::2]:443",
	  .doc = "Where the name of STS leads, instead of looking it up." },
	{ "aws", "sts_ca", conf_set_path, CERTCONF_FIELD(sts_ca), .range = "an absolute path",
	  .doc = "CAs that sign the certificate of STS, PEM; default: those of the system." },
	{ "aws", "audience", certconf_set_word, CERTCONF_FIELD(audience),
	  .range = "printable ASCII without blanks, at most 255 characters",
	  .doc = "Audience of a web-identity token; default: zts_url." },
	{ "aws", "signing_algorithm", certconf_set_algorithm, CERTCONF_FIELD(signing_algorithm),
	  .fallback = "ES384", .range = "ES384 or RS256",
	  .doc = "How STS signs a web-identity token." },
	{ "aws", "token_duration_s", conf_set_u32, CERTCONF_FIELD(token_duration_s), .min = 60,
	  .max = 3600, .fallback = "300", .range = "60...3600 s",
	  .doc = "Life of a web-identity token." },
};

static const struct conf_schema certconf_schema = {
	.items = certconf_items,
	.n_items = ARRAY_SIZE(certconf_items),
	.foreign = (const char *const[]){ "zone", "server", "identity", "tunnel", "tunneld", NULL },
};

static int certconf_fail(struct conf_error *e, const char *path, const char *text)
{
	snprintf(e->text, sizeof(e->text), "%s: %s", path, text);
	return -EINVAL;
}

/* What is wrong with the names, NULL when nothing is. */
static const char *certconf_check_names(const struct certconf *c)
{
	if (!c->domain[0] != !c->service[0])
		return "[certd] domain and service: set both or none";
	if (strlen(c->domain) + 1 + strlen(c->service) >= PRINCIPAL_MAX)
		return "[certd] domain and service are longer than 254 characters together";
	if (c->wildcard_dns && !c->n_suffixes)
		return "[csr] wildcard_dns needs suffixes, which are missing";
	if (c->instance_dns && !c->n_suffixes)
		return "[csr] instance_dns needs suffixes, which are missing";
	if (!c->spiffe && c->spiffe_trust_domain[0])
		return "[csr] spiffe_trust_domain is set, but spiffe is no";
	return NULL;
}

static const char *certconf_check_token(const struct certconf *c)
{
	if (!c->token_file[0])
		return "[certd] token_file is missing, which attestation = token needs";
	if (!c->domain[0])
		return "[certd] domain and service are missing, which attestation = token needs";
	if (!c->provider[0])
		return "[certd] provider is missing, which attestation = token needs";
	if (c->private_ip)
		return "[csr] private_ip is only for attestation = aws";
	return NULL;
}

static const char *certconf_check_aws(const struct certconf *c)
{
	if (!c->provider[0] && !c->provider_prefix[0])
		return "[certd] provider_prefix is missing; set it, or provider";
	if (!c->n_suffixes)
		return "[csr] suffixes is missing, which attestation = aws needs";
	if (c->token_file[0] || c->instance_id[0])
		return "[certd] token_file and instance_id are only for attestation = token";
	return NULL;
}

/* What one line alone cannot show. */
static int certconf_check(const struct certconf *c, const char *path, struct conf_error *ret_error)
{
	const char *wrong = certconf_check_names(c);

	if (!wrong)
		wrong = c->attestation == CERTCONF_TOKEN ? certconf_check_token(c) :
							   certconf_check_aws(c);
	if (!wrong && c->retry_min_s > c->retry_max_s)
		wrong = "[certd] retry_min_s must not be larger than retry_max_s";
	return wrong ? certconf_fail(ret_error, path, wrong) : 0;
}

int certconf_load(const char *path, struct certconf *ret, struct conf_error *ret_error)
{
	int r;

	*ret = (struct certconf){ 0 };
	r = conf_load(path, &certconf_schema, ret, ret_error);
	return r < 0 ? r : certconf_check(ret, path, ret_error);
}

int certconf_load_text(const char *name, const char *text, struct certconf *ret,
		       struct conf_error *ret_error)
{
	int r;

	*ret = (struct certconf){ 0 };
	r = conf_load_text(name, text, &certconf_schema, ret, ret_error);
	return r < 0 ? r : certconf_check(ret, name, ret_error);
}

void certconf_print_reference(FILE *to)
{
	conf_print_reference(&certconf_schema, to);
}
