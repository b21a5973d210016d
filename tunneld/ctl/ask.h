/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the postern command gets its facts: tunneld over its control socket, and the policy by
 * running "netpolicy check", because the two components meet in the kernel only.
 */
#include "common/attr.h"
#include "tunneld/proto/status.h"

#define ASK_WAIT_MS 5000
/* tunneld waits for a question for a moment only, and a busy machine may hold us up for longer. */
#define ASK_TRIES 10

enum ask_policy {
	ASK_POLICY_LOADED,  /* the kernel equals the configuration */
	ASK_POLICY_DRIFT,   /* it does not, or our tables are absent */
	ASK_POLICY_UNKNOWN, /* netpolicy could not tell: no privilege, not installed */
};

/* Asks the tunneld that listens in @run_dir. Errors: 0; -ENOENT or -ECONNREFUSED when none runs;
 * -EACCES; -ETIMEDOUT; -EPIPE when it hangs up; -EBADMSG; -ENAMETOOLONG. *ret is then untouched. */
int ask_status(const char *run_dir, struct status *ret) _warn_unused_;

/* Runs "netpolicy check" with the same configuration; @config and @state_dir may be NULL. */
enum ask_policy ask_policy(const char *config, const char *state_dir);
