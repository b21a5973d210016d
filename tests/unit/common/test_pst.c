/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/pst.h"
#include "tests/support/tap.h"

static void test_ascending(void)
{
	size_t n = 0;
	const struct pst_info *all = pst_all(&n);

	CU_ASSERT(n > 0);
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT(all[i].code >= 1000 && all[i].code <= 9999);
		CU_ASSERT(i == 0 || all[i - 1].code < all[i].code);
	}
}

static void test_complete(void)
{
	size_t n = 0;
	const struct pst_info *all = pst_all(&n);

	for (size_t i = 0; i < n; i++) {
		CU_ASSERT(strlen(all[i].name) > 0);
		CU_ASSERT(strlen(all[i].cause) > 0);
		CU_ASSERT(strlen(all[i].action) > 0);
		CU_ASSERT(strlen(all[i].text) > 0 && all[i].text[strlen(all[i].text) - 1] != '.');
	}
}

static void test_find(void)
{
	size_t n = 0;
	const struct pst_info *all = pst_all(&n);

	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_PTR_EQUAL(pst_find(all[i].code), &all[i]);
		CU_ASSERT_PTR_EQUAL(pst_text(all[i].code), all[i].text);
	}
	CU_ASSERT_STRING_EQUAL(pst_find(1001)->name, "TCP_CONNECT");
}

static void test_unknown(void)
{
	CU_ASSERT_PTR_NULL(pst_find(0));
	CU_ASSERT_PTR_NULL(pst_find(999));
	CU_ASSERT_PTR_NULL(pst_find(10000));
	CU_ASSERT_PTR_NULL(pst_find(~0U));
	CU_ASSERT_STRING_EQUAL(pst_text(0), "unknown code");
}

static const struct tap_test tests[] = {
	{ "four digits, ascending", test_ascending },
	{ "every entry is complete", test_complete },
	{ "find", test_find },
	{ "a number that is not in the list", test_unknown },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "pst", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
