/* SPDX-License-Identifier: MIT */
/* The schedule under simulated time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/certd/schedule.h"
#include "common/attr.h"
#include "tests/support/tap.h"

#define TEST_SCHEDULE_S UINT64_C(1000000000)
#define TEST_SCHEDULE_START 1800000000 /* wall clock of most tests */
#define TEST_SCHEDULE_DAY 86400

static const struct schedule_limits test_schedule_limits = { 5, 1800, 86400 };
static struct schedule test_schedule_it;
static struct schedule_now test_schedule_now;

static void test_schedule_setup(void)
{
	test_schedule_now = (struct schedule_now){ 1000 * TEST_SCHEDULE_S, TEST_SCHEDULE_START };
	schedule_init(&test_schedule_it, &test_schedule_limits, false, 1);
}

static void test_schedule_pass(uint64_t seconds)
{
	test_schedule_now.ns += seconds * TEST_SCHEDULE_S;
	test_schedule_now.wall += seconds;
}

/* Seconds until the next step, rounded up, and the step. */
static uint64_t test_schedule_wait(enum schedule_step *ret_step)
{
	struct schedule_plan plan = schedule_next(&test_schedule_it, &test_schedule_now);

	*ret_step = plan.step;
	if (plan.at_ns <= test_schedule_now.ns)
		return 0;
	return (plan.at_ns - test_schedule_now.ns + TEST_SCHEDULE_S - 1) / TEST_SCHEDULE_S;
}

static void test_schedule_expect(unsigned int line, enum schedule_step step, uint64_t low,
				 uint64_t high)
{
	enum schedule_step is;
	uint64_t wait = test_schedule_wait(&is);

	if (is != step || wait < low || wait > high)
		tap_fail(__FILE__, line, "%s in %llu s", schedule_step_name(is),
			 (unsigned long long)wait);
}

#define TEST_SCHEDULE_EXPECT(step, low, high) test_schedule_expect(__LINE__, step, low, high)

static void test_schedule_begin(enum schedule_step step)
{
	CU_ASSERT_EQUAL(schedule_on_start(&test_schedule_it, step, &test_schedule_now), 0);
}

static void test_schedule_identify(void)
{
	test_schedule_begin(SCHEDULE_IDENTIFY);
	schedule_on_identified(&test_schedule_it, 42);
}

/* A pair of @life seconds that came now. */
static void test_schedule_give(uint64_t life, const char *serial, bool is_new)
{
	struct schedule_pair pair = {
		.not_before = test_schedule_now.wall,
		.not_after = test_schedule_now.wall + life,
		.since = test_schedule_now.wall,
	};

	schedule_on_pair(&test_schedule_it, &pair, serial, is_new, &test_schedule_now);
}

/* Identified, with a pair of @life seconds. */
static void test_schedule_have(uint64_t life)
{
	test_schedule_identify();
	test_schedule_give(life, "aa", true);
}

static struct schedule_verdict test_schedule_fail(enum schedule_step step, enum pst code)
{
	test_schedule_begin(step);
	return schedule_on_failed(&test_schedule_it, code, 0, &test_schedule_now);
}

/* ---- one step after the other ---- */

static void test_schedule_first_boot(void)
{
	TEST_SCHEDULE_EXPECT(SCHEDULE_IDENTIFY, 0, 0);
	CU_ASSERT_FALSE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	test_schedule_begin(SCHEDULE_IDENTIFY);
	TEST_SCHEDULE_EXPECT(SCHEDULE_NONE, 1, UINT64_MAX);
	CU_ASSERT_EQUAL(schedule_on_start(&test_schedule_it, SCHEDULE_REGISTER, &test_schedule_now),
			-EBUSY);
	schedule_on_identified(&test_schedule_it, 42);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	test_schedule_begin(SCHEDULE_REGISTER);
	schedule_on_fetched(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 0, 0);
	test_schedule_begin(SCHEDULE_PROVE);
	test_schedule_give(3600, "aa", true);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 1800, 2400);
}

static void test_schedule_restart(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	TEST_SCHEDULE_EXPECT(SCHEDULE_IDENTIFY, 0, 0);
	schedule_on_identified(&test_schedule_it, 42);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
	test_schedule_begin(SCHEDULE_CHECK);
	test_schedule_give(3600, "aa", false);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 1800, 2400);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	/* As long as nobody has said in this boot who we are, it may be anybody's. */
	test_schedule_it.identified = false;
	CU_ASSERT_FALSE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
}

static void test_schedule_bad_pair(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_PAIR_UNUSABLE);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	CU_ASSERT_EQUAL(test_schedule_it.last_code, PST_PAIR_UNUSABLE);
}

/* A check that could not be made says nothing about the pair. */
static void test_schedule_check_died(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_fail(SCHEDULE_CHECK, PST_FETCH_DIED);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 5, 10);
}

static void test_schedule_withdrawn(void)
{
	test_schedule_have(3600);
	test_schedule_begin(SCHEDULE_IDENTIFY);
	schedule_on_withdrawn(&test_schedule_it);
	CU_ASSERT_FALSE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
}

/* ---- when to renew ---- */

static void test_schedule_renewal_range(void)
{
	static const uint64_t lives[] = { 2, 6, 60, 3600, 86400, 129599, 129600, 129601, 2592000 };
	char serial[16];

	test_schedule_identify();
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		uint64_t last = lives[i] * 2 / 3 < TEST_SCHEDULE_DAY ? lives[i] * 2 / 3 :
								       TEST_SCHEDULE_DAY;
		uint64_t seen_low = UINT64_MAX, seen_high = 0;

		for (unsigned int n = 0; n < 1000; n++) {
			enum schedule_step step;
			uint64_t wait;

			snprintf(serial, sizeof(serial), "%x", n);
			test_schedule_give(lives[i], serial, true);
			wait = test_schedule_wait(&step);
			seen_low = wait < seen_low ? wait : seen_low;
			seen_high = wait > seen_high ? wait : seen_high;
		}
		CU_ASSERT_TRUE(seen_low >= last - last / 4);
		CU_ASSERT_TRUE(seen_high <= last);
		/* All of the range is used. */
		CU_ASSERT_TRUE(seen_high - seen_low >= last / 4 * 9 / 10);
	}
}

static void test_schedule_renewal_does_not_roll(void)
{
	uint64_t renew;

	test_schedule_have(2592000);
	renew = test_schedule_it.pair.renew;
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 7);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_give(2592000, "aa", false);
	CU_ASSERT_EQUAL(test_schedule_it.pair.renew, renew);
	schedule_on_identified(&test_schedule_it, 43);
	test_schedule_give(2592000, "aa", false);
	CU_ASSERT_NOT_EQUAL(test_schedule_it.pair.renew, renew);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_give(2592000, "ab", false);
	CU_ASSERT_NOT_EQUAL(test_schedule_it.pair.renew, renew);
}

/* An issuer that sets notBefore back by more than half the life must not make us renew for ever. */
static void test_schedule_backdated(void)
{
	struct schedule_pair pair = {
		.not_before = test_schedule_now.wall - 3000,
		.not_after = test_schedule_now.wall + 600,
		.since = test_schedule_now.wall,
	};

	test_schedule_identify();
	schedule_on_pair(&test_schedule_it, &pair, "aa", true, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 300, 400);
	pair.since = pair.not_before - 1; /* a damaged note */
	schedule_on_pair(&test_schedule_it, &pair, "aa", true, &test_schedule_now);
	CU_ASSERT_EQUAL(test_schedule_it.pair.since, pair.not_before);
	pair.since = pair.not_after;
	schedule_on_pair(&test_schedule_it, &pair, "aa", true, &test_schedule_now);
	CU_ASSERT_EQUAL(test_schedule_it.pair.since, pair.not_before);
}

static void test_schedule_expired(void)
{
	test_schedule_have(3600);
	test_schedule_pass(3599);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 0);
	test_schedule_pass(1);
	CU_ASSERT_FALSE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
}

/* ---- failures ---- */

static void test_schedule_backoff_grows(void)
{
	uint64_t bound = 5;

	test_schedule_identify();
	for (unsigned int n = 1; n < 40; n++) {
		struct schedule_verdict v = test_schedule_fail(SCHEDULE_REGISTER,
							       PST_ZTS_UNREACHABLE);

		bound = bound * 2 < 1800 ? bound * 2 : 1800;
		CU_ASSERT_TRUE(v.wait_s >= 5 && v.wait_s <= bound);
		CU_ASSERT_FALSE(v.alarm || v.heals);
		TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, v.wait_s, v.wait_s);
		test_schedule_pass(v.wait_s);
	}
	CU_ASSERT_EQUAL(test_schedule_it.failures, 39);
}

/* Full jitter: hosts that failed at one moment are spread over the whole window. */
static void test_schedule_backoff_spreads(void)
{
	unsigned int early = 0;
	uint64_t low = UINT64_MAX, high = 0;

	for (unsigned int host = 0; host < 1000; host++) {
		uint64_t wait = 0;

		schedule_init(&test_schedule_it, &test_schedule_limits, false, 1);
		schedule_on_identified(&test_schedule_it, schedule_hash(host, "host"));
		for (int n = 0; n < 12; n++)
			wait = test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_UNREACHABLE).wait_s;
		early += wait < 900;
		low = wait < low ? wait : low;
		high = wait > high ? wait : high;
	}
	CU_ASSERT_TRUE(early > 400 && early < 600);
	CU_ASSERT_TRUE(low < 60 && high > 1740);
}

static void test_schedule_retry_after(void)
{
	static const struct {
		uint32_t told, low, high;
	} cases[] = { { 0, 5, 10 },
		      { 1, 5, 10 },
		      { 60, 60, 76 },
		      { 3599, 3599, 4499 },
		      { 3600, 3600, 4501 },
		      { 3601, 3600, 4501 },
		      { UINT32_MAX, 3600, 4501 } };

	test_schedule_identify();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule_verdict v;

		test_schedule_it.failures = 0;
		test_schedule_begin(SCHEDULE_REGISTER);
		v = schedule_on_failed(&test_schedule_it, PST_ZTS_BUSY, cases[i].told,
				       &test_schedule_now);
		CU_ASSERT_TRUE(v.wait_s >= cases[i].low && v.wait_s <= cases[i].high);
	}
	/* It is not worth a lapse. */
	test_schedule_give(600, "aa", true);
	test_schedule_begin(SCHEDULE_REFRESH);
	CU_ASSERT_TRUE(schedule_on_failed(&test_schedule_it, PST_ZTS_BUSY, 3600, &test_schedule_now)
			       .wait_s <= 300);
}

static void test_schedule_slow_codes(void)
{
	static const enum pst codes[] = { PST_ZTS_REFUSED, PST_ZTS_BOOT_WINDOW,
					  PST_ISSUED_REFUSED };
	static const struct schedule_limits quick = { 1, 2, 86400 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct schedule_verdict v;

		test_schedule_setup();
		test_schedule_identify();
		v = test_schedule_fail(SCHEDULE_REGISTER, codes[i]);
		CU_ASSERT_TRUE(v.alarm && v.wait_s >= 1800 && v.wait_s <= 2250);
		schedule_init(&test_schedule_it, &quick, false, 1);
		test_schedule_identify();
		v = test_schedule_fail(SCHEDULE_REGISTER, codes[i]);
		CU_ASSERT_TRUE(v.wait_s >= SCHEDULE_SLOW_S && v.wait_s <= SCHEDULE_SLOW_S * 5 / 4);
	}
}

/* However slow: not so slow that a certificate ends meanwhile that could have been renewed. */
static void test_schedule_slow_in_life(void)
{
	static const enum pst codes[] = { PST_ZTS_REFUSED, PST_ISSUED_REFUSED };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		unsigned int asked = 0;

		test_schedule_setup();
		test_schedule_have(3600);
		while (test_schedule_now.wall < test_schedule_it.pair.not_after) {
			uint64_t left = test_schedule_it.pair.not_after - test_schedule_now.wall;
			struct schedule_verdict v = test_schedule_fail(SCHEDULE_REFRESH, codes[i]);

			CU_ASSERT_TRUE(v.alarm);
			CU_ASSERT_TRUE(v.wait_s <= (left > 10 ? left / 2 : 5));
			CU_ASSERT_TRUE(v.wait_s >= 5);
			test_schedule_pass(v.wait_s);
			asked++;
		}
		CU_ASSERT_TRUE(asked <= 14);
		CU_ASSERT_TRUE(test_schedule_fail(SCHEDULE_REGISTER, codes[i]).wait_s >= 1800);
	}
}

/* People must act, but asking again soon costs nobody anything. */
static void test_schedule_alarming_codes(void)
{
	static const enum pst codes[] = { PST_NAME_UNKNOWN, PST_TOKEN_FILE, PST_IDENTITY_FILES,
					  PST_ZTS_IDENTITY };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct schedule_verdict v;

		test_schedule_setup();
		v = test_schedule_fail(SCHEDULE_IDENTIFY, codes[i]);
		CU_ASSERT_TRUE(v.alarm && v.wait_s >= 5 && v.wait_s <= 10);
	}
}

static void test_schedule_attestation(void)
{
	test_schedule_have(86400);
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_ATTESTATION);
	TEST_SCHEDULE_EXPECT(SCHEDULE_IDENTIFY, 5, 10);
	test_schedule_pass(10);
	/* The failures in a row stay: it is not the first try. */
	test_schedule_identify();
	CU_ASSERT_EQUAL(test_schedule_it.failures, 1);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	schedule_on_identified(&test_schedule_it, 43);
	CU_ASSERT_FALSE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 5);
}

/* A refusal may be about who we think we are, and that can change in one boot. */
static void test_schedule_about_us(void)
{
	static const enum pst codes[] = { PST_ZTS_ATTESTATION, PST_ZTS_REFUSED, PST_STS_FAILED };
	static const enum schedule_step steps[] = { SCHEDULE_REGISTER, SCHEDULE_REFRESH };

	for (size_t i = 0; i < 6; i++) {
		test_schedule_setup();
		test_schedule_have(86400);
		test_schedule_fail(steps[i % 2], codes[i / 2]);
		TEST_SCHEDULE_EXPECT(SCHEDULE_IDENTIFY, 5, 2250);
		test_schedule_pass(2250);
		test_schedule_identify();
		TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 3600, 86400);
	}
}

/* A file that could not be read for a moment is no reason to ask for a first certificate for ever,
 * which an issuer may refuse to a host that runs. */
static void test_schedule_bad_pair_again(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_PAIR_UNUSABLE);
	test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_BOOT_WINDOW);
	CU_ASSERT_EQUAL(test_schedule_it.stored, SCHEDULE_BAD);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 1800, 2250);
	test_schedule_pass(2250);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_PAIR_UNUSABLE);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_BOOT_WINDOW);
	test_schedule_pass(2250);
	test_schedule_begin(SCHEDULE_CHECK);
	test_schedule_give(3600, "aa", false);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
}

/* A new certificate is worth more than one trouble of the host. */
static void test_schedule_prove_again(void)
{
	static const enum pst codes[] = { PST_FETCH_DIED, PST_FETCH_FRAME, PST_IDENTITY_FILES,
					  PST_STORE_WRITE };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		test_schedule_setup();
		test_schedule_identify();
		test_schedule_begin(SCHEDULE_REGISTER);
		schedule_on_fetched(&test_schedule_it);
		for (int n = 1; n < SCHEDULE_PROOFS_MAX; n++) {
			test_schedule_fail(SCHEDULE_PROVE, codes[i]);
			CU_ASSERT_TRUE(test_schedule_it.fetched);
			TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 5, 80);
		}
		test_schedule_fail(SCHEDULE_PROVE, codes[i]);
		CU_ASSERT_FALSE(test_schedule_it.fetched);
		test_schedule_pass(300);
		test_schedule_begin(SCHEDULE_REGISTER);
		schedule_on_fetched(&test_schedule_it);
		test_schedule_fail(SCHEDULE_PROVE, codes[i]);
		CU_ASSERT_TRUE(test_schedule_it.fetched);
	}
	test_schedule_fail(SCHEDULE_PROVE, PST_ISSUED_REFUSED);
	CU_ASSERT_FALSE(test_schedule_it.fetched);
}

/* Files that were damaged meanwhile are looked at before they are given up; what a check does not
 * see is not tried faster for it. */
static void test_schedule_suspect_pair(void)
{
	static const enum pst codes[] = { PST_PAIR_UNUSABLE, PST_CN_COUNT, PST_CERT_EXPIRED,
					  PST_INSTANCE_CHANGED };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		test_schedule_setup();
		test_schedule_have(800);
		test_schedule_it.failures = 20;
		CU_ASSERT_TRUE(test_schedule_fail(SCHEDULE_REFRESH, codes[i]).wait_s <= 100);
		test_schedule_setup();
		test_schedule_have(86400);
		test_schedule_fail(SCHEDULE_REFRESH, codes[i]);
		if (codes[i] == PST_INSTANCE_CHANGED)
			test_schedule_identify();
		TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 5, 10);
		test_schedule_pass(10);
		test_schedule_begin(SCHEDULE_CHECK);
		test_schedule_give(86400, "aa", false);
		CU_ASSERT_EQUAL(test_schedule_it.failures, 1);
		test_schedule_begin(SCHEDULE_REFRESH);
		test_schedule_give(86400, "ab", true);
		CU_ASSERT_EQUAL(test_schedule_it.failures, 0);
	}
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_UNREACHABLE);
	CU_ASSERT_EQUAL(test_schedule_it.stored, SCHEDULE_GOOD);
}

/* ---- revoked ---- */

static void test_schedule_heals_once(void)
{
	struct schedule_verdict v;

	test_schedule_have(86400);
	v = test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_REVOKED);
	CU_ASSERT_TRUE(v.heals && !v.alarm && v.wait_s == 0);
	CU_ASSERT_EQUAL(test_schedule_it.healed_wall, test_schedule_now.wall);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 5, 5); /* the floor */
	test_schedule_pass(5);
	/* Nobody has said no to it yet. */
	v = test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_UNREACHABLE);
	CU_ASSERT_TRUE(!v.alarm && v.wait_s >= 5 && v.wait_s <= 20);
	test_schedule_pass(v.wait_s);
	v = test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_ATTESTATION);
	CU_ASSERT_TRUE(v.alarm && v.wait_s >= 1800 && v.wait_s <= 2250);
	test_schedule_pass(v.wait_s);
	test_schedule_identify();
	v = test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_REVOKED);
	CU_ASSERT_TRUE(!v.heals && v.alarm && v.wait_s >= 1800 && v.wait_s <= 2250);
	test_schedule_pass(v.wait_s);
	test_schedule_begin(SCHEDULE_REGISTER);
	test_schedule_give(86400, "bb", true);
	CU_ASSERT_NOT_EQUAL(test_schedule_it.healed_wall, 0);
	/* The pair that healed is revoked, too: two hosts fight over one instance. */
	v = test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_REVOKED);
	CU_ASSERT_TRUE(!v.heals && v.alarm && v.wait_s >= 1800);
	test_schedule_pass(v.wait_s);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	test_schedule_begin(SCHEDULE_REGISTER);
	test_schedule_give(86400, "cc", true);
	/* A refresh that works ends the story. */
	test_schedule_begin(SCHEDULE_REFRESH);
	test_schedule_give(86400, "dd", true);
	CU_ASSERT_EQUAL(test_schedule_it.healed_wall, 0);
	CU_ASSERT_TRUE(test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_REVOKED).heals);
}

/* People may have forgiven what was revoked: 'ztsctl reset', and then 'certd renew'. */
static void test_schedule_urge_after_revoked(void)
{
	test_schedule_have(86400);
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_REVOKED);
	test_schedule_pass(5);
	test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_BOOT_WINDOW);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 5, 5);
	test_schedule_pass(5);
	/* Nobody has: it is as it was the first time. */
	CU_ASSERT_TRUE(test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_REVOKED).heals);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 5, 5);
	test_schedule_pass(5);
	CU_ASSERT_TRUE(test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_BOOT_WINDOW).alarm);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 900, 86400);
	/* And one that has ended is over. */
	test_schedule_pass(86400);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
}

/* What the issuer held against another pair, or another instance, does not bind the next one. */
static void test_schedule_hold_ends(void)
{
	uint64_t hold = test_schedule_now.wall + 2000;

	test_schedule_identify();
	schedule_resume(&test_schedule_it, 0, hold, 1, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 2000, 2000);
	schedule_urge(&test_schedule_it);
	test_schedule_begin(SCHEDULE_REGISTER);
	test_schedule_give(60, "aa", true);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 30, 40);
	schedule_resume(&test_schedule_it, 0, hold, 1, &test_schedule_now);
	test_schedule_begin(SCHEDULE_IDENTIFY);
	schedule_on_withdrawn(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
}

/* A registration that is refused as revoked, the first thing that is asked: an operator means it,
 * and a second one will not be heard, either. */
static void test_schedule_revoked_at_first(void)
{
	struct schedule_verdict v;

	test_schedule_identify();
	v = test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_REVOKED);
	CU_ASSERT_TRUE(!v.heals && v.alarm && v.wait_s >= 1800 && v.wait_s <= 2250);
}

/* A process that is started again and again heals no faster. */
static void test_schedule_heals_once_over_restarts(void)
{
	uint64_t healed = 0, hold = 0, last = 0;
	unsigned int asked = 0;

	for (uint64_t t = 0; t < 7200; t += 2) {
		enum schedule_step step;

		schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
		schedule_resume(&test_schedule_it, last, hold, healed, &test_schedule_now);
		schedule_on_identified(&test_schedule_it, 42);
		test_schedule_give(86400, "aa", false);
		test_schedule_it.pair.renew = 0;
		if (test_schedule_wait(&step) == 0) {
			struct schedule_verdict v = test_schedule_fail(step, PST_ZTS_REVOKED);

			asked++;
			healed = test_schedule_it.healed_wall;
			last = test_schedule_now.wall;
			hold = v.alarm ? last + v.wait_s : 0;
		}
		test_schedule_pass(2);
	}
	CU_ASSERT_TRUE(asked >= 4 && asked <= 6);
}

static void test_schedule_resume(void)
{
	test_schedule_identify();
	schedule_resume(&test_schedule_it, test_schedule_now.wall - 1, 0, 0, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 4, 4);
	schedule_resume(&test_schedule_it, test_schedule_now.wall - 5, 0, 0, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	/* Noted while the clock was ahead. */
	schedule_resume(&test_schedule_it, test_schedule_now.wall + 1, 0, 0, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	schedule_resume(&test_schedule_it, 0, test_schedule_now.wall + 2250, 1, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 2250, 2250);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	/* The longest Retry-After, spread; what is longer was noted under another clock. */
	schedule_resume(&test_schedule_it, 0, test_schedule_now.wall + 4501, 1, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0); /* somebody urged */
	test_schedule_it.urged = false;
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 4501, 4501);
	schedule_resume(&test_schedule_it, 0, test_schedule_now.wall + 4502, UINT64_MAX,
			&test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	CU_ASSERT_EQUAL(test_schedule_it.healed_wall, test_schedule_now.wall);
}

/* ---- clocks ---- */

static void test_schedule_held(void)
{
	test_schedule_have(3600);
	test_schedule_begin(SCHEDULE_REFRESH);
	schedule_on_fetched(&test_schedule_it);
	test_schedule_begin(SCHEDULE_PROVE);
	schedule_on_held(&test_schedule_it, test_schedule_now.wall + 600);
	TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 600, 600);
	CU_ASSERT_EQUAL(test_schedule_it.last_code, PST_CLOCK_WRONG); /* what people are told */
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	test_schedule_now.wall += 700; /* somebody sets the clock */
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 0, 0);
}

static void test_schedule_clock_behind(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	for (int n = 0; n < 10; n++)
		test_schedule_fail(SCHEDULE_CHECK, PST_CLOCK_WRONG);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 5, 1800);
	test_schedule_now.wall += 600;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
}

/* Ahead at boot: the pair looks expired, registering fails; the right time makes it good again. */
static void test_schedule_clock_ahead(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_UNREACHABLE);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 5, 10);
	test_schedule_now.wall -= 86400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
}

/* Ahead for a while in which the pair seemed over, and the issuer was right to refuse: the slow
 * wait must not outlast the pair. */
static void test_schedule_clock_jumps_ahead(void)
{
	test_schedule_have(600);
	test_schedule_now.wall += 86400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	test_schedule_pass(5);
	test_schedule_fail(SCHEDULE_REGISTER, PST_ZTS_BOOT_WINDOW);
	test_schedule_pass(60);
	schedule_on_clock(&test_schedule_it, &test_schedule_now); /* set, but still ahead */
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 1740, 2190);
	test_schedule_now.wall -= 86400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 200, 400);
}

/* Everybody else goes on by the right time. */
static void test_schedule_clock_jumps_back(void)
{
	test_schedule_have(3600);
	test_schedule_now.wall -= 1800;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 1800, 2400);
	test_schedule_pass(2400);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 0);
}

/* A pair that came while the clock was ahead is not taken for younger than it is. */
static void test_schedule_came_ahead(void)
{
	struct schedule_pair pair = {
		.not_before = test_schedule_now.wall,
		.not_after = test_schedule_now.wall + 86400,
		.since = test_schedule_now.wall + 80000,
	};

	test_schedule_identify();
	test_schedule_now.wall += 80000;
	schedule_on_pair(&test_schedule_it, &pair, "aa", true, &test_schedule_now);
	CU_ASSERT_EQUAL(test_schedule_it.pair.since, pair.since);
	test_schedule_now.wall -= 80000;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	CU_ASSERT_EQUAL(test_schedule_it.pair.since, pair.not_before);
	CU_ASSERT_TRUE(test_schedule_it.pair.renew <= pair.not_before + 86400 * 2 / 3);
}

/* A new pair is held by a clock that is then set, so that it may even lie in the past. */
static void test_schedule_held_and_set(void)
{
	test_schedule_have(3600);
	test_schedule_begin(SCHEDULE_REFRESH);
	schedule_on_fetched(&test_schedule_it);
	test_schedule_begin(SCHEDULE_PROVE);
	schedule_on_held(&test_schedule_it, test_schedule_now.wall + 600);
	test_schedule_now.wall -= 86400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 0, 0);
}

/* The last moment that X.509 knows is more nanoseconds away than there are numbers for. */
static void test_schedule_far(void)
{
	struct schedule_pair pair = { 0, 253402300799, test_schedule_now.wall, 0 };

	CU_ASSERT_EQUAL(schedule_at_ns(&test_schedule_now, pair.not_after), SCHEDULE_NEVER - 1);
	CU_ASSERT_EQUAL(schedule_at_ns(&test_schedule_now, test_schedule_now.wall + 2),
			test_schedule_now.ns + 2 * TEST_SCHEDULE_S);
	CU_ASSERT_EQUAL(schedule_at_ns(&test_schedule_now, 1), test_schedule_now.ns);
	test_schedule_identify();
	schedule_on_pair(&test_schedule_it, &pair, "aa", true, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 64800, 86400);
	CU_ASSERT_TRUE(schedule_late_at(&test_schedule_it, &test_schedule_now) >
		       SCHEDULE_NEVER / 2);
}

/* An issuer that refuses our certificate may know better that it is over. */
static void test_schedule_clock_behind_certificate_over(void)
{
	test_schedule_have(86400);
	test_schedule_pass(60000);
	for (int n = 0; n < 8; n++)
		test_schedule_fail(SCHEDULE_REFRESH, PST_CERT_REFUSED);
	test_schedule_it.retry_ns = test_schedule_now.ns + 1000 * TEST_SCHEDULE_S;
	test_schedule_now.wall += 86400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 5);
	CU_ASSERT_EQUAL(test_schedule_it.failures, 0);
}

/* The clock is set while a step runs: what the step says is about the clock before. */
static void test_schedule_clock_set_meanwhile(void)
{
	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 0);
	test_schedule_begin(SCHEDULE_REGISTER);
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	schedule_on_failed(&test_schedule_it, PST_ZTS_BOOT_WINDOW, 0, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
	test_schedule_begin(SCHEDULE_CHECK);
	test_schedule_give(3600, "aa", false);
	CU_ASSERT_TRUE(schedule_is_ready(&test_schedule_it, test_schedule_now.wall));
	/* A pair that seemed over is renewed. */
	test_schedule_now.wall += 7200;
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 0, 5);
	test_schedule_begin(SCHEDULE_REGISTER);
	test_schedule_now.wall -= 7200 - 2400;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	schedule_on_failed(&test_schedule_it, PST_ZTS_BOOT_WINDOW, 0, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 5);
	/* Once: what fails later is not the fault of that clock. */
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_BOOT_WINDOW);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 60, 600);
}

/* ... but it is no reason to ask before the time that the issuer has named. */
static void test_schedule_clock_and_retry_after(void)
{
	struct schedule_verdict v;

	schedule_init(&test_schedule_it, &test_schedule_limits, true, 1);
	schedule_on_identified(&test_schedule_it, 42);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	test_schedule_begin(SCHEDULE_REGISTER);
	v = schedule_on_failed(&test_schedule_it, PST_ZTS_BUSY, 3600, &test_schedule_now);
	CU_ASSERT_TRUE(v.holds);
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_CHECK, 0, 0);
	test_schedule_begin(SCHEDULE_CHECK);
	schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REGISTER, 3600, 4501);
	/* Nor is that time a reason to let a pair end that is good after all. */
	test_schedule_it.rechecks = true;
	test_schedule_begin(SCHEDULE_CHECK);
	test_schedule_give(1200, "aa", false);
	test_schedule_pass(599);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 1, 201);
	test_schedule_pass(1);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 0);
}

/* Waits were begun under a clock by which there was more time, or none at all. */
static void test_schedule_clock_and_waits(void)
{
	test_schedule_have(14400);
	test_schedule_it.failures = 20;
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_UNREACHABLE);
	test_schedule_it.retry_ns = test_schedule_now.ns + 1800 * TEST_SCHEDULE_S;
	test_schedule_now.wall += 14400 - 60;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 5, 30);
	test_schedule_now.wall += 7200;
	test_schedule_it.failures = 20;
	test_schedule_fail(SCHEDULE_IDENTIFY, PST_IMDS_UNREACHABLE);
	test_schedule_it.retry_ns = test_schedule_now.ns + 1800 * TEST_SCHEDULE_S;
	test_schedule_now.wall -= 7200 + 4700;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 5);
}

/* Other back-offs do not end because a clock was set. */
static void test_schedule_clock_changes_nothing_else(void)
{
	uint64_t retry_ns;

	test_schedule_have(86400);
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_UNREACHABLE);
	test_schedule_pass(60000);
	test_schedule_fail(SCHEDULE_REFRESH, PST_ZTS_UNREACHABLE);
	retry_ns = test_schedule_it.retry_ns;
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
	CU_ASSERT_EQUAL(test_schedule_it.retry_ns, retry_ns);
	CU_ASSERT_EQUAL(test_schedule_it.failures, 2);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 5, 20);
}

static void test_schedule_urge(void)
{
	test_schedule_have(86400);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 0, 0);
	test_schedule_begin(SCHEDULE_REFRESH);
	test_schedule_give(86400, "bb", true);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 3600, 86400);
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 5, 5); /* the floor stays */
	test_schedule_pass(5);
	test_schedule_fail(SCHEDULE_REFRESH, PST_ISSUED_REFUSED);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 1801, 86400); /* asked once, tried once */
	schedule_urge(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 5, 5);
	test_schedule_begin(SCHEDULE_REFRESH);
	schedule_urge(&test_schedule_it); /* one runs */
	schedule_on_fetched(&test_schedule_it);
	TEST_SCHEDULE_EXPECT(SCHEDULE_PROVE, 0, 0); /* the slow wait of before is over */
	test_schedule_begin(SCHEDULE_PROVE);
	schedule_urge(&test_schedule_it);
	test_schedule_give(86400, "cc", true);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 3600, 86400);
	/* A new pair waits for its time: it is what was asked for. */
	test_schedule_pass(5);
	test_schedule_begin(SCHEDULE_REFRESH);
	schedule_on_fetched(&test_schedule_it);
	test_schedule_begin(SCHEDULE_PROVE);
	schedule_on_held(&test_schedule_it, test_schedule_now.wall + 60);
	schedule_urge(&test_schedule_it);
	test_schedule_begin(SCHEDULE_PROVE);
	test_schedule_give(86400, "dd", true);
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 3600, 86400);
}

/* What was asked for once is tried once, also when it does not come to the issuer. */
static void test_schedule_urge_fails(void)
{
	test_schedule_have(86400);
	schedule_urge(&test_schedule_it);
	test_schedule_it.asks_again = true;
	test_schedule_fail(SCHEDULE_IDENTIFY, PST_IMDS_UNREACHABLE);
	TEST_SCHEDULE_EXPECT(SCHEDULE_IDENTIFY, 5, 10);
	test_schedule_pass(10);
	test_schedule_identify();
	TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, 3600, 86400);
}

/* The floor is a twelfth of a life that is shorter than twelve of them, and a second at least. */
static void test_schedule_floor_of_short_lives(void)
{
	static const uint64_t rows[][2] = { { 6, 1 },  { 12, 1 }, { 24, 2 },
					    { 59, 4 }, { 60, 5 }, { 3600, 5 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_schedule_setup();
		test_schedule_have(rows[i][0]);
		test_schedule_begin(SCHEDULE_REFRESH);
		schedule_on_fetched(&test_schedule_it);
		test_schedule_begin(SCHEDULE_PROVE);
		test_schedule_give(rows[i][0], "ab", true);
		schedule_urge(&test_schedule_it);
		TEST_SCHEDULE_EXPECT(SCHEDULE_REFRESH, rows[i][1], rows[i][1]);
	}
}

static void test_schedule_late(void)
{
	test_schedule_have(86400);
	CU_ASSERT_EQUAL(schedule_late_at(&test_schedule_it, &test_schedule_now),
			test_schedule_now.ns + 64800 * TEST_SCHEDULE_S);
	test_schedule_pass(64799);
	CU_ASSERT_FALSE(schedule_take_late(&test_schedule_it, &test_schedule_now));
	test_schedule_pass(1);
	CU_ASSERT_TRUE(schedule_take_late(&test_schedule_it, &test_schedule_now));
	CU_ASSERT_FALSE(schedule_take_late(&test_schedule_it, &test_schedule_now));
	test_schedule_pass(3599);
	CU_ASSERT_FALSE(schedule_take_late(&test_schedule_it, &test_schedule_now));
	test_schedule_pass(1);
	CU_ASSERT_TRUE(schedule_take_late(&test_schedule_it, &test_schedule_now));
	test_schedule_pass(18000);
	CU_ASSERT_EQUAL(schedule_late_at(&test_schedule_it, &test_schedule_now), SCHEDULE_NEVER);
	test_schedule_give(86400, "bb", true);
	CU_ASSERT_FALSE(schedule_take_late(&test_schedule_it, &test_schedule_now));
}

static void test_schedule_timeout(void)
{
	CU_ASSERT_EQUAL(schedule_timeout_ms(&test_schedule_it, 30000, test_schedule_now.wall),
			30000);
	test_schedule_have(120);
	CU_ASSERT_EQUAL(schedule_timeout_ms(&test_schedule_it, 30000, test_schedule_now.wall),
			30000);
	CU_ASSERT_EQUAL(schedule_timeout_ms(&test_schedule_it, 30000, test_schedule_now.wall + 4),
			29000);
	CU_ASSERT_EQUAL(schedule_timeout_ms(&test_schedule_it, 30000, test_schedule_now.wall + 119),
			SCHEDULE_TIMEOUT_MIN_MS);
	CU_ASSERT_EQUAL(schedule_timeout_ms(&test_schedule_it, 1000, test_schedule_now.wall + 119),
			1000);
}

static void test_schedule_names(void)
{
	CU_ASSERT_STRING_EQUAL(schedule_step_name(SCHEDULE_REFRESH), "refresh");
	CU_ASSERT_STRING_EQUAL(schedule_step_name(SCHEDULE_STEP_N), "?");
}

/* ---- whatever happens, in whatever order ---- */

/* The world as it is: the true time, the pair on the disk, the one that waits to be proven, and
 * what the memory says. */
static struct {
	uint64_t true_wall, hold_wall;
	struct schedule_pair pair, fetched; /* not_after 0 = none */
} test_schedule_chance;

static bool test_schedule_is_valid(void)
{
	return schedule_is_ready(&test_schedule_it, test_schedule_now.wall);
}

/* What must be true whenever no step runs. */
static void test_schedule_chance_expect(unsigned int event)
{
	const struct schedule_pair *p = &test_schedule_it.pair;
	enum schedule_step step;
	uint64_t wait = test_schedule_wait(&step);
	uint64_t left = test_schedule_is_valid() ? p->not_after - test_schedule_now.wall : 0;

	if (step == SCHEDULE_NONE)
		tap_fail(__FILE__, __LINE__, "event %u: nothing is planned", event);
	if (left > 10 && wait >= left)
		tap_fail(__FILE__, __LINE__, "event %u: %s in %llu s, behind the end of a pair",
			 event, schedule_step_name(step), (unsigned long long)wait);
	/* The longest Retry-After, spread. */
	if (!left && step != SCHEDULE_REFRESH && wait > 4502)
		tap_fail(__FILE__, __LINE__, "event %u: %s only in %llu s", event,
			 schedule_step_name(step), (unsigned long long)wait);
}

static void test_schedule_chance_fail(enum pst code, uint32_t told)
{
	struct schedule_verdict v = schedule_on_failed(&test_schedule_it, code, told,
						       &test_schedule_now);

	if (v.holds)
		test_schedule_chance.hold_wall = test_schedule_now.wall + v.wait_s;
}

static void test_schedule_chance_refuse(void)
{
	static const enum pst asked[] = { PST_STS_FAILED,      PST_ZTS_UNREACHABLE,
					  PST_ZTS_REFUSED,     PST_ZTS_ATTESTATION,
					  PST_ZTS_BOOT_WINDOW, PST_ZTS_BUSY,
					  PST_ISSUED_REFUSED,  PST_CERT_REFUSED,
					  PST_PAIR_UNUSABLE,   PST_STORE_WRITE };
	static const enum pst looked[] = { PST_FETCH_DIED, PST_IDENTITY_FILES, PST_CLOCK_WRONG };
	enum schedule_step step = test_schedule_it.running;
	enum pst code;

	if (step == SCHEDULE_REGISTER || step == SCHEDULE_REFRESH)
		code = asked[tap_random_below(ARRAY_SIZE(asked))];
	else
		code = looked[tap_random_below(ARRAY_SIZE(looked))];
	test_schedule_chance_fail(code,
				  code == PST_ZTS_BUSY ? (uint32_t)tap_random_below(5000) : 0);
}

static void test_schedule_chance_look(void)
{
	const struct schedule_pair *p = &test_schedule_chance.pair;

	if (!p->not_after || p->not_after <= test_schedule_now.wall)
		schedule_on_bad_pair(&test_schedule_it, PST_CERT_EXPIRED);
	else
		schedule_on_pair(&test_schedule_it, p, "aa", false, &test_schedule_now);
}

static void test_schedule_chance_prove(void)
{
	struct schedule_pair *p = &test_schedule_chance.fetched;

	if (p->not_after <= test_schedule_now.wall) {
		test_schedule_chance_fail(PST_CLOCK_WRONG, 0);
		return;
	}
	p->since = test_schedule_now.wall;
	test_schedule_chance.pair = *p;
	schedule_on_pair(&test_schedule_it, p, "aa", true, &test_schedule_now);
	test_schedule_chance.hold_wall = 0;
}

static void test_schedule_chance_succeed(void)
{
	struct schedule_pair *p = &test_schedule_chance.fetched;
	enum schedule_step step = test_schedule_it.running;

	if (step == SCHEDULE_IDENTIFY) {
		schedule_on_identified(&test_schedule_it, 42);
	} else if (step == SCHEDULE_CHECK) {
		test_schedule_chance_look();
	} else if (step == SCHEDULE_PROVE) {
		test_schedule_chance_prove();
	} else {
		p->not_before = test_schedule_chance.true_wall;
		p->not_after = p->not_before + 600 + tap_random_below(100000);
		schedule_on_fetched(&test_schedule_it);
	}
}

static void test_schedule_chance_pass(uint64_t seconds)
{
	test_schedule_pass(seconds);
	test_schedule_chance.true_wall += seconds;
}

/* Ahead, or right again. */
static void test_schedule_chance_set_clock(void)
{
	static const uint64_t ahead[] = { 0, 0, 0, 600, 7200, 34560000 };

	test_schedule_now.wall = test_schedule_chance.true_wall +
				 ahead[tap_random_below(ARRAY_SIZE(ahead))];
	schedule_on_clock(&test_schedule_it, &test_schedule_now);
}

static void test_schedule_chance_restart(void)
{
	uint64_t healed = test_schedule_it.healed_wall;

	schedule_init(&test_schedule_it, &test_schedule_limits, test_schedule_chance.pair.not_after,
		      1);
	schedule_resume(&test_schedule_it, test_schedule_now.wall, test_schedule_chance.hold_wall,
			healed, &test_schedule_now);
}

/* Begins what is due next, when it is due, or ends what runs. */
static void test_schedule_chance_go_on(void)
{
	enum schedule_step step;

	if (test_schedule_it.running == SCHEDULE_NONE) {
		test_schedule_chance_pass(test_schedule_wait(&step));
		test_schedule_begin(step);
		return;
	}
	test_schedule_chance_pass(tap_random_below(30));
	if (tap_random_below(3))
		test_schedule_chance_succeed();
	else
		test_schedule_chance_refuse();
}

static void test_schedule_by_chance(void)
{
	for (unsigned int event = 0; event < 200000; event++) {
		if (event % 200 == 0) {
			test_schedule_setup();
			memset(&test_schedule_chance, 0, sizeof(test_schedule_chance));
			test_schedule_chance.true_wall = test_schedule_now.wall;
		}
		switch (tap_random_below(16)) {
		case 0:
			test_schedule_chance_set_clock();
			break;
		case 1:
			schedule_urge(&test_schedule_it);
			break;
		case 2:
			test_schedule_chance_restart();
			break;
		default:
			test_schedule_chance_go_on();
			break;
		}
		if (test_schedule_it.running == SCHEDULE_NONE)
			test_schedule_chance_expect(event);
	}
	CU_PASS("nothing went wrong");
}

/* ---- many hosts for a long time ---- */

struct test_schedule_world {
	uint64_t life, days_s;
	uint64_t outage_max, outage_gap; /* seconds; each outage is followed by a gap */
	uint32_t conf_ms;
};

struct test_schedule_tally {
	unsigned int asked, renewed, lapsed, too_fast, most_in_second;
	unsigned int per_second[4096];
};

/* Outages come at random and are the same for all hosts. */
static bool test_schedule_is_down(const struct test_schedule_world *w, uint64_t t)
{
	uint64_t period = w->outage_max + w->outage_gap, n = t / period;
	uint64_t length = schedule_hash(n, "outage") % (w->outage_max + 1);

	return t % period < length;
}

static void test_schedule_ask(const struct test_schedule_world *w, struct schedule *s,
			      struct schedule_now *now, unsigned int serial)
{
	struct schedule_pair pair;
	char text[16];

	if (test_schedule_is_down(w, now->wall)) {
		uint64_t ms = schedule_timeout_ms(s, w->conf_ms, now->wall);

		now->wall += (ms + 999) / 1000;
		now->ns += (ms + 999) / 1000 * TEST_SCHEDULE_S;
		schedule_on_failed(s, PST_ZTS_UNREACHABLE, 0, now);
		return;
	}
	pair = (struct schedule_pair){ now->wall, now->wall + w->life, now->wall, 0 };
	snprintf(text, sizeof(text), "%x", serial);
	schedule_on_fetched(s);
	CU_ASSERT_EQUAL(schedule_on_start(s, SCHEDULE_PROVE, now), 0);
	schedule_on_pair(s, &pair, text, true, now);
}

static void test_schedule_live(const struct test_schedule_world *w, unsigned int host,
			       struct test_schedule_tally *t)
{
	struct schedule_now now = { 1, TEST_SCHEDULE_START };
	uint64_t end = TEST_SCHEDULE_START + w->days_s, asked_ns = 0;
	struct schedule s;
	char text[16];

	snprintf(text, sizeof(text), "host%u", host);
	schedule_init(&s, &test_schedule_limits, false, schedule_hash(0, text));
	schedule_on_identified(&s, schedule_hash(1, text));
	for (unsigned int n = 0; now.wall < end; n++) {
		struct schedule_plan plan = schedule_next(&s, &now);
		bool had = s.stored == SCHEDULE_GOOD;

		if (plan.at_ns > now.ns) {
			now.wall += (plan.at_ns - now.ns + TEST_SCHEDULE_S - 1) / TEST_SCHEDULE_S;
			now.ns = 1 + (now.wall - TEST_SCHEDULE_START) * TEST_SCHEDULE_S;
			continue;
		}
		if (schedule_on_start(&s, plan.step, &now) < 0)
			tap_fail(__FILE__, __LINE__, "two in flight");
		t->too_fast += n && now.ns - asked_ns < TEST_SCHEDULE_S;
		t->lapsed += had && now.wall >= s.pair.not_after;
		asked_ns = now.ns;
		t->asked++;
		if (now.wall - TEST_SCHEDULE_START < 4096)
			t->per_second[now.wall - TEST_SCHEDULE_START]++;
		test_schedule_ask(w, &s, &now, n);
		t->renewed += s.stored == SCHEDULE_GOOD && s.failures == 0;
	}
}

static void test_schedule_world(const char *name, const struct test_schedule_world *w,
				unsigned int hosts, struct test_schedule_tally *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned int host = 0; host < hosts; host++)
		test_schedule_live(w, host, t);
	for (size_t i = 60; i < 4096; i++)
		if (t->per_second[i] > t->most_in_second)
			t->most_in_second = t->per_second[i];
	tap_note("%s: %u asked, %u renewed, %u lapsed, most in a second after the first minute %u",
		 name, t->asked, t->renewed, t->lapsed, t->most_in_second);
	CU_ASSERT_EQUAL(t->lapsed, 0);
	CU_ASSERT_EQUAL(t->too_fast, 0);
}

/* Certificates of 30 days, 1000 hosts, 30 days, outages of up to 9 days. */
static void test_schedule_month(void)
{
	static const struct test_schedule_world w = { 2592000, 2592000, 777600, 777600, 30000 };
	static struct test_schedule_tally t;

	test_schedule_world("30 d", &w, 1000, &t);
	CU_ASSERT_TRUE(t.renewed > 10000);
	CU_ASSERT_TRUE(t.asked < 1000 * 2000);
}

/* Certificates of an hour for a week, outages of up to 19 minutes. */
static void test_schedule_week(void)
{
	static const struct test_schedule_world w = { 3600, 604800, 1140, 4000, 30000 };
	static struct test_schedule_tally t;

	test_schedule_world("1 h", &w, 300, &t);
	/* Without spread all 300 would come in one second. */
	CU_ASSERT_TRUE(t.most_in_second <= 20);
}

/* Certificates of a minute for a day, outages of up to 14 seconds. */
static void test_schedule_minutes(void)
{
	static const struct test_schedule_world w = { 60, 86400, 14, 100, 30000 };
	static struct test_schedule_tally t;

	test_schedule_world("60 s", &w, 100, &t);
	CU_ASSERT_TRUE(t.renewed > 100 * 86400 / 45);
}

static const struct tap_test test_schedule_steps[] = {
	{ "first boot", test_schedule_first_boot },
	{ "restart", test_schedule_restart },
	{ "bad pair", test_schedule_bad_pair },
	{ "check died", test_schedule_check_died },
	{ "withdrawn", test_schedule_withdrawn },
	{ "renewal in its range", test_schedule_renewal_range },
	{ "renewal does not roll", test_schedule_renewal_does_not_roll },
	{ "notBefore set back", test_schedule_backdated },
	{ "expired", test_schedule_expired },
	{ "names", test_schedule_names },
	{ 0 },
};

static const struct tap_test test_schedule_failures[] = {
	{ "back-off grows", test_schedule_backoff_grows },
	{ "back-off spreads", test_schedule_backoff_spreads },
	{ "retry after", test_schedule_retry_after },
	{ "slow codes", test_schedule_slow_codes },
	{ "slow in a life", test_schedule_slow_in_life },
	{ "alarming codes", test_schedule_alarming_codes },
	{ "attestation", test_schedule_attestation },
	{ "about us", test_schedule_about_us },
	{ "bad pair again", test_schedule_bad_pair_again },
	{ "prove again", test_schedule_prove_again },
	{ "suspect pair", test_schedule_suspect_pair },
	{ "heals once", test_schedule_heals_once },
	{ "tries again for people what was revoked", test_schedule_urge_after_revoked },
	{ "revoked at first", test_schedule_revoked_at_first },
	{ "heals once over restarts", test_schedule_heals_once_over_restarts },
	{ "resume", test_schedule_resume },
	{ "hold ends", test_schedule_hold_ends },
	{ "held", test_schedule_held },
	{ "clock behind", test_schedule_clock_behind },
	{ "clock ahead", test_schedule_clock_ahead },
	{ "clock jumps ahead", test_schedule_clock_jumps_ahead },
	{ "clock jumps back", test_schedule_clock_jumps_back },
	{ "clock behind, certificate over", test_schedule_clock_behind_certificate_over },
	{ "came under a clock ahead", test_schedule_came_ahead },
	{ "held, and the clock is set", test_schedule_held_and_set },
	{ "far", test_schedule_far },
	{ "clock set while a step runs", test_schedule_clock_set_meanwhile },
	{ "clock set, Retry-After stays", test_schedule_clock_and_retry_after },
	{ "clock set while it waits", test_schedule_clock_and_waits },
	{ "clock changes nothing else", test_schedule_clock_changes_nothing_else },
	{ "urge", test_schedule_urge },
	{ "urge fails", test_schedule_urge_fails },
	{ "floor of short lives", test_schedule_floor_of_short_lives },
	{ "late", test_schedule_late },
	{ "timeout", test_schedule_timeout },
	{ "by chance", test_schedule_by_chance },
	{ 0 },
};

static const struct tap_test test_schedule_fleet[] = {
	{ "a month", test_schedule_month },
	{ "a week", test_schedule_week },
	{ "minutes", test_schedule_minutes },
	{ 0 },
};

static const struct tap_suite test_schedule_suites[] = {
	{ "schedule", test_schedule_steps, test_schedule_setup, NULL },
	{ "failures", test_schedule_failures, test_schedule_setup, NULL },
	{ "fleet", test_schedule_fleet, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_schedule_suites);
}
