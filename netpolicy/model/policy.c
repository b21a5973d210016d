/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct policy *policy_new(void)
{
	return calloc(1, sizeof(struct policy));
}

void policy_free(struct policy *p)
{
	free(p);
}

void policy_freep(struct policy **p)
{
	policy_free(*p);
	*p = NULL;
}

bool policy_is_name(const char *text)
{
	if (*text < 'a' || *text > 'z' || strlen(text) >= POLICY_NAME_MAX)
		return false;
	for (; *text; text++)
		if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') &&
		    !strchr("_-", *text))
			return false;
	return true;
}

int policy_add_net(struct policy *p, const char *name, size_t *ret)
{
	if (!policy_is_name(name))
		return -EINVAL;
	for (size_t i = 0; i < p->n_nets; i++)
		if (!strcmp(p->nets[i].name, name))
			return -EEXIST;
	if (p->n_nets == POLICY_NETS_MAX)
		return -E2BIG;
	memcpy(p->nets[p->n_nets].name, name, strlen(name) + 1);
	*ret = p->n_nets++;
	return 0;
}

int policy_add_rule(struct policy *p, const struct policy_rule *rule)
{
	if (p->n_rules == POLICY_RULES_MAX)
		return -E2BIG;
	p->rules[p->n_rules++] = *rule;
	return 0;
}

int policy_add_prefix(struct policy_prefixes *to, const struct ip6_prefix *prefix)
{
	if (to->n == POLICY_PREFIXES_MAX)
		return -E2BIG;
	to->list[to->n++] = *prefix;
	return 0;
}

static int policy_order(const void *a, const void *b)
{
	return ip6_prefix_compare(a, b);
}

/* The prefix one bit shorter that holds @p. */
static struct ip6_prefix policy_parent(const struct ip6_prefix *p)
{
	struct ip6_prefix up = { .addr = p->addr, .len = (uint8_t)(p->len - 1) };

	up.addr.s6_addr[up.len / 8] &= (uint8_t) ~(0x80u >> (up.len % 8));
	return up;
}

/* True when @a and @b are the two halves of one prefix of their family. */
static bool policy_is_pair(const struct ip6_prefix *a, const struct ip6_prefix *b)
{
	struct ip6_prefix up_a, up_b;

	if (a->len != b->len || a->len == 0 || (policy_is_v4(a) && a->len == POLICY_V4_BITS))
		return false;
	up_a = policy_parent(a);
	up_b = policy_parent(b);
	return ip6_prefix_equal(&up_a, &up_b) && !ip6_prefix_equal(a, b);
}

/* Puts @next behind the @n merged ones: swallowed, or joined with its neighbour as long as that
 * works. Gives the new number. */
static size_t policy_merge_one(struct ip6_prefix *list, size_t n, struct ip6_prefix next)
{
	if (n && ip6_prefix_covers(&list[n - 1], &next))
		return n;
	while (n && policy_is_pair(&list[n - 1], &next))
		next = policy_parent(&list[--n]);
	list[n] = next;
	return n + 1;
}

void policy_merge(struct policy_prefixes *set)
{
	size_t n = 0;

	qsort(set->list, set->n, sizeof(set->list[0]), policy_order);
	for (size_t i = 0; i < set->n; i++)
		n = policy_merge_one(set->list, n, set->list[i]);
	set->n = n;
}

void policy_finish(struct policy *p)
{
	for (size_t i = 0; i < p->n_nets; i++)
		policy_merge(&p->nets[i].prefixes);
}

static int policy_parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return errno || *end || *ret > max ? -EINVAL : 0;
}

static void policy_map_v4(const struct in_addr *v4, unsigned long len, struct ip6_prefix *ret)
{
	*ret = (struct ip6_prefix){ .len = (uint8_t)(POLICY_V4_BITS + len) };
	ret->addr.s6_addr[10] = ret->addr.s6_addr[11] = 0xff;
	memcpy(&ret->addr.s6_addr[12], v4, sizeof(*v4));
}

static int policy_parse_v4(const char *text, struct ip6_prefix *ret)
{
	char addr[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long len = 32;
	struct in_addr v4;

	if (n >= sizeof(addr) || (slash && policy_parse_number(slash + 1, 32, &len) < 0))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET, addr, &v4) != 1)
		return -EINVAL;
	if (len < 32 && ntohl(v4.s_addr) & (UINT32_MAX >> len))
		return -EINVAL;
	policy_map_v4(&v4, len, ret);
	return 0;
}

int policy_parse_prefix(const char *text, struct ip6_prefix *ret)
{
	struct in6_addr addr;

	if (!strchr(text, ':'))
		return policy_parse_v4(text, ret);
	if (strchr(text, '/'))
		return ip6_parse_prefix(text, ret);
	if (ip6_parse_addr(text, &addr) < 0)
		return -EINVAL;
	*ret = ip6_host_prefix(&addr);
	return 0;
}

int policy_parse_port(const char *text, struct policy_port *ret)
{
	struct policy_port port = { .proto = !strncmp(text, "tcp/", 4) ? POLICY_TCP :
					     !strncmp(text, "udp/", 4) ? POLICY_UDP :
									 POLICY_ANY };
	unsigned long low, high;
	char first[8];
	size_t n;

	if (port.proto == POLICY_ANY)
		return -EINVAL;
	text += 4;
	n = strcspn(text, "-");
	if (n >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, n);
	first[n] = '\0';
	if (policy_parse_number(first, UINT16_MAX, &low) < 0 ||
	    policy_parse_number(text[n] ? text + n + 1 : first, UINT16_MAX, &high) < 0)
		return -EINVAL;
	if (low == 0 || high < low)
		return -EINVAL;
	port.low = (uint16_t)low;
	port.high = (uint16_t)high;
	*ret = port;
	return 0;
}

bool policy_is_v4(const struct ip6_prefix *p)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return p->len >= POLICY_V4_BITS && !memcmp(&p->addr, mapped, sizeof(mapped));
}

const char *policy_format_prefix(const struct ip6_prefix *p, char ret[static IP6_PREFIX_TEXT])
{
	char addr[INET_ADDRSTRLEN] = "";

	if (!policy_is_v4(p))
		return p->len == 128 ? ip6_format_addr(&p->addr, ret) : ip6_format_prefix(p, ret);
	inet_ntop(AF_INET, &p->addr.s6_addr[12], addr, sizeof(addr));
	if (p->len == 128)
		snprintf(ret, IP6_PREFIX_TEXT, "%s", addr);
	else
		snprintf(ret, IP6_PREFIX_TEXT, "%s/%u", addr, p->len - POLICY_V4_BITS);
	return ret;
}

bool policy_has_family(const struct policy_prefixes *set, bool v4)
{
	for (size_t i = 0; i < set->n; i++)
		if (policy_is_v4(&set->list[i]) == v4)
			return true;
	return false;
}

bool policy_uses_v4(const struct policy *p)
{
	for (size_t i = 0; i < p->n_nets; i++)
		if (policy_has_family(&p->nets[i].prefixes, true))
			return true;
	return false;
}

/* An IPv4-mapped prefix also lies in ::/0, but packets of one family never meet the other. */
static bool policy_meets(const struct ip6_prefix *a, const struct ip6_prefix *b)
{
	return policy_is_v4(a) == policy_is_v4(b) &&
	       (ip6_prefix_covers(a, b) || ip6_prefix_covers(b, a));
}

bool policy_overlaps(const struct policy_prefixes *a, const struct policy_prefixes *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t j = 0; j < b->n; j++)
			if (policy_meets(&a->list[i], &b->list[j]))
				return true;
	return false;
}
