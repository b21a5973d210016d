/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One packet as people write it for explain:
 *
 *	in eth0 tcp [2001:db8::9]:4000 [host]:22
 *	out up tcp [host]:40000 [2001:db8:c::1]:443 user app mark 0x504f
 *	out tcp [2001:db8:53::9]:443 uid 1000
 *	in up icmpv6 echo-request 2001:db8::1 host established
 *	out up udp 10.0.0.9:40000 10.0.0.2:53
 *
 * Direction, link, protocol, source and destination in the order of the packet, then what else is
 * known of it. "host" is this host, whatever its address. What is left out has its usual value:
 * the uplink, a client port of 40000, hop limit 64, a new connection, no user, no mark.
 */
#include "common/attr.h"
#include "netpolicy/model/terms.h"

#define PACKETTEXT_MAX 256 /* with the NUL */
#define PACKETTEXT_WORDS_MAX 64

/* Writes a packet so that packettext_parse() reads the same one again. Gives @ret back. */
const char *packettext_format(const struct terms_packet *packet, char ret[static PACKETTEXT_MAX]);

/* Reads one; links, users and grants by their names in @p. Errors: 0; -EINVAL with words in
 * @ret_error. */
int packettext_parse(const struct policy *p, int n_words, char *const *words,
		     struct terms_packet *ret,
		     char ret_error[static POLICY_ERROR_MAX]) _warn_unused_;

/* What "host" stands for in family 4 or 6: an address nobody else has. */
void packettext_host(uint8_t family, struct in6_addr *ret);
/* Some other end that no example page names. */
void packettext_far(uint8_t family, struct in6_addr *ret);

/* "nd-neighbor-solicit" or "200". Writes numbers into @scratch. */
const char *packettext_type(uint8_t type, char scratch[static 8]);
/* "tcp", "udp", "icmpv6" or "47". Writes numbers into @scratch. */
const char *packettext_proto(uint8_t proto, char scratch[static 8]);
/* "lo", "up", "tun", "other". Static. */
const char *packettext_link(enum terms_link link);
/* "new", "established", "related", "invalid", "untracked". Static. */
const char *packettext_ct(enum terms_ct ct);
