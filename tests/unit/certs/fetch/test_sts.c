/* SPDX-License-Identifier: MIT */
/* What is asked of STS, signed how, and what becomes of its answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/fetch/httpcall.h"
#include "certs/fetch/sts.h"
#include "certs/sigv4.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/standca.h"
#include "tests/unit/certs/fetch/stubaws.h"
#include "tests/unit/certs/fetch/webstub.h"

static struct standca test_sts_ca;
static struct certconf test_sts_conf;
static struct fetchjob_self test_sts_self;
static struct fetchname test_sts_name;
static struct sts test_sts;
static struct fetchjob_result test_sts_result;
static struct athenz_evidence test_sts_got;
static char *test_sts_jwt;

static struct athenz_evidence test_sts_with(void)
{
	static char access[] = "ASIAPROFILE", secret[] = "profilesecret", token[] = "profiletoken";

	return (struct athenz_evidence){ .access = access, .secret = secret, .token = token };
}

static void test_sts_setup(void)
{
	test_sts_conf = (struct certconf){ .timeout_ms = 60000,
					   .zts_url = "https://zts.example:4443/zts/v1",
					   .signing_algorithm = "ES384",
					   .token_duration_s = 300 };
	test_sts_self = (struct fetchjob_self){ .principal = "acme.prod.tenant-host",
						.region = "us-east-1",
						.account = "123456789012" };
	test_sts_name = (struct fetchname){ 0 };
	test_sts_result = (struct fetchjob_result){ 0 };
	test_sts = (struct sts){ .conf = &test_sts_conf,
				 .self = &test_sts_self,
				 .name = &test_sts_name,
				 .ca = test_sts_ca.pem,
				 .ca_len = strlen(test_sts_ca.pem) };
}

static void test_sts_teardown(void)
{
	athenz_evidence_release(&test_sts_got);
	free(test_sts_jwt);
	test_sts_jwt = NULL;
}

static void test_sts_start(struct stubsts *sts, const struct standca_spec *cert_spec,
			   struct webstub *ret)
{
	struct webstub_spec spec = { .answer = stubaws_answer_sts, .user = sts };
	struct standca_pair pair;

	standca_issue(&test_sts_ca, cert_spec, &pair);
	spec.cert = pair.cert;
	spec.key = pair.key;
	webstub_start(&spec, ret);
	standca_free_pair(&pair);
	snprintf(test_sts_conf.sts_url, sizeof(test_sts_conf.sts_url),
		 "https://sts.{region}.api.example:4444");
	snprintf(test_sts_name.connect_to, sizeof(test_sts_name.connect_to), "::[::1]:%d",
		 ret->port);
	test_sts.deadline_ns = clk_now_ns() + 60 * CLK_NS_PER_S;
}

static const struct standca_spec test_sts_good_cert = { .san = "DNS:sts.us-east-1.api.example" };

static int test_sts_assume(void)
{
	const struct athenz_evidence with = test_sts_with();

	athenz_evidence_release(&test_sts_got);
	return sts_assume_role(&test_sts, &with, &test_sts_got, &test_sts_result);
}

static void test_sts_expect(unsigned int line, int r, enum pst code, const char *detail)
{
	CU_ASSERT_EQUAL(r, -EPERM);
	if (r != -EPERM || test_sts_result.code != code || !strstr(test_sts_result.detail, detail))
		tap_fail(__FILE__, line, "%d PST-%04u %s", r, (unsigned int)test_sts_result.code,
			 test_sts_result.detail);
	CU_ASSERT_PTR_NULL(strstr(test_sts_result.detail, "profilesecret"));
}

static void test_sts_urls(void)
{
	char url[STS_URL_MAX] = "untouched";

	snprintf(test_sts_conf.sts_url, sizeof(test_sts_conf.sts_url),
		 "https://sts.{region}.api.aws/");
	CU_ASSERT_EQUAL(sts_url(&test_sts_conf, "", url), -EINVAL);
	CU_ASSERT_STRING_EQUAL(url, "untouched");
	CU_ASSERT_EQUAL(sts_url(&test_sts_conf, "eu-west-3", url), 0);
	CU_ASSERT_STRING_EQUAL(url, "https://sts.eu-west-3.api.aws");
	snprintf(test_sts_conf.sts_url, sizeof(test_sts_conf.sts_url), "https://[::1]:1");
	CU_ASSERT_EQUAL(sts_url(&test_sts_conf, "", url), 0);
	CU_ASSERT_STRING_EQUAL(url, "https://[::1]:1");
}

/* IAM's limit is 64 characters. */
static void test_sts_roles(void)
{
	char principal[PRINCIPAL_MAX], role[STS_ROLE_MAX] = "untouched";

	for (int len = 63; len <= 65; len++) {
		snprintf(principal, sizeof(principal), "%0*d.service", len - 8, 0);
		CU_ASSERT_EQUAL(sts_role(&test_sts_conf, principal, role), len > 64 ? -EINVAL : 0);
		CU_ASSERT_EQUAL(strlen(role), len > 64 ? 64 : (size_t)len);
	}
	test_sts_conf.role_omits_domain = true;
	CU_ASSERT_EQUAL(sts_role(&test_sts_conf, principal, role), 0);
	CU_ASSERT_STRING_EQUAL(role, "service");
	test_sts_conf.role_omits_domain = false;
	snprintf(test_sts_self.principal, sizeof(test_sts_self.principal), "%s", principal);
	test_sts_expect(__LINE__, test_sts_assume(), PST_STS_FAILED, "64 bytes");
}

static void test_sts_assumes(void)
{
	static const char *const texts[] = {
		"POST / HTTP/1.1\r\nHost: sts.us-east-1.api.example:4444\r\n",
		"\r\nContent-Type: application/x-www-form-urlencoded\r\n",
		"\r\nX-Amz-Security-Token: profiletoken\r\n",
		"\r\nX-Amz-Date: 20",
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=ASIAPROFILE/20",
		"/us-east-1/sts/aws4_request",
		"Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3A",
		"role%2Fteam%2Facme.prod.tenant-host&RoleSessionName=acme.prod.tenant-host",
	};
	struct stubsts sts = { 0 };
	struct webstub server;

	snprintf(test_sts_conf.role_path, sizeof(test_sts_conf.role_path), "team/");
	test_sts_start(&sts, &test_sts_good_cert, &server);
	CU_ASSERT_EQUAL(test_sts_assume(), 0);
	CU_ASSERT_STRING_EQUAL(test_sts_got.access, "ASIAROLE");
	CU_ASSERT_STRING_EQUAL(test_sts_got.secret, "rolesecret");
	CU_ASSERT_STRING_EQUAL(test_sts_got.token, "roletoken");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strstr(server.log->text, texts[i]))
			tap_fail(__FILE__, __LINE__, "not sent: %s", texts[i]);
	CU_ASSERT_PTR_NULL(strstr(server.log->text, "profilesecret"));
	webstub_stop(&server);
}

/* The value of the header @name, which begins a line. */
static void test_sts_header(const char *request, const char *name, char *ret, size_t cap)
{
	const char *at = strstr(request, name);

	at = at ? at + strlen(name) : "";
	snprintf(ret, cap, "%.*s", (int)strcspn(at, "\r"), at);
}

/* What is signed is what is sent: host, path, body, region, keys, made again from the request. */
static void test_sts_signs(void)
{
	static const struct standca_spec cert = {
		.san = "DNS:sts.us-east-1.api.example,DNS:sts.eu-west-3.api.example"
	};
	static const struct {
		const char *url, *host, *path, *region;
	} rows[] = {
		{ "https://sts.{region}.api.example", "sts.us-east-1.api.example", "/",
		  "us-east-1" },
		{ "https://sts.{region}.api.example:4444", "sts.us-east-1.api.example:4444", "/",
		  "us-east-1" },
		{ "https://sts.{region}.api.example/a/b", "sts.eu-west-3.api.example", "/a/b/",
		  "eu-west-3" },
	};
	static const struct sigv4_header type = { "content-type",
						  "application/x-www-form-urlencoded" };
	const struct sigv4_keys keys = { "ASIAPROFILE", "profilesecret", "profiletoken" };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char date[64], got[SIGV4_AUTHORIZATION_MAX], line[512];
		struct sigv4_request rq = { .method = "POST",
					    .host = rows[i].host,
					    .path = rows[i].path,
					    .headers = &type,
					    .n_headers = 1,
					    .region = rows[i].region,
					    .service = "sts" };
		struct stubsts sts = { 0 };
		struct sigv4_signed want;
		struct webstub server;
		struct tm tm = { 0 };

		test_sts_start(&sts, &cert, &server);
		snprintf(test_sts_self.region, sizeof(test_sts_self.region), "%s", rows[i].region);
		snprintf(test_sts_conf.sts_url, sizeof(test_sts_conf.sts_url), "%s", rows[i].url);
		CU_ASSERT_EQUAL(test_sts_assume(), 0);
		snprintf(line, sizeof(line), "POST %s HTTP/1.1\r\nHost: %s\r\n", rows[i].path,
			 rows[i].host);
		CU_ASSERT_EQUAL(strncmp(server.log->text, line, strlen(line)), 0);
		test_sts_header(server.log->text, "\r\nX-Amz-Date: ", date, sizeof(date));
		test_sts_header(server.log->text, "\r\nAuthorization: ", got, sizeof(got));
		CU_ASSERT_PTR_NOT_NULL(strptime(date, "%Y%m%dT%H%M%SZ", &tm));
		rq.body = webstub_body(server.log->text);
		rq.body_len = strlen(rq.body);
		CU_ASSERT_EQUAL(sigv4_sign(&rq, &keys, (uint64_t)timegm(&tm), &want), 0);
		CU_ASSERT_STRING_EQUAL(got, want.authorization);
		webstub_stop(&server);
	}
}

static void test_sts_partitions(void)
{
	static const char *const rows[][2] = { { "cn-north-1", "arn%3Aaws-cn%3Aiam" },
					       { "us-gov-west-1", "arn%3Aaws-us-gov%3Aiam" },
					       { "eu-west-3", "arn%3Aaws%3Aiam" } };
	char san[80];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct standca_spec cert = { .san = san };
		struct stubsts sts = { 0 };
		struct webstub server;

		snprintf(san, sizeof(san), "DNS:sts.%s.api.example", rows[i][0]);
		snprintf(test_sts_self.region, sizeof(test_sts_self.region), "%s", rows[i][0]);
		test_sts_start(&sts, &cert, &server);
		CU_ASSERT_EQUAL(test_sts_assume(), 0);
		CU_ASSERT_TRUE(strstr(server.log->text, rows[i][1]) != NULL);
		webstub_stop(&server);
	}
}

static void test_sts_asks_for_token(void)
{
	static const char *const audiences[][2] = {
		{ "", "https%3A%2F%2Fzts.example%3A4443%2Fzts%2Fv1" },
		{ "our audience", "our%20audience" },
	};
	const struct athenz_evidence with = test_sts_with();
	char want[300];

	for (size_t i = 0; i < ARRAY_SIZE(audiences); i++) {
		struct stubsts sts = { 0 };
		struct webstub server;

		snprintf(test_sts_conf.audience, sizeof(test_sts_conf.audience), "%s",
			 audiences[i][0]);
		test_sts_start(&sts, &test_sts_good_cert, &server);
		CU_ASSERT_EQUAL(sts_web_identity(&test_sts, &with, &test_sts_jwt, &test_sts_result),
				0);
		CU_ASSERT_STRING_EQUAL(test_sts_jwt, STUBAWS_JWT);
		snprintf(want, sizeof(want),
			 "Action=GetWebIdentityToken&Version=2011-06-15&"
			 "Audience.member.1=%s&SigningAlgorithm=ES384&"
			 "DurationSeconds=300",
			 audiences[i][1]);
		CU_ASSERT_STRING_EQUAL(webstub_body(server.log->text), want);
		webstub_stop(&server);
		free(steal_ptr(test_sts_jwt));
	}
}

#define TEST_STS_ERROR(code, message)                                                              \
	"<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message          \
	"</Message></Error></ErrorResponse>"

static void test_sts_refusals(void)
{
	static const struct {
		int status;
		const char *body;
		enum pst code;
		const char *detail;
	} rows[] = {
		{ 403, TEST_STS_ERROR("AccessDenied", "not allowed to assume"), PST_STS_FAILED,
		  "AccessDenied: not allowed to assume; asked for role acme.prod.tenant-host" },
		{ 403, TEST_STS_ERROR("AccessDenied", "not on role/acme.prod.tenant-host"),
		  PST_STS_FAILED, "not on role/acme.prod.tenant-host" },
		{ 403, TEST_STS_ERROR("ExpiredToken", "over"), PST_STS_FAILED, "ExpiredToken" },
		{ 403, TEST_STS_ERROR("SignatureDoesNotMatch", "Signature expired: 2026"),
		  PST_CLOCK_WRONG, "Signature expired" },
		{ 403, TEST_STS_ERROR("SignatureDoesNotMatch", "Signature not yet current: 2026"),
		  PST_CLOCK_WRONG, "not yet current" },
		{ 400, TEST_STS_ERROR("RequestExpired", "late"), PST_CLOCK_WRONG, "late" },
		{ 403, TEST_STS_ERROR("SignatureDoesNotMatch", "wrong key"), PST_STS_FAILED,
		  "wrong key" },
		{ 503, "<html>", PST_STS_FAILED, "status 503" },
		{ 302, "", PST_STS_FAILED, "status 302" },
		{ 200, "", PST_STS_FAILED, "AccessKeyId" },
		{ 200, "<AssumeRoleResponse/>", PST_STS_FAILED, "AccessKeyId" },
		{ 200, "<!DOCTYPE a [<!ENTITY b \"c\">]><AssumeRoleResponse/>", PST_STS_FAILED,
		  "AccessKeyId" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubsts sts = { .status = rows[i].status, .body = rows[i].body };
		struct webstub server;

		test_sts_start(&sts, &test_sts_good_cert, &server);
		test_sts_expect(__LINE__, test_sts_assume(), rows[i].code, rows[i].detail);
		CU_ASSERT_EQUAL(test_sts_result.http_status, (uint32_t)rows[i].status);
		CU_ASSERT_PTR_NULL(test_sts_got.access);
		webstub_stop(&server);
	}
}

/* Who cannot prove to be STS gets no signed request. */
static void test_sts_peers(void)
{
	static const struct standca_spec other = { .san = "DNS:sts.other.example" };
	static const struct standca_spec future = { .san = "DNS:sts.us-east-1.api.example",
						    .from_s = 3000 };
	struct stubsts sts = { 0 }, silent = { .hangs = true };
	struct webstub server;

	test_sts_start(&sts, &other, &server);
	test_sts_expect(__LINE__, test_sts_assume(), PST_STS_FAILED, "sts.us-east-1.api.example");
	CU_ASSERT_EQUAL(server.log->n_requests, 0);
	webstub_stop(&server);
	test_sts_start(&sts, &future, &server);
	test_sts_expect(__LINE__, test_sts_assume(), PST_CLOCK_WRONG, "not yet valid");
	webstub_stop(&server);
	test_sts_start(&silent, &test_sts_good_cert, &server);
	test_sts.deadline_ns = clk_now_ns() + 300 * CLK_NS_PER_MS;
	test_sts_expect(__LINE__, test_sts_assume(), PST_STS_FAILED, "");
	webstub_stop(&server);
}

/* What a stranger gave as credentials adds no line to a request. */
static void test_sts_bad_credentials(void)
{
	static char access[] = "ASIA", secret[] = "s", token[] = "a\r\nX-Evil: 1";
	const struct athenz_evidence with = { .access = access, .secret = secret, .token = token };
	struct stubsts sts = { 0 };
	struct webstub server;

	test_sts_start(&sts, &test_sts_good_cert, &server);
	test_sts_expect(__LINE__,
			sts_assume_role(&test_sts, &with, &test_sts_got, &test_sts_result),
			PST_STS_FAILED, "cannot be signed");
	CU_ASSERT_EQUAL(server.log->n_connections, 0);
	webstub_stop(&server);
}

static int test_sts_memory_run(void *ctx)
{
	const struct athenz_evidence with = test_sts_with();
	int r = test_sts_assume();

	free(steal_ptr(test_sts_jwt));
	test_sts.deadline_ns = clk_now_ns() + 60 * CLK_NS_PER_S;
	return r == 0 ? sts_web_identity(&test_sts, &with, &test_sts_jwt, &test_sts_result) : r;
}

static void test_sts_memory(void)
{
	struct stubsts sts = { 0 };
	struct webstub server;

	test_sts_start(&sts, &test_sts_good_cert, &server);
	CU_ASSERT_TRUE(torture(test_sts_memory_run, NULL) >= 4);
	webstub_stop(&server);
}

static const struct tap_test test_sts_tests[] = {
	{ "URLs", test_sts_urls },
	{ "roles", test_sts_roles },
	{ "AssumeRole", test_sts_assumes },
	{ "signs", test_sts_signs },
	{ "partitions", test_sts_partitions },
	{ "GetWebIdentityToken", test_sts_asks_for_token },
	{ "refusals", test_sts_refusals },
	{ "who answers", test_sts_peers },
	{ "bad credentials", test_sts_bad_credentials },
	{ "out of memory", test_sts_memory },
	{ 0 },
};

static const struct tap_suite test_sts_suites[] = {
	{ "sts", test_sts_tests, test_sts_setup, test_sts_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r;

	if (httpcall_warm_up() < 0)
		return 2;
	standca_init("test authority", &test_sts_ca);
	r = tap_main(argc, argv, test_sts_suites);
	standca_release(&test_sts_ca);
	return r;
}
