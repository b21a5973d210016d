/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/drift.h"

#include <errno.h>

int drift_open(struct drift_watch *ret)
{
	return -ENOSYS;
}

int drift_next(struct drift_watch *w, struct drift_commit *ret)
{
	return -ENOSYS;
}

int drift_feed(struct drift_watch *w, const void *bytes, size_t len, struct drift_commit *ret,
	       size_t *ret_n)
{
	return -ENOSYS;
}

void drift_close(struct drift_watch *w)
{
}
