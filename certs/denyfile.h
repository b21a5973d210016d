/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One entry more in the file of a deny-list, as safely as by hand with care: the list is read and
 * checked as a whole before and after, replaced in one step, and several who do this at the same
 * time wait for each other.
 */
#include "certs/denylist.h"
#include "common/attr.h"

enum { DENYFILE_E_THERE = 1 }; /* it is listed already; the file was not touched */

/* Adds the line "@word @value" to the list at @path, which must be there; mode and owner stay. The
 * file that a symbolic link leads to is changed, not the link. Errors: 0; DENYFILE_E_THERE; with
 * @ret_error: -EINVAL when the entry or the list is not understood, -E2BIG when it does not fit any
 * more, -errno of the file, which then is as it was. */
int denyfile_add(const char *path, const char *word, const char *value,
		 char ret_error[static DENYLIST_ERROR_MAX]) _warn_unused_;
