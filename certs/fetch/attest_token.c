/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/attest.h"
#include "certs/fetch/fetchfail.h"

/* Names come from the configuration, which has been checked for them. */
static int attest_token_identify(const struct attest *a, struct fetchjob_self *ret,
				 struct fetchjob_result *ret_result)
{
	const struct certconf *conf = a->conf;
	const char *id = conf->instance_id[0] ? conf->instance_id :
						(const char *)a->files->machine_id.bytes;
	struct fetchjob_self self = { 0 };
	int n = snprintf(self.principal, sizeof(self.principal), "%s.%s", conf->domain,
			 conf->service);
	int r;

	if (n < 0 || (size_t)n >= sizeof(self.principal))
		return fetchfail_set(ret_result, PST_NAME_UNKNOWN,
				     "domain and service together are too long");
	snprintf(self.provider, sizeof(self.provider), "%s", conf->provider);
	snprintf(self.instance_id, sizeof(self.instance_id), "%s", id ? id : "");
	r = attest_check_self(&self, ret_result);
	if (r == 0)
		*ret = self;
	return r;
}

static int attest_token_prove(const struct attest *a, const struct fetchjob_self *self,
			      struct attest_proof *ret, struct fetchjob_result *ret_result)
{
	struct attest_proof proof = { .cloud = "" };
	struct fetchjob_self now;
	int r = attest_token_identify(a, &now, ret_result);

	if (r < 0)
		return r;
	if (strcmp(now.instance_id, self->instance_id))
		return fetchfail_set(ret_result, PST_INSTANCE_CHANGED,
				     "this is instance %s, not %s", now.instance_id,
				     self->instance_id);
	proof.evidence = strdup((const char *)a->files->token.bytes);
	if (!proof.evidence)
		return -ENOMEM;
	*ret = proof;
	return 0;
}

const struct attest_ops attest_token = {
	.identify = attest_token_identify,
	.prove = attest_token_prove,
};
