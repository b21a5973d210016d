/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What crosses between the parent and its child netpolicy-oracle: a request with the policy's
 * names, the batch and the packets, and its reply with the rules that were met and a verdict for
 * each packet. Neither side believes the other. Encoding and decoding are pure.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/parcel.h"
#include "netpolicy/model/policy.h"
#include "netpolicy/model/terms.h"
#include "netpolicy/oracle/oracle.h"

#define ORACLEWIRE_BATCH_MAX (64 * 1024 * 1024) /* bytes; batch_check() has its own limit */
#define ORACLEWIRE_REQUEST_MAX (ORACLEWIRE_BATCH_MAX + 8 * 1024 * 1024)
#define ORACLEWIRE_REPLY_MAX (8 * 1024 * 1024)
#define ORACLEWIRE_RULES_MAX 65536
#define ORACLEWIRE_NO_RULE UINT32_MAX
#define ORACLEWIRE_NO_UID UINT32_MAX

struct oraclewire_links {
	uint8_t n_uplinks, n_tunnels;
	char uplinks[POLICY_UPLINKS_MAX][IFNAMSIZ];
	char tunnels[POLICY_TUNNELS_MAX][IFNAMSIZ];
};

struct oraclewire_request {
	struct oraclewire_links links; /* the same in all requests to one child */
	uint8_t n_grants;
	char grants[POLICY_GRANTS_MAX][POLICY_NAME_MAX];
	uint32_t spare_uid; /* no rule names this user; ORACLEWIRE_NO_UID: there is none */
	uint8_t *batch;     /* owned */
	size_t batch_len;
	struct terms_packet *packets; /* owned */
	size_t n;
};

/* A rule that decided, or the policy of a chain. */
struct oraclewire_rule {
	bool is_guard;
	char chain[ORACLE_CHAIN_MAX];
	char comment[ORACLE_COMMENT_MAX];
};

struct oraclewire_verdict {
	int error;     /* as in struct oracle_answer */
	uint32_t rule; /* index into rules; ORACLEWIRE_NO_RULE: none of ours was met */
	uint32_t n_rules;
	enum terms_verdict verdict;
	enum terms_ct ct;
};

struct oraclewire_reply {
	int result; /* 0 or -errno */
	char error[ORACLE_ERROR_MAX];
	struct oraclewire_rule *rules; /* owned */
	size_t n_rules;
	struct oraclewire_verdict *verdicts; /* owned */
	size_t n;
};

/* Encode. Give *ret. Errors: 0; -EFBIG; -ENOMEM. */
int oraclewire_put_request(const struct oraclewire_request *q, struct parcel *ret) _warn_unused_;
/* As oraclewire_put_request(). */
int oraclewire_put_reply(const struct oraclewire_reply *p, struct parcel *ret) _warn_unused_;

/* Decode. @ret needs no value before and is released by the caller also after an error.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int oraclewire_get_request(const void *bytes, size_t len,
			   struct oraclewire_request *ret) _warn_unused_;
/* As oraclewire_get_request(). */
int oraclewire_get_reply(const void *bytes, size_t len, struct oraclewire_reply *ret) _warn_unused_;

/* True when the names are the same, in the same order. */
bool oraclewire_same_links(const struct oraclewire_links *a, const struct oraclewire_links *b);

/* Release; all zero afterwards. For _cleanup_(). */
void oraclewire_release_request(struct oraclewire_request *q);
/* As oraclewire_release_request(). */
void oraclewire_release_reply(struct oraclewire_reply *p);
