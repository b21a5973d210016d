/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The status of certd as it crosses its control socket: one question, one answer.
 */
#include <stdbool.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/certd/schedule.h"
#include "certs/fetchjob.h"
#include "common/attr.h"
#include "common/chan.h"

#define CERTSTAT_SOCKET "certd.sock" /* in the run directory */
#define CERTSTAT_REASON_MAX 400      /* bytes with NUL */

enum certstat_type {
	CERTSTAT_ASK = 1, /* client -> certd */
	CERTSTAT_TELL,    /* certd -> client */
	CERTSTAT_RENEW,   /* client -> certd, root or certd's user only: try now, then tell */
};

/* Times are seconds since 1970; 0 = never, or unknown. */
struct certstat {
	uint64_t now_wall;
	uint32_t uptime_s;
	bool ready;
	enum pst reason_code;             /* first reason why it is not ready; may be PST_NONE */
	char reason[CERTSTAT_REASON_MAX]; /* in words; "" when ready */
	struct fetchjob_self self;        /* texts "" while unknown */
	char serial[FETCHJOB_SERIAL_MAX]; /* "" without a pair, and the next three are 0 */
	uint64_t not_before, not_after, renew;
	enum schedule_step running;   /* SCHEDULE_NONE = nothing runs */
	enum schedule_step last_step; /* the last attempt; SCHEDULE_NONE = none yet */
	uint64_t last_wall;
	enum pst last_code; /* PST_NONE = it succeeded */
	char last_detail[FETCHJOB_DETAIL_MAX];
	enum schedule_step next_step;
	uint64_t next_wall;
	uint64_t done_wall; /* when a certificate came last */
	uint32_t failures;  /* in a row */
	bool renew_refused; /* CERTSTAT_RENEW came from somebody who may not */
	char sia_dir[CONF_VALUE_MAX];
};

/* The table of operations for chan_recv(), shared by both ends. Static. */
const struct chan_op *certstat_ops(size_t *ret_n);

/* Fills a question: CERTSTAT_ASK or CERTSTAT_RENEW. */
void certstat_encode_ask(enum certstat_type type, struct chan_msg *ret);

/* Fills an answer. Errors: 0; -EMSGSIZE. */
int certstat_encode(const struct certstat *in, struct chan_msg *ret) _warn_unused_;
/* The pair of certstat_encode(): every text is printable ASCII. Errors: 0; -EBADMSG, and then *ret
 * is untouched. */
int certstat_decode(const struct chan_msg *msg, struct certstat *ret) _warn_unused_;
