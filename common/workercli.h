/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The command line of a worker: programs that a daemon of ours starts, with a channel at
 * SPAWN_CHAN_FD, and nobody by hand.
 */
#include <sys/types.h>

#include "common/attr.h"

/* Reads --user, --help and --version, and looks for the channel. @name: of the worker; @parent: of
 * the daemon, whose manual page is named. Gives the user to change to, by default the present one.
 * Gives -1 to go on, else the exit status; what it prints or logs is said by then. */
int workercli_read(int argc, char **argv, const char *name, const char *parent, uid_t *ret_uid,
		   gid_t *ret_gid) _warn_unused_;
