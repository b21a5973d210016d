/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One running exchange worker: the marked socket it may use, its channel, its end. Loop-free: the
 * caller waits until fd is readable or deadline_ns has come, and then calls exworker_finish().
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"
#include "tunneld/proto/exjob.h"

enum {
	EXWORKER_E_RUNNING = 1, /* exworker_finish(): no result yet */
	EXWORKER_E_IDLE,        /* exworker_finish(): none runs */
};

struct exworker {
	pid_t pid; /* 0 = none runs */
	int fd;    /* channel; -1 = none */
	uint64_t deadline_ns;
};

/* Makes an idle one. */
void exworker_init(struct exworker *w);

/* Opens a TCP socket with @mark, starts its connection to @to and hands it with @job to a new
 * worker; @run_as_nobody when we are root. Borrows @job.
 * Errors: 0; -EBUSY when one runs; -ENETUNREACH, -EHOSTUNREACH... from connect; -errno. */
int exworker_start(struct exworker *w, const struct exjob_start *job, const struct ip6_endpoint *to,
		   uint32_t mark, uint64_t now_ns) _warn_unused_;

/* Takes the result and ends the worker. A worker that is over its deadline is killed.
 * Errors: 0 with *ret filled, also when the worker died (PST_WORKER_DIED) or lied
 * (PST_WORKER_FRAME); EXWORKER_E_RUNNING; EXWORKER_E_IDLE. */
int exworker_finish(struct exworker *w, uint64_t now_ns, struct exjob_result *ret) _warn_unused_;

/* Kills a running worker and forgets it. */
void exworker_stop(struct exworker *w);
