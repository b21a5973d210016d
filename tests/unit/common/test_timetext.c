/* SPDX-License-Identifier: MIT */
#include "common/attr.h"
#include "common/timetext.h"
#include "tests/support/tap.h"

static void test_span(void)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },        { 119, "119 s" },    { 120, "2 min" },
		{ 7199, "119 min" }, { 7200, "2 h" },     { 172799, "47 h" },
		{ 172800, "2 d" },   { 2592000, "30 d" }, { UINT64_MAX, "213503982334601 d" },
	};
	char text[TIMETEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_STRING_EQUAL(timetext_span(cases[i].seconds, text), cases[i].text);
}

static void test_stamp(void)
{
	char text[TIMETEXT_MAX];

	CU_ASSERT_STRING_EQUAL(timetext_stamp(0, text), "-");
	CU_ASSERT_STRING_EQUAL(timetext_stamp(1, text), "1970-01-01T00:00:01Z");
	CU_ASSERT_STRING_EQUAL(timetext_stamp(253402300799, text), "9999-12-31T23:59:59Z");
	CU_ASSERT_STRING_EQUAL(timetext_stamp(UINT64_MAX >> 1, text), "-");
}

static const struct tap_test tests[] = {
	{ "spans, each unit at its limits", test_span },
	{ "stamps", test_stamp },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "timetext", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
