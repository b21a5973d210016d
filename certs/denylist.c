/* SPDX-License-Identifier: MIT */
#include "certs/denylist.h"

#include <errno.h>

int denylist_parse(const char *name, const char *text, size_t len, struct denylist **ret,
		   char ret_error[static DENYLIST_ERROR_MAX])
{
	return -ENOSYS;
}

int denylist_load(const char *path, struct denylist **ret,
		  char ret_error[static DENYLIST_ERROR_MAX])
{
	return -ENOSYS;
}

bool denylist_has(const struct denylist *d, const char *principal, const char *instance_id,
		  const char *serial)
{
	return true;
}

size_t denylist_size(const struct denylist *d)
{
	return 0;
}

void denylist_free(struct denylist *d)
{
}

void denylist_freep(struct denylist **p)
{
}
