/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <string.h>

#include "common/typo.h"
#include "tests/support/tap.h"

static void test_distance(void)
{
	static const struct {
		const char *a, *b;
		unsigned int slips;
	} rows[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "listen", "listen", 0 },
		{ "lisen", "listen", 1 },
		{ "llisten", "listen", 1 },
		{ "lissen", "listen", 1 },
		{ "zts_ulr", "zts_url", 1 },
		{ "ba", "ab", 1 },
		{ "abcd", "badc", 2 },
		{ "abc", "cab", 2 },
		{ "abc", "xyz", 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(typo_distance(rows[i].a, rows[i].b), rows[i].slips);
		CU_ASSERT_EQUAL(typo_distance(rows[i].b, rows[i].a), rows[i].slips);
	}
}

static void test_length_limit(void)
{
	char a[TYPO_NAME_MAX + 2], b[TYPO_NAME_MAX + 2];

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	a[TYPO_NAME_MAX + 1] = b[TYPO_NAME_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(typo_distance(a, "a"), UINT_MAX);
	CU_ASSERT_EQUAL(typo_distance("a", b), UINT_MAX);
	a[TYPO_NAME_MAX] = b[TYPO_NAME_MAX] = '\0';
	CU_ASSERT_EQUAL(typo_distance(a, b), TYPO_NAME_MAX);
	a[TYPO_NAME_MAX - 1] = '\0';
	CU_ASSERT_EQUAL(typo_distance(a, b), TYPO_NAME_MAX);
	CU_ASSERT_EQUAL(typo_distance(a, a), 0);
}

static void test_likely(void)
{
	CU_ASSERT(typo_is_likely("listen", "listen"));
	CU_ASSERT(typo_is_likely("lsit", "list"));
	CU_ASSERT(typo_is_likely("abx", "abc"));
	CU_ASSERT_FALSE(typo_is_likely("ax", "ab"));
	CU_ASSERT(typo_is_likely("abcxy", "abcde"));
	CU_ASSERT_FALSE(typo_is_likely("abxy", "abcd"));
	CU_ASSERT_FALSE(typo_is_likely("listxyz", "list"));
	CU_ASSERT_FALSE(typo_is_likely("", ""));
	CU_ASSERT_FALSE(typo_is_likely("", "a"));
}

static const struct tap_test tests[] = {
	{ "the distance of two names", test_distance },
	{ "the length of a name is limited", test_length_limit },
	{ "what is probably meant", test_likely },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "typo", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
