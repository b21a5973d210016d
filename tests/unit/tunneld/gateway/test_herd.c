/* SPDX-License-Identifier: MIT */

#include "tests/support/tap.h"
#include "tunneld/gateway/herd.h"

#define TEST_HERD_S UINT64_C(1000000000)

static void test_herd_spreads(void)
{
	struct herd h = { 0 };
	unsigned int per_s[HERD_SPAN_S + 1] = { 0 };
	unsigned int n = (HERD_SPAN_S - 1) * HERD_PER_S;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t s = herd_take(&h, 5 * TEST_HERD_S);

		CU_ASSERT_TRUE(s >= 1 && s <= HERD_SPAN_S);
		per_s[s]++;
	}
	for (unsigned int s = 1; s < HERD_SPAN_S; s++)
		if (per_s[s] != HERD_PER_S)
			tap_fail(__FILE__, __LINE__, "%u hosts come back in second %u", per_s[s],
				 s);
}

static void test_herd_never_beyond_its_span(void)
{
	struct herd h = { 0 };
	uint32_t last = 0;

	for (unsigned int i = 0; i < 3 * HERD_SPAN_S * HERD_PER_S; i++) {
		last = herd_take(&h, TEST_HERD_S);
		if (last < 1 || last > HERD_SPAN_S)
			tap_fail(__FILE__, __LINE__, "slot %u s", last);
	}
	CU_ASSERT_TRUE(last <= HERD_SPAN_S);
}

static void test_herd_forgets(void)
{
	struct herd h = { 0 };

	for (unsigned int i = 0; i < 10 * HERD_PER_S; i++)
		(void)herd_take(&h, TEST_HERD_S);
	CU_ASSERT_EQUAL(herd_take(&h, TEST_HERD_S), 11);
	CU_ASSERT_EQUAL(herd_take(&h, 6 * TEST_HERD_S), 6);
	CU_ASSERT_EQUAL(herd_take(&h, 100 * TEST_HERD_S), 1);
}

static const struct tap_test test_herd_tests[] = {
	{ "as many per second as can be served", test_herd_spreads },
	{ "never beyond its span", test_herd_never_beyond_its_span },
	{ "time gives slots back", test_herd_forgets },
	{ 0 },
};

static const struct tap_suite test_herd_suites[] = {
	{ "herd", test_herd_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_herd_suites);
}
