/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyscan.h"
#include "tests/support/tap.h"

/* The kinds of all tokens of a text, a letter each; '!' and the column for an error. */
static const char *scan(const char *text, size_t len)
{
	static const char letters[] = "WR{},#\\;.";
	static char out[256];
	struct policyscan_token t;
	struct policyscan s;
	const char *why = NULL;
	size_t n = 0;

	policyscan_start(&s, text, len);
	do {
		if (policyscan_next(&s, &t, &why) < 0) {
			snprintf(out + n, sizeof(out) - n, "!%u:%u", t.line, t.column);
			CU_ASSERT_PTR_NOT_NULL(why);
			return out;
		}
		out[n++] = letters[t.kind];
	} while (t.kind != POLICYSCAN_END && n < sizeof(out) - 32);
	out[n] = '\0';
	return out;
}

static void check(const char *text, const char *want)
{
	const char *got = scan(text, strlen(text));

	CU_ASSERT_STRING_EQUAL(got, want);
	if (strcmp(got, want))
		tap_note("%s: got %s, wanted %s", text, got, want);
}

static void test_kinds(void)
{
	check("", ".");
	check("a b\n", "WW;.");
	check("\ta\t b", "WW.");
	check("a{b,c}", "W{W,W}.");
	check("a # b \" {\nc", "W#;W.");
	check("#", "#.");
	check("\"r x\" a", "RW.");
	check("a \\\nb", "W\\W.");
	check("2001:db8::/48 a.b_c-d+e@f/G", "WW.");
	check("\n\n", ";;.");
}

static void test_errors(void)
{
	check("a \x01", "W!1:3");
	check("a\r\nb", "W!1:2");
	check("\nab \x7f", ";W!2:4");
	check("a b;", "WW!1:4");
	check("a 'b'", "W!1:3");
	check("\xc3\xa4", "!1:1");
	check("a \\ \n", "W!1:3");
	check("a \\", "W!1:3");
	check("\"a", "!1:1");
	check("x \"a\nb\"", "W!1:3");
	check("\"\"", "!1:1");
	check("\"a\\b\"", "!1:3");
	check("\"a\tb\"", "!1:3");
	check("\"\xc3\xa4\"", "!1:2");
	CU_ASSERT_STRING_EQUAL(scan("a\0b", 3), "W!1:2");
	CU_ASSERT_STRING_EQUAL(scan("#\0b", 3), "!1:2");
}

static void test_comments(void)
{
	check("# \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "#.");
	check("#\t", "#.");
	check("# \x80", "!1:3");     /* alone */
	check("# \xc3", "!1:3");     /* cut off */
	check("# \xc3\n", "!1:3");   /* cut off by the line */
	check("# \xc0\xaf", "!1:3"); /* too long for what it says */
	check("# \xe0\x80\xaf", "!1:3");
	check("# \xed\xa0\x80", "!1:3"); /* a surrogate */
	check("# \xf4\x90\x80\x80", "!1:3");
	check("# \xff", "!1:3");
	check("# \xc2\x85", "!1:3");      /* a control character */
	check("# a\xe2\x80\xae", "!1:4"); /* from right to left */
	check("# \xe2\x81\xa6", "!1:3");
	check("# \xe2\x80\x8e", "!1:3");
	check("# \xe2\x80\x8f", "!1:3");
	check("# \xe2\x80\xa8", "!1:3"); /* a line of its own, for who shows it so */
	check("# \x1b[2J", "!1:3");
	check("# a\r\n", "!1:4");
}

static void test_limits(void)
{
	char text[512];

	for (size_t n = POLICYSCAN_WORD_MAX - 2; n <= POLICYSCAN_WORD_MAX; n++) {
		memset(text, 'a', n);
		text[n] = '\0';
		check(text, n < POLICYSCAN_WORD_MAX ? "W." : "!1:1");
	}
	for (size_t n = 58; n <= 60; n++) {
		memset(text, 'a', n + 2);
		text[0] = text[n + 1] = '"';
		text[n + 2] = '\0';
		check(text, n < 60 ? "R." : "!1:1");
	}
}

/* A line of ten megabytes costs as much as many short ones. */
static void test_long_line(void)
{
	size_t len = 10 * 1024 * 1024;
	char *text = malloc(len);
	struct policyscan_token t;
	struct policyscan s;
	const char *why;
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? ' ' : 'a';
	policyscan_start(&s, text, len);
	while (policyscan_next(&s, &t, &why) == 0 && t.kind == POLICYSCAN_WORD)
		n++;
	CU_ASSERT_EQUAL(n, len / 2);
	CU_ASSERT_EQUAL(t.kind, POLICYSCAN_END);
	CU_ASSERT_EQUAL(t.column, len + 1);
	CU_ASSERT_EQUAL(policyscan_next(&s, &t, &why), 0);
	CU_ASSERT_EQUAL(t.kind, POLICYSCAN_END);
	free(text);
}

static void test_places(void)
{
	static const char text[] = "a \"bc\" d\n e \\\n  f";
	static const struct {
		unsigned int line, column;
		size_t len;
	} want[] = { { 1, 1, 1 }, { 1, 3, 2 }, { 1, 8, 1 }, { 1, 9, 1 },
		     { 2, 2, 1 }, { 2, 4, 1 }, { 3, 3, 1 }, { 3, 4, 0 } };
	struct policyscan_token t;
	struct policyscan s;
	const char *why;

	policyscan_start(&s, text, strlen(text));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CU_ASSERT_EQUAL(policyscan_next(&s, &t, &why), 0);
		CU_ASSERT_EQUAL(t.line, want[i].line);
		CU_ASSERT_EQUAL(t.column, want[i].column);
		CU_ASSERT_EQUAL(t.len, want[i].len);
	}
}

static const struct tap_test scan_tests[] = {
	{ "kinds", test_kinds },
	{ "errors", test_errors },
	{ "comments", test_comments },
	{ "limits", test_limits },
	{ "long line", test_long_line },
	{ "places", test_places },
	{},
};

static const struct tap_suite suites[] = { { "policyscan", scan_tests, NULL, NULL }, {} };

int main(int argc, char **argv)
{
	return tap_main(argc, argv, suites);
}
