/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The process that starts gatewayd's workers. The keeper gives root away, a worker must change to a
 * user of its own: so a third process, forked before anything else happens, keeps the power to do
 * that and does nothing but start and end workers on request. What it reads are fixed-size requests
 * from the keeper. It ends with the keeper, and the workers end with it.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"
#include "common/chan.h"

#define STARTER_SLOTS_MAX 64 /* workers, as GWCONF_WORKERS_MAX */

enum starter_type {
	STARTER_START = 1, /* keeper -> starter, with the worker's end of its channel */
	STARTER_STOP = 2,  /* keeper -> starter: kill it */
	STARTER_ENDED = 3, /* starter -> keeper: it ended, or could not be started */
	STARTER_PROBE =
		4, /* keeper -> starter: a worker that only reads its files; with a channel */
};

#define STARTER_PROBE_SLOT STARTER_SLOTS_MAX /* names the probe in the other messages */
#define STARTER_EXIT_DENYLIST 3              /* of a worker that cannot use its deny-list */

struct starter_spec {
	const char *path;              /* of the worker program */
	const char *const *argv;       /* NULL-terminated */
	const char *const *probe_argv; /* as above, of the probe */
	const int *listen_fds;         /* one per slot */
	size_t n_slots;
};

struct starter_event {
	uint32_t slot;
	pid_t pid;  /* 0 when it could not be started */
	int status; /* as from waitpid(2), or the -errno of starting it */
};

/* Forks the starter. Borrows @spec. Gives the keeper's end of the channel. Errors: 0; -errno. */
int starter_fork(const struct starter_spec *spec, int *ret_fd) _warn_unused_;

/* Asks for a worker in @slot, one that runs there is killed first; @chan_fd is copied.
 * Errors: 0; -errno of chan_send(). */
int starter_start(int fd, uint32_t slot, int chan_fd) _warn_unused_;

/* Asks for a probe: a worker that reads its files as every worker does, sends its deny-list
 * (tunneld/gateway/denyfeed.h) and ends, status 0 when the files are good. One that runs is killed
 * first; @chan_fd is copied. Errors: 0; -errno of chan_send(). */
int starter_probe(int fd, int chan_fd) _warn_unused_;

/* Asks to kill the worker in @slot. Errors: 0; -errno of chan_send(). */
int starter_stop(int fd, uint32_t slot) _warn_unused_;

/* Takes one event. Errors: 0; CHAN_E_CLOSED; -EAGAIN; -EBADMSG; -errno. */
int starter_receive(int fd, struct starter_event *ret) _warn_unused_;

/* "ended with status 1", "was killed by signal 9", ... Gives @ret back. */
const char *starter_describe(const struct starter_event *event, char *ret, size_t cap);
