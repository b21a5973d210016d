/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/zoneconf.h"

#include <errno.h>

int zoneconf_load(const char *path, struct zoneconf *ret, struct conf_error *ret_error)
{
	return -ENOSYS;
}

int zoneconf_load_text(const char *name, const char *text, struct zoneconf *ret,
		       struct conf_error *ret_error)
{
	return -ENOSYS;
}

int zoneconf_claims(const struct zoneconf *z, struct policy *p,
		    char ret_error[static POLICY_ERROR_MAX])
{
	return -ENOSYS;
}

int zoneconf_first_page(const struct zoneconf *z, enum policy_tier tier, const char *uplinks,
			struct buf *to)
{
	return -ENOSYS;
}

void zoneconf_release(struct zoneconf *z)
{
	policy_release_prefixes(&z->config_nets);
}
