/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oracleframe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <string.h>

#define ORACLEFRAME_IP6 40  /* bytes of the header */
#define ORACLEFRAME_IP4 20  /* bytes of the header */
#define ORACLEFRAME_TCP 20  /* bytes of the header */
#define ORACLEFRAME_PLAIN 8 /* bytes of everything else */
#define ORACLEFRAME_FRAG 8  /* bytes of the extension header */
#define ORACLEFRAME_ND 24   /* bytes of a neighbour message */
#define ORACLEFRAME_CUT 185 /* offset of a later fragment, in units of 8 bytes */
#define ORACLEFRAME_ECHO_ID 77
#define ORACLEFRAME_RELATED_PORT 1025 /* of the datagram that an error speaks of, both ends */

#define ORACLEFRAME_SYN 0x02
#define ORACLEFRAME_SYN_ACK 0x12

/* One packet on its way to bytes. */
struct oracleframe_work {
	const struct terms_packet *packet;
	uint8_t mark; /* second byte */
	uint16_t zone;
	bool is_before;
	uint8_t *at; /* start of the packet */
};

static uint32_t oracleframe_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static void oracleframe_close(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

static void oracleframe_put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static const struct in6_addr *oracleframe_source(const struct terms_packet *p)
{
	return p->dir == POLICY_OUT ? &p->near : &p->far;
}

static const struct in6_addr *oracleframe_target(const struct terms_packet *p)
{
	return p->dir == POLICY_OUT ? &p->far : &p->near;
}

static uint16_t oracleframe_source_port(const struct terms_packet *p)
{
	return p->dir == POLICY_OUT ? p->near_port : p->far_port;
}

static uint16_t oracleframe_target_port(const struct terms_packet *p)
{
	return p->dir == POLICY_OUT ? p->far_port : p->near_port;
}

static size_t oracleframe_tcp(const struct oracleframe_work *w, uint8_t *to)
{
	oracleframe_put16(to, oracleframe_source_port(w->packet));
	oracleframe_put16(to + 2, oracleframe_target_port(w->packet));
	to[7] = 1;
	to[11] = w->packet->ct == TERMS_ESTABLISHED && !w->is_before ? 2 : 0;
	to[12] = (ORACLEFRAME_TCP / 4) << 4;
	to[13] = w->packet->ct == TERMS_INVALID                      ? 0 :
		 w->packet->ct == TERMS_ESTABLISHED && !w->is_before ? ORACLEFRAME_SYN_ACK :
								       ORACLEFRAME_SYN;
	to[14] = 0xff;
	return ORACLEFRAME_TCP;
}

static size_t oracleframe_udp(const struct oracleframe_work *w, uint8_t *to)
{
	/* Shorter than its own header: what conntrack calls invalid. */
	uint16_t len = w->packet->ct == TERMS_INVALID ? 4 : ORACLEFRAME_PLAIN;

	oracleframe_put16(to, oracleframe_source_port(w->packet));
	oracleframe_put16(to + 2, oracleframe_target_port(w->packet));
	oracleframe_put16(to + 4, len);
	return ORACLEFRAME_PLAIN;
}

/* The datagram that an error answers: it went the other way. */
static size_t oracleframe_inner(const struct oracleframe_work *w, uint8_t *to)
{
	to[0] = 0x60;
	oracleframe_put16(to + 4, ORACLEFRAME_PLAIN);
	to[6] = IPPROTO_UDP;
	to[7] = 64;
	memcpy(to + 8, oracleframe_target(w->packet), 16);
	memcpy(to + 24, oracleframe_source(w->packet), 16);
	oracleframe_put16(to + 40, ORACLEFRAME_RELATED_PORT);
	oracleframe_put16(to + 42, ORACLEFRAME_RELATED_PORT);
	oracleframe_put16(to + 44, ORACLEFRAME_PLAIN);
	to[46] = 0x12; /* some checksum: zero is not allowed */
	return ORACLEFRAME_IP6 + ORACLEFRAME_PLAIN;
}

static size_t oracleframe_icmp6(const struct oracleframe_work *w, uint8_t *to)
{
	uint8_t type = w->packet->icmp_type;

	to[0] = type;
	if (type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB) {
		if (type == ICMP6_PACKET_TOO_BIG)
			oracleframe_put16(to + 6, 1280);
		return ORACLEFRAME_PLAIN + oracleframe_inner(w, to + ORACLEFRAME_PLAIN);
	}
	if (type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY)
		oracleframe_put16(to + 4, ORACLEFRAME_ECHO_ID);
	return type >= 130 && type <= 137 ? ORACLEFRAME_ND : ORACLEFRAME_PLAIN;
}

/* What comes behind the network header, without its checksum. */
static size_t oracleframe_payload(const struct oracleframe_work *w, uint8_t *to)
{
	switch (w->packet->proto) {
	case IPPROTO_TCP:
		return oracleframe_tcp(w, to);
	case IPPROTO_UDP:
		return oracleframe_udp(w, to);
	case IPPROTO_ICMPV6:
		return oracleframe_icmp6(w, to);
	case IPPROTO_ICMP:
		to[0] = 8; /* echo request */
		oracleframe_put16(to + 4, ORACLEFRAME_ECHO_ID);
		return ORACLEFRAME_PLAIN;
	default:
		return ORACLEFRAME_PLAIN;
	}
}

static size_t oracleframe_sum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

/* The checksum over the pseudo header and the payload. */
static void oracleframe_finish(const struct oracleframe_work *w, uint8_t *payload, size_t len)
{
	const struct terms_packet *p = w->packet;
	size_t skip = p->family == 6 ? 0 : 12;
	uint32_t sum = p->proto == IPPROTO_ICMP ? 0 : p->proto + (uint32_t)len;

	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP && p->proto != IPPROTO_ICMPV6 &&
	    p->proto != IPPROTO_ICMP)
		return;
	if (p->proto != IPPROTO_ICMP) {
		sum = oracleframe_sum(p->near.s6_addr + skip, 16 - skip, sum);
		sum = oracleframe_sum(p->far.s6_addr + skip, 16 - skip, sum);
	}
	oracleframe_close(payload + oracleframe_sum_at(p->proto),
			  oracleframe_sum(payload, len, sum));
}

/* A later fragment: the payload is data, the ports are in the first one. */
static size_t oracleframe_fragment(const struct oracleframe_work *w, uint8_t *to)
{
	to[0] = w->packet->proto;
	oracleframe_put16(to + 2, ORACLEFRAME_CUT << 3);
	return ORACLEFRAME_FRAG + ORACLEFRAME_PLAIN;
}

static size_t oracleframe_ip6(const struct oracleframe_work *w)
{
	const struct terms_packet *p = w->packet;
	bool is_later = p->facts & TERMS_LATER_FRAGMENT;
	uint8_t *payload = w->at + ORACLEFRAME_IP6;
	size_t len = is_later ? oracleframe_fragment(w, payload) : oracleframe_payload(w, payload);

	w->at[0] = 0x60;
	w->at[1] = w->mark;
	oracleframe_put16(w->at + 2, w->zone);
	oracleframe_put16(w->at + 4, (uint16_t)len);
	w->at[6] = is_later ? IPPROTO_FRAGMENT : p->proto;
	w->at[7] = p->hop_limit;
	memcpy(w->at + 8, oracleframe_source(p), 16);
	memcpy(w->at + 24, oracleframe_target(p), 16);
	if (!is_later)
		oracleframe_finish(w, payload, len);
	return ORACLEFRAME_IP6 + len;
}

static size_t oracleframe_ip4(const struct oracleframe_work *w)
{
	const struct terms_packet *p = w->packet;
	bool is_later = p->facts & TERMS_LATER_FRAGMENT;
	uint8_t *payload = w->at + ORACLEFRAME_IP4;
	size_t len = is_later ? ORACLEFRAME_PLAIN : oracleframe_payload(w, payload);

	w->at[0] = 0x45;
	w->at[1] = w->mark;
	oracleframe_put16(w->at + 2, (uint16_t)(ORACLEFRAME_IP4 + len));
	oracleframe_put16(w->at + 4, w->zone);
	oracleframe_put16(w->at + 6, is_later ? ORACLEFRAME_CUT : 0);
	w->at[8] = p->hop_limit;
	w->at[9] = p->proto;
	memcpy(w->at + 12, oracleframe_source(p)->s6_addr + 12, 4);
	memcpy(w->at + 16, oracleframe_target(p)->s6_addr + 12, 4);
	oracleframe_close(w->at + 10, oracleframe_sum(w->at, ORACLEFRAME_IP4, 0));
	if (!is_later)
		oracleframe_finish(w, payload, len);
	return ORACLEFRAME_IP4 + len;
}

/* The receiver's address is filled in by who sends; the type may be a lie on purpose. */
static void oracleframe_ether(const struct terms_packet *p, uint8_t *to)
{
	memcpy(to, (const uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 }, 12);
	oracleframe_put16(to + 12, p->facts & TERMS_FALSE_FRAME ? 0x88b5 :
				   p->family == 6               ? 0x86dd :
								  0x0800);
}

static int oracleframe_write(const struct oracleframe_work *w, struct oracleframe *ret)
{
	const struct terms_packet *p = w->packet;
	struct oracleframe_work mine = *w;

	if (p->family == 4 && p->proto == IPPROTO_ICMPV6)
		return -EOPNOTSUPP;
	*ret = (struct oracleframe){ 0 };
	oracleframe_ether(p, ret->bytes);
	mine.at = ret->bytes + ORACLEFRAME_ETHER;
	ret->len = ORACLEFRAME_ETHER +
		   (p->family == 6 ? oracleframe_ip6(&mine) : oracleframe_ip4(&mine));
	return 0;
}

/* What conntrack's word can be follows from the protocol; who asks for another one is told so. */
static bool oracleframe_can_be(const struct terms_packet *p)
{
	bool is_error = p->proto == IPPROTO_ICMPV6 && p->icmp_type >= ICMP6_DST_UNREACH &&
			p->icmp_type <= ICMP6_PARAM_PROB;

	if (p->ct == TERMS_RELATED)
		return is_error;
	if (p->ct == TERMS_ESTABLISHED && p->proto == IPPROTO_ICMPV6)
		return p->icmp_type == ICMP6_ECHO_REPLY;
	return p->ct != TERMS_ESTABLISHED || p->proto != IPPROTO_ICMP;
}

int oracleframe_make(const struct terms_packet *packet, uint16_t zone, struct oracleframe *ret)
{
	struct oracleframe_work w = {
		.packet = packet,
		.zone = zone,
		.mark = packet->ct == TERMS_UNTRACKED ? ORACLEFRAME_NOTRACK : ORACLEFRAME_TRACED,
	};

	return oracleframe_can_be(packet) ? oracleframe_write(&w, ret) : -EOPNOTSUPP;
}

bool oracleframe_before(const struct terms_packet *packet, struct terms_packet *ret)
{
	if ((packet->ct != TERMS_ESTABLISHED && packet->ct != TERMS_RELATED) ||
	    packet->from_packet_socket || !oracleframe_can_be(packet))
		return false;
	*ret = *packet;
	ret->dir = packet->dir == POLICY_IN ? POLICY_OUT : POLICY_IN;
	ret->hop_limit = 64;
	ret->facts = 0;
	if (packet->ct == TERMS_RELATED) {
		ret->proto = IPPROTO_UDP;
		ret->far_port = ret->near_port = ORACLEFRAME_RELATED_PORT;
	} else if (packet->proto == IPPROTO_ICMPV6) {
		ret->icmp_type = ICMP6_ECHO_REQUEST;
	}
	return true;
}

int oracleframe_make_before(const struct terms_packet *before, uint16_t zone,
			    struct oracleframe *ret)
{
	struct oracleframe_work w = { .packet = before, .zone = zone, .is_before = true };

	return oracleframe_write(&w, ret);
}

uint16_t oracleframe_zone(const void *packet, size_t len)
{
	const uint8_t *p = packet;
	size_t at;

	if (len < ORACLEFRAME_IP4 || (p[1] != ORACLEFRAME_TRACED && p[1] != ORACLEFRAME_NOTRACK))
		return 0;
	if (p[0] != 0x45 && p[0] != 0x60)
		return 0;
	at = p[0] == 0x45 ? 4 : 2;
	return (uint16_t)(p[at] << 8 | p[at + 1]);
}
