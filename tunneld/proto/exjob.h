/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The two messages between tunneld and its exchange worker: one job in, one result out. The
 * worker may be compromised: the result is decoded strictly here and judged by offer_check().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/chan.h"
#include "common/pst.h"
#include "common/secret.h"
#include "tunneld/core/offer.h"
#include "tunneld/proto/exreq.h"

#define EXJOB_PATH_MAX 1024
#define EXJOB_PRINCIPAL_MAX 256
#define EXJOB_DETAIL_MAX 256
#define EXJOB_GROUP_MAX 32

enum exjob_type {
	EXJOB_START = 1,  /* tunneld -> worker, with the marked, connecting TCP socket */
	EXJOB_RESULT = 2, /* worker -> tunneld */
};

struct exjob_start {
	char authority[IP6_ENDPOINT_TEXT];   /* "[2001:db8::1]:4443" */
	char principal[EXJOB_PRINCIPAL_MAX]; /* the server's certificate must carry it */
	char cert[EXJOB_PATH_MAX];
	char key[EXJOB_PATH_MAX];
	char ca[EXJOB_PATH_MAX];
	char deny_file[EXJOB_PATH_MAX]; /* "" = no server is denied */
	uint32_t timeout_ms;            /* for everything */
	bool require_post_quantum;
	char zone[OFFER_NAME_MAX]; /* with the next: the host's address is derived again */
	struct ip6_prefix hosts_prefix;
	struct exreq request;
};

struct exjob_result {
	enum pst code;                 /* PST_NONE = granted */
	uint32_t retry_after_s;        /* 0 = not given */
	char detail[EXJOB_DETAIL_MAX]; /* for the log, may be empty */
	uint32_t connect_us;           /* from start to TCP established */
	uint32_t tls_us;               /* ... to TLS finished; 0 = not reached */
	uint32_t total_us;             /* ... to the end */
	char group[EXJOB_GROUP_MAX];   /* TLS key exchange group */
	struct offer offer;            /* valid when granted, as is the PSK */
	struct secret psk;
};

/* The table of operations for chan_recv(), shared by both ends. Static. */
const struct chan_op *exjob_ops(size_t *ret_n);

/* Fills a message for chan_send(); @fd travels with it. Errors: 0; -EMSGSIZE. */
int exjob_encode_start(const struct exjob_start *in, int fd, struct chan_msg *ret) _warn_unused_;
/* The pair of exjob_encode_start(). Errors: 0; -EBADMSG, and then *ret is untouched. */
int exjob_decode_start(const struct chan_msg *msg, struct exjob_start *ret) _warn_unused_;
/* Fills a message for chan_send(). Errors: 0; -EMSGSIZE. */
int exjob_encode_result(const struct exjob_result *in, struct chan_msg *ret) _warn_unused_;
/* The pair of exjob_encode_result(): every field inside its limits, counts included.
 * Errors: 0; -EBADMSG, and then *ret is untouched. */
int exjob_decode_result(const struct chan_msg *msg, struct exjob_result *ret) _warn_unused_;

/* Wipes the PSK. For _cleanup_(exjob_result_wipe). */
void exjob_result_wipe(struct exjob_result *r);
