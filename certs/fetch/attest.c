/* SPDX-License-Identifier: MIT */
#include "certs/fetch/attest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetch/fetchfail.h"
#include "certs/principal.h"
#include "common/secret.h"

void attest_release(struct attest_proof *p)
{
	if (p->evidence)
		secret_wipe_bytes(p->evidence, strlen(p->evidence));
	free(p->evidence);
	*p = (struct attest_proof){ 0 };
}

/* The id is tried in the very form in which it will stand in the certificate. */
static int attest_check_instance(struct fetchjob_self *self, struct fetchjob_result *ret_result)
{
	char uri[PRINCIPAL_PROVIDER_MAX + PRINCIPAL_INSTANCE_MAX + 32];
	struct principal_instance at;
	int n = snprintf(uri, sizeof(uri), "athenz://instanceid/%s/%s", self->provider,
			 self->instance_id);

	if (n < 0 || principal_parse_instance(uri, (size_t)n, &at) != 0)
		return fetchfail_set(
			ret_result, PST_NAME_UNKNOWN,
			"instance id '%s' of provider '%s' cannot stand in a certificate",
			self->instance_id, self->provider);
	snprintf(self->provider, sizeof(self->provider), "%s", at.provider);
	return 0;
}

int attest_check_self(struct fetchjob_self *self, struct fetchjob_result *ret_result)
{
	struct principal name;

	if (principal_parse(self->principal, strlen(self->principal), &name) != 0)
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "'%s' is not the name of a service", self->principal);
	snprintf(self->principal, sizeof(self->principal), "%s", name.name);
	return attest_check_instance(self, ret_result);
}
