/* SPDX-License-Identifier: MIT */
/* From what the metadata service says to names and evidence. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "certs/fetch/attest.h"
#include "certs/fetch/httpcall.h"
#include "certs/fetch/sts.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/residue.h"
#include "tests/unit/certs/fetch/standca.h"
#include "tests/unit/certs/fetch/stubaws.h"
#include "tests/unit/certs/fetch/webstub.h"

static struct standca test_attest_aws_ca;
static struct standca_pair test_attest_aws_sts_pair;
static struct certconf test_attest_aws_conf;
static struct fetchfiles test_attest_aws_files;
static struct fetchname test_attest_aws_sts;
static struct fetchjob_result test_attest_aws_result;
static struct attest_proof test_attest_aws_proof;

static void test_attest_aws_setup(void)
{
	test_attest_aws_conf = (struct certconf){
		.attestation = CERTCONF_AWS,
		.credentials = CERTCONF_ASSUME_ROLE,
		.provider_prefix = "athenz.aws",
		.sts_url = "https://sts.{region}.example",
		.zts_url = "https://zts.example",
		.document_signature = "pkcs7",
		.signing_algorithm = "RS256",
		.token_duration_s = 60,
		.timeout_ms = 60000,
	};
	test_attest_aws_files = (struct fetchfiles){ .sts_ca = { (uint8_t *)test_attest_aws_ca.pem,
								 strlen(test_attest_aws_ca.pem) } };
	test_attest_aws_result = (struct fetchjob_result){ 0 };
}

static void test_attest_aws_teardown(void)
{
	attest_release(&test_attest_aws_proof);
}

static void test_attest_aws_start(struct stubaws *aws, struct webstub *ret)
{
	const struct webstub_spec spec = { .answer = stubaws_answer, .user = aws };

	webstub_start(&spec, ret);
	snprintf(test_attest_aws_conf.imds[0], sizeof(test_attest_aws_conf.imds[0]),
		 "http://[::1]:%d", ret->port);
	test_attest_aws_conf.n_imds = 1;
}

static void test_attest_aws_start_sts(struct stubsts *sts, struct webstub *ret)
{
	const struct webstub_spec spec = { .answer = stubaws_answer_sts,
					   .user = sts,
					   .cert = test_attest_aws_sts_pair.cert,
					   .key = test_attest_aws_sts_pair.key };

	webstub_start(&spec, ret);
	snprintf(test_attest_aws_sts.connect_to, sizeof(test_attest_aws_sts.connect_to),
		 "::[::1]:%d", ret->port);
}

static struct attest test_attest_aws_job(void)
{
	return (struct attest){ .conf = &test_attest_aws_conf,
				.files = &test_attest_aws_files,
				.sts = &test_attest_aws_sts,
				.deadline_ns = clk_now_ns() + 60 * CLK_NS_PER_S };
}

static int test_attest_aws_identify(struct stubaws *aws, struct fetchjob_self *ret)
{
	struct webstub server;
	struct attest a;
	int r;

	*ret = (struct fetchjob_self){ 0 };
	test_attest_aws_result = (struct fetchjob_result){ 0 };
	test_attest_aws_start(aws, &server);
	a = test_attest_aws_job();
	r = attest_aws.identify(&a, ret, &test_attest_aws_result);
	webstub_stop(&server);
	return r;
}

static void test_attest_aws_expect(unsigned int line, int r, enum pst code, const char *detail)
{
	CU_ASSERT_EQUAL(r, -EPERM);
	if (test_attest_aws_result.code != code || !strstr(test_attest_aws_result.detail, detail))
		tap_fail(__FILE__, line, "%d PST-%04u %s", r,
			 (unsigned int)test_attest_aws_result.code, test_attest_aws_result.detail);
}

static void test_attest_aws_names(void)
{
	static const struct {
		const char *profile, *principal;
	} rows[] = {
		{ "acme.prod.tenant-host-service", "acme.prod.tenant-host" },
		{ "path/to/acme.prod.tenant-host-service", "acme.prod.tenant-host" },
		{ "acme.prod.tenant-host-service@blue", "acme.prod.tenant-host" },
		{ "Acme.host-service", "acme.host" },
		{ "acme.a-service-service", "acme.a-service" },
		{ "acme.prod.tenant-host", NULL },
		{ "acme.prod.tenant-host-service-x", NULL },
		{ "acme@x.host-service", NULL },
		{ "host-service", NULL },
		{ "-service", NULL },
		{ "acme.-service", NULL },
	};
	struct fetchjob_self self;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubaws aws = { .profile = rows[i].profile, .role = "another" };
		int r = test_attest_aws_identify(&aws, &self);

		if (!rows[i].principal) {
			test_attest_aws_expect(__LINE__, r, PST_NAME_UNKNOWN, "");
			continue;
		}
		CU_ASSERT_EQUAL(r, 0);
		CU_ASSERT_STRING_EQUAL(self.principal, rows[i].principal);
		CU_ASSERT_STRING_EQUAL(self.provider, "athenz.aws.us-east-1");
		CU_ASSERT_STRING_EQUAL(self.instance_id, STUBAWS_INSTANCE);
		CU_ASSERT_STRING_EQUAL(self.region, "us-east-1");
		CU_ASSERT_STRING_EQUAL(self.account, "123456789012");
	}
}

/* Where the profile says nothing, its role may; but an answer that is none is told as such. */
static void test_attest_aws_role_names(void)
{
	static const struct {
		const char *profile, *role, *principal;
		enum pst code;
		const char *detail;
	} rows[] = {
		{ "web", "acme.prod.tenant-host-service", "acme.prod.tenant-host", PST_NONE, "" },
		{ "web", "acme.host-service@blue\n", "acme.host", PST_NONE, "" },
		{ "acme.host-service", "acme.other-service", "acme.host", PST_NONE, "" },
		{ "web", "host-service", NULL, PST_NAME_UNKNOWN,
		  "instance-profile/web nor its role host-service is named" },
		{ "web", "acme.host", NULL, PST_NAME_UNKNOWN,
		  "instance-profile/web nor its role acme.host is named" },
		{ "web", "a b", NULL, PST_IMDS_ANSWER, "security-credentials" },
	};
	struct fetchjob_self self;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubaws aws = { .profile = rows[i].profile, .role = rows[i].role };
		int r = test_attest_aws_identify(&aws, &self);

		if (rows[i].code) {
			test_attest_aws_expect(__LINE__, r, rows[i].code, rows[i].detail);
			continue;
		}
		CU_ASSERT_EQUAL(r, 0);
		CU_ASSERT_STRING_EQUAL(self.principal, rows[i].principal);
	}
}

/* The domain in a tag, for a profile that names a service only. */
static void test_attest_aws_tag(void)
{
	static const struct {
		const char *profile, *domain, *principal, *detail;
	} rows[] = {
		{ "tenant-host-service", "acme.prod", "acme.prod.tenant-host", NULL },
		{ "tenant-host-service@blue", "acme", "acme.tenant-host", NULL },
		/* A whole name needs no tag. */
		{ "acme.host-service", "other", "acme.host", NULL },
		{ "tenant-host-service", NULL, NULL, "no tag athenz-domain" },
		{ "tenant-host-service", "", NULL, "'.tenant-host' is not the name" },
		{ "tenant-host-service", "acme\n", NULL, "is not the name of a service" },
		{ "tenant-host-service", "a/b", NULL, "is not the name of a service" },
	};
	struct fetchjob_self self;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubaws aws = { .profile = rows[i].profile,
				       .domain = rows[i].domain,
				       .role = "web" };
		int r = test_attest_aws_identify(&aws, &self);

		if (!rows[i].principal) {
			test_attest_aws_expect(__LINE__, r, PST_NAME_UNKNOWN, rows[i].detail);
			continue;
		}
		CU_ASSERT_EQUAL(r, 0);
		CU_ASSERT_STRING_EQUAL(self.principal, rows[i].principal);
	}
}

/* Domain and service fit at -1 and 0; the tag alone is too long before that is asked. */
static void test_attest_aws_tag_size(void)
{
	static char domain[PRINCIPAL_MAX + 2];
	struct fetchjob_self self;

	for (size_t len = PRINCIPAL_MAX - 7; len <= PRINCIPAL_MAX + 1; len++) {
		struct stubaws aws = { .profile = "host-service", .domain = domain, .role = "web" };
		int r;

		memset(domain, 'a', len);
		r = test_attest_aws_identify(&aws, &self);
		if (len + strlen(".host") < PRINCIPAL_MAX) {
			CU_ASSERT_EQUAL(r, 0);
			continue;
		}
		if (len <= PRINCIPAL_MAX)
			test_attest_aws_expect(__LINE__, r, PST_NAME_UNKNOWN, "too long");
		else
			test_attest_aws_expect(__LINE__, r, PST_IMDS_ANSWER, "larger");
	}
}

static void test_attest_aws_configured(void)
{
	struct stubaws aws = { .profile = "" };
	struct fetchjob_self self;

	test_attest_aws_expect(__LINE__, test_attest_aws_identify(&aws, &self), PST_NAME_UNKNOWN,
			       "no instance profile");
	snprintf(test_attest_aws_conf.domain, sizeof(test_attest_aws_conf.domain), "acme");
	snprintf(test_attest_aws_conf.service, sizeof(test_attest_aws_conf.service), "host");
	snprintf(test_attest_aws_conf.provider, sizeof(test_attest_aws_conf.provider), "our.own");
	CU_ASSERT_EQUAL(test_attest_aws_identify(&aws, &self), 0);
	CU_ASSERT_STRING_EQUAL(self.principal, "acme.host");
	CU_ASSERT_STRING_EQUAL(self.provider, "our.own");
	memset(test_attest_aws_conf.domain, 'a', sizeof(test_attest_aws_conf.domain) - 1);
	test_attest_aws_expect(__LINE__, test_attest_aws_identify(&aws, &self), PST_NAME_UNKNOWN,
			       "too long");
	test_attest_aws_conf.provider[0] = '\0';
	memset(test_attest_aws_conf.provider_prefix, 'a', PRINCIPAL_PROVIDER_MAX - 1);
	test_attest_aws_expect(__LINE__, test_attest_aws_identify(&aws, &self), PST_NAME_UNKNOWN,
			       "too long");
}

static void test_attest_aws_bad_document(void)
{
	static const char *const bad[] = {
		"",
		"<html>",
		"{}",
		"{\"accountId\":\"1\",\"instanceId\":\"i-1\",\"region\":\"US\\n\","
		"\"pendingTime\":\"2026-11-21T10:00:00Z\"}",
		"{\"accountId\":\"a/b\",\"instanceId\":\"i-1\",\"region\":\"us\","
		"\"pendingTime\":\"2026-11-21T10:00:00Z\"}",
	};
	struct fetchjob_self self;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct stubaws aws = { .document = bad[i] };

		test_attest_aws_expect(__LINE__, test_attest_aws_identify(&aws, &self),
				       PST_IMDS_ANSWER, "document: not understood");
	}
}

/* The document's size is limited at -1, 0, +1; blanks behind JSON are no harm. */
static void test_attest_aws_document_size(void)
{
	struct fetchjob_self self;

	for (int over = -1; over <= 1; over++) {
		static char text[ATHENZ_DOCUMENT_MAX + 2];
		struct stubaws aws = { .document = text };

		snprintf(text, sizeof(text), "%s%*s", STUBAWS_DOCUMENT,
			 (int)(ATHENZ_DOCUMENT_MAX - strlen(STUBAWS_DOCUMENT)) + over, "");
		if (over <= 0)
			CU_ASSERT_EQUAL(test_attest_aws_identify(&aws, &self), 0);
		if (over > 0)
			test_attest_aws_expect(__LINE__, test_attest_aws_identify(&aws, &self),
					       PST_IMDS_ANSWER, "larger");
	}
}

static struct fetchjob_self test_attest_aws_self(void)
{
	return (struct fetchjob_self){ .principal = "acme.prod.tenant-host",
				       .provider = "athenz.aws.us-east-1",
				       .instance_id = STUBAWS_INSTANCE,
				       .region = "us-east-1",
				       .account = "123456789012" };
}

/* Proves with an STS beside; @ret_sts_requests may be NULL. */
static int test_attest_aws_prove(struct stubaws *aws, struct stubsts *sts, int *ret_sts_requests)
{
	const struct fetchjob_self self = test_attest_aws_self();
	struct webstub imds_server, sts_server;
	struct attest a;
	int r;

	attest_release(&test_attest_aws_proof);
	test_attest_aws_result = (struct fetchjob_result){ 0 };
	test_attest_aws_start(aws, &imds_server);
	test_attest_aws_start_sts(sts, &sts_server);
	a = test_attest_aws_job();
	r = attest_aws.prove(&a, &self, &test_attest_aws_proof, &test_attest_aws_result);
	if (ret_sts_requests)
		*ret_sts_requests = sts_server.log->n_requests;
	webstub_stop(&imds_server);
	webstub_stop(&sts_server);
	return r;
}

/* The signature that is configured, and no other. */
static void test_attest_aws_picks_signature(void)
{
	static const char other[] = "MIAGCSqGSIb3DQEHAqCB\n";
	_cleanup_(athenz_evidence_release) struct athenz_evidence e = { 0 };
	struct stubaws aws = { .rsa2048 = other };
	struct stubsts sts = { 0 };
	const char *text;

	snprintf(test_attest_aws_conf.document_signature,
		 sizeof(test_attest_aws_conf.document_signature), "rsa2048");
	CU_ASSERT_EQUAL(test_attest_aws_prove(&aws, &sts, NULL), 0);
	text = test_attest_aws_proof.evidence;
	CU_ASSERT_TRUE(text && athenz_decode_evidence(text, strlen(text), &e) == 0);
	CU_ASSERT_TRUE(e.signature && !strcmp(e.signature, other));
	aws.rsa2048 = NULL;
	test_attest_aws_expect(__LINE__, test_attest_aws_prove(&aws, &sts, NULL), PST_IMDS_REFUSED,
			       "rsa2048: status 404");
}

static void test_attest_aws_check_evidence(const struct athenz_evidence *want)
{
	_cleanup_(athenz_evidence_release) struct athenz_evidence e = { 0 };
	const char *text = test_attest_aws_proof.evidence;

	CU_ASSERT_EQUAL(athenz_decode_evidence(text, strlen(text), &e), 0);
	CU_ASSERT_STRING_EQUAL(e.role, want->role);
	CU_ASSERT_TRUE(e.document && !strcmp(e.document, STUBAWS_DOCUMENT));
	CU_ASSERT_TRUE(e.signature && !strcmp(e.signature, STUBAWS_SIGNATURE));
	CU_ASSERT_TRUE(want->access ? e.access && !strcmp(e.access, want->access) : !e.access);
	CU_ASSERT_TRUE(want->secret ? e.secret && !strcmp(e.secret, want->secret) : !e.secret);
	CU_ASSERT_TRUE(want->token ? e.token && !strcmp(e.token, want->token) : !e.token);
	CU_ASSERT_TRUE(want->identity_token ?
			       e.identity_token && !strcmp(e.identity_token, want->identity_token) :
			       !e.identity_token);
}

static void test_attest_aws_proves(void)
{
	static char access[] = "ASIAROLE", secret[] = "rolesecret", token[] = "roletoken";
	static char jwt[] = STUBAWS_JWT;
	const struct {
		enum certconf_credentials credentials;
		bool omits_domain;
		const char *role; /* of the instance profile */
		struct athenz_evidence want;
		int sts_requests;
	} rows[] = {
		{ CERTCONF_ASSUME_ROLE,
		  false,
		  NULL,
		  { .role = "acme.prod.tenant-host",
		    .access = access,
		    .secret = secret,
		    .token = token },
		  1 },
		{ CERTCONF_ASSUME_ROLE,
		  true,
		  NULL,
		  { .role = "tenant-host", .access = access, .secret = secret, .token = token },
		  1 },
		{ CERTCONF_WEB_IDENTITY,
		  false,
		  NULL,
		  { .role = "acme.prod.tenant-host", .identity_token = jwt },
		  2 },
		/* The profile is the role already. */
		{ CERTCONF_WEB_IDENTITY,
		  false,
		  "acme.prod.tenant-host",
		  { .role = "acme.prod.tenant-host", .identity_token = jwt },
		  1 },
		{ CERTCONF_NO_CREDENTIALS, false, NULL, { .role = "acme.prod.tenant-host" }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubaws aws = { .role = rows[i].role };
		struct stubsts sts = { 0 };
		int n = -1;

		test_attest_aws_conf.credentials = rows[i].credentials;
		test_attest_aws_conf.role_omits_domain = rows[i].omits_domain;
		CU_ASSERT_EQUAL(test_attest_aws_prove(&aws, &sts, &n), 0);
		CU_ASSERT_EQUAL(n, rows[i].sts_requests);
		CU_ASSERT_STRING_EQUAL(test_attest_aws_proof.private_ip, "10.0.0.5");
		CU_ASSERT_STRING_EQUAL(test_attest_aws_proof.cloud, "aws");
		if (test_attest_aws_proof.evidence)
			test_attest_aws_check_evidence(&rows[i].want);
	}
}

/* The names that IMDS gives become parts of paths. */
static void test_attest_aws_roles(void)
{
	static const char *const bad[] = { "", "a/../b", "a b", "a\nb\n", "a%2f", "r\xc3\xa9" };
	static char longest[STS_ROLE_MAX + 1];
	struct stubsts sts = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct stubaws aws = { .role = bad[i] };

		test_attest_aws_expect(__LINE__, test_attest_aws_prove(&aws, &sts, NULL),
				       PST_IMDS_ANSWER, "security-credentials");
	}
	for (size_t len = 63; len <= 65; len++) {
		struct stubaws aws = { .role = longest };
		int r;

		memset(longest, 'r', len);
		r = test_attest_aws_prove(&aws, &sts, NULL);
		CU_ASSERT_EQUAL(r, len <= 64 ? 0 : -EPERM);
	}
}

static void test_attest_aws_refusals(void)
{
	static const struct {
		const char *name;
		struct stubaws aws;
		struct stubsts sts;
		enum pst code;
		const char *detail;
	} rows[] = {
		{ "another instance",
		  { .document = "{\"accountId\":\"1\",\"instanceId\":\"i-ffff\",\"region\":\"us\","
				"\"pendingTime\":\"2026-11-21T10:00:00Z\"}" },
		  { 0 },
		  PST_INSTANCE_CHANGED,
		  "i-ffff, not " STUBAWS_INSTANCE },
		{ "no signature", { .signature = "" }, { 0 }, PST_IMDS_ANSWER, "pkcs7" },
		{ "no credentials",
		  { .credentials = "{\"Code\":\"Failed\"}" },
		  { 0 },
		  PST_IMDS_ANSWER,
		  "security-credentials" },
		{ "STS refuses", { 0 }, { .status = 403, .body = "" }, PST_STS_FAILED, "403" },
		{ "IMDS is off", { .put_status = 403 }, { 0 }, PST_IMDS_REFUSED, "403" },
		{ "IMDS fails", { .get_status = 500 }, { 0 }, PST_IMDS_UNREACHABLE, "500" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubaws aws = rows[i].aws;
		struct stubsts sts = rows[i].sts;

		test_attest_aws_expect(__LINE__, test_attest_aws_prove(&aws, &sts, NULL),
				       rows[i].code, rows[i].detail);
		CU_ASSERT_PTR_NULL(test_attest_aws_proof.evidence);
	}
}

/* Document and signature are each small enough, together they are not. */
static void test_attest_aws_large_evidence(void)
{
	static char document[ATHENZ_DOCUMENT_MAX], signature[16000];
	struct stubaws aws = { .document = document, .signature = signature };
	struct stubsts sts = { 0 };

	snprintf(document, sizeof(document), "%s%*s", STUBAWS_DOCUMENT,
		 (int)(sizeof(document) - 1 - strlen(STUBAWS_DOCUMENT)), "");
	memset(signature, '\n', sizeof(signature) - 1);
	test_attest_aws_expect(__LINE__, test_attest_aws_prove(&aws, &sts, NULL), PST_IMDS_ANSWER,
			       "cannot be sent");
}

/* What was a secret is nothing when its memory is given back. */
static void test_attest_aws_residue(void)
{
	static const char *const secrets[] = { "profilesecret", "profiletoken", "rolesecret",
					       "roletoken",     STUBAWS_JWT,    NULL };
	static const enum certconf_credentials all[] = { CERTCONF_ASSUME_ROLE,
							 CERTCONF_WEB_IDENTITY };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct stubaws aws = { 0 };
		struct stubsts sts = { 0 };

		test_attest_aws_conf.credentials = all[i];
		residue_begin(secrets, false);
		CU_ASSERT_EQUAL(test_attest_aws_prove(&aws, &sts, NULL), 0);
		attest_release(&test_attest_aws_proof);
		CU_ASSERT_EQUAL(residue_end(), 0);
	}
}

static int test_attest_aws_memory_run(void *ctx)
{
	const struct fetchjob_self self = test_attest_aws_self();
	const struct attest a = test_attest_aws_job();
	struct fetchjob_self found;
	int r = attest_aws.identify(&a, &found, &test_attest_aws_result);

	attest_release(&test_attest_aws_proof);
	if (r == 0)
		r = attest_aws.prove(&a, &self, &test_attest_aws_proof, &test_attest_aws_result);
	return r;
}

static void test_attest_aws_memory(void)
{
	struct webstub imds_server, sts_server;
	struct stubaws aws = { 0 };
	struct stubsts sts = { 0 };

	test_attest_aws_start(&aws, &imds_server);
	test_attest_aws_start_sts(&sts, &sts_server);
	CU_ASSERT_TRUE(torture(test_attest_aws_memory_run, NULL) >= 10);
	webstub_stop(&imds_server);
	webstub_stop(&sts_server);
}

static const struct tap_test test_attest_aws_tests[] = {
	{ "names", test_attest_aws_names },
	{ "names of roles of profiles", test_attest_aws_role_names },
	{ "domain in a tag", test_attest_aws_tag },
	{ "size of that domain", test_attest_aws_tag_size },
	{ "configured names", test_attest_aws_configured },
	{ "bad documents", test_attest_aws_bad_document },
	{ "size of the document", test_attest_aws_document_size },
	{ "proves", test_attest_aws_proves },
	{ "picks a signature", test_attest_aws_picks_signature },
	{ "names of roles", test_attest_aws_roles },
	{ "refusals", test_attest_aws_refusals },
	{ "large evidence", test_attest_aws_large_evidence },
	{ "leaves no secret", test_attest_aws_residue },
	{ "out of memory", test_attest_aws_memory },
	{ 0 },
};

static const struct tap_suite test_attest_aws_suites[] = {
	{ "attest_aws", test_attest_aws_tests, test_attest_aws_setup, test_attest_aws_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct standca_spec sts = { .san = "DNS:sts.us-east-1.example" };
	int r;

	if (httpcall_warm_up() < 0)
		return 2;
	standca_init("test authority", &test_attest_aws_ca);
	standca_issue(&test_attest_aws_ca, &sts, &test_attest_aws_sts_pair);
	r = tap_main(argc, argv, test_attest_aws_suites);
	standca_free_pair(&test_attest_aws_sts_pair);
	standca_release(&test_attest_aws_ca);
	return r;
}
