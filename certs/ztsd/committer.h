/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Makes records durable without that the event loop waits for the disk: a thread with a connection
 * of its own takes all jobs that have come in meanwhile, writes them in one transaction with one
 * sync, and hands them back to the loop. A job that was handed back with 0 survives a kill.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/ztsd/ztsdb.h"
#include "common/attr.h"

#define COMMITTER_BATCH_MAX 256 /* jobs of one transaction */

struct event_base;
struct committer;
struct committer_job;

/* In the loop's thread. @result: that of ztsdb_register() or ztsdb_refresh(), or an error of the
 * transaction, after which nothing of the job happened. Gives the job back. */
typedef void committer_done_fn(struct committer_job *job, int result);

/* Set by who submits it, and left alone until it comes back. */
struct committer_job {
	struct ztsdb_issue issue;
	bool registering; /* else a refresh */
	committer_done_fn *done;
	struct committer_job *next; /* the committer's */
	int result;                 /* the committer's */
};

struct committer_stats {
	uint64_t batches; /* transactions that were made durable */
	uint64_t jobs;    /* in them */
	uint64_t failed;  /* transactions that were not */
};

/* Opens the store at @path and starts the thread; signals stay with the caller's. Gives *ret.
 * Errors: as ztsdb_open(); -errno of the thread and its event. */
int committer_open(struct event_base *base, const char *path, struct committer **ret) _warn_unused_;

/* Takes the job until it is done. */
void committer_submit(struct committer *c, struct committer_job *job);

/* What it counted so far. */
struct committer_stats committer_read_stats(struct committer *c);

/* Finishes what was submitted, ends the thread, and hands the rest back. NULL is allowed. */
void committer_close(struct committer *c);
