/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyfile.h"

#include <errno.h>

int policyfile_system_user(const char *name, uint32_t *ret)
{
	return -ENOSYS;
}

int policyfile_load(const char *path, policyfile_resolver *resolve, struct policy **ret,
		    struct policyfile_error *ret_error)
{
	return -ENOSYS;
}

int policyfile_load_text(const char *name, const char *text, policyfile_resolver *resolve,
			 struct policy **ret, struct policyfile_error *ret_error)
{
	return -ENOSYS;
}
