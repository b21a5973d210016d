/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/model/policycheck.h"

struct policy *policy_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->enforce = true;
	p->config_net = p->gateways_net = POLICY_NONE;
	return p;
}

void policy_release_prefixes(struct policy_prefixes *set)
{
	free(set->list);
	*set = (struct policy_prefixes){ 0 };
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_nets; i++)
		policy_release_prefixes(&p->nets[i].prefixes);
	free(p->users);
	free(p->nets);
	free(p->rules);
	free(p->grants);
	free(p->claims);
	free(p->says);
	free(p);
}

void policy_freep(struct policy **p)
{
	policy_free(*p);
	*p = NULL;
}

/* Makes room for one more of @size bytes behind the @n at *@list, which grows by powers of two. */
static int policy_grow(void *list, size_t n, size_t size, size_t max)
{
	void *old, *more;

	if (n == max)
		return -E2BIG;
	if (n & (n - 1))
		return 0;
	memcpy(&old, list, sizeof(old));
	more = reallocarray(old, n ? 2 * n : 1, size);
	if (!more)
		return -ENOMEM;
	memcpy(list, &more, sizeof(more));
	return 0;
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

size_t policy_find_net(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_nets; i++)
		if (!strcmp(p->nets[i].name, name))
			return i;
	return POLICY_NONE;
}

bool policy_has_link(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_uplinks; i++)
		if (!strcmp(p->uplinks[i], name))
			return true;
	for (size_t i = 0; i < p->n_tunnels; i++)
		if (!strcmp(p->tunnels[i], name))
			return true;
	return false;
}

int policy_add_net(struct policy *p, const char *name, size_t *ret)
{
	int r;

	if (!policy_is_name(name))
		return -EINVAL;
	if (policy_find_net(p, name) != POLICY_NONE)
		return -EEXIST;
	r = policy_grow(&p->nets, p->n_nets, sizeof(*p->nets), POLICY_NETS_MAX);
	if (r < 0)
		return r;
	p->nets[p->n_nets] = (struct policy_net){ 0 };
	memcpy(p->nets[p->n_nets].name, name, strlen(name) + 1);
	*ret = p->n_nets++;
	return 0;
}

int policy_add_user(struct policy *p, const char *name, uint32_t uid, uint16_t *ret)
{
	int r;

	for (size_t i = 0; i < p->n_users; i++)
		if (p->users[i].uid == uid && !strcmp(p->users[i].name, name)) {
			*ret = (uint16_t)i;
			return 0;
		}
	r = policy_grow(&p->users, p->n_users, sizeof(*p->users), POLICY_USERS_MAX);
	if (r < 0)
		return r;
	p->users[p->n_users] = (struct policy_user){ .uid = uid };
	snprintf(p->users[p->n_users].name, POLICY_NAME_MAX, "%s", name);
	*ret = (uint16_t)p->n_users++;
	return 0;
}

int policy_add_rule(struct policy *p, const struct policy_rule *rule)
{
	int r = policy_grow(&p->rules, p->n_rules, sizeof(*rule), POLICY_RULES_MAX);

	if (r == 0)
		p->rules[p->n_rules++] = *rule;
	return r;
}

int policy_add_grant(struct policy *p, const struct policy_grant *grant)
{
	int r = policy_grow(&p->grants, p->n_grants, sizeof(*grant), POLICY_GRANTS_MAX);

	if (r == 0)
		p->grants[p->n_grants++] = *grant;
	return r;
}

int policy_add_claim(struct policy *p, const struct policy_claim *claim)
{
	int r = policy_grow(&p->claims, p->n_claims, sizeof(*claim), POLICY_CLAIMS_MAX);

	if (r == 0)
		p->claims[p->n_claims++] = *claim;
	return r;
}

int policy_add_say(struct policy *p, const struct policy_say *say)
{
	int r = policy_grow(&p->says, p->n_says, sizeof(*say), POLICY_SAYS_MAX);

	if (r == 0)
		p->says[p->n_says++] = *say;
	return r;
}

int policy_add_prefix(struct policy_prefixes *to, const struct ip6_prefix *prefix)
{
	size_t cap = to->cap ? 2 * to->cap : 8;
	struct ip6_prefix *more;

	if (to->n == POLICY_PREFIXES_MAX)
		return -E2BIG;
	if (to->n == to->cap) {
		more = reallocarray(to->list, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		to->list = more;
		to->cap = cap;
	}
	to->list[to->n++] = *prefix;
	return 0;
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

/* Sorts by family, then by address, then by length. */
static int policy_order(const void *a, const void *b)
{
	int v4_a = policy_is_v4(a), v4_b = policy_is_v4(b);

	return v4_a != v4_b ? v4_b - v4_a : ip6_prefix_compare(a, b);
}

/* Puts @next behind the @n merged ones: swallowed, or joined with its neighbour as long as that
 * works. Gives the new number. */
static size_t policy_merge_one(struct ip6_prefix *list, size_t n, struct ip6_prefix next)
{
	if (n && policy_is_v4(&list[n - 1]) == policy_is_v4(&next) &&
	    ip6_prefix_covers(&list[n - 1], &next))
		return n;
	while (n && policy_is_pair(&list[n - 1], &next))
		next = policy_parent(&list[--n]);
	list[n] = next;
	return n + 1;
}

void policy_merge(struct policy_prefixes *set)
{
	size_t n = 0;

	if (set->n)
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

int policy_parse_port(const char *text, enum policy_proto proto, struct policy_port *ret)
{
	unsigned long low, high;
	char first[8];
	size_t n = strcspn(text, "-");

	if (n >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, n);
	first[n] = '\0';
	if (policy_parse_number(first, UINT16_MAX, &low) < 0 ||
	    policy_parse_number(text[n] ? text + n + 1 : first, UINT16_MAX, &high) < 0)
		return -EINVAL;
	if (low == 0 || high < low)
		return -EINVAL;
	*ret = (struct policy_port){ proto, (uint16_t)low, (uint16_t)high };
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

bool policy_net_has(const struct policy_net *net, bool v4)
{
	if (net->is_any)
		return !v4;
	for (size_t i = 0; i < net->prefixes.n; i++)
		if (policy_is_v4(&net->prefixes.list[i]) == v4)
			return true;
	return false;
}

bool policy_opens_v4(const struct policy *p, size_t net)
{
	if (!policy_net_has(&p->nets[net], true))
		return false;
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].net == net && p->rules[i].via == POLICY_VIA_UPLINK)
			return true;
	for (size_t i = 0; i < p->n_grants; i++)
		if (p->grants[i].net == net && p->grants[i].via == POLICY_VIA_UPLINK)
			return true;
	return false;
}

bool policy_uses_v4(const struct policy *p)
{
	for (size_t i = 0; i < p->n_nets; i++)
		if (policy_opens_v4(p, i))
			return true;
	return false;
}

/* Where @p would stand in a list in the order of policy_order(): how many are not behind it. */
static size_t policy_find(const struct policy_prefixes *set, const struct ip6_prefix *p)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (policy_order(&set->list[middle], p) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool policy_has(const struct policy_prefixes *set, const struct in6_addr *addr)
{
	const struct ip6_prefix host = ip6_host_prefix(addr);
	size_t at = policy_find(set, &host);

	/* Merged prefixes do not overlap: only the last one in front can hold it. */
	return at && policy_is_v4(&set->list[at - 1]) == policy_is_v4(&host) &&
	       ip6_prefix_has(&set->list[at - 1], addr);
}

/* An IPv4-mapped prefix also lies in ::/0, but packets of one family never meet the other. */
static bool policy_meets(const struct ip6_prefix *a, const struct ip6_prefix *b)
{
	return policy_is_v4(a) == policy_is_v4(b) &&
	       (ip6_prefix_covers(a, b) || ip6_prefix_covers(b, a));
}

bool policy_nets_overlap(const struct policy_net *a, const struct policy_net *b)
{
	if (a->is_any || b->is_any)
		return policy_net_has(a, false) && policy_net_has(b, false);
	for (size_t i = 0, j = 0; i < a->prefixes.n && j < b->prefixes.n;) {
		if (policy_meets(&a->prefixes.list[i], &b->prefixes.list[j]))
			return true;
		if (policy_order(&a->prefixes.list[i], &b->prefixes.list[j]) < 0)
			i++;
		else
			j++;
	}
	return false;
}

const char *policy_tier_name(enum policy_tier tier)
{
	static const char *const names[POLICY_TIERS] = { "public", "compute", "storage" };

	return tier < POLICY_TIERS ? names[tier] : "?";
}

int policy_check(const struct policy *p, char ret_error[static POLICY_ERROR_MAX])
{
	int r = policycheck_nets(p, ret_error);

	if (r == 0)
		r = policycheck_lines(p, ret_error);
	return r < 0 ? r : policycheck_doubles(p, ret_error);
}
