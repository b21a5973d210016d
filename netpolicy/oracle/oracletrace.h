/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Two tables of our own around those of the policy: they give every packet its conntrack zone,
 * switch on the trace for those that carry our mark (also in front of the guard, for a packet
 * socket comes past nothing else), write down conntrack's word, and take what was accepted out of
 * the way. And the other half: the trace as a verdict.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/kernio.h"
#include "netpolicy/model/terms.h"
#include "netpolicy/oracle/oraclewire.h"

/* What the trace of one packet said. */
struct oracletrace_seen {
	bool is_any;     /* something was seen of it */
	bool is_through; /* it came to the end of its hook */
	bool is_lost;    /* the kernel could not tell all of it */
	enum terms_ct ct;
	uint32_t n_rules; /* of ours that it met */
	enum terms_verdict verdict, guard_verdict;
	uint32_t rule, guard_rule; /* index into rules; ORACLEWIRE_NO_RULE */
};

struct oracletrace;

/* Listens to the trace of this network namespace. Gives *ret. Errors: 0; -ENOMEM; -errno. */
int oracletrace_open(struct oracletrace **ret) _warn_unused_;
/* Closes. Accepts NULL. */
void oracletrace_close(struct oracletrace *t);
/* oracletrace_close() for _cleanup_(oracletrace_closep). */
void oracletrace_closep(struct oracletrace **t);

/* Loads our own tables; @uplinks have an egress hook. Errors: 0; -errno. */
int oracletrace_install(struct kernio *k, const char (*uplinks)[IFNAMSIZ], size_t n) _warn_unused_;

/* Learns the rules that are loaded now: which handle is which comment. Errors: 0; -errno. */
int oracletrace_learn(struct oracletrace *t, struct kernio *k) _warn_unused_;

/* Forgets what has not been read. */
void oracletrace_clear(struct oracletrace *t);

/* Reads all that the trace tells of the packet just sent in direction @dir. */
void oracletrace_read(struct oracletrace *t, enum policy_dir dir, struct oracletrace_seen *ret);

/* The rules, and the policies of chains that decided, for the reply. Borrowed. */
const struct oraclewire_rule *oracletrace_rules(const struct oracletrace *t, size_t *ret_n);
