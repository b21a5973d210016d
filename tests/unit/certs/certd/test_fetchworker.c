/* SPDX-License-Identifier: MIT */
/* One worker, played by fakefetch.c, in every way in which it can end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "certs/certd/fetchworker.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/fetch/residue.h"

#define TEST_FETCHWORKER_WAIT_NS (20 * CLK_NS_PER_S)

static struct fetchworker test_fetchworker_it;
static struct fetchjob_start test_fetchworker_job;

static void test_fetchworker_write(const char *name, const char *text)
{
	CU_ASSERT_EQUAL(tmpdir_write(name, text, strlen(text)), 0);
}

/* What the worker does instead of succeeding; "" = nothing. */
static void test_fetchworker_plan(const char *text)
{
	test_fetchworker_write("plan.identify", text);
	test_fetchworker_write("plan.register", text);
	test_fetchworker_write("plan.check", text);
}

static void test_fetchworker_setup(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tests/unit/certs/certd", getenv("POSTERN_TEST_BUILD"));
	setenv("POSTERN_LIBEXECDIR", path, 1);
	setenv("FAKEFETCH_DIR", tmpdir_get(), 1);
	test_fetchworker_write("self", "acme.host athenz.aws.us-east-1 i-1\n");
	test_fetchworker_write("life", "0 3600\n");
	test_fetchworker_plan("");
	test_fetchworker_job = (struct fetchjob_start){
		.kind = FETCHJOB_REGISTER,
		.conf = { .timeout_ms = 20000, .n_imds = 1 },
		.self = { .principal = "acme.host",
			  .provider = "athenz.aws.us-east-1",
			  .instance_id = "i-1" },
	};
	fetchworker_init(&test_fetchworker_it);
}

static void test_fetchworker_teardown(void)
{
	fetchworker_stop(&test_fetchworker_it);
}

static int test_fetchworker_begin(void)
{
	return fetchworker_start(&test_fetchworker_it, &test_fetchworker_job, clk_now_ns());
}

/* Waits for the end, at most for a time that no case needs. */
static void test_fetchworker_end(struct fetchjob_result *ret)
{
	uint64_t deadline_ns = clk_now_ns() + TEST_FETCHWORKER_WAIT_NS;
	struct fetchworker *w = &test_fetchworker_it;

	*ret = (struct fetchjob_result){ .code = PST_NETLINK };
	while (fetchworker_finish(w, clk_now_ns(), ret) == FETCHWORKER_E_RUNNING) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };

		if (clk_now_ns() > deadline_ns || poll(&p, 1, 1000) < 0) {
			tap_fail(__FILE__, __LINE__, "no end");
			return;
		}
	}
	CU_ASSERT_EQUAL(w->pid, 0);
	CU_ASSERT_EQUAL(w->fd, -1);
}

static void test_fetchworker_brings_files(void)
{
	struct fetchworker *w = &test_fetchworker_it;
	char key[FETCHJOB_SERIAL_MAX + 1];
	struct fetchjob_result result;

	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	test_fetchworker_end(&result);
	CU_ASSERT_EQUAL(result.code, PST_NONE);
	CU_ASSERT_STRING_EQUAL(result.self.principal, "acme.host");
	CU_ASSERT_EQUAL(result.not_after_wall - result.not_before_wall, 3600);
	CU_ASSERT_PTR_NOT_NULL(w->files);
	if (w->files) {
		CU_ASSERT_EQUAL(w->files->key_len, strlen(result.serial) + 1);
		CU_ASSERT_EQUAL(memcmp(w->files->key, result.serial, strlen(result.serial)), 0);
		CU_ASSERT_EQUAL(memcmp(w->files->cert, result.serial, strlen(result.serial)), 0);
		CU_ASSERT_EQUAL(w->files->ca_len, 3);
		CU_ASSERT_EQUAL(memcmp(w->files->ca, "ca\n", 3), 0);
	}
	snprintf(key, sizeof(key), "%s\n", result.serial);
	residue_begin((const char *const[]){ key, NULL }, true);
	fetchworker_forget(w);
	CU_ASSERT_EQUAL(residue_end(), 0);
	CU_ASSERT_PTR_NULL(w->files);
	fetchworker_forget(w);
	CU_ASSERT_EQUAL(fetchworker_finish(w, 0, &result), FETCHWORKER_E_IDLE);
}

static void test_fetchworker_identifies(void)
{
	struct fetchjob_result result;

	test_fetchworker_job.kind = FETCHJOB_IDENTIFY;
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	CU_ASSERT_PTR_NULL(test_fetchworker_it.files);
	test_fetchworker_end(&result);
	CU_ASSERT_EQUAL(result.code, PST_NONE);
	CU_ASSERT_STRING_EQUAL(result.self.instance_id, "i-1");
}

static void test_fetchworker_refused(void)
{
	struct fetchjob_result result;

	test_fetchworker_plan("code 2011 30 come back later\n");
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	test_fetchworker_end(&result);
	CU_ASSERT_EQUAL(result.code, PST_ZTS_BUSY);
	CU_ASSERT_EQUAL(result.retry_after_s, 30);
	CU_ASSERT_STRING_EQUAL(result.detail, "come back later");
	CU_ASSERT_PTR_NULL(test_fetchworker_it.files);
}

static void test_fetchworker_ends_badly(void)
{
	static const struct {
		const char *plan;
		enum fetchjob_kind kind;
		enum pst code;
		const char *detail;
	} cases[] = {
		{ "die", FETCHJOB_REGISTER, PST_FETCH_DIED, "signal 9" },
		{ "exit", FETCHJOB_REGISTER, PST_FETCH_DIED, "" },
		{ "frame", FETCHJOB_REGISTER, PST_FETCH_FRAME, "" },
		{ "less", FETCHJOB_REGISTER, PST_FETCH_FRAME, "" },
		{ "ask", FETCHJOB_REGISTER, PST_FETCH_FRAME, "" },
		{ "blank", FETCHJOB_REGISTER, PST_FETCH_FRAME, "" },
		{ "blank", FETCHJOB_CHECK, PST_FETCH_FRAME, "" },
		{ "stray", FETCHJOB_CHECK, PST_FETCH_FRAME, "" },
		{ "stray", FETCHJOB_IDENTIFY, PST_FETCH_FRAME, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fetchjob_result result;

		test_fetchworker_plan(cases[i].plan);
		test_fetchworker_job.kind = cases[i].kind;
		CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
		test_fetchworker_end(&result);
		if (result.code != cases[i].code || !strstr(result.detail, cases[i].detail))
			tap_fail(__FILE__, __LINE__, "%s: PST-%04u %s", cases[i].plan,
				 (unsigned int)result.code, result.detail);
		CU_ASSERT_PTR_NULL(test_fetchworker_it.files);
	}
}

/* What comes before the worker's usual few bytes. */
static void test_fetchworker_try_size(enum fetchjob_file file, size_t size, enum pst code)
{
	struct fetchjob_result result;
	char plan[64];

	snprintf(plan, sizeof(plan), "size %u %zu", (unsigned int)file, size);
	test_fetchworker_plan(plan);
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	test_fetchworker_end(&result);
	if (result.code != code)
		tap_fail(__FILE__, __LINE__, "%s: PST-%04u", plan, (unsigned int)result.code);
}

static size_t test_fetchworker_usual(enum fetchjob_file file)
{
	const struct fetchworker_files *f = test_fetchworker_it.files;

	if (!f)
		return 0;
	return file == FETCHJOB_KEY ? f->key_len : file == FETCHJOB_CERT ? f->cert_len : f->ca_len;
}

/* A serial number, and with it key and certificate, may have one digit more on the next run. */
static void test_fetchworker_sizes(void)
{
	static const size_t limits[] = {
		[FETCHJOB_KEY] = FETCHJOB_KEY_MAX,
		[FETCHJOB_CERT] = FETCHJOB_CERT_MAX,
		[FETCHJOB_CA] = FETCHJOB_CA_MAX,
	};

	for (enum fetchjob_file file = FETCHJOB_KEY; file <= FETCHJOB_CA; file++) {
		size_t usual;

		test_fetchworker_try_size(file, 1, PST_NONE);
		usual = test_fetchworker_usual(file) - 1;
		CU_ASSERT_TRUE(usual > 0 && usual < 100);
		test_fetchworker_try_size(file, limits[file] - usual - 2, PST_NONE);
		test_fetchworker_try_size(file, limits[file] + 1, PST_FETCH_FRAME);
		if (file == FETCHJOB_CA) { /* whose usual bytes are always the same */
			test_fetchworker_try_size(file, limits[file] - usual, PST_NONE);
			test_fetchworker_try_size(file, limits[file] - usual + 1, PST_FETCH_FRAME);
		}
	}
}

static void test_fetchworker_late(void)
{
	struct fetchworker *w = &test_fetchworker_it;
	struct fetchjob_result result;
	uint64_t before_ns = clk_now_ns();
	pid_t pid;

	test_fetchworker_plan("hang");
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	pid = w->pid;
	CU_ASSERT_TRUE(w->deadline_ns >= before_ns + 22 * CLK_NS_PER_S);
	CU_ASSERT_EQUAL(test_fetchworker_begin(), -EBUSY);
	CU_ASSERT_EQUAL(fetchworker_finish(w, w->deadline_ns - 1, &result), FETCHWORKER_E_RUNNING);
	CU_ASSERT_EQUAL(fetchworker_finish(w, w->deadline_ns, &result), 0);
	CU_ASSERT_EQUAL(result.code, PST_FETCH_DIED);
	CU_ASSERT_TRUE(strstr(result.detail, "in time") != NULL);
	CU_ASSERT_EQUAL(kill(pid, 0), -1);
}

static void test_fetchworker_stopped(void)
{
	struct fetchworker *w = &test_fetchworker_it;
	pid_t pid;

	test_fetchworker_plan("hang");
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
	pid = w->pid;
	fetchworker_stop(w);
	CU_ASSERT_EQUAL(kill(pid, 0), -1);
	CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
	CU_ASSERT_PTR_NULL(w->files);
	fetchworker_stop(w);
}

static void test_fetchworker_cannot_start(void)
{
	setenv("POSTERN_LIBEXECDIR", "/nonexistent", 1);
	CU_ASSERT_EQUAL(test_fetchworker_begin(), -ENOENT);
	CU_ASSERT_EQUAL(test_fetchworker_it.pid, 0);
	CU_ASSERT_EQUAL(test_fetchworker_it.fd, -1);
	test_fetchworker_setup();
	/* It may be tried again. */
	CU_ASSERT_EQUAL(test_fetchworker_begin(), 0);
}

static const struct tap_test test_fetchworker_tests[] = {
	{ "brings files", test_fetchworker_brings_files },
	{ "identifies", test_fetchworker_identifies },
	{ "refused", test_fetchworker_refused },
	{ "ends badly", test_fetchworker_ends_badly },
	{ "sizes", test_fetchworker_sizes },
	{ "late", test_fetchworker_late },
	{ "stopped", test_fetchworker_stopped },
	{ "cannot start", test_fetchworker_cannot_start },
	{ 0 },
};

static const struct tap_suite test_fetchworker_suites[] = {
	{ "fetchworker", test_fetchworker_tests, test_fetchworker_setup,
	  test_fetchworker_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchworker_suites);
}
