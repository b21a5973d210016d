/* SPDX-License-Identifier: MIT */
#include "certs/certconf.h"

#include <errno.h>

int certconf_load(const char *path, struct certconf *ret, struct conf_error *ret_error)
{
	return -ENOSYS;
}

int certconf_load_text(const char *name, const char *text, struct certconf *ret,
		       struct conf_error *ret_error)
{
	return -ENOSYS;
}

void certconf_print_reference(FILE *to)
{
}
