/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/gateway/gwstats.h"

static void test_gwstats_counts_by_code(void)
{
	struct gwstats s = { 0 };

	gwstats_count(&s, PST_NONE);
	CU_ASSERT_FALSE(s.changed);
	gwstats_count(&s, (enum pst)9999);
	CU_ASSERT_FALSE(s.changed);
	gwstats_count(&s, PST_TENANT_DENIED);
	gwstats_count(&s, PST_TENANT_DENIED);
	CU_ASSERT_TRUE(s.changed);
	CU_ASSERT_EQUAL(gwstats_of(&s, PST_TENANT_DENIED), 2);
	CU_ASSERT_EQUAL(gwstats_of(&s, PST_KEY_TAKEN), 0);
}

/* The whole list has room: a code that is added later must not go uncounted. */
static void test_gwstats_every_code_has_room(void)
{
	struct gwstats s = { 0 };
	size_t n;
	const struct pst_info *all = pst_all(&n);

	for (size_t i = 0; i < n; i++) {
		gwstats_count(&s, all[i].code);
		CU_ASSERT_EQUAL(gwstats_of(&s, all[i].code), 1);
	}
}

static void test_gwstats_prints(void)
{
	struct gwstats s = { .leases = 3, .granted = UINT64_MAX, .cut = 2, .denied = 5 };
	struct buf b = buf_init(GWSTATS_TEXT_MAX);

	gwstats_count(&s, PST_SLOW_REQUEST);
	gwstats_print(&s, &b);
	CU_ASSERT_EQUAL(buf_done(&b), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "\npostern_gateway_leases 3\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(b.text, "\npostern_gateway_granted_total 18446744073709551615\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(b.text, "\npostern_gateway_events_total{code=\"PST-1111\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "\npostern_gateway_cut_total 2\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.text, "\npostern_gateway_deny_entries 5\n"));
	CU_ASSERT_PTR_NULL(strstr(b.text, "PST-1112"));
	buf_release(&b);
}

static void test_gwstats_writes(void)
{
	struct gwstats s = { .changed = true };
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(gwstats_write(&s, tmpdir_path(path, "no/such/dir")), -ENOENT);
	CU_ASSERT_TRUE(s.changed);
	CU_ASSERT_EQUAL(gwstats_write(&s, tmpdir_path(path, "gatewayd.prom")), 0);
	CU_ASSERT_FALSE(s.changed);
}

static const struct tap_test test_gwstats_tests[] = {
	{ "counts by code", test_gwstats_counts_by_code },
	{ "every code has room", test_gwstats_every_code_has_room },
	{ "prints", test_gwstats_prints },
	{ "writes", test_gwstats_writes },
	{ 0 },
};

static const struct tap_suite test_gwstats_suites[] = {
	{ "gwstats", test_gwstats_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_gwstats_suites);
}
