/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether the answer of a command has arrived. Standard output may be a file on a full disk, and a
 * script that gets half of an answer, or none, must not take that for one.
 */
#include <stdbool.h>

#include "common/attr.h"

/* Writes what standard output still holds. Gives whether all that was ever printed there has been
 * written; if not, says so on standard error, in @program's name. The last call of a command. */
bool printed_all(const char *program) _warn_unused_;
