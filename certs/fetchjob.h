/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The messages between certd and its worker certd-fetch: one job down; parts (PEM files) and then
 * one result up. The worker may be compromised: everything it sends is bounded here, and a new pair
 * is judged by a second worker, which talks to nobody (FETCHJOB_CHECK), before it is used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/principal.h"
#include "common/attr.h"
#include "common/chan.h"
#include "common/pst.h"

#define FETCHJOB_PART_MAX 8000 /* bytes of one FETCHJOB_PART */
#define FETCHJOB_KEY_MAX 8192  /* bytes of a private key in PEM, over all its parts */
#define FETCHJOB_CERT_MAX 65536
#define FETCHJOB_CA_MAX 131072
#define FETCHJOB_DETAIL_MAX 256
#define FETCHJOB_SERIAL_MAX 64
#define FETCHJOB_REGION_MAX 64
#define FETCHJOB_ACCOUNT_MAX 64

enum fetchjob_type {
	FETCHJOB_START = 1, /* certd -> worker */
	FETCHJOB_PART,      /* worker -> certd: a piece of a file */
	FETCHJOB_RESULT,    /* worker -> certd, the last message */
};

enum fetchjob_kind {
	FETCHJOB_IDENTIFY = 1, /* which instance is this, and which names does it have */
	FETCHJOB_REGISTER,     /* new key, attestation, POST /instance */
	FETCHJOB_REFRESH,      /* new key, attestation, POST with the present pair over mTLS */
	FETCHJOB_CHECK,        /* no network: is the pair in @pair_dir whole, ours and valid */
};

enum fetchjob_file { FETCHJOB_KEY = 1, FETCHJOB_CERT, FETCHJOB_CA };

/* Who we are: found by FETCHJOB_IDENTIFY, demanded by the other kinds. */
struct fetchjob_self {
	char principal[PRINCIPAL_MAX]; /* lower case */
	char provider[PRINCIPAL_PROVIDER_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	char region[FETCHJOB_REGION_MAX];   /* "" where there is none */
	char account[FETCHJOB_ACCOUNT_MAX]; /* as region */
};

struct fetchjob_start {
	enum fetchjob_kind kind;
	struct certconf conf;
	struct fetchjob_self self; /* empty for FETCHJOB_IDENTIFY */
	/* Directory with cert.pem, key.pem and ca.cert.pem; "" for IDENTIFY and REGISTER. */
	char pair_dir[CONF_VALUE_MAX];
};

struct fetchjob_part {
	enum fetchjob_file file;
	size_t len;
	uint8_t bytes[FETCHJOB_PART_MAX];
};

struct fetchjob_result {
	enum pst code;                    /* PST_NONE = done */
	char detail[FETCHJOB_DETAIL_MAX]; /* printable ASCII for the log, may be empty */
	uint32_t http_status;             /* of the last answer; 0 = none */
	uint32_t retry_after_s;           /* 0 = not given */
	uint32_t total_ms;
	struct fetchjob_self self;        /* IDENTIFY; of the others what the certificate says */
	char serial[FETCHJOB_SERIAL_MAX]; /* lower-case hex; not for IDENTIFY, as are the next */
	uint64_t not_before_wall, not_after_wall;
};

/* The table of operations for chan_recv(), shared by both ends. Static. */
const struct chan_op *fetchjob_ops(size_t *ret_n);

/* Fills a message for chan_send(). Errors: 0; -EMSGSIZE. */
int fetchjob_encode_start(const struct fetchjob_start *in, struct chan_msg *ret) _warn_unused_;
/* The pair of fetchjob_encode_start(). Errors: 0; -EBADMSG, and then *ret is untouched. */
int fetchjob_decode_start(const struct chan_msg *msg, struct fetchjob_start *ret) _warn_unused_;
/* As fetchjob_encode_start(). */
int fetchjob_encode_part(const struct fetchjob_part *in, struct chan_msg *ret) _warn_unused_;
/* As fetchjob_decode_start(). */
int fetchjob_decode_part(const struct chan_msg *msg, struct fetchjob_part *ret) _warn_unused_;
/* As fetchjob_encode_start(). */
int fetchjob_encode_result(const struct fetchjob_result *in, struct chan_msg *ret) _warn_unused_;
/* As fetchjob_decode_start(). */
int fetchjob_decode_result(const struct chan_msg *msg, struct fetchjob_result *ret) _warn_unused_;

/* Wipes a part, which may hold a private key. For _cleanup_(fetchjob_part_wipe). */
void fetchjob_part_wipe(struct fetchjob_part *p);
