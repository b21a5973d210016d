/* SPDX-License-Identifier: MIT */
#include "common/printed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool printed_all(const char *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	/* Of a write that failed before the reason is still there: what prints does little else. */
	fprintf(stderr, "%s: cannot print the answer: %s\n", program,
		strerror(errno ? errno : EIO));
	return false;
}
