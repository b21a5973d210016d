/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The model: what one page of policy says, before any order and any syntax of a firewall. Networks
 * are lists of prefixes under a name; rules are allows with a direction, a link, a network, ports,
 * a user and a mark. What every host has (loopback, ICMPv6, state, DHCP, the last drop) is not in
 * here: netpolicy/emit writes it for every policy alike. IPv4 prefixes are held IPv4-mapped, so
 * that one type, one order and one merge serve both families.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"

#define POLICY_NAME_MAX 64       /* bytes with the NUL; [a-z0-9_-] */
#define POLICY_PREFIXES_MAX 1024 /* of one network */
#define POLICY_PORTS_MAX 64      /* of one list */
#define POLICY_NETS_MAX 48
#define POLICY_RULES_MAX 2048
#define POLICY_UPLINKS_MAX 8
#define POLICY_TUNNELS_MAX 2
#define POLICY_WHY_MAX 100   /* bytes of a rule's id with the NUL; nft comments take 128 */
#define POLICY_V4_BITS 96    /* length of the prefix in front of an IPv4-mapped address */
#define POLICY_ERROR_MAX 320 /* bytes of a message with the NUL */

enum policy_proto {
	POLICY_ANY = 0,
	POLICY_TCP = 6,
	POLICY_UDP = 17,
};

enum policy_dir {
	POLICY_IN,
	POLICY_OUT,
};

enum policy_via {
	POLICY_VIA_UPLINK,
	POLICY_VIA_TUNNEL,
};

struct policy_prefixes {
	size_t n;
	struct ip6_prefix list[POLICY_PREFIXES_MAX];
};

struct policy_port {
	enum policy_proto proto;
	uint16_t low, high; /* inclusive, 1...65535; equal for a single port */
};

struct policy_ports {
	size_t n;
	struct policy_port list[POLICY_PORTS_MAX];
};

struct policy_net {
	char name[POLICY_NAME_MAX];
	struct policy_prefixes prefixes; /* sorted and merged once policy_finish() ran */
};

struct policy_rule {
	enum policy_dir dir;
	enum policy_via via;
	size_t net;              /* index of the other end */
	struct policy_port port; /* POLICY_ANY: everything */
	bool is_marked; /* only packets with the policy's mark, from a source port >= 1024 */
	bool is_for_user;
	uint32_t uid;
	unsigned int row;         /* of the table in docs/policy.md */
	char why[POLICY_WHY_MAX]; /* which line it comes from: no quote, no control character */
};

struct policy {
	char name[POLICY_NAME_MAX];
	uint32_t version;
	bool enforce;      /* false: denials are counted and let through */
	uint32_t log_rate; /* denials logged per second; 0 = none */
	uint32_t mark;
	uint32_t wg_port, exchange_port; /* of the configuration servers: UDP, TCP */
	size_t config_net, gateways_net; /* indexes of the two nets with a never */
	size_t n_uplinks, n_tunnels, n_nets, n_rules;
	char uplinks[POLICY_UPLINKS_MAX][IFNAMSIZ];
	char tunnels[POLICY_TUNNELS_MAX][IFNAMSIZ];
	struct policy_net nets[POLICY_NETS_MAX];
	struct policy_rule rules[POLICY_RULES_MAX];
};

/* An empty policy on the heap (it is large). Gives it, or NULL when out of memory. */
struct policy *policy_new(void) _warn_unused_;

/* Releases. Accepts NULL. */
void policy_free(struct policy *p);
/* policy_free() for _cleanup_(policy_freep). */
void policy_freep(struct policy **p);

/* Adds an empty network. Gives its index in *ret.
 * Errors: 0; -E2BIG over POLICY_NETS_MAX; -EEXIST when the name is taken; -EINVAL bad name. */
int policy_add_net(struct policy *p, const char *name, size_t *ret) _warn_unused_;

/* Adds a rule. Copies @rule. Errors: 0; -E2BIG over POLICY_RULES_MAX. */
int policy_add_rule(struct policy *p, const struct policy_rule *rule) _warn_unused_;

/* Appends one prefix. Errors: 0; -E2BIG over POLICY_PREFIXES_MAX. */
int policy_add_prefix(struct policy_prefixes *to, const struct ip6_prefix *prefix) _warn_unused_;

/* Sorts every network and merges what is covered or adjacent, so that equal sets of addresses are
 * equal lists, and no auto-merge is ever needed. */
void policy_finish(struct policy *p);

/* As policy_finish() for one list. */
void policy_merge(struct policy_prefixes *set);

/* Reads "2001:db8::/48", "2001:db8::1", "10.0.0.0/8" or "10.1.2.3". Errors: 0; -EINVAL. */
int policy_parse_prefix(const char *text, struct ip6_prefix *ret) _warn_unused_;

/* Reads "tcp/443" or "udp/8000-8100". Errors: 0; -EINVAL. */
int policy_parse_port(const char *text, struct policy_port *ret) _warn_unused_;

/* Writes an IPv4 or IPv6 prefix as nft prints it: without a length when it is a single address. */
const char *policy_format_prefix(const struct ip6_prefix *p, char ret[static IP6_PREFIX_TEXT]);

/* True for an IPv4 prefix (held IPv4-mapped). */
bool policy_is_v4(const struct ip6_prefix *p);

/* True when the list has a prefix of the family. */
bool policy_has_family(const struct policy_prefixes *set, bool v4);

/* True when any network of the policy holds IPv4. */
bool policy_uses_v4(const struct policy *p);

/* True when an address lies in both lists. */
bool policy_overlaps(const struct policy_prefixes *a, const struct policy_prefixes *b);

/* True for a name of [a-z0-9_-] that begins with a letter, at most POLICY_NAME_MAX - 1 long. */
bool policy_is_name(const char *text);
