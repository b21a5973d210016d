/* SPDX-License-Identifier: MIT */
#pragma once

/* Runs an operation again and again with the first, second, third … allocation failing, until it
 * gets through: out of memory at every site, with the sanitizers watching for what is leaked.
 *
 * Works through the linker (--wrap), so it sees the calls made by our own objects: malloc, calloc,
 * realloc, reallocarray, strdup, strndup, asprintf, vasprintf. It does not see what a shared
 * library allocates for itself; most can be given ours: json_set_alloc_funcs(malloc, free).
 * For one thread. Everything in tests/unit is linked so; nothing else is. */

#include <stdbool.h>
#include <stddef.h>

enum {
	TORTURE_SITES_MAX = 10000, /* runs; an operation with more sites is reported as a failure */
};

/* Calls @run with allocation 0, 1, 2 … failing, until it is called without any allocation having
 * failed. @run makes, uses and frees all it needs, returns 0 or a negative errno, and asserts
 * nothing fatal. Fails the running test when @run returns other than a negative errno although an
 * allocation failed, or other than 0 when none did. Borrows @ctx.
 * Returns the number of sites that were made to fail. */
size_t torture(int (*run)(void *ctx), void *ctx);

/* Makes allocation number @site (counted from 0, from now on) fail once. For tests that need a
 * single site; ends with torture_disarm(). */
void torture_arm(size_t site);

/* Ends what torture_arm() began. Returns whether the site was reached. */
bool torture_disarm(void);
