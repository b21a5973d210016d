/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "certs/certd/certview.h"
#include "tests/support/tap.h"

#define NS UINT64_C(1000000000)

static struct schedule test_certview_schedule;
static struct certstate test_certview_state;
static struct certview test_certview_it;

/* A host with a good certificate, in the middle of its life, that is renewed in 100 s. */
static void test_certview_setup(void)
{
	test_certview_schedule = (struct schedule){
		.limits = { 5, 1800, 86400 },
		.stored = SCHEDULE_GOOD,
		.identified = true,
		.pair = { 1000, 4600, 1000, 2900 },
		.renew_ns = 150 * NS,
	};
	test_certview_state = (struct certstate){
		.self = { .principal = "acme.host" },
		.serial = "0a",
		.last_step = SCHEDULE_REGISTER,
		.last_wall = 1000,
		.done_wall = 1000,
	};
	test_certview_it = (struct certview){ &test_certview_schedule,
					      &test_certview_state,
					      { 50 * NS, 2800 } };
}

static void test_certview_ready(void)
{
	struct certstat s;

	/* A renewal that failed is no reason not to be ready. */
	test_certview_schedule.last_code = PST_ZTS_UNREACHABLE;
	test_certview_state.last_code = PST_ZTS_UNREACHABLE;
	snprintf(test_certview_state.last_detail, sizeof(test_certview_state.last_detail),
		 "no route");
	certview_fill(&test_certview_it, &s);
	CU_ASSERT_TRUE(s.ready);
	CU_ASSERT_EQUAL(s.last_code, PST_ZTS_UNREACHABLE);
	CU_ASSERT_STRING_EQUAL(s.last_detail, "no route");
	CU_ASSERT_STRING_EQUAL(s.reason, "");
	CU_ASSERT_EQUAL(s.reason_code, PST_NONE);
	CU_ASSERT_STRING_EQUAL(s.self.principal, "acme.host");
	CU_ASSERT_STRING_EQUAL(s.serial, "0a");
	CU_ASSERT_EQUAL(s.now_wall, 2800);
	CU_ASSERT_EQUAL(s.not_before, 1000);
	CU_ASSERT_EQUAL(s.not_after, 4600);
	CU_ASSERT_EQUAL(s.renew, 2900);
	CU_ASSERT_EQUAL(s.next_step, SCHEDULE_REFRESH);
	CU_ASSERT_EQUAL(s.next_wall, 2900);
	CU_ASSERT_EQUAL(s.last_step, SCHEDULE_REGISTER);
	CU_ASSERT_EQUAL(s.last_wall, 1000);
	CU_ASSERT_EQUAL(s.done_wall, 1000);
	CU_ASSERT_EQUAL(s.running, SCHEDULE_NONE);
	CU_ASSERT_EQUAL(s.uptime_s, 0);
}

/* While a step runs nothing else is planned. */
static void test_certview_running(void)
{
	struct certstat s;

	test_certview_schedule.running = SCHEDULE_REFRESH;
	certview_fill(&test_certview_it, &s);
	CU_ASSERT_EQUAL(s.running, SCHEDULE_REFRESH);
	CU_ASSERT_EQUAL(s.next_step, SCHEDULE_NONE);
	CU_ASSERT_EQUAL(s.next_wall, 0);
}

/* What is due is due now, and a time that has begun counts as a whole second. */
static void test_certview_times(void)
{
	struct certstat s;

	test_certview_schedule.retry_ns = 40 * NS;
	test_certview_it.now = (struct schedule_now){ 200 * NS, 2950 };
	certview_fill(&test_certview_it, &s);
	CU_ASSERT_EQUAL(s.next_wall, 2950);
	test_certview_schedule.retry_ns = 200 * NS + 1;
	certview_fill(&test_certview_it, &s);
	CU_ASSERT_EQUAL(s.next_wall, 2951);
}

static void test_certview_expect(const char *reason)
{
	struct certstat s;

	certview_fill(&test_certview_it, &s);
	CU_ASSERT_FALSE(s.ready);
	CU_ASSERT_STRING_EQUAL(s.reason, reason);
	CU_ASSERT_EQUAL(s.reason_code, test_certview_schedule.last_code);
	CU_ASSERT_EQUAL(s.serial[0] != '\0', test_certview_schedule.stored == SCHEDULE_GOOD);
	test_certview_setup();
}

static void test_certview_reasons(void)
{
	test_certview_schedule.identified = false;
	test_certview_expect("who this host is has not been found out yet");
	test_certview_schedule.stored = SCHEDULE_UNCHECKED;
	test_certview_expect("the stored certificate has not been checked yet");
	test_certview_schedule.stored = SCHEDULE_ABSENT;
	test_certview_expect("there is no certificate yet");
	test_certview_schedule.stored = SCHEDULE_BAD;
	test_certview_expect("the stored certificate cannot be used");
	test_certview_it.now.wall = 999;
	test_certview_expect("by the clock of this host the certificate is not valid yet");
	test_certview_it.now.wall = 4600;
	test_certview_expect("the certificate has ended");
}

/* Why the last step failed stands behind it; a detail of another failure does not. */
static void test_certview_codes(void)
{
	char want[256];

	test_certview_it.now.wall = 4600;
	test_certview_schedule.last_code = PST_ZTS_UNREACHABLE;
	test_certview_state.last_code = PST_ZTS_UNREACHABLE;
	snprintf(test_certview_state.last_detail, sizeof(test_certview_state.last_detail),
		 "no route");
	snprintf(want, sizeof(want), "the certificate has ended; PST-%04d %s: no route",
		 (int)PST_ZTS_UNREACHABLE, pst_text(PST_ZTS_UNREACHABLE));
	test_certview_expect(want);
	test_certview_it.now.wall = 4600;
	test_certview_schedule.last_code = PST_ZTS_UNREACHABLE;
	test_certview_state.last_code = PST_CLOCK_WRONG;
	snprintf(test_certview_state.last_detail, sizeof(test_certview_state.last_detail),
		 "far ahead");
	snprintf(want, sizeof(want), "the certificate has ended; PST-%04d %s",
		 (int)PST_ZTS_UNREACHABLE, pst_text(PST_ZTS_UNREACHABLE));
	test_certview_expect(want);
}

static void test_certview_words(void)
{
	const struct schedule_verdict plain = { .wait_s = 60 }, alarm = { 60, true, false },
				      heals = { 0, false, true };
	char text[CERTVIEW_TEXT];

	CU_ASSERT_STRING_EQUAL(certview_left(&test_certview_it, text),
			       "the present certificate is valid for another 30 min");
	CU_ASSERT_STRING_EQUAL(certview_next(&test_certview_it, plain, text), "refresh in 100 s");
	CU_ASSERT_STRING_EQUAL(certview_next(&test_certview_it, alarm, text),
			       "somebody must act; refresh in 100 s");
	test_certview_schedule.must_register = true;
	CU_ASSERT_STRING_EQUAL(certview_next(&test_certview_it, heals, text),
			       "once afresh with a new key: register in 0 s");
	test_certview_it.now.wall = 4600;
	CU_ASSERT_STRING_EQUAL(certview_left(&test_certview_it, text),
			       "no valid certificate is in use");
	test_certview_it.now.wall = 2800;
	test_certview_schedule.pair.not_after = UINT64_MAX;
	CU_ASSERT_STRING_EQUAL(certview_left(&test_certview_it, text),
			       "the present certificate is valid for another 213503982334601 d");
}

static const struct tap_test test_certview_tests[] = {
	{ "ready", test_certview_ready },
	{ "while a step runs", test_certview_running },
	{ "times", test_certview_times },
	{ "reasons", test_certview_reasons },
	{ "codes", test_certview_codes },
	{ "words", test_certview_words },
	{ 0 },
};

static const struct tap_suite test_certview_suites[] = {
	{ "certview", test_certview_tests, test_certview_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certview_suites);
}
