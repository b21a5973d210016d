/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "certs/ztsd/ztsstats.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static struct ztsstats test_ztsstats;

static void test_ztsstats_setup(void)
{
	test_ztsstats = (struct ztsstats){ .records = 0 };
}

static void test_ztsstats_expect(const char *line)
{
	_cleanup_(buf_release) struct buf b = buf_init(ZTSSTATS_TEXT_MAX);

	ztsstats_print(&test_ztsstats, &b);
	CU_ASSERT_EQUAL(buf_done(&b), 0);
	if (!strstr(b.text, line))
		tap_fail(__FILE__, __LINE__, "no '%s' in: %s", line, b.text);
	CU_PASS("");
}

static void test_ztsstats_counts(void)
{
	test_ztsstats.issued[0] = 3;
	test_ztsstats.issued[1] = 4;
	test_ztsstats.records = 5;
	test_ztsstats.ca_key_usable = 1;
	test_ztsstats.commits.batches = 6;
	test_ztsstats.commits.jobs = 7;
	test_ztsstats_expect("\npostern_ztsd_registered_total 3\n");
	test_ztsstats_expect("\npostern_ztsd_refreshed_total 4\n");
	test_ztsstats_expect("\npostern_ztsd_records 5\n");
	test_ztsstats_expect("\npostern_ztsd_ca_key_usable 1\n");
	test_ztsstats_expect("\npostern_ztsd_commits_total 6\n");
	test_ztsstats_expect("\npostern_ztsd_committed_total 7\n");
}

static void test_ztsstats_answers(void)
{
	ztsstats_answer(&test_ztsstats, ZTSROUTE_REGISTER, 201);
	ztsstats_answer(&test_ztsstats, ZTSROUTE_REGISTER, 201);
	ztsstats_answer(&test_ztsstats, ZTSROUTE_INSTANCE, 403);
	ztsstats_answer(&test_ztsstats, ZTSROUTE_OTHER, 418);
	ztsstats_answer(&test_ztsstats, ZTSROUTE_N, 200); /* not counted, and no harm */
	test_ztsstats_expect("postern_ztsd_answers_total{route=\"register\",status=\"201\"} 2\n");
	test_ztsstats_expect("postern_ztsd_answers_total{route=\"instance\",status=\"403\"} 1\n");
	test_ztsstats_expect("postern_ztsd_answers_total{route=\"other\",status=\"other\"} 1\n");
}

static void test_ztsstats_codes(void)
{
	size_t n;

	(void)pst_all(&n);
	CU_ASSERT_TRUE(n <= ZTSSTATS_CODES_MAX);
	ztsstats_count(&test_ztsstats, PST_INSTANCE_REVOKED);
	ztsstats_count(&test_ztsstats, PST_INSTANCE_REVOKED);
	ztsstats_count(&test_ztsstats, PST_NONE);
	test_ztsstats_expect("postern_ztsd_refused_total{code=\"PST-5005\"} 2\n");
}

static void test_ztsstats_file(void)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	char path[PATH_MAX];
	size_t len;

	tmpdir_path(path, "ztsd.prom");
	CU_ASSERT_EQUAL(ztsstats_write(&test_ztsstats, path), 0);
	CU_ASSERT_EQUAL(files_read(path, ZTSSTATS_TEXT_MAX, &bytes, &len), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)bytes, "postern_ztsd_records 0\n"));
	tmpdir_path(path, "none/ztsd.prom");
	CU_ASSERT_EQUAL(ztsstats_write(&test_ztsstats, path), -ENOENT);
}

static const struct tap_test test_ztsstats_tests[] = {
	{ "counters", test_ztsstats_counts },
	{ "answers by route and status", test_ztsstats_answers },
	{ "refusals by code", test_ztsstats_codes },
	{ "the file", test_ztsstats_file },
	{ 0 },
};

static const struct tap_suite test_ztsstats_suites[] = {
	{ "ztsstats", test_ztsstats_tests, test_ztsstats_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ztsstats_suites);
}
