/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/secret.h"
#include "tests/support/tap.h"

static bool is_all(const uint8_t *p, size_t n, uint8_t v)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != v)
			return false;
	return true;
}

static void test_wipe(void)
{
	struct secret s;
	uint8_t bytes[5] = { 1, 2, 3, 4, 5 };

	memset(&s, 0x5a, sizeof(s));
	secret_wipe(&s);
	CU_ASSERT(is_all(s.bytes, sizeof(s.bytes), 0));
	secret_wipe_bytes(bytes + 1, 3);
	CU_ASSERT(bytes[0] == 1 && is_all(bytes + 1, 3, 0) && bytes[4] == 5);
	secret_wipe_bytes(bytes, 0);
	CU_ASSERT_EQUAL(bytes[0], 1);
	secret_wipe(NULL);
}

static void test_equal(void)
{
	struct secret a, b;

	tap_random_fill(&a, sizeof(a));
	b = a;
	CU_ASSERT(secret_equal(&a, &b));
	for (size_t bit = 0; bit < SECRET_BYTES * 8; bit++) {
		b = a;
		b.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		CU_ASSERT(!secret_equal(&a, &b));
	}
}

static void test_zero(void)
{
	struct secret s = { 0 };

	CU_ASSERT(secret_is_zero(&s));
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		memset(&s, 0, sizeof(s));
		s.bytes[i] = 0x80;
		CU_ASSERT(!secret_is_zero(&s));
	}
}

static const struct tap_test tests[] = {
	{ "wipe", test_wipe },
	{ "a difference in any bit is seen", test_equal },
	{ "zero is all bytes zero", test_zero },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "secret", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
