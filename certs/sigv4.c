/* SPDX-License-Identifier: MIT */
#include "certs/sigv4.h"

#include <errno.h>

int sigv4_sign(const struct sigv4_request *rq, const struct sigv4_keys *keys, uint64_t now_wall,
	       struct sigv4_signed *ret)
{
	return -ENOSYS;
}
