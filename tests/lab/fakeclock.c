/* SPDX-License-Identifier: MIT */
/*
 * Another wall clock than the kernel's, preloaded into one program of the lab (LD_PRELOAD): with
 * LAB_CLOCK_SHIFT it is that many seconds ahead; with LAB_CLOCK_AT_BOOT, the time in seconds since
 * 1970 at which the kernel booted, it is right whatever the kernel's is set to meanwhile. Clocks
 * that count from the boot stay.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/attr.h"

static time_t fakeclock_setting(const char *name)
{
	const char *text = getenv(name);

	return text ? (time_t)strtol(text, NULL, 10) : 0;
}

_public_ int clock_gettime(clockid_t clock, struct timespec *ts)
{
	bool is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
	time_t at_boot = is_wall ? fakeclock_setting("LAB_CLOCK_AT_BOOT") : 0;
	int r = (int)syscall(SYS_clock_gettime, at_boot ? CLOCK_BOOTTIME : clock, ts);

	if (r == 0 && is_wall)
		ts->tv_sec += at_boot + fakeclock_setting("LAB_CLOCK_SHIFT");
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
