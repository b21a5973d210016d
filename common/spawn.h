/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Starting a worker: fork and exec with a clean descriptor table. The worker finds its channel at
 * SPAWN_CHAN_FD and, when given, one more descriptor at SPAWN_EXTRA_FD; 0 is /dev/null, 1 and 2 are
 * inherited, no other is. No signal is blocked or ignored. It starts with no capability but those
 * its user id brings.
 */
#include <sys/types.h>

#include "common/attr.h"

#define SPAWN_CHAN_FD 3
#define SPAWN_EXTRA_FD 4

struct spawn_spec {
	const char *path;        /* absolute */
	const char *const *argv; /* NULL-terminated; argv[0] is the name shown by ps */
	int chan_fd;             /* borrowed */
	int extra_fd;            /* borrowed; -1 = none */
};

/* Starts the program and returns once it runs. Borrows @spec. The child dies with the thread that
 * called (PR_SET_PDEATHSIG). Gives *ret_pid, to be waited for.
 * Errors: 0; -errno, also when exec itself fails (then no child is left). */
int spawn_start(const struct spawn_spec *spec, pid_t *ret_pid) _warn_unused_;

/* Finds a worker: $POSTERN_LIBEXECDIR/@name if that is an absolute path (tests, running from the
 * build folder), else the installed place. Writes it to @ret of @cap bytes.
 * Errors: 0; -ENAMETOOLONG. */
int spawn_find(const char *name, char *ret, size_t cap) _warn_unused_;

/* Finds and starts the worker @name with its channel only; as user nobody, when this is root.
 * Errors: 0; as spawn_find() and spawn_start(). */
int spawn_worker(const char *name, int chan_fd, pid_t *ret_pid) _warn_unused_;

/* Kills the worker and waits for it. Writes how it ended, "worker ended by signal 9", to @ret_how
 * of @cap bytes: it may have ended before. */
void spawn_end(pid_t pid, char *ret_how, size_t cap);
