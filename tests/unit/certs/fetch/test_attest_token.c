/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/attest.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static struct certconf test_attest_token_conf;
static struct fetchfiles test_attest_token_files;
static struct fetchjob_result test_attest_token_result;

static struct attest test_attest_token_job(void)
{
	static char token[] = "v1.abc.def", machine[] = "0123456789abcdef0123456789abcdef";

	test_attest_token_conf = (struct certconf){ .attestation = CERTCONF_TOKEN,
						    .domain = "acme.prod",
						    .service = "cfg",
						    .provider = "sys.lab" };
	test_attest_token_files =
		(struct fetchfiles){ .token = { (uint8_t *)token, strlen(token) },
				     .machine_id = { (uint8_t *)machine, strlen(machine) } };
	test_attest_token_result = (struct fetchjob_result){ 0 };
	return (struct attest){ .conf = &test_attest_token_conf,
				.files = &test_attest_token_files };
}

static void test_attest_token_identifies(void)
{
	const struct attest a = test_attest_token_job();
	struct fetchjob_self self = { 0 };

	CU_ASSERT_EQUAL(attest_token.identify(&a, &self, &test_attest_token_result), 0);
	CU_ASSERT_STRING_EQUAL(self.principal, "acme.prod.cfg");
	CU_ASSERT_STRING_EQUAL(self.provider, "sys.lab");
	CU_ASSERT_STRING_EQUAL(self.instance_id, "0123456789abcdef0123456789abcdef");
	CU_ASSERT_STRING_EQUAL(self.region, "");
	snprintf(test_attest_token_conf.instance_id, sizeof(test_attest_token_conf.instance_id),
		 "host-7");
	CU_ASSERT_EQUAL(attest_token.identify(&a, &self, &test_attest_token_result), 0);
	CU_ASSERT_STRING_EQUAL(self.instance_id, "host-7");
}

static void test_attest_token_bad_names(void)
{
	const struct attest a = test_attest_token_job();
	struct fetchjob_self self = { .principal = "untouched" };

	test_attest_token_conf.provider[0] = '\0';
	CU_ASSERT_EQUAL(attest_token.identify(&a, &self, &test_attest_token_result), -EPERM);
	CU_ASSERT_EQUAL(test_attest_token_result.code, PST_NAME_UNKNOWN);
	memset(test_attest_token_conf.domain, 'a', sizeof(test_attest_token_conf.domain) - 1);
	CU_ASSERT_EQUAL(attest_token.identify(&a, &self, &test_attest_token_result), -EPERM);
	CU_ASSERT_TRUE(strstr(test_attest_token_result.detail, "too long") != NULL);
	CU_ASSERT_STRING_EQUAL(self.principal, "untouched");
}

static void test_attest_token_proves(void)
{
	const struct attest a = test_attest_token_job();
	struct attest_proof proof = { 0 };
	struct fetchjob_self self;

	CU_ASSERT_EQUAL(attest_token.identify(&a, &self, &test_attest_token_result), 0);
	CU_ASSERT_EQUAL(attest_token.prove(&a, &self, &proof, &test_attest_token_result), 0);
	CU_ASSERT_STRING_EQUAL(proof.evidence, "v1.abc.def");
	CU_ASSERT_STRING_EQUAL(proof.private_ip, "");
	CU_ASSERT_STRING_EQUAL(proof.cloud, "");
	attest_release(&proof);
	CU_ASSERT_PTR_NULL(proof.evidence);
	attest_release(&proof); /* again is no harm */
}

static void test_attest_token_other_instance(void)
{
	const struct attest a = test_attest_token_job();
	const struct fetchjob_self self = { .instance_id = "host-8" };
	struct attest_proof proof = { 0 };

	CU_ASSERT_EQUAL(attest_token.prove(&a, &self, &proof, &test_attest_token_result), -EPERM);
	CU_ASSERT_EQUAL(test_attest_token_result.code, PST_INSTANCE_CHANGED);
	CU_ASSERT_TRUE(strstr(test_attest_token_result.detail, "not host-8") != NULL);
	CU_ASSERT_PTR_NULL(proof.evidence);
}

static int test_attest_token_memory_run(void *ctx)
{
	const struct attest a = test_attest_token_job();
	const struct fetchjob_self self = { .instance_id = "0123456789abcdef0123456789abcdef" };
	_cleanup_(attest_release) struct attest_proof proof = { 0 };

	return attest_token.prove(&a, &self, &proof, &test_attest_token_result);
}

static void test_attest_token_memory(void)
{
	CU_ASSERT_EQUAL(torture(test_attest_token_memory_run, NULL), 1);
}

static const struct tap_test test_attest_token_tests[] = {
	{ "identifies", test_attest_token_identifies },
	{ "bad names", test_attest_token_bad_names },
	{ "proves", test_attest_token_proves },
	{ "another instance", test_attest_token_other_instance },
	{ "out of memory", test_attest_token_memory },
	{ 0 },
};

static const struct tap_suite test_attest_token_suites[] = {
	{ "attest_token", test_attest_token_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_attest_token_suites);
}
