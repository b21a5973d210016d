/* SPDX-License-Identifier: MIT */
/* The closed policy that is built in: what it is, what it lets through, and that boot falls back to
 * it whatever is wrong with the saved one. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/boot/closed.h"
#include "netpolicy/apply/batchfile.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

/* Runs netpolicy-boot on the test's directory. Gives its exit status as text. */
static char *test_boot(void)
{
	char command[PATH_MAX + 256];

	snprintf(command, sizeof(command),
		 "%s/netpolicy/netpolicy-boot --state-dir %s 2>&1; echo $?",
		 getenv("POSTERN_TEST_BUILD"), tmpdir_get());
	return netns_output(command);
}

static void test_closed_listing(void)
{
	char *want, *have;

	if (!netns_fresh())
		return;
	free(test_boot());
	/* Whether the table has flags is for the kernel, and how they read for nft. */
	have = netns_output("nft list table inet postern | sed '/^\tflags/{N;d}'");
	want = policyfixture_golden("closed.list");
	if (want) /* netns_output() leaves the last newline out */
		want[strlen(want) - 1] = '\0';
	if (!want || !have || strcmp(want, have) != 0)
		tap_fail(__FILE__, __LINE__, "the listing differs from closed.list:\n%s", have);
	CU_PASS("listed");
	free(want);
	free(have);
}

/* Writes a file that is sound, but its batch says nothing and would leave the host open. */
static void test_write_empty_batch(void)
{
	struct batchfile file = { .about = "forged", .batch_len = 40 };
	uint8_t batch[40] __attribute__((aligned(8)));
	uint8_t *bytes = NULL;
	size_t len = 0;

	memcpy(batch, closed_batch, 20);
	memcpy(batch + 20, closed_batch + closed_batch_len - 20, 20);
	file.batch = batch;
	CU_ASSERT_EQUAL(batchfile_encode(&file, &bytes, &len), 0);
	CU_ASSERT_EQUAL(tmpdir_write("policy.batch", bytes, len), 0);
	free(bytes);
}

/* No file, an empty one, noise, a batch that opens the host: each gives the closed policy. */
static void test_closed_fallback(void)
{
	static const struct {
		const char *content, *code;
	} rows[] = { { NULL, "PST-3007" },
		     { "", "PST-3007" },
		     { "noise", "PST-3007" },
		     { "forged", "PST-3003" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out;

		if (!netns_fresh())
			return;
		if (rows[i].content)
			CU_ASSERT_EQUAL(tmpdir_write("policy.batch", rows[i].content,
						     strlen(rows[i].content)),
					0);
		if (!strcmp(rows[i].code, "PST-3003"))
			test_write_empty_batch();
		out = test_boot();
		CU_ASSERT_PTR_NOT_NULL(strstr(out, rows[i].code));
		CU_ASSERT_PTR_NOT_NULL(strstr(out, "closed policy"));
		CU_ASSERT_STRING_EQUAL(out + strlen(out) - 2, "\n1");
		free(out);
		netns_expect("nft list tables", "table inet postern");
	}
}

static void test_closed_passes_its_own_check(void)
{
	char error[BATCH_ERROR_MAX] = "";

	CU_ASSERT_EQUAL(batch_check(closed_batch, closed_batch_len, error), 0);
}

static const struct tap_test test_closed_tests[] = {
	{ "passes its own check", test_closed_passes_its_own_check },
	{ "is what the golden file says", test_closed_listing },
	{ "boot falls back to it", test_closed_fallback },
	{ 0 },
};

static const struct tap_suite test_closed_suites[] = {
	{ "closed", test_closed_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_closed_suites);
}
