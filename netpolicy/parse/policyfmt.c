/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyfmt.h"

#include <errno.h>

int policyfmt_text(const char *name, const char *text, struct buf *to,
		   struct policyfile_error *ret_error)
{
	return -ENOSYS;
}

int policyfmt_policy(const struct policy *p, struct buf *to)
{
	return -ENOSYS;
}
