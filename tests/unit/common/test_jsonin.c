/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "common/jsonin.h"

static const char *const test_jsonin_names[] = { "a", "?b", NULL };

/* Parses and gives the code; PST_NONE when it was taken. */
static enum pst test_jsonin_code(const char *bytes, size_t len)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	enum pst code = PST_NONE;
	int r = jsonin_parse(bytes, len, &root, &code);

	CU_ASSERT_EQUAL(r, code ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(root != NULL, r == 0);
	return code;
}

#define TEST_JSONIN_ROW(text, code)                                                                \
	{                                                                                          \
		(text), sizeof(text) - 1, (code)                                                   \
	}

static const struct {
	const char *bytes;
	size_t len;
	enum pst code;
} test_jsonin_rows[] = {
	TEST_JSONIN_ROW("{}", PST_NONE),
	TEST_JSONIN_ROW(" \t\r\n{\"a\":1} \n", PST_NONE),
	TEST_JSONIN_ROW("{\"a\":\"\\ud834\\udd1e \xc3\xa9\"}", PST_NONE),
	TEST_JSONIN_ROW("", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW(" ", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\"", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":1", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":1,}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":01}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":+1}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":NaN}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{'a':1}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{a:1}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{}{}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{} x", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{}\0", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("\0{}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{/**/}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("\xef\xbb\xbf{}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"x\ny\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"x\0y\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\\x41\"}", PST_JSON_SYNTAX),
	/* Not UTF-8: a stray byte, overlong, a surrogate, beyond U+10FFFF, cut short. */
	TEST_JSONIN_ROW("{\"a\":\"\xff\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\xc0\xaf\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\xe0\x80\xaf\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\xed\xa0\x80\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\xf4\x90\x80\x80\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\xc3\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"\xff\":1}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\\ud834\"}", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":\"\\udd1e\\ud834\"}", PST_JSON_SYNTAX),
	/* Good JSON that no member of ours can hold. */
	TEST_JSONIN_ROW("{\"a\":\"\\u0000\"}", PST_JSON_MEMBER),
	TEST_JSONIN_ROW("{\"a\\u0000\":1}", PST_JSON_MEMBER),
	TEST_JSONIN_ROW("{\"a\":9223372036854775808}", PST_JSON_MEMBER),
	TEST_JSONIN_ROW("{\"a\":1e999}", PST_JSON_MEMBER),
	TEST_JSONIN_ROW("[]", PST_JSON_MEMBER),
	TEST_JSONIN_ROW("[{}]", PST_JSON_MEMBER),
	/* A value that is no object or array: jansson takes it for no document. */
	TEST_JSONIN_ROW("1", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("null", PST_JSON_SYNTAX),
	TEST_JSONIN_ROW("{\"a\":1,\"a\":1}", PST_JSON_DUPLICATE),
	TEST_JSONIN_ROW("{\"a\":1,\"\\u0061\":2}", PST_JSON_DUPLICATE),
	TEST_JSONIN_ROW("{\"b\":{\"a\":1,\"a\":2}}", PST_JSON_DUPLICATE),
	TEST_JSONIN_ROW("{\"b\":[{\"a\":1,\"a\":2}]}", PST_JSON_DUPLICATE),
};

static void test_jsonin_documents(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_jsonin_rows); i++) {
		/* On the heap without NUL, so that one byte too far is seen. */
		char *bytes = malloc(test_jsonin_rows[i].len ? test_jsonin_rows[i].len : 1);
		enum pst code;

		memcpy(bytes, test_jsonin_rows[i].bytes, test_jsonin_rows[i].len);
		code = test_jsonin_code(bytes, test_jsonin_rows[i].len);
		if (code != test_jsonin_rows[i].code)
			tap_fail(__FILE__, __LINE__, "row %zu gives PST-%04u, not PST-%04u", i,
				 (unsigned int)code, (unsigned int)test_jsonin_rows[i].code);
		free(bytes);
	}
	/* The body of no bytes, as libevent and libcurl hand it over. */
	CU_ASSERT_EQUAL(test_jsonin_code(NULL, 0), PST_JSON_SYNTAX);
}

/* {"a":[[...]]} with @depth levels in all, and a string of brackets that are none. */
static size_t test_jsonin_nest(char *out, unsigned int depth)
{
	static const char head[] = "{\"s\":\"[[[[[[[[\\\"[[[[{{{{\\\\\",\"a\":";
	size_t n = sizeof(head) - 1;

	memcpy(out, head, n);
	memset(out + n, '[', depth - 1);
	memset(out + n + depth - 1, ']', depth - 1);
	n += 2 * (size_t)(depth - 1);
	out[n++] = '}';
	return n;
}

static void test_jsonin_depth(void)
{
	char *text = malloc(200000);

	CU_ASSERT_EQUAL(test_jsonin_code(text, test_jsonin_nest(text, JSONIN_DEPTH_MAX - 1)),
			PST_NONE);
	CU_ASSERT_EQUAL(test_jsonin_code(text, test_jsonin_nest(text, JSONIN_DEPTH_MAX)), PST_NONE);
	CU_ASSERT_EQUAL(test_jsonin_code(text, test_jsonin_nest(text, JSONIN_DEPTH_MAX + 1)),
			PST_JSON_DEPTH);
	CU_ASSERT_EQUAL(test_jsonin_code(text, test_jsonin_nest(text, 80000)), PST_JSON_DEPTH);
	memset(text, '[', 65536);
	CU_ASSERT_EQUAL(test_jsonin_code(text, 65536), PST_JSON_DEPTH);
	memset(text, '{', 65536);
	CU_ASSERT_EQUAL(test_jsonin_code(text, 65536), PST_JSON_DEPTH);
	/* Closing brackets first earn no credit. */
	memset(text, ']', 100);
	memset(text + 100, '[', 7);
	CU_ASSERT_EQUAL(test_jsonin_code(text, 107), PST_JSON_DEPTH);
	free(text);
}

static json_t *test_jsonin_object(const char *text)
{
	json_t *root = NULL;
	enum pst code;

	CU_ASSERT_EQUAL(jsonin_parse(text, strlen(text), &root, &code), 0);
	return root;
}

static void test_jsonin_member_lists(void)
{
	static const struct {
		const char *text;
		enum pst code;
	} rows[] = {
		{ "{\"a\":1}", PST_NONE },
		{ "{\"a\":1,\"b\":2}", PST_NONE },
		{ "{\"b\":2}", PST_JSON_MEMBER },
		{ "{}", PST_JSON_MEMBER },
		{ "{\"a\":null}", PST_NONE },
		{ "{\"a\":1,\"c\":2}", PST_JSON_UNKNOWN },
		{ "{\"A\":1}", PST_JSON_UNKNOWN },
		{ "{\"a\":1,\"\":2}", PST_JSON_UNKNOWN },
		{ "{\"a\":1,\"?b\":2}", PST_JSON_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jsonin_freep) json_t *root = test_jsonin_object(rows[i].text);
		enum pst code = PST_NONE;

		CU_ASSERT_EQUAL(jsonin_members(root, test_jsonin_names, &code),
				rows[i].code ? -EBADMSG : 0);
		CU_ASSERT_EQUAL(code, rows[i].code);
	}
}

static void test_jsonin_strings(void)
{
	_cleanup_(jsonin_freep) json_t *root = test_jsonin_object(
		"{\"s\":\"abc\",\"e\":\"\",\"n\":1,\"c\":\"a\\u0007\",\"d\":\"a\\u007f\","
		"\"u\":\"\xc3\xa9\","
		"\"csi\":\"\\u009b\",\"edge\":\" ~\"}");
	static const char *const bad[] = { "e", "n", "c", "d", "u", "csi", "absent" };
	char text[4] = "xyz";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(jsonin_str(root, bad[i], text, sizeof(text)), -EBADMSG);
		CU_ASSERT_STRING_EQUAL(text, "xyz");
	}
	CU_ASSERT_EQUAL(jsonin_str(root, "s", text, 3), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_str(root, "s", text, 4), 0);
	CU_ASSERT_STRING_EQUAL(text, "abc");
	CU_ASSERT_EQUAL(jsonin_str(root, "edge", text, sizeof(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, " ~");
}

static void test_jsonin_numbers(void)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		bool good;
	} rows[] = {
		{ "{\"v\":5}", 5, 7, true },
		{ "{\"v\":7}", 5, 7, true },
		{ "{\"v\":4}", 5, 7, false },
		{ "{\"v\":8}", 5, 7, false },
		{ "{\"v\":-1}", 0, 7, false },
		{ "{\"v\":-1}", 0, UINT64_MAX, false },
		{ "{\"v\":-0}", 0, 7, true },
		{ "{\"v\":-9223372036854775808}", 0, UINT64_MAX, false },
		{ "{\"v\":1.0}", 0, 7, false },
		{ "{\"v\":1e0}", 0, 7, false },
		{ "{\"v\":\"1\"}", 0, 7, false },
		{ "{\"v\":true}", 0, 7, false },
		{ "{\"v\":null}", 0, 7, false },
		{ "{\"v\":[1]}", 0, 7, false },
		{ "{\"v\":9223372036854775807}", 0, INT64_MAX, true },
		{ "{}", 0, 7, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(jsonin_freep) json_t *root = test_jsonin_object(rows[i].text);
		uint64_t v = 99;

		CU_ASSERT_EQUAL(jsonin_u64(root, "v", rows[i].min, rows[i].max, &v),
				rows[i].good ? 0 : -EBADMSG);
		CU_ASSERT_EQUAL(v == 99, !rows[i].good);
	}
}

static void test_jsonin_containers(void)
{
	_cleanup_(jsonin_freep) json_t *root = test_jsonin_object("{\"o\":{},\"l\":[1,2],\"n\":1}");
	const json_t *v = NULL;

	CU_ASSERT_EQUAL(jsonin_object(root, "o", &v), 0);
	CU_ASSERT_EQUAL(jsonin_object(root, "l", &v), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_object(root, "x", &v), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_array(root, "l", 2, 2, &v), 0);
	CU_ASSERT_EQUAL(jsonin_array(root, "l", 3, 4, &v), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_array(root, "l", 0, 1, &v), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_array(root, "o", 0, 1, &v), -EBADMSG);
	CU_ASSERT_EQUAL(jsonin_array(root, "x", 0, 1, &v), -EBADMSG);
}

static int test_jsonin_parse_once(void *ctx)
{
	static const char text[] = "{\"a\":{\"b\":[1,\"x\",2.5,null]},\"c\":\"y\"}";
	_cleanup_(jsonin_freep) json_t *root = NULL;
	enum pst code;

	return jsonin_parse(text, sizeof(text) - 1, &root, &code);
}

static void test_jsonin_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_jsonin_parse_once, NULL) > 5);
}

static const struct tap_test test_jsonin_tests[] = {
	{ "documents", test_jsonin_documents },
	{ "depth", test_jsonin_depth },
	{ "member lists", test_jsonin_member_lists },
	{ "strings", test_jsonin_strings },
	{ "numbers", test_jsonin_numbers },
	{ "containers", test_jsonin_containers },
	{ "out of memory", test_jsonin_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_jsonin_suites[] = {
	{ "jsonin", test_jsonin_tests, NULL, NULL },
	{ 0 },
};

static void *test_jsonin_malloc(size_t size)
{
	return malloc(size);
}

int main(int argc, char **argv)
{
	json_set_alloc_funcs(test_jsonin_malloc, free);
	return tap_main(argc, argv, test_jsonin_suites);
}
