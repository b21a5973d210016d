/* SPDX-License-Identifier: MIT */
#include "certs/principal.h"

#include <stdint.h>
#include <string.h>

#define PRINCIPAL_INSTANCE_PREFIX "athenz://instanceid/"
#define PRINCIPAL_URI_PREFIX "athenz://principal/"
#define PRINCIPAL_SPIFFE_PREFIX "spiffe://"
#define PRINCIPAL_DNS_MARK ".instanceid.athenz."
#define PRINCIPAL_ROLE_MARK ":role."

enum {
	PRINCIPAL_IS_START = 1 << 0, /* may begin a label */
	PRINCIPAL_IS_LABEL = 1 << 1, /* may follow in a label */
	PRINCIPAL_IS_PATH = 1 << 2,  /* may stand in an instance id */
	PRINCIPAL_IS_UPPER = 1 << 3,
	PRINCIPAL_IS_WORD = PRINCIPAL_IS_START | PRINCIPAL_IS_LABEL | PRINCIPAL_IS_PATH,
};

/* Not <ctype.h>: that follows the locale. */
static const uint8_t principal_classes[256] = {
	['0' ... '9'] = PRINCIPAL_IS_WORD,
	['A' ... 'Z'] = PRINCIPAL_IS_WORD | PRINCIPAL_IS_UPPER,
	['a' ... 'z'] = PRINCIPAL_IS_WORD,
	['_'] = PRINCIPAL_IS_WORD,
	['-'] = PRINCIPAL_IS_LABEL | PRINCIPAL_IS_PATH,
	['.'] = PRINCIPAL_IS_PATH,
	['~'] = PRINCIPAL_IS_PATH,
	['='] = PRINCIPAL_IS_PATH,
	['+'] = PRINCIPAL_IS_PATH,
	['@'] = PRINCIPAL_IS_PATH,
	['$'] = PRINCIPAL_IS_PATH,
	[':'] = PRINCIPAL_IS_PATH,
};

/* The part of a text that is still to be read. */
struct principal_rest {
	const char *at;
	size_t len;
};

static bool principal_is(char c, unsigned int class)
{
	return principal_classes[(unsigned char)c] & class;
}

static char principal_lower(char c)
{
	return principal_is(c, PRINCIPAL_IS_UPPER) ? (char)(c | 0x20) : c;
}

static bool principal_equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (principal_lower(a[i]) != principal_lower(b[i]))
			return false;
	}
	return true;
}

/* Steps over @len bytes that must be equal to @what in any case. */
static bool principal_take(struct principal_rest *rest, const char *what, size_t len)
{
	if (rest->len < len || !principal_equal(rest->at, what, len))
		return false;
	rest->at += len;
	rest->len -= len;
	return true;
}

static bool principal_take_str(struct principal_rest *rest, const char *what)
{
	return principal_take(rest, what, strlen(what));
}

/* Steps over one label. */
static bool principal_take_label(struct principal_rest *rest)
{
	size_t n = 0;

	if (rest->len == 0 || !principal_is(rest->at[0], PRINCIPAL_IS_START))
		return false;
	while (n < rest->len && principal_is(rest->at[n], PRINCIPAL_IS_LABEL))
		n++;
	rest->at += n;
	rest->len -= n;
	return true;
}

/* Steps over labels joined by dots and gives their number, 0 when they are malformed. */
static size_t principal_take_labels(struct principal_rest *rest)
{
	size_t n = 0;

	do {
		if (!principal_take_label(rest))
			return 0;
		n++;
	} while (principal_take_str(rest, "."));
	return n;
}

/* Finds @mark in any case. Gives its offset, or @len when it is not there. */
static size_t principal_find(const char *text, size_t len, const char *mark)
{
	size_t n = strlen(mark);

	for (size_t i = 0; i + n <= len; i++) {
		if (principal_equal(text + i, mark, n))
			return i;
	}
	return len;
}

/* @len is smaller than the room at @to, which is all zeros. */
static void principal_copy_lower(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = principal_lower(from[i]);
}

int principal_parse(const char *name, size_t len, struct principal *ret)
{
	struct principal_rest rest = { name, len };
	struct principal p = { 0 };

	if (len >= sizeof(p.name))
		return PRINCIPAL_E_FORMAT;
	if (principal_find(name, len, PRINCIPAL_ROLE_MARK) < len)
		return PRINCIPAL_E_ROLE;
	if (principal_take_labels(&rest) < 2 || rest.len > 0)
		return PRINCIPAL_E_FORMAT;
	principal_copy_lower(p.name, name, len);
	p.domain_len = (size_t)(strrchr(p.name, '.') - p.name);
	*ret = p;
	return 0;
}

const char *principal_service(const struct principal *p)
{
	return p->name + p->domain_len + 1;
}

int principal_parse_role(const char *name, size_t len, struct principal_role *ret)
{
	size_t domain_len = principal_find(name, len, PRINCIPAL_ROLE_MARK);
	struct principal_rest rest = { name, len };
	struct principal_role role = { .domain_len = domain_len };

	if (domain_len == len)
		return PRINCIPAL_E_OTHER;
	if (len >= sizeof(role.name) || !principal_take_labels(&rest) ||
	    !principal_take_str(&rest, PRINCIPAL_ROLE_MARK) || !principal_take_labels(&rest) ||
	    rest.len > 0)
		return PRINCIPAL_E_FORMAT;
	principal_copy_lower(role.name, name, len);
	*ret = role;
	return 0;
}

int principal_parse_uri(const char *uri, size_t len, struct principal *ret)
{
	struct principal_rest rest = { uri, len };

	if (!principal_take_str(&rest, PRINCIPAL_URI_PREFIX))
		return PRINCIPAL_E_OTHER;
	if (memcmp(uri, PRINCIPAL_URI_PREFIX, strlen(PRINCIPAL_URI_PREFIX)) != 0 ||
	    principal_parse(rest.at, rest.len, ret))
		return PRINCIPAL_E_FORMAT;
	return 0;
}

static int principal_parse_provider(const char *text, size_t len, struct principal_instance *p)
{
	struct principal_rest rest = { text, len };

	if (len >= sizeof(p->provider) || !principal_take_labels(&rest) || rest.len > 0)
		return PRINCIPAL_E_FORMAT;
	principal_copy_lower(p->provider, text, len);
	return 0;
}

bool principal_is_instance_id(const char *id, size_t len)
{
	if (len == 0 || len >= PRINCIPAL_INSTANCE_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!principal_is(id[i], PRINCIPAL_IS_PATH))
			return false;
	}
	/* As a path segment these would name something else. */
	return !(id[0] == '.' && (len == 1 || (len == 2 && id[1] == '.')));
}

/* @p is all zeros where it was not written yet. */
static int principal_parse_id(const char *text, size_t len, struct principal_instance *p)
{
	if (!principal_is_instance_id(text, len))
		return PRINCIPAL_E_FORMAT;
	memcpy(p->id, text, len);
	return 0;
}

int principal_parse_instance(const char *uri, size_t len, struct principal_instance *ret)
{
	struct principal_rest rest = { uri, len };
	struct principal_instance p = { 0 };
	const char *slash;
	size_t head;

	if (!principal_take_str(&rest, PRINCIPAL_INSTANCE_PREFIX))
		return PRINCIPAL_E_OTHER;
	if (memcmp(uri, PRINCIPAL_INSTANCE_PREFIX, strlen(PRINCIPAL_INSTANCE_PREFIX)) != 0)
		return PRINCIPAL_E_FORMAT;
	slash = memchr(rest.at, '/', rest.len);
	if (!slash)
		return PRINCIPAL_E_FORMAT;
	head = (size_t)(slash - rest.at);
	if (principal_parse_provider(rest.at, head, &p) ||
	    principal_parse_id(slash + 1, rest.len - head - 1, &p))
		return PRINCIPAL_E_FORMAT;
	*ret = p;
	return 0;
}

int principal_parse_dns(const char *dns, size_t len, size_t *ret_id_len)
{
	size_t at = principal_find(dns, len, PRINCIPAL_DNS_MARK);

	if (at == len)
		return PRINCIPAL_E_OTHER;
	if (at == 0 || at + strlen(PRINCIPAL_DNS_MARK) == len)
		return PRINCIPAL_E_FORMAT;
	*ret_id_len = at;
	return 0;
}

/* What follows the scheme in "spiffe://<domain>/sa/<service>". */
static bool principal_is_spiffe_short(const struct principal *p, struct principal_rest rest)
{
	return principal_take(&rest, p->name, p->domain_len) && principal_take_str(&rest, "/sa/") &&
	       principal_take_str(&rest, principal_service(p)) && rest.len == 0;
}

/* What follows the scheme in "spiffe://<trust domain>/ns/<namespace>/sa/<domain>.<service>". */
static bool principal_is_spiffe_long(const struct principal *p, struct principal_rest rest)
{
	return principal_take_labels(&rest) && principal_take_str(&rest, "/ns/") &&
	       principal_take_label(&rest) && principal_take_str(&rest, "/sa/") &&
	       principal_take_str(&rest, p->name) && rest.len == 0;
}

int principal_check_spiffe(const struct principal *p, const char *uri, size_t len)
{
	struct principal_rest rest = { uri, len };

	if (!principal_take_str(&rest, PRINCIPAL_SPIFFE_PREFIX))
		return PRINCIPAL_E_OTHER;
	if (principal_is_spiffe_short(p, rest) || principal_is_spiffe_long(p, rest))
		return 0;
	return PRINCIPAL_E_DISAGREES;
}

static const char *principal_role_name(const struct principal_role *role)
{
	return role->name + role->domain_len + strlen(PRINCIPAL_ROLE_MARK);
}

/* What both forms end in: "<domain>/ra/<role>". */
static bool principal_is_role_path(const struct principal_role *role, struct principal_rest rest)
{
	return principal_take(&rest, role->name, role->domain_len) &&
	       principal_take_str(&rest, "/ra/") &&
	       principal_take_str(&rest, principal_role_name(role)) && rest.len == 0;
}

int principal_check_role_spiffe(const struct principal_role *role, const char *uri, size_t len)
{
	struct principal_rest rest = { uri, len };

	if (!principal_take_str(&rest, PRINCIPAL_SPIFFE_PREFIX))
		return PRINCIPAL_E_OTHER;
	if (principal_is_role_path(role, rest))
		return 0;
	if (principal_take_labels(&rest) && principal_take_str(&rest, "/ns/") &&
	    principal_is_role_path(role, rest))
		return 0;
	return PRINCIPAL_E_DISAGREES;
}

int principal_check_mail(const struct principal *p, const char *mail, size_t len)
{
	struct principal_rest rest = { mail, len };

	if (principal_take_str(&rest, p->name) && principal_take_str(&rest, "@") && rest.len > 0)
		return 0;
	return PRINCIPAL_E_DISAGREES;
}
