/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The running certd: does what the schedule says, one worker at a time, and tells about it. One
 * poll() loop; it links nothing but libc and reads nothing from the network.
 */
#include "certs/certconf.h"
#include "common/attr.h"

struct certagent;

struct certagent_paths {
	const char *state_dir;
	const char *run_dir;
};

/* Opens the files, the memory of earlier runs, the socket. Keeps @conf and @paths. Gives *ret.
 * Logs. Errors: 0; -errno. */
int certagent_open(const struct certconf *conf, const struct certagent_paths *paths,
		   struct certagent **ret) _warn_unused_;

/* Runs until SIGTERM or SIGINT. Errors: 0; -errno. */
int certagent_run(struct certagent *a) _warn_unused_;

/* Ends the worker, leaves the files as they are. Accepts NULL. */
void certagent_close(struct certagent *a);
