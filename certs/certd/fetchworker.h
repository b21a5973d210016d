/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One running worker certd-fetch: its channel, what it has sent so far, its end. Loop-free: the
 * caller waits until fd is readable or deadline_ns has come, and then calls fetchworker_finish().
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "certs/fetchjob.h"
#include "common/attr.h"

#define FETCHWORKER_NAME "certd-fetch"
#define FETCHWORKER_GRACE_MS 2000 /* beyond the job's own timeout, before SIGKILL */

enum {
	FETCHWORKER_E_RUNNING = 1, /* fetchworker_finish(): no result yet */
	FETCHWORKER_E_IDLE,        /* fetchworker_finish(): none runs */
};

/* The files of a new pair, as far as they have come. */
struct fetchworker_files {
	size_t key_len, cert_len, ca_len;
	uint8_t key[FETCHJOB_KEY_MAX];
	uint8_t cert[FETCHJOB_CERT_MAX];
	uint8_t ca[FETCHJOB_CA_MAX];
};

struct fetchworker {
	pid_t pid; /* 0 = none runs */
	int fd;    /* channel; -1 = none */
	uint64_t deadline_ns;
	enum fetchjob_kind kind;
	struct fetchworker_files *files; /* owned; NULL but for REGISTER and REFRESH */
};

/* Makes an idle one. */
void fetchworker_init(struct fetchworker *w);

/* Starts a worker with @job, as nobody when we are root. Borrows @job.
 * Errors: 0; -EBUSY when one runs; -EMSGSIZE; -ENOMEM; -errno. */
int fetchworker_start(struct fetchworker *w, const struct fetchjob_start *job,
		      uint64_t now_ns) _warn_unused_;

/* Takes what has come and, with the result, ends the worker. One that is over its deadline is
 * killed. After PST_NONE of REGISTER and REFRESH w->files holds all three files, until
 * fetchworker_forget() or the next start.
 * Errors: 0 with *ret filled, also when the worker died or was killed (PST_FETCH_DIED) or lied
 * (PST_FETCH_FRAME); FETCHWORKER_E_RUNNING; FETCHWORKER_E_IDLE. */
int fetchworker_finish(struct fetchworker *w, uint64_t now_ns,
		       struct fetchjob_result *ret) _warn_unused_;

/* Wipes and frees the files. */
void fetchworker_forget(struct fetchworker *w);

/* Kills a running worker and forgets everything. */
void fetchworker_stop(struct fetchworker *w);
