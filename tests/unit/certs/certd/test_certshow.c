/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "certs/certd/certshow.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static struct certstat test_certshow_in;
static struct certshow_counts test_certshow_counts;
static char *test_certshow_out;

static void test_certshow_setup(void)
{
	test_certshow_in = (struct certstat){
		.now_wall = 1800000000,
		.uptime_s = 3600,
		.ready = true,
		.self = { .principal = "acme.host",
			  .provider = "athenz.aws.us-east-1",
			  .instance_id = "i-1",
			  .region = "us-east-1",
			  .account = "123456789012" },
		.serial = "ab12",
		.not_before = 1800000000 - 3600,
		.not_after = 1800000000 + 86400,
		.renew = 1800000000 + 7200,
		.last_step = SCHEDULE_REFRESH,
		.last_wall = 1800000000 - 60,
		.next_step = SCHEDULE_REFRESH,
		.next_wall = 1800000000 + 7200,
		.done_wall = 1800000000 - 3600,
		.sia_dir = "/var/lib/sia",
	};
	memset(&test_certshow_counts, 0, sizeof(test_certshow_counts));
	test_certshow_out = NULL;
}

static void test_certshow_teardown(void)
{
	free(test_certshow_out);
	test_certshow_out = NULL;
}

static void test_certshow_expect(const char *part)
{
	if (!test_certshow_out || !strstr(test_certshow_out, part))
		tap_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", part, test_certshow_out);
}

static void test_certshow_text(void)
{
	free(test_certshow_out);
	test_certshow_out = NULL;
	CU_ASSERT_EQUAL(certshow_text(&test_certshow_in, &test_certshow_out), 0);
}

static void test_certshow_ready(void)
{
	static const char want[] = "READY      acme.host, valid for another 24 h\n"
				   "  principal  acme.host\n"
				   "  provider   athenz.aws.us-east-1\n"
				   "  instance   i-1\n"
				   "  region     us-east-1\n"
				   "  account    123456789012\n"
				   "  serial     ab12\n"
				   "  begins     2027-01-15T07:00:00Z, 60 min ago\n"
				   "  ends       2027-01-16T08:00:00Z, in 24 h\n"
				   "  renewal    2027-01-15T10:00:00Z, in 2 h\n"
				   "  last       refresh: done; 2027-01-15T07:59:00Z, 60 s ago\n"
				   "  next       refresh; 2027-01-15T10:00:00Z, in 2 h\n"
				   "  failures   0 in a row\n"
				   "  files      /var/lib/sia/certs/acme.host.cert.pem\n"
				   "             /var/lib/sia/keys/acme.host.key.pem\n"
				   "             /var/lib/sia/certs/ca.cert.pem\n";

	test_certshow_text();
	CU_ASSERT_STRING_EQUAL(test_certshow_out, want);
}

static void test_certshow_not_ready(void)
{
	struct certstat *s = &test_certshow_in;

	*s = (struct certstat){
		.now_wall = 1800000000,
		.reason_code = PST_IMDS_UNREACHABLE,
		.reason = "who this host is has not been found out yet",
		.self = { .principal = "acme.host" },
		.last_step = SCHEDULE_IDENTIFY,
		.last_wall = 1800000000,
		.last_code = PST_IMDS_UNREACHABLE,
		.last_detail = "connection refused",
		.running = SCHEDULE_IDENTIFY,
		.failures = 3,
	};
	test_certshow_text();
	test_certshow_expect("NOT READY  who this host is has not been found out yet\n");
	test_certshow_expect("  do         PST-2002: it is tried again");
	test_certshow_expect("  serial     none: no certificate in use\n");
	test_certshow_expect("  last       identify: PST-2002 the instance metadata service does "
			     "not answer: connection refused; 2027-01-15T08:00:00Z, 0 s ago\n");
	test_certshow_expect("  now        identify runs\n");
	test_certshow_expect("  failures   3 in a row\n");
	CU_ASSERT_PTR_NULL(strstr(test_certshow_out, "files"));
	s->running = SCHEDULE_NONE;
	s->next_step = SCHEDULE_IDENTIFY;
	s->last_step = SCHEDULE_NONE;
	s->reason_code = PST_NONE;
	test_certshow_text();
	test_certshow_expect("  next       identify, now\n");
	test_certshow_expect("  last       nothing tried yet\n");
	CU_ASSERT_PTR_NULL(strstr(test_certshow_out, "  do  "));
	/* What to do is said once where it is ready no more, and also where it still is. */
	s->reason_code = s->last_code;
	s->last_step = SCHEDULE_IDENTIFY;
	test_certshow_text();
	test_certshow_expect("  do         PST-2002: ");
	CU_ASSERT_PTR_NULL(strstr(strstr(test_certshow_out, "  do  ") + 1, "  do  "));
	s->ready = true;
	s->not_after = s->now_wall + 60;
	s->reason_code = PST_NONE;
	test_certshow_text();
	test_certshow_expect("0 s ago\n  do         PST-2002: it is tried again");
}

/* A JSON library reads it, with every character that a text may hold. */
static void test_certshow_json(void)
{
	json_t *json;
	char *all = test_certshow_in.reason;

	for (char c = 0x20; c < 0x7f; c++)
		*all++ = c;
	test_certshow_in.ready = false;
	test_certshow_in.last_code = PST_ZTS_REFUSED;
	test_certshow_in.next_wall = 0;
	CU_ASSERT_EQUAL(certshow_json(&test_certshow_in, &test_certshow_out), 0);
	json = json_loads(test_certshow_out, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_PTR_NOT_NULL(json);
	CU_ASSERT_TRUE(json_is_false(json_object_get(json, "ready")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "reason")),
			       test_certshow_in.reason);
	CU_ASSERT_TRUE(json_is_null(json_object_get(json, "reason_code")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "last_code")), "PST-2007");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "not_after")),
			       "2027-01-16T08:00:00Z");
	CU_ASSERT_TRUE(json_is_null(json_object_get(json, "next_at")));
	CU_ASSERT_TRUE(json_is_null(json_object_get(json, "running")));
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "seconds_left")), 86400);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "key")),
			       "/var/lib/sia/keys/acme.host.key.pem");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "ca")),
			       "/var/lib/sia/certs/ca.cert.pem");
	CU_ASSERT_PTR_EQUAL(strchr(test_certshow_out, '\n'),
			    test_certshow_out + strlen(test_certshow_out) - 1);
	json_decref(json);
}

static void test_certshow_metrics(void)
{
	certshow_count(&test_certshow_counts, PST_NONE);
	certshow_count(&test_certshow_counts, PST_ZTS_BUSY);
	certshow_count(&test_certshow_counts, PST_ZTS_BUSY);
	CU_ASSERT_EQUAL(
		certshow_metrics(&test_certshow_in, &test_certshow_counts, &test_certshow_out), 0);
	test_certshow_expect("\npostern_certd_certificate_expiry_timestamp_seconds 1800086400\n");
	test_certshow_expect(
		"\npostern_certd_certificate_not_before_timestamp_seconds 1799996400\n");
	test_certshow_expect("\npostern_certd_certificate_renewal_timestamp_seconds 1800007200\n");
	test_certshow_expect("\npostern_certd_last_success_timestamp_seconds 1799996400\n");
	test_certshow_expect("\npostern_certd_failures_in_a_row 0\n");
	test_certshow_expect("\npostern_certd_ready 1\n");
	test_certshow_expect("\n# TYPE postern_certd_ready gauge\n");
	test_certshow_expect("\n# TYPE postern_certd_renewals_total counter\n");
	test_certshow_expect("\npostern_certd_renewals_total{result=\"ok\",code=\"\"} 1\n");
	test_certshow_expect(
		"\npostern_certd_renewals_total{result=\"failed\",code=\"PST-2011\"} 2\n");
}

/* More outcomes than there is room for are counted together, and none is lost. */
static void test_certshow_many_codes(void)
{
	uint64_t sum = 0;

	for (unsigned int n = 0; n < CERTSHOW_CODES_MAX + 5; n++)
		certshow_count(&test_certshow_counts, (enum pst)(1000 + n));
	CU_ASSERT_EQUAL(test_certshow_counts.n, CERTSHOW_CODES_MAX);
	CU_ASSERT_EQUAL(test_certshow_counts.counts[CERTSHOW_CODES_MAX - 2], 1);
	CU_ASSERT_EQUAL(test_certshow_counts.counts[CERTSHOW_CODES_MAX - 1], 6);
	for (size_t i = 0; i < test_certshow_counts.n; i++)
		sum += test_certshow_counts.counts[i];
	CU_ASSERT_EQUAL(sum, CERTSHOW_CODES_MAX + 5);
}

static int test_certshow_all(void *ctx)
{
	char *text = NULL, *json = NULL, *metrics = NULL;
	int r = certshow_text(&test_certshow_in, &text);

	if (r == 0)
		r = certshow_json(&test_certshow_in, &json);
	if (r == 0)
		r = certshow_metrics(&test_certshow_in, &test_certshow_counts, &metrics);
	free(text);
	free(json);
	free(metrics);
	return r;
}

static void test_certshow_memory(void)
{
	CU_ASSERT_TRUE(torture(test_certshow_all, NULL) >= 3);
}

static const struct tap_test test_certshow_tests[] = {
	{ "ready", test_certshow_ready },
	{ "not ready", test_certshow_not_ready },
	{ "JSON", test_certshow_json },
	{ "metrics", test_certshow_metrics },
	{ "many codes", test_certshow_many_codes },
	{ "memory", test_certshow_memory },
	{ 0 },
};

static const struct tap_suite test_certshow_suites[] = {
	{ "certshow", test_certshow_tests, test_certshow_setup, test_certshow_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certshow_suites);
}
