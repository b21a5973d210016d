/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What crosses netpolicyd's socket: one request, one answer, each one SOCK_SEQPACKET datagram in
 * the frame of common/chan. Only root is listened to (SO_PEERCRED). A batch does not cross: the
 * caller, who holds the lock "policy.lock", writes it to "policy.next" in the state directory and
 * asks for it. Encoding and decoding are pure.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/chan.h"

#define CTLWIRE_SOCKET "/run/postern/netpolicyd.sock"
#define CTLWIRE_TEXT_MAX 4096 /* words for people, with the NUL */
#define CTLWIRE_WHO_MAX 64    /* with the NUL */
#define CTLWIRE_WHY_MAX 128   /* with the NUL */
#define CTLWIRE_LIST_MAX 16   /* rows of one answer; ask again from the next id */

enum ctlwire_op {
	CTLWIRE_STATUS = 1,
	CTLWIRE_APPLY,    /* load policy.next */
	CTLWIRE_CONFIRM,  /* keep what waits for confirmation */
	CTLWIRE_ROLLBACK, /* back to the batch before */
	CTLWIRE_GRANT_ADD,
	CTLWIRE_GRANT_RENEW, /* new end, from now */
	CTLWIRE_GRANT_END,
	CTLWIRE_GRANT_LIST,
	CTLWIRE_DRIFT_LIST, /* what strangers did */
};

struct ctlwire_request {
	enum ctlwire_op op;
	uint32_t seconds; /* APPLY: time to confirm, 0 = for good. Grants: how long */
	bool is_trial;    /* APPLY: revert in any case, CONFIRM is refused */
	uint64_t id;      /* RENEW, END: the grant; lists: the first id wanted */
	char name[64];    /* GRANT_ADD: which grant of the policy */
	struct in6_addr addr;
	char who[CTLWIRE_WHO_MAX], why[CTLWIRE_WHY_MAX]; /* GRANT_ADD: for the log */
};

struct ctlwire_grant {
	uint64_t id;
	char name[64];
	struct in6_addr addr;
	int64_t until_s; /* wall clock, Unix time */
	uint32_t left_s; /* what counts */
	char who[CTLWIRE_WHO_MAX], why[CTLWIRE_WHY_MAX];
};

/* One thing that somebody did to our tables. */
struct ctlwire_drift {
	uint64_t id;
	int64_t at_s;       /* wall clock, Unix time, when it was first seen */
	uint32_t pid;       /* 0 = unknown (netlink overrun) */
	char command[16];   /* as the kernel names the process */
	uint32_t times;     /* the same again and again */
	uint32_t repair_us; /* from the event to the repaired rules, the longest */
	char what[256];     /* the first difference */
	uint32_t n_differences;
};

struct ctlwire_status {
	char about[256];      /* of the policy that is enforced */
	char boot_about[256]; /* of the one that is saved */
	bool is_intact;       /* as of the last look */
	bool is_owner;        /* the kernel lets nobody else change our tables */
	bool is_pending, is_trial;
	uint32_t pending_left_s;
	uint32_t generation;
	uint32_t n_grants;
	uint64_t n_repairs, n_overruns;
	int64_t started_s, checked_s;
};

struct ctlwire_answer {
	enum ctlwire_op op;
	int32_t result;               /* 0, -errno */
	uint32_t pst;                 /* 0 = none */
	char text[CTLWIRE_TEXT_MAX];  /* why not; notes of an apply */
	struct ctlwire_status status; /* STATUS */
	uint64_t id;                  /* GRANT_ADD: its id */
	uint32_t n;                   /* rows of a list */
	union {
		struct ctlwire_grant grants[CTLWIRE_LIST_MAX];
		struct ctlwire_drift drifts[CTLWIRE_LIST_MAX];
	};
};

/* Both ends' table of operations: requests have the number of the operation, answers + 0x100. */
extern const struct chan_op ctlwire_ops[];
extern const size_t ctlwire_n_ops;

/* Encode into @msg. Errors: 0; -EMSGSIZE when it does not fit: an answer with rows has little room
 * for words. */
int ctlwire_put_request(const struct ctlwire_request *q, struct chan_msg *msg) _warn_unused_;
/* As ctlwire_put_request(). */
int ctlwire_put_answer(const struct ctlwire_answer *a, struct chan_msg *msg) _warn_unused_;
/* Decode. Errors: 0; -EBADMSG. */
int ctlwire_get_request(const struct chan_msg *msg, struct ctlwire_request *ret) _warn_unused_;
/* As ctlwire_get_request(). */
int ctlwire_get_answer(const struct chan_msg *msg, struct ctlwire_answer *ret) _warn_unused_;

/* The caller's side: connects to @path, asks, waits for at most @deadline_ms.
 * Errors: 0 (then look at ret->result); -ENOENT, -ECONNREFUSED no daemon; -EPIPE it hung up, for
 * it listens to root only; -ETIMEDOUT; -EBADMSG; -errno. */
int ctlwire_call(const char *path, const struct ctlwire_request *q, unsigned int deadline_ms,
		 struct ctlwire_answer *ret) _warn_unused_;
