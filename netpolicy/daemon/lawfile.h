/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The policies of the state directory: policy.batch, which a restart and a reboot load;
 * policy.batch.prev, the one before; policy.next, which somebody wants loaded; policy.pending, the
 * one that waits for confirmation. Each is read as if an enemy had written it.
 */
#include "common/attr.h"
#include "netpolicy/apply/batchfile.h"

#define LAWFILE_SAVED "policy.batch"
#define LAWFILE_NEXT "policy.next"
#define LAWFILE_PENDING "policy.pending"

enum { LAWFILE_E_REFUSED = 1 }; /* readable, yet not a batch of ours */

/* Reads @name of @state_dir and checks its batch. Gives *ret, to be released on every path. Errors:
 * 0; LAWFILE_E_REFUSED; -ENOENT; -errno; with words in @ret_error. */
int lawfile_read(const char *state_dir, const char *name, struct batchfile *ret,
		 char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* As lawfile_read() of policy.next, which may let everything through: never to be saved. */
int lawfile_read_trial(const char *state_dir, struct batchfile *ret,
		       char ret_error[static BATCH_ERROR_MAX]) _warn_unused_;

/* Saves @f as policy.batch; the one before is then policy.batch.prev. Errors: 0; -errno. */
int lawfile_save(const char *state_dir, const struct batchfile *f) _warn_unused_;

/* Lets policy.batch and policy.batch.prev change places. Errors: 0; -ENOENT; -errno. */
int lawfile_swap(const char *state_dir) _warn_unused_;

/* Makes policy.next the one that waits for confirmation. Errors: 0; -errno. */
int lawfile_hold(const char *state_dir) _warn_unused_;

/* Removes the one that waits for confirmation. Errors: 0; -ENOENT there is none; -errno. */
int lawfile_forget(const char *state_dir) _warn_unused_;
