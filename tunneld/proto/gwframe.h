/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages between a gatewayd worker (TLS, no power) and the keeper (power, no parser) over a
 * common/chan channel. Encoder and decoder of each body are neighbours in gwframe.c.
 */
#include <netinet/in.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/chan.h"
#include "common/pst.h"
#include "common/secret.h"
#include "tunneld/core/offer.h"
#include "tunneld/core/wgkey.h"

#define GWFRAME_PRINCIPAL_MAX 256
#define GWFRAME_PROVIDER_MAX 128
#define GWFRAME_INSTANCE_MAX 128
#define GWFRAME_SERIAL_MAX 64 /* hex text of a certificate serial, with NUL */

enum gwframe_type {
	GWFRAME_HELLO = 1,  /* keeper -> worker: public facts the worker answers with */
	GWFRAME_GRANT = 2,  /* worker -> keeper: program this peer */
	GWFRAME_ANSWER = 3, /* keeper -> worker: done, or why not */
	GWFRAME_COUNT = 4,  /* worker -> keeper: one refusal, for the counters */
	GWFRAME_DRAIN = 5,  /* keeper -> worker: accept no more, finish, end; no body */
};

/* What the keeper alone knows and the worker needs for its answers. */
struct gwframe_hello {
	struct wgkey gateway_key;
};

/* One authorised exchange. */
struct gwframe_grant {
	char principal[GWFRAME_PRINCIPAL_MAX];
	char provider[GWFRAME_PROVIDER_MAX];
	char instance_id[GWFRAME_INSTANCE_MAX];
	char serial[GWFRAME_SERIAL_MAX];
	uint64_t cert_expires_wall; /* seconds since 1970 */
	struct wgkey host_key;
	struct in6_addr host_addr;
	struct secret psk;
	uint64_t epoch;
};

struct gwframe_answer {
	enum pst code;          /* PST_NONE = granted */
	uint32_t retry_after_s; /* 0 = not given */
};

struct gwframe_count {
	enum pst code;
};

/* The table of operations for chan_recv(), shared by both ends. Static. */
const struct chan_op *gwframe_ops(size_t *ret_n);

/* Each encoder fills a whole message for chan_send(); each decoder checks every field.
 * Errors: 0; -EBADMSG from a decoder, -EMSGSIZE from an encoder whose fields do not fit. */
int gwframe_encode_hello(uint32_t seq, const struct gwframe_hello *in,
			 struct chan_msg *ret) _warn_unused_;
/* The pair of gwframe_encode_hello(). */
int gwframe_decode_hello(const struct chan_msg *msg, struct gwframe_hello *ret) _warn_unused_;
/* As gwframe_encode_hello(). */
int gwframe_encode_grant(uint32_t seq, const struct gwframe_grant *in,
			 struct chan_msg *ret) _warn_unused_;
/* The pair of gwframe_encode_grant(). */
int gwframe_decode_grant(const struct chan_msg *msg, struct gwframe_grant *ret) _warn_unused_;
/* As gwframe_encode_hello(). */
int gwframe_encode_answer(uint32_t seq, const struct gwframe_answer *in,
			  struct chan_msg *ret) _warn_unused_;
/* The pair of gwframe_encode_answer(); an unknown code is an error. */
int gwframe_decode_answer(const struct chan_msg *msg, struct gwframe_answer *ret) _warn_unused_;
/* As gwframe_encode_hello(). */
int gwframe_encode_count(uint32_t seq, const struct gwframe_count *in,
			 struct chan_msg *ret) _warn_unused_;
/* The pair of gwframe_encode_count(); an unknown code is an error. */
int gwframe_decode_count(const struct chan_msg *msg, struct gwframe_count *ret) _warn_unused_;

/* Fills a GWFRAME_DRAIN message, which has no body. */
void gwframe_init_drain(uint32_t seq, struct chan_msg *ret);

/* Wipes the PSK; NULL is allowed. For _cleanup_(gwframe_grant_wipe). */
void gwframe_grant_wipe(struct gwframe_grant *g);
