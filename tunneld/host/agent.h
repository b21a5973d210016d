/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The running host: exchanges when they are due, the kernel kept as the leases say, the status
 * told. One libevent loop, one timer, one reconciliation that is always "read everything, plan the
 * difference, apply it".
 */
#include "common/attr.h"
#include "tunneld/host/hostconf.h"

struct agent;

struct agent_paths {
	const char *state_dir;
	const char *run_dir;
};

/* Opens everything, adopts what the kernel and the lease file hold. Keeps @conf and @paths.
 * Gives *ret. Logs. Errors: 0; -errno. */
int agent_open(const struct hostconf *conf, const struct agent_paths *paths,
	       struct agent **ret) _warn_unused_;

/* Runs until SIGTERM or SIGINT. Errors: 0; -errno. */
int agent_run(struct agent *a) _warn_unused_;

/* Ends workers, leaves the kernel as it is. Accepts NULL. */
void agent_close(struct agent *a);
