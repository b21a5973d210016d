/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/kwords.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/kdump.h"

#define KWORDS_COMMENT 0 /* type of a comment in the user data of a rule; libnftnl's udata.h */
#define KWORDS_EXPRS 8   /* names of expressions shown for a rule without a comment */

static const struct nlattr *kwords_nested(const struct nlattr *outer, uint16_t type)
{
	const struct nlattr *attr;

	if (!outer)
		return NULL;
	mnl_attr_for_each_nested(attr, outer)
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static uint32_t kwords_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

/* User data: type, length, bytes. A comment is text with a NUL. */
static bool kwords_comment(const struct nlattr *attr, char *ret, size_t cap)
{
	const uint8_t *p = attr ? mnl_attr_get_payload(attr) : NULL;
	size_t left = attr ? mnl_attr_get_payload_len(attr) : 0;

	while (left >= 2 && p[1] <= left - 2) {
		if (p[0] == KWORDS_COMMENT && p[1]) {
			snprintf(ret, cap, "%.*s", (int)p[1], (const char *)p + 2);
			return true;
		}
		left -= 2u + p[1];
		p += 2 + p[1];
	}
	return false;
}

static void kwords_exprs(const struct nlattr *list, char *ret, size_t cap)
{
	const struct nlattr *elem;
	size_t at = 0;
	int n = 0;

	if (!list)
		return;
	mnl_attr_for_each_nested(elem, list) {
		const struct nlattr *name = kwords_nested(elem, NFTA_EXPR_NAME);

		if (name && n++ < KWORDS_EXPRS && at < cap)
			at += (size_t)snprintf(ret + at, cap - at, "%s%s", at ? " " : "",
					       mnl_attr_get_str(name));
	}
}

static void kwords_chain(const struct nlattr *const *tb, char *ret, size_t cap)
{
	const struct nlattr *hook = tb[NFTA_CHAIN_HOOK];
	const struct nlattr *dev = kwords_nested(hook, NFTA_HOOK_DEV);

	if (!hook) {
		snprintf(ret, cap, "regular chain");
		return;
	}
	snprintf(ret, cap, "hook %u priority %d policy %s%s%s",
		 kwords_u32(kwords_nested(hook, NFTA_HOOK_HOOKNUM)),
		 (int)kwords_u32(kwords_nested(hook, NFTA_HOOK_PRIORITY)),
		 kwords_u32(tb[NFTA_CHAIN_POLICY]) == NF_ACCEPT ? "accept" : "drop",
		 dev ? " device " : "", dev ? mnl_attr_get_str(dev) : "");
}

/* A name padded with zeros, as in a set of interfaces. */
static bool kwords_is_name(const char *p, size_t len)
{
	size_t n = strnlen(p, len);

	if (n == 0 || n == len || len != IFNAMSIZ)
		return false;
	for (size_t i = 0; i < len; i++)
		if (i < n ? !isalnum((unsigned char)p[i]) && !strchr("._-", p[i]) : p[i])
			return false;
	return true;
}

static void kwords_elem(const struct nlattr *const *tb, char *ret, size_t cap)
{
	const struct nlattr *value = kwords_nested(tb[NFTA_SET_ELEM_KEY], NFTA_DATA_VALUE);
	bool is_end = kwords_u32(tb[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END;
	char text[INET6_ADDRSTRLEN] = "?";
	size_t len = value ? mnl_attr_get_payload_len(value) : 0;
	const char *p = value ? mnl_attr_get_payload(value) : NULL;

	if (p && kwords_is_name(p, len))
		snprintf(text, sizeof(text), "%s", p);
	else if (len == 16)
		inet_ntop(AF_INET6, p, text, sizeof(text));
	else if (len == 4)
		inet_ntop(AF_INET, p, text, sizeof(text));
	snprintf(ret, cap, "%s%s", is_end ? "end of a range before " : "", text);
}

static void kwords_clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
			*s = '?';
}

void kwords_label(int kind, const struct nlattr *const *tb, char *ret, size_t cap)
{
	*ret = '\0';
	if (kind == KDUMP_CHAIN)
		kwords_chain(tb, ret, cap);
	if (kind == KDUMP_ELEM)
		kwords_elem(tb, ret, cap);
	if (kind == KDUMP_RULE && !kwords_comment(tb[NFTA_RULE_USERDATA], ret, cap))
		kwords_exprs(tb[NFTA_RULE_EXPRESSIONS], ret, cap);
	kwords_clean(ret);
}
