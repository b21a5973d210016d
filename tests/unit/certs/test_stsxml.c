/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/stsxml.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define NS "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""
#define CREDENTIALS "AssumeRoleResponse/AssumeRoleResult/Credentials/"

/* The answer as the API reference shows it; names and values are ours. */
static const char test_stsxml_answer[] =
	"<AssumeRoleResponse " NS ">\n"
	"  <AssumeRoleResult>\n"
	"    <AssumedRoleUser>\n"
	"      <Arn>arn:aws:sts::123456789012:assumed-role/a.b/a.b</Arn>\n"
	"      <AssumedRoleId>AROAX:a.b</AssumedRoleId>\n"
	"    </AssumedRoleUser>\n"
	"    <Credentials>\n"
	"      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>\n"
	"      <SecretAccessKey>wJalr/XUt+nFEMI&#x2b;&amp;=</SecretAccessKey>\n"
	"      <SessionToken><![CDATA[IQoJb3<>==]]></SessionToken>\n"
	"      <Expiration>2026-11-21T12:00:00Z</Expiration>\n"
	"    </Credentials>\n"
	"    <PackedPolicySize>6</PackedPolicySize>\n"
	"  </AssumeRoleResult>\n"
	"  <ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>\n"
	"</AssumeRoleResponse>\n";

static char test_stsxml_text[STSXML_TEXT_MAX + 1];

/* The bytes lie in an allocation of exactly their size. Asserts what holds for every answer. */
static int test_stsxml_find_bytes(const char *bytes, size_t len, const char *path, size_t cap)
{
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	CU_ASSERT_PTR_NOT_NULL(copy);
	if (!copy)
		return -1;
	memcpy(copy, bytes, len);
	memset(test_stsxml_text, '#', sizeof(test_stsxml_text) - 1);
	r = stsxml_find(copy, len, path, test_stsxml_text, cap);
	free(copy);
	if (r != 0) {
		CU_ASSERT_EQUAL(strspn(test_stsxml_text, "#"), sizeof(test_stsxml_text) - 1);
	}
	return r;
}

static int test_stsxml_find(const char *text, const char *path)
{
	return test_stsxml_find_bytes(text, strlen(text), path, STSXML_TEXT_MAX);
}

static void test_stsxml_reads_credentials(void)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "AccessKeyId", "ASIAEXAMPLE" },
		{ "SecretAccessKey", "wJalr/XUt+nFEMI+&=" },
		{ "SessionToken", "IQoJb3<>==" },
		{ "Expiration", "2026-11-21T12:00:00Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), CREDENTIALS "%s", rows[i].name);
		CU_ASSERT_EQUAL(test_stsxml_find(test_stsxml_answer, path), 0);
		CU_ASSERT_STRING_EQUAL(test_stsxml_text, rows[i].text);
	}
}

static void test_stsxml_reads_errors(void)
{
	static const char answer[] = "<ErrorResponse " NS
				     "><Error><Type>Sender</Type><Code>AccessDenied</Code>"
				     "<Message>User is not authorized</Message></Error>"
				     "<RequestId>x</RequestId></ErrorResponse>";

	CU_ASSERT_EQUAL(test_stsxml_find(answer, "ErrorResponse/Error/Code"), 0);
	CU_ASSERT_STRING_EQUAL(test_stsxml_text, "AccessDenied");
	CU_ASSERT_EQUAL(test_stsxml_find(answer, "ErrorResponse/Error/Message"), 0);
	CU_ASSERT_STRING_EQUAL(test_stsxml_text, "User is not authorized");
}

struct test_stsxml_row {
	const char *about, *text;
	int r; /* of looking for a/b */
};

static void test_stsxml_run(const struct test_stsxml_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		int r = test_stsxml_find(rows[i].text, "a/b");

		if (r != rows[i].r)
			tap_fail(__FILE__, __LINE__, "%s: %d", rows[i].about, r);
		else if (r == 0 && strcmp(test_stsxml_text, "x") != 0)
			tap_fail(__FILE__, __LINE__, "%s: %s", rows[i].about, test_stsxml_text);
	}
	CU_PASS("");
}

/* clang-format off */
static const struct test_stsxml_row test_stsxml_paths[] = {
	{ "there", "<a><b>x</b></a>", 0 },
	{ "with a declaration", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a><b>x</b></a>", 0 },
	{ "what a declaration says does not count",
	  "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a><b>x</b></a>", 0 },
	{ "attributes do not matter", "<a b='1'><b c='d'>x</b></a>", 0 },
	{ "namespaces do not count", "<p:a xmlns:p='urn:1' xmlns='urn:2'><b>x</b></p:a>", 0 },
	{ "a comment in it", "<a><b><!-- y -->x</b></a>", 0 },
	{ "beside others", "<a><bb>y</bb><c><b>y</b></c><b>x</b><B>y</B></a>", 0 },
	{ "elsewhere", "<a><c><b>x</b></c></a>", -ENOENT },
	{ "below another root", "<c><b>x</b></c>", -ENOENT },
	{ "the root", "<b>x</b>", -ENOENT },
	{ "deeper by its own name", "<a><a><b>x</b></a></a>", -ENOENT },
	{ "a longer name", "<a><bc>x</bc></a>", -ENOENT },
	{ "a longer root", "<ab><b>x</b></ab>", -ENOENT },
	{ "a shorter root", "<x><b>x</b></x>", -ENOENT },
	{ "other case", "<A><b>x</b></A>", -ENOENT },
	{ "in a comment", "<a><!-- <b>x</b> --></a>", -ENOENT },
	{ "in CDATA", "<a><![CDATA[<b>x</b>]]></a>", -ENOENT },
	{ "as text", "<a>&lt;b>x&lt;/b></a>", -ENOENT },
	{ "as an attribute", "<a b='x'/>", -ENOENT },
};

static const struct test_stsxml_row test_stsxml_refused[] = {
	{ "twice", "<a><b>x</b><b>x</b></a>", -EBADMSG },
	{ "twice, once empty", "<a><b>x</b><b/></a>", -EBADMSG },
	{ "empty", "<a><b></b></a>", -EBADMSG },
	{ "empty, short form", "<a><b/></a>", -EBADMSG },
	{ "an element in it", "<a><b>x<c/></b></a>", -EBADMSG },
	{ "itself in it", "<a><b>x<b>x</b></b></a>", -EBADMSG },
	{ "line break in it", "<a><b>x\n</b></a>", -EBADMSG },
	{ "NUL as a reference", "<a><b>x&#0;</b></a>", -EBADMSG },
	{ "tabulator as a reference", "<a><b>x&#9;</b></a>", -EBADMSG },
	{ "not ASCII", "<a><b>x\xc3\xa9</b></a>", -EBADMSG },
	{ "not ASCII as a reference", "<a><b>x&#233;</b></a>", -EBADMSG },
	{ "DEL", "<a><b>x\x7f</b></a>", -EBADMSG },
	{ "not UTF-8", "<a><c>\xff</c><b>x</b></a>", -EBADMSG },
	{ "nothing", "", -EBADMSG },
	{ "text", "AccessDenied", -EBADMSG },
	{ "JSON", "{\"a\":1}", -EBADMSG },
	{ "cut short", "<a><b>x</b>", -EBADMSG },
	{ "crossed", "<a><b>x</a></b>", -EBADMSG },
	{ "two roots", "<a><b>x</b></a><a/>", -EBADMSG },
	{ "rest", "<a><b>x</b></a>x", -EBADMSG },
	{ "unknown prefix", "<p:a><b>x</b></p:a>", -EBADMSG },
	{ "namespace that looks like a name", "<a xmlns='x&#10;b'><b>x</b></a>", -EBADMSG },
	{ "attribute twice", "<a c='1' c='2'><b>x</b></a>", -EBADMSG },
	{ "document type", "<!DOCTYPE a><a><b>x</b></a>", -EBADMSG },
	{ "document type elsewhere", "<!DOCTYPE a SYSTEM 'x.dtd'><a><b>x</b></a>", -EBADMSG },
	{ "entity", "<!DOCTYPE a [<!ENTITY e 'x'>]><a><b>&e;</b></a>", -EBADMSG },
	{ "external entity", "<!DOCTYPE a [<!ENTITY e SYSTEM '/x'>]><a><b>&e;</b></a>", -EBADMSG },
	{ "parameter entity", "<!DOCTYPE a [<!ENTITY % e 'x'> %e;]><a><b>x</b></a>", -EBADMSG },
	{ "unknown entity", "<a><b>x&e;</b></a>", -EBADMSG },
};
/* clang-format on */

static void test_stsxml_follows_paths(void)
{
	test_stsxml_run(test_stsxml_paths, ARRAY_SIZE(test_stsxml_paths));
}

static void test_stsxml_refuses(void)
{
	test_stsxml_run(test_stsxml_refused, ARRAY_SIZE(test_stsxml_refused));
}

/* Nothing is expanded: that would take long, and the parser would say so with another limit. */
static void test_stsxml_does_not_laugh(void)
{
	static const char laughs[] = "<!DOCTYPE a [<!ENTITY a 'x'>"
				     "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
				     "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
				     "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]>"
				     "<a><b>x</b><c>&d;&d;&d;</c></a>";
	/* Even where the rest could not be read: it is never looked at. */
	static const char cut[] = "<!DOCTYPE a [<!ENTITY a 'x'>";

	CU_ASSERT_EQUAL(test_stsxml_find(laughs, "a/b"), -EBADMSG);
	CU_ASSERT_EQUAL(test_stsxml_find(cut, "a/b"), -EBADMSG);
}

/* An element at @depth, the root being 1, that holds an x. */
static int test_stsxml_find_deep(size_t depth, size_t more)
{
	char text[256] = "", path[64] = "";
	size_t n = 0, p = 0;

	for (size_t i = 0; i < depth + more; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "<e>");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", more ? "" : "x");
	for (size_t i = 0; i < depth + more; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "</e>");
	for (size_t i = 0; i < depth; i++)
		p += (size_t)snprintf(path + p, sizeof(path) - p, "%se", i ? "/" : "");
	return test_stsxml_find(text, path);
}

static void test_stsxml_depth_limit(void)
{
	CU_ASSERT_EQUAL(test_stsxml_find_deep(1, 0), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_deep(STSXML_DEPTH_MAX - 1, 0), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_deep(STSXML_DEPTH_MAX, 0), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_deep(STSXML_DEPTH_MAX + 1, 0), -EBADMSG);
	/* Also where nobody looks. */
	CU_ASSERT_EQUAL(test_stsxml_find("<a><c><c><c><c><c><c><c/></c></c></c></c></c></c>"
					 "<b>x</b></a>",
					 "a/b"),
			0);
	CU_ASSERT_EQUAL(test_stsxml_find("<a><c><c><c><c><c><c><c><c/></c></c></c></c></c></c></c>"
					 "<b>x</b></a>",
					 "a/b"),
			-EBADMSG);
}

/* <a><b>, @len bytes, </b></a>, then blanks up to @size; free() it. */
static char *test_stsxml_make(size_t len, size_t size)
{
	char *text = malloc(size);

	if (!text)
		abort();
	memset(text, ' ', size);
	memcpy(text, "<a><b>", 6);
	memset(text + 6, 'x', len);
	memcpy(text + 6 + len, "</b></a>", 8);
	return text;
}

static int test_stsxml_find_long(size_t len, size_t size, size_t cap)
{
	char *text = test_stsxml_make(len, size);
	int r = test_stsxml_find_bytes(text, size, "a/b", cap);

	free(text);
	return r;
}

static void test_stsxml_text_limits(void)
{
	CU_ASSERT_EQUAL(test_stsxml_find_long(STSXML_TEXT_MAX - 2, 9000, STSXML_TEXT_MAX), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_long(STSXML_TEXT_MAX - 1, 9000, STSXML_TEXT_MAX), 0);
	CU_ASSERT_EQUAL(strlen(test_stsxml_text), STSXML_TEXT_MAX - 1);
	CU_ASSERT_EQUAL(test_stsxml_find_long(STSXML_TEXT_MAX, 9000, STSXML_TEXT_MAX + 1),
			-EBADMSG);
	CU_ASSERT_EQUAL(test_stsxml_find_long(8, 100, 10), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_long(9, 100, 10), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_long(10, 100, 10), -EBADMSG);
	CU_ASSERT_EQUAL(test_stsxml_find_long(1, 100, 1), -EBADMSG);
	/* What nobody asked for may be longer. */
	CU_ASSERT_EQUAL(test_stsxml_find_long(STSXML_TEXT_MAX, 9000, 0), -EBADMSG);
}

static void test_stsxml_size_limits(void)
{
	CU_ASSERT_EQUAL(test_stsxml_find_long(1, STSXML_BYTES_MAX - 1, 10), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_long(1, STSXML_BYTES_MAX, 10), 0);
	CU_ASSERT_EQUAL(test_stsxml_find_long(1, STSXML_BYTES_MAX + 1, 10), -EBADMSG);
}

static void test_stsxml_skips_long_texts(void)
{
	char *text = test_stsxml_make(20000, 20100);

	memcpy(text + 6 + 20000, "</b><c>y</c></a>", 16);
	CU_ASSERT_EQUAL(test_stsxml_find_bytes(text, 20100, "a/c", 10), 0);
	CU_ASSERT_STRING_EQUAL(test_stsxml_text, "y");
	free(text);
}

/* Every beginning of a good answer is refused: it is read to the end before it counts. */
static void test_stsxml_refuses_pieces(void)
{
	for (size_t len = 0; len < sizeof(test_stsxml_answer) - 2; len++)
		CU_ASSERT_EQUAL(test_stsxml_find_bytes(test_stsxml_answer, len,
						       CREDENTIALS "AccessKeyId", STSXML_TEXT_MAX),
				-EBADMSG);
}

static int test_stsxml_find_tortured(void *ctx)
{
	char text[64];

	return stsxml_find(test_stsxml_answer, sizeof(test_stsxml_answer) - 1,
			   CREDENTIALS "SecretAccessKey", text, sizeof(text));
}

static void test_stsxml_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_stsxml_find_tortured, NULL) >= 5);
}

static const struct tap_test test_stsxml_tests[] = {
	{ "credentials", test_stsxml_reads_credentials },
	{ "errors", test_stsxml_reads_errors },
	{ "paths", test_stsxml_follows_paths },
	{ "refused", test_stsxml_refuses },
	{ "no laughs", test_stsxml_does_not_laugh },
	{ "limit of depth", test_stsxml_depth_limit },
	{ "limits of a text", test_stsxml_text_limits },
	{ "limit of an answer", test_stsxml_size_limits },
	{ "long texts beside it", test_stsxml_skips_long_texts },
	{ "pieces", test_stsxml_refuses_pieces },
	{ "out of memory", test_stsxml_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_stsxml_suites[] = {
	{ "stsxml", test_stsxml_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_stsxml_suites);
}
