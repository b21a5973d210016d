/* SPDX-License-Identifier: MIT */
/* Registration and refresh against an issuer that signs what it should, and what it should not. */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetch/httpcall.h"
#include "certs/fetch/ztscall.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/residue.h"
#include "tests/unit/certs/fetch/standca.h"
#include "tests/unit/certs/fetch/stubzts.h"
#include "tests/unit/certs/fetch/webstub.h"

#define TEST_ZTSCALL_SAN                                                                           \
	"DNS:tenant-host.acme-prod.aws.athenz.example,"                                            \
	"URI:spiffe://acme.prod/sa/tenant-host,"                                                   \
	"URI:athenz://instanceid/athenz.aws.us-east-1/i-0123456789abcdef0"

static struct standca test_ztscall_ca, test_ztscall_other_ca;
static struct standca_pair test_ztscall_server, test_ztscall_old;
static struct fetchjob_start test_ztscall_job;
static struct fetchfiles test_ztscall_files;
static struct fetchname test_ztscall_name;
static struct attest_proof test_ztscall_proof;
static struct ztscall_pair test_ztscall_pair;
static struct keypair_facts test_ztscall_facts;
static struct fetchjob_result test_ztscall_result;

static struct fetchfiles_text test_ztscall_text(char *pem)
{
	return (struct fetchfiles_text){ (uint8_t *)pem, strlen(pem) };
}

static void test_ztscall_setup(void)
{
	static char evidence[] = "proof of \"this\"";
	struct certconf *conf = &test_ztscall_job.conf;

	test_ztscall_job = (struct fetchjob_start){
		.kind = FETCHJOB_REGISTER,
		.conf = { .timeout_ms = 60000,
			  .expiry_min = 60,
			  .suffixes = { "aws.athenz.example" },
			  .n_suffixes = 1,
			  .spiffe = true,
			  .spiffe_namespace = "default" },
		.self = { .principal = "acme.prod.tenant-host",
			  .provider = "athenz.aws.us-east-1",
			  .instance_id = "i-0123456789abcdef0",
			  .region = "us-east-1",
			  .account = "123456789012" },
	};
	snprintf(conf->zts_url, sizeof(conf->zts_url), "https://issuer.example:4443/zts/v1");
	test_ztscall_files =
		(struct fetchfiles){ .zts_ca = test_ztscall_text(test_ztscall_ca.pem) };
	test_ztscall_proof = (struct attest_proof){ .evidence = evidence,
						    .private_ip = "10.0.0.5",
						    .cloud = "aws" };
	test_ztscall_result = (struct fetchjob_result){ 0 };
}

/* The files are borrowed from the fixtures, so nothing is freed here. */
static void test_ztscall_refreshing(void)
{
	test_ztscall_job.kind = FETCHJOB_REFRESH;
	test_ztscall_files.cert = test_ztscall_text(test_ztscall_old.cert);
	test_ztscall_files.key = test_ztscall_text(test_ztscall_old.key);
	test_ztscall_files.ca = test_ztscall_text(test_ztscall_ca.pem);
}

static void test_ztscall_teardown(void)
{
	ztscall_release(&test_ztscall_pair);
}

static void test_ztscall_start(struct stubzts *zts, struct webstub *ret)
{
	const struct webstub_spec spec = { .answer = stubzts_answer,
					   .user = zts,
					   .cert = test_ztscall_server.cert,
					   .key = test_ztscall_server.key,
					   .client_ca = test_ztscall_ca.pem,
					   .client_optional = true };

	if (!zts->ca)
		zts->ca = &test_ztscall_ca;
	webstub_start(&spec, ret);
	snprintf(test_ztscall_name.connect_to, sizeof(test_ztscall_name.connect_to), "::[::1]:%d",
		 ret->port);
}

static int test_ztscall_run(uint64_t ms)
{
	const struct ztscall call = { .job = &test_ztscall_job,
				      .files = &test_ztscall_files,
				      .name = &test_ztscall_name,
				      .proof = &test_ztscall_proof,
				      .deadline_ns = clk_now_ns() + ms * CLK_NS_PER_MS };

	ztscall_release(&test_ztscall_pair);
	return ztscall_run(&call, &test_ztscall_pair, &test_ztscall_facts, &test_ztscall_result);
}

static int test_ztscall_try(struct stubzts *zts)
{
	struct webstub server;
	int r;

	test_ztscall_start(zts, &server);
	r = test_ztscall_run(60000);
	webstub_stop(&server);
	return r;
}

static void test_ztscall_expect(unsigned int line, const char *name, int r, enum pst code,
				const char *detail)
{
	CU_ASSERT_EQUAL(r, code ? -EPERM : 0);
	if (test_ztscall_result.code != code || !strstr(test_ztscall_result.detail, detail))
		tap_fail(__FILE__, line, "%s: %d PST-%04u %s", name, r,
			 (unsigned int)test_ztscall_result.code, test_ztscall_result.detail);
	CU_ASSERT_EQUAL(test_ztscall_pair.key != NULL, r == 0);
}

static void test_ztscall_registers(void)
{
	static const char *const texts[] = {
		"POST /zts/v1/instance HTTP/1.1\r\nHost: issuer.example:4443\r\n",
		"\r\nContent-Type: application/json\r\n",
		"\r\nUser-Agent: SIA-POSTERN ",
		"\"provider\":\"athenz.aws.us-east-1\"",
		"\"domain\":\"acme.prod\"",
		"\"service\":\"tenant-host\"",
		"\"attestationData\":\"proof of \\\"this\\\"\"",
		"\"expiryTime\":60",
		"\"cloud\":\"aws\"",
		"\"namespace\":\"default\"",
	};
	struct stubzts zts = { 0 };
	struct webstub server;

	test_ztscall_start(&zts, &server);
	test_ztscall_expect(__LINE__, "register", test_ztscall_run(60000), PST_NONE, "");
	CU_ASSERT_EQUAL(test_ztscall_result.http_status, 201);
	CU_ASSERT_STRING_EQUAL(test_ztscall_facts.id.principal, "acme.prod.tenant-host");
	CU_ASSERT_STRING_EQUAL(test_ztscall_facts.id.instance_id, "i-0123456789abcdef0");
	CU_ASSERT_TRUE(test_ztscall_facts.not_after_wall > clk_now_wall());
	CU_ASSERT_STRING_EQUAL(test_ztscall_pair.ca, test_ztscall_ca.pem);
	CU_ASSERT_TRUE(strstr(test_ztscall_pair.key, "BEGIN EC PRIVATE KEY") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strstr(server.log->text, texts[i]))
			tap_fail(__FILE__, __LINE__, "not sent: %s", texts[i]);
	CU_ASSERT_PTR_NULL(strstr(server.log->text, "PRIVATE KEY"));
	webstub_stop(&server);
}

/* Two calls make two keys. */
static void test_ztscall_new_key(void)
{
	struct stubzts zts = { 0 };
	struct webstub server;
	char *first;

	test_ztscall_start(&zts, &server);
	CU_ASSERT_EQUAL(test_ztscall_run(60000), 0);
	first = steal_ptr(test_ztscall_pair.key);
	CU_ASSERT_EQUAL(test_ztscall_run(60000), 0);
	CU_ASSERT_STRING_NOT_EQUAL(first, test_ztscall_pair.key);
	free(first);
	webstub_stop(&server);
}

/* Bytes of an id that have a meaning in URLs are written so that they have none. */
static void test_ztscall_refreshes(void)
{
	struct stubzts zts = { 0 };
	struct webstub server;

	test_ztscall_refreshing();
	snprintf(test_ztscall_job.self.instance_id, sizeof(test_ztscall_job.self.instance_id),
		 "a:b@c$d=e+f~g._-");
	test_ztscall_start(&zts, &server);
	test_ztscall_expect(__LINE__, "refresh", test_ztscall_run(60000), PST_NONE, "");
	CU_ASSERT_TRUE(strstr(server.log->text,
			      "POST /zts/v1/instance/athenz.aws.us-east-1/acme.prod/tenant-host/"
			      "a%3Ab%40c%24d%3De%2Bf~g._- HTTP/1.1\r\n") != NULL);
	CU_ASSERT_PTR_NULL(strstr(server.log->text, "\"provider\""));
	CU_ASSERT_PTR_NULL(strstr(server.log->text, "\"domain\""));
	webstub_stop(&server);
}

/* With the present certificate, or not at all. */
static void test_ztscall_mutual(void)
{
	struct standca_pair stranger;
	const struct standca_spec spec = { .cn = "acme.prod.tenant-host" };
	struct stubzts zts = { 0 };

	test_ztscall_refreshing();
	standca_issue(&test_ztscall_other_ca, &spec, &stranger);
	test_ztscall_files.cert = test_ztscall_text(stranger.cert);
	test_ztscall_files.key = test_ztscall_text(stranger.key);
	test_ztscall_expect(__LINE__, "stranger", test_ztscall_try(&zts), PST_CERT_REFUSED,
			    "alert");
	standca_free_pair(&stranger);
}

static void test_ztscall_ca_choice(void)
{
	struct stubzts none = { .signer = "" }, other = { .signer = test_ztscall_other_ca.pem };

	/* A wrong CA is sent, or none, but the operator has pinned the right one. */
	test_ztscall_files.ca_pin = test_ztscall_text(test_ztscall_ca.pem);
	test_ztscall_expect(__LINE__, "pin", test_ztscall_try(&other), PST_NONE, "");
	CU_ASSERT_STRING_EQUAL(test_ztscall_pair.ca, test_ztscall_ca.pem);
	test_ztscall_expect(__LINE__, "pin", test_ztscall_try(&none), PST_NONE, "");
	/* The pin is wrong: what is sent does not count. */
	test_ztscall_files.ca_pin = test_ztscall_text(test_ztscall_other_ca.pem);
	none.signer = NULL;
	test_ztscall_expect(__LINE__, "wrong pin", test_ztscall_try(&none), PST_ISSUED_REFUSED, "");
	/* Nothing is sent and nothing pinned: the one we had, if any. */
	none.signer = "";
	test_ztscall_setup();
	test_ztscall_expect(__LINE__, "none", test_ztscall_try(&none), PST_ISSUED_REFUSED,
			    "ca_pin");
	test_ztscall_setup();
	test_ztscall_refreshing();
	test_ztscall_expect(__LINE__, "the old one", test_ztscall_try(&none), PST_NONE, "");
}

/* What must be true of a certificate before it is used; docs/zts.md. */
static void test_ztscall_issued(void)
{
	static const struct {
		const char *name;
		struct stubzts zts;
		enum pst code;
		const char *detail;
	} rows[] = {
		{ "another key", { .other_key = true }, PST_ISSUED_REFUSED, "" },
		{ "another name", { .cn = "acme.prod.other" }, PST_ISSUED_REFUSED, "" },
		{ "another name in the subject alone",
		  { .cn = "acme.prod.other",
		    .san = "URI:athenz://instanceid/athenz.aws.us-east-1/i-0123456789abcdef0" },
		  PST_ISSUED_REFUSED,
		  "" },
		{ "another name echoed",
		  { .name = "acme.prod.other" },
		  PST_ISSUED_REFUSED,
		  "acme.prod.other, not acme.prod.tenant-host" },
		{ "name in capitals echoed", { .name = "ACME.prod.tenant-host" }, PST_NONE, "" },
		{ "another instance",
		  { .san = "URI:athenz://instanceid/athenz.aws.us-east-1/i-1" },
		  PST_ISSUED_REFUSED,
		  "" },
		{ "another instance echoed",
		  { .instance_id = "i-1" },
		  PST_ISSUED_REFUSED,
		  "i-1, not i-0123456789abcdef0" },
		{ "no instance", { .san = "DNS:a.b" }, PST_ISSUED_REFUSED, "" },
		{ "another provider",
		  { .san = "URI:athenz://instanceid/x.y/i-0123456789abcdef0" },
		  PST_ISSUED_REFUSED,
		  "" },
		{ "another provider echoed",
		  { .provider = "x.y" },
		  PST_ISSUED_REFUSED,
		  "x.y, not athenz.aws.us-east-1" },
		{ "for servers only", { .eku = "serverAuth" }, PST_ISSUED_REFUSED, "" },
		{ "for clients only", { .eku = "clientAuth" }, PST_NONE, "" },
		{ "another authority",
		  { .ca = &test_ztscall_other_ca, .signer = NULL },
		  PST_NONE,
		  "" },
		{ "already over", { .to_s = -60 }, PST_CLOCK_WRONG, "already over" },
		{ "begins soon", { .from_s = ZTSCALL_SKEW_S - 20 }, PST_NONE, "" },
		{ "begins late", { .from_s = ZTSCALL_SKEW_S + 20 }, PST_CLOCK_WRONG, "" },
		{ "no JSON", { .status = 200, .body = "<html>" }, PST_ISSUED_REFUSED, "JSON" },
		{ "empty", { .status = 201, .body = "" }, PST_ISSUED_REFUSED, "JSON" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubzts zts = rows[i].zts;

		test_ztscall_setup();
		test_ztscall_expect(__LINE__, rows[i].name, test_ztscall_try(&zts), rows[i].code,
				    rows[i].detail);
	}
}

/* The CA that is sent did not sign it. */
static void test_ztscall_foreign_chain(void)
{
	struct stubzts zts = { .signer = test_ztscall_other_ca.pem };

	test_ztscall_expect(__LINE__, "chain", test_ztscall_try(&zts), PST_ISSUED_REFUSED, "");
}

static void test_ztscall_size(void)
{
	struct stubzts zts = { 0 };

	for (int over = -1; over <= 1; over++) {
		zts.cert_len = (size_t)(FETCHJOB_CERT_MAX + over);
		test_ztscall_setup();
		test_ztscall_expect(__LINE__, "size", test_ztscall_try(&zts),
				    over > 0 ? PST_ISSUED_REFUSED : PST_NONE,
				    over > 0 ? "larger than 65536" : "");
	}
}

#define TEST_ZTSCALL_ERROR(message) "{\"code\":1,\"message\":\"" message "\"}"

static void test_ztscall_statuses(void)
{
	static const struct {
		int status;
		const char *body;
		enum pst code;
		const char *detail;
	} rows[] = {
		{ 400, TEST_ZTSCALL_ERROR("CSR validation failed - x"), PST_ZTS_REFUSED,
		  "status 400: CSR validation failed - x" },
		{ 400, TEST_ZTSCALL_ERROR("Server in Maintenance Read-Only mode"),
		  PST_ZTS_UNREACHABLE, "Read-Only" },
		{ 401, TEST_ZTSCALL_ERROR("Invalid credentials"), PST_ZTS_REFUSED, "401" },
		{ 403, TEST_ZTSCALL_ERROR("Certificate revoked"), PST_ZTS_REVOKED, "revoked" },
		{ 403,
		  TEST_ZTSCALL_ERROR("unable to verify attestation data: "
				     "Instance boot time is not recent enough"),
		  PST_ZTS_BOOT_WINDOW, "boot time" },
		{ 403, TEST_ZTSCALL_ERROR("unable to verify attestation data: x"),
		  PST_ZTS_ATTESTATION, "" },
		{ 404, TEST_ZTSCALL_ERROR("Domain not found: x"), PST_ZTS_REFUSED,
		  "/instance: status 404: Domain not found: x" },
		{ 429, "", PST_ZTS_BUSY, "429" },
		{ 500, TEST_ZTSCALL_ERROR("unable to generate identity"), PST_ZTS_UNREACHABLE,
		  "500" },
		{ 502, "<html>\033[2J</html>", PST_ZTS_UNREACHABLE, "502" },
		{ 302, "", PST_ZTS_UNREACHABLE, "302" },
		{ 204, "", PST_ZTS_UNREACHABLE, "204" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stubzts zts = { .status = rows[i].status,
				       .body = rows[i].body,
				       .headers =
					       "Retry-After: 77\r\nLocation: https://[::1]/\r\n" };

		test_ztscall_setup();
		test_ztscall_expect(__LINE__, "status", test_ztscall_try(&zts), rows[i].code,
				    rows[i].detail);
		CU_ASSERT_EQUAL(test_ztscall_result.http_status, (uint32_t)rows[i].status);
		CU_ASSERT_EQUAL(test_ztscall_result.retry_after_s, 77);
		CU_ASSERT_PTR_NULL(strchr(test_ztscall_result.detail, '\033'));
	}
}

/* Who shows a certificate is told that by its own code. */
static void test_ztscall_refused_certificate(void)
{
	struct stubzts zts = { .status = 401, .body = TEST_ZTSCALL_ERROR("Invalid credentials") };

	test_ztscall_refreshing();
	test_ztscall_expect(__LINE__, "401", test_ztscall_try(&zts), PST_CERT_REFUSED,
			    "status 401: Invalid credentials");
}

static void test_ztscall_peers(void)
{
	struct stubzts good = { 0 }, silent = { .hangs = true };
	struct webstub server;

	test_ztscall_files.zts_ca = test_ztscall_text(test_ztscall_other_ca.pem);
	test_ztscall_expect(__LINE__, "other CA", test_ztscall_try(&good), PST_ZTS_IDENTITY,
			    "issuer.example");
	test_ztscall_setup();
	snprintf(test_ztscall_job.conf.zts_url, sizeof(test_ztscall_job.conf.zts_url),
		 "https://other.example/zts/v1");
	test_ztscall_expect(__LINE__, "other name", test_ztscall_try(&good), PST_ZTS_IDENTITY,
			    "other.example");
	test_ztscall_setup();
	test_ztscall_start(&silent, &server);
	test_ztscall_expect(__LINE__, "silent", test_ztscall_run(400), PST_ZTS_UNREACHABLE, "");
	webstub_stop(&server);
	test_ztscall_expect(__LINE__, "gone", test_ztscall_run(60000), PST_ZTS_UNREACHABLE, "");
}

/* A certificate of the issuer's server that is over tells of a clock, ours or theirs. */
static void test_ztscall_server_over(void)
{
	const struct standca_spec spec = { .san = "DNS:issuer.example", .to_s = -60 };
	struct standca_pair good = test_ztscall_server;
	struct stubzts zts = { 0 };

	standca_issue(&test_ztscall_ca, &spec, &test_ztscall_server);
	test_ztscall_expect(__LINE__, "over", test_ztscall_try(&zts), PST_CLOCK_WRONG, "expired");
	standca_free_pair(&test_ztscall_server);
	test_ztscall_server = good;
}

/* Names that no reader would accept are not sent. */
static void test_ztscall_bad_names(void)
{
	struct stubzts zts = { 0 };
	struct webstub server;

	snprintf(test_ztscall_job.self.principal, sizeof(test_ztscall_job.self.principal), "bad..");
	test_ztscall_start(&zts, &server);
	test_ztscall_expect(__LINE__, "bad", test_ztscall_run(60000), PST_ZTS_REFUSED, "[csr]");
	CU_ASSERT_EQUAL(server.log->n_connections, 0);
	webstub_stop(&server);
}

/* Evidence that is no text of JSON, and evidence that is too long. */
static void test_ztscall_evidence(void)
{
	static char large[ATHENZ_REQUEST_MAX + 1], odd[] = "\xff\xfe";
	struct stubzts zts = { 0 };

	memset(large, 'x', sizeof(large) - 1);
	test_ztscall_proof.evidence = large;
	test_ztscall_expect(__LINE__, "large", test_ztscall_try(&zts), PST_ZTS_REFUSED, "written");
	test_ztscall_proof.evidence = odd;
	test_ztscall_expect(__LINE__, "odd", test_ztscall_try(&zts), PST_ZTS_REFUSED, "written");
}

/* Neither the evidence nor a key stays in memory that was given back. */
static void test_ztscall_residue(void)
{
	static const char *const secrets[] = { "PRIVATE KEY-----", "proof of", NULL };
	struct stubzts zts = { 0 }, refusing = { .status = 403, .body = "" };

	test_ztscall_refreshing();
	residue_begin(secrets, false);
	test_ztscall_expect(__LINE__, "good", test_ztscall_try(&zts), PST_NONE, "");
	ztscall_release(&test_ztscall_pair);
	test_ztscall_expect(__LINE__, "bad", test_ztscall_try(&refusing), PST_ZTS_REFUSED, "");
	CU_ASSERT_EQUAL(residue_end(), 0);
}

static int test_ztscall_memory_run(void *ctx)
{
	test_ztscall_result = (struct fetchjob_result){ 0 };
	return test_ztscall_run(60000);
}

static void test_ztscall_memory(void)
{
	struct stubzts zts = { 0 };
	struct webstub server;

	test_ztscall_start(&zts, &server);
	CU_ASSERT_TRUE(torture(test_ztscall_memory_run, NULL) >= 5);
	webstub_stop(&server);
}

static const struct tap_test test_ztscall_tests[] = {
	{ "registers", test_ztscall_registers },
	{ "a new key each time", test_ztscall_new_key },
	{ "refreshes", test_ztscall_refreshes },
	{ "mutual TLS", test_ztscall_mutual },
	{ "which CA", test_ztscall_ca_choice },
	{ "what was issued", test_ztscall_issued },
	{ "size of a certificate", test_ztscall_size },
	{ "foreign chain", test_ztscall_foreign_chain },
	{ "statuses", test_ztscall_statuses },
	{ "refused certificate", test_ztscall_refused_certificate },
	{ "who answers", test_ztscall_peers },
	{ "the server's certificate is over", test_ztscall_server_over },
	{ "bad names", test_ztscall_bad_names },
	{ "bad evidence", test_ztscall_evidence },
	{ "leaves no secret", test_ztscall_residue },
	{ "out of memory", test_ztscall_memory },
	{ 0 },
};

static const struct tap_suite test_ztscall_suites[] = {
	{ "ztscall", test_ztscall_tests, test_ztscall_setup, test_ztscall_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct standca_spec server = { .san = "DNS:issuer.example" };
	const struct standca_spec old = { .cn = "acme.prod.tenant-host", .san = TEST_ZTSCALL_SAN };
	int r;

	if (httpcall_warm_up() < 0)
		return 2;
	standca_init("test authority", &test_ztscall_ca);
	standca_init("other authority", &test_ztscall_other_ca);
	standca_issue(&test_ztscall_ca, &server, &test_ztscall_server);
	standca_issue(&test_ztscall_ca, &old, &test_ztscall_old);
	r = tap_main(argc, argv, test_ztscall_suites);
	standca_free_pair(&test_ztscall_server);
	standca_free_pair(&test_ztscall_old);
	standca_release(&test_ztscall_ca);
	standca_release(&test_ztscall_other_ca);
	return r;
}
