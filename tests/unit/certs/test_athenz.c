/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/athenz.h"
#include "common/jsonin.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define TEST_ATHENZ_CSR                                                                            \
	"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
#define TEST_ATHENZ_ID "\"provider\":\"p.q\",\"domain\":\"a.b\",\"service\":\"c\""

static struct athenz_problem test_athenz_problem;

/* The message of the refusal, "" when the request is taken. */
static const char *test_athenz_refusal(const char *text, size_t len, bool registering)
{
	struct athenz_request got;
	int r;

	memset(&got, 0x55, sizeof(got));
	test_athenz_problem.text[0] = '\0';
	r = athenz_decode_request(text, len, registering, &got, &test_athenz_problem);
	CU_ASSERT_EQUAL(r, test_athenz_problem.text[0] ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(got.domain[0] == 0x55, r != 0);
	if (r == 0)
		athenz_request_release(&got);
	return test_athenz_problem.text;
}

static const char *test_athenz_refusal_of(const char *text, bool registering)
{
	return test_athenz_refusal(text, strlen(text), registering);
}

static struct athenz_request test_athenz_request(void)
{
	static char evidence[] = "{\"document\":\"{\\n \\\"x\\\" : 1\\n}\",\"\xc3\xa5\":\"\\\\\"}";
	static char csr[] = TEST_ATHENZ_CSR;

	return (struct athenz_request){
		.provider = "athenz.aws.us-east-1",
		.domain = "vespa.tenant",
		.service = "host_1",
		.evidence = evidence,
		.csr = csr,
		.hostname = "h1.Example",
		.name_space = "default",
		.cloud = "aws",
		.instance_id = "i-0123456789abcdef0",
		.expiry_min = INT32_MAX,
	};
}

static void test_athenz_request_round_trip(void)
{
	struct athenz_request in = test_athenz_request(), out;
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_request(&in, true, &text), 0);
	CU_ASSERT_EQUAL(athenz_decode_request(text, strlen(text), true, &out, &test_athenz_problem),
			0);
	free(text);
	CU_ASSERT_STRING_EQUAL(out.provider, in.provider);
	CU_ASSERT_STRING_EQUAL(out.domain, in.domain);
	CU_ASSERT_STRING_EQUAL(out.service, in.service);
	CU_ASSERT_STRING_EQUAL(out.evidence, in.evidence);
	CU_ASSERT_STRING_EQUAL(out.csr, in.csr);
	CU_ASSERT_STRING_EQUAL(out.hostname, in.hostname);
	CU_ASSERT_STRING_EQUAL(out.name_space, in.name_space);
	CU_ASSERT_STRING_EQUAL(out.cloud, in.cloud);
	CU_ASSERT_STRING_EQUAL(out.instance_id, in.instance_id);
	CU_ASSERT_EQUAL(out.expiry_min, INT32_MAX);
	athenz_request_release(&out);
	CU_ASSERT_PTR_NULL(out.evidence);
	CU_ASSERT_PTR_NULL(out.csr);
	athenz_request_release(&out);
}

/* A refresh says neither who nor which instance: that is in its path. */
static void test_athenz_refresh_round_trip(void)
{
	struct athenz_request in = test_athenz_request(), out;
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_request(&in, false, &text), 0);
	CU_ASSERT_PTR_NULL(strstr(text, "provider"));
	CU_ASSERT_PTR_NULL(strstr(text, "\"domain\""));
	CU_ASSERT_PTR_NULL(strstr(text, "\"service\""));
	CU_ASSERT_PTR_NULL(strstr(text, "x509CertInstanceId"));
	CU_ASSERT_EQUAL(
		athenz_decode_request(text, strlen(text), false, &out, &test_athenz_problem), 0);
	free(text);
	CU_ASSERT_STRING_EQUAL(out.provider, "");
	CU_ASSERT_STRING_EQUAL(out.domain, "");
	CU_ASSERT_STRING_EQUAL(out.service, "");
	CU_ASSERT_STRING_EQUAL(out.instance_id, "");
	CU_ASSERT_STRING_EQUAL(out.csr, in.csr);
	CU_ASSERT_STRING_EQUAL(out.evidence, in.evidence);
	CU_ASSERT_EQUAL(out.expiry_min, INT32_MAX);
	athenz_request_release(&out);
}

/* Optional members that have no value are left out. */
static void test_athenz_short_request(void)
{
	struct athenz_request in = { .provider = "p", .domain = "d", .service = "s" }, out;
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_request(&in, true, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "{\"provider\":\"p\",\"domain\":\"d\",\"service\":\"s\"}");
	CU_ASSERT_EQUAL(athenz_decode_request(text, strlen(text), true, &out, &test_athenz_problem),
			0);
	CU_ASSERT_STRING_EQUAL(out.evidence, "");
	CU_ASSERT_STRING_EQUAL(out.csr, "");
	CU_ASSERT_EQUAL(out.expiry_min, 0);
	athenz_request_release(&out);
	free(text);
	CU_ASSERT_EQUAL(athenz_encode_request(&in, false, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "{}");
	free(text);
}

/* In the shape in which other clients send them: the EC2 agent in Go, Vespa's in Java, the Java
 * client with all that it knows. */
static void test_athenz_other_clients(void)
{
	static const char *const texts[] = {
		"{\"provider\":\"athenz.aws.us-west-2\",\"domain\":\"athenz\",\"service\":\"api\","
		"\"attestationData\":\"{\\\"role\\\":\\\"athenz.api\\\",\\\"commonName\\\":"
		"\\\"athenz.api\\\",\\\"document\\\":\\\"{}\\\"}\","
		"\"csr\":\"-----BEGIN CERTIFICATE "
		"REQUEST-----\\nMIIB\\n-----END CERTIFICATE REQUEST-----\\n\",\"athenzJWK\":true,"
		"\"athenzJWKModified\":\"2026-11-20T00:00:00.000Z\",\"namespace\":\"default\"}",
		"{\"provider\":\"vespa.vespa.provider\",\"domain\":\"vespa.vespa\",\"service\":"
		"\"tenant-host\",\"attestationData\":\"{\\\"signature\\\":"
		"\\\"x\\\"}\",\"csr\":\"x\"}",
		"{ \"provider\" : \"Athenz.AWS\", \"domain\" : "
		"\"Vespa.Tenant\", \"service\" : \"S_-\",\n"
		"  \"attestationData\" : \"x\", \"csr\" : \"x\", "
		"\"ssh\" : null, \"token\" : false,\n"
		"  \"hostname\" : null, \"hostCnames\" : [\"a.b\"], \"expiryTime\" : null,\n"
		"  \"sshCertRequest\" : { \"certRequestData\" : { \"principals\" : [\"x\"] } },\n"
		"  \"jwtSVIDAudience\" : \"x\", \"athenzJWKModified\" : null }",
	};
	struct athenz_request out;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (*test_athenz_refusal_of(texts[i], true))
			tap_fail(__FILE__, __LINE__, "%zu: %s", i, test_athenz_problem.text);
		CU_ASSERT_STRING_EQUAL(test_athenz_refusal_of(texts[i], false), "");
	}
	CU_ASSERT_EQUAL(athenz_decode_request(texts[2], strlen(texts[2]), true, &out,
					      &test_athenz_problem),
			0);
	CU_ASSERT_STRING_EQUAL(out.provider, "athenz.aws");
	CU_ASSERT_STRING_EQUAL(out.domain, "vespa.tenant");
	CU_ASSERT_STRING_EQUAL(out.service, "s_-");
	athenz_request_release(&out);
}

struct test_athenz_row {
	const char *text;
	const char *says; /* how the refusal begins; "" = taken */
};

#define OBJECT "Invalid Object: "
#define REGISTER "Invalid InstanceRegisterInformation error: "
#define REFRESH "Invalid InstanceRefreshInformation error: "

static const struct test_athenz_row test_athenz_register_rows[] = {
	{ "{" TEST_ATHENZ_ID "}", "" },
	{ "", OBJECT },
	{ "x", OBJECT },
	{ "[]", OBJECT },
	{ "\"x\"", OBJECT },
	{ "{" TEST_ATHENZ_ID, OBJECT },
	{ "{" TEST_ATHENZ_ID "}x", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"service\":\"d\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"other\":\"\\u0000\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"csr\":\"a\\u0000b\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"csr\":\"\xff\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"csr\":\"\xc3\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"csr\":\"\xed\xa0\x80\"}", OBJECT },
	{ "{" TEST_ATHENZ_ID ",\"x\":[[[[[]]]]]}", "" },
	{ "{" TEST_ATHENZ_ID ",\"x\":[[[[[[]]]]]]}", OBJECT },
	{ "{\"domain\":\"a.b\",\"service\":\"c\"}", REGISTER "Missing required field: provider" },
	{ "{\"provider\":null,\"domain\":\"a.b\",\"service\":\"c\"}",
	  REGISTER "Missing required field: provider" },
	{ "{\"provider\":\"p\",\"service\":\"c\"}", REGISTER "Missing required field: domain" },
	{ "{\"provider\":\"p\",\"domain\":\"a.b\"}", REGISTER "Missing required field: service" },
	{ "{\"provider\":1,\"domain\":\"a.b\",\"service\":\"c\"}", OBJECT "provider" },
	{ "{\"provider\":\"\",\"domain\":\"a.b\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: provider" },
	{ "{\"provider\":\"p..q\",\"domain\":\"a.b\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: provider" },
	{ "{\"provider\":\"p\",\"domain\":\"a.\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: domain: expected "
		   "([a-zA-Z0-9_][a-zA-Z0-9_-]*\\.)*[a-zA-Z0-9_][a-zA-Z0-9_-]*, got 'a.'" },
	{ "{\"provider\":\"p\",\"domain\":\".a\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: domain" },
	{ "{\"provider\":\"p\",\"domain\":\"-a\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: domain" },
	{ "{\"provider\":\"p\",\"domain\":\"a:role.b\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: domain" },
	{ "{\"provider\":\"p\",\"domain\":\"\xc3\xa5\",\"service\":\"c\"}",
	  REGISTER "String pattern mismatch: domain: expected "
		   "([a-zA-Z0-9_][a-zA-Z0-9_-]*\\.)*[a-zA-Z0-9_][a-zA-Z0-9_-]*, got '\?\?'" },
	{ "{\"provider\":\"p\",\"domain\":\"a\",\"service\":\"c.d\"}",
	  REGISTER "String pattern mismatch: service: expected [a-zA-Z0-9_][a-zA-Z0-9_-]*, got "
		   "'c.d'" },
	{ "{\"provider\":\"p\",\"domain\":\"a\",\"service\":\"c\\n\"}",
	  REGISTER "String pattern mismatch: service" },
	{ "{" TEST_ATHENZ_ID ",\"hostname\":\"h.1-_\",\"namespace\":\"N\",\"cloud\":\"c\"}", "" },
	{ "{" TEST_ATHENZ_ID ",\"hostname\":null,\"namespace\":null,\"cloud\":null}", "" },
	{ "{" TEST_ATHENZ_ID ",\"hostname\":\"a b\"}", REGISTER "String pattern mismatch: hostn" },
	{ "{" TEST_ATHENZ_ID ",\"hostname\":\"\"}", REGISTER "String pattern mismatch: hostname" },
	{ "{" TEST_ATHENZ_ID ",\"hostname\":true}", OBJECT "hostname" },
	{ "{" TEST_ATHENZ_ID ",\"namespace\":\"a.b\"}", REGISTER "String pattern mismatch: names" },
	{ "{" TEST_ATHENZ_ID ",\"namespace\":[]}", OBJECT "namespace" },
	{ "{" TEST_ATHENZ_ID ",\"cloud\":\"a/b\"}", REGISTER "String pattern mismatch: cloud" },
	{ "{" TEST_ATHENZ_ID ",\"cloud\":{}}", OBJECT "cloud" },
	{ "{" TEST_ATHENZ_ID ",\"x509CertInstanceId\":\"\"}", "" },
	{ "{" TEST_ATHENZ_ID ",\"x509CertInstanceId\":\"aZ0-._~=+@$:\"}", "" },
	{ "{" TEST_ATHENZ_ID ",\"x509CertInstanceId\":\"a,b\"}",
	  REGISTER "String pattern mismatch: x509CertInstanceId" },
	{ "{" TEST_ATHENZ_ID ",\"x509CertInstanceId\":\"a/b\"}",
	  REGISTER "String pattern mismatch: x509CertInstanceId" },
	{ "{" TEST_ATHENZ_ID ",\"x509CertInstanceId\":7}", OBJECT "x509CertInstanceId" },
	{ "{" TEST_ATHENZ_ID ",\"attestationData\":{}}", OBJECT "attestationData" },
	{ "{" TEST_ATHENZ_ID ",\"csr\":[]}", OBJECT "csr" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":0}", "" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":2147483647}", "" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":2147483648}", OBJECT "expiryTime" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":-1}", OBJECT "expiryTime" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":1.0}", OBJECT "expiryTime" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":\"1\"}", OBJECT "expiryTime" },
	{ "{" TEST_ATHENZ_ID ",\"expiryTime\":99999999999999999999}", OBJECT },
};

static const struct test_athenz_row test_athenz_refresh_rows[] = {
	{ "{}", "" },
	{ "[]", OBJECT },
	{ "{\"provider\":1,\"domain\":\"-\",\"service\":[],\"x509CertInstanceId\":0}", "" },
	{ "{\"hostname\":\"-\"}", REFRESH "String pattern mismatch: hostname" },
	{ "{\"namespace\":\"a.b\"}", REFRESH "String pattern mismatch: namespace" },
	{ "{\"csr\":1}", OBJECT "csr" },
	{ "{\"expiryTime\":[]}", OBJECT "expiryTime" },
};

static void test_athenz_check_rows(const struct test_athenz_row *rows, size_t n, bool registering)
{
	for (size_t i = 0; i < n; i++) {
		const char *says = test_athenz_refusal_of(rows[i].text, registering);

		if (*rows[i].says ? strncmp(says, rows[i].says, strlen(rows[i].says)) != 0 :
				    *says != '\0')
			tap_fail(__FILE__, __LINE__, "row %zu, %s: %s", i, rows[i].text, says);
	}
}

static void test_athenz_request_rules(void)
{
	test_athenz_check_rows(test_athenz_register_rows, ARRAY_SIZE(test_athenz_register_rows),
			       true);
	test_athenz_check_rows(test_athenz_refresh_rows, ARRAY_SIZE(test_athenz_refresh_rows),
			       false);
}

/* Cut at every byte, in memory of exactly that size. */
static void test_athenz_request_truncated(void)
{
	static const char whole[] = "{" TEST_ATHENZ_ID ",\"csr\":\"x\",\"expiryTime\":5}";

	for (size_t len = 0; len < strlen(whole); len++) {
		char *text = malloc(len ? len : 1);

		memcpy(text, whole, len);
		CU_ASSERT_TRUE(*test_athenz_refusal(text, len, true));
		free(text);
	}
}

/* A body with the member @name of @n bytes 'x'. */
static char *test_athenz_long(const char *head, const char *name, size_t n)
{
	char *text = malloc(n + 256);
	int at = snprintf(text, 256, "{%s\"%s\":\"", head, name);

	memset(text + at, 'x', n);
	memcpy(text + at + n, "\"}", 3);
	return text;
}

static void test_athenz_request_limits(void)
{
	static const struct {
		const char *head, *name;
		size_t max;
	} rows[] = {
		{ TEST_ATHENZ_ID ",", "csr", ATHENZ_CSR_MAX },
		{ TEST_ATHENZ_ID ",", "attestationData", ATHENZ_EVIDENCE_MAX },
		{ TEST_ATHENZ_ID ",", "hostname", ATHENZ_NAME_MAX - 1 },
		{ TEST_ATHENZ_ID ",", "namespace", ATHENZ_NAME_MAX - 1 },
		{ TEST_ATHENZ_ID ",", "cloud", ATHENZ_NAME_MAX - 1 },
		{ TEST_ATHENZ_ID ",", "x509CertInstanceId", PRINCIPAL_INSTANCE_MAX - 1 },
		{ "\"domain\":\"d\",\"service\":\"s\",", "provider", PRINCIPAL_PROVIDER_MAX - 1 },
		{ "\"provider\":\"p\",\"service\":\"s\",", "domain", PRINCIPAL_MAX - 3 },
		{ "\"provider\":\"p\",\"domain\":\"d\",", "service", PRINCIPAL_MAX - 3 },
		/* The body as a whole. */
		{ TEST_ATHENZ_ID ",", "y",
		  ATHENZ_REQUEST_MAX - sizeof("{" TEST_ATHENZ_ID ",'y':''}") + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t n = rows[i].max - 1; n <= rows[i].max + 1; n++) {
			char *text = test_athenz_long(rows[i].head, rows[i].name, n);

			if (*test_athenz_refusal_of(text, true) != (n > rows[i].max ? 'I' : '\0'))
				tap_fail(__FILE__, __LINE__, "%s of %zu (body %zu): %s",
					 rows[i].name, n, strlen(text), test_athenz_problem.text);
			free(text);
		}
	}
}

static char *test_athenz_filled(size_t n)
{
	char *text = malloc(n + 1);

	memset(text, 'x', n);
	text[n] = '\0';
	return text;
}

static void test_athenz_encode_limits(void)
{
	for (int over = -1; over <= 1; over++) {
		struct athenz_request in = { .provider = "p", .domain = "d", .service = "s" };
		char *text = NULL;
		int r;

		in.csr = test_athenz_filled((size_t)(ATHENZ_CSR_MAX + over));
		r = athenz_encode_request(&in, true, &text);
		CU_ASSERT_EQUAL(r, over > 0 ? -EMSGSIZE : 0);
		CU_ASSERT_EQUAL(text == NULL, r != 0);
		free(text);
		free(in.csr);
		text = in.csr = NULL;
		in.evidence = test_athenz_filled((size_t)(ATHENZ_EVIDENCE_MAX + over));
		r = athenz_encode_request(&in, true, &text);
		CU_ASSERT_EQUAL(r, over > 0 ? -EMSGSIZE : 0);
		CU_ASSERT_EQUAL(text == NULL, r != 0);
		free(text);
		/* What grows by its escapes. */
		memset(in.evidence, '\x01', strlen(in.evidence));
		CU_ASSERT_EQUAL(athenz_encode_request(&in, true, &text), -EMSGSIZE);
		free(in.evidence);
	}
}

static void test_athenz_encode_not_utf8(void)
{
	static char bad[] = "\xc3(";
	struct athenz_request request = { .provider = "p", .csr = bad };
	struct athenz_identity identity = { .name = "a.b", .cert = bad };
	struct athenz_evidence evidence = { .document = bad };
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_request(&request, true, &text), -EILSEQ);
	CU_ASSERT_EQUAL(athenz_encode_identity(&identity, &text), -EILSEQ);
	CU_ASSERT_EQUAL(athenz_encode_evidence(&evidence, &text), -EILSEQ);
	CU_ASSERT_PTR_NULL(text);
}

/* ---- answers ---- */

/* Every character comes back, whoever wrote it: ours for the plain ones, jansson for the rest. */
static void test_athenz_identity_characters(void)
{
	for (int c = 1; c < 0x100; c++) {
		char pem[] = { 'x', (char)(c < 0x80 ? c : 0xc2), (char)(c < 0x80 ? 'y' : c & 0xbf),
			       0 };
		struct athenz_identity in = { "p.q", "a.b", "i-0", pem, pem }, out;
		char *text = NULL;

		CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
		CU_ASSERT_EQUAL(athenz_decode_identity(text, strlen(text), &out), 0);
		CU_ASSERT_STRING_EQUAL(out.cert, pem);
		CU_ASSERT_STRING_EQUAL(out.signer, pem);
		CU_ASSERT_STRING_EQUAL(out.provider, "p.q");
		athenz_identity_release(&out);
		free(text);
	}
}

static void test_athenz_identity_text(void)
{
	static char cert[] = "a\"\\/\n\r\tb";
	struct athenz_identity in = { "p", "a.b", "i", cert, NULL };
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "{\"provider\":\"p\",\"name\":\"a.b\",\"instanceId\":\"i\","
				     "\"x509Certificate\":\"a\\\"\\\\/\\n\\r\\tb\"}");
	free(text);
}

/* With two certificates of escapes the whole is the longest there may be, and one byte more. */
static void test_athenz_identity_longest(void)
{
	char *pem = test_athenz_filled(ATHENZ_PEM_MAX), *other = test_athenz_filled(1000);
	struct athenz_identity in = { "p", "a.b", "i", pem, other };
	char *text = NULL;
	size_t len;

	memset(pem, '\n', ATHENZ_PEM_MAX);
	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), -EMSGSIZE);
	CU_ASSERT_PTR_NULL(text);
	memset(pem, 'x', 2000);
	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
	len = strlen(text);
	free(text);
	text = NULL;
	CU_ASSERT_TRUE(len < ATHENZ_RESPONSE_MAX && ATHENZ_RESPONSE_MAX - len < 2000);
	memset(pem, '\n', ATHENZ_RESPONSE_MAX - len);
	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
	CU_ASSERT_EQUAL(strlen(text), ATHENZ_RESPONSE_MAX);
	free(text);
	text = NULL;
	memset(pem, '\n', ATHENZ_RESPONSE_MAX - len + 1);
	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), -EMSGSIZE);
	CU_ASSERT_PTR_NULL(text);
	free(pem);
	free(other);
}

static void test_athenz_identity_round_trip(void)
{
	static char cert[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	struct athenz_identity in = { "p.q", "a.b.c", "i-0", cert, cert }, out;
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
	CU_ASSERT_EQUAL(athenz_decode_identity(text, strlen(text), &out), 0);
	free(text);
	CU_ASSERT_STRING_EQUAL(out.provider, "p.q");
	CU_ASSERT_STRING_EQUAL(out.name, "a.b.c");
	CU_ASSERT_STRING_EQUAL(out.instance_id, "i-0");
	CU_ASSERT_STRING_EQUAL(out.cert, cert);
	CU_ASSERT_STRING_EQUAL(out.signer, cert);
	athenz_identity_release(&out);
	CU_ASSERT_PTR_NULL(out.cert);
	in.signer = NULL;
	CU_ASSERT_EQUAL(athenz_encode_identity(&in, &text), 0);
	CU_ASSERT_PTR_NULL(strstr(text, "Signer"));
	CU_ASSERT_EQUAL(athenz_decode_identity(text, strlen(text), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.signer, "");
	athenz_identity_release(&out);
	free(text);
}

#define NAMES "\"provider\":\"P.q\",\"name\":\"A.b.c\",\"instanceId\":\"I-0\""

/* With all that an Athenz server may add. */
static void test_athenz_identity_of_athenz(void)
{
	static const char text[] = "{" NAMES
				   ",\"x509Certificate\":\"c\",\"x509CertificateSigner\":null,"
				   "\"sshCertificate\":\"x\",\"serviceToken\":\"v=S1;d=x\","
				   "\"attributes\":{\"a\":\"b\"},"
				   "\"athenzJWK\":{\"zms\":{\"keys\":[{\"kty\":\"RSA\","
				   "\"x5c\":[\"x\"]}]},\"modified\":"
				   "\"2026-11-20T00:00:00.000Z\"}}";
	struct athenz_identity out;

	CU_ASSERT_EQUAL(athenz_decode_identity(text, strlen(text), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.provider, "p.q");
	CU_ASSERT_STRING_EQUAL(out.name, "a.b.c");
	CU_ASSERT_STRING_EQUAL(out.instance_id, "I-0");
	CU_ASSERT_STRING_EQUAL(out.cert, "c");
	CU_ASSERT_STRING_EQUAL(out.signer, "");
	athenz_identity_release(&out);
}

static void test_athenz_bad_identities(void)
{
	static const char *const texts[] = {
		"",
		"x",
		"[]",
		"{" NAMES "}",
		"{" NAMES ",\"x509Certificate\":\"\"}",
		"{" NAMES ",\"x509Certificate\":null}",
		"{" NAMES ",\"x509Certificate\":{}}",
		"{" NAMES ",\"x509Certificate\":\"a\\u0000\"}",
		"{" NAMES ",\"x509Certificate\":\"c\",\"x509Certificate\":\"c\"}",
		"{" NAMES ",\"x509Certificate\":\"c\",\"x509CertificateSigner\":1}",
		"{\"name\":\"a.b\",\"instanceId\":\"i\",\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p\",\"instanceId\":\"i\",\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p\",\"name\":\"a.b\",\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p/q\",\"name\":\"a.b\",\"instanceId\":\"i\",\"x509Certificate\":"
		"\"c\"}",
		"{\"provider\":\"p\",\"name\":\"a\",\"instanceId\":"
		"\"i\",\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p\",\"name\":\"a:role.b\",\"instanceId\":\"i\","
		"\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p\",\"name\":7,\"instanceId\":\"i\",\"x509Certificate\":\"c\"}",
		"{\"provider\":\"p\",\"name\":\"a.b\",\"instanceId\":\"i/j\",\"x509Certificate\":"
		"\"c\"}",
		"{\"provider\":\"p\",\"name\":\"a.b\",\"instanceId\":[],\"x509Certificate\":\"c\"}",
	};
	struct athenz_identity out;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(&out, 0x55, sizeof(out));
		if (athenz_decode_identity(texts[i], strlen(texts[i]), &out) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "%s was taken", texts[i]);
		CU_ASSERT_EQUAL(out.name[0], 0x55);
	}
}

static void test_athenz_identity_limits(void)
{
	static const char *const members[] = { "x509Certificate", "x509CertificateSigner" };
	struct athenz_identity out;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		for (size_t n = ATHENZ_PEM_MAX - 1; n <= ATHENZ_PEM_MAX + 1; n++) {
			char *text = test_athenz_long(
				i ? NAMES ",\"x509Certificate\":\"c\"," : NAMES ",", members[i], n);
			int r = athenz_decode_identity(text, strlen(text), &out);

			CU_ASSERT_EQUAL(r, n > ATHENZ_PEM_MAX ? -EBADMSG : 0);
			if (r == 0)
				athenz_identity_release(&out);
			free(text);
		}
	}
	for (int over = -1; over <= 1; over++) {
		size_t rest = strlen("{" NAMES ",'x509Certificate':'c','more':''}");
		char *text = test_athenz_long(NAMES ",\"x509Certificate\":\"c\",", "more",
					      (size_t)(ATHENZ_RESPONSE_MAX + over) - rest);
		size_t len = strlen(text);
		int r = athenz_decode_identity(text, len, &out);

		CU_ASSERT_EQUAL(len, (size_t)(ATHENZ_RESPONSE_MAX + over));
		CU_ASSERT_EQUAL(r, over > 0 ? -EBADMSG : 0);
		if (r == 0)
			athenz_identity_release(&out);
		free(text);
	}
}

static void test_athenz_errors(void)
{
	static const struct {
		const char *text;
		unsigned int code;
		const char *message;
	} rows[] = {
		{ "{\"code\":403,\"message\":\"Certificate revoked\"}", 403,
		  "Certificate revoked" },
		{ "{\"message\":\"x\"}", 0, "x" },
		{ "{\"code\":404}", 404, "" },
		{ "{\"code\":\"404\",\"message\":7}", 0, "" },
		{ "{\"code\":99,\"message\":null}", 0, "" },
		{ "{\"code\":100}", 100, "" },
		{ "{\"code\":599}", 599, "" },
		{ "{\"code\":600}", 0, "" },
		{ "{\"code\":-1}", 0, "" },
		{ "{\"code\":500,\"message\":\"a\\u001bb\\n\xc3\xa5\"}", 500, "a?b?\?\?" },
		{ "<html>\n502 Bad Gateway", 0, "<html>?502 Bad Gateway" },
		{ "[]", 0, "[]" },
		{ "", 0, "" },
		{ "{\"message\":\"a\"", 0, "{\"message\":\"a\"" },
		{ "\xff\x7f", 0, "\?\?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct athenz_error out;

		memset(&out, 0x55, sizeof(out));
		athenz_decode_error(rows[i].text, strlen(rows[i].text), &out);
		if (out.code != rows[i].code || strcmp(out.message, rows[i].message) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %u '%s'", rows[i].text, out.code,
				 out.message);
		CU_ASSERT_TRUE(strlen(out.message) < sizeof(out.message));
	}
}

static void test_athenz_long_errors(void)
{
	for (size_t n = ATHENZ_MESSAGE_MAX - 2; n <= ATHENZ_MESSAGE_MAX; n++) {
		char *text = test_athenz_long("", "message", n);
		size_t kept = n < ATHENZ_MESSAGE_MAX ? n : ATHENZ_MESSAGE_MAX - 1;
		struct athenz_error out;

		athenz_decode_error(text, strlen(text), &out);
		CU_ASSERT_EQUAL(strlen(out.message), kept);
		/* No JSON: the text as it is, a NUL in it too. */
		text[0] = 'x';
		text[1] = '\0';
		athenz_decode_error(text, n, &out);
		CU_ASSERT_EQUAL(strlen(out.message), kept);
		CU_ASSERT_EQUAL(out.message[1], '?');
		free(text);
	}
}

static void test_athenz_error_round_trip(void)
{
	struct athenz_error in = { .code = 403 }, out;
	char *text = NULL;

	memset(in.message, '"', sizeof(in.message) - 1);
	CU_ASSERT_EQUAL(athenz_encode_error(&in, &text), 0);
	athenz_decode_error(text, strlen(text), &out);
	free(text);
	CU_ASSERT_EQUAL(out.code, 403);
	CU_ASSERT_STRING_EQUAL(out.message, in.message);
	snprintf(in.message, sizeof(in.message), "a\n\xff");
	CU_ASSERT_EQUAL(athenz_encode_error(&in, &text), 0);
	athenz_decode_error(text, strlen(text), &out);
	free(text);
	CU_ASSERT_STRING_EQUAL(out.message, "a\?\?");
}

#define UNVERIFIED "unable to verify attestation data: "

static void test_athenz_classes(void)
{
	static const struct {
		unsigned int status;
		const char *message;
		enum pst code;
	} rows[] = {
		{ 199, "", PST_ZTS_UNREACHABLE },
		{ 200, "", PST_NONE },
		{ 201, NULL, PST_NONE },
		{ 299, "Certificate revoked", PST_NONE },
		{ 300, "", PST_ZTS_UNREACHABLE },
		{ 302, "", PST_ZTS_UNREACHABLE },
		{ 0, "", PST_ZTS_UNREACHABLE },
		{ 399, "", PST_ZTS_UNREACHABLE },
		{ 400, "unable to parse PKCS10 CSR", PST_ZTS_REFUSED },
		{ 400, "Certificate revoked", PST_ZTS_REFUSED },
		{ 400, "Server in Maintenance Read-Only mode. Please try later",
		  PST_ZTS_UNREACHABLE },
		{ 400, "server in read-only mode", PST_ZTS_UNREACHABLE },
		{ 401, "Invalid credentials", PST_CERT_REFUSED },
		{ 401, NULL, PST_CERT_REFUSED },
		{ 403, "Certificate revoked", PST_ZTS_REVOKED },
		{ 403, "certificate REVOKED for i-0", PST_ZTS_REVOKED },
		{ 403, "the Certificate revoked", PST_ZTS_REFUSED },
		{ 403, "Certificate revoke", PST_ZTS_REFUSED },
		{ 403, "Unable to find certificate record", PST_ZTS_REVOKED },
		{ 403, UNVERIFIED "Instance boot time is not recent enough client: x",
		  PST_ZTS_BOOT_WINDOW },
		{ 403, "Instance boot time is not recent enough", PST_ZTS_BOOT_WINDOW },
		{ 403, UNVERIFIED "foreign account", PST_ZTS_ATTESTATION },
		{ 403, "Unable to Verify attestation data", PST_ZTS_ATTESTATION },
		{ 403, "Read-Only", PST_ZTS_REFUSED },
		{ 403, "", PST_ZTS_REFUSED },
		{ 403, NULL, PST_ZTS_REFUSED },
		{ 404, "Domain not found: x", PST_ZTS_REFUSED },
		{ 404, UNVERIFIED, PST_ZTS_REFUSED },
		{ 429, "", PST_ZTS_BUSY },
		{ 499, "", PST_ZTS_REFUSED },
		{ 500, "unable to generate identity", PST_ZTS_UNREACHABLE },
		{ 504, "", PST_ZTS_UNREACHABLE },
		{ 600, "", PST_ZTS_UNREACHABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum pst code = athenz_classify(rows[i].status, rows[i].message);

		CU_ASSERT_EQUAL(code, rows[i].code);
		if (code != rows[i].code)
			tap_fail(__FILE__, __LINE__, "row %zu gives PST-%04u", i,
				 (unsigned int)code);
	}
}

/* ---- AWS ---- */

static struct athenz_evidence test_athenz_evidence(void)
{
	static char document[] =
		"{\r\n  \"accountId\" : \"1\",\n\t\"x\" : \"\xc3\xa5 \\/ \x7f\"\n}";
	static char signature[] = "MIAGCSqGSIb3DQEHAqCAMIAC\nAQ+/==\r\n";
	static char access[] = "ASIA0", secret[] = "a+/=", token[] = "t//==";

	return (struct athenz_evidence){ .role = "a.b.c",
					 .document = document,
					 .signature = signature,
					 .access = access,
					 .secret = secret,
					 .token = token };
}

static void test_athenz_evidence_round_trip(void)
{
	static char jwt[] = "e30.e30.x-_";
	struct athenz_evidence in = test_athenz_evidence(), out;
	char *text = NULL;

	CU_ASSERT_EQUAL(athenz_encode_evidence(&in, &text), 0);
	CU_ASSERT_EQUAL(athenz_decode_evidence(text, strlen(text), &out), 0);
	free(text);
	CU_ASSERT_STRING_EQUAL(out.role, in.role);
	CU_ASSERT_STRING_EQUAL(out.document, in.document);
	CU_ASSERT_STRING_EQUAL(out.signature, in.signature);
	CU_ASSERT_STRING_EQUAL(out.access, in.access);
	CU_ASSERT_STRING_EQUAL(out.secret, in.secret);
	CU_ASSERT_STRING_EQUAL(out.token, in.token);
	CU_ASSERT_PTR_NULL(out.identity_token);
	athenz_evidence_release(&out);
	CU_ASSERT_PTR_NULL(out.secret);
	in = (struct athenz_evidence){ .role = "s", .identity_token = jwt };
	CU_ASSERT_EQUAL(athenz_encode_evidence(&in, &text), 0);
	CU_ASSERT_STRING_EQUAL(text, "{\"role\":\"s\",\"identityToken\":\"e30.e30.x-_\"}");
	CU_ASSERT_EQUAL(athenz_decode_evidence(text, strlen(text), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.document, "");
	CU_ASSERT_STRING_EQUAL(out.signature, "");
	CU_ASSERT_PTR_NULL(out.access);
	CU_ASSERT_STRING_EQUAL(out.identity_token, jwt);
	athenz_evidence_release(&out);
	free(text);
}

static void test_athenz_evidence_rows(void)
{
	static const struct {
		const char *text;
		int r;
	} rows[] = {
		{ "{}", 0 },
		{ "{\"role\":\"a.b\",\"commonName\":\"a.b\",\"taskid\":\"x\"}", 0 },
		{ "{\"access\":\"\",\"secret\":null,\"identityToken\":\"\"}", 0 },
		{ "", -EBADMSG },
		{ "v=S1;d=sys", -EBADMSG },
		{ "{\"role\":\"a/b\"}", -EBADMSG },
		{ "{\"role\":\"\"}", -EBADMSG },
		{ "{\"role\":1}", -EBADMSG },
		{ "{\"document\":{}}", -EBADMSG },
		{ "{\"document\":\"\\u0000\"}", -EBADMSG },
		{ "{\"signature\":\"-----BEGIN\"}", -EBADMSG },
		{ "{\"signature\":[]}", -EBADMSG },
		{ "{\"access\":\"a\",\"secret\":\"s\",\"token\":\"t\"}", 0 },
		{ "{\"access\":\"a\",\"secret\":\"s\"}", -EBADMSG },
		{ "{\"secret\":\"s\",\"token\":\"t\"}", -EBADMSG },
		{ "{\"access\":\"a\",\"token\":\"t\"}", -EBADMSG },
		{ "{\"access\":\"a b\",\"secret\":\"s\",\"token\":\"t\"}", -EBADMSG },
		{ "{\"access\":\"a\",\"secret\":\"s\\n\",\"token\":\"t\"}", -EBADMSG },
		{ "{\"access\":\"a\",\"secret\":\"s\",\"token\":\"\xc3\xa5\"}", -EBADMSG },
		{ "{\"access\":1,\"secret\":\"s\",\"token\":\"t\"}", -EBADMSG },
		{ "{\"identityToken\":\"a\\r\\nb\"}", -EBADMSG },
		{ "{\"identityToken\":true}", -EBADMSG },
		{ "{\"role\":\"a\",\"role\":\"a\"}", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct athenz_evidence out;
		int r;

		memset(&out, 0x55, sizeof(out));
		r = athenz_decode_evidence(rows[i].text, strlen(rows[i].text), &out);
		CU_ASSERT_EQUAL(r, rows[i].r);
		if (r != rows[i].r)
			tap_fail(__FILE__, __LINE__, "row %zu: %d", i, r);
		CU_ASSERT_EQUAL(out.role[0] == 0x55, r != 0);
		if (r == 0)
			athenz_evidence_release(&out);
	}
}

static void test_athenz_evidence_limits(void)
{
	static const struct {
		const char *name;
		size_t max;
	} rows[] = {
		{ "role", PRINCIPAL_MAX - 1 },
		{ "document", ATHENZ_DOCUMENT_MAX },
		{ "signature", ATHENZ_EVIDENCE_MAX - 16 }, /* then the whole is too long */
		{ "identityToken", 16384 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t n = rows[i].max - 1; n <= rows[i].max + 1; n++) {
			char *text = test_athenz_long("", rows[i].name, n);
			struct athenz_evidence out;
			int r = athenz_decode_evidence(text, strlen(text), &out);

			CU_ASSERT_EQUAL(r, n > rows[i].max ? -EBADMSG : 0);
			if (r == 0)
				athenz_evidence_release(&out);
			free(text);
		}
	}
	for (int over = -1; over <= 1; over++) {
		struct athenz_evidence in = { .role = "r" };
		char *text = NULL;

		in.document = test_athenz_filled((size_t)(ATHENZ_DOCUMENT_MAX + over));
		CU_ASSERT_EQUAL(athenz_encode_evidence(&in, &text), over > 0 ? -EMSGSIZE : 0);
		free(text);
		text = NULL;
		/* 41 bytes are names and marks; with a document that large the whole is full. */
		in.document[ATHENZ_DOCUMENT_MAX - 1] = '\0';
		in.signature = test_athenz_filled(
			(size_t)(ATHENZ_EVIDENCE_MAX - (ATHENZ_DOCUMENT_MAX - 1) - 41 + over));
		CU_ASSERT_EQUAL(athenz_encode_evidence(&in, &text), over > 0 ? -EMSGSIZE : 0);
		CU_ASSERT_TRUE(!text || strlen(text) == (size_t)(ATHENZ_EVIDENCE_MAX + over));
		free(text);
		free(in.signature);
		free(in.document);
	}
}

#define DOC_HEAD "\"accountId\":\"123456789012\",\"instanceId\":\"i-0123456789abcdef0\","
#define DOC_REGION "\"region\":\"us-east-1\","
#define DOC_TIME "\"pendingTime\":\"2026-11-20T01:02:03Z\""

static const char test_athenz_document[] =
	"{\n  \"accountId\" : \"123456789012\",\n  \"architecture\" : \"arm64\",\n"
	"  \"availabilityZone\" : \"us-east-1a\",\n  \"billingProducts\" : null,\n"
	"  \"devpayProductCodes\" : null,\n  \"marketplaceProductCodes\" : [ \"x\" ],\n"
	"  \"imageId\" : \"ami-5fb8c835\",\n  \"instanceId\" : \"i-0123456789abcdef0\",\n"
	"  \"instanceType\" : \"m7g.large\",\n  \"kernelId\" : null,\n"
	"  \"pendingTime\" : \"2016-11-19T16:32:11Z\",\n  \"privateIp\" : \"10.158.112.84\",\n"
	"  \"ramdiskId\" : null,\n  \"region\" : \"us-east-1\",\n  \"version\" : \"2017-09-30\"\n}";

static void test_athenz_good_document(void)
{
	static const char without_ip[] = "{" DOC_HEAD DOC_REGION DOC_TIME ",\"privateIp\":null}";
	static const char with_ip6[] = "{" DOC_HEAD DOC_REGION DOC_TIME
				       ",\"privateIp\":\"2001:db8::5\"}";
	struct athenz_document out;

	CU_ASSERT_EQUAL(athenz_decode_document(test_athenz_document, strlen(test_athenz_document),
					       &out),
			0);
	CU_ASSERT_STRING_EQUAL(out.account, "123456789012");
	CU_ASSERT_STRING_EQUAL(out.instance_id, "i-0123456789abcdef0");
	CU_ASSERT_STRING_EQUAL(out.region, "us-east-1");
	CU_ASSERT_STRING_EQUAL(out.private_ip, "10.158.112.84");
	CU_ASSERT_EQUAL(out.pending_wall, 1479573131);
	CU_ASSERT_EQUAL(athenz_decode_document(without_ip, strlen(without_ip), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.private_ip, "");
	CU_ASSERT_EQUAL(athenz_decode_document(with_ip6, strlen(with_ip6), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.private_ip, "2001:db8::5");
}

static void test_athenz_bad_documents(void)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{" DOC_HEAD DOC_REGION "\"x\":1}",
		"{" DOC_HEAD DOC_TIME "}",
		"{\"accountId\":\"1\"," DOC_REGION DOC_TIME "}",
		"{\"instanceId\":\"i\"," DOC_REGION DOC_TIME "}",
		"{\"accountId\":\"1\",\"instanceId\":\"i/j\"," DOC_REGION DOC_TIME "}",
		"{\"accountId\":\"1a\",\"instanceId\":\"i\"," DOC_REGION DOC_TIME "}",
		"{\"accountId\":\"\",\"instanceId\":\"i\"," DOC_REGION DOC_TIME "}",
		"{\"accountId\":123456789012,\"instanceId\":\"i\"," DOC_REGION DOC_TIME "}",
		"{" DOC_HEAD "\"region\":\"us_east\"," DOC_TIME "}",
		"{" DOC_HEAD "\"region\":\"US\"," DOC_TIME "}",
		"{" DOC_HEAD "\"region\":\"a.b\"," DOC_TIME "}",
		"{" DOC_HEAD "\"region\":\"\"," DOC_TIME "}",
		"{" DOC_HEAD DOC_REGION DOC_TIME ",\"privateIp\":\"\"}",
		"{" DOC_HEAD DOC_REGION DOC_TIME ",\"privateIp\":\"10.0.0\"}",
		"{" DOC_HEAD DOC_REGION DOC_TIME ",\"privateIp\":\"host\"}",
		"{" DOC_HEAD DOC_REGION DOC_TIME ",\"privateIp\":[]}",
		"{" DOC_HEAD DOC_REGION DOC_REGION DOC_TIME "}",
		"{" DOC_HEAD DOC_REGION "\"pendingTime\":1}",
	};
	struct athenz_document out = { .account = "7" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CU_ASSERT_STRING_EQUAL(out.account, "7");
		if (athenz_decode_document(texts[i], strlen(texts[i]), &out) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "%s was taken", texts[i]);
	}
}

static void test_athenz_times(void)
{
	static const struct {
		const char *text;
		uint64_t wall; /* UINT64_MAX: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:01Z", 1 },
		{ "1999-12-31T23:59:59Z", 946684799 },
		{ "2000-02-29T00:00:00Z", 951782400 },
		{ "2000-03-01T00:00:00Z", 951868800 },
		{ "2024-02-29T12:00:00Z", 1709208000 },
		{ "2026-11-20T01:02:03Z", 1795136523 },
		{ "2100-03-01T00:00:00Z", 4107542400 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "1969-12-31T23:59:59Z", UINT64_MAX },
		{ "2025-02-29T00:00:00Z", UINT64_MAX },
		{ "2100-02-29T00:00:00Z", UINT64_MAX },
		{ "2026-04-31T00:00:00Z", UINT64_MAX },
		{ "2026-00-01T00:00:00Z", UINT64_MAX },
		{ "2026-13-01T00:00:00Z", UINT64_MAX },
		{ "2026-01-00T00:00:00Z", UINT64_MAX },
		{ "2026-01-32T00:00:00Z", UINT64_MAX },
		{ "2026-01-01T24:00:00Z", UINT64_MAX },
		{ "2026-01-01T00:60:00Z", UINT64_MAX },
		{ "2026-01-01T00:00:60Z", UINT64_MAX },
		{ "2026-01-01T00:00:00+00:00", UINT64_MAX },
		{ "2026-01-01T00:00:00.000Z", UINT64_MAX },
		{ "2026-01-01T00:00:00Zx", UINT64_MAX },
		{ "2026-01-01 00:00:00Z", UINT64_MAX },
		{ "2026-01-01T00:00:00z", UINT64_MAX },
		{ "2026/01/01T00:00:00Z", UINT64_MAX },
		{ "2026-01-01T00-00-00Z", UINT64_MAX },
		{ "2026-01-01T00:00:0xZ", UINT64_MAX },
		{ "+026-01-01T00:00:00Z", UINT64_MAX },
		{ "", UINT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct athenz_document out = { .pending_wall = UINT64_MAX };
		char text[512];
		int r;

		snprintf(text, sizeof(text), "{" DOC_HEAD DOC_REGION "\"pendingTime\":\"%s\"}",
			 rows[i].text);
		r = athenz_decode_document(text, strlen(text), &out);
		CU_ASSERT_EQUAL(r, rows[i].wall == UINT64_MAX ? -EBADMSG : 0);
		if (out.pending_wall != rows[i].wall)
			tap_fail(__FILE__, __LINE__, "%s: %llu", rows[i].text,
				 (unsigned long long)out.pending_wall);
	}
}

#define KEYS "\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Token\":\"T\""

static void test_athenz_credentials(void)
{
	static const char good[] =
		"{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2026-11-20T00:00:00Z\",\n"
		"  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIA\",\n"
		"  \"SecretAccessKey\" : \"s/+\",\n  \"Token\" : \"t==\",\n"
		"  \"Expiration\" : \"2026-11-20T06:00:00Z\"\n}";
	static const char *const bad[] = {
		"",
		"{}",
		"{\"Code\":\"Failed\"," KEYS "}",
		"{\"Code\":1," KEYS "}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}",
		"{\"AccessKeyId\":\"A\",\"Token\":\"T\"}",
		"{\"SecretAccessKey\":\"S\",\"Token\":\"T\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S S\",\"Token\":\"T\"}",
		"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\",\"Token\":\"\"}",
	};
	struct athenz_evidence out = { .role = "keep", .identity_token = strdup("j") };

	CU_ASSERT_EQUAL(athenz_decode_credentials("{" KEYS "}", strlen("{" KEYS "}"), &out), 0);
	CU_ASSERT_STRING_EQUAL(out.access, "A");
	/* Again, in place of what is there. */
	CU_ASSERT_EQUAL(athenz_decode_credentials(good, strlen(good), &out), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (athenz_decode_credentials(bad[i], strlen(bad[i]), &out) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
	CU_ASSERT_STRING_EQUAL(out.access, "ASIA");
	CU_ASSERT_STRING_EQUAL(out.secret, "s/+");
	CU_ASSERT_STRING_EQUAL(out.token, "t==");
	CU_ASSERT_STRING_EQUAL(out.role, "keep");
	CU_ASSERT_STRING_EQUAL(out.identity_token, "j");
	athenz_evidence_release(&out);
}

static void test_athenz_profile(void)
{
	static const char good[] =
		"{\"Code\":\"Success\",\"InstanceProfileArn\":"
		"\"arn:aws:iam::1:instance-profile/a.b-service\",\"InstanceProfileId\":\"AIPA\"}";
	static const char *const bad[] = { "", "{}", "{\"InstanceProfileArn\":7}",
					   "{\"InstanceProfileArn\":\"\"}",
					   "{\"InstanceProfileArn\":\"a b\"}" };
	char arn[64] = "x";
	size_t len = strlen("arn:aws:iam::1:instance-profile/a.b-service");

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(athenz_decode_profile(bad[i], strlen(bad[i]), arn, sizeof(arn)),
				-EBADMSG);
	CU_ASSERT_EQUAL(athenz_decode_profile(good, strlen(good), arn, len), -EBADMSG);
	CU_ASSERT_STRING_EQUAL(arn, "x");
	CU_ASSERT_EQUAL(athenz_decode_profile(good, strlen(good), arn, len + 1), 0);
	CU_ASSERT_STRING_EQUAL(arn, "arn:aws:iam::1:instance-profile/a.b-service");
	CU_ASSERT_EQUAL(athenz_decode_profile(good, strlen(good), arn, len + 2), 0);
}

/* ---- out of memory at every site ---- */

static int test_athenz_oom_request(void *ctx)
{
	struct athenz_request in = test_athenz_request(), out;
	char *text = NULL;
	int r = athenz_encode_request(&in, true, &text);

	if (r == 0)
		r = athenz_decode_request(text, strlen(text), true, &out, &test_athenz_problem);
	if (r == 0)
		athenz_request_release(&out);
	if (r != 0 && r != -ENOMEM)
		tap_fail(__FILE__, __LINE__, "%d instead of -ENOMEM", r);
	free(text);
	return r;
}

static int test_athenz_oom_identity(void *ctx)
{
	static char pem[] = "pem";
	struct athenz_identity in = { "p", "a.b", "i", pem, pem }, out;
	char *text = NULL;
	int r = athenz_encode_identity(&in, &text);

	if (r == 0)
		r = athenz_decode_identity(text, strlen(text), &out);
	if (r == 0)
		athenz_identity_release(&out);
	if (r != 0 && r != -ENOMEM)
		tap_fail(__FILE__, __LINE__, "%d instead of -ENOMEM", r);
	free(text);
	return r;
}

static int test_athenz_oom_evidence(void *ctx)
{
	struct athenz_evidence in = test_athenz_evidence(), out;
	char *text = NULL;
	int r = athenz_encode_evidence(&in, &text);

	if (r == 0)
		r = athenz_decode_evidence(text, strlen(text), &out);
	if (r == 0)
		athenz_evidence_release(&out);
	if (r != 0 && r != -ENOMEM)
		tap_fail(__FILE__, __LINE__, "%d instead of -ENOMEM", r);
	free(text);
	return r;
}

static int test_athenz_oom_facts(void *ctx)
{
	static const char profile[] = "{\"InstanceProfileArn\":\"a\"}";
	struct athenz_evidence keys = { 0 };
	struct athenz_document document;
	char arn[8];
	int r = athenz_decode_document(test_athenz_document, strlen(test_athenz_document),
				       &document);

	if (r == 0)
		r = athenz_decode_profile(profile, strlen(profile), arn, sizeof(arn));
	if (r == 0)
		r = athenz_decode_credentials("{" KEYS "}", strlen("{" KEYS "}"), &keys);
	athenz_evidence_release(&keys);
	if (r != 0 && r != -ENOMEM)
		tap_fail(__FILE__, __LINE__, "%d instead of -ENOMEM", r);
	return r;
}

static int test_athenz_oom_error(void *ctx)
{
	struct athenz_error in = { .code = 400, .message = "x" };
	char *text = NULL;
	int r = athenz_encode_error(&in, &text);

	free(text);
	return r;
}

static void test_athenz_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_athenz_oom_request, NULL) > 20);
	CU_ASSERT_TRUE(torture(test_athenz_oom_identity, NULL) > 10);
	CU_ASSERT_TRUE(torture(test_athenz_oom_evidence, NULL) > 10);
	CU_ASSERT_TRUE(torture(test_athenz_oom_facts, NULL) > 10);
	CU_ASSERT_TRUE(torture(test_athenz_oom_error, NULL) > 3);
}

/* An error body is read also without memory: as plain text. */
static void test_athenz_error_without_memory(void)
{
	static const char text[] = "{\"code\":403,\"message\":\"m\"}";
	struct athenz_error out;
	size_t site = 0;
	bool reached;

	do {
		torture_arm(site++);
		athenz_decode_error(text, strlen(text), &out);
		reached = torture_disarm();
		CU_ASSERT_STRING_EQUAL(out.message, reached ? text : "m");
	} while (reached && site < 1000);
	CU_ASSERT_TRUE(site > 3);
}

static const struct tap_test test_athenz_request_tests[] = {
	{ "request round trip", test_athenz_request_round_trip },
	{ "refresh round trip", test_athenz_refresh_round_trip },
	{ "short request", test_athenz_short_request },
	{ "other clients", test_athenz_other_clients },
	{ "rules", test_athenz_request_rules },
	{ "truncated", test_athenz_request_truncated },
	{ "limits", test_athenz_request_limits },
	{ "encode limits", test_athenz_encode_limits },
	{ "encode what is not UTF-8", test_athenz_encode_not_utf8 },
	{ 0 },
};

static const struct tap_test test_athenz_answer_tests[] = {
	{ "identity round trip", test_athenz_identity_round_trip },
	{ "an identity: every character", test_athenz_identity_characters },
	{ "an identity: the text", test_athenz_identity_text },
	{ "an identity: the longest", test_athenz_identity_longest },
	{ "identity of Athenz", test_athenz_identity_of_athenz },
	{ "bad identities", test_athenz_bad_identities },
	{ "identity limits", test_athenz_identity_limits },
	{ "errors", test_athenz_errors },
	{ "long errors", test_athenz_long_errors },
	{ "error round trip", test_athenz_error_round_trip },
	{ "classes", test_athenz_classes },
	{ 0 },
};

static const struct tap_test test_athenz_aws_tests[] = {
	{ "evidence round trip", test_athenz_evidence_round_trip },
	{ "evidence rules", test_athenz_evidence_rows },
	{ "evidence limits", test_athenz_evidence_limits },
	{ "good document", test_athenz_good_document },
	{ "bad documents", test_athenz_bad_documents },
	{ "times", test_athenz_times },
	{ "credentials", test_athenz_credentials },
	{ "profile", test_athenz_profile },
	{ 0 },
};

static const struct tap_test test_athenz_memory_tests[] = {
	{ "out of memory", test_athenz_out_of_memory },
	{ "error without memory", test_athenz_error_without_memory },
	{ 0 },
};

static const struct tap_suite test_athenz_suites[] = {
	{ "request", test_athenz_request_tests, NULL, NULL },
	{ "answer", test_athenz_answer_tests, NULL, NULL },
	{ "aws", test_athenz_aws_tests, NULL, NULL },
	{ "memory", test_athenz_memory_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	/* The seed of its hash tables, once: the tests count allocations. */
	jsonin_warm_up();
	return tap_main(argc, argv, test_athenz_suites);
}
