/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Giving power away: user, capabilities, new privileges, file system, system calls. Each call is
 * final. Raw system calls only, so that a privileged program links nothing for it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"

#define SANDBOX_SYSCALLS_MAX 128 /* entries of one allow-list */
#define SANDBOX_EXIT_SYSCALL 31  /* exit status of a process that broke its list */

enum { SANDBOX_E_ABSENT = 1 }; /* the kernel does not offer this mechanism */

/* Changes to @uid and @gid with no supplementary groups, keeping only the capabilities in @caps
 * (bit n = capability n, linux/capability.h) permitted and effective; the bounding and ambient
 * sets are emptied. Does not change the user when it is already the wanted one.
 * Errors: 0; -EPERM when @caps are not held; -errno. */
int sandbox_drop(uid_t uid, gid_t gid, uint64_t caps) _warn_unused_;

/* Resolves "name" or "name:group" or numbers to ids. Errors: 0; -ENOENT; -EINVAL. */
int sandbox_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid) _warn_unused_;

/* No new privileges, not dumpable, no core. Errors: 0; -errno. */
int sandbox_lock_privileges(void) _warn_unused_;

/* From here on no file can be opened or made (Landlock, all rights handled, no rule).
 * Errors: 0; SANDBOX_E_ABSENT; -errno. */
int sandbox_no_files(void) _warn_unused_;

/* From here on only the system calls in @allowed work (seccomp). Any other one prints its number
 * on standard error and ends the process with SANDBOX_EXIT_SYSCALL. Borrows @allowed.
 * Errors: 0; -E2BIG over SANDBOX_SYSCALLS_MAX; -errno. */
int sandbox_syscalls(const int *allowed, size_t n_allowed) _warn_unused_;
