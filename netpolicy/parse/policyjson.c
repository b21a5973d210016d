/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyjson.h"

#include <errno.h>

int policyjson_write(const struct policy *p, struct buf *to)
{
	return -ENOSYS;
}

int policyjson_read(const void *bytes, size_t len, policyfile_resolver *resolve,
		    struct policy **ret, struct policyfile_error *ret_error)
{
	return -ENOSYS;
}

int policyjson_digest(const struct policy *p, char ret[static 65])
{
	return -ENOSYS;
}
