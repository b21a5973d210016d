/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Giving power away: user, capabilities, new privileges, file system, system calls. Each call is
 * final, and one that failed may have done a part: the caller then ends. In this order, before the
 * first thread: sandbox_drop(), sandbox_lock_privileges(), sandbox_no_files(), sandbox_syscalls().
 * Raw system calls only, so that a privileged program links nothing for it.
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
 * (bit n = capability n, linux/capability.h) permitted and effective. The inheritable and ambient
 * sets are emptied, the bounding set as far as CAP_SETPCAP is held. The signal of
 * prctl(PR_SET_PDEATHSIG), which the kernel forgets on a change of user, stays set. A process that
 * has the wanted user already, and not root, keeps its groups: a service manager gave both.
 * Errors: 0; -EPERM when @caps are not held or the user cannot be changed; -errno.
 * Source: capabilities(7), prctl(2). */
int sandbox_drop(uid_t uid, gid_t gid, uint64_t caps) _warn_unused_;

/* Stays the user it is and keeps only the capabilities in @caps, as sandbox_drop() does. For root
 * that owns files, and for whom a service manager has emptied the bounding set already.
 * Errors: 0; -EPERM when @caps are not held; -errno. */
int sandbox_keep(uint64_t caps) _warn_unused_;

/* Resolves "name" or "name:group" or numbers to ids; a number alone is also the group. Names are
 * looked up the way the system is set up to (NSS), hence before any other call of this file.
 * Errors: 0; -ENOENT; -EINVAL. */
int sandbox_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid) _warn_unused_;

/* No new privileges (a condition of the two calls below for a process without CAP_SYS_ADMIN), not
 * dumpable, no core. Errors: 0; -errno. */
int sandbox_lock_privileges(void) _warn_unused_;

/* From here on no file can be opened, made, moved, cut or removed, and none run (Landlock: every
 * right that the running kernel knows, no rule). What is open stays usable.
 * Errors: 0; SANDBOX_E_ABSENT; -EPERM without sandbox_lock_privileges(); -errno.
 * Source: Documentation/userspace-api/landlock.rst. */
int sandbox_no_files(void) _warn_unused_;

/* From here on only the system calls in @allowed work (seccomp), and write() and exit_group(); of
 * sockets, where socket() is allowed, only those of IPv4 and IPv6. Any other call prints its number
 * on standard error and ends the process with SANDBOX_EXIT_SYSCALL. Borrows @allowed.
 * Errors: 0; -E2BIG over SANDBOX_SYSCALLS_MAX; -EACCES without sandbox_lock_privileges(); -errno.
 * Source: seccomp(2). */
int sandbox_syscalls(const int *allowed, size_t n_allowed) _warn_unused_;

/* The last three in their order, for a worker that is its final user already. Logs which of them
 * failed. Borrows @allowed.
 * Errors: 0; SANDBOX_E_ABSENT when it is done but for Landlock; -E2BIG; -errno. */
int sandbox_enter(const int *allowed, size_t n_allowed) _warn_unused_;
