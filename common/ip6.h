/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * IPv6 addresses, prefixes and endpoints as values: strict text forms in, canonical text forms
 * (RFC 5952) out. No name lookup, ever.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"

#define IP6_ADDR_TEXT 46     /* INET6_ADDRSTRLEN */
#define IP6_PREFIX_TEXT 50   /* address + "/128" */
#define IP6_ENDPOINT_TEXT 56 /* "[" address "]:65535" */

struct ip6_prefix {
	struct in6_addr addr; /* host bits are zero */
	uint8_t len;          /* 0...128 */
};

struct ip6_endpoint {
	struct in6_addr addr;
	uint16_t port; /* host byte order, 1...65535 */
};

/* Reads "2001:db8::1". No zone index, no IPv4-mapped address, nothing behind it.
 * Errors: 0; -EINVAL. */
int ip6_parse_addr(const char *text, struct in6_addr *ret) _warn_unused_;

/* Reads "2001:db8::/48".
 * Errors: 0; -EINVAL also when the length is missing or host bits are set. */
int ip6_parse_prefix(const char *text, struct ip6_prefix *ret) _warn_unused_;

/* Reads "[2001:db8::1]:51820". Errors: 0; -EINVAL. */
int ip6_parse_endpoint(const char *text, struct ip6_endpoint *ret) _warn_unused_;

/* Writes the canonical text into @ret and gives @ret back, for use in a format call. */
const char *ip6_format_addr(const struct in6_addr *a, char ret[static IP6_ADDR_TEXT]);
/* As ip6_format_addr(), with "/len". */
const char *ip6_format_prefix(const struct ip6_prefix *p, char ret[static IP6_PREFIX_TEXT]);
/* As ip6_format_addr(), "[addr]:port". */
const char *ip6_format_endpoint(const struct ip6_endpoint *e, char ret[static IP6_ENDPOINT_TEXT]);

/* The /128 of @a. */
struct ip6_prefix ip6_host_prefix(const struct in6_addr *a);

/* True when every address of @inner lies in @outer. */
bool ip6_prefix_covers(const struct ip6_prefix *outer, const struct ip6_prefix *inner);
/* True when @a lies in @p. */
bool ip6_prefix_has(const struct ip6_prefix *p, const struct in6_addr *a);
/* True when both are the same prefix. */
bool ip6_prefix_equal(const struct ip6_prefix *a, const struct ip6_prefix *b);
/* Orders by address, then by length: < 0, 0, > 0. */
int ip6_prefix_compare(const struct ip6_prefix *a, const struct ip6_prefix *b);
/* True when both hold the same address. */
bool ip6_addr_equal(const struct in6_addr *a, const struct in6_addr *b);

/* True for an address a packet can be sent to through a router: not unspecified, loopback,
 * link-local, site-local, multicast, IPv4-mapped or IPv4-compatible.
 * Source: RFC 4291, sections 2.4 and 2.5. */
bool ip6_is_routable(const struct in6_addr *a);
