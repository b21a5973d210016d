/* SPDX-License-Identifier: MIT */
#pragma once

/* One private directory per test program, made on first use and removed with all it holds when the
 * program ends (not when it crashes: the remains are then evidence). */

#include <limits.h>
#include <stddef.h>

/* The directory, an absolute path without a trailing slash, mode 0700. Ends the program with a
 * message when it cannot be made. Lives until the program ends. */
const char *tmpdir_get(void);

/* Writes "DIRECTORY/@name" to @path, ends the program when that does not fit. Returns @path. */
char *tmpdir_path(char path[PATH_MAX], const char *name);

/* Writes @n_bytes of @bytes to a new or truncated file @name in the directory, mode 0600.
 * Returns 0 or -errno. */
int tmpdir_write(const char *name, const void *bytes, size_t n_bytes);
