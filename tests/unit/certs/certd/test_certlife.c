/* SPDX-License-Identifier: MIT */
/* What comes of each result, with a worker that does what it is told (fakefetch.c). */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/certd/certlife.h"
#include "common/clk.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static struct certconf test_certlife_conf;
static struct certlife test_certlife_it;
static char test_certlife_state[PATH_MAX];

static void test_certlife_write(const char *name, const char *text)
{
	CU_ASSERT_EQUAL(tmpdir_write(name, text, strlen(text)), 0);
}

static const char *test_certlife_at(const char *name, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%.200s/%s", test_certlife_conf.sia_dir, name);
	return ret;
}

static void test_certlife_open(void)
{
	certlife_init(&test_certlife_it, &test_certlife_conf, test_certlife_state);
	CU_ASSERT_EQUAL(certlife_open(&test_certlife_it), 0);
}

static void test_certlife_setup(void)
{
	static unsigned int n;
	char path[PATH_MAX], name[32];

	snprintf(path, sizeof(path), "%s/tests/unit/certs/certd", getenv("POSTERN_TEST_BUILD"));
	setenv("POSTERN_LIBEXECDIR", path, 1);
	setenv("FAKEFETCH_DIR", tmpdir_get(), 1);
	test_certlife_write("self", "acme.host athenz.test i-1\n");
	test_certlife_write("life", "0 3600\n");
	test_certlife_write("plan.register", "");
	test_certlife_write("plan.refresh", "");
	test_certlife_write("plan.check", "");
	test_certlife_write("log", "");
	test_certlife_conf = (struct certconf){ .n_imds = 1,
						.retry_min_s = 5,
						.retry_max_s = 1800,
						.renew_max_s = 86400,
						.timeout_ms = 20000 };
	snprintf(name, sizeof(name), "sia%u", n);
	snprintf(test_certlife_conf.sia_dir, sizeof(test_certlife_conf.sia_dir), "%s",
		 tmpdir_path(path, name));
	CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
	snprintf(name, sizeof(name), "state%u", n++);
	CU_ASSERT_EQUAL(mkdir(tmpdir_path(test_certlife_state, name), 0755), 0);
	test_certlife_open();
}

static void test_certlife_teardown(void)
{
	certlife_close(&test_certlife_it);
}

/* The process is another one. */
static void test_certlife_restart(void)
{
	certlife_close(&test_certlife_it);
	test_certlife_open();
}

static void test_certlife_forget(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.2000s/" CERTSTATE_NAME, test_certlife_state);
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* As long as nothing has to be waited for: what was refused is asked again at once. */
static void test_certlife_let_time_pass(void)
{
	struct schedule *s = &test_certlife_it.schedule;

	s->floor_ns = s->retry_ns = s->hold_ns = 0;
}

/* Lets the step run that must be @step, to its end. */
static void test_certlife_step(unsigned int line, enum schedule_step step)
{
	struct certlife *l = &test_certlife_it;
	struct schedule_now now = { clk_now_ns(), clk_now_wall() };
	struct schedule_plan plan = schedule_next(&l->schedule, &now);
	bool ended;

	if (plan.step != step || plan.at_ns > now.ns) {
		tap_fail(__FILE__, line, "%s in %lld ns", schedule_step_name(plan.step),
			 (long long)(plan.at_ns - now.ns));
		return;
	}
	ended = certlife_advance(l);
	while (!ended && l->worker.pid) {
		struct pollfd p = { .fd = l->worker.fd, .events = POLLIN };

		CU_ASSERT_TRUE(certlife_wake_ns(l) <= l->worker.deadline_ns);
		poll(&p, 1, 20000);
		ended = certlife_finish(l);
	}
	CU_ASSERT_TRUE(ended);
	CU_ASSERT_FALSE(certlife_finish(l));
}

#define TEST_CERTLIFE_STEP(step) test_certlife_step(__LINE__, SCHEDULE_##step)

static bool test_certlife_is_ready(void)
{
	struct certstat s;

	certlife_fill(&test_certlife_it, &s);
	CU_ASSERT_EQUAL(s.ready, s.reason[0] == '\0');
	return s.ready;
}

/* From nothing to a certificate. */
static void test_certlife_begin(void)
{
	TEST_CERTLIFE_STEP(IDENTIFY);
	TEST_CERTLIFE_STEP(REGISTER);
	CU_ASSERT_FALSE(test_certlife_is_ready());
	TEST_CERTLIFE_STEP(PROVE);
	CU_ASSERT_TRUE(test_certlife_is_ready());
}

static unsigned int test_certlife_pairs(void)
{
	char path[PATH_MAX];
	DIR *d = opendir(test_certlife_at(".pairs", path));
	unsigned int n = 0;
	struct dirent *e;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static bool test_certlife_has(const char *name)
{
	char path[PATH_MAX];

	return access(test_certlife_at(name, path), F_OK) == 0;
}

/* ---- one after the other ---- */

static void test_certlife_first(void)
{
	struct certlife second;

	CU_ASSERT_FALSE(test_certlife_is_ready());
	test_certlife_begin();
	CU_ASSERT_TRUE(test_certlife_has("keys/acme.host.key.pem"));
	certlife_init(&second, &test_certlife_conf, test_certlife_state);
	CU_ASSERT_EQUAL(certlife_open(&second), -EBUSY);
	certlife_close(&second);
}

/* A restart believes what it finds after a look at it, and asks nobody. */
static void test_certlife_adopts(void)
{
	struct certstat before, after;

	test_certlife_begin();
	certlife_fill(&test_certlife_it, &before);
	test_certlife_restart();
	TEST_CERTLIFE_STEP(CHECK);
	certlife_fill(&test_certlife_it, &after);
	CU_ASSERT_TRUE(after.ready);
	CU_ASSERT_STRING_EQUAL(after.serial, before.serial);
	CU_ASSERT_EQUAL(after.renew, before.renew);
	CU_ASSERT_EQUAL(after.next_step, SCHEDULE_REFRESH);
	CU_ASSERT_TRUE(after.next_wall >= before.renew);
	CU_ASSERT_FALSE(certlife_advance(&test_certlife_it));
}

/* Each certificate has a key of its own, and the old pair is there until the new one is proven. */
static void test_certlife_renews(void)
{
	struct certstat before, after;

	test_certlife_begin();
	certlife_fill(&test_certlife_it, &before);
	test_certlife_let_time_pass();
	certlife_urge(&test_certlife_it);
	TEST_CERTLIFE_STEP(REFRESH);
	certlife_fill(&test_certlife_it, &after);
	CU_ASSERT_TRUE(after.ready);
	CU_ASSERT_STRING_EQUAL(after.serial, before.serial);
	TEST_CERTLIFE_STEP(PROVE);
	certlife_fill(&test_certlife_it, &after);
	CU_ASSERT_STRING_NOT_EQUAL(after.serial, before.serial);
	CU_ASSERT_EQUAL(test_certlife_pairs(), 2);
}

/* Under another clock than that of the certificate's issuer, or in its own time. */
static void test_certlife_since(void)
{
	const struct schedule_pair *p = &test_certlife_it.schedule.pair;
	uint64_t renew;

	test_certlife_write("life", "-1800 3600\n"); /* an issuer that sets notBefore back */
	test_certlife_begin();
	renew = p->renew;
	test_certlife_restart();
	TEST_CERTLIFE_STEP(CHECK);
	CU_ASSERT_EQUAL(p->renew, renew);
	CU_ASSERT_TRUE(p->since > p->not_before);
	/* A note from a time at which the clock was ahead. */
	test_certlife_it.memo.state.since_wall += 900;
	test_certlife_it.schedule.stored = SCHEDULE_UNCHECKED;
	TEST_CERTLIFE_STEP(CHECK);
	CU_ASSERT_EQUAL(p->since, p->not_before);
}

/* A process that dies while the issuer is asked does not ask at once again. */
static void test_certlife_dies_asking(void)
{
	TEST_CERTLIFE_STEP(IDENTIFY);
	test_certlife_write("plan.register", "hang");
	CU_ASSERT_FALSE(certlife_advance(&test_certlife_it));
	CU_ASSERT_NOT_EQUAL(test_certlife_it.worker.pid, 0);
	test_certlife_restart();
	CU_ASSERT_FALSE(certlife_advance(&test_certlife_it));
	CU_ASSERT_EQUAL(test_certlife_it.worker.pid, 0);
	CU_ASSERT_EQUAL(test_certlife_it.schedule.running, SCHEDULE_NONE);
}

/* An attempt takes no longer than a part of what is left. */
static void test_certlife_short_of_time(void)
{
	char log[512] = "", path[PATH_MAX];
	const char *at;
	FILE *f;

	test_certlife_write("life", "0 40\n");
	test_certlife_begin();
	test_certlife_let_time_pass();
	certlife_urge(&test_certlife_it);
	TEST_CERTLIFE_STEP(REFRESH);
	f = fopen(tmpdir_path(path, "log"), "re");
	CU_ASSERT_TRUE(f && fread(log, 1, sizeof(log) - 1, f) > 0);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(strstr(log, "register 20000\n"));
	at = strstr(log, "refresh ");
	CU_ASSERT_TRUE(at && strtoul(at + 8, NULL, 10) <= 10000);
}

/* ---- what is believed ---- */

static struct schedule_now test_certlife_now(void)
{
	return (struct schedule_now){ clk_now_ns(), clk_now_wall() };
}

static enum schedule_step test_certlife_next(void)
{
	struct schedule_now now = test_certlife_now();

	return schedule_next(&test_certlife_it.schedule, &now).step;
}

/* Who we were in another boot, or under another configuration, says nothing. */
static void test_certlife_memory_ends(void)
{
	struct certstate *s = &test_certlife_it.memo.state;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.2000s/" CERTSTATE_NAME, test_certlife_state);
	test_certlife_begin();
	test_certlife_restart();
	CU_ASSERT_EQUAL(test_certlife_next(), SCHEDULE_CHECK);
	s->boot_id[0] ^= 1;
	CU_ASSERT_EQUAL(certstate_write(path, s), 0);
	test_certlife_restart();
	CU_ASSERT_EQUAL(test_certlife_next(), SCHEDULE_IDENTIFY);
	s->boot_id[0] ^= 1;
	CU_ASSERT_EQUAL(certstate_write(path, s), 0);
	test_certlife_restart();
	CU_ASSERT_EQUAL(test_certlife_next(), SCHEDULE_CHECK);
	snprintf(test_certlife_conf.domain, sizeof(test_certlife_conf.domain), "other");
	test_certlife_restart();
	CU_ASSERT_EQUAL(test_certlife_next(), SCHEDULE_IDENTIFY);
}

/* A second worker that has no objection does not decide whose the certificate is, nor when it may
 * be used. */
static void test_certlife_proof(void)
{
	static const struct {
		const char *who;
		long from_s;
		enum pst code; /* PST_NONE: it is held */
	} rows[] = {
		{ "acme.evil athenz.test i-1", 0, PST_ISSUED_REFUSED },
		{ "acme.host athenz.evil i-1", 0, PST_ISSUED_REFUSED },
		{ "acme.host athenz.test i-9", 0, PST_ISSUED_REFUSED },
		{ "acme.host athenz.test i-1", SCHEDULE_HOLD_MAX_S + 60, PST_CLOCK_WRONG },
		{ "acme.host athenz.test i-1", -3600, PST_CLOCK_WRONG },
		{ "acme.host athenz.test i-1", SCHEDULE_HOLD_MAX_S - 60, PST_NONE },
	};
	char plan[256];

	test_certlife_begin();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t current = test_certlife_it.store.current;
		uint64_t from = clk_now_wall() + (uint64_t)rows[i].from_s;

		snprintf(plan, sizeof(plan), "as ab %llu %llu %s", (unsigned long long)from,
			 (unsigned long long)from + 3600, rows[i].who);
		test_certlife_write("plan.check", plan);
		test_certlife_let_time_pass();
		certlife_urge(&test_certlife_it);
		TEST_CERTLIFE_STEP(REFRESH);
		TEST_CERTLIFE_STEP(PROVE);
		CU_ASSERT_EQUAL(test_certlife_it.store.current, current);
		CU_ASSERT_EQUAL(test_certlife_it.schedule.last_code,
				rows[i].code ? rows[i].code : PST_CLOCK_WRONG);
		CU_ASSERT_EQUAL(test_certlife_it.schedule.fetched, rows[i].code == PST_NONE);
		/* What is not used is not kept. */
		CU_ASSERT_EQUAL(test_certlife_pairs(), rows[i].code == PST_NONE ? 2 : 1);
		test_certlife_it.schedule.failures = 0;
		test_certlife_it.schedule.asks_again = false;
		test_certlife_it.schedule.last_code = PST_NONE;
	}
	CU_ASSERT_TRUE(test_certlife_is_ready());
}

/* ---- whose it is ---- */

/* The disk is another host's, whose memory is lost, and whose name is another one, too. */
static void test_certlife_clone(void)
{
	test_certlife_begin();
	test_certlife_write("self", "acme.other athenz.other i-2\n");
	test_certlife_forget();
	test_certlife_restart();
	TEST_CERTLIFE_STEP(IDENTIFY);
	TEST_CERTLIFE_STEP(CHECK);
	CU_ASSERT_EQUAL(test_certlife_pairs(), 0);
	CU_ASSERT_FALSE(test_certlife_has("current"));
	TEST_CERTLIFE_STEP(REGISTER);
	TEST_CERTLIFE_STEP(PROVE);
	CU_ASSERT_TRUE(test_certlife_is_ready());
	CU_ASSERT_TRUE(test_certlife_has("keys/acme.other.key.pem"));
}

/* With the memory there is no need to look: the instance is another one. */
static void test_certlife_clone_remembers(void)
{
	test_certlife_begin();
	test_certlife_write("self", "acme.host athenz.test i-2\n");
	test_certlife_it.schedule.identified = false; /* another boot */
	TEST_CERTLIFE_STEP(IDENTIFY);
	CU_ASSERT_EQUAL(test_certlife_pairs(), 0);
	test_certlife_let_time_pass();
	TEST_CERTLIFE_STEP(REGISTER);
}

/* The host got another name or provider: what it has is worth something until it has the new one,
 * which an issuer may refuse to a host that runs for long. */
static void test_certlife_renamed(void)
{
	static const char *const selves[] = { "acme.host athenz.new i-1\n",
					      "acme.new athenz.new i-1\n" };

	test_certlife_begin();
	for (size_t i = 0; i < ARRAY_SIZE(selves); i++) {
		test_certlife_write("self", selves[i]);
		test_certlife_it.schedule.asks_again = true;
		TEST_CERTLIFE_STEP(IDENTIFY);
		TEST_CERTLIFE_STEP(CHECK);
		CU_ASSERT_FALSE(test_certlife_is_ready());
		CU_ASSERT_TRUE(test_certlife_has("current/key.pem"));
		test_certlife_let_time_pass();
		TEST_CERTLIFE_STEP(REGISTER);
		CU_ASSERT_TRUE(test_certlife_has("current/key.pem"));
		TEST_CERTLIFE_STEP(PROVE);
		CU_ASSERT_TRUE(test_certlife_is_ready());
	}
	CU_ASSERT_TRUE(test_certlife_has("keys/acme.new.key.pem"));
	CU_ASSERT_FALSE(test_certlife_has("keys/acme.host.key.pem"));
}

/* ---- refusals ---- */

static uint64_t test_certlife_wait_s(void)
{
	struct certstat s;

	certlife_fill(&test_certlife_it, &s);
	return s.next_wall > s.now_wall ? s.next_wall - s.now_wall : 0;
}

/* A time that the issuer named binds the next process, too; what people must mend does not, for
 * they restart certd when they have done it. */
static void test_certlife_remembers_a_time(void)
{
	static const struct {
		const char *plan;
		uint64_t at_least;
	} rows[] = { { "code 2011 3600 later", 3500 },
		     { "code 2006 3600 down for repair", 3500 },
		     { "code 2011 0 later", 0 },
		     { "code 2007 0 no such service", 0 } };

	TEST_CERTLIFE_STEP(IDENTIFY);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_certlife_let_time_pass();
		test_certlife_it.schedule.asks_again = false;
		test_certlife_write("plan.register", rows[i].plan);
		TEST_CERTLIFE_STEP(REGISTER);
		test_certlife_restart();
		CU_ASSERT_TRUE(rows[i].at_least ? test_certlife_wait_s() >= rows[i].at_least :
						  test_certlife_wait_s() <= 5);
		test_certlife_it.memo.state.hold_wall = 0;
	}
	test_certlife_let_time_pass();
	test_certlife_write("plan.register", "code 2011 3600 later");
	TEST_CERTLIFE_STEP(REGISTER);
	CU_ASSERT_NOT_EQUAL(test_certlife_it.memo.state.hold_wall, 0);
	test_certlife_write("plan.register", "");
	test_certlife_let_time_pass();
	TEST_CERTLIFE_STEP(REGISTER);
	TEST_CERTLIFE_STEP(PROVE);
	CU_ASSERT_EQUAL(test_certlife_it.memo.state.hold_wall, 0);
}

/* The one attempt to heal is not had again by starting anew. */
static void test_certlife_heals_once(void)
{
	test_certlife_begin();
	test_certlife_write("plan.refresh", "code 2009 0 Certificate revoked");
	test_certlife_write("plan.register", "code 2009 0 Certificate revoked");
	test_certlife_let_time_pass();
	certlife_urge(&test_certlife_it);
	TEST_CERTLIFE_STEP(REFRESH);
	test_certlife_let_time_pass();
	TEST_CERTLIFE_STEP(REGISTER);
	CU_ASSERT_TRUE(test_certlife_wait_s() >= 1800);
	CU_ASSERT_TRUE(test_certlife_is_ready());
	test_certlife_restart();
	TEST_CERTLIFE_STEP(CHECK);
	/* Also when a renewal is due by the certificate. */
	test_certlife_it.schedule.pair.renew = 0;
	test_certlife_it.schedule.renew_ns = 0;
	CU_ASSERT_TRUE(test_certlife_wait_s() >= 1790);
}

/* Without a directory nobody is asked for what could not be kept. */
static void test_certlife_no_store(void)
{
	char away[PATH_MAX];

	test_certlife_begin();
	test_certlife_let_time_pass();
	certlife_urge(&test_certlife_it);
	snprintf(away, sizeof(away), "%.200s.away", test_certlife_conf.sia_dir);
	CU_ASSERT_EQUAL(rename(test_certlife_conf.sia_dir, away), 0);
	CU_ASSERT_TRUE(certlife_advance(&test_certlife_it));
	CU_ASSERT_EQUAL(test_certlife_it.worker.pid, 0);
	CU_ASSERT_EQUAL(test_certlife_it.memo.state.last_code, PST_STORE_WRITE);
	CU_ASSERT_EQUAL(rename(away, test_certlife_conf.sia_dir), 0);
	test_certlife_let_time_pass();
	CU_ASSERT_FALSE(certlife_advance(&test_certlife_it)); /* only opens it again */
	TEST_CERTLIFE_STEP(CHECK);
	CU_ASSERT_TRUE(test_certlife_is_ready());
}

/* A worker that is not there, in a place that cannot be told as it is. */
static void test_certlife_no_worker(void)
{
	struct certstat s;

	setenv("POSTERN_LIBEXECDIR", "/nowh\xc3\xa4re", 1);
	CU_ASSERT_TRUE(certlife_advance(&test_certlife_it));
	certlife_fill(&test_certlife_it, &s);
	CU_ASSERT_EQUAL(s.last_code, PST_FETCH_DIED);
	CU_ASSERT_STRING_EQUAL(
		s.last_detail,
		"/nowh??re/certd-fetch cannot be started: No such file or directory");
	test_certlife_restart();
	CU_ASSERT_STRING_EQUAL(test_certlife_it.memo.state.last_detail, s.last_detail);
}

/* Nor where there is no room for it. */
static void test_certlife_no_room(void)
{
	char path[PATH_MAX];

	test_certlife_begin();
	CU_ASSERT_EQUAL(mkdir(test_certlife_at(".pairs/.room", path), 0755), 0);
	test_certlife_let_time_pass();
	certlife_urge(&test_certlife_it);
	CU_ASSERT_TRUE(certlife_advance(&test_certlife_it));
	CU_ASSERT_EQUAL(test_certlife_it.worker.pid, 0);
	CU_ASSERT_EQUAL(test_certlife_it.memo.state.last_code, PST_STORE_WRITE);
	CU_ASSERT_TRUE(test_certlife_is_ready());
}

static const struct tap_test test_certlife_tests[] = {
	{ "first boot", test_certlife_first },
	{ "adopts", test_certlife_adopts },
	{ "renews", test_certlife_renews },
	{ "since when", test_certlife_since },
	{ "dies while it asks", test_certlife_dies_asking },
	{ "short of time", test_certlife_short_of_time },
	{ "memory ends", test_certlife_memory_ends },
	{ "proof", test_certlife_proof },
	{ "clone", test_certlife_clone },
	{ "clone with a memory", test_certlife_clone_remembers },
	{ "renamed", test_certlife_renamed },
	{ "remembers a time", test_certlife_remembers_a_time },
	{ "heals once", test_certlife_heals_once },
	{ "no store", test_certlife_no_store },
	{ "no worker", test_certlife_no_worker },
	{ "no room", test_certlife_no_room },
	{ 0 },
};

static const struct tap_suite test_certlife_suites[] = {
	{ "certlife", test_certlife_tests, test_certlife_setup, test_certlife_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_certlife_suites);
}
