/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Packets as bytes: what a question describes becomes an IPv6 or IPv4 packet with right checksums.
 * Its second byte (traffic class, type of service), which no policy looks at, says that it is ours
 * and whether conntrack may look; the flow label or the identification carries the conntrack zone
 * that it lives in. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/model/terms.h"

#define ORACLEFRAME_MAX 160    /* bytes */
#define ORACLEFRAME_ETHER 14   /* of them the Ethernet header in front */
#define ORACLEFRAME_TRACED 8   /* value of the second byte: traced, and gone once accepted */
#define ORACLEFRAME_NOTRACK 12 /* also hidden from conntrack */

struct oracleframe {
	uint8_t bytes[ORACLEFRAME_MAX]; /* Ethernet header, then the packet */
	size_t len;                     /* with the Ethernet header */
};

/* The packet of the question. Errors: 0; -EOPNOTSUPP when there is none of that kind. */
int oracleframe_make(const struct terms_packet *packet, uint16_t zone,
		     struct oracleframe *ret) _warn_unused_;

/* True when conntrack's word for @packet needs one before it, which is made as *ret: it goes the
 * other way, is not traced and has no question. */
bool oracleframe_before(const struct terms_packet *packet, struct terms_packet *ret);

/* As oracleframe_make(), for what oracleframe_before() gave. */
int oracleframe_make_before(const struct terms_packet *before, uint16_t zone,
			    struct oracleframe *ret) _warn_unused_;

/* The zone of a packet that came out of an interface, without its Ethernet header; 0 = it is not
 * one of ours. */
uint16_t oracleframe_zone(const void *packet, size_t len);
