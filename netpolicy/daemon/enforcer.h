/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What must be in the kernel, and the way back to it. Without a policy that can be read it loads
 * nothing over rules that look closed; when there are none it loads the closed policy.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/kernio.h"

enum enforcer_mode {
	ENFORCER_NOTHING, /* not begun */
	ENFORCER_POLICY,
	ENFORCER_CLOSED, /* the closed policy, loaded by us */
	ENFORCER_BLIND,  /* rules of an unknown policy: only watched that they stay */
};

struct enforcer {
	struct kernio *k; /* owned; owner of the tables, where the kernel has that */
	bool may_own;
	enum enforcer_mode mode;
	struct batchfile law; /* owned; without its page */
	bool is_intact;       /* as of the last look */
	bool is_owner;
	bool is_learned;   /* compared with what the kernel showed when it was loaded */
	uint64_t looked_s; /* wall clock */
	size_t n_pending;  /* guards that wait for their device */
	char pending[APPLIER_DEVICES_MAX][IFNAMSIZ];
};

/* What a repair found and did. */
struct enforcer_report {
	bool was_current;              /* nothing was wrong */
	bool was_loaded;               /* the kernel took it, also when the rest failed */
	bool was_replaced;             /* the sets of grants are new and empty */
	char found[APPLIER_FOUND_MAX]; /* the first difference */
	size_t n_found;
	char error[BATCH_ERROR_MAX]; /* of the kernel */
};

/* Opens the kernel's socket; loads nothing. @may_own: take the tables for ourselves where that is
 * possible. Release with enforcer_close() also after an error. Errors: 0; -errno. */
int enforcer_open(struct enforcer *ret, bool may_own) _warn_unused_;

/* Loads @f, which batch_check() has passed, and takes over what it owns (not its page). After an
 * error the kernel and @f are as before. When the kernel took it and shows something else although
 * nobody interfered (another version of the kernel recorded it), what it shows is what is watched
 * from then on, and ret->is_learned is set.
 * Errors: 0; -EPERM another process owns the tables; -EIO the kernel shows something else, and
 * somebody interfered; -EBUSY; -errno with ret_report->error. */
int enforcer_load(struct enforcer *e, struct batchfile *f,
		  struct enforcer_report *ret_report) _warn_unused_;

/* Loads the closed policy that is built in. As enforcer_load(). */
int enforcer_load_closed(struct enforcer *e, struct enforcer_report *ret_report) _warn_unused_;

/* Without a policy: leaves rules that look closed, else loads the closed policy. As
 * enforcer_load(). */
int enforcer_begin_blind(struct enforcer *e, struct enforcer_report *ret_report) _warn_unused_;

/* Compares, and repairs what is wrong. Errors: as enforcer_load(). */
int enforcer_repair(struct enforcer *e, struct enforcer_report *ret) _warn_unused_;

/* The grant of that name in the policy, NULL when it offers none. */
const struct batchfile_grant *enforcer_grant(const struct enforcer *e, const char *name);

/* True when the policy has a guard for that interface. */
bool enforcer_guards(const struct enforcer *e, const char *device);

/* Closes; the rules stay. */
void enforcer_close(struct enforcer *e);
