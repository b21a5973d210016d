/* SPDX-License-Identifier: MIT */
/* Which job reads which files, and what is said of one that is missing, odd or too large. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certs/athenz.h"
#include "certs/fetch/fetchfiles.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

static struct fetchjob_start test_fetchfiles_job;
static struct fetchfiles test_fetchfiles;
static struct fetchjob_result test_fetchfiles_result;

static void test_fetchfiles_path(char path[static CONF_VALUE_MAX], const char *name)
{
	snprintf(path, CONF_VALUE_MAX, "%s/%s", tmpdir_get(), name);
}

#define TEST_FETCHFILES_MARK " CERTIFICATE-----"

/* Every file is there, and holds its own name; what must look like certificates does. */
static void test_fetchfiles_setup(void)
{
	static const char *const names[] = { "zts_ca",  "sts_ca",   "ca_pin",     "token",
					     "key.pem", "cert.pem", "ca.cert.pem" };
	struct certconf *conf = &test_fetchfiles_job.conf;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "%s%s", names[i],
				 i < 3 ? TEST_FETCHFILES_MARK : "");

		CU_ASSERT_EQUAL(tmpdir_write(names[i], text, (size_t)n), 0);
	}
	test_fetchfiles_job = (struct fetchjob_start){ .kind = FETCHJOB_REFRESH };
	test_fetchfiles_path(conf->zts_ca, "zts_ca");
	test_fetchfiles_path(conf->sts_ca, "sts_ca");
	test_fetchfiles_path(conf->ca_pin, "ca_pin");
	test_fetchfiles_path(conf->token_file, "token");
	snprintf(conf->instance_id, sizeof(conf->instance_id), "host-7");
	snprintf(test_fetchfiles_job.pair_dir, CONF_VALUE_MAX, "%s", tmpdir_get());
	test_fetchfiles_result = (struct fetchjob_result){ 0 };
}

static void test_fetchfiles_teardown(void)
{
	fetchfiles_release(&test_fetchfiles);
	fetchfiles_release(&test_fetchfiles); /* again is no harm */
}

static int test_fetchfiles_load(void)
{
	fetchfiles_release(&test_fetchfiles);
	test_fetchfiles_result = (struct fetchjob_result){ 0 };
	return fetchfiles_load(&test_fetchfiles_job, &test_fetchfiles, &test_fetchfiles_result);
}

static void test_fetchfiles_expect(unsigned int line, enum pst code, const char *detail)
{
	int r = test_fetchfiles_load();

	CU_ASSERT_EQUAL(r, -EPERM);
	if (test_fetchfiles_result.code != code || !strstr(test_fetchfiles_result.detail, detail))
		tap_fail(__FILE__, line, "%d PST-%04u %s", r,
			 (unsigned int)test_fetchfiles_result.code, test_fetchfiles_result.detail);
	CU_ASSERT_PTR_NULL(test_fetchfiles.key.bytes);
}

static void test_fetchfiles_same(unsigned int line, const struct fetchfiles_text *t,
				 const char *want)
{
	size_t len = want ? strlen(want) : 0;
	const char *rest = t->bytes ? (char *)t->bytes + len : "";

	if (want ? !t->bytes || strncmp((const char *)t->bytes, want, len) != 0 ||
			    (*rest && strcmp(rest, TEST_FETCHFILES_MARK) != 0) :
		   t->bytes != NULL)
		tap_fail(__FILE__, line, "%s instead of %s", t->bytes ? (char *)t->bytes : "none",
			 want ? want : "none");
}

static void test_fetchfiles_by_job(void)
{
	const struct {
		enum fetchjob_kind kind;
		enum certconf_attestation attestation;
		enum certconf_credentials credentials;
		const char *zts, *sts, *pin, *token, *key;
	} rows[] = {
		{ FETCHJOB_IDENTIFY, CERTCONF_AWS, CERTCONF_ASSUME_ROLE, NULL, NULL, NULL, NULL,
		  NULL },
		{ FETCHJOB_REGISTER, CERTCONF_AWS, CERTCONF_ASSUME_ROLE, "zts_ca", "sts_ca",
		  "ca_pin", NULL, NULL },
		{ FETCHJOB_REGISTER, CERTCONF_AWS, CERTCONF_NO_CREDENTIALS, "zts_ca", NULL,
		  "ca_pin", NULL, NULL },
		{ FETCHJOB_REGISTER, CERTCONF_TOKEN, CERTCONF_ASSUME_ROLE, "zts_ca", NULL, "ca_pin",
		  "token", NULL },
		{ FETCHJOB_REFRESH, CERTCONF_AWS, CERTCONF_WEB_IDENTITY, "zts_ca", "sts_ca",
		  "ca_pin", NULL, "key.pem" },
		{ FETCHJOB_REFRESH, CERTCONF_TOKEN, CERTCONF_ASSUME_ROLE, "zts_ca", NULL, "ca_pin",
		  "token", "key.pem" },
		{ FETCHJOB_CHECK, CERTCONF_AWS, CERTCONF_ASSUME_ROLE, NULL, NULL, "ca_pin", NULL,
		  "key.pem" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_fetchfiles_job.kind = rows[i].kind;
		test_fetchfiles_job.conf.attestation = rows[i].attestation;
		test_fetchfiles_job.conf.credentials = rows[i].credentials;
		CU_ASSERT_EQUAL(test_fetchfiles_load(), 0);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.zts_ca, rows[i].zts);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.sts_ca, rows[i].sts);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.ca_pin, rows[i].pin);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.token, rows[i].token);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.key, rows[i].key);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.cert,
				     rows[i].key ? "cert.pem" : NULL);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.ca,
				     rows[i].key ? "ca.cert.pem" : NULL);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.machine_id, NULL);
	}
}

static void test_fetchfiles_missing(void)
{
	static const struct {
		const char *name;
		enum pst code;
		enum certconf_attestation attestation;
	} rows[] = {
		{ "zts_ca", PST_IDENTITY_FILES, CERTCONF_AWS },
		{ "sts_ca", PST_IDENTITY_FILES, CERTCONF_AWS },
		{ "ca_pin", PST_IDENTITY_FILES, CERTCONF_AWS },
		{ "token", PST_TOKEN_FILE, CERTCONF_TOKEN },
		{ "key.pem", PST_PAIR_UNUSABLE, CERTCONF_AWS },
		{ "cert.pem", PST_PAIR_UNUSABLE, CERTCONF_AWS },
		{ "ca.cert.pem", PST_PAIR_UNUSABLE, CERTCONF_AWS },
	};
	char path[PATH_MAX], want[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_fetchfiles_setup();
		test_fetchfiles_job.conf.attestation = rows[i].attestation;
		CU_ASSERT_EQUAL(unlink(tmpdir_path(path, rows[i].name)), 0);
		snprintf(want, sizeof(want), "%s: No such file", rows[i].name);
		test_fetchfiles_expect(__LINE__, rows[i].code, want);
	}
}

/* A file that is no CA, a key for example, is to blame itself. */
static void test_fetchfiles_no_certificate(void)
{
	static const char *const names[] = { "zts_ca", "sts_ca", "ca_pin" };
	static const char *const texts[] = { "", "garbage", "-----BEGIN PRIVATE KEY-----" };
	char want[64];

	for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(texts); i++) {
		const char *name = names[i % ARRAY_SIZE(names)];
		const char *text = texts[i / ARRAY_SIZE(names)];

		test_fetchfiles_setup();
		CU_ASSERT_EQUAL(tmpdir_write(name, text, strlen(text)), 0);
		snprintf(want, sizeof(want), "%s: holds no certificate", name);
		test_fetchfiles_expect(__LINE__, PST_IDENTITY_FILES, want);
	}
}

static void test_fetchfiles_sizes(void)
{
	static const struct {
		const char *name;
		size_t max;
		enum pst code;
		enum certconf_attestation attestation;
	} rows[] = {
		{ "zts_ca", FETCHFILES_CA_MAX, PST_IDENTITY_FILES, CERTCONF_AWS },
		{ "ca_pin", FETCHJOB_CA_MAX, PST_IDENTITY_FILES, CERTCONF_AWS },
		{ "token", ATHENZ_EVIDENCE_MAX, PST_TOKEN_FILE, CERTCONF_TOKEN },
		{ "key.pem", FETCHJOB_KEY_MAX, PST_PAIR_UNUSABLE, CERTCONF_AWS },
		{ "cert.pem", FETCHJOB_CERT_MAX, PST_PAIR_UNUSABLE, CERTCONF_AWS },
		{ "ca.cert.pem", FETCHJOB_CA_MAX, PST_PAIR_UNUSABLE, CERTCONF_AWS },
	};
	static char bytes[FETCHFILES_CA_MAX + 1];

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, &TEST_FETCHFILES_MARK[1], strlen(&TEST_FETCHFILES_MARK[1]));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_fetchfiles_setup();
		test_fetchfiles_job.conf.attestation = rows[i].attestation;
		for (size_t len = rows[i].max - 1; len <= rows[i].max; len++) {
			CU_ASSERT_EQUAL(tmpdir_write(rows[i].name, bytes, len), 0);
			CU_ASSERT_EQUAL(test_fetchfiles_load(), 0);
		}
		CU_ASSERT_EQUAL(tmpdir_write(rows[i].name, bytes, rows[i].max + 1), 0);
		test_fetchfiles_expect(__LINE__, rows[i].code, "more than");
	}
}

static void test_fetchfiles_token_forms(void)
{
	static const struct {
		const char *text, *token;
	} rows[] = {
		{ "abc", "abc" },     { "abc\n", "abc" }, { "abc \t\r\n\n", "abc" },
		{ "a b", NULL },      { "\n", NULL },     { "", NULL },
		{ "a\nb\n", NULL },   { " a", NULL },     { "caf\xc3\xa9", NULL },
		{ "a\033[2J", NULL },
	};

	test_fetchfiles_job.conf.attestation = CERTCONF_TOKEN;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(tmpdir_write("token", rows[i].text, strlen(rows[i].text)), 0);
		if (!rows[i].token) {
			test_fetchfiles_expect(__LINE__, PST_TOKEN_FILE, "token_file");
			continue;
		}
		CU_ASSERT_EQUAL(test_fetchfiles_load(), 0);
		test_fetchfiles_same(__LINE__, &test_fetchfiles.token, rows[i].token);
	}
	CU_ASSERT_EQUAL(tmpdir_write("token", "a\0b", 3), 0);
	test_fetchfiles_expect(__LINE__, PST_TOKEN_FILE, "token_file");
}

static void test_fetchfiles_machine_ids(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "0123456789abcdef0123456789abcdef\n", true },
		{ "0123456789abcdef0123456789abcdef", true },
		{ "0123456789abcdef0123456789abcde\n", false },
		{ "0123456789abcdef0123456789abcdef0\n", false },
		{ "0123456789ABCDEF0123456789abcdef\n", false },
		{ "0123456789abcdef0123456789abcdefg\n", false },
		{ "uninitialized\n", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fetchfiles_text t = { (uint8_t *)strdup(rows[i].text),
					     strlen(rows[i].text) };

		CU_ASSERT_EQUAL(fetchfiles_is_machine_id(&t), rows[i].good);
		free(t.bytes);
	}
}

/* Of this machine, as far as it has one. */
static void test_fetchfiles_this_machine(void)
{
	int r;

	test_fetchfiles_job.kind = FETCHJOB_IDENTIFY;
	test_fetchfiles_job.conf.attestation = CERTCONF_TOKEN;
	test_fetchfiles_job.conf.instance_id[0] = '\0';
	r = test_fetchfiles_load();
	if (r == 0) {
		CU_ASSERT_EQUAL(test_fetchfiles.machine_id.len, 32);
	} else {
		CU_ASSERT_EQUAL(test_fetchfiles_result.code, PST_NAME_UNKNOWN);
		CU_ASSERT_TRUE(strstr(test_fetchfiles_result.detail, FETCHFILES_MACHINE_ID) !=
			       NULL);
	}
}

/* Nothing configured: what the system trusts, if it has it. */
static void test_fetchfiles_system_cas(void)
{
	int r;

	test_fetchfiles_job.conf.sts_ca[0] = '\0';
	r = test_fetchfiles_load();
	if (r == 0) {
		CU_ASSERT_TRUE(strstr((char *)test_fetchfiles.sts_ca.bytes, "BEGIN CERTIFICATE") !=
			       NULL);
	} else {
		CU_ASSERT_EQUAL(test_fetchfiles_result.code, PST_IDENTITY_FILES);
		CU_ASSERT_TRUE(strstr(test_fetchfiles_result.detail, "sts_ca is not set") != NULL);
	}
}

static int test_fetchfiles_memory_run(void *ctx)
{
	return test_fetchfiles_load();
}

static void test_fetchfiles_memory(void)
{
	CU_ASSERT_TRUE(torture(test_fetchfiles_memory_run, NULL) >= 6);
}

static const struct tap_test test_fetchfiles_tests[] = {
	{ "by job", test_fetchfiles_by_job },
	{ "missing", test_fetchfiles_missing },
	{ "no certificate", test_fetchfiles_no_certificate },
	{ "sizes", test_fetchfiles_sizes },
	{ "forms of tokens", test_fetchfiles_token_forms },
	{ "machine ids", test_fetchfiles_machine_ids },
	{ "this machine", test_fetchfiles_this_machine },
	{ "CAs of the system", test_fetchfiles_system_cas },
	{ "out of memory", test_fetchfiles_memory },
	{ 0 },
};

static const struct tap_suite test_fetchfiles_suites[] = {
	{ "fetchfiles", test_fetchfiles_tests, test_fetchfiles_setup, test_fetchfiles_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchfiles_suites);
}
