/* SPDX-License-Identifier: MIT */
/* The requests and signatures of the first table are AWS' own: "Signature Version 4 test suite". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/sigv4.h"
#include "tests/support/tap.h"

#define NOW 1440938160 /* 2015-08-30T12:36:00Z */
#define HOST "example.amazonaws.com"
#define FORM "application/x-www-form-urlencoded"
#define SESSION                                                                                    \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmx" \
	"fpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0K" \
	"PkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZb" \
	"qBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
#define BEGIN                                                                                      \
	"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "        \
	"SignedHeaders="

/* A request of the suite; what is left out is as in "get-vanilla". */
struct vector {
	const char *name, *method, *path, *body, *token;
	struct sigv4_header header;
	const char *signed_names, *signature;
};

static const struct vector vectors[] = {
	{ .name = "get-vanilla",
	  .method = "GET",
	  .signed_names = "host;x-amz-date",
	  .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ .name = "get-unreserved",
	  .method = "GET",
	  .path = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	  .signed_names = "host;x-amz-date",
	  .signature = "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ .name = "get-header-key-duplicate, as joined",
	  .method = "GET",
	  .header = { "my-header1", "value2,value2,value1" },
	  .signed_names = "host;my-header1;x-amz-date",
	  .signature = "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ .name = "post-vanilla",
	  .method = "POST",
	  .signed_names = "host;x-amz-date",
	  .signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ .name = "post-header-key-case",
	  .method = "POST",
	  .header = { "my-header1", "value1" },
	  .signed_names = "host;my-header1;x-amz-date",
	  .signature = "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ .name = "post-header-value-case",
	  .method = "POST",
	  .header = { "my-header1", "VALUE1" },
	  .signed_names = "host;my-header1;x-amz-date",
	  .signature = "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
	{ .name = "post-sts-header-before",
	  .method = "POST",
	  .token = SESSION,
	  .signed_names = "host;x-amz-date;x-amz-security-token",
	  .signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
	{ .name = "post-x-www-form-urlencoded",
	  .method = "POST",
	  .header = { "content-type", FORM },
	  .body = "Param1=value1",
	  .signed_names = "content-type;host;x-amz-date",
	  .signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
	{ .name = "post-x-www-form-urlencoded-parameters",
	  .method = "POST",
	  .header = { "content-type", FORM "; charset=utf8" },
	  .body = "Param1=value1",
	  .signed_names = "content-type;host;x-amz-date",
	  .signature = "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
};

static struct sigv4_request request(const struct vector *v)
{
	return (struct sigv4_request){
		.method = v->method,
		.host = HOST,
		.path = v->path ? v->path : "/",
		.headers = &v->header,
		.n_headers = v->header.name ? 1 : 0,
		.body = v->body,
		.body_len = v->body ? strlen(v->body) : 0,
		.region = "us-east-1",
		.service = "service",
	};
}

static struct sigv4_keys keys(const char *token)
{
	return (struct sigv4_keys){ "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
				    token };
}

static void test_vectors(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct sigv4_request rq = request(v);
		struct sigv4_keys k = keys(v->token);
		struct sigv4_signed out;
		char want[SIGV4_AUTHORIZATION_MAX];

		snprintf(want, sizeof(want), BEGIN "%s, Signature=%s", v->signed_names,
			 v->signature);
		if (sigv4_sign(&rq, &k, NOW, &out) || strcmp(out.authorization, want) ||
		    strcmp(out.date, "20150830T123600Z"))
			tap_fail(__FILE__, __LINE__, "%s: %s %s", v->name, out.date,
				 out.authorization);
	}
	CU_ASSERT(ARRAY_SIZE(vectors) > 0);
}

/* Headers are sorted whatever their order, an empty token is none, as is an empty body. */
static void test_same(void)
{
	static const struct sigv4_header one[] = { { "content-type", FORM }, { "x-b", "2" } };
	static const struct sigv4_header two[] = { { "x-b", "2" }, { "content-type", FORM } };
	struct sigv4_request a = request(&vectors[0]), b = a;
	struct sigv4_keys none = keys(NULL), empty = keys("");
	struct sigv4_signed x, y;

	a.headers = one;
	b.headers = two;
	a.n_headers = b.n_headers = 2;
	b.body = "";
	CU_ASSERT_EQUAL(sigv4_sign(&a, &none, NOW, &x), 0);
	CU_ASSERT_EQUAL(sigv4_sign(&b, &empty, NOW, &y), 0);
	CU_ASSERT_STRING_EQUAL(x.authorization, y.authorization);
	CU_ASSERT_PTR_NOT_NULL(strstr(x.authorization, "=content-type;host;x-amz-date;x-b,"));
}

static char *filled(size_t n)
{
	char *s = calloc(1, n + 1);

	if (s)
		memset(s, 'a', n);
	return s;
}

static int sign_with(const struct sigv4_request *rq, const struct sigv4_keys *k)
{
	struct sigv4_signed out = { .date = "untouched" };
	int r = sigv4_sign(rq, k, NOW, &out);

	CU_ASSERT(r == 0 || !strcmp(out.date, "untouched"));
	return r;
}

/* Sets a text to its longest, one more, one less, empty and none. */
static void try_lengths(const struct sigv4_request *rq, const struct sigv4_keys *k,
			const char **which, size_t max)
{
	const char *before = *which;

	for (size_t n = max - 1; n <= max + 1; n++) {
		char *s = filled(n);

		*which = s;
		CU_ASSERT_EQUAL(sign_with(rq, k), n <= max ? 0 : -EINVAL);
		free(s);
	}
	*which = "";
	CU_ASSERT_EQUAL(sign_with(rq, k), which == &k->token ? 0 : -EINVAL);
	*which = NULL;
	CU_ASSERT_EQUAL(sign_with(rq, k), which == &k->token ? 0 : -EINVAL);
	*which = before;
}

static void test_lengths(void)
{
	struct sigv4_request rq = request(&vectors[0]);
	struct sigv4_keys k = keys(SESSION);

	try_lengths(&rq, &k, &k.access, SIGV4_ACCESS_MAX);
	try_lengths(&rq, &k, &k.secret, SIGV4_SECRET_MAX);
	try_lengths(&rq, &k, &k.token, SIGV4_TOKEN_MAX);
	try_lengths(&rq, &k, &rq.region, SIGV4_SCOPE_MAX);
	try_lengths(&rq, &k, &rq.service, SIGV4_SCOPE_MAX);
	try_lengths(&rq, &k, &rq.host, 255);
	CU_ASSERT_EQUAL(sign_with(&rq, &k), 0);
}

static void refuse(const struct sigv4_request *rq, const struct sigv4_keys *k, const char **which,
		   const char *bad)
{
	const char *before = *which;

	*which = bad;
	if (sign_with(rq, k) != -EINVAL)
		tap_fail(__FILE__, __LINE__, "accepted: %s", bad);
	*which = before;
}

/* What would add a line to a request, or be signed other than it is sent. */
static void test_hostile(void)
{
	static const char *const everywhere[] = { "a\nb", "a\r\nx: y", "a b",
						  " ",    "a\x7f",     "\xc3\xa4" };
	static const char *const paths[] = { "a",     "//",   "/a//b", "/./a", "/../a",
					     "/a/..", "/%41", "/?a=b", "/a b", "/#" };
	static const char *const accesses[] = { "A/B", "A,B", "A=B", "A;B" };
	struct sigv4_request rq = request(&vectors[0]);
	struct sigv4_keys k = keys(SESSION);
	const char **all[] = { &rq.method,  &rq.host,  &rq.path,  &rq.region,
			       &rq.service, &k.access, &k.secret, &k.token };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t j = 0; j < ARRAY_SIZE(everywhere); j++)
			refuse(&rq, &k, all[i], everywhere[j]);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		refuse(&rq, &k, &rq.path, paths[i]);
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++)
		refuse(&rq, &k, &k.access, accesses[i]);
	refuse(&rq, &k, &rq.region, "us/east");
	refuse(&rq, &k, &rq.method, "get");
	CU_ASSERT_EQUAL(sign_with(&rq, &k), 0);
}

static void test_headers(void)
{
	static const struct sigv4_header bad[] = {
		{ "A", "x" },
		{ "", "x" },
		{ "a b", "x" },
		{ "a:b", "x" },
		{ "a;b", "x" },
		{ "a", "" },
		{ "a", " x" },
		{ "a", "x " },
		{ "a", "x  y" },
		{ "a", "x\ny" },
		{ "a", "x\ty" },
		{ "a", "\xc3\xa4" },
		{ "host", "x" },
		{ "a", NULL },
		{ NULL, "x" },
		{ "x-amz-date", "x" },
		{ "x-amz-security-token", "x" },
	};
	struct sigv4_request rq = request(&vectors[0]);
	struct sigv4_keys k = keys(SESSION);
	struct sigv4_header twice[] = { { "a", "x" }, { "a", "y" } };

	rq.n_headers = 1;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		rq.headers = &bad[i];
		if (sign_with(&rq, &k) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "accepted: header %zu", i);
	}
	rq.headers = twice;
	rq.n_headers = 2;
	CU_ASSERT_EQUAL(sign_with(&rq, &k), -EINVAL);
	twice[1].name = "b";
	CU_ASSERT_EQUAL(sign_with(&rq, &k), 0);
}

static void test_header_limits(void)
{
	struct sigv4_header many[SIGV4_HEADERS_MAX + 1];
	char names[SIGV4_HEADERS_MAX + 1][66];
	struct sigv4_request rq = request(&vectors[0]);
	struct sigv4_keys k = keys(SESSION);

	rq.headers = many;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		snprintf(names[i], sizeof(names[i]), "x%zu", i);
		many[i] = (struct sigv4_header){ names[i], "v" };
	}
	for (size_t n = SIGV4_HEADERS_MAX - 1; n <= ARRAY_SIZE(many); n++) {
		rq.n_headers = n;
		CU_ASSERT_EQUAL(sign_with(&rq, &k), n <= SIGV4_HEADERS_MAX ? 0 : -EINVAL);
	}
	/* 64 bytes in a name are the most; eight such names are more than the list holds. */
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		memset(names[i], 'a' + (int)i, 65);
		names[i][64] = '\0';
	}
	for (size_t n = 6; n <= 8; n++) {
		rq.n_headers = n;
		CU_ASSERT_EQUAL(sign_with(&rq, &k), n <= 7 ? 0 : -EINVAL);
	}
	names[0][64] = 'a';
	names[0][65] = '\0';
	rq.n_headers = 1;
	CU_ASSERT_EQUAL(sign_with(&rq, &k), -EINVAL);
}

static void test_times(void)
{
	struct sigv4_request rq = request(&vectors[0]);
	struct sigv4_keys k = keys(NULL);
	struct sigv4_signed out;

	CU_ASSERT_EQUAL(sigv4_sign(&rq, &k, 0, &out), 0);
	CU_ASSERT_STRING_EQUAL(out.date, "19700101T000000Z");
	CU_ASSERT_EQUAL(sigv4_sign(&rq, &k, 1709164799, &out), 0);
	CU_ASSERT_STRING_EQUAL(out.date, "20240228T235959Z");
	CU_ASSERT_EQUAL(sigv4_sign(&rq, &k, 253402300799, &out), 0);
	CU_ASSERT_STRING_EQUAL(out.date, "99991231T235959Z");
	CU_ASSERT_EQUAL(sigv4_sign(&rq, &k, 253402300800, &out), -EINVAL);
	CU_ASSERT_EQUAL(sigv4_sign(&rq, &k, UINT64_MAX, &out), -EINVAL);
	CU_ASSERT_STRING_EQUAL(out.date, "99991231T235959Z");
}

static const struct tap_test tests[] = {
	{ "the published requests", test_vectors },
	{ "order and emptiness do not matter", test_same },
	{ "lengths at their limits", test_lengths },
	{ "texts that would change the request", test_hostile },
	{ "headers that would be sent otherwise", test_headers },
	{ "number and length of headers", test_header_limits },
	{ "times", test_times },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "sigv4", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
