/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * netpolicyd itself: its parts, its loop, and what it does when time passes or somebody disturbs
 * the rules. What it is asked over the socket is in orders.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/daemon/ctlsock.h"
#include "netpolicy/daemon/driftlog.h"
#include "netpolicy/daemon/enforcer.h"
#include "netpolicy/daemon/fightpace.h"
#include "netpolicy/daemon/grantor.h"
#include "netpolicy/daemon/lawfile.h"
#include "netpolicy/observe/drift.h"

#define WARDEN_LOOK_S 60 /* between comparisons that nothing asks for */

struct warden_options {
	const char *state_dir;
	const char *socket;
	bool may_own;
};

/* A policy that is enforced and not saved. */
struct warden_trial {
	bool is_pending;
	bool is_trial; /* it ends in any case */
	uint64_t until_ns;
};

struct warden {
	struct warden_options options;
	struct enforcer enforcer;
	struct grantor grantor;
	struct drift_watch watch;
	int links, signals, timer, watchdog; /* descriptors */
	struct ctlsock ctl;
	struct fightpace pace;
	struct driftlog log;
	struct warden_trial trial;
	char saved_about[BATCHFILE_ABOUT_MAX]; /* of policy.batch */
	struct drift_commit culprit;           /* who made the repair that is due necessary */
	uint64_t disturbed_ns;                 /* when; 0 = nobody did */
	bool uplink_changed;                   /* since the last look: an uplink came or went */
	uint64_t n_repairs, n_overruns;
	uint64_t started_s, look_ns;
	bool stops;
};

/* Opens everything and loads the policy; without one that can be read, the rules that are there
 * stay, else the closed ones are loaded. Says in the log what it did. Release with warden_close()
 * also after an error. Errors: 0; -errno, logged. */
int warden_open(struct warden *k, const struct warden_options *options) _warn_unused_;

/* Runs until SIGTERM or SIGINT. Errors: 0; -errno, logged. */
int warden_run(struct warden *k) _warn_unused_;

/* Puts the rules and the sets of grants right, now. Says in the log what was wrong, and who did it
 * if that is known. Errors: 0; -errno, logged. */
int warden_repair(struct warden *k);

/* Loads @f (see enforcer_load()) and puts the grants back. Errors: as enforcer_load(). */
int warden_load(struct warden *k, struct batchfile *f,
		struct enforcer_report *report) _warn_unused_;

/* Loads policy.batch, or without one what warden_open() would. @why: for the log. Errors: 0;
 * -errno, logged, and the rules are as before. */
int warden_load_saved(struct warden *k, const char *why);

/* Ends the policy that waits and loads the one before, else the closed one. @why: for the log.
 * Errors: 0; -errno, logged: the one before could not be loaded. */
int warden_leave_trial(struct warden *k, const char *why);

/* The policy that waits is none any more; its file goes. */
void warden_end_trial(struct warden *k);

/* Closes; rules and grants stay as they are in the kernel. */
void warden_close(struct warden *k);
