/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What tunneld tells the postern command over its control socket: one request without a body,
 * one answer with everything. Also the judgement OK / DEGRADED / DOWN, made in one place.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/chan.h"
#include "common/pst.h"
#include "tunneld/core/offer.h"
#include "tunneld/core/session.h"

#define STATUS_SERVERS_MAX 16
#define STATUS_GROUP_MAX 32
#define STATUS_DETAIL_MAX 128
#define STATUS_SOCKET "tunneld.sock" /* in the run directory */

enum status_type {
	STATUS_ASK = 1,
	STATUS_TELL = 2,
};

enum status_health {
	STATUS_OK,       /* every configuration server is reached through its tunnel */
	STATUS_DEGRADED, /* at least one is */
	STATUS_DOWN,     /* none is */
};

struct status_server {
	char name[OFFER_NAME_MAX];
	enum session_state state;
	enum pst missing;       /* first missing condition; PST_NONE when up or just started */
	enum pst last_code;     /* of the last exchange */
	char detail[STATUS_DETAIL_MAX]; /* of the last failed exchange */
	bool leased;
	bool exchanging;
	struct in6_addr gateway_addr; /* valid when leased, as are the next four */
	struct ip6_endpoint endpoint;
	uint64_t epoch;         /* of the PSK */
	uint32_t renew_in_s;
	uint32_t expires_in_s;
	uint32_t next_try_s;    /* until the next exchange */
	uint64_t handshake_wall; /* 0 = never */
	uint64_t rx_bytes, tx_bytes;
	uint32_t n_exchanges;
	uint32_t n_failed;      /* in a row */
	char group[STATUS_GROUP_MAX]; /* TLS group of the last exchange */
};

struct status {
	char zone[OFFER_NAME_MAX];
	char interface[16];
	uint64_t now_wall;
	uint32_t uptime_s;          /* of tunneld */
	struct in6_addr host_addr;  /* :: before the first lease */
	uint32_t n_repairs;         /* kernel changes put back */
	uint32_t n_overruns;        /* netlink overruns answered with a full re-read */
	uint32_t n_malformed;       /* worker frames thrown away */
	struct status_server servers[STATUS_SERVERS_MAX];
	size_t n_servers;
};

/* The table of operations for chan_recv(), shared by both ends. Static. */
const struct chan_op *status_ops(size_t *ret_n);

/* Fills a STATUS_ASK message. */
void status_encode_ask(struct chan_msg *ret);
/* Fills a STATUS_TELL message. Errors: 0; -EMSGSIZE, also over STATUS_SERVERS_MAX servers. */
int status_encode(const struct status *in, struct chan_msg *ret) _warn_unused_;
/* The pair of status_encode(). Errors: 0; -EBADMSG, and then *ret is untouched. */
int status_decode(const struct chan_msg *msg, struct status *ret) _warn_unused_;

/* Judges the whole. Pure. */
enum status_health status_health(const struct status *s);
/* "OK", "DEGRADED", "DOWN". Static. */
const char *status_health_name(enum status_health health);
