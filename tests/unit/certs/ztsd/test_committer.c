/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "certs/ztsd/committer.h"
#include "common/clk.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define TEST_COMMITTER_JOBS 1000

struct test_committer_job {
	struct committer_job job;
	char id[16], serial[16], presented[16];
	int result;
	unsigned int n_done;
};

static struct event_base *test_committer_base;
static struct committer *test_committer;
static char test_committer_path[PATH_MAX];
static unsigned int test_committer_waiting;
static struct test_committer_job test_committer_jobs[TEST_COMMITTER_JOBS];

static void test_committer_setup(void)
{
	static unsigned int n;
	char name[32];

	snprintf(name, sizeof(name), "commit-%u.db", n++);
	tmpdir_path(test_committer_path, name);
	test_committer_base = event_base_new();
	memset(test_committer_jobs, 0, sizeof(test_committer_jobs));
	test_committer_waiting = 0;
	if (committer_open(test_committer_base, test_committer_path, &test_committer) < 0)
		exit(2);
}

static void test_committer_teardown(void)
{
	committer_close(test_committer);
	test_committer = NULL;
	event_base_free(test_committer_base);
}

static void test_committer_done(struct committer_job *job, int result)
{
	struct test_committer_job *j = (struct test_committer_job *)job;

	j->result = result;
	j->n_done++;
	test_committer_waiting--;
}

/* Registers instance @i, or refreshes it with @presented. */
static void test_committer_submit(unsigned int i, const char *presented, const char *serial)
{
	struct test_committer_job *j = &test_committer_jobs[i];

	snprintf(j->id, sizeof(j->id), "i-%u", i);
	snprintf(j->serial, sizeof(j->serial), "%s", serial);
	snprintf(j->presented, sizeof(j->presented), "%s", presented ? presented : "");
	j->job = (struct committer_job){
		.issue = { .key = { "p", "d", "s", j->id },
			   .serial = j->serial,
			   .addr = "::1",
			   .now_wall = 1000,
			   .expires_wall = 2000,
			   .presented = j->presented,
			   .presented_wall = 1000 },
		.registering = !presented,
		.done = test_committer_done,
	};
	j->n_done = 0;
	test_committer_waiting++;
	committer_submit(test_committer, &j->job);
}

static void test_committer_wait(void)
{
	while (test_committer_waiting && event_base_loop(test_committer_base, EVLOOP_ONCE) == 0)
		;
}

static void test_committer_expect(unsigned int i, const char *current)
{
	struct ztsdb *db = NULL;
	struct ztsdb_key key = { "p", "d", "s", test_committer_jobs[i].id };
	struct ztsdb_instance record = { .current = "" };

	CU_ASSERT_EQUAL(ztsdb_open(test_committer_path, false, &db), 0);
	CU_ASSERT_EQUAL(ztsdb_find_instance(db, &key, &record), 0);
	CU_ASSERT_STRING_EQUAL(record.current, current);
	ztsdb_close(db);
}

static void test_committer_results(void)
{
	test_committer_submit(0, NULL, "aa");
	test_committer_wait();
	CU_ASSERT_EQUAL(test_committer_jobs[0].result, 0);
	test_committer_expect(0, "aa");
	test_committer_submit(0, "aa", "bb");
	test_committer_submit(1, "aa", "bb");
	test_committer_wait();
	CU_ASSERT_EQUAL(test_committer_jobs[0].result, 0);
	CU_ASSERT_EQUAL(test_committer_jobs[1].result, ZTSDB_E_NONE);
	test_committer_expect(0, "bb");
	test_committer_submit(0, "xx", "cc");
	test_committer_wait();
	CU_ASSERT_EQUAL(test_committer_jobs[0].result, ZTSDB_E_REVOKED);
	test_committer_expect(0, "-1");
}

/* All come back, each once, and they shared transactions. */
static void test_committer_groups(void)
{
	struct committer_stats stats;
	struct ztsdb *db = NULL;
	uint64_t n = 0;

	for (unsigned int i = 0; i < TEST_COMMITTER_JOBS; i++)
		test_committer_submit(i, NULL, "aa");
	test_committer_wait();
	for (unsigned int i = 0; i < TEST_COMMITTER_JOBS; i++) {
		CU_ASSERT_EQUAL(test_committer_jobs[i].n_done, 1);
		CU_ASSERT_EQUAL(test_committer_jobs[i].result, 0);
	}
	stats = committer_read_stats(test_committer);
	CU_ASSERT_EQUAL(stats.jobs, TEST_COMMITTER_JOBS);
	CU_ASSERT_TRUE(stats.batches >= TEST_COMMITTER_JOBS / COMMITTER_BATCH_MAX);
	CU_ASSERT_TRUE(stats.batches < TEST_COMMITTER_JOBS / 4);
	CU_ASSERT_EQUAL(stats.failed, 0);
	CU_ASSERT_EQUAL(ztsdb_open(test_committer_path, false, &db), 0);
	CU_ASSERT_EQUAL(ztsdb_count(db, &n), 0);
	CU_ASSERT_EQUAL(n, TEST_COMMITTER_JOBS);
	ztsdb_close(db);
}

/* As a token that takes its time to sign: longer than any turn of the loop. */
static void test_committer_slowly(struct committer_job *job, int result)
{
	uint64_t until_ns = clk_now_ns() + CLK_NS_PER_S / 5;

	while (clk_now_ns() < until_ns)
		;
	test_committer_done(job, result);
}

/* One job that takes long gets a turn of the loop, not the whole batch. */
static void test_committer_takes_turns(void)
{
	enum { N = 3 };

	for (unsigned int i = 0; i < N; i++) {
		test_committer_submit(i, NULL, "aa");
		test_committer_jobs[i].job.done = test_committer_slowly;
	}
	while (committer_read_stats(test_committer).jobs < N)
		sched_yield();
	for (unsigned int left = N; left-- > 0;) {
		/* What is left was announced in the turn before: nothing has to be waited for. */
		int how = left == N - 1 ? 0 : EVLOOP_NONBLOCK;

		CU_ASSERT_EQUAL(event_base_loop(test_committer_base, EVLOOP_ONCE | how), 0);
		CU_ASSERT_EQUAL(test_committer_waiting, left);
	}
}

/* What waits when the program ends is written and handed back, not lost. */
static void test_committer_closes(void)
{
	for (unsigned int i = 0; i < TEST_COMMITTER_JOBS; i++)
		test_committer_submit(i, NULL, "aa");
	committer_close(test_committer);
	test_committer = NULL;
	CU_ASSERT_EQUAL(test_committer_waiting, 0);
	for (unsigned int i = 0; i < TEST_COMMITTER_JOBS; i++) {
		CU_ASSERT_EQUAL(test_committer_jobs[i].n_done, 1);
		CU_ASSERT_EQUAL(test_committer_jobs[i].result, 0);
	}
	test_committer_expect(TEST_COMMITTER_JOBS - 1, "aa");
}

static void test_committer_full_disk(void)
{
	struct rlimit old, small = { 0 };

	test_committer_submit(0, NULL, "aa");
	test_committer_wait();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	test_committer_submit(0, "aa", "bb");
	test_committer_submit(1, NULL, "aa");
	test_committer_wait();
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_TRUE(test_committer_jobs[0].result < 0);
	CU_ASSERT_TRUE(test_committer_jobs[1].result < 0);
	CU_ASSERT_TRUE(committer_read_stats(test_committer).failed > 0);
	test_committer_expect(0, "aa");
	test_committer_submit(0, "aa", "bb");
	test_committer_wait();
	CU_ASSERT_EQUAL(test_committer_jobs[0].result, 0);
}

static void test_committer_refuses(void)
{
	struct committer *c = NULL;
	char path[PATH_MAX];

	tmpdir_path(path, "none/ztsd.db");
	CU_ASSERT_EQUAL(committer_open(test_committer_base, path, &c), -ENOENT);
	CU_ASSERT_PTR_NULL(c);
	committer_close(NULL);
}

static const struct tap_test test_committer_tests[] = {
	{ "each job gets its own result", test_committer_results },
	{ "many jobs share a transaction", test_committer_groups },
	{ "slow ones take turns", test_committer_takes_turns },
	{ "the end writes what waits", test_committer_closes },
	{ "a full disk", test_committer_full_disk },
	{ "no store", test_committer_refuses },
	{ 0 },
};

static const struct tap_suite test_committer_suites[] = {
	{ "committer", test_committer_tests, test_committer_setup, test_committer_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_committer_suites);
}
