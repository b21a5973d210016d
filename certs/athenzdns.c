/* SPDX-License-Identifier: MIT */
#include "certs/athenzdns.h"

#include <string.h>

#define ATHENZDNS_INSTANCE_MARK ".instanceid.athenz."

/* Not <ctype.h>: that follows the locale. */
static char athenzdns_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool athenzdns_equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (athenzdns_lower(a[i]) != athenzdns_lower(b[i]))
			return false;
	}
	return true;
}

static bool athenzdns_is_label(const char *label, size_t len)
{
	if (len == 0 || len > ATHENZDNS_LABEL_MAX || label[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = athenzdns_lower(label[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

void athenzdns_dash_domain(const struct principal *p, char ret[static PRINCIPAL_MAX])
{
	for (size_t i = 0; i < p->domain_len; i++)
		ret[i] = p->name[i] == '.' ? '-' : p->name[i];
	ret[p->domain_len] = '\0';
}

bool athenzdns_is_name(const char *name)
{
	if (strlen(name) >= ATHENZDNS_NAME_MAX)
		return false;
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	for (;;) {
		size_t len = strcspn(name, ".");

		if (!athenzdns_is_label(name, len))
			return false;
		if (!name[len])
			return true;
		name += len + 1;
	}
}

/* Gives how many bytes of @name stand before ".@suffix", 0 when it does not end so. */
static size_t athenzdns_before(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);
	size_t dot;

	if (n == 0 || len < n + 2)
		return 0;
	dot = len - n - 1;
	return name[dot] == '.' && athenzdns_equal(name + dot + 1, suffix, n) ? dot : 0;
}

bool athenzdns_has_suffix(const char *name, const char *suffix)
{
	return athenzdns_before(name, strlen(name), suffix) > 0;
}

bool athenzdns_has_label(const char *name, size_t len, const char *label)
{
	size_t n = strlen(label);

	for (size_t at = 0; at + n <= len; at++) {
		bool begins = at == 0 || name[at - 1] == '.';
		bool ends = at + n == len || name[at + n] == '.';

		if (begins && ends && athenzdns_equal(name + at, label, n))
			return n > 0;
	}
	return false;
}

bool athenzdns_serves(const char *name, const struct principal *p, const char *suffix)
{
	char domain[PRINCIPAL_MAX];
	size_t len;

	if (!athenzdns_is_name(name))
		return false;
	athenzdns_dash_domain(p, domain);
	len = athenzdns_before(name, strlen(name), suffix);
	len = athenzdns_before(name, len, domain);
	return athenzdns_has_label(name, len, principal_service(p));
}

bool athenzdns_is_instance(const char *name, const char *suffix, size_t *ret_id_len)
{
	size_t id_len;

	if (principal_parse_dns(name, strlen(name), &id_len))
		return false;
	name += id_len + strlen(ATHENZDNS_INSTANCE_MARK);
	if (strlen(name) != strlen(suffix) || !athenzdns_equal(name, suffix, strlen(suffix)))
		return false;
	*ret_id_len = id_len;
	return true;
}
