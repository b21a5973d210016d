/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tunneld/host/leasefile.h"

static struct leasefile test_leasefile_in, test_leasefile_out;
static char test_leasefile_path[PATH_MAX];

/* As many of the largest leases as there may be. */
static void test_leasefile_setup(void)
{
	struct leasefile *f = &test_leasefile_in;

	tmpdir_path(test_leasefile_path, LEASEFILE_NAME);
	memset(f, 0, sizeof(*f));
	snprintf(f->boot_id, sizeof(f->boot_id), "01234567-89ab-cdef-0123-456789abcdef");
	for (f->n_entries = 0; f->n_entries < STATUS_SERVERS_MAX; f->n_entries++) {
		struct leasefile_entry *e = &f->entries[f->n_entries];
		struct offer *o = &e->lease.offer;

		snprintf(e->name, sizeof(e->name), "cfg%zu", f->n_entries);
		e->lease.renew_ns = 5;
		e->lease.expires_ns = UINT64_MAX;
		memset(o->zone, 'z', sizeof(o->zone) - 1);
		o->n_endpoints = OFFER_ENDPOINTS_MAX;
		o->n_routes = OFFER_ROUTES_MAX;
		for (o->n_gateways = 0; o->n_gateways < OFFER_GATEWAYS_MAX; o->n_gateways++)
			memset(o->gateways[o->n_gateways].url, 'u', OFFER_URL_MAX - 1);
	}
}

static void test_leasefile_round_trip(void)
{
	CU_ASSERT_EQUAL(leasefile_write(test_leasefile_path, &test_leasefile_in), 0);
	CU_ASSERT_EQUAL(leasefile_read(test_leasefile_path, &test_leasefile_out), 0);
	CU_ASSERT_EQUAL(test_leasefile_out.n_entries, STATUS_SERVERS_MAX);
	CU_ASSERT_STRING_EQUAL(test_leasefile_out.boot_id, test_leasefile_in.boot_id);
	CU_ASSERT_STRING_EQUAL(test_leasefile_out.entries[15].name, "cfg15");
	CU_ASSERT_TRUE(test_leasefile_out.entries[15].lease.held);
	CU_ASSERT_EQUAL(test_leasefile_out.entries[15].lease.renew_ns, 5);
	CU_ASSERT_EQUAL(test_leasefile_out.entries[15].lease.expires_ns, UINT64_MAX);
	CU_ASSERT_EQUAL(test_leasefile_out.entries[15].lease.offer.n_routes, OFFER_ROUTES_MAX);
}

static void test_leasefile_too_many(void)
{
	test_leasefile_in.n_entries = STATUS_SERVERS_MAX + 1;
	CU_ASSERT_EQUAL(leasefile_write(test_leasefile_path, &test_leasefile_in), -EFBIG);
}

static void test_leasefile_order_of_times(void)
{
	test_leasefile_in.entries[3].lease.granted_ns = 6; /* after the renewal */
	CU_ASSERT_EQUAL(leasefile_write(test_leasefile_path, &test_leasefile_in), 0);
	CU_ASSERT_EQUAL(leasefile_read(test_leasefile_path, &test_leasefile_out), -EBADMSG);
	CU_ASSERT_EQUAL(test_leasefile_out.n_entries, 0);
}

static void test_leasefile_absent_or_damaged(void)
{
	static const char bad[] = "PSTNLSE2\0\0\0";

	CU_ASSERT_EQUAL(leasefile_read("/nonexistent/leases", &test_leasefile_out), -ENOENT);
	CU_ASSERT_EQUAL(leasefile_parse("", 0, &test_leasefile_out), -EBADMSG);
	CU_ASSERT_EQUAL(leasefile_parse(bad, sizeof(bad) - 1, &test_leasefile_out), -EBADMSG);
	CU_ASSERT_EQUAL(leasefile_parse("PSTNLSE1\0\0\0", 11, &test_leasefile_out), 0);
	CU_ASSERT_EQUAL(leasefile_parse("PSTNLSE1\0\0\0x", 12, &test_leasefile_out), -EBADMSG);
	CU_ASSERT_EQUAL(leasefile_parse("PSTNLSE1\0\0\x11", 11, &test_leasefile_out), -EBADMSG);
	CU_ASSERT_EQUAL(test_leasefile_out.n_entries, 0);
}

static const struct tap_test test_leasefile_tests[] = {
	{ "round trip", test_leasefile_round_trip },
	{ "too many", test_leasefile_too_many },
	{ "order of times", test_leasefile_order_of_times },
	{ "absent or damaged", test_leasefile_absent_or_damaged },
	{ 0 },
};

static const struct tap_suite test_leasefile_suites[] = {
	{ "leasefile", test_leasefile_tests, test_leasefile_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_leasefile_suites);
}
