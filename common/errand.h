/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A child program that is sent questions and brings answers, a parcel there and a parcel back, each
 * within its time. It stays for the next question until it is ended. What an answer means, and
 * whether it is believed, is the caller's business.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"
#include "common/parcel.h"

/* All zero: no child, and none was started. */
struct errand {
	const char *program; /* its name, for messages; borrowed */
	pid_t pid;           /* 0: no child now */
	int fd;
};

/* Starts @program, as spawn_find() finds it, unless a child is there already. Keeps @program.
 * Errors: 0; -errno. */
int errand_start(struct errand *e, const char *program) _warn_unused_;

/* Sends @question and waits for the answer of at most @max bytes, both within @ms. Gives *ret.
 * After an error only the end is left for the child: what it says next answers nothing.
 * Errors: 0; -ETIMEDOUT; -EPIPE when it ended or hung up; -EBADMSG over @max; -ENOMEM; -errno. */
int errand_ask(struct errand *e, const struct parcel *question, uint64_t ms, size_t max,
	       struct parcel *ret) _warn_unused_;

/* Ends the child, whatever it does, after something went wrong with @error. Unless @ret (@cap
 * bytes) has words already, writes the program's name and what went wrong: how the child died, or
 * @error in words. */
void errand_explain(struct errand *e, int error, char *ret, size_t cap);

/* Ends the child, if there is one. */
void errand_end(struct errand *e);
