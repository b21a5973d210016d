/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The life of this host's identity: does what the schedule says, one worker at a time, and keeps
 * files and memory in step with what came of it. Loop-free: the caller waits until worker.fd is
 * readable, or until certlife_wake_ns(), and then lets it go on. Reads nothing from the network.
 */
#include <stdbool.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/certd/certmemo.h"
#include "certs/certd/certshow.h"
#include "certs/certd/certstat.h"
#include "certs/certd/fetchworker.h"
#include "certs/certd/schedule.h"
#include "certs/certd/siastore.h"
#include "common/attr.h"

struct certlife {
	const struct certconf *conf;
	const char *state_dir;
	struct schedule schedule;
	struct siastore store;
	struct fetchworker worker;
	struct certmemo memo;
	struct certshow_counts counts;
	uint64_t started_ns;
	enum pst told_bad; /* what was last said of the stored pair */
};

/* Nothing open. Keeps @conf and @state_dir. */
void certlife_init(struct certlife *l, const struct certconf *conf, const char *state_dir);

/* Opens the files, which locks them, and the memory of earlier runs. Logs.
 * Errors: 0; as siastore_open(); -errno. */
int certlife_open(struct certlife *l) _warn_unused_;

/* Takes what the worker has sent. Gives whether a step has ended. Logs. */
bool certlife_finish(struct certlife *l);

/* Starts what is due, tells about a renewal that is late. Gives whether a step has ended, because
 * it could not begin. Logs. */
bool certlife_advance(struct certlife *l);

/* When something is due, in boot time: the next step, an alarm, the end of the worker's patience,
 * or a change of readiness. SCHEDULE_NEVER = nothing. */
uint64_t certlife_wake_ns(const struct certlife *l);

/* The clock was set. */
void certlife_on_clock(struct certlife *l);

/* Somebody wants an attempt now. */
void certlife_urge(struct certlife *l);

/* Fills the present status, but for renew_refused. */
void certlife_fill(const struct certlife *l, struct certstat *ret);

/* Ends the worker, leaves the files as they are. */
void certlife_close(struct certlife *l);
