/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/certd/certmemo.h"
#include "tests/support/capture.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static const struct fetchjob_self test_certmemo_self = { .principal = "acme.host",
							 .provider = "athenz.test",
							 .instance_id = "i-1" };
static struct certconf test_certmemo_conf;
static struct certmemo test_certmemo_it;

/* A file that is not there is nothing to talk about. */
static void test_certmemo_open(void)
{
	capture_begin();
	CU_ASSERT_EQUAL(certmemo_open(&test_certmemo_it, tmpdir_get(), &test_certmemo_conf), 0);
	CU_ASSERT_STRING_EQUAL(capture_end(), "");
	CU_ASSERT_EQUAL(strlen(test_certmemo_it.boot_id), BOOTID_MAX - 1);
}

static void test_certmemo_setup(void)
{
	char path[PATH_MAX];

	unlink(tmpdir_path(path, CERTSTATE_NAME));
	test_certmemo_conf = (struct certconf){ .domain = "acme", .service = "host", .n_imds = 1 };
	test_certmemo_open();
}

static void test_certmemo_remembers(void)
{
	CU_ASSERT_FALSE(certmemo_knows_self(&test_certmemo_it));
	certmemo_identify(&test_certmemo_it, &test_certmemo_self);
	CU_ASSERT_TRUE(certmemo_knows_self(&test_certmemo_it));
	test_certmemo_it.state.hold_wall = 42;
	certmemo_save(&test_certmemo_it);
	test_certmemo_open();
	CU_ASSERT_TRUE(certmemo_knows_self(&test_certmemo_it));
	CU_ASSERT_STRING_EQUAL(test_certmemo_it.state.self.principal, "acme.host");
	CU_ASSERT_STRING_EQUAL(test_certmemo_it.state.self.instance_id, "i-1");
	CU_ASSERT_EQUAL(test_certmemo_it.state.hold_wall, 42);
}

/* In another boot the disk may be in another machine; what the issuer said counts all the same. */
static void test_certmemo_another_boot(void)
{
	certmemo_identify(&test_certmemo_it, &test_certmemo_self);
	test_certmemo_it.state.boot_id[0] ^= 1;
	test_certmemo_it.state.hold_wall = 42;
	certmemo_save(&test_certmemo_it);
	test_certmemo_open();
	CU_ASSERT_FALSE(certmemo_knows_self(&test_certmemo_it));
	CU_ASSERT_EQUAL(test_certmemo_it.state.hold_wall, 42);
}

static void test_certmemo_expect(bool knows, const char *about)
{
	test_certmemo_open();
	if (certmemo_knows_self(&test_certmemo_it) != knows)
		tap_fail(__FILE__, __LINE__, "%s", about);
}

/* Each setting that decides who the host is, and one that does not. */
static void test_certmemo_another_configuration(void)
{
	struct certconf *const c = &test_certmemo_conf;
	const struct certconf before = *c;
	char *const texts[] = { c->domain,          c->service,     c->provider,
				c->provider_prefix, c->instance_id, c->imds[0] };

	certmemo_identify(&test_certmemo_it, &test_certmemo_self);
	certmemo_save(&test_certmemo_it);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		snprintf(texts[i], 8, "other");
		test_certmemo_expect(false, "a text");
		*c = before;
	}
	snprintf(c->domain, sizeof(c->domain), "acm");
	snprintf(c->service, sizeof(c->service), "ehost");
	test_certmemo_expect(false, "the same letters");
	*c = before;
	c->attestation = CERTCONF_TOKEN;
	test_certmemo_expect(false, "attestation");
	*c = before;
	c->retry_min_s = 7;
	test_certmemo_expect(true, "what does not matter");
	CU_ASSERT_STRING_EQUAL(test_certmemo_it.state.self.principal, "acme.host");
}

static void test_certmemo_damaged(void)
{
	certmemo_identify(&test_certmemo_it, &test_certmemo_self);
	certmemo_save(&test_certmemo_it);
	CU_ASSERT_EQUAL(tmpdir_write(CERTSTATE_NAME, "nonsense", 8), 0);
	capture_begin();
	CU_ASSERT_EQUAL(certmemo_open(&test_certmemo_it, tmpdir_get(), &test_certmemo_conf), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture_end(), "identifying afresh"));
	CU_ASSERT_FALSE(certmemo_knows_self(&test_certmemo_it));
	CU_ASSERT_STRING_EQUAL(test_certmemo_it.state.self.principal, "");
}

static void test_certmemo_expect_told(bool told)
{
	const char *log;

	capture_begin();
	certmemo_save(&test_certmemo_it);
	log = capture_end();
	CU_ASSERT_EQUAL(strstr(log, "going on without it") != NULL, told);
	CU_ASSERT_EQUAL(log[0] != '\0', told);
}

/* What cannot be written is told once, and again after it could. */
static void test_certmemo_cannot_save(void)
{
	char path[PATH_MAX];

	tmpdir_path(path, CERTSTATE_NAME);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
		test_certmemo_expect_told(true);
		test_certmemo_expect_told(false);
		CU_ASSERT_EQUAL(rmdir(path), 0);
		test_certmemo_expect_told(false);
		test_certmemo_expect_told(false);
		CU_ASSERT_EQUAL(unlink(path), 0);
	}
}

static const struct tap_test test_certmemo_tests[] = {
	{ "remembers", test_certmemo_remembers },
	{ "another boot", test_certmemo_another_boot },
	{ "another configuration", test_certmemo_another_configuration },
	{ "a damaged file", test_certmemo_damaged },
	{ "a disk that cannot be written to", test_certmemo_cannot_save },
	{ 0 },
};

static const struct tap_suite test_certmemo_suites[] = {
	{ "certmemo", test_certmemo_tests, test_certmemo_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certmemo_suites);
}
