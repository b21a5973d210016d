/* SPDX-License-Identifier: MIT */
#include "tests/lab/cloudconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct cloudconf_word {
	const char *text;
	int value;
};

static const struct cloudconf_word cloudconf_faults[] = {
	{ "none", CLOUDCONF_NO_FAULT },       { "slow", CLOUDCONF_SLOW },
	{ "hang", CLOUDCONF_HANG },           { "503", CLOUDCONF_503 },
	{ "token-403", CLOUDCONF_TOKEN_403 }, { "token-hangs", CLOUDCONF_TOKEN_HANGS },
	{ "token-hop", CLOUDCONF_TOKEN_HOP }, { "garbage", CLOUDCONF_GARBAGE },
	{ "oversize", CLOUDCONF_OVERSIZE },   { "redirect", CLOUDCONF_REDIRECT },
	{ "denied", CLOUDCONF_DENIED },       { "expired", CLOUDCONF_EXPIRED },
};
static const struct cloudconf_word cloudconf_documents[] = {
	{ "good", CLOUDCONF_GOOD },
	{ "altered", CLOUDCONF_ALTERED },
	{ "forged", CLOUDCONF_FORGED },
};

/* Gives the value of a word, -EINVAL for one that is not in the table. */
static int cloudconf_word(const struct cloudconf_word *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].text, text))
			return words[i].value;
	return -EINVAL;
}

static int cloudconf_fault(const char *value, enum cloudconf_fault *ret)
{
	int r = cloudconf_word(cloudconf_faults, ARRAY_SIZE(cloudconf_faults), value);

	if (r < 0)
		return r;
	*ret = (enum cloudconf_fault)r;
	return 0;
}

static int cloudconf_add_text(const struct conf_item *item, const char *label, const char *value,
			      void *obj)
{
	struct cloudconf_texts *list = (void *)((char *)obj + item->offset);
	struct conf_item one = { .size = sizeof(list->at[0]) };

	if (list->n == CLOUDCONF_LIST_MAX)
		return -E2BIG;
	return conf_set_str(&one, label, value, list->at[list->n]) < 0 ? -EINVAL : (list->n++, 0);
}

/* The instance of that label, a new one when there is none yet; NULL when full. */
static struct cloudconf_instance *cloudconf_instance(struct cloudconf *c, const char *label)
{
	struct cloudconf_instance *i;

	for (size_t at = 0; at < c->n_instances; at++)
		if (!strcmp(c->instances[at].name, label))
			return &c->instances[at];
	if (c->n_instances == CLOUDCONF_INSTANCES_MAX)
		return NULL;
	i = &c->instances[c->n_instances++];
	snprintf(i->name, sizeof(i->name), "%s", label);
	return i;
}

static int cloudconf_set_instance(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	struct cloudconf_instance *i = cloudconf_instance(obj, label);

	if (!i)
		return -E2BIG;
	return item->size ? conf_set_str(item, label, value, i) :
			    conf_set_u32(item, label, value, i);
}

static int cloudconf_add_tag(const struct conf_item *item, const char *label, const char *value,
			     void *obj)
{
	struct cloudconf_instance *i = cloudconf_instance(obj, label);

	return i ? cloudconf_add_text(item, label, value, i) : -E2BIG;
}

/* An address in either family's text form; IPv4 becomes ::ffff:a.b.c.d. */
static int cloudconf_address(const char *text, struct in6_addr *ret)
{
	struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, &a.s6_addr[12]) != 1 && inet_pton(AF_INET6, text, &a) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

static int cloudconf_add_from(const struct conf_item *item, const char *label, const char *value,
			      void *obj)
{
	struct cloudconf_instance *i = cloudconf_instance(obj, label);

	if (!i || i->n_from == CLOUDCONF_LIST_MAX)
		return -E2BIG;
	if (cloudconf_address(value, &i->from[i->n_from]) < 0)
		return -EINVAL;
	i->n_from++;
	return 0;
}

static int cloudconf_set_document(const struct conf_item *item, const char *label,
				  const char *value, void *obj)
{
	struct cloudconf_instance *i = cloudconf_instance(obj, label);
	int r = cloudconf_word(cloudconf_documents, ARRAY_SIZE(cloudconf_documents), value);

	if (!i)
		return -E2BIG;
	if (r < 0)
		return r;
	i->document = (enum cloudconf_document)r;
	return 0;
}

static int cloudconf_set_fault(const struct conf_item *item, const char *label, const char *value,
			       void *obj)
{
	struct cloudconf_instance *i = cloudconf_instance(obj, label);

	return i ? cloudconf_fault(value, &i->fault) : -E2BIG;
}

static int cloudconf_set_sts_fault(const struct conf_item *item, const char *label,
				   const char *value, void *obj)
{
	struct cloudconf *c = obj;

	return cloudconf_fault(value, &c->sts_fault);
}

static int cloudconf_add_role(const struct conf_item *item, const char *label, const char *value,
			      void *obj)
{
	struct cloudconf *c = obj;
	struct cloudconf_account *a = NULL;
	struct conf_item at = { .offset = offsetof(struct cloudconf_account, roles) };

	for (size_t i = 0; i < c->n_accounts; i++)
		if (!strcmp(c->accounts[i].id, label))
			a = &c->accounts[i];
	if (!a && c->n_accounts == CLOUDCONF_ACCOUNTS_MAX)
		return -E2BIG;
	if (!a) {
		a = &c->accounts[c->n_accounts++];
		snprintf(a->id, sizeof(a->id), "%s", label);
	}
	return cloudconf_add_text(&at, label, value, a);
}

#define CLOUDCONF_AT(field) .offset = offsetof(struct cloudconf, field)
#define CLOUDCONF_TEXT(field) CLOUDCONF_AT(field), .size = CLOUDCONF_TEXT_MAX
#define CLOUDCONF_OF(field) .offset = offsetof(struct cloudconf_instance, field)
#define CLOUDCONF_OF_TEXT(field) CLOUDCONF_OF(field), .size = CLOUDCONF_TEXT_MAX
#define CLOUDCONF_FAULT_WORDS                                                                      \
	"none, slow, hang, 503, token-403, token-hangs, token-hop, garbage, oversize, redirect, "  \
	"denied, expired"

static const struct conf_item cloudconf_items[] = {
	{ "cloud", "keys", conf_set_path, CLOUDCONF_TEXT(keys), .flags = CONF_REQUIRED,
	  .range = "absolute path", .doc = "Folder that lab-cloud init filled." },
	{ "cloud", "imds", cloudconf_add_text, CLOUDCONF_AT(imds_listen), .flags = CONF_LIST,
	  .range = "ADDRESS:PORT, [ADDRESS]:PORT; port 0 takes a free one",
	  .doc = "Where instance metadata is served." },
	{ "cloud", "sts", cloudconf_add_text, CLOUDCONF_AT(sts_listen), .flags = CONF_LIST,
	  .range = "as imds", .doc = "Where STS is served, over TLS." },
	{ "cloud", "sts_cert", conf_set_path, CLOUDCONF_TEXT(sts_cert), .range = "absolute path",
	  .doc = "PEM, the certificate of STS." },
	{ "cloud", "sts_key", conf_set_path, CLOUDCONF_TEXT(sts_key), .range = "absolute path",
	  .doc = "PEM, its key." },
	{ "cloud", "sts_fault", cloudconf_set_sts_fault, .fallback = "none",
	  .range = CLOUDCONF_FAULT_WORDS, .doc = "How STS misbehaves." },
	{ "cloud", "sts_fault_ms", conf_set_u32, CLOUDCONF_AT(sts_fault_ms), .max = 3600000,
	  .fallback = "3000", .range = "0...3600000", .doc = "Milliseconds of slow." },
	{ "cloud", "sts_fault_action", conf_set_str, CLOUDCONF_TEXT(sts_fault_action),
	  .range = "text", .doc = "Only this action is faulty, for example GetCallerIdentity." },
	{ "cloud", "jwt_issuer", conf_set_str, CLOUDCONF_TEXT(jwt_issuer),
	  .fallback = "https://lab-cloud.tokens.sts.global.api.aws", .range = "text",
	  .doc = "Issuer in web-identity tokens." },
	{ "cloud", "jwt_org", conf_set_str, CLOUDCONF_TEXT(jwt_org), .fallback = "o-labcloud",
	  .range = "text", .doc = "org_id in web-identity tokens." },
	{ "account", "roles", cloudconf_add_role, .flags = CONF_LIST | CONF_LABELLED,
	  .range = "names",
	  .doc = "Roles that may be assumed by NAME-service, its instance profile's role." },
	{ "instance", "from", cloudconf_add_from, .flags = CONF_LIST | CONF_LABELLED,
	  .range = "IPv4 or IPv6 addresses", .doc = "By what this instance is recognised." },
	{ "instance", "id", cloudconf_set_instance, CLOUDCONF_OF_TEXT(id), .flags = CONF_LABELLED,
	  .fallback = "i-0123456789abcdef0", .range = "text", .doc = "Instance id." },
	{ "instance", "account", cloudconf_set_instance, CLOUDCONF_OF_TEXT(account),
	  .flags = CONF_LABELLED, .fallback = "123456789012", .range = "digits",
	  .doc = "Account." },
	{ "instance", "region", cloudconf_set_instance, CLOUDCONF_OF_TEXT(region),
	  .flags = CONF_LABELLED, .fallback = "us-east-1", .range = "text", .doc = "Region." },
	{ "instance", "private_ip", cloudconf_set_instance, CLOUDCONF_OF_TEXT(private_ip),
	  .flags = CONF_LABELLED, .fallback = "10.1.1.2", .range = "address",
	  .doc = "privateIp of the document." },
	{ "instance", "profile", cloudconf_set_instance, CLOUDCONF_OF_TEXT(profile),
	  .flags = CONF_LABELLED,
	  .fallback = "vespa.tenant.acme.aws-123456789012.tenant-host-service",
	  .range = "a name, none", .doc = "Name of the instance profile and of its role." },
	{ "instance", "pending", cloudconf_set_instance, CLOUDCONF_OF_TEXT(pending),
	  .flags = CONF_LABELLED, .fallback = "start",
	  .range = "start, start-SECONDS, seconds since 1970",
	  .doc = "When it started; start is when lab-cloud did." },
	{ "instance", "document", cloudconf_set_document, .flags = CONF_LABELLED,
	  .fallback = "good", .range = "good, altered, forged",
	  .doc = "What is wrong with its identity document." },
	{ "instance", "fault", cloudconf_set_fault, .flags = CONF_LABELLED, .fallback = "none",
	  .range = CLOUDCONF_FAULT_WORDS, .doc = "How its metadata misbehaves." },
	{ "instance", "fault_ms", cloudconf_set_instance, CLOUDCONF_OF(fault_ms), .max = 3600000,
	  .flags = CONF_LABELLED, .fallback = "3000", .range = "0...3600000",
	  .doc = "Milliseconds of slow." },
	{ "instance", "credentials_s", cloudconf_set_instance, CLOUDCONF_OF(credentials_s),
	  .max = 86400, .flags = CONF_LABELLED, .fallback = "21600", .range = "0...86400",
	  .doc = "Life of the credentials, in seconds; 0: they are over already." },
	{ "instance", "tags", cloudconf_add_tag, CLOUDCONF_OF(tags),
	  .flags = CONF_LIST | CONF_LABELLED, .range = "KEY=VALUE", .doc = "Tags." },
};

static const struct conf_schema cloudconf_schema = {
	.items = cloudconf_items,
	.n_items = ARRAY_SIZE(cloudconf_items),
};

int cloudconf_load(const char *path, struct cloudconf *ret, struct conf_error *ret_error)
{
	static struct cloudconf c; /* too large for a stack */
	int r;

	memset(&c, 0, sizeof(c));
	r = conf_load(path, &cloudconf_schema, &c, ret_error);
	if (r == 0)
		*ret = c;
	return r;
}

void cloudconf_print_reference(FILE *to)
{
	conf_print_reference(&cloudconf_schema, to);
}

const struct cloudconf_instance *cloudconf_find(const struct cloudconf *c, const char *address)
{
	struct in6_addr a;

	if (cloudconf_address(address, &a) < 0)
		return NULL;
	for (size_t i = 0; i < c->n_instances; i++)
		for (size_t j = 0; j < c->instances[i].n_from; j++)
			if (!memcmp(&c->instances[i].from[j], &a, sizeof(a)))
				return &c->instances[i];
	return NULL;
}

uint64_t cloudconf_pending(const struct cloudconf_instance *i, uint64_t start_wall)
{
	uint64_t n = 0;

	if (!strncmp(i->pending, "start-", 6))
		return conf_parse_u64(i->pending + 6, 0, start_wall, &n) < 0 ? 0 : start_wall - n;
	if (!strcmp(i->pending, "start"))
		return start_wall;
	return conf_parse_u64(i->pending, 0, INT32_MAX, &n) < 0 ? 0 : n;
}

bool cloudconf_has_role(const struct cloudconf *c, const char *account, const char *role)
{
	for (size_t i = 0; i < c->n_accounts; i++) {
		if (strcmp(c->accounts[i].id, account))
			continue;
		for (size_t j = 0; j < c->accounts[i].roles.n; j++)
			if (!strcmp(c->accounts[i].roles.at[j], role))
				return true;
	}
	return false;
}
