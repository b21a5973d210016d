/* SPDX-License-Identifier: MIT */
/* The path of a request to the issuer: the input is the request target. What is accepted holds only
 * what a name may hold, and written out again it is the same route. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/ztsroute.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_instance(const struct ztsroute *route)
{
	char target[4 * PRINCIPAL_MAX + 64];
	struct ztsroute again;

	check(*route->provider && *route->domain && *route->service && *route->instance_id);
	check(!strpbrk(route->instance_id, "/,%?\" \t\r\n\\"));
	check(!strpbrk(route->service, "./"));
	snprintf(target, sizeof(target), "/zts/v1/instance/%s/%s/%s/%s", route->provider,
		 route->domain, route->service, route->instance_id);
	check(ztsroute_parse(target, &again) == 0);
	check(!memcmp(&again, route, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *target = malloc(size + 1);
	struct ztsroute route;
	int r;

	if (!target)
		return 0;
	memcpy(target, data, size);
	target[size] = '\0';
	memset(&route, 0, sizeof(route));
	r = ztsroute_parse(target, &route);
	check(r == 0 || r == -EINVAL);
	check(route.kind < ZTSROUTE_N);
	if (r == 0 && route.kind == ZTSROUTE_INSTANCE)
		check_instance(&route);
	free(target);
	return 0;
}
