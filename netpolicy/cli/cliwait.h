/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A word on standard error for whoever waits: what takes longer than two seconds says that it is
 * still at work, and for how long. A thread of its own, because what works may block anywhere; it
 * holds no lock that the work could need, and starts nothing.
 */
#include "common/attr.h"

#define CLIWAIT_FIRST_S 2
#define CLIWAIT_NEXT_S 5

struct cliwait;

/* Begins. Keeps @what. Gives NULL when there is no thread to be had: then nothing is said. */
struct cliwait *cliwait_begin(const char *what) _warn_unused_;

/* Ends; NULL is allowed. For _cleanup_(cliwait_endp). */
void cliwait_endp(struct cliwait **w);

/* From here to the end of the block. A declaration. */
#define CLIWAIT(what)                                                                              \
	_cleanup_(cliwait_endp) struct cliwait *cliwait_here                                       \
		__attribute__((unused)) = cliwait_begin(what)
