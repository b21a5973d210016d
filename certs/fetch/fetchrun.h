/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One job of certd from its message to its result: what is needed of the outside world first, while
 * files can be opened and names looked up, and then the work, which can be done in a sandbox.
 */
#include <stdbool.h>
#include <stdint.h>

#include "certs/fetch/fetchfiles.h"
#include "certs/fetch/fetchname.h"
#include "certs/fetch/ztscall.h"
#include "certs/fetchjob.h"
#include "common/attr.h"

struct fetchrun {
	struct fetchjob_start job;
	uint64_t started_ns;
	struct fetchfiles files; /* owned */
	struct fetchname zts, sts;
	struct ztscall_pair pair; /* owned; what REGISTER or REFRESH brought */
	struct fetchjob_result result;
};

/* Whether @kind talks to anybody. */
bool fetchrun_needs_network(enum fetchjob_kind kind);

/* Reads the files. Errors: 0; -EPERM with r->result saying why; -ENOMEM. */
int fetchrun_load(struct fetchrun *r) _warn_unused_;

/* Looks up the names that have no configured address. Errors: as fetchrun_load(). */
int fetchrun_look_up(struct fetchrun *r) _warn_unused_;

/* Does the job and fills r->result and, for REGISTER and REFRESH, r->pair. Opens no file. Running
 * out of memory is a result too. */
void fetchrun_work(struct fetchrun *r);

/* Sends the pair in parts and then the result over the channel @fd, waiting for room until the
 * attempt's time is over. Errors: 0; -ETIMEDOUT; -errno. */
int fetchrun_send(struct fetchrun *r, int fd) _warn_unused_;

/* Wipes and frees. For _cleanup_(fetchrun_release). */
void fetchrun_release(struct fetchrun *r);
