/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Compiler attributes and the ownership idiom of the tree: a variable declared with _cleanup_(fn)
 * is released on every return unless it was handed over with steal_ptr() or steal_fd().
 */
#include <stddef.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _warn_unused_ __attribute__((warn_unused_result))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _public_ __attribute__((visibility("default")))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Hands the pointer in @p over to the caller and leaves NULL behind. */
#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) *_where = &(p);                                                      \
		__typeof__(p) _what = *_where;                                                     \
		*_where = NULL;                                                                    \
		_what;                                                                             \
	})

/* Hands the descriptor in *@fd over to the caller and leaves -1 behind. */
static inline int steal_fd(int *fd)
{
	int what = *fd;

	*fd = -1;
	return what;
}

/* Closes *@fd if it is open. For _cleanup_(closep). */
static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
