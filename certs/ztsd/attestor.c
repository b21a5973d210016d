/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/attestor.h"

#include <errno.h>

int attestor_open(struct event_base *base, const struct attestor_spec *spec, struct attestor **ret,
		  char ret_why[static ATTESTOR_WHY_MAX])
{
	return -ENOSYS;
}

void attestor_check(struct attestor *a, const struct attestor_claim *claim, attestor_done_fn *done,
		    void *user)
{
	done(user, ATTESTOR_FAILED, "not built");
}

void attestor_close(struct attestor *a)
{
}
