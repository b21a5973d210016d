/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/capture.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/gateway/fakekern.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/denier.h"
#include "tunneld/gateway/denyfeed.h"

static struct gwconf *test_denier_conf;
static struct leasedb *test_denier_db;
static struct gwstats test_denier_stats;
static struct granter *test_denier_granter;
static struct event_base *test_denier_base;
static struct denier *test_denier;
static unsigned int test_denier_n_changed;
static char test_denier_path[PATH_MAX]; /* of the store */
static enum pst test_denier_code;       /* of the last grant */

static void test_denier_on_changed(void *ctx)
{
	CU_ASSERT_PTR_EQUAL(ctx, &test_denier_n_changed);
	test_denier_n_changed++;
}

static void test_denier_setup(void)
{
	static unsigned int n;
	struct denier_spec spec = { .stats = &test_denier_stats,
				    .changed = test_denier_on_changed,
				    .ctx = &test_denier_n_changed };
	char name[32];

	snprintf(name, sizeof(name), "denier-%u.db", n++);
	test_denier_conf = gwfixture_conf();
	test_denier_stats = (struct gwstats){ 0 };
	fakekern_reset();
	if (leasedb_open(tmpdir_path(test_denier_path, name), &test_denier_db) < 0 ||
	    granter_new(test_denier_conf, test_denier_db, &test_denier_stats,
			&test_denier_granter) < 0 ||
	    wgdev_create("postern0") < 0)
		exit(2);
	spec.base = test_denier_base = event_base_new();
	spec.granter = test_denier_granter;
	if (!spec.base || denier_new(&spec, &test_denier) < 0)
		exit(2);
	test_denier_n_changed = 0;
}

static void test_denier_teardown(void)
{
	denier_free(test_denier);
	event_base_free(test_denier_base);
	granter_free(test_denier_granter);
	leasedb_close(test_denier_db);
	gwconf_free(test_denier_conf);
}

/* What has come is done, and nothing that becomes due by it. */
static void test_denier_turn(void)
{
	CU_ASSERT_TRUE(event_base_loop(test_denier_base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

static void test_denier_on_answer(const struct granter_from *from,
				  const struct gwframe_grant *grant,
				  const struct gwframe_answer *answer, void *ctx)
{
	test_denier_code = answer->code;
}

/* Grants number @n, or gives why not. */
static enum pst test_denier_grant(uint8_t n)
{
	struct gwframe_grant g = gwfixture_grant(n);

	CU_ASSERT_EQUAL(granter_add(test_denier_granter, &(struct granter_from){ 0 }, &g), 0);
	CU_ASSERT_EQUAL(
		granter_run(test_denier_granter, GWFIXTURE_NOW, test_denier_on_answer, NULL), 0);
	return test_denier_code;
}

static void test_denier_fill(uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_denier_grant(i), PST_NONE);
}

static struct denylist *test_denier_list(const char *text)
{
	char error[DENYLIST_ERROR_MAX];
	struct denylist *d = NULL;

	if (denylist_parse("deny", text, strlen(text), &d, error) < 0)
		exit(2);
	return d;
}

/* The end of a new probe. */
static int test_denier_open(void)
{
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(denier_open(test_denier, &fd), 0);
	return fd;
}

/* A probe sends @text and ends; nobody has read it yet. */
static void test_denier_send(const char *text)
{
	_cleanup_(denylist_freep) struct denylist *d = test_denier_list(text);
	_cleanup_(closep) int fd = test_denier_open();

	CU_ASSERT_EQUAL(denyfeed_send(fd, d), 0);
}

static void test_denier_takes(void)
{
	test_denier_fill(3);
	test_denier_send("instance i-001\nserial ff");
	CU_ASSERT_EQUAL(test_denier_stats.denied, 0);
	test_denier_turn();
	/* In force at once; the sweep is another turn. */
	CU_ASSERT_EQUAL(test_denier_stats.denied, 2);
	CU_ASSERT_EQUAL(test_denier_grant(1), PST_PEER_DENIED);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 3);
	test_denier_turn();
	CU_ASSERT_EQUAL(fakekern_n_peers(), 2);
	CU_ASSERT_EQUAL(test_denier_stats.cut, 1);
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_TUNNEL_CUT), 1);
	CU_ASSERT_EQUAL(test_denier_n_changed, 2);
	CU_ASSERT_TRUE(denier_finish(test_denier));
	/* Another list replaces it, an empty one too. */
	test_denier_send("");
	test_denier_turn();
	CU_ASSERT_EQUAL(test_denier_stats.denied, 0);
	CU_ASSERT_EQUAL(test_denier_grant(1), PST_NONE);
	CU_ASSERT_TRUE(denier_finish(test_denier));
}

/* The end of the probe may be told before what it has sent was read. */
static void test_denier_takes_at_the_end(void)
{
	test_denier_send("instance i-001");
	CU_ASSERT_TRUE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(test_denier_grant(1), PST_PEER_DENIED);
	/* That was it: without a probe there is no list. */
	closep(&(int){ test_denier_open() });
	CU_ASSERT_FALSE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(test_denier_grant(1), PST_PEER_DENIED);
}

/* A probe that dies, or sends what does not fit: the list before it stays. */
static void test_denier_half(void)
{
	_cleanup_(denylist_freep) struct denylist *d = test_denier_list("serial 1\nserial 2");
	_cleanup_(closep) int fd = -1;
	struct chan_msg head, part;
	size_t at = 1;

	denyfeed_encode_head(d, &head);
	denyfeed_encode_part(d, &at, &part); /* the second entry alone */
	test_denier_send("instance i-001");
	test_denier_turn();
	fd = test_denier_open();
	CU_ASSERT_EQUAL(chan_send(fd, &head), 0);
	CU_ASSERT_EQUAL(chan_send(fd, &part), 0);
	test_denier_turn();
	closep(&fd);
	CU_ASSERT_FALSE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_GATEWAY_WORKER), 0);

	/* What the one before has sent does not make the next one's whole. */
	fd = test_denier_open();
	CU_ASSERT_EQUAL(chan_send(fd, &part), 0);
	test_denier_turn();
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_GATEWAY_WORKER), 1);
	CU_ASSERT_EQUAL(chan_send(fd, &head), -EPIPE);
	CU_ASSERT_FALSE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(test_denier_stats.denied, 1);
	CU_ASSERT_EQUAL(test_denier_grant(1), PST_PEER_DENIED);
}

static void test_denier_another_probe(void)
{
	_cleanup_(denylist_freep) struct denylist *d = test_denier_list("instance i-001");
	_cleanup_(closep) int first = test_denier_open(), second = test_denier_open();

	CU_ASSERT_EQUAL(denyfeed_send(first, d), -EPIPE);
	test_denier_turn();
	CU_ASSERT_EQUAL(test_denier_stats.denied, 0);
	CU_ASSERT_EQUAL(denyfeed_send(second, d), 0);
	CU_ASSERT_TRUE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(test_denier_stats.denied, 1);
}

/* Who has sent a list is not listened to any more. */
static void test_denier_one_list(void)
{
	_cleanup_(denylist_freep) struct denylist *d = test_denier_list("instance i-001");
	_cleanup_(closep) int fd = test_denier_open();

	CU_ASSERT_EQUAL(denyfeed_send(fd, d), 0);
	test_denier_turn();
	CU_ASSERT_EQUAL(test_denier_stats.denied, 1);
	CU_ASSERT_EQUAL(denyfeed_send(fd, NULL), -EPIPE);
	CU_ASSERT_TRUE(denier_finish(test_denier));
	CU_ASSERT_EQUAL(test_denier_stats.denied, 1);
}

static void test_denier_sweeps_in_turns(void)
{
	test_denier_fill(2 * GRANTER_EXPIRE_MAX + 1);
	test_denier_send("principal " GWFIXTURE_TENANT);
	test_denier_turn();
	for (size_t left = 2 * GRANTER_EXPIRE_MAX + 1; left > GRANTER_EXPIRE_MAX;) {
		CU_ASSERT_EQUAL(fakekern_n_peers(), left);
		test_denier_turn();
		left -= GRANTER_EXPIRE_MAX;
	}
	/* Another list meanwhile begins another sweep, from the start. */
	test_denier_send("instance i-000\nserial 1ab");
	test_denier_turn();
	test_denier_turn();
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	CU_ASSERT_EQUAL(test_denier_stats.cut, 2 * GRANTER_EXPIRE_MAX + 1);
}

static void test_denier_kernel_fails(void)
{
	test_denier_fill(2);
	test_denier_send("instance i-001");
	test_denier_turn();
	fakekern_fail(-ENODEV);
	capture_begin();
	test_denier_turn();
	CU_ASSERT_PTR_NOT_NULL(strstr(capture_end(), "cannot cut off who is denied: No such dev"));
	fakekern_fail(0);
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_GATEWAY_KERNEL), 1);
	CU_ASSERT_EQUAL(test_denier_stats.cut, 0);
	/* Not again at once, but later. */
	test_denier_turn();
	CU_ASSERT_EQUAL(fakekern_n_peers(), 2);
	CU_ASSERT_EQUAL(event_base_get_num_events(test_denier_base, EVENT_BASE_COUNT_ADDED), 1);
	/* A list that comes meanwhile is not made to wait. */
	test_denier_send("instance i-001");
	test_denier_turn();
	test_denier_turn();
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	CU_ASSERT_EQUAL(event_base_get_num_events(test_denier_base, EVENT_BASE_COUNT_ADDED), 0);
	denier_free(NULL);
}

/* Takes @text as the list, and sweeps once. Gives what was said. */
static const char *test_denier_hear(const char *text)
{
	test_denier_send(text);
	capture_begin();
	test_denier_turn();
	test_denier_turn();
	return capture_end();
}

/* People hear of a list with entries and of its end, and how many tunnels one list ended. */
static void test_denier_tells(void)
{
	const char *log;

	test_denier_fill(3);
	CU_ASSERT_STRING_EQUAL(test_denier_hear("# nobody"), "");
	log = test_denier_hear("instance i-001\ninstance i-002");
	CU_ASSERT_PTR_NOT_NULL(strstr(log, "deny-list: 2 entries are in force\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(log, ": 2 tunnels are cut off"));
	log = test_denier_hear("instance i-000");
	CU_ASSERT_PTR_NOT_NULL(strstr(log, ": 1 tunnels are cut off"));
	log = test_denier_hear("");
	CU_ASSERT_PTR_NOT_NULL(strstr(log, "deny-list: 0 entries are in force\n"));
	CU_ASSERT_PTR_NULL(strstr(log, "cut off"));
	CU_ASSERT_STRING_EQUAL(test_denier_hear(""), "");
}

/* Does something to the store that no program of ours does. */
static void test_denier_damage(const char *sql)
{
	sqlite3 *db = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(test_denier_path, &db), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* What cannot be taken out of the store does not make the next step wait. */
static void test_denier_store_fails(void)
{
	test_denier_fill(GRANTER_EXPIRE_MAX + 1);
	test_denier_damage("CREATE TRIGGER never BEFORE DELETE ON lease "
			   "BEGIN SELECT RAISE(ABORT, 'never'); END");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(test_denier_hear("principal " GWFIXTURE_TENANT), "stay in the store"));
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_STORE_FAILED), 1);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	test_denier_turn();
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_STORE_FAILED), 2);
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_GATEWAY_KERNEL), 0);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
}

/* A store that cannot be read is read again, but not at once. */
static void test_denier_store_unread(void)
{
	test_denier_fill(2);
	test_denier_damage("UPDATE lease SET serial = hex(zeroblob(1000))");
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denier_hear("instance i-001"), "is not known; tried"));
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_STORE_FAILED), 1);
	test_denier_turn();
	CU_ASSERT_EQUAL(gwstats_of(&test_denier_stats, PST_STORE_FAILED), 1);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 2);
	CU_ASSERT_EQUAL(event_base_get_num_events(test_denier_base, EVENT_BASE_COUNT_ADDED), 1);
}

static const struct tap_test test_denier_tests[] = {
	{ "a list comes", test_denier_takes },
	{ "a list is read when its probe has ended", test_denier_takes_at_the_end },
	{ "half a list is none", test_denier_half },
	{ "another probe", test_denier_another_probe },
	{ "one list", test_denier_one_list },
	{ "a sweep gives the loop back", test_denier_sweeps_in_turns },
	{ "the kernel fails", test_denier_kernel_fails },
	{ "what is told", test_denier_tells },
	{ "the store fails", test_denier_store_fails },
	{ "the store cannot be read", test_denier_store_unread },
	{ 0 },
};

static const struct tap_suite test_denier_suites[] = {
	{ "denier", test_denier_tests, test_denier_setup, test_denier_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_denier_suites);
}
