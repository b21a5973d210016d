/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/awsdoc.h"

#include <errno.h>

int awsdoc_open(const char *const *files, size_t n, struct awsdoc_trust **ret,
		char ret_why[static AWSDOC_WHY_MAX])
{
	return -ENOSYS;
}

int awsdoc_verify(const struct awsdoc_trust *t, const char *document, size_t len,
		  const char *signature, const char **ret_why)
{
	return -ENOSYS;
}

void awsdoc_close(struct awsdoc_trust *t)
{
}
