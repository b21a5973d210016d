/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which boot this is: what was remembered in another one may be of another machine, and its boot
 * time of no meaning. Source: random(4), /proc/sys/kernel/random/boot_id.
 */
#include "common/attr.h"

#define BOOTID_MAX 37 /* bytes of a lower-case UUID as text, with NUL */

/* Reads it. Errors: 0; -EBADMSG when that is too short for one; -errno. */
int bootid_read(char ret[static BOOTID_MAX]) _warn_unused_;
