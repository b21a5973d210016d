/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tunneld/proto/exreq.h"
#include "common/jsonin.h"

#define TEST_EXREQ_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define TEST_EXREQ_BOOT "01234567-89ab-cdef-0123-456789abcdef"
#define TEST_EXREQ_TAIL                                                                            \
	",\"hostname\":\"h1\",\"software\":\"p/1\",\"boot_id\":\"" TEST_EXREQ_BOOT "\"}"
#define TEST_EXREQ_HEAD "{\"version\":1,\"public_key\":"
#define TEST_EXREQ_GOOD "{\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL

static enum pst test_exreq_code(const char *text, size_t len)
{
	struct exreq req;
	enum pst code = PST_NONE;
	int r;

	memset(&req, 0x55, sizeof(req));
	r = exreq_decode(text, len, &req, &code);
	CU_ASSERT_EQUAL(r, code ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(req.boot_id[0] == 0x55, r != 0);
	return code;
}

static void test_exreq_good(void)
{
	struct exreq req;
	enum pst code = PST_TCP_CONNECT;

	CU_ASSERT_EQUAL(exreq_decode(TEST_EXREQ_GOOD, strlen(TEST_EXREQ_GOOD), &req, &code), 0);
	CU_ASSERT_EQUAL(code, PST_NONE);
	for (unsigned int i = 0; i < WGKEY_BYTES; i++)
		CU_ASSERT_EQUAL(req.public_key.bytes[i], i);
	CU_ASSERT_STRING_EQUAL(req.hostname, "h1");
	CU_ASSERT_STRING_EQUAL(req.software, "p/1");
	CU_ASSERT_STRING_EQUAL(req.boot_id, TEST_EXREQ_BOOT);
}

static const struct {
	const char *text;
	enum pst code;
} test_exreq_rows[] = {
	{ "{\"version\":2,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_PROTOCOL_VERSION },
	{ "{\"version\":0,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_PROTOCOL_VERSION },
	{ "{\"version\":-1,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_MEMBER },
	{ "{\"version\":1.0,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_MEMBER },
	{ "{\"version\":\"1\",\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_MEMBER },
	{ "{\"version\":4294967297,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_MEMBER },
	{ "{\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL, PST_JSON_MEMBER },
	{ "{\"version\":1" TEST_EXREQ_TAIL, PST_JSON_MEMBER },
	{ "{\"version\":1,\"public_key\":null" TEST_EXREQ_TAIL, PST_JSON_MEMBER },
	{ "{\"version\":1,\"public_key\":\"\"" TEST_EXREQ_TAIL, PST_KEY_FORMAT },
	{ TEST_EXREQ_HEAD "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"" TEST_EXREQ_TAIL,
	  PST_KEY_FORMAT },
	{ "{\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY " \"" TEST_EXREQ_TAIL, PST_KEY_FORMAT },
	{ TEST_EXREQ_HEAD "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"" TEST_EXREQ_TAIL,
	  PST_KEY_WEAK },
	{ TEST_EXREQ_HEAD "\"7f///////////////////////////////////////38=\"" TEST_EXREQ_TAIL,
	  PST_KEY_WEAK },
	{ "{\"more\":1,\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_UNKNOWN },
	{ "{\"version\":1,\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_DUPLICATE },
	{ "{\"version\":[[[[[[1]]]]]],\"public_key\":\"" TEST_EXREQ_KEY "\"" TEST_EXREQ_TAIL,
	  PST_JSON_DEPTH },
	{ "", PST_JSON_SYNTAX },
	{ "[]", PST_JSON_MEMBER },
};

static void test_exreq_bad(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_exreq_rows); i++) {
		enum pst code = test_exreq_code(test_exreq_rows[i].text,
						strlen(test_exreq_rows[i].text));

		if (code != test_exreq_rows[i].code)
			tap_fail(__FILE__, __LINE__, "row %zu gives PST-%04u", i,
				 (unsigned int)code);
	}
}

/* Every truncation of a good request is refused, without reading behind it. */
static void test_exreq_truncated(void)
{
	for (size_t len = 0; len < strlen(TEST_EXREQ_GOOD); len++) {
		char *text = malloc(len + 1);

		memcpy(text, TEST_EXREQ_GOOD, len);
		text = realloc(text, len ? len : 1);
		CU_ASSERT_EQUAL(test_exreq_code(text, len), PST_JSON_SYNTAX);
		free(text);
	}
}

/* The members that are information only, at their limits. */
static void test_exreq_information(void)
{
	static const struct {
		size_t hostname, software;
		const char *boot_id;
		enum pst code;
	} rows[] = {
		{ 253, 63, TEST_EXREQ_BOOT, PST_NONE },
		{ 252, 62, TEST_EXREQ_BOOT, PST_NONE },
		{ 254, 63, TEST_EXREQ_BOOT, PST_JSON_MEMBER },
		{ 253, 64, TEST_EXREQ_BOOT, PST_JSON_MEMBER },
		{ 0, 1, TEST_EXREQ_BOOT, PST_JSON_MEMBER },
		{ 1, 0, TEST_EXREQ_BOOT, PST_JSON_MEMBER },
		{ 1, 1, "01234567-89ab-cdef-0123-456789abcde", PST_JSON_MEMBER },
		{ 1, 1, "01234567-89ab-cdef-0123-456789abcdef0", PST_JSON_MEMBER },
		{ 1, 1, "01234567-89AB-cdef-0123-456789abcdef", PST_JSON_MEMBER },
		{ 1, 1, "0123456789ab--cdef-0123-456789abcdef", PST_JSON_MEMBER },
		{ 1, 1, "", PST_JSON_MEMBER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char host[300] = "", software[100] = "", text[1000];

		memset(host, 'h', rows[i].hostname);
		memset(software, 's', rows[i].software);
		snprintf(text, sizeof(text),
			 "{\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY "\",\"hostname\":\"%s\","
			 "\"software\":\"%s\",\"boot_id\":\"%s\"}",
			 host, software, rows[i].boot_id);
		CU_ASSERT_EQUAL(test_exreq_code(text, strlen(text)), rows[i].code);
	}
}

static void test_exreq_characters(void)
{
	static const char *const bad[] = { "a b",      "a\\nb",     "a\\u001b",
					   "\xc3\xa9", "a\\u0000b", "\\u009b" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[400];

		snprintf(text, sizeof(text),
			 "{\"version\":1,\"public_key\":\"" TEST_EXREQ_KEY "\",\"hostname\":\"%s\","
			 "\"software\":\"p\",\"boot_id\":\"" TEST_EXREQ_BOOT "\"}",
			 bad[i]);
		CU_ASSERT_EQUAL(test_exreq_code(text, strlen(text)), PST_JSON_MEMBER);
	}
}

/* The size counts before the form, and blanks count. */
static void test_exreq_size_limit(void)
{
	char text[EXREQ_BYTES_MAX + 1];

	memset(text, ' ', sizeof(text));
	memcpy(text, TEST_EXREQ_GOOD, strlen(TEST_EXREQ_GOOD));
	CU_ASSERT_EQUAL(test_exreq_code(text, EXREQ_BYTES_MAX - 1), PST_NONE);
	CU_ASSERT_EQUAL(test_exreq_code(text, EXREQ_BYTES_MAX), PST_NONE);
	CU_ASSERT_EQUAL(test_exreq_code(text, EXREQ_BYTES_MAX + 1), PST_BODY_TOO_LARGE);
}

static void test_exreq_fill(struct exreq *req)
{
	*req = (struct exreq){ .public_key = { .bytes = { 9 } }, .boot_id = TEST_EXREQ_BOOT };
	memset(req->hostname, '"', sizeof(req->hostname) - 1);
	memset(req->software, '\\', sizeof(req->software) - 1);
}

/* The largest request there is, every character escaped, comes back the same and fits. */
static void test_exreq_round_trip(void)
{
	struct exreq req, again;
	char *text = NULL;
	enum pst code;

	test_exreq_fill(&req);
	CU_ASSERT_EQUAL(exreq_encode(&req, &text), 0);
	CU_ASSERT_TRUE(strlen(text) <= EXREQ_BYTES_MAX);
	CU_ASSERT_EQUAL(exreq_decode(text, strlen(text), &again, &code), 0);
	CU_ASSERT_TRUE(wgkey_equal(&again.public_key, &req.public_key));
	CU_ASSERT_STRING_EQUAL(again.hostname, req.hostname);
	CU_ASSERT_STRING_EQUAL(again.software, req.software);
	CU_ASSERT_STRING_EQUAL(again.boot_id, req.boot_id);
	free(text);
}

static void test_exreq_encode_refuses(void)
{
	struct exreq req;
	char *text = NULL;

	test_exreq_fill(&req);
	snprintf(req.hostname, sizeof(req.hostname), "a b");
	CU_ASSERT_EQUAL(exreq_encode(&req, &text), -EINVAL);
	test_exreq_fill(&req);
	req.hostname[0] = '\0';
	CU_ASSERT_EQUAL(exreq_encode(&req, &text), -EINVAL);
	test_exreq_fill(&req);
	req.software[0] = '\0';
	CU_ASSERT_EQUAL(exreq_encode(&req, &text), -EINVAL);
	test_exreq_fill(&req);
	req.boot_id[3] = 'X';
	CU_ASSERT_EQUAL(exreq_encode(&req, &text), -EINVAL);
	CU_ASSERT_PTR_NULL(text);
}

static int test_exreq_both_ways(void *ctx)
{
	_cleanup_(files_freep) uint8_t *owned = NULL;
	struct exreq req, again;
	char *text = NULL;
	enum pst code;
	int r;

	test_exreq_fill(&req);
	r = exreq_encode(&req, &text);
	owned = (uint8_t *)text;
	return r < 0 ? r : exreq_decode(text, strlen(text), &again, &code);
}

static void test_exreq_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_exreq_both_ways, NULL) > 10);
}

static const struct tap_test test_exreq_tests[] = {
	{ "a good one", test_exreq_good },
	{ "bad ones", test_exreq_bad },
	{ "truncated", test_exreq_truncated },
	{ "information", test_exreq_information },
	{ "characters", test_exreq_characters },
	{ "size limit", test_exreq_size_limit },
	{ "round trip", test_exreq_round_trip },
	{ "encode refuses", test_exreq_encode_refuses },
	{ "out of memory", test_exreq_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_exreq_suites[] = {
	{ "exreq", test_exreq_tests, NULL, NULL },
	{ 0 },
};

static void *test_exreq_malloc(size_t size)
{
	return malloc(size);
}

int main(int argc, char **argv)
{
	json_set_alloc_funcs(test_exreq_malloc, free);
	return tap_main(argc, argv, test_exreq_suites);
}
