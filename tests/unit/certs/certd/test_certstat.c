/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "certs/certd/certstat.h"
#include "tests/support/tap.h"

static struct certstat test_certstat_in, test_certstat_out;
static struct chan_msg test_certstat_msg;

static void test_certstat_fill(char *text, size_t cap, char c)
{
	memset(text, c, cap - 1);
	text[cap - 1] = '\0';
}

/* The longest texts there may be. */
static void test_certstat_setup(void)
{
	struct certstat *s = &test_certstat_in;

	*s = (struct certstat){
		.now_wall = 1,
		.uptime_s = 2,
		.ready = true,
		.reason_code = PST_ZTS_BUSY,
		.not_before = 3,
		.not_after = 4,
		.renew = 5,
		.running = SCHEDULE_STEP_N - 1,
		.last_step = SCHEDULE_STEP_N - 1,
		.last_wall = 6,
		.last_code = PST_ZTS_REVOKED,
		.next_step = SCHEDULE_STEP_N - 1,
		.next_wall = 7,
		.done_wall = UINT64_MAX,
		.failures = UINT32_MAX,
		.renew_refused = true,
	};
	test_certstat_fill(s->reason, sizeof(s->reason), 'r');
	test_certstat_fill(s->self.principal, sizeof(s->self.principal), 'p');
	test_certstat_fill(s->self.provider, sizeof(s->self.provider), 'q');
	test_certstat_fill(s->self.instance_id, sizeof(s->self.instance_id), 'i');
	test_certstat_fill(s->self.region, sizeof(s->self.region), 'g');
	test_certstat_fill(s->self.account, sizeof(s->self.account), 'a');
	test_certstat_fill(s->serial, sizeof(s->serial), 's');
	test_certstat_fill(s->last_detail, sizeof(s->last_detail), 'd');
	test_certstat_fill(s->sia_dir, sizeof(s->sia_dir), '/');
	memset(&test_certstat_out, 0, sizeof(test_certstat_out));
}

static void test_certstat_round_trip(void)
{
	CU_ASSERT_EQUAL(certstat_encode(&test_certstat_in, &test_certstat_msg), 0);
	CU_ASSERT_EQUAL(certstat_decode(&test_certstat_msg, &test_certstat_out), 0);
	CU_ASSERT_EQUAL(memcmp(&test_certstat_in, &test_certstat_out, sizeof(test_certstat_in)), 0);
}

static void test_certstat_length(void)
{
	static const struct certstat empty;
	size_t len;

	CU_ASSERT_EQUAL(certstat_encode(&test_certstat_in, &test_certstat_msg), 0);
	len = test_certstat_msg.len;
	for (size_t n = 0; n <= len + 1; n++) {
		test_certstat_msg.len = n;
		if (n != len)
			CU_ASSERT_EQUAL(certstat_decode(&test_certstat_msg, &test_certstat_out),
					-EBADMSG);
	}
	CU_ASSERT_EQUAL(memcmp(&test_certstat_out, &empty, sizeof(empty)), 0);
}

static void test_certstat_expect_bad(void)
{
	CU_ASSERT_EQUAL(certstat_encode(&test_certstat_in, &test_certstat_msg), 0);
	CU_ASSERT_EQUAL(certstat_decode(&test_certstat_msg, &test_certstat_out), -EBADMSG);
	test_certstat_setup();
}

/* A step that does not exist; a text that a terminal would not only print. */
static void test_certstat_values(void)
{
	test_certstat_in.running = SCHEDULE_STEP_N;
	test_certstat_expect_bad();
	test_certstat_in.last_step = SCHEDULE_STEP_N;
	test_certstat_expect_bad();
	test_certstat_in.next_step = SCHEDULE_STEP_N;
	test_certstat_expect_bad();
	test_certstat_in.reason[0] = '\x1b';
	test_certstat_expect_bad();
	test_certstat_in.last_detail[5] = (char)0x80;
	test_certstat_expect_bad();
	CU_ASSERT_EQUAL(certstat_encode(&test_certstat_in, &test_certstat_msg), 0);
	test_certstat_msg.body[12] = 2; /* ready: neither yes nor no */
	CU_ASSERT_EQUAL(certstat_decode(&test_certstat_msg, &test_certstat_out), -EBADMSG);
}

static void test_certstat_questions(void)
{
	size_t n_ops = 0;

	CU_ASSERT_PTR_NOT_NULL(certstat_ops(&n_ops));
	CU_ASSERT_EQUAL(n_ops, 3);
	certstat_encode_ask(CERTSTAT_ASK, &test_certstat_msg);
	CU_ASSERT_EQUAL(test_certstat_msg.op->type, CERTSTAT_ASK);
	CU_ASSERT_EQUAL(certstat_decode(&test_certstat_msg, &test_certstat_out), -EBADMSG);
	certstat_encode_ask(CERTSTAT_RENEW, &test_certstat_msg);
	CU_ASSERT_EQUAL(test_certstat_msg.op->type, CERTSTAT_RENEW);
	CU_ASSERT_EQUAL(test_certstat_msg.len, 0);
}

static const struct tap_test test_certstat_tests[] = {
	{ "round trip", test_certstat_round_trip },
	{ "length", test_certstat_length },
	{ "values", test_certstat_values },
	{ "questions", test_certstat_questions },
	{ 0 },
};

static const struct tap_suite test_certstat_suites[] = {
	{ "certstat", test_certstat_tests, test_certstat_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certstat_suites);
}
