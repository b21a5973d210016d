/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "common/bootid.h"
#include "tests/support/tap.h"

static void test_read(void)
{
	char got[BOOTID_MAX + 1], want[BOOTID_MAX + 1] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	memset(got, 'x', sizeof(got));
	CU_ASSERT_EQUAL(bootid_read(got), 0);
	CU_ASSERT_EQUAL(got[BOOTID_MAX], 'x');
	CU_ASSERT_PTR_NOT_NULL(f);
	if (f && fgets(want, sizeof(want), f))
		want[strcspn(want, "\n")] = '\0';
	if (f)
		fclose(f);
	CU_ASSERT_STRING_EQUAL(got, want);
}

/* What the programs that keep it hold for granted. */
static void test_form(void)
{
	char got[BOOTID_MAX];

	CU_ASSERT_EQUAL(bootid_read(got), 0);
	CU_ASSERT_EQUAL(strlen(got), BOOTID_MAX - 1);
	CU_ASSERT_EQUAL(strspn(got, "0123456789abcdef-"), BOOTID_MAX - 1);
}

static const struct tap_test tests[] = {
	{ "what the kernel shows", test_read },
	{ "its form", test_form },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "bootid", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
