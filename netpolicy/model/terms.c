/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/terms.h"

#include <errno.h>
#include <stdlib.h>

int terms_make(const struct policy *p, struct terms *ret)
{
	*ret = (struct terms){ .policy = p };
	return -ENOSYS;
}

struct terms_answer terms_decide(const struct terms *t, const struct terms_packet *packet)
{
	return (struct terms_answer){ .verdict = TERMS_DROP };
}

bool terms_fits(const struct policy *p, const struct terms_match *match,
		const struct terms_packet *packet)
{
	return false;
}

const char *terms_verdict_name(enum terms_verdict v)
{
	static const char *const names[] = { "accept", "drop", "reject" };

	return v < ARRAY_SIZE(names) ? names[v] : "?";
}

void terms_release(struct terms *t)
{
	free(t->in.list);
	free(t->out.list);
	free(t->guard.list);
	*t = (struct terms){ 0 };
}
