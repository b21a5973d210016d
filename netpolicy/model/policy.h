/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The model: what one page of policy says, before any order and any syntax of a firewall. Networks
 * are lists of prefixes under a name; rules are allows with a direction, a link, a network, ports,
 * users and a mark; claims are nevers and always. What every host has (loopback, ICMPv6, state,
 * DHCP, the last drop) is not in here: netpolicy/model/terms knows it as meaning, netpolicy/emit as
 * text, each on its own, and the kernel is the referee. IPv4 prefixes are held IPv4-mapped, so that
 * one type, one order and one merge serve both families.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"

#define POLICY_NAME_MAX 64         /* bytes with the NUL; [a-z0-9_-] */
#define POLICY_WHERE_MAX 64        /* "policy.conf:17", "policy.d/app.conf:3" with the NUL */
#define POLICY_REMARK_MAX 60       /* quoted words of a line with the NUL; nft comments take 128 */
#define POLICY_PREFIXES_MAX 131072 /* of one network */
#define POLICY_PORTS_MAX 32        /* of one line */
#define POLICY_RULE_USERS_MAX 16   /* of one line */
#define POLICY_USERS_MAX 256
#define POLICY_NETS_MAX 256
#define POLICY_RULES_MAX 4096
#define POLICY_GRANTS_MAX 16
#define POLICY_CLAIMS_MAX 256
#define POLICY_SAYS_MAX 1024  /* nevers and always of all claims */
#define POLICY_EXCEPTS_MAX 16 /* of one never */
#define POLICY_UPLINKS_MAX 8
#define POLICY_TUNNELS_MAX 2
#define POLICY_V4_BITS 96    /* length of the prefix in front of an IPv4-mapped address */
#define POLICY_ERROR_MAX 512 /* bytes of a message with the NUL */

#define POLICY_NONE SIZE_MAX /* instead of an index */

enum policy_proto {
	POLICY_ANY = 0,
	POLICY_TCP = 6,
	POLICY_UDP = 17,
	POLICY_ICMP6 = 58,
};

enum policy_dir {
	POLICY_IN,
	POLICY_OUT,
};

enum policy_via {
	POLICY_VIA_UPLINK,
	POLICY_VIA_TUNNEL,
	POLICY_VIA_ANY, /* claims only */
};

enum policy_tier {
	POLICY_PUBLIC,
	POLICY_COMPUTE,
	POLICY_STORAGE,
	POLICY_TIERS,
};

struct policy_prefixes {
	struct ip6_prefix *list; /* owned */
	size_t n, cap;
};

struct policy_port {
	enum policy_proto proto; /* TCP or UDP */
	uint16_t low, high;      /* inclusive, 1...65535; equal for a single port */
};

struct policy_ports {
	size_t n;
	struct policy_port list[POLICY_PORTS_MAX];
};

struct policy_user {
	char name[POLICY_NAME_MAX]; /* "" when the page gave the number */
	uint32_t uid;
};

struct policy_users {
	size_t n;                           /* 0: whoever it is */
	uint16_t at[POLICY_RULE_USERS_MAX]; /* indexes into policy.users */
};

/* "config", "gateways", "any", "dns", "ntp" and "imds" are names with a meaning of their own. */
struct policy_net {
	char name[POLICY_NAME_MAX];
	char where[POLICY_WHERE_MAX];
	bool is_any;                     /* every IPv6 address; no prefixes */
	bool has_tier;                   /* declared with "tier" */
	enum policy_tier tier;           /* of the hosts there */
	struct policy_prefixes prefixes; /* sorted and merged once policy_finish() ran */
};

struct policy_rule {
	enum policy_dir dir;
	enum policy_via via;
	size_t net;                /* index of the other end */
	struct policy_ports ports; /* none: everything */
	bool has_mark;             /* only packets with this mark, from a source port >= 1024 */
	uint32_t mark;
	struct policy_users users;
	unsigned int row;               /* of the table in docs/policy.md */
	char where[POLICY_WHERE_MAX];   /* the line it comes from */
	char remark[POLICY_REMARK_MAX]; /* quoted words behind it; "" = none */
};

/* Sessions that somebody may open for a time; live addresses are in the kernel, not here. */
struct policy_grant {
	char name[POLICY_NAME_MAX];
	struct policy_ports ports; /* TCP, at least one */
	size_t net;                /* from where */
	enum policy_via via;
	uint32_t max_s; /* longest grant, seconds */
	char where[POLICY_WHERE_MAX];
};

/* Packets that a claim speaks of: all that fit every field that is given. */
struct policy_match {
	bool has_dir;
	enum policy_dir dir;
	enum policy_via via;
	bool is_new;               /* first packets of a flow only */
	uint8_t family;            /* 4, 6; 0 = both */
	size_t net;                /* the other end; POLICY_NONE = whoever */
	struct policy_ports ports; /* at the end that is served: of the other end when going out */
	size_t n_icmp6;
	uint8_t icmp6[16]; /* ICMPv6 types; n_icmp6 == 0: whatever the protocol */
	struct policy_users users;
	bool has_mark;
	uint32_t mark;
	size_t grant;    /* a live grant of that name; POLICY_NONE */
	bool is_implied; /* what rows 2 and 5 accept, whatever the page says */
};

/* One line of a claim. */
struct policy_say {
	size_t claim;  /* index */
	bool is_never; /* else always */
	struct policy_match match;
	size_t n_excepts;
	struct policy_match excepts[POLICY_EXCEPTS_MAX];
	char where[POLICY_WHERE_MAX];
};

struct policy_claim {
	char text[POLICY_REMARK_MAX];
	char where[POLICY_WHERE_MAX];
};

struct policy {
	char name[POLICY_NAME_MAX];
	uint32_t version;
	enum policy_tier tier;
	bool enforce; /* false (netpolicy try --log-only): denials are counted and let through */
	uint32_t log_rate;               /* denials logged per second; 0 = none */
	size_t config_net, gateways_net; /* the two nets with a never; POLICY_NONE */
	size_t n_uplinks, n_tunnels;
	char uplinks[POLICY_UPLINKS_MAX][IFNAMSIZ];
	char tunnels[POLICY_TUNNELS_MAX][IFNAMSIZ];
	/* Owned lists, grown by the policy_add_…() calls. */
	size_t n_users, n_nets, n_rules, n_grants, n_claims, n_says;
	struct policy_user *users;
	struct policy_net *nets;
	struct policy_rule *rules;
	struct policy_grant *grants;
	struct policy_claim *claims;
	struct policy_say *says;
};

/* An empty policy on the heap: enforced, no config net. Gives it, or NULL when out of memory. */
struct policy *policy_new(void) _warn_unused_;

/* Releases. Accepts NULL. */
void policy_free(struct policy *p);
/* policy_free() for _cleanup_(policy_freep). */
void policy_freep(struct policy **p);

/* Adds an empty network. Gives its index in *ret.
 * Errors: 0; -E2BIG over POLICY_NETS_MAX; -EEXIST when the name is taken; -EINVAL bad name;
 * -ENOMEM. */
int policy_add_net(struct policy *p, const char *name, size_t *ret) _warn_unused_;

/* The index of a network, POLICY_NONE when it is not declared. */
size_t policy_find_net(const struct policy *p, const char *name);

/* Whether an uplink or a tunnel has the name. */
bool policy_has_link(const struct policy *p, const char *name);

/* The index of a user with that name and number, added when it is new.
 * Errors: 0; -E2BIG over POLICY_USERS_MAX; -ENOMEM. */
int policy_add_user(struct policy *p, const char *name, uint32_t uid, uint16_t *ret) _warn_unused_;

/* Add a copy. Errors: 0; -E2BIG over the limit; -ENOMEM. */
int policy_add_rule(struct policy *p, const struct policy_rule *rule) _warn_unused_;
/* As policy_add_rule(). */
int policy_add_grant(struct policy *p, const struct policy_grant *grant) _warn_unused_;
/* As policy_add_rule(). */
int policy_add_claim(struct policy *p, const struct policy_claim *claim) _warn_unused_;
/* As policy_add_rule(). */
int policy_add_say(struct policy *p, const struct policy_say *say) _warn_unused_;

/* Appends one prefix. Errors: 0; -E2BIG over POLICY_PREFIXES_MAX; -ENOMEM. */
int policy_add_prefix(struct policy_prefixes *to, const struct ip6_prefix *prefix) _warn_unused_;

/* Releases a list of prefixes that is not part of a policy. */
void policy_release_prefixes(struct policy_prefixes *set);

/* Sorts every network and merges what is covered or adjacent, so that equal sets of addresses are
 * equal lists, and no auto-merge is ever needed. */
void policy_finish(struct policy *p);

/* As policy_finish() for one list. */
void policy_merge(struct policy_prefixes *set);

/* Checks what one line alone cannot show: tiers, the zone through the tunnel only, IPv4 inside the
 * VPC only, rules that can never match, lists without use. After policy_finish().
 * Errors: 0; -EINVAL with "policy.conf:17: …" in @ret_error. */
int policy_check(const struct policy *p, char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* Reads "2001:db8::/48", "2001:db8::1", "10.0.0.0/8" or "10.1.2.3". Errors: 0; -EINVAL. */
int policy_parse_prefix(const char *text, struct ip6_prefix *ret) _warn_unused_;

/* Reads "443" or "8000-8100" for @proto. Errors: 0; -EINVAL. */
int policy_parse_port(const char *text, enum policy_proto proto,
		      struct policy_port *ret) _warn_unused_;

/* Writes an IPv4 or IPv6 prefix as nft prints it: without a length when it is a single address. */
const char *policy_format_prefix(const struct ip6_prefix *p, char ret[static IP6_PREFIX_TEXT]);

/* True for an IPv4 prefix (held IPv4-mapped). */
bool policy_is_v4(const struct ip6_prefix *p);

/* True when the network has a prefix of the family; "any" has IPv6. */
bool policy_net_has(const struct policy_net *net, bool v4);

/* True when the uplinks carry IPv4 from or to the network: it has some, and a line or a grant by an
 * uplink names it. A tier or a claim alone opens nothing. */
bool policy_opens_v4(const struct policy *p, size_t net);

/* True when the uplinks carry any IPv4. */
bool policy_uses_v4(const struct policy *p);

/* True when @addr lies in a list that is sorted and merged. IPv4 lies in IPv4 prefixes only. */
bool policy_has(const struct policy_prefixes *set, const struct in6_addr *addr);

/* True when an address lies in both networks, which policy_finish() has seen. */
bool policy_nets_overlap(const struct policy_net *a, const struct policy_net *b);

/* True for a name of [a-z0-9_-] that begins with a letter, at most POLICY_NAME_MAX - 1 long. */
bool policy_is_name(const char *text);

/* "public", "compute", "storage". Static. */
const char *policy_tier_name(enum policy_tier tier);
