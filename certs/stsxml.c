/* SPDX-License-Identifier: MIT */
#include "certs/stsxml.h"

#include <errno.h>

int stsxml_find(const char *bytes, size_t len, const char *path, char *ret, size_t cap)
{
	return -ENOSYS;
}
