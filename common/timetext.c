/* SPDX-License-Identifier: MIT */
#include "common/timetext.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *timetext_span(uint64_t seconds, char ret[static TIMETEXT_MAX])
{
	if (seconds < 120)
		snprintf(ret, TIMETEXT_MAX, "%" PRIu64 " s", seconds);
	else if (seconds < 7200)
		snprintf(ret, TIMETEXT_MAX, "%" PRIu64 " min", seconds / 60);
	else if (seconds < 172800)
		snprintf(ret, TIMETEXT_MAX, "%" PRIu64 " h", seconds / 3600);
	else
		snprintf(ret, TIMETEXT_MAX, "%" PRIu64 " d", seconds / 86400);
	return ret;
}

const char *timetext_stamp(uint64_t wall, char ret[static TIMETEXT_MAX])
{
	time_t t = (time_t)wall;
	struct tm tm;

	if (!wall || !gmtime_r(&t, &tm) || !strftime(ret, TIMETEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(ret, TIMETEXT_MAX, "-");
	return ret;
}
