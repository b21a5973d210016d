/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The parent's side of compiling: starts netpolicy-compile, gives it the text, takes the recorded
 * batch and the expected dump back, with a deadline. Nothing that the child says is believed: the
 * batch has passed batch_check() when it is given.
 */
#include "common/attr.h"
#include "netpolicy/compile/compilewire.h"

#define COMPILER_DEADLINE_MS 30000 /* the first one on a slow machine also loads kernel modules */
#define COMPILER_DEADLINE_BYTES (1024 * 1024) /* of text; for each, as much again */
#define COMPILER_PROGRAM "netpolicy-compile"

struct compiler;

/* Compiles @q. Borrows it. Gives *ret, to be released with compilewire_release_reply() on every
 * path; after an error ret->error has the reason, with the lines of libnftables where there are.
 * Errors: 0; -ETIMEDOUT; -EBADMSG when the child sent something that is not ours; -errno. */
int compiler_run(const struct compilewire_request *q, struct compilewire_reply *ret) _warn_unused_;

/* For many texts one after the other: the child stays, as long as the interfaces are the same and
 * nothing went wrong; the bytes are those that a new one would give. Gives *ret.
 * Errors: 0; -ENOMEM. */
int compiler_open(struct compiler **ret) _warn_unused_;

/* As compiler_run(), with the child of @c. */
int compiler_next(struct compiler *c, const struct compilewire_request *q,
		  struct compilewire_reply *ret) _warn_unused_;

/* Ends the child. Accepts NULL. */
void compiler_close(struct compiler *c);
/* compiler_close() for _cleanup_(compiler_closep). */
void compiler_closep(struct compiler **c);

/* "in a user and network namespace" for a mode, for people. Static. */
const char *compiler_mode_text(uint8_t mode);
