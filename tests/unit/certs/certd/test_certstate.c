/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/certd/certstate.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

static struct certstate test_certstate_in, test_certstate_out;
static uint8_t test_certstate_bytes[CERTSTATE_BYTES_MAX];
static char test_certstate_path[PATH_MAX];

static void test_certstate_fill(char *text, size_t cap, char c)
{
	memset(text, c, cap - 1);
	text[cap - 1] = '\0';
}

/* The longest texts there may be. */
static void test_certstate_setup(void)
{
	struct certstate *s = &test_certstate_in;

	*s = (struct certstate){
		.conf = 1,
		.since_wall = 2,
		.asked_wall = 3,
		.hold_wall = 4,
		.healed_wall = 5,
		.done_wall = UINT64_MAX,
		.last_wall = 6,
		.last_step = SCHEDULE_PROVE,
		.last_code = PST_ZTS_BUSY,
	};
	test_certstate_fill(s->boot_id, sizeof(s->boot_id), 'b');
	test_certstate_fill(s->self.principal, sizeof(s->self.principal), 'p');
	test_certstate_fill(s->self.provider, sizeof(s->self.provider), 'q');
	test_certstate_fill(s->self.instance_id, sizeof(s->self.instance_id), 'i');
	test_certstate_fill(s->self.region, sizeof(s->self.region), 'r');
	test_certstate_fill(s->self.account, sizeof(s->self.account), 'a');
	test_certstate_fill(s->serial, sizeof(s->serial), 's');
	test_certstate_fill(s->last_detail, sizeof(s->last_detail), 'd');
	memset(&test_certstate_out, 0, sizeof(test_certstate_out));
	tmpdir_path(test_certstate_path, CERTSTATE_NAME);
}

static void test_certstate_round_trip(void)
{
	struct stat st;

	CU_ASSERT_EQUAL(certstate_write(test_certstate_path, &test_certstate_in), 0);
	CU_ASSERT_EQUAL(certstate_read(test_certstate_path, &test_certstate_out), 0);
	CU_ASSERT_EQUAL(memcmp(&test_certstate_in, &test_certstate_out, sizeof(test_certstate_in)),
			0);
	CU_ASSERT_EQUAL(stat(test_certstate_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
}

/* Every shorter file, and one byte more, is refused and changes nothing. */
static void test_certstate_length(void)
{
	static const struct certstate empty;
	size_t len = 0;

	CU_ASSERT_EQUAL(certstate_encode(&test_certstate_in, test_certstate_bytes, &len), 0);
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len, &test_certstate_out), 0);
	memset(&test_certstate_out, 0, sizeof(test_certstate_out));
	for (size_t n = 0; n < len; n++)
		CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, n, &test_certstate_out),
				-EBADMSG);
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len + 1, &test_certstate_out),
			-EBADMSG);
	CU_ASSERT_EQUAL(memcmp(&test_certstate_out, &empty, sizeof(empty)), 0);
}

static void test_certstate_values(void)
{
	size_t len = 0;

	test_certstate_in.last_step = SCHEDULE_STEP_N - 1;
	CU_ASSERT_EQUAL(certstate_encode(&test_certstate_in, test_certstate_bytes, &len), 0);
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len, &test_certstate_out), 0);
	test_certstate_in.last_step = SCHEDULE_STEP_N;
	CU_ASSERT_EQUAL(certstate_encode(&test_certstate_in, test_certstate_bytes, &len), 0);
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len, &test_certstate_out), -EBADMSG);
	test_certstate_setup();
	test_certstate_in.self.principal[3] = (char)0xc3;
	CU_ASSERT_EQUAL(certstate_encode(&test_certstate_in, test_certstate_bytes, &len), 0);
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len, &test_certstate_out), -EBADMSG);
	test_certstate_setup();
	CU_ASSERT_EQUAL(certstate_encode(&test_certstate_in, test_certstate_bytes, &len), 0);
	test_certstate_bytes[7] = '2';
	CU_ASSERT_EQUAL(certstate_decode(test_certstate_bytes, len, &test_certstate_out), -EBADMSG);
}

static void test_certstate_absent(void)
{
	CU_ASSERT_EQUAL(certstate_read("/nonexistent/x", &test_certstate_out), -ENOENT);
	CU_ASSERT_EQUAL(certstate_write("/nonexistent/x", &test_certstate_in), -ENOENT);
	CU_ASSERT_EQUAL(tmpdir_write("empty", "", 0), 0);
	CU_ASSERT_EQUAL(certstate_read(tmpdir_path(test_certstate_path, "empty"),
				       &test_certstate_out),
			-EBADMSG);
}

static int test_certstate_read_again(void *ctx)
{
	return certstate_read(test_certstate_path, &test_certstate_out);
}

static void test_certstate_memory(void)
{
	CU_ASSERT_EQUAL(certstate_write(test_certstate_path, &test_certstate_in), 0);
	CU_ASSERT_TRUE(torture(test_certstate_read_again, NULL) >= 1);
}

static const struct tap_test test_certstate_tests[] = {
	{ "round trip", test_certstate_round_trip }, { "length", test_certstate_length },
	{ "values", test_certstate_values },         { "absent", test_certstate_absent },
	{ "memory", test_certstate_memory },         { 0 },
};

static const struct tap_suite test_certstate_suites[] = {
	{ "certstate", test_certstate_tests, test_certstate_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certstate_suites);
}
