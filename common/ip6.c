/* SPDX-License-Identifier: MIT */
#include "common/ip6.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int ip6_parse_addr(const char *text, struct in6_addr *ret)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET6, text, &addr) != 1)
		return -EINVAL;
	if (IN6_IS_ADDR_V4MAPPED(&addr))
		return -EINVAL;
	*ret = addr;
	return 0;
}

/* Decimal number without sign, blank or leading zero, at most @max. */
static int ip6_parse_number(const char *text, unsigned int max, unsigned int *ret)
{
	unsigned int v = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (unsigned int)(*text - '0');
		if (v > max)
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

static void ip6_clear_host_bits(struct in6_addr *a, unsigned int len)
{
	for (unsigned int i = 0; i < sizeof(a->s6_addr); i++) {
		unsigned int keep = len > i * 8 ? len - i * 8 : 0;

		if (keep < 8)
			a->s6_addr[i] &= (uint8_t)(0xff00 >> keep);
	}
}

/* Splits @text at @sep into @head (capacity @cap); gives the part behind it, NULL when absent. */
static const char *ip6_split(const char *text, char sep, char *head, size_t cap)
{
	const char *at = strrchr(text, sep);

	if (!at || (size_t)(at - text) >= cap)
		return NULL;
	memcpy(head, text, (size_t)(at - text));
	head[at - text] = '\0';
	return at + 1;
}

int ip6_parse_prefix(const char *text, struct ip6_prefix *ret)
{
	char addr[IP6_ADDR_TEXT];
	const char *len_text = ip6_split(text, '/', addr, sizeof(addr));
	struct ip6_prefix p;
	struct in6_addr net;
	unsigned int len;

	if (!len_text || ip6_parse_addr(addr, &p.addr) < 0 ||
	    ip6_parse_number(len_text, 128, &len) < 0)
		return -EINVAL;
	net = p.addr;
	ip6_clear_host_bits(&net, len);
	if (!ip6_addr_equal(&net, &p.addr))
		return -EINVAL;
	p.len = (uint8_t)len;
	*ret = p;
	return 0;
}

int ip6_parse_endpoint(const char *text, struct ip6_endpoint *ret)
{
	char head[IP6_ADDR_TEXT + 2];
	const char *port_text = ip6_split(text, ':', head, sizeof(head));
	size_t n = port_text ? strlen(head) : 0;
	struct ip6_endpoint e;
	unsigned int port;

	if (n < 4 || head[0] != '[' || head[n - 1] != ']')
		return -EINVAL;
	head[n - 1] = '\0';
	if (ip6_parse_addr(head + 1, &e.addr) < 0 || ip6_parse_number(port_text, 65535, &port) < 0)
		return -EINVAL;
	if (!port)
		return -EINVAL;
	e.port = (uint16_t)port;
	*ret = e;
	return 0;
}

const char *ip6_format_addr(const struct in6_addr *a, char ret[static IP6_ADDR_TEXT])
{
	inet_ntop(AF_INET6, a, ret, IP6_ADDR_TEXT);
	return ret;
}

const char *ip6_format_prefix(const struct ip6_prefix *p, char ret[static IP6_PREFIX_TEXT])
{
	char addr[IP6_ADDR_TEXT];

	snprintf(ret, IP6_PREFIX_TEXT, "%s/%u", ip6_format_addr(&p->addr, addr),
		 (unsigned int)p->len);
	return ret;
}

const char *ip6_format_endpoint(const struct ip6_endpoint *e, char ret[static IP6_ENDPOINT_TEXT])
{
	char addr[IP6_ADDR_TEXT];

	snprintf(ret, IP6_ENDPOINT_TEXT, "[%s]:%u", ip6_format_addr(&e->addr, addr),
		 (unsigned int)e->port);
	return ret;
}

struct ip6_prefix ip6_host_prefix(const struct in6_addr *a)
{
	return (struct ip6_prefix){ .addr = *a, .len = 128 };
}

bool ip6_addr_equal(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool ip6_prefix_has(const struct ip6_prefix *p, const struct in6_addr *a)
{
	struct in6_addr net = *a;

	ip6_clear_host_bits(&net, p->len);
	return ip6_addr_equal(&net, &p->addr);
}

bool ip6_prefix_covers(const struct ip6_prefix *outer, const struct ip6_prefix *inner)
{
	return outer->len <= inner->len && ip6_prefix_has(outer, &inner->addr);
}

int ip6_prefix_compare(const struct ip6_prefix *a, const struct ip6_prefix *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return order ? order : (int)a->len - (int)b->len;
}

bool ip6_prefix_equal(const struct ip6_prefix *a, const struct ip6_prefix *b)
{
	return ip6_prefix_compare(a, b) == 0;
}

bool ip6_is_routable(const struct in6_addr *a)
{
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	       !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_V4MAPPED(a) &&
	       !IN6_IS_ADDR_V4COMPAT(a) && !IN6_IS_ADDR_SITELOCAL(a);
}
