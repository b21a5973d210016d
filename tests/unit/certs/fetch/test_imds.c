/* SPDX-License-Identifier: MIT */
/* The rules of version 2, and what becomes of every wrong answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "certs/fetch/httpcall.h"
#include "certs/fetch/imds.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/certs/fetch/stubaws.h"
#include "tests/unit/certs/fetch/webstub.h"

#define TEST_IMDS_PATH "/latest/dynamic/instance-identity/document"
#define TEST_IMDS_LONG_MS 60000 /* for what comes, however slow the machine is */

static struct certconf test_imds_conf;
static struct fetchjob_result test_imds_result;
static struct imds test_imds;

static void test_imds_start(struct stubaws *aws, bool is_v4, struct webstub *ret)
{
	const struct webstub_spec spec = { .answer = stubaws_answer, .user = aws, .is_v4 = is_v4 };

	webstub_start(&spec, ret);
	snprintf(test_imds_conf.imds[test_imds_conf.n_imds++], sizeof(test_imds_conf.imds[0]),
		 is_v4 ? "http://127.0.0.1:%d" : "http://[::1]:%d", ret->port);
}

static int test_imds_open(uint64_t ms)
{
	test_imds_result = (struct fetchjob_result){ 0 };
	return imds_open(&test_imds_conf, clk_now_ns() + ms * CLK_NS_PER_MS, &test_imds,
			 &test_imds_result);
}

static int test_imds_get(size_t max, size_t *ret_len)
{
	char *text = NULL;
	int r = imds_get(&test_imds, TEST_IMDS_PATH, max, &text, ret_len, &test_imds_result);

	free(text);
	return r;
}

static void test_imds_setup(void)
{
	test_imds_conf = (struct certconf){ 0 };
	test_imds_result = (struct fetchjob_result){ 0 };
}

static void test_imds_teardown(void)
{
	imds_release(&test_imds);
	for (size_t i = 0; i < sizeof(test_imds.token); i++)
		CU_ASSERT_EQUAL(test_imds.token[i], 0);
}

static void test_imds_expect(unsigned int line, int r, enum pst code, const char *detail)
{
	CU_ASSERT_EQUAL(r, -EPERM);
	if (r != -EPERM || test_imds_result.code != code ||
	    !strstr(test_imds_result.detail, detail))
		tap_fail(__FILE__, line, "%d PST-%04u %s", r, (unsigned int)test_imds_result.code,
			 test_imds_result.detail);
}

static void test_imds_reads(void)
{
	struct stubaws aws = { 0 };
	struct webstub server;
	char *text = NULL;
	size_t len = 0;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
	CU_ASSERT_EQUAL(imds_get(&test_imds, TEST_IMDS_PATH, 1000, &text, &len, &test_imds_result),
			0);
	CU_ASSERT_EQUAL(len, strlen(STUBAWS_DOCUMENT));
	CU_ASSERT_TRUE(text && !strcmp(text, STUBAWS_DOCUMENT));
	free(text);
	CU_ASSERT_EQUAL(test_imds_get(1000, &len), 0);
	/* One token serves all, and version 1 is never used. */
	CU_ASSERT_EQUAL(server.log->n_requests, 3);
	CU_ASSERT_TRUE(strncmp(server.log->text, "PUT /latest/api/token ", 22) == 0);
	CU_ASSERT_PTR_NULL(strstr(server.log->text, "X-Forwarded-For"));
	webstub_stop(&server);
}

static void test_imds_new_token(void)
{
	struct stubaws aws = { .token_uses = 1 };
	struct webstub server;
	size_t len;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(test_imds_get(1000, &len), 0);
	/* Token, read; refused, token, read; the same again. */
	CU_ASSERT_EQUAL(server.log->n_requests, 2 + 3 + 3);
	webstub_stop(&server);
}

/* A token that is never accepted is asked for twice and no more. */
static void test_imds_bad_token(void)
{
	struct stubaws aws = { .token = "never-good" };
	struct webstub server;
	size_t len;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
	test_imds_expect(__LINE__, test_imds_get(1000, &len), PST_IMDS_REFUSED, "status 401");
	CU_ASSERT_EQUAL(server.log->n_requests, 4);
	webstub_stop(&server);
}

static void test_imds_statuses(void)
{
	static const struct {
		int status;
		enum pst code;
	} rows[] = {
		{ 400, PST_IMDS_REFUSED },     { 403, PST_IMDS_REFUSED },
		{ 404, PST_IMDS_REFUSED },     { 405, PST_IMDS_REFUSED },
		{ 429, PST_IMDS_UNREACHABLE }, { 500, PST_IMDS_UNREACHABLE },
		{ 503, PST_IMDS_UNREACHABLE }, { 204, PST_IMDS_ANSWER },
		{ 302, PST_IMDS_ANSWER },
	};
	char status[32];
	size_t len;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct stubaws aws = { .get_headers = "Location: http://[::1]:1/\r\n" };
		struct webstub server;

		*(i % 2 ? &aws.put_status : &aws.get_status) = rows[i / 2].status;
		snprintf(status, sizeof(status), "status %d", rows[i / 2].status);
		test_imds_setup();
		test_imds_start(&aws, false, &server);
		if (i % 2) {
			test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS),
					 rows[i / 2].code, status);
		} else {
			CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
			test_imds_expect(__LINE__, test_imds_get(1000, &len), rows[i / 2].code,
					 status);
		}
		CU_ASSERT_EQUAL(test_imds_result.http_status, (uint32_t)rows[i / 2].status);
		webstub_stop(&server);
	}
}

static void test_imds_token_forms(void)
{
	static char longest[IMDS_TOKEN_MAX + 1];
	const char *const bad[] = { "", "two words", "line\n", "caf\xc3\xa9" };
	struct webstub server;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct stubaws aws = { .token = bad[i] };

		test_imds_setup();
		test_imds_start(&aws, false, &server);
		test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS), PST_IMDS_ANSWER,
				 "not a token");
		webstub_stop(&server);
	}
	for (size_t len = IMDS_TOKEN_MAX - 2; len <= IMDS_TOKEN_MAX; len++) {
		struct stubaws aws = { .token = longest };

		memset(longest, 'x', len);
		test_imds_setup();
		test_imds_start(&aws, false, &server);
		if (len < IMDS_TOKEN_MAX) {
			CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
		} else {
			test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS),
					 PST_IMDS_ANSWER, "larger");
		}
		webstub_stop(&server);
	}
}

static void test_imds_size(void)
{
	const size_t size = strlen(STUBAWS_DOCUMENT);
	struct stubaws aws = { 0 };
	struct webstub server;
	size_t len = 0;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
	CU_ASSERT_EQUAL(test_imds_get(size + 1, &len), 0);
	CU_ASSERT_EQUAL(test_imds_get(size, &len), 0);
	CU_ASSERT_EQUAL(len, size);
	test_imds_expect(__LINE__, test_imds_get(size - 1, &len), PST_IMDS_ANSWER, "larger");
	webstub_stop(&server);
}

/* The first endpoint is not there, or silent: the second one serves. */
static void test_imds_second(void)
{
	struct stubaws dead = { .put_hangs = true }, good = { 0 };
	struct webstub first, second;
	size_t len;

	for (int silent = 0; silent < 2; silent++) {
		test_imds_setup();
		test_imds_start(&dead, false, &first);
		test_imds_start(&good, true, &second);
		if (!silent)
			webstub_stop(&first);
		CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
		CU_ASSERT_EQUAL(test_imds_get(1000, &len), 0);
		CU_ASSERT_EQUAL(test_imds_result.code, PST_NONE);
		if (silent)
			webstub_stop(&first);
		webstub_stop(&second);
	}
}

/* One that takes no connection costs a second, not all that one call may take: the next one is
 * tried, too. */
static void test_imds_second_in_time(void)
{
	struct webstub_full address;

	webstub_fill(&address);
	for (size_t i = 0; i < CERTCONF_IMDS_MAX; i++)
		snprintf(test_imds_conf.imds[test_imds_conf.n_imds++],
			 sizeof(test_imds_conf.imds[0]), "http://[::1]:%d", address.port);
	test_imds_expect(__LINE__, test_imds_open(IMDS_CALL_MS), PST_IMDS_UNREACHABLE, "http://");
	CU_ASSERT_PTR_NULL(strstr(test_imds_result.detail, "no time"));
	webstub_unfill(&address);
}

/* What was said counts for more than silence, whichever endpoint it came from. */
static void test_imds_both_bad(void)
{
	struct stubaws refusing = { .put_status = 403 };
	struct webstub first, second;

	for (int order = 0; order < 2; order++) {
		test_imds_setup();
		test_imds_start(&refusing, order, &first);
		test_imds_start(&refusing, !order, &second);
		webstub_stop(order ? &first : &second);
		test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS), PST_IMDS_REFUSED,
				 "status 403");
		webstub_stop(order ? &second : &first);
	}
	test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS), PST_IMDS_UNREACHABLE,
			 "http://");
	test_imds_conf.n_imds = 0;
	test_imds_expect(__LINE__, test_imds_open(TEST_IMDS_LONG_MS), PST_IMDS_UNREACHABLE,
			 "no endpoint");
}

static void test_imds_slow(void)
{
	struct stubaws aws = { .get_hangs = true };
	struct webstub server;
	uint64_t before_ns;
	size_t len;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_EQUAL(test_imds_open(TEST_IMDS_LONG_MS), 0);
	before_ns = clk_now_ns();
	test_imds.deadline_ns = before_ns + 300 * CLK_NS_PER_MS;
	test_imds_expect(__LINE__, test_imds_get(1000, &len), PST_IMDS_UNREACHABLE, "time");
	CU_ASSERT_EQUAL(test_imds_result.http_status, 0);
	/* libcurl may have stopped in the last millisecond; the next call finds no time at all */
	test_imds.deadline_ns = clk_now_ns();
	test_imds_expect(__LINE__, test_imds_get(1000, &len), PST_IMDS_UNREACHABLE, "no time");
	CU_ASSERT_TRUE(clk_now_ns() - before_ns < 4 * CLK_NS_PER_S);
	webstub_stop(&server);
}

static int test_imds_memory_run(void *ctx)
{
	size_t len;
	int r = test_imds_open(TEST_IMDS_LONG_MS);

	return r == 0 ? test_imds_get(1000, &len) : r;
}

static void test_imds_memory(void)
{
	struct stubaws aws = { 0 };
	struct webstub server;

	test_imds_start(&aws, false, &server);
	CU_ASSERT_TRUE(torture(test_imds_memory_run, NULL) >= 2);
	webstub_stop(&server);
}

static const struct tap_test test_imds_tests[] = {
	{ "reads", test_imds_reads },
	{ "a new token for 401", test_imds_new_token },
	{ "a token that is not accepted", test_imds_bad_token },
	{ "statuses", test_imds_statuses },
	{ "forms of tokens", test_imds_token_forms },
	{ "size limit", test_imds_size },
	{ "second endpoint", test_imds_second },
	{ "second endpoint in time", test_imds_second_in_time },
	{ "both endpoints bad", test_imds_both_bad },
	{ "slow", test_imds_slow },
	{ "out of memory", test_imds_memory },
	{ 0 },
};

static const struct tap_suite test_imds_suites[] = {
	{ "imds", test_imds_tests, test_imds_setup, test_imds_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return httpcall_warm_up() < 0 ? 2 : tap_main(argc, argv, test_imds_suites);
}
