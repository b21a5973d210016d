/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "certs/ztsd/ztsends.h"
#include "tests/support/tap.h"
#include "tests/unit/certs/mkchain.h"

#define DAY UINT64_C(86400)

static void test_judge(void)
{
	static const struct {
		uint64_t begins, ends, now;
		enum ztsends_word want;
	} cases[] = {
		/* of ten years the last 30 days */
		{ 0, 3650 * DAY, 3620 * DAY, ZTSENDS_FAR },
		{ 0, 3650 * DAY, 3620 * DAY + 1, ZTSENDS_SOON },
		{ 0, 3650 * DAY, 3650 * DAY - 1, ZTSENDS_SOON },
		{ 0, 3650 * DAY, 3650 * DAY, ZTSENDS_OVER },
		{ 0, 3650 * DAY, 4000 * DAY, ZTSENDS_OVER },
		/* of 40 days the last ten */
		{ 100, 100 + 40 * DAY, 100 + 30 * DAY, ZTSENDS_FAR },
		{ 100, 100 + 40 * DAY, 101 + 30 * DAY, ZTSENDS_SOON },
		/* 120 days: where both are the same */
		{ 0, 120 * DAY, 90 * DAY, ZTSENDS_FAR },
		{ 0, 120 * DAY, 90 * DAY + 1, ZTSENDS_SOON },
		{ 0, 119 * DAY, 89 * DAY + 1, ZTSENDS_FAR },
		/* one that has not begun, and one that never does */
		{ 10 * DAY, 20 * DAY, 0, ZTSENDS_FAR },
		{ 20 * DAY, 10 * DAY, 9 * DAY, ZTSENDS_FAR },
		{ 20 * DAY, 10 * DAY, 10 * DAY, ZTSENDS_OVER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ztsends e = { cases[i].begins, cases[i].ends };

		CU_ASSERT_EQUAL(ztsends_judge(&e, cases[i].now), cases[i].want);
	}
}

/* How long it waits is until the word is another one, and not a second longer. */
static void test_wait(void)
{
	static const struct ztsends all[] = {
		{ 0, 3650 * DAY }, { 100, 100 + 40 * DAY },
		{ 0, 100 },        { 5, 8 },
		{ 5, 9 },          { 5, 14 },
		{ 9, 7 },          { 7, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint64_t now = 1, wait;

		while ((wait = ztsends_wait(&all[i], now)) != UINT64_MAX) {
			enum ztsends_word word = ztsends_judge(&all[i], now);

			CU_ASSERT_TRUE(word != ZTSENDS_OVER && wait > 0);
			CU_ASSERT_EQUAL(ztsends_judge(&all[i], now + wait - 1), word);
			now += wait ? wait : 1;
			CU_ASSERT_TRUE(ztsends_judge(&all[i], now) > word);
		}
		CU_ASSERT_EQUAL(now, all[i].ends_wall);
	}
}

static void test_read(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct mkchain spec = { .key = key, .cn = "x", .not_before = 7, .not_after = 4102444800 };
	struct ztsends e = { 1, 2 };
	X509 *good = mkchain_make(&spec), *bad;

	spec.raw_not_after = "20251301000000Z"; /* there is no such month */
	bad = mkchain_make(&spec);
	CU_ASSERT_EQUAL(ztsends_read(bad, &e), -EINVAL);
	CU_ASSERT_TRUE(e.begins_wall == 1 && e.ends_wall == 2);
	CU_ASSERT_EQUAL(ztsends_read(good, &e), 0);
	CU_ASSERT_TRUE(e.begins_wall == 7 && e.ends_wall == 4102444800);
	X509_free(good);
	X509_free(bad);
	spec.raw_not_after = "19691231235959Z";
	bad = mkchain_make(&spec);
	CU_ASSERT_EQUAL(ztsends_read(bad, &e), -EINVAL);
	X509_free(bad);
	EVP_PKEY_free(key);
}

static const struct tap_test tests[] = {
	{ "far, soon, over", test_judge },
	{ "when that changes", test_wait },
	{ "reads the validity", test_read },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "ztsends", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
