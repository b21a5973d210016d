/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Asks the kernel itself: a compiled batch is loaded in a scratch network namespace with interfaces
 * of the right names, packets are sent through it, and the trace of nf_tables tells verdict, chain
 * and rule of each. The work is done by the child netpolicy-oracle; this is the parent's side.
 * Nothing touches the rules or the interfaces of the host. Conntrack's word can be any that a
 * packet of its protocol can have: for established and related a packet the other way is sent
 * before the policy is loaded, every packet has a conntrack zone of its own. A packet without an
 * owner is sent by a user whom no rule names, which no rule can tell apart.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/model/terms.h"

#define ORACLE_PROGRAM "netpolicy-oracle"
#define ORACLE_DEADLINE_MS 60000
#define ORACLE_PACKETS_MAX 60000 /* of one child: the zones of conntrack have 16 bits */
#define ORACLE_CHAIN_MAX 128
#define ORACLE_COMMENT_MAX 129
#define ORACLE_ERROR_MAX 512

struct oracle_answer {
	int error; /* 0; -EOPNOTSUPP: such a packet cannot be made here (another user without root,
		      a word of conntrack that it cannot have); -ENODATA: the kernel dropped it
		      before our chains, or no trace came; -EPROTO: the trace says one thing and
		      what came out of the interface another */
	enum terms_verdict verdict;
	enum terms_ct ct;                 /* conntrack's word */
	char table[32];                   /* postern or postern_guard */
	char chain[ORACLE_CHAIN_MAX];     /* of the deciding rule */
	char comment[ORACLE_COMMENT_MAX]; /* of it; "" = the chain's policy */
	uint32_t n_rules;                 /* rules that the packet met */
};

struct oracle;

struct oracle_job {
	const struct policy *policy; /* its links, grants and users */
	const void *batch;           /* passed batch_check() */
	size_t batch_len;
	struct oracle *session; /* borrowed; NULL: a child for this question alone */
};

/* For many questions one after the other: the child and its namespace stay, as long as the links
 * are the same, the zones of conntrack last, and nothing went wrong. Where no packet of a question
 * needs another one before it, its policy replaces the last one in place. Gives *ret.
 * Errors: 0; -ENOMEM. */
int oracle_open(struct oracle **ret) _warn_unused_;

/* Sends @n packets one after the other through the policy. Fills @ret[@n]. @ret_error: words.
 * Errors: 0; -E2BIG over ORACLE_PACKETS_MAX; -ETIMEDOUT; -EPERM when no namespace may be made;
 * -EBADMSG, -EPIPE when the child went wrong; -errno. */
int oracle_ask(const struct oracle_job *job, const struct terms_packet *packets, size_t n,
	       struct oracle_answer *ret, char ret_error[static ORACLE_ERROR_MAX]) _warn_unused_;

/* Ends the child. Accepts NULL. */
void oracle_close(struct oracle *o);
/* oracle_close() for _cleanup_(oracle_closep). */
void oracle_closep(struct oracle **o);
