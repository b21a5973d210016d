/* SPDX-License-Identifier: MIT */
/* The whole way of a claim: real documents with real signatures, real tokens, and an STS that is
 * asked over TLS. */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/ztsd/attestor.h"
#include "certs/ztsd/regtoken.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/ztsd/fakests.h"
#include "tests/unit/certs/ztsd/mkevidence.h"
#include "tests/unit/certs/ztsd/mkjwt.h"

#define NOW FAKESTS_NOW
#define ID "i-0123456789abcdef0"
#define ROLE "vespa.tenant.host"
#define ACCOUNT "123456789012"
#define ARN "arn:aws:sts::" ACCOUNT ":assumed-role/" ROLE "/session"
#define ISSUER "https://abc.tokens.sts.global.api.aws"
#define GOOD_NAME "host.vespa-tenant.aws.example"
#define BAD "Unable to verify instance identity credentials: "

struct got {
	unsigned int n;
	enum attestor_verdict verdict;
	char why[ATTESTOR_WHY_MAX];
};

/* What a test changes before it asks. */
struct attempt {
	struct attestor_claim claim;
	struct athenz_evidence evidence; /* borrowed texts */
	struct athenz_document document;
	bool is_altered;  /* the document, after it was signed */
	bool is_stranger; /* somebody else signs */
};

static struct event_base *base;
static struct fakests *sts;
static struct excert aws, stranger;
static struct mkjwt_key jwt_key;
static char paths[5][PATH_MAX];
static char token[MKJWT_TEXT_MAX], access_key[] = FAKESTS_ACCESS, secret_key[] = FAKESTS_SECRET,
				   session[] = FAKESTS_TOKEN;
static const char *certs[1], *suffixes[] = { "aws.example", "other.example" },
			     *orgs[] = { "o-1", "o-abc" };
static const char *dns[4];
static struct attestor_spec spec;
static struct attestor *attestor;

static void write_keys(void)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	char jwk[MKJWT_TEXT_MAX], jwks[MKJWT_TEXT_MAX];

	mkjwt_make("k", MKJWT_EC, "P-384", &jwt_key);
	mkjwt_jwk(&jwt_key, "", jwk);
	snprintf(jwks, sizeof(jwks), "{\"keys\":[%.4000s]}", jwk);
	CU_ASSERT_EQUAL(tmpdir_write("jwks", jwks, strlen(jwks)), 0);
	CU_ASSERT_EQUAL(tmpdir_write("secret", secret, strlen(secret)), 0);
}

static void open_attestor(void)
{
	char why[ATTESTOR_WHY_MAX] = "";

	attestor_close(attestor);
	attestor = NULL;
	if (attestor_open(base, &spec, &attestor, why) != 0)
		tap_fail(__FILE__, __LINE__, "not opened: %s", why);
}

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	json_set_alloc_funcs(malloc, free);
	base = event_base_new();
	sts = fakests_start("sts.example", "sts.pem");
	excert_make("aws", false, &aws);
	excert_make("aws", false, &stranger);
	excert_write_cert(&aws, "aws.pem");
	write_keys();
	certs[0] = tmpdir_path(paths[0], "aws.pem");
	spec = (struct attestor_spec){
		.provider = "athenz.aws.us-east-1",
		.kind = ATTESTOR_AWS,
		.suffixes = suffixes,
		.n_suffixes = 2,
		.aws_certs = certs,
		.n_aws_certs = 1,
		.boot_window_s = 300,
		.need_credentials = true,
		.sts_url = "https://sts.example",
		.sts_address = fakests_address(sts),
		.sts_ca = tmpdir_path(paths[1], "sts.pem"),
		.sts_timeout_ms = 20000,
		.jwt_issuer = ISSUER,
		.jwt_keys = tmpdir_path(paths[2], "jwks"),
		.jwt_audience = "https://zts.example/zts/v1",
		.jwt_orgs = orgs,
		.n_jwt_orgs = 2,
		.token_key = tmpdir_path(paths[3], "secret"),
	};
	fakests_set(sts, FAKESTS_GOOD, ARN);
	open_attestor();
}

static void end(void)
{
	attestor_close(attestor);
	attestor = NULL;
	fakests_stop(sts);
	event_base_free(base);
	excert_release(&aws);
	excert_release(&stranger);
	mkjwt_release(&jwt_key);
}

/* ---- attempts ---- */

static struct attempt good_attempt(void)
{
	dns[0] = GOOD_NAME;
	return (struct attempt){
		.claim = { .registering = true,
			   .provider = "athenz.aws.us-east-1",
			   .domain = "vespa.tenant",
			   .service = "host",
			   .instance_id = ID,
			   .account = ACCOUNT,
			   .dns = dns,
			   .n_dns = 1,
			   .now_wall = NOW },
		.evidence = { .role = ROLE,
			      .access = access_key,
			      .secret = secret_key,
			      .token = session },
		.document = { .account = ACCOUNT,
			      .instance_id = ID,
			      .region = "us-east-1",
			      .private_ip = "10.1.2.3",
			      .pending_wall = NOW - 100 },
	};
}

static void on_done(void *user, enum attestor_verdict verdict, const char *why)
{
	struct got *got = user;

	got->n++;
	got->verdict = verdict;
	snprintf(got->why, sizeof(got->why), "%s", why);
	event_base_loopbreak(base);
}

static void run(const struct attestor_claim *claim, struct got *ret)
{
	*ret = (struct got){ 0 };
	attestor_check(attestor, claim, on_done, ret);
	while (!ret->n && event_base_loop(base, EVLOOP_ONCE) == 0)
		;
	CU_ASSERT_EQUAL(ret->n, 1);
}

/* Signs what the attempt says and asks. */
static void try(struct attempt *t, struct got *ret)
{
	char document[MKEVIDENCE_DOCUMENT_MAX];
	char *signature, *evidence;

	mkevidence_document(&t->document, document);
	signature = mkevidence_sign(t->is_stranger ? &stranger : &aws, document);
	if (t->is_altered)
		document[strlen(document) - 2] = ' ';
	t->evidence.document = document;
	t->evidence.signature = signature;
	evidence = mkevidence_encode(&t->evidence);
	t->claim.evidence = evidence;
	run(&t->claim, ret);
	free(signature);
	free(evidence);
}

static void expect(struct attempt *t, enum attestor_verdict verdict, const char *why)
{
	struct got got;

	try(t, &got);
	if (got.verdict != verdict || strcmp(got.why, why) != 0)
		tap_fail(__FILE__, __LINE__, "wanted %d \"%s\", got %d \"%s\"", verdict, why,
			 got.verdict, got.why);
}

static void expect_ok(struct attempt *t)
{
	expect(t, ATTESTOR_OK, "");
}

static void expect_refused(struct attempt *t, const char *why)
{
	expect(t, ATTESTOR_REFUSED, why);
}

/* ---- AWS ---- */

static void test_good(void)
{
	struct attempt t = good_attempt();

	expect_ok(&t);
	t.claim.registering = false;
	expect_ok(&t);
	CU_ASSERT_EQUAL(fakests_n_questions(sts), 2);
	snprintf(t.evidence.role, sizeof(t.evidence.role), "host");
	fakests_set(sts, FAKESTS_GOOD, "arn:aws:sts::" ACCOUNT ":assumed-role/host/x");
	expect_ok(&t);
}

static void test_names(void)
{
	static const char *const roles[] = { "vespa.tenant.other",
					     "vespa.tenant.hostess",
					     "vespa.tenant.hos",
					     "tenant.host",
					     "hostess",
					     "VESPA.tenant.host" };
	struct attempt t = good_attempt();

	t.claim.account = "";
	expect_refused(&t, "The domain has no AWS account");
	t = good_attempt();
	t.claim.provider = "athenz.aws.us-west-2";
	expect_refused(&t, "The provider is another one");
	t = good_attempt();
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		snprintf(t.evidence.role, sizeof(t.evidence.role), "%s", roles[i]);
		expect_refused(&t, "Role is neither domain.service nor service");
	}
	t.evidence.role[0] = '\0';
	expect_refused(&t, "Role is neither domain.service nor service");
	t = good_attempt();
	t.claim.service = "host..";
	snprintf(t.evidence.role, sizeof(t.evidence.role), "vespa.tenant.host");
	expect_refused(&t, "Role is neither domain.service nor service");
	CU_ASSERT_EQUAL(fakests_n_questions(sts), 0);
}

static void test_dns(void)
{
	static const char wrong[] = "Unable to verify registered certificate hostname";
	static const char other_id[] = "A DNS name carries another instance id";
	static const char *const good[] = { GOOD_NAME, "h1.host.vespa-tenant.aws.example",
					    "host.vespa-tenant.other.example",
					    "HOST.Vespa-Tenant.aws.example" };
	static const char *const bad[] = {
		"host.vespa-tenant.third.example",
		"host.vespa-other.aws.example",
		"xhost.vespa-tenant.aws.example",
		"vespa-tenant.aws.example",
		"host.vespa-tenant.aws.example.evil.org",
		"host.vespa.tenant.aws.example",
		"www.example.org",
		"",
	};
	static const char *const bad_ids[] = {
		"i-0123456789abcdef1.instanceid.athenz.aws.example",
		ID ".instanceid.athenz.third.example",
		ID ".instanceid.athenz.host.vespa-tenant.aws.example",
		".instanceid.athenz.aws.example",
	};
	struct attempt t = good_attempt();

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		dns[0] = good[i];
		expect_ok(&t);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		dns[0] = bad[i];
		expect_refused(&t, wrong);
	}
	dns[0] = GOOD_NAME;
	t.claim.n_dns = 2;
	dns[1] = ID ".instanceid.athenz.aws.example";
	expect_ok(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad_ids); i++) {
		dns[1] = bad_ids[i];
		expect_refused(&t, other_id);
	}
	dns[1] = dns[2] = ID ".instanceid.athenz.aws.example";
	t.claim.n_dns = 3;
	expect_refused(&t, "More than one DNS name carries an instance id");
	dns[0] = dns[1];
	t.claim.n_dns = 1;
	expect_refused(&t, "Request contains no SAN DNS entries for the service");
	t.claim.n_dns = 0;
	expect_refused(&t, "Request contains no SAN DNS entries for the service");
}

static void test_document(void)
{
	static const char *const regions[] = { "us-east-2", "us-east-10", "us-east-", "east-1" };
	static const char *const accounts[] = { "210987654321", "1234567890123", "12345678901",
						"23456789012" };
	struct attempt t = good_attempt();

	t.is_stranger = true;
	expect_refused(&t, "Unable to validate AWS document");
	t = good_attempt();
	t.is_altered = true;
	expect_refused(&t, "Unable to validate AWS document");
	t = good_attempt();
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		snprintf(t.document.region, sizeof(t.document.region), "%s", regions[i]);
		expect_refused(&t, "The document's region is not that of the provider");
	}
	t = good_attempt();
	for (size_t i = 0; i < ARRAY_SIZE(accounts); i++) {
		snprintf(t.document.account, sizeof(t.document.account), "%s", accounts[i]);
		expect_refused(&t, "The document's account is not that of the domain");
	}
	t = good_attempt();
	snprintf(t.document.instance_id, sizeof(t.document.instance_id), "i-other");
	expect_refused(&t, "The document's instance id is not that of the request");
	t.claim.registering = false;
	expect_refused(&t, "The document's instance id is not that of the request");
	snprintf(t.document.instance_id, sizeof(t.document.instance_id), "I-0123456789abcdef0");
	expect_refused(&t, "The document's instance id is not that of the request");
	CU_ASSERT_EQUAL(fakests_n_questions(sts), 0);
}

/* One second each way at both ends of the window. A refresh may be as late as it likes. */
static void test_boot(void)
{
	struct attempt t = good_attempt();

	t.document.pending_wall = NOW - 300;
	expect_ok(&t);
	t.document.pending_wall = NOW - 301;
	expect_refused(&t, "Instance boot time is not recent enough");
	t.document.pending_wall = NOW + 300;
	expect_ok(&t);
	t.document.pending_wall = NOW + 301;
	expect_refused(&t, "Instance boot time is in the future");
	t.claim.registering = false;
	expect_ok(&t);
	t.document.pending_wall = NOW - 1000000;
	expect_ok(&t);
	spec.boot_window_s = 0;
	open_attestor();
	t.claim.registering = true;
	expect_ok(&t);
}

static void test_ips(void)
{
	static const char *const ips[] = { "10.1.2.3", "2001:db8::1" };
	static const char wrong[] = "Unable to validate SAN IP address";
	struct attempt t = good_attempt();

	t.claim.ips = ips;
	t.claim.n_ips = 2;
	expect_ok(&t); /* not asked for */
	spec.check_private_ip = true;
	open_attestor();
	expect_refused(&t, wrong);
	t.claim.n_ips = 1;
	expect_ok(&t);
	t.document.private_ip[0] = '\0';
	expect_refused(&t, wrong);
	t.claim.ips = ips + 1;
	expect_refused(&t, wrong);
	snprintf(t.document.private_ip, sizeof(t.document.private_ip), "2001:db8:0::1");
	expect_ok(&t);
	t.claim.n_ips = 0;
	expect_ok(&t);
}

static void test_evidence(void)
{
	static const char *const bad[] = { "{",     "[]",
					   "hello", "{\"role\":1}",
					   "\xff",  "{\"role\":\"" ROLE "\",\"access\":\"a\"}" };
	struct attempt t = good_attempt();
	struct got got;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		t.claim.evidence = bad[i];
		run(&t.claim, &got);
		CU_ASSERT_EQUAL(got.verdict, ATTESTOR_REFUSED);
		CU_ASSERT_STRING_EQUAL(got.why, "Attestation data cannot be read");
	}
	for (int i = 0; i < 2; i++) {
		t.claim.evidence = "";
		t.claim.registering = i;
		run(&t.claim, &got);
		CU_ASSERT_EQUAL(got.verdict, ATTESTOR_REFUSED);
		CU_ASSERT_STRING_EQUAL(got.why, "Attestation data is missing");
	}
	t.claim.evidence = "{\"role\":\"" ROLE "\"}";
	run(&t.claim, &got);
	CU_ASSERT_STRING_EQUAL(got.why, "Instance identity document is missing");
}

/* ---- credentials ---- */

static void test_sts(void)
{
	static const struct {
		const char *arn;
		bool ok;
	} arns[] = {
		{ ARN, true },
		{ "arn:aws:sts::" ACCOUNT ":assumed-role/" ROLE "x/session", false },
		{ "arn:aws:sts::" ACCOUNT ":assumed-role/" ROLE, false },
		{ "arn:aws:sts::" ACCOUNT ":assumed-role/host/session", false },
		{ "arn:aws:sts::" ACCOUNT ":federated-user/" ROLE "/s", false },
		{ "arn:aws:iam::" ACCOUNT ":user/" ROLE "/s", false },
		{ "arn:aws:sts::210987654321:assumed-role/" ROLE "/session", false },
	};
	struct attempt t = good_attempt();
	char other[] = "other";

	for (size_t i = 0; i < ARRAY_SIZE(arns); i++) {
		fakests_set(sts, FAKESTS_GOOD, arns[i].arn);
		expect(&t, arns[i].ok ? ATTESTOR_OK : ATTESTOR_REFUSED,
		       arns[i].ok ? "" : BAD "they are of another role");
	}
	fakests_set(sts, FAKESTS_GOOD, ARN);
	t.evidence.secret = other;
	expect_refused(&t, BAD "STS says SignatureDoesNotMatch");
	t = good_attempt();
	fakests_set(sts, FAKESTS_EXPIRED, "");
	expect_refused(&t, BAD "STS says ExpiredToken");
	fakests_set(sts, FAKESTS_BUSY, "");
	expect(&t, ATTESTOR_TIMEOUT, BAD "STS answers with HTTP status 503");
	fakests_set(sts, FAKESTS_GARBAGE, "");
	expect(&t, ATTESTOR_TIMEOUT, BAD "the answer of STS cannot be read");
	spec.sts_timeout_ms = 300;
	open_attestor();
	fakests_set(sts, FAKESTS_SILENT, "");
	expect(&t, ATTESTOR_TIMEOUT, BAD "STS does not answer in time");
}

static void test_stranger(void)
{
	struct fakests *other = fakests_start("sts.example", "other.pem");
	struct attempt t = good_attempt();
	struct got got;

	spec.sts_address = fakests_address(other);
	open_attestor();
	try(&t, &got);
	CU_ASSERT_EQUAL(got.verdict, ATTESTOR_FAILED);
	CU_ASSERT_EQUAL(fakests_n_questions(other), 0);
	attestor_close(attestor);
	attestor = NULL;
	fakests_stop(other);
}

/* Asks an STS of that name, which checks that the signature is for FAKESTS_REGION. */
static void try_region(const char *host, const char *provider, const char *arn,
		       enum attestor_verdict want)
{
	struct fakests *other = fakests_start(host, "other.pem");
	struct attempt t = good_attempt();
	char url[128], ca[PATH_MAX];
	struct got got;

	snprintf(url, sizeof(url), "https://%s", host);
	snprintf(t.document.region, sizeof(t.document.region), "%s", strrchr(provider, '.') + 1);
	t.claim.provider = spec.provider = provider;
	spec.sts_url = url;
	spec.sts_address = fakests_address(other);
	spec.sts_ca = tmpdir_path(ca, "other.pem");
	open_attestor();
	fakests_set(other, FAKESTS_GOOD, arn);
	try(&t, &got);
	if (got.verdict != want)
		tap_fail(__FILE__, __LINE__, "%s, %s: %s", host, provider, got.why);
	attestor_close(attestor);
	attestor = NULL;
	fakests_stop(other);
}

/* The signature is for the region in the endpoint's name, else for that of the provider. */
static void test_regions(void)
{
	try_region("sts.us-east-1.api.aws", "a.us-west-2", ARN, ATTESTOR_OK);
	try_region("sts.us-east-1.amazonaws.com", "a.us-west-2", ARN, ATTESTOR_OK);
	try_region("sts.amazonaws.com", "a.us-west-2", ARN, ATTESTOR_OK);
	try_region("sts.us-west-2.api.aws", "a.us-east-1", ARN, ATTESTOR_REFUSED);
	try_region("sts.us-west-2.example", "a.us-east-1", ARN, ATTESTOR_OK);
	try_region("sts.example", "a.us-west-2", ARN, ATTESTOR_REFUSED);
}

/* Callers of China and GovCloud have names of their own, and those of elsewhere are strangers. */
static void test_partitions(void)
{
#define CALLER(partition) "arn:" partition ":sts::" ACCOUNT ":assumed-role/" ROLE "/session"
	static const char gov[] = "a.us-gov-west-1", china[] = "a.cn-north-1";
	static const char in_china[] = "sts.us-east-1.api.amazonwebservices.com.cn";

	try_region("sts.us-east-1.api.aws", gov, CALLER("aws-us-gov"), ATTESTOR_OK);
	try_region("sts.us-east-1.api.aws", gov, CALLER("aws"), ATTESTOR_REFUSED);
	try_region(in_china, china, CALLER("aws-cn"), ATTESTOR_OK);
	try_region("sts.us-east-1.amazonaws.com.cn", china, CALLER("aws-cn"), ATTESTOR_OK);
	try_region(in_china, china, CALLER("aws-us-gov"), ATTESTOR_REFUSED);
	try_region("sts.us-east-1.api.aws", "a.us-west-2", CALLER("aws-cn"), ATTESTOR_REFUSED);
#undef CALLER
}

static void test_which(void)
{
	struct attempt t = good_attempt();

	t.evidence.access = t.evidence.secret = t.evidence.token = NULL;
	expect_refused(&t, "Instance identity credentials are missing");
	spec.need_credentials = false;
	open_attestor();
	expect_ok(&t);
	spec.sts_url = spec.jwt_issuer = "";
	open_attestor();
	expect_ok(&t);
	t = good_attempt();
	expect_refused(&t, BAD "they are not taken here");
	t.evidence.access = t.evidence.secret = t.evidence.token = NULL;
	t.evidence.identity_token = token;
	snprintf(token, sizeof(token), "a.b.c");
	expect_refused(&t, BAD "web-identity tokens are not taken here");
	CU_ASSERT_EQUAL(fakests_n_questions(sts), 0);
}

static void make_jwt(const char *account, const char *org, const char *role)
{
	char payload[1024];

	snprintf(payload, sizeof(payload),
		 "{\"iss\":\"" ISSUER "\",\"aud\":\"https://zts.example/zts/v1\",\"iat\":%d,"
		 "\"exp\":%d,\"sub\":\"arn:aws:iam::%s:role/%s\",\"https://sts.amazonaws.com/\":"
		 "{\"aws_account\":\"%s\",\"org_id\":\"%s\"}}",
		 NOW - 10, NOW + 290, account, role, account, org);
	mkjwt_sign(&jwt_key, "{\"alg\":\"ES384\",\"kid\":\"k\"}", payload, token);
}

static void test_jwt(void)
{
	struct attempt t = good_attempt();

	t.evidence.access = t.evidence.secret = t.evidence.token = NULL;
	t.evidence.identity_token = token;
	make_jwt(ACCOUNT, "o-abc", ROLE);
	expect_ok(&t);
	make_jwt("210987654321", "o-abc", ROLE);
	expect_refused(&t, BAD "the token is of another account");
	make_jwt(ACCOUNT, "o-other", ROLE);
	expect_refused(&t, BAD "the token is of another organisation");
	make_jwt(ACCOUNT, "o-abc", "host");
	expect_refused(&t, BAD "the token is of another role");
	snprintf(t.evidence.role, sizeof(t.evidence.role), "host");
	expect_ok(&t);
	t.claim.now_wall = NOW + 1000;
	expect_refused(&t, "Instance boot time is not recent enough");
	t.claim.registering = false;
	expect_refused(&t, BAD "the token's time is over");
	CU_ASSERT_EQUAL(fakests_n_questions(sts), 0);
}

/* Who waits when it ends is answered, and only once. */
static void test_close(void)
{
	struct attempt t = good_attempt();
	char document[MKEVIDENCE_DOCUMENT_MAX], *evidence;
	struct got got = { 0 };

	fakests_set(sts, FAKESTS_SILENT, "");
	mkevidence_document(&t.document, document);
	t.evidence.document = document;
	t.evidence.signature = mkevidence_sign(&aws, document);
	evidence = mkevidence_encode(&t.evidence);
	t.claim.evidence = evidence;
	attestor_check(attestor, &t.claim, on_done, &got);
	CU_ASSERT_EQUAL(got.n, 0);
	attestor_close(attestor);
	attestor = NULL;
	CU_ASSERT_EQUAL(got.n, 1);
	CU_ASSERT_EQUAL(got.verdict, ATTESTOR_FAILED);
	CU_ASSERT_STRING_EQUAL(got.why, BAD "the program ends");
	free(t.evidence.signature);
	free(evidence);
	attestor_close(NULL);
}

/* ---- registration tokens ---- */

static const struct regtoken good_token = { "postern.lab", "vespa.tenant", "host", ID, NOW };
static const struct regtoken_key token_secret = { 32, "0123456789abcdef0123456789abcdef" };

static void expect_token(const struct attestor_claim *claim, const struct regtoken *t,
			 const struct regtoken_key *key, const char *why)
{
	char text[REGTOKEN_MAX];
	struct attestor_claim c = *claim;
	struct got got;

	CU_ASSERT_EQUAL(regtoken_make(t, key, text), 0);
	c.evidence = text;
	run(&c, &got);
	if (got.verdict != (why[0] ? ATTESTOR_REFUSED : ATTESTOR_OK) || strcmp(got.why, why) != 0)
		tap_fail(__FILE__, __LINE__, "wanted \"%s\", got %d \"%s\"", why, got.verdict,
			 got.why);
}

static struct attestor_claim open_token(void)
{
	struct attempt t = good_attempt();

	spec.kind = ATTESTOR_TOKEN;
	spec.provider = "postern.lab";
	open_attestor();
	t.claim.provider = "postern.lab";
	return t.claim;
}

static void test_token(void)
{
	struct attestor_claim claim = open_token();
	struct regtoken_key other = token_secret;
	struct regtoken t = good_token;

	expect_token(&claim, &t, &token_secret, "");
	other.bytes[0] ^= 1;
	expect_token(&claim, &t, &other, "Not a registration token of this provider");
	t.expires_wall = NOW - 1;
	expect_token(&claim, &t, &token_secret, "The registration token's time is over");
	claim.registering = false;
	expect_token(&claim, &t, &token_secret, "");
	t = good_token;
	snprintf(t.provider, sizeof(t.provider), "postern.other");
	expect_token(&claim, &t, &token_secret, "The registration token is of another provider");
	t = good_token;
	snprintf(t.domain, sizeof(t.domain), "vespa.other");
	expect_token(&claim, &t, &token_secret, "The registration token is of another service");
	t = good_token;
	snprintf(t.service, sizeof(t.service), "other");
	expect_token(&claim, &t, &token_secret, "The registration token is of another service");
	t = good_token;
	snprintf(t.instance_id, sizeof(t.instance_id), "i-other");
	expect_token(&claim, &t, &token_secret, "The registration token is of another instance");
}

static void test_token_names(void)
{
	static const char *const ips[] = { "2001:db8::1" };
	struct attestor_claim claim = open_token();

	claim.ips = ips;
	claim.n_ips = 1;
	expect_token(&claim, &good_token, &token_secret,
		     "A registration token proves no IP address");
	claim.n_ips = 0;
	dns[0] = "other.vespa-tenant.aws.example";
	expect_token(&claim, &good_token, &token_secret,
		     "Unable to verify registered certificate hostname");
	/* Without a suffix there is no name that could be right. */
	spec.n_suffixes = 0;
	open_attestor();
	dns[0] = GOOD_NAME;
	expect_token(&claim, &good_token, &token_secret,
		     "Unable to verify registered certificate hostname");
	claim.n_dns = 0;
	expect_token(&claim, &good_token, &token_secret, "");
}

/* ---- settings ---- */

static void refuse(const char *want)
{
	char why[ATTESTOR_WHY_MAX] = "";
	struct attestor *a = NULL;

	if (attestor_open(base, &spec, &a, why) >= 0 || !strstr(why, want) || a)
		tap_fail(__FILE__, __LINE__, "opened, or other words: %s", why);
	attestor_close(a);
}

static void test_open(void)
{
	const struct attestor_spec good = spec;
	static const char *const nowhere[] = { "/nowhere/aws.pem" };

	spec.provider = "aws";
	refuse("must end with \".<region>\"");
	spec.provider = "aws.";
	refuse("must end with \".<region>\"");
	spec = good;
	spec.n_suffixes = 0;
	refuse("needs a DNS suffix");
	spec = good;
	spec.sts_url = spec.jwt_issuer = "";
	refuse("no way to check them is set");
	spec = good;
	spec.aws_certs = nowhere;
	refuse("/nowhere/aws.pem");
	spec = good;
	spec.sts_url = "http://sts";
	refuse("not of the form https://host[:port]");
	spec = good;
	spec.jwt_audience = "";
	refuse("need an audience");
	spec = good;
	spec.n_jwt_orgs = 0;
	refuse("need a list of organisations");
	spec = good;
	spec.jwt_keys = "/nowhere/jwks";
	refuse("/nowhere/jwks: No such file");
	spec = good;
	spec.kind = ATTESTOR_TOKEN;
	spec.token_key = "/nowhere/secret";
	refuse("/nowhere/secret: No such file");
	spec = good;
}

static const struct tap_test tests[] = {
	{ "registration and refresh", test_good },
	{ "account, provider, role", test_names },
	{ "DNS names", test_dns },
	{ "documents of others, altered, foreign", test_document },
	{ "boot time at its limits", test_boot },
	{ "addresses", test_ips },
	{ "evidence missing or unreadable", test_evidence },
	{ "credentials, as STS sees them", test_sts },
	{ "somebody else in the place of STS", test_stranger },
	{ "the region of the signature", test_regions },
	{ "partitions", test_partitions },
	{ "which proofs are taken", test_which },
	{ "web-identity tokens", test_jwt },
	{ "the end while STS is asked", test_close },
	{ "registration tokens", test_token },
	{ "names and addresses with a token", test_token_names },
	{ "settings that are refused", test_open },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "attestor", tests, begin, end }, { 0 } };

	return tap_main(argc, argv, suites);
}
