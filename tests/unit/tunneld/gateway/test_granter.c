/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "certs/denylist.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/gateway/fakekern.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/granter.h"

#define TEST_GRANTER_MAX 8 /* grants_max of the fixture */

static struct gwconf *test_granter_conf;
static struct leasedb *test_granter_db;
static char test_granter_path[PATH_MAX]; /* of the store */
static struct gwstats test_granter_stats;
static struct granter *test_granter;
static enum pst test_granter_codes[TEST_GRANTER_MAX];
static uint32_t test_granter_retries[TEST_GRANTER_MAX];
static size_t test_granter_n;

static void test_granter_setup(void)
{
	static unsigned int n;
	char name[32];

	snprintf(name, sizeof(name), "granter-%u.db", n++);
	test_granter_conf = gwfixture_conf();
	test_granter_stats = (struct gwstats){ 0 };
	fakekern_reset();
	if (leasedb_open(tmpdir_path(test_granter_path, name), &test_granter_db) < 0 ||
	    granter_new(test_granter_conf, test_granter_db, &test_granter_stats, &test_granter) <
		    0 ||
	    wgdev_create("postern0") < 0)
		exit(2);
}

static void test_granter_teardown(void)
{
	granter_free(test_granter);
	leasedb_close(test_granter_db);
	gwconf_free(test_granter_conf);
}

static void test_granter_on_answer(const struct granter_from *from,
				   const struct gwframe_grant *grant,
				   const struct gwframe_answer *answer, void *ctx)
{
	CU_ASSERT_EQUAL(from->seq, test_granter_n);
	CU_ASSERT_PTR_EQUAL(ctx, &test_granter_n);
	if (test_granter_n == TEST_GRANTER_MAX)
		return;
	test_granter_codes[test_granter_n] = answer->code;
	test_granter_retries[test_granter_n++] = answer->retry_after_s;
}

static void test_granter_add(const struct gwframe_grant *grant)
{
	struct granter_from from = { .seq = (uint32_t)granter_n_waiting(test_granter) };

	CU_ASSERT_EQUAL(granter_add(test_granter, &from, grant), 0);
}

static int test_granter_run(uint64_t now)
{
	test_granter_n = 0;
	return granter_run(test_granter, now, test_granter_on_answer, &test_granter_n);
}

static uint64_t test_granter_leases(void)
{
	uint64_t n = UINT64_MAX;

	CU_ASSERT_EQUAL(leasedb_count(test_granter_db, &n), 0);
	return n;
}

static void test_granter_one_batch(void)
{
	const struct wgdev_peer *peer;
	struct gwframe_grant g;

	for (uint8_t i = 0; i < TEST_GRANTER_MAX; i++) {
		g = gwfixture_grant(i);
		test_granter_add(&g);
	}
	CU_ASSERT_EQUAL(granter_add(test_granter, &(struct granter_from){ 0 }, &g), -ENOSPC);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_n, TEST_GRANTER_MAX);
	for (size_t i = 0; i < test_granter_n; i++)
		CU_ASSERT_EQUAL(test_granter_codes[i], PST_NONE);
	CU_ASSERT_EQUAL(fakekern_n_peers(), TEST_GRANTER_MAX);
	CU_ASSERT_EQUAL(fakekern_n_puts(), 1);
	CU_ASSERT_EQUAL(test_granter_stats.batches, 1);
	CU_ASSERT_EQUAL(test_granter_leases(), TEST_GRANTER_MAX);
	peer = fakekern_find(&g.host_key);
	CU_ASSERT_PTR_NOT_NULL(peer);
	if (peer) {
		CU_ASSERT_TRUE(secret_equal(&peer->psk, &g.psk));
		CU_ASSERT_EQUAL(peer->allowed[0].len, 128);
		CU_ASSERT_TRUE(ip6_addr_equal(&peer->allowed[0].addr, &g.host_addr));
	}
	/* The room is free again, and an empty batch does nothing. */
	CU_ASSERT_EQUAL(granter_n_waiting(test_granter), 0);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_n, 0);
	CU_ASSERT_EQUAL(fakekern_n_puts(), 1);
}

static void test_granter_refusals_do_not_touch(void)
{
	struct gwframe_grant good = gwfixture_grant(1), thief = gwfixture_grant(2),
			     liar = gwfixture_grant(3);
	struct gwframe_grant collides = gwfixture_grant(4);

	thief.host_key = good.host_key;
	liar.host_addr.s6_addr[0] = 0x20;
	collides.host_addr = good.host_addr;
	test_granter_add(&good);
	test_granter_add(&thief);
	test_granter_add(&liar);
	test_granter_add(&collides);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
	CU_ASSERT_EQUAL(test_granter_codes[1], PST_KEY_TAKEN);
	CU_ASSERT_EQUAL(test_granter_codes[2], PST_GATEWAY_WORKER);
	CU_ASSERT_EQUAL(test_granter_codes[3], PST_ADDRESS_TAKEN);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	CU_ASSERT_EQUAL(test_granter_leases(), 1);
	/* Only refusals: the kernel is not even asked. */
	test_granter_add(&thief);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(fakekern_n_puts(), 1);
}

static void test_granter_new_key(void)
{
	struct gwframe_grant old = gwfixture_grant(1), new = old;

	memset(new.host_key.bytes, 0x77, WGKEY_BYTES);
	test_granter_add(&old);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	test_granter_add(&new);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_PTR_NULL(fakekern_find(&old.host_key));
	CU_ASSERT_PTR_NOT_NULL(fakekern_find(&new.host_key));
	CU_ASSERT_EQUAL(test_granter_leases(), 1);
	/* There and back in one batch: the key that was replaced first is wanted in the end. */
	test_granter_add(&old);
	test_granter_add(&new);
	test_granter_add(&old);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_PTR_NOT_NULL(fakekern_find(&old.host_key));
	CU_ASSERT_PTR_NULL(fakekern_find(&new.host_key));
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
}

static void test_granter_kernel_fails(void)
{
	struct gwframe_grant g = gwfixture_grant(1);

	fakekern_fail(-ENODEV);
	test_granter_add(&g);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), -ENODEV);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_GATEWAY_KERNEL);
	CU_ASSERT_TRUE(test_granter_retries[0] >= GRANTER_RETRY_S);
	fakekern_fail(0);
}

static void test_granter_store_fails(void)
{
	struct gwframe_grant g = gwfixture_grant(1);
	struct rlimit old, small = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 1;
	test_granter_add(&g);
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_STORE_FAILED);
	CU_ASSERT_TRUE(test_granter_retries[0] >= GRANTER_RETRY_S);
	CU_ASSERT_TRUE(strlen(granter_error(test_granter)) > 0);
	CU_ASSERT_EQUAL(fakekern_n_puts(), 0);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	CU_ASSERT_EQUAL(test_granter_stats.batches, 0);
	/* The same host gets its lease as soon as there is room. */
	test_granter_add(&g);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
}

static void test_granter_expires(void)
{
	struct gwframe_grant g;
	size_t n = 9;

	for (uint8_t i = 0; i < 2 * TEST_GRANTER_MAX + 1; i++) {
		g = gwfixture_grant(i);
		test_granter_add(&g);
		CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	}
	CU_ASSERT_EQUAL(granter_expire(test_granter, GWFIXTURE_NOW + 99, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(granter_expire(test_granter, GWFIXTURE_NOW + 100, &n), 0);
	CU_ASSERT_EQUAL(n, GRANTER_EXPIRE_MAX);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	CU_ASSERT_EQUAL(granter_expire(test_granter, GWFIXTURE_NOW + 100, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	CU_ASSERT_EQUAL(test_granter_leases(), 0);
}

static struct denylist *test_granter_list(const char *text)
{
	char error[DENYLIST_ERROR_MAX];
	struct denylist *d = NULL;

	if (denylist_parse("deny", text, strlen(text), &d, error) < 0)
		exit(2);
	return d;
}

/* Grants number 0 to @n - 1, a batch each. */
static void test_granter_fill(uint8_t n)
{
	for (uint8_t i = 0; i < n; i++) {
		struct gwframe_grant g = gwfixture_grant(i);

		test_granter_add(&g);
		CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
		CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
	}
}

static char test_granter_cuts[256]; /* "instance:entry " for each */

static void test_granter_on_cut(const struct gate_lease *lease, const char *by, void *ctx)
{
	size_t len = strlen(test_granter_cuts);

	CU_ASSERT_PTR_EQUAL(ctx, &test_granter_n);
	/* The peer is gone when it is told. */
	CU_ASSERT_PTR_NULL(fakekern_find(&lease->key));
	snprintf(test_granter_cuts + len, sizeof(test_granter_cuts) - len, "%s:%s ",
		 lease->instance_id, by);
}

/* One step. Gives what granter_sweep() gives, and whether there is more. */
static int test_granter_sweep(bool *ret_more)
{
	test_granter_cuts[0] = '\0';
	return granter_sweep(test_granter, test_granter_on_cut, &test_granter_n, ret_more);
}

static bool test_granter_has(uint8_t n)
{
	struct gwframe_grant g = gwfixture_grant(n);
	struct gate_lease lease;
	bool peer = fakekern_find(&g.host_key) != NULL;

	CU_ASSERT_EQUAL(leasedb_find_key(test_granter_db, &g.host_key, &lease) == 0, peer);
	return peer;
}

static void test_granter_denied_get_nothing(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("instance i-001\nserial cd\nprincipal a.b");
	struct gwframe_grant g[4] = { gwfixture_grant(0), gwfixture_grant(1), gwfixture_grant(2),
				      gwfixture_grant(3) };

	snprintf(g[2].serial, sizeof(g[2].serial), "00CD");
	g[3].epoch += GATE_EPOCH_SLACK_S + 1; /* wrong in another way, which comes first */
	snprintf(g[3].instance_id, sizeof(g[3].instance_id), "i-001");
	/* The list comes while they wait: a worker with an older one has let them through. */
	for (size_t i = 0; i < ARRAY_SIZE(g); i++)
		test_granter_add(&g[i]);
	granter_deny(test_granter, d);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
	CU_ASSERT_EQUAL(test_granter_codes[1], PST_PEER_DENIED);
	CU_ASSERT_EQUAL(test_granter_retries[1], 0);
	CU_ASSERT_EQUAL(test_granter_codes[2], PST_PEER_DENIED);
	CU_ASSERT_EQUAL(test_granter_codes[3], PST_GATEWAY_WORKER);
	CU_ASSERT_EQUAL(test_granter_leases(), 1);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	/* Taken off the list, they are served. */
	granter_deny(test_granter, NULL);
	test_granter_add(&g[1]);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
}

/* A list is configured, and none has come yet: whoever asks is to come again. */
static void test_granter_waits_for_the_list(void)
{
	_cleanup_(denylist_freep) struct denylist *nobody = test_granter_list("");
	struct gwframe_grant g = gwfixture_grant(0);

	snprintf(test_granter_conf->deny_file, sizeof(test_granter_conf->deny_file), "/deny");
	test_granter_add(&g);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_RETRY_LATER);
	CU_ASSERT_TRUE(test_granter_retries[0] > 0);
	CU_ASSERT_EQUAL(test_granter_leases(), 0);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	granter_deny(test_granter, nobody);
	test_granter_add(&g);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_NONE);
}

static void test_granter_sweeps(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("instance i-003\ninstance i-000");
	_cleanup_(denylist_freep) struct denylist *all = test_granter_list("serial 1AB");
	_cleanup_(denylist_freep) struct denylist *nobody = test_granter_list("principal a.b");
	bool more = true;

	test_granter_fill(5);
	granter_deny(test_granter, nobody);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "");
	CU_ASSERT_EQUAL(test_granter_leases(), 5);
	granter_deny(test_granter, d);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "i-000:instance i-003:instance ");
	for (uint8_t i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(test_granter_has(i), i != 0 && i != 3);
	/* A sweep that has ended finds nothing again; another list begins another. */
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "");
	granter_deny(test_granter, all);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "i-001:serial i-002:serial i-004:serial ");
	CU_ASSERT_EQUAL(test_granter_leases(), 0);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
}

/* The loop is given back after so many peers, and after so many leases. */
static void test_granter_sweeps_in_steps(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("principal " GWFIXTURE_TENANT);
	_cleanup_(denylist_freep) struct denylist *last = test_granter_list("instance i-128");
	bool more = false;

	test_granter_fill(GRANTER_SWEEP_MAX + 1);
	granter_deny(test_granter, last);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_TRUE(more);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "");
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "i-128:instance ");
	granter_deny(test_granter, d);
	for (size_t left = GRANTER_SWEEP_MAX; left; left -= GRANTER_EXPIRE_MAX) {
		CU_ASSERT_EQUAL(fakekern_n_peers(), left);
		CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
		CU_ASSERT_EQUAL(more, left > GRANTER_EXPIRE_MAX);
	}
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	CU_ASSERT_EQUAL(test_granter_leases(), 0);
}

/* Grants between two steps: before and behind the place that the sweep has reached. */
static void test_granter_grants_during_a_sweep(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("principal " GWFIXTURE_TENANT);
	struct gwframe_grant early = gwfixture_grant(0), late = gwfixture_grant(100);
	bool more = false;

	test_granter_fill(GRANTER_EXPIRE_MAX + 2);
	granter_deny(test_granter, d);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_TRUE(more);
	test_granter_add(&early);
	test_granter_add(&late);
	CU_ASSERT_EQUAL(test_granter_run(GWFIXTURE_NOW), 0);
	CU_ASSERT_EQUAL(test_granter_codes[0], PST_PEER_DENIED);
	CU_ASSERT_EQUAL(test_granter_codes[1], PST_PEER_DENIED);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_EQUAL(test_granter_leases(), 0);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
}

static void test_granter_sweep_kernel_fails(void)
{
	_cleanup_(denylist_freep) struct denylist *d = test_granter_list("instance i-001");
	bool more = true;

	test_granter_fill(3);
	granter_deny(test_granter, d);
	fakekern_fail(-ENODEV);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), -ENODEV);
	fakekern_fail(0);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "");
	CU_ASSERT_TRUE(test_granter_has(1));
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_FALSE(test_granter_has(1));
}

/* A full disk: the tunnels are cut all the same, in all steps. */
static void test_granter_sweep_store_fails(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("principal " GWFIXTURE_TENANT);
	struct rlimit old, small = { .rlim_cur = 1 };
	bool more = false;

	test_granter_fill(GRANTER_EXPIRE_MAX + 1);
	granter_deny(test_granter, d);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), GRANTER_E_STORE);
	CU_ASSERT_TRUE(more);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	CU_ASSERT_TRUE(strlen(granter_error(test_granter)) > 0);
	CU_ASSERT_EQUAL(test_granter_sweep(&more), GRANTER_E_STORE);
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
	CU_ASSERT_EQUAL(test_granter_leases(), GRANTER_EXPIRE_MAX + 1);
}

/* Does something to the store that no program of ours does. */
static void test_granter_damage(const char *sql)
{
	sqlite3 *db = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(test_granter_path, &db), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Nobody knows who is behind the line that cannot be read: the sweep does not go past it. */
static void test_granter_sweep_store_unread(void)
{
	_cleanup_(denylist_freep) struct denylist *d =
		test_granter_list("principal " GWFIXTURE_TENANT);
	bool more = true;

	test_granter_fill(3);
	granter_deny(test_granter, d);
	test_granter_damage("UPDATE lease SET serial = hex(zeroblob(1000)) "
			    "WHERE instance_id = 'i-001'");
	CU_ASSERT_EQUAL(test_granter_sweep(&more), GRANTER_E_UNREAD);
	CU_ASSERT_TRUE(more);
	CU_ASSERT_STRING_EQUAL(test_granter_cuts, "");
	CU_ASSERT_EQUAL(fakekern_n_peers(), 3);
	test_granter_damage("UPDATE lease SET serial = '1ab'");
	CU_ASSERT_EQUAL(test_granter_sweep(&more), 0);
	CU_ASSERT_FALSE(more);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 0);
}

static const struct tap_test test_granter_tests[] = {
	{ "many grants, one transaction, one batch", test_granter_one_batch },
	{ "refusals touch nothing", test_granter_refusals_do_not_touch },
	{ "a new key of the same host", test_granter_new_key },
	{ "the kernel fails", test_granter_kernel_fails },
	{ "the store fails: the kernel is not touched", test_granter_store_fails },
	{ "leases end with their peers", test_granter_expires },
	{ "who is denied gets nothing", test_granter_denied_get_nothing },
	{ "a list that has not come yet", test_granter_waits_for_the_list },
	{ "a sweep cuts off who is denied", test_granter_sweeps },
	{ "a sweep in steps", test_granter_sweeps_in_steps },
	{ "grants during a sweep", test_granter_grants_during_a_sweep },
	{ "a sweep: the kernel fails", test_granter_sweep_kernel_fails },
	{ "a sweep: the store fails", test_granter_sweep_store_fails },
	{ "a sweep: the store cannot be read", test_granter_sweep_store_unread },
	{ 0 },
};

static const struct tap_suite test_granter_suites[] = {
	{ "granter", test_granter_tests, test_granter_setup, test_granter_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_granter_suites);
}
