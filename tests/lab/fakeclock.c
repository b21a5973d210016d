/* SPDX-License-Identifier: MIT */
/*
 * A wall clock that is wrong: preloaded into one program of the lab (LD_PRELOAD), it moves what
 * that program takes for the time by LAB_CLOCK_SHIFT seconds. Clocks that count from the boot stay.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/attr.h"

static time_t fakeclock_shift(void)
{
	const char *text = getenv("LAB_CLOCK_SHIFT");

	return text ? (time_t)strtol(text, NULL, 10) : 0;
}

_public_ int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ts->tv_sec += fakeclock_shift();
	return r;
}

_public_ time_t time(time_t *ret)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}

_public_ int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = (suseconds_t)(ts.tv_nsec / 1000);
	return 0;
}
