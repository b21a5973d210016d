/* SPDX-License-Identifier: MIT */
#include "certs/fetch/fetchfail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int fetchfail_set(struct fetchjob_result *ret, enum pst code, const char *fmt, ...)
{
	char text[FETCHJOB_DETAIL_MAX] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (char *p = text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	ret->code = code;
	snprintf(ret->detail, sizeof(ret->detail), "%s", text);
	return -EPERM;
}
