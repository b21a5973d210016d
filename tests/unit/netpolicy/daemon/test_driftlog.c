/* SPDX-License-Identifier: MIT */
/* What is folded, what is forgotten, what is listed. */
#include <stdio.h>
#include <string.h>

#include "netpolicy/daemon/driftlog.h"
#include "tests/support/tap.h"

static struct driftlog test_log;

static const struct ctlwire_drift *test_add(const char *command, uint32_t pid, const char *what,
					    uint32_t us)
{
	struct ctlwire_drift d = { .at_s = 1000 + pid, .pid = pid, .repair_us = us };

	d.n_differences = 3;
	snprintf(d.command, sizeof(d.command), "%s", command);
	snprintf(d.what, sizeof(d.what), "%s", what);
	return driftlog_add(&test_log, &d);
}

static void test_driftlog_folds(void)
{
	static struct ctlwire_drift rows[CTLWIRE_LIST_MAX];
	const struct ctlwire_drift *row;

	memset(&test_log, 0, sizeof(test_log));
	CU_ASSERT_EQUAL(driftlog_list(&test_log, 0, rows), 0);
	row = test_add("nft", 1, "the table is missing", 10);
	CU_ASSERT_TRUE(row->id == 1 && row->times == 1 && row->at_s == 1001);
	row = test_add("nft", 2, "the table is missing", 30);
	CU_ASSERT_TRUE(row->id == 1 && row->times == 2 && row->pid == 2);
	CU_ASSERT_TRUE(row->at_s == 1001 && row->repair_us == 30);
	row = test_add("nft", 3, "the table is missing", 20);
	CU_ASSERT_TRUE(row->times == 3 && row->repair_us == 30 && row->n_differences == 3);
	CU_ASSERT_EQUAL(test_add("nft", 3, "another thing", 5)->id, 2);
	CU_ASSERT_EQUAL(test_add("iptables", 3, "another thing", 5)->id, 3);
	CU_ASSERT_EQUAL(driftlog_list(&test_log, 0, rows), 3);
	CU_ASSERT_EQUAL(driftlog_list(&test_log, 2, rows), 2);
	CU_ASSERT_TRUE(rows[0].id == 2 && rows[1].id == 3);
	CU_ASSERT_EQUAL(driftlog_list(&test_log, 4, rows), 0);
}

static void test_driftlog_forgets(void)
{
	static struct ctlwire_drift rows[CTLWIRE_LIST_MAX];
	char what[32];

	memset(&test_log, 0, sizeof(test_log));
	for (uint32_t i = 0; i < DRIFTLOG_MAX; i++) {
		snprintf(what, sizeof(what), "thing %u", i);
		test_add("nft", i, what, 1);
	}
	CU_ASSERT_EQUAL(test_log.n, DRIFTLOG_MAX);
	test_add("nft", 0, "thing 0", 1); /* seen again: now the second one is the oldest */
	CU_ASSERT_EQUAL(test_add("nft", 0, "one more", 1)->id, DRIFTLOG_MAX + 1);
	CU_ASSERT_EQUAL(test_log.n, DRIFTLOG_MAX);
	CU_ASSERT_EQUAL(driftlog_list(&test_log, 0, rows), CTLWIRE_LIST_MAX);
	CU_ASSERT_TRUE(rows[0].id == 1 && rows[1].id == 3);
	CU_ASSERT_EQUAL(driftlog_list(&test_log, DRIFTLOG_MAX + 1, rows), 1);
}

/* Rules of strangers have comments, and programs names, that people see. */
static void test_driftlog_cleans(void)
{
	const struct ctlwire_drift *row;

	memset(&test_log, 0, sizeof(test_log));
	row = test_add("a\033b", 1, "c\nd\x7f", 1);
	CU_ASSERT_STRING_EQUAL(row->command, "a?b");
	CU_ASSERT_STRING_EQUAL(row->what, "c?d?");
	CU_ASSERT_EQUAL(test_add("a\033b", 1, "c\nd\x7f", 1)->times, 2);
	/* A name that is no UTF-8 would be left out of JSON. */
	CU_ASSERT_STRING_EQUAL(test_add("a\xff", 1, "c", 1)->command, "a?");
}

static const struct tap_test test_driftlog_tests[] = {
	{ "the same is one row", test_driftlog_folds },
	{ "the least lately seen makes room", test_driftlog_forgets },
	{ "words are cleaned", test_driftlog_cleans },
	{ 0 },
};

static const struct tap_suite test_driftlog_suites[] = {
	{ "driftlog", test_driftlog_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_driftlog_suites);
}
