/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/b64url.h"
#include "certs/ztsd/jwt.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/ztsd/mkjwt.h"

#define NOW 1700000000
#define ISSUER "https://abc.tokens.sts.global.api.aws"
#define HEADER_EC "{\"alg\":\"ES384\",\"kid\":\"ec\",\"typ\":\"JWT\"}"
#define HEADER_RSA "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"
#define AWS(account, org)                                                                          \
	"\"https://sts.amazonaws.com/\":{\"aws_account\":" account ",\"org_id\":" org              \
	",\"principal_id\":\"x\"}"
#define SUB "\"arn:aws:iam::123456789012:role/a/b/vespa.host\""
#define PAYLOAD(iss, aud, times, sub, aws)                                                         \
	"{\"iss\":" iss ",\"aud\":" aud "," times ",\"sub\":" sub "," aws ",\"jti\":\"1\"}"
#define TIMES "\"iat\":1699999900,\"nbf\":1699999900,\"exp\":1700000200"
#define GOOD_AWS AWS("\"123456789012\"", "\"o-abc\"")
#define AUDIENCE "\"https://zts.example/zts/v1\""
#define GOOD PAYLOAD("\"" ISSUER "\"", AUDIENCE, TIMES, SUB, GOOD_AWS)
#define WITH_TIMES(times) PAYLOAD("\"" ISSUER "\"", AUDIENCE, times, SUB, GOOD_AWS)
#define WITH_SUB(sub) PAYLOAD("\"" ISSUER "\"", AUDIENCE, TIMES, sub, GOOD_AWS)
#define WITH_AWS(aws) PAYLOAD("\"" ISSUER "\"", AUDIENCE, TIMES, SUB, aws)
#define WITH_AUD(aud) PAYLOAD("\"" ISSUER "\"", aud, TIMES, SUB, GOOD_AWS)
#define WITH_ISS(iss) PAYLOAD(iss, AUDIENCE, TIMES, SUB, GOOD_AWS)

static const struct jwt_rule rule = { ISSUER, "https://zts.example/zts/v1", "us-east-1", NOW };
static struct mkjwt_key ec, rsa, stranger;
static struct jwt_keys *keys;
static char document[MKJWT_TEXT_MAX];

static void make_document(void)
{
	char a[MKJWT_TEXT_MAX], b[MKJWT_TEXT_MAX];

	mkjwt_jwk(&ec, ",\"use\":\"sig\",\"alg\":\"ES384\"", a);
	mkjwt_jwk(&rsa, "", b);
	snprintf(document, sizeof(document), "{\"keys\":[%.4000s,%.4000s]}", a, b);
}

static void begin(void)
{
	const char *why = "";

	json_set_alloc_funcs(malloc, free);
	mkjwt_make("ec", MKJWT_EC, "P-384", &ec);
	mkjwt_make("rsa", MKJWT_RSA, "2048", &rsa);
	mkjwt_make("ec", MKJWT_EC, "P-384", &stranger);
	make_document();
	if (jwt_keys_parse(document, strlen(document), &keys, &why) < 0)
		tap_fail(__FILE__, __LINE__, "keys: %s", why);
}

static void end(void)
{
	mkjwt_release(&ec);
	mkjwt_release(&rsa);
	mkjwt_release(&stranger);
	jwt_keys_free(keys);
	keys = NULL;
}

static int verify(const char *token, const char **ret_why)
{
	struct jwt_claims claims = { .role = "untouched" };
	int r = jwt_verify(keys, token, &rule, &claims, ret_why);

	CU_ASSERT(r == 0 || !strcmp(claims.role, "untouched"));
	return r;
}

static void test_good(void)
{
	char token[MKJWT_TEXT_MAX];
	struct jwt_rule in_gov = rule;
	struct jwt_claims claims;
	const char *why = "";

	in_gov.region = "us-gov-west-1";
	mkjwt_sign(&ec, HEADER_EC, GOOD, token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &rule, &claims, &why), 0);
	CU_ASSERT_STRING_EQUAL(claims.account, "123456789012");
	CU_ASSERT_STRING_EQUAL(claims.org_id, "o-abc");
	CU_ASSERT_STRING_EQUAL(claims.role, "vespa.host");
	mkjwt_sign(&rsa, HEADER_RSA, GOOD, token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &rule, &claims, &why), 0);
	mkjwt_sign(&ec, HEADER_EC, WITH_AUD("[" AUDIENCE "]"), token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &rule, &claims, &why), 0);
	mkjwt_sign(&ec, HEADER_EC, WITH_TIMES("\"iat\":1699999900,\"exp\":1700000200"), token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &rule, &claims, &why), 0);
	mkjwt_sign(&ec, HEADER_EC, WITH_SUB("\"arn:aws:iam::123456789012:role/host\""), token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &rule, &claims, &why), 0);
	CU_ASSERT_STRING_EQUAL(claims.role, "host");
	mkjwt_sign(&ec, HEADER_EC, WITH_SUB("\"arn:aws-us-gov:iam::123456789012:role/gov\""),
		   token);
	CU_ASSERT_EQUAL(jwt_verify(keys, token, &in_gov, &claims, &why), 0);
	CU_ASSERT_STRING_EQUAL(claims.role, "gov");
}

/* Rightly signed, but with a claim that is not as it should be. */
static const struct {
	const char *payload, *why;
} bad_payloads[] = {
	{ "[]", "claims cannot be read" },
	{ "{", "claims cannot be read" },
	{ "{}", "another issuer" },
	{ WITH_ISS("\"https://evil.example\""), "another issuer" },
	{ WITH_ISS("\"" ISSUER "/\""), "another issuer" },
	{ WITH_ISS("[\"" ISSUER "\"]"), "another issuer" },
	{ WITH_AUD("\"other\""), "another audience" },
	{ WITH_AUD("[]"), "another audience" },
	{ WITH_AUD("[" AUDIENCE ",\"other\"]"), "another audience" },
	{ WITH_AUD("1"), "another audience" },
	{ WITH_TIMES("\"iat\":1699999900"), "times are missing" },
	{ WITH_TIMES("\"exp\":1700000200"), "times are missing" },
	{ WITH_TIMES("\"iat\":\"1699999900\",\"exp\":1700000200"), "times are missing" },
	{ WITH_TIMES("\"iat\":-1,\"exp\":1"), "times are missing" },
	{ WITH_TIMES("\"iat\":1699999900,\"nbf\":\"1\",\"exp\":1700000200"), "times are missing" },
	{ WITH_TIMES("\"iat\":1699999900,\"exp\":1700003501"), "longer than an hour" },
	{ WITH_TIMES("\"iat\":1699999900,\"exp\":1699999900"), "for no time" },
	{ WITH_TIMES("\"iat\":1699999900,\"exp\":1699999940"), "time is over" },
	{ WITH_TIMES("\"iat\":1700000061,\"exp\":1700000200"), "time has not come" },
	{ WITH_TIMES("\"iat\":1699999900,\"nbf\":1700000061,\"exp\":1700000200"),
	  "time has not come" },
	{ WITH_AWS("\"a\":{}"), "which account" },
	{ WITH_AWS("\"https://sts.amazonaws.com/\":[]"), "which account" },
	{ WITH_AWS(AWS("\"\"", "\"o-abc\"")), "which account" },
	{ WITH_AWS(AWS("1234", "\"o-abc\"")), "which account" },
	{ WITH_AWS(AWS("\"12a\"", "\"o-abc\"")), "which account" },
	{ WITH_AWS(AWS("\"123456789012\"", "\"o\\n\"")), "which account" },
	{ WITH_AWS(AWS("\"123456789012\"", "null")), "which account" },
	{ WITH_AWS(AWS("\"12345678901\"", "\"o-abc\"")), "not a role of its account" },
	{ WITH_AWS(AWS("\"1234567890123\"", "\"o-abc\"")), "not a role of its account" },
	{ WITH_SUB("1"), "not a role of its account" },
	{ WITH_SUB("\"arn:aws:iam::210987654321:role/vespa.host\""), "not a role of its account" },
	{ WITH_SUB("\"arn:aws:iam::123456789012:user/vespa.host\""), "not a role of its account" },
	{ WITH_SUB("\"arn:aws:iam::123456789012:role/\""), "not a role of its account" },
	{ WITH_SUB("\"arn:aws:iam::123456789012:role/a/\""), "not a role of its account" },
	{ WITH_SUB("\"arn:aws:sts::123456789012:role/vespa.host\""), "not a role of its account" },
	{ WITH_SUB("\"arn:aws-cn:iam::123456789012:role/vespa.host\""),
	  "not a role of its account" },
	{ WITH_SUB("\"arn:other:iam::123456789012:role/vespa.host\""),
	  "not a role of its account" },
	{ WITH_SUB("\"vespa.host\""), "not a role of its account" },
};

static void test_payloads(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_payloads); i++) {
		char token[MKJWT_TEXT_MAX];
		const char *why = "";

		mkjwt_sign(&ec, HEADER_EC, bad_payloads[i].payload, token);
		if (verify(token, &why) != -EBADMSG || !strstr(why, bad_payloads[i].why))
			tap_fail(__FILE__, __LINE__, "%s: %s", bad_payloads[i].payload, why);
	}
}

/* The last good second on each side. */
static void test_times(void)
{
	static const char *const good[] = {
		WITH_TIMES("\"iat\":1699999900,\"exp\":1700003500"),
		WITH_TIMES("\"iat\":1699999900,\"exp\":1699999941"),
		WITH_TIMES("\"iat\":1700000060,\"nbf\":1700000060,\"exp\":1700000200"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char token[MKJWT_TEXT_MAX];
		const char *why = "";

		mkjwt_sign(&ec, HEADER_EC, good[i], token);
		if (verify(token, &why) != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", good[i], why);
	}
	CU_ASSERT(ARRAY_SIZE(good) > 0);
}

static void test_headers(void)
{
	static const struct {
		const char *header, *why;
	} bad[] = {
		{ "", "header cannot be read" },
		{ "[]", "header cannot be read" },
		{ "{\"alg\":\"ES384\",\"alg\":\"ES384\",\"kid\":\"ec\"}", "header cannot be read" },
		{ "{\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":\"none\",\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":\"None\",\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":\"HS256\",\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":\"ES256\",\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":null,\"kid\":\"ec\"}", "not signed with" },
		{ "{\"alg\":\"ES384\",\"kid\":\"ec\",\"crit\":[\"x\"]}", "extensions" },
		{ "{\"alg\":\"ES384\"}", "does not name its key" },
		{ "{\"alg\":\"ES384\",\"kid\":1}", "does not name its key" },
		{ "{\"alg\":\"ES384\",\"kid\":\"\"}", "does not name its key" },
		{ "{\"alg\":\"ES384\",\"kid\":\"other\"}", "not in the issuer's key file" },
		{ "{\"alg\":\"RS256\",\"kid\":\"ec\"}", "not that of its key" },
		{ "{\"alg\":\"ES384\",\"kid\":\"rsa\"}", "not that of its key" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char token[MKJWT_TEXT_MAX];
		const char *why = "";

		mkjwt_sign(&ec, bad[i].header, GOOD, token);
		if (verify(token, &why) != -EBADMSG || !strstr(why, bad[i].why))
			tap_fail(__FILE__, __LINE__, "%s: %s", bad[i].header, why);
	}
	CU_ASSERT(ARRAY_SIZE(bad) > 0);
}

static void refuse(const char *token, const char *want)
{
	const char *why = "";

	if (verify(token, &why) != -EBADMSG || !strstr(why, want))
		tap_fail(__FILE__, __LINE__, "%.60s: %s", token, why);
}

static void test_forms(void)
{
	static const char *const bad[] = { "", ".", "..", "a.b", "a.b.c.d", "a.b.c=", "....." };
	char token[MKJWT_TEXT_MAX], *dot;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why;

		CU_ASSERT_EQUAL(verify(bad[i], &why), -EBADMSG);
	}
	mkjwt_sign(&ec, HEADER_EC, GOOD, token);
	len = strlen(token);
	dot = strrchr(token, '.');
	/* Without a signature, with one too short, with one of zeros. */
	dot[1] = '\0';
	refuse(token, "signature is wrong");
	memset(dot + 1, 'A', 124);
	dot[125] = '\0';
	refuse(token, "signature is wrong");
	memset(dot + 1, 'A', 128);
	dot[129] = '\0';
	refuse(token, "signature is wrong");
	/* Longer than any token. */
	memset(token + len, 'A', JWT_TOKEN_MAX);
	token[JWT_TOKEN_MAX + 1] = '\0';
	refuse(token, "not a signed token");
}

static void test_signatures(void)
{
	char token[MKJWT_TEXT_MAX];
	size_t len;

	mkjwt_sign(&stranger, HEADER_EC, GOOD, token);
	refuse(token, "signature is wrong");
	mkjwt_sign(&rsa, HEADER_EC, GOOD, token);
	refuse(token, "signature is wrong");
	mkjwt_sign(&ec, HEADER_RSA, GOOD, token);
	refuse(token, "signature is wrong");
	mkjwt_sign(&ec, HEADER_EC, GOOD, token);
	len = strlen(token);
	for (size_t i = 0; i < len; i++) {
		char was = token[i];
		const char *why = "";

		token[i] = (char)(was == 'A' ? 'B' : 'A');
		CU_ASSERT_EQUAL(verify(token, &why), -EBADMSG);
		token[i] = was;
	}
	/* As many bytes as the two numbers have, not more and not fewer. */
	memcpy(token + len, "AAAA", sizeof("AAAA"));
	refuse(token, "signature is wrong");
	token[len - 4] = '\0';
	refuse(token, "signature is wrong");
}

static void parse(const char *text, int want, const char *want_why)
{
	struct jwt_keys *got = NULL;
	const char *why = "";
	int r = jwt_keys_parse(text, strlen(text), &got, &why);

	if (r != want || !strstr(why, want_why))
		tap_fail(__FILE__, __LINE__, "%d, %s: %.200s", r, why, text);
	CU_ASSERT_EQUAL(got != NULL, r == 0);
	jwt_keys_free(got);
}

static void test_documents(void)
{
	static const char broken[] = "a key is no good";
	static const char *const bad_keys[] = {
		"{\"kty\":\"RSA\",\"kid\":\"a\"}",
		"{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":1,\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"a\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"a\","
		"\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		"\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
	};
	char text[MKJWT_TEXT_MAX], jwk[MKJWT_TEXT_MAX];

	parse("", -EINVAL, "not a JSON object");
	parse("[]", -EINVAL, "not a JSON object");
	parse("{}", -EINVAL, "no list");
	parse("{\"keys\":{}}", -EINVAL, "no list");
	parse("{\"keys\":[]}", -EINVAL, "no key in it");
	parse("{\"keys\":[1,null,{},{\"kty\":\"OKP\"}]}", -EINVAL, "no key in it");
	for (size_t i = 0; i < ARRAY_SIZE(bad_keys); i++) {
		snprintf(text, sizeof(text), "{\"keys\":[%s]}", bad_keys[i]);
		parse(text, -EINVAL, broken);
	}
	mkjwt_jwk(&ec, ",\"use\":\"enc\"", jwk);
	snprintf(text, sizeof(text), "{\"keys\":[%.4000s]}", jwk);
	parse(text, -EINVAL, "no key in it");
	mkjwt_jwk(&ec, ",\"alg\":\"ES256\"", jwk);
	snprintf(text, sizeof(text), "{\"keys\":[%.4000s]}", jwk);
	parse(text, -EINVAL, "no key in it");
	mkjwt_jwk(&ec, "", jwk);
	snprintf(text, sizeof(text), "{\"keys\":[%.4000s,%.4000s]}", jwk, jwk);
	parse(text, -EINVAL, "the same name");
	snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\"}]}");
	parse(text, -EINVAL, "no name");
	snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"other\"},%.4000s],\"x\":1}", jwk);
	parse(text, 0, "");
}

static void try_key(enum mkjwt_type type, const char *what, int want, const char *why)
{
	char text[MKJWT_TEXT_MAX], jwk[MKJWT_TEXT_MAX];
	struct mkjwt_key k;

	mkjwt_make("k", type, what, &k);
	mkjwt_jwk(&k, "", jwk);
	snprintf(text, sizeof(text), "{\"keys\":[%.4000s]}", jwk);
	parse(text, want, why);
	mkjwt_release(&k);
}

static void test_sizes(void)
{
	char text[JWT_KEYS_MAX * 32];
	size_t len;

	try_key(MKJWT_RSA, "2040", -EINVAL, "a key is no good");
	try_key(MKJWT_RSA, "3072", 0, "");
	try_key(MKJWT_EC, "P-256", -EINVAL, "no key in it");
	for (size_t n = JWT_KEYS_MAX; n <= JWT_KEYS_MAX + 1; n++) {
		len = (size_t)snprintf(text, sizeof(text), "{\"keys\":[1");
		for (size_t i = 1; i < n; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, ",1");
		snprintf(text + len, sizeof(text) - len, "]}");
		parse(text, n <= JWT_KEYS_MAX ? -EINVAL : -E2BIG,
		      n <= JWT_KEYS_MAX ? "no key in it" : "more than 64 keys");
	}
}

static void test_files(void)
{
	char path[PATH_MAX], why[JWT_WHY_MAX] = "", token[MKJWT_TEXT_MAX];
	struct jwt_keys *loaded = NULL;
	struct mkjwt_key old = ec;
	struct jwt_claims claims;
	const char *why_not = "";

	tmpdir_path(path, "jwks");
	CU_ASSERT_EQUAL(jwt_keys_load(path, &loaded, why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "jwks: No such file"));
	CU_ASSERT_EQUAL(tmpdir_write("jwks", "{}", 2), 0);
	CU_ASSERT_EQUAL(jwt_keys_load(path, &loaded, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "jwks: not a JWKS document"));
	CU_ASSERT_PTR_NULL(loaded);
	CU_ASSERT_EQUAL(tmpdir_write("jwks", document, strlen(document)), 0);
	CU_ASSERT_EQUAL(jwt_keys_load(path, &loaded, why), 0);
	CU_ASSERT_EQUAL(jwt_keys_refresh(loaded, why), 0);
	mkjwt_sign(&old, HEADER_EC, GOOD, token);
	CU_ASSERT_EQUAL(jwt_verify(loaded, token, &rule, &claims, &why_not), 0);
	/* A broken new file leaves the old keys. */
	CU_ASSERT_EQUAL(tmpdir_write("jwks", "{", 1), 0);
	CU_ASSERT_EQUAL(jwt_keys_refresh(loaded, why), -EINVAL);
	CU_ASSERT_EQUAL(jwt_verify(loaded, token, &rule, &claims, &why_not), 0);
	/* A good one takes their place. */
	ec = stranger;
	make_document();
	ec = old;
	CU_ASSERT_EQUAL(tmpdir_write("jwks", document, strlen(document)), 0);
	CU_ASSERT_EQUAL(jwt_keys_refresh(loaded, why), 0);
	CU_ASSERT_EQUAL(jwt_verify(loaded, token, &rule, &claims, &why_not), -EBADMSG);
	mkjwt_sign(&stranger, HEADER_EC, GOOD, token);
	CU_ASSERT_EQUAL(jwt_verify(loaded, token, &rule, &claims, &why_not), 0);
	jwt_keys_free(loaded);
	CU_ASSERT_EQUAL(jwt_keys_refresh(keys, why), 0); /* from memory: nothing to read */
}

static int run_once(void *ctx)
{
	struct jwt_keys *got;
	struct jwt_claims claims;
	const char *why = "";
	int r = jwt_keys_parse(document, strlen(document), &got, &why);

	if (r < 0)
		return r;
	r = jwt_verify(got, ctx, &rule, &claims, &why);
	jwt_keys_free(got);
	return r;
}

static void test_memory(void)
{
	char token[MKJWT_TEXT_MAX];

	mkjwt_sign(&ec, HEADER_EC, GOOD, token);
	CU_ASSERT(torture(run_once, token) > 10);
}

static const struct tap_test tests[] = {
	{ "both algorithms", test_good },
	{ "claims that are refused", test_payloads },
	{ "times at their limits", test_times },
	{ "headers that are refused", test_headers },
	{ "what is no token", test_forms },
	{ "wrong signatures", test_signatures },
	{ "key documents", test_documents },
	{ "sizes and numbers of keys", test_sizes },
	{ "key files change", test_files },
	{ "out of memory", test_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "jwt", tests, begin, end }, { 0 } };

	return tap_main(argc, argv, suites);
}
