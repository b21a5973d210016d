/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Interfaces that come and go: a guard cannot be hooked to one that does not exist, and is gone
 * with it.
 */
#include <net/if.h>

#include "common/attr.h"

enum { UPLINKWATCH_E_NONE = 1, UPLINKWATCH_E_OVERRUN = 2 };

/* Subscribes. Gives a non-blocking descriptor for poll(). Errors: 0; -errno. */
int uplinkwatch_open(int *ret) _warn_unused_;

/* Gives the name of the next interface that something happened to.
 * Errors: 0; UPLINKWATCH_E_NONE nothing more now; UPLINKWATCH_E_OVERRUN events are missing. */
int uplinkwatch_next(int fd, char ret_name[static IFNAMSIZ]) _warn_unused_;
