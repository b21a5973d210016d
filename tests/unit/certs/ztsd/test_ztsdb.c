/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/ztsd/ztsdb.h"
#include "common/buf.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/certs/ztsd/baddisk.h"

#define TEST_ZTSDB_NOW 1000000
#define TEST_ZTSDB_KILLS 20
#define TEST_ZTSDB_CALLS_MAX 200 /* of the disk, in one refresh or start */

static struct ztsdb *test_ztsdb;
static char test_ztsdb_path[PATH_MAX];

static const struct ztsdb_key test_ztsdb_key = { "prov.one", "dom.a", "svc", "i-01" };

/* In place of libc's: SQLite calls this one. */
static unsigned int test_ztsdb_n_syncs;

_public_ int fdatasync(int fd)
{
	test_ztsdb_n_syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

static void test_ztsdb_setup(void)
{
	static unsigned int n;
	char name[32];

	snprintf(name, sizeof(name), "ztsd-%u.db", n++);
	tmpdir_path(test_ztsdb_path, name);
	if (ztsdb_open(test_ztsdb_path, true, &test_ztsdb) < 0)
		exit(2);
}

static void test_ztsdb_teardown(void)
{
	ztsdb_close(test_ztsdb);
	test_ztsdb = NULL;
}

static void test_ztsdb_reopen(void)
{
	ztsdb_close(test_ztsdb);
	test_ztsdb = NULL;
	if (ztsdb_open(test_ztsdb_path, false, &test_ztsdb) < 0)
		exit(2);
}

static struct ztsdb_issue test_ztsdb_issue(const char *serial)
{
	return (struct ztsdb_issue){ .key = test_ztsdb_key,
				     .serial = serial,
				     .addr = "2001:db8::5",
				     .now_wall = TEST_ZTSDB_NOW,
				     .expires_wall = TEST_ZTSDB_NOW + 3600 };
}

static int test_ztsdb_register(const char *serial)
{
	struct ztsdb_issue issue = test_ztsdb_issue(serial);

	return ztsdb_register(test_ztsdb, &issue);
}

/* A refresh a second after the last one, with a certificate made at @made. */
static int test_ztsdb_refresh_at(const char *presented, const char *serial, uint64_t made)
{
	struct ztsdb_issue issue = test_ztsdb_issue(serial);

	issue.presented = presented;
	issue.presented_wall = made;
	issue.now_wall += 1;
	issue.expires_wall += 1;
	return ztsdb_refresh(test_ztsdb, &issue);
}

static int test_ztsdb_refresh(const char *presented, const char *serial)
{
	return test_ztsdb_refresh_at(presented, serial, TEST_ZTSDB_NOW);
}

static void test_ztsdb_expect(const char *current, const char *previous, enum ztsdb_state state)
{
	struct ztsdb_instance i = { .current = "" };

	CU_ASSERT_EQUAL(ztsdb_find_instance(test_ztsdb, &test_ztsdb_key, &i), 0);
	CU_ASSERT_STRING_EQUAL(i.current, current);
	CU_ASSERT_STRING_EQUAL(i.previous, previous);
	CU_ASSERT_EQUAL(i.state, state);
}

static void test_ztsdb_registry(void)
{
	struct ztsdb_domain d = { .name = "dom.a", .account = "123456789012" }, found;
	struct ztsdb_service s = { "dom.a", "svc", "prov.one" };
	struct ztsdb_launch l;

	CU_ASSERT_EQUAL(ztsdb_find_domain(test_ztsdb, "dom.a", &found), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_FALSE(l.has_domain);
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &d), 0);
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_TRUE(l.has_domain && !l.has_service && !l.is_allowed);
	CU_ASSERT_STRING_EQUAL(l.account, "123456789012");
	s.provider[0] = '\0';
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), 0);
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_TRUE(l.has_service && !l.is_allowed);
	snprintf(s.provider, sizeof(s.provider), "prov.one");
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), 0);
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), 0); /* twice is once */
	d.max_lifetime_s = 60;
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &d), 0); /* keeps its services */
	test_ztsdb_reopen();
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_TRUE(l.has_service && l.is_allowed);
	CU_ASSERT_EQUAL(l.max_lifetime_s, 60);
	CU_ASSERT_EQUAL(ztsdb_remove_service(test_ztsdb, &s), 0);
	CU_ASSERT_EQUAL(ztsdb_remove_service(test_ztsdb, &s), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_TRUE(l.has_service && !l.is_allowed);
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), 0);
	CU_ASSERT_EQUAL(ztsdb_remove_domain(test_ztsdb, "dom.a"), 0);
	CU_ASSERT_EQUAL(ztsdb_remove_domain(test_ztsdb, "dom.a"), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &d), 0); /* nothing came back with it */
	CU_ASSERT_EQUAL(ztsdb_find_launch(test_ztsdb, &test_ztsdb_key, &l), 0);
	CU_ASSERT_TRUE(l.has_domain && !l.has_service && !l.is_allowed);
}

static int test_ztsdb_join_domain(const struct ztsdb_domain *d, void *user)
{
	buf_addf(user, "%s;", d->name);
	return strcmp(d->name, "stop") == 0 ? 7 : 0;
}

static int test_ztsdb_join_service(const struct ztsdb_service *s, void *user)
{
	buf_addf(user, "%s.%s@%s;", s->domain, s->service, s->provider);
	return 0;
}

static void test_ztsdb_lists_registry(void)
{
	static const char *const names[] = { "dom.b", "dom.a" };
	_cleanup_(buf_release) struct buf text = buf_init(256);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct ztsdb_domain d = { .account = "" };
		struct ztsdb_service s = { .service = "svc" };

		snprintf(d.name, sizeof(d.name), "%s", names[i]);
		snprintf(s.domain, sizeof(s.domain), "%s", names[i]);
		CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &d), 0);
		CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb, &s), 0);
	}
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb,
					  &(struct ztsdb_service){ "dom.a", "svc", "prov.two" }),
			0);
	CU_ASSERT_EQUAL(ztsdb_put_service(test_ztsdb,
					  &(struct ztsdb_service){ "dom.a", "svc", "prov.one" }),
			0);
	CU_ASSERT_EQUAL(ztsdb_list_domains(test_ztsdb, test_ztsdb_join_domain, &text), 0);
	CU_ASSERT_STRING_EQUAL(text.text, "dom.a;dom.b;");
	buf_release(&text);
	CU_ASSERT_EQUAL(ztsdb_list_services(test_ztsdb, NULL, test_ztsdb_join_service, &text), 0);
	CU_ASSERT_STRING_EQUAL(text.text, "dom.a.svc@prov.one;dom.a.svc@prov.two;dom.b.svc@;");
	buf_release(&text);
	CU_ASSERT_EQUAL(ztsdb_list_services(test_ztsdb, "dom.b", test_ztsdb_join_service, &text),
			0);
	CU_ASSERT_STRING_EQUAL(text.text, "dom.b.svc@;");
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &(struct ztsdb_domain){ .name = "stop" }), 0);
	CU_ASSERT_EQUAL(ztsdb_put_domain(test_ztsdb, &(struct ztsdb_domain){ .name = "z" }), 0);
	buf_release(&text);
	CU_ASSERT_EQUAL(ztsdb_list_domains(test_ztsdb, test_ztsdb_join_domain, &text), 7);
	CU_ASSERT_STRING_EQUAL(text.text, "dom.a;dom.b;stop;");
}

static void test_ztsdb_current_serial(void)
{
	struct ztsdb_instance i;

	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	test_ztsdb_expect("aa", "", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	test_ztsdb_expect("bb", "aa", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("bb", "cc"), 0);
	test_ztsdb_expect("cc", "bb", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(ztsdb_find_instance(test_ztsdb, &test_ztsdb_key, &i), 0);
	CU_ASSERT_STRING_EQUAL(i.provider, "prov.one");
	CU_ASSERT_STRING_EQUAL(i.domain, "dom.a");
	CU_ASSERT_STRING_EQUAL(i.service, "svc");
	CU_ASSERT_STRING_EQUAL(i.instance_id, "i-01");
	CU_ASSERT_STRING_EQUAL(i.addr, "2001:db8::5");
	CU_ASSERT_EQUAL(i.first_wall, TEST_ZTSDB_NOW);
	CU_ASSERT_EQUAL(i.last_wall, TEST_ZTSDB_NOW + 1);
	CU_ASSERT_EQUAL(i.expires_wall, TEST_ZTSDB_NOW + 3601);
}

/* Answers that were lost: the host comes again with what it has, as often as it must. */
static void test_ztsdb_previous_serial(void)
{
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "cc"), 0);
	test_ztsdb_expect("cc", "aa", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "dd"), 0);
	test_ztsdb_expect("dd", "aa", ZTSDB_LIVE);
	/* What was lost must not come back. */
	CU_ASSERT_EQUAL(test_ztsdb_refresh("bb", "ee"), ZTSDB_E_REVOKED);
}

static void test_ztsdb_stale_serial(void)
{
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("bb", "cc"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "dd"), ZTSDB_E_REVOKED);
	test_ztsdb_expect("-1", "-1", ZTSDB_STALE);
	test_ztsdb_reopen(); /* the revocation lasts, too */
	CU_ASSERT_EQUAL(test_ztsdb_refresh("cc", "dd"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("-1", "dd"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(test_ztsdb_register("ee"), 0);
	test_ztsdb_expect("ee", "", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("", "ff"), ZTSDB_E_REVOKED);
}

static void test_ztsdb_no_record(void)
{
	struct ztsdb_key other = test_ztsdb_key;

	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	other.instance_id = "I-01"; /* ids may differ in case only */
	CU_ASSERT_EQUAL(ztsdb_revoke(test_ztsdb, &other), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_reset(test_ztsdb, &other, 1), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_remove_instance(test_ztsdb, &other), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_remove_instance(test_ztsdb, &test_ztsdb_key), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), ZTSDB_E_NONE);
}

static void test_ztsdb_blocked(void)
{
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(ztsdb_revoke(test_ztsdb, &test_ztsdb_key), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(test_ztsdb_register("bb"), ZTSDB_E_REVOKED);
	test_ztsdb_expect("-1", "-1", ZTSDB_BLOCKED);
	CU_ASSERT_EQUAL(ztsdb_reset_all(test_ztsdb, TEST_ZTSDB_NOW + 10), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(ztsdb_reset(test_ztsdb, &test_ztsdb_key, TEST_ZTSDB_NOW), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("bb"), 0);
	test_ztsdb_expect("bb", "", ZTSDB_LIVE);
}

static void test_ztsdb_reset_time(void)
{
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("xx", "bb"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(ztsdb_reset(test_ztsdb, &test_ztsdb_key, TEST_ZTSDB_NOW), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("aa", "bb", TEST_ZTSDB_NOW + 1), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(ztsdb_reset(test_ztsdb, &test_ztsdb_key, TEST_ZTSDB_NOW), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("aa", "bb", TEST_ZTSDB_NOW), 0);
	test_ztsdb_expect("bb", "aa", ZTSDB_LIVE);
	/* For one certificate only: the clone is found again. */
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("xx", "cc", TEST_ZTSDB_NOW), ZTSDB_E_REVOKED);
}

static void test_ztsdb_reset_all(void)
{
	uint64_t epoch = TEST_ZTSDB_NOW;

	CU_ASSERT_EQUAL(ztsdb_reset_all(test_ztsdb, epoch), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("aa", "bb", epoch + 1), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("aa", "bb", epoch), 0); /* a lost record */
	test_ztsdb_expect("bb", "aa", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("aa", "cc", epoch), 0); /* that answer was lost */
	test_ztsdb_expect("cc", "aa", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("xx", "dd", epoch), ZTSDB_E_REVOKED);
	test_ztsdb_expect("-1", "-1", ZTSDB_STALE);
	CU_ASSERT_EQUAL(ztsdb_reset_all(test_ztsdb, epoch + 1), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh_at("yy", "cc", epoch + 1), 0);
	test_ztsdb_expect("cc", "yy", ZTSDB_LIVE);
}

static int test_ztsdb_join_instance(const struct ztsdb_instance *i, void *user)
{
	buf_addf(user, "%s;", i->instance_id);
	return 0;
}

static void test_ztsdb_lists_instances(void)
{
	static const struct ztsdb_key keys[] = {
		{ "prov.one", "dom.b", "svc", "i-3" },
		{ "prov.one", "dom.a", "svc", "i-2" },
		{ "prov.two", "dom.a", "svc", "i-1" },
		{ "prov.two", "dom.a", "web", "i-4" },
	};
	static const struct {
		struct ztsdb_filter filter;
		const char *expect;
	} cases[] = {
		{ { NULL, NULL, NULL, NULL }, "i-1;i-2;i-3;i-4;" },
		{ { "", "dom.a", "", "" }, "i-1;i-2;i-4;" },
		{ { "prov.one", NULL, NULL, NULL }, "i-2;i-3;" },
		{ { NULL, NULL, "web", NULL }, "i-4;" },
		{ { NULL, NULL, NULL, "i-3" }, "i-3;" },
		{ { NULL, NULL, NULL, "i-9" }, "" },
	};
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct ztsdb_issue issue = test_ztsdb_issue("aa");

		issue.key = keys[i];
		CU_ASSERT_EQUAL(ztsdb_register(test_ztsdb, &issue), 0);
	}
	CU_ASSERT_EQUAL(ztsdb_count(test_ztsdb, &n), 0);
	CU_ASSERT_EQUAL(n, 4);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_release) struct buf text = buf_init(64);

		CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &cases[i].filter,
						     test_ztsdb_join_instance, &text),
				0);
		buf_add(&text, "");
		CU_ASSERT_STRING_EQUAL(text.text, cases[i].expect);
	}
}

static uint64_t test_ztsdb_count(void)
{
	uint64_t n = 0;

	CU_ASSERT_EQUAL(ztsdb_count(test_ztsdb, &n), 0);
	return n;
}

/* A list that must come in order, each record once; it ends after @stop of them. */
struct test_ztsdb_walk {
	unsigned int n, stop;
};

static int test_ztsdb_walk(const struct ztsdb_instance *i, void *user)
{
	struct test_ztsdb_walk *w = user;
	char id[32];

	snprintf(id, sizeof(id), "w-%03u", w->n++ / 2);
	CU_ASSERT_STRING_EQUAL(i->instance_id, id);
	CU_ASSERT_STRING_EQUAL(i->service, w->n % 2 ? "svc" : "web");
	return w->n == w->stop ? 7 : 0;
}

/* Two records of each of @n instances; inside a transaction. */
static void test_ztsdb_add_pairs(unsigned int n)
{
	struct ztsdb_issue issue = test_ztsdb_issue("aa");
	char id[32];

	for (unsigned int i = 0; i < 2 * n; i++) {
		snprintf(id, sizeof(id), "w-%03u", i / 2);
		issue.key.instance_id = id;
		issue.key.service = i % 2 ? "web" : "svc";
		CU_ASSERT_EQUAL(ztsdb_register(test_ztsdb, &issue), 0);
	}
}

static void test_ztsdb_register_pairs(unsigned int n)
{
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	test_ztsdb_add_pairs(n);
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
}

/* Lists are read in pieces of 64 records. */
static void test_ztsdb_long_lists(void)
{
	static const unsigned int sizes[] = { 31, 32, 33, 64, 100 };
	const struct ztsdb_filter all = { NULL, NULL, NULL, NULL },
				  one = { NULL, NULL, NULL, "w-020" },
				  half = { NULL, NULL, "web", NULL };
	_cleanup_(buf_release) struct buf text = buf_init(64);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct test_ztsdb_walk w = { .n = 0 }, stopped = { .stop = sizes[i] };
		struct buf names = buf_init(4096);

		test_ztsdb_register_pairs(sizes[i]);
		CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &all, test_ztsdb_walk, &w), 0);
		CU_ASSERT_EQUAL(w.n, 2 * sizes[i]);
		CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &all, test_ztsdb_walk, &stopped),
				7);
		CU_ASSERT_EQUAL(stopped.n, sizes[i]);
		CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &half, test_ztsdb_join_instance,
						     &names),
				0);
		CU_ASSERT_EQUAL(names.len, sizes[i] * strlen("w-000;"));
		buf_release(&names);
	}
	CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &one, test_ztsdb_join_instance, &text), 0);
	CU_ASSERT_STRING_EQUAL(text.text, "w-020;w-020;");
}

/* The longest id, one that is longer, and those that are last in a list. */
static void test_ztsdb_odd_ids(void)
{
	char longest[PRINCIPAL_INSTANCE_MAX] = "", longer[PRINCIPAL_INSTANCE_MAX + 1] = "";
	const struct {
		const char *id;
		size_t len; /* of the ids that are listed, with what joins them */
	} cases[] = { { longest, sizeof(longest) },
		      { longer, 0 },
		      { "~", strlen("~;") },
		      { NULL, sizeof(longest) + strlen("~;~~;") } };
	const char *const ids[] = { longest, "~", "~~" };

	memset(longest, 'z', sizeof(longest) - 1);
	memset(longer, 'z', sizeof(longer) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct ztsdb_issue issue = test_ztsdb_issue("aa");

		issue.key.instance_id = ids[i];
		CU_ASSERT_EQUAL(ztsdb_register(test_ztsdb, &issue), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_release) struct buf text = buf_init(512);
		const struct ztsdb_filter filter = { .instance_id = cases[i].id };

		CU_ASSERT_EQUAL(ztsdb_list_instances(test_ztsdb, &filter, test_ztsdb_join_instance,
						     &text),
				0);
		CU_ASSERT_EQUAL(text.len, cases[i].len);
	}
}

/* The store keeps the count, whichever way records come and go. */
static void test_ztsdb_counts(void)
{
	struct ztsdb_key other = test_ztsdb_key;

	CU_ASSERT_EQUAL(test_ztsdb_count(), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("bb"), 0); /* the same again */
	CU_ASSERT_EQUAL(test_ztsdb_refresh("bb", "cc"), 0);
	CU_ASSERT_EQUAL(ztsdb_revoke(test_ztsdb, &test_ztsdb_key), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("dd"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 1);
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	test_ztsdb_add_pairs(10);
	ztsdb_rollback(test_ztsdb);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 1);
	test_ztsdb_register_pairs(10);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 21);
	other.instance_id = "i-99";
	CU_ASSERT_EQUAL(ztsdb_remove_instance(test_ztsdb, &other), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_remove_instance(test_ztsdb, &test_ztsdb_key), 0);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 20);
	CU_ASSERT_EQUAL(ztsdb_reset_all(test_ztsdb, TEST_ZTSDB_NOW), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0); /* a lost record */
	CU_ASSERT_EQUAL(test_ztsdb_count(), 21);
}

/* What made the store of the first version different from this one. */
static void test_ztsdb_upgrade(void)
{
	static const char back[] =
		"DROP TRIGGER instance_added; DROP TRIGGER instance_removed;"
		"DELETE FROM fact WHERE name = 'records'; PRAGMA user_version = 1";
	sqlite3 *raw = NULL;

	test_ztsdb_register_pairs(10);
	CU_ASSERT_EQUAL(sqlite3_open(test_ztsdb_path, &raw), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(raw, back, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	test_ztsdb_reopen();
	CU_ASSERT_EQUAL(test_ztsdb_count(), 20);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	test_ztsdb_reopen();
	CU_ASSERT_EQUAL(test_ztsdb_count(), 21);
}

static int test_ztsdb_forget(uint64_t since, uint64_t now)
{
	return ztsdb_forget(test_ztsdb, &test_ztsdb_key, since, now);
}

/* Of no use is what is over, was not asked for long, and is not kept out by an operator. */
static void test_ztsdb_forgets(void)
{
	const uint64_t last = TEST_ZTSDB_NOW, end = TEST_ZTSDB_NOW + 3600;

	CU_ASSERT_EQUAL(test_ztsdb_forget(last, end), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_forget(last - 1, end), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(test_ztsdb_forget(last, end - 1), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_revoke(test_ztsdb, &test_ztsdb_key), 0);
	CU_ASSERT_EQUAL(test_ztsdb_forget(last, end), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_reset(test_ztsdb, &test_ztsdb_key, last), 0);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 1);
	CU_ASSERT_EQUAL(test_ztsdb_forget(last, end), 0);
	CU_ASSERT_EQUAL(test_ztsdb_count(), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("xx", "bb"), ZTSDB_E_REVOKED); /* stale */
	CU_ASSERT_EQUAL(test_ztsdb_forget(last, end), 0);
}

/* As ztsctl(8) has it: a whole copy, while somebody writes. */
static void test_ztsdb_backup(void)
{
	char copy[PATH_MAX + 8], sql[PATH_MAX + 32];
	struct ztsdb *db = NULL;
	sqlite3 *raw = NULL;
	uint64_t n = 0;

	snprintf(copy, sizeof(copy), "%s-copy", test_ztsdb_path);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", copy);
	test_ztsdb_register_pairs(10);
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(sqlite3_open(test_ztsdb_path, &raw), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
	CU_ASSERT_EQUAL(ztsdb_open(copy, false, &db), 0);
	CU_ASSERT_EQUAL(ztsdb_count(db, &n), 0);
	CU_ASSERT_EQUAL(n, 20);
	ztsdb_close(db);
}

static void test_ztsdb_transactions(void)
{
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	ztsdb_rollback(test_ztsdb);
	ztsdb_rollback(test_ztsdb); /* nothing open: nothing happens */
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), ZTSDB_E_NONE);
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("zz", "bb"), ZTSDB_E_REVOKED);
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
	test_ztsdb_reopen();
	test_ztsdb_expect("-1", "-1", ZTSDB_STALE);
}

/* A kill cannot tell what a power cut would: every change alone costs a sync, and many together
 * cost as much. */
static void test_ztsdb_syncs(void)
{
	unsigned int n, one;

	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	n = test_ztsdb_n_syncs;
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	one = test_ztsdb_n_syncs - n;
	CU_ASSERT_TRUE(one >= 1);
	n = test_ztsdb_n_syncs;
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(test_ztsdb_register("cc"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_n_syncs, n);
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
	CU_ASSERT_EQUAL(test_ztsdb_n_syncs, n + one);
}

/* Another program holds the file: a reader sees it as it was, a writer is told. */
static void test_ztsdb_two_programs(void)
{
	struct ztsdb *other = NULL;
	uint64_t n = 9;

	CU_ASSERT_EQUAL(ztsdb_open(test_ztsdb_path, true, &other), 0);
	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(ztsdb_count(other, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
	CU_ASSERT_EQUAL(ztsdb_count(other, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	ztsdb_close(other);
}

#define TEST_ZTSDB_LOG_MAX (8 * 1024 * 1024)

static off_t test_ztsdb_log_size(void)
{
	char path[PATH_MAX + 8];
	struct stat st = { .st_size = 0 };

	snprintf(path, sizeof(path), "%s-wal", test_ztsdb_path);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	return st.st_size;
}

/* Each time with other serials: SQLite writes no page that stays as it is. */
static void test_ztsdb_register_many(unsigned int n, int round)
{
	char id[32], serial[32];

	CU_ASSERT_EQUAL(ztsdb_begin(test_ztsdb), 0);
	for (unsigned int i = 0; i < n; i++) {
		struct ztsdb_issue issue = test_ztsdb_issue(serial);

		snprintf(serial, sizeof(serial), "%08x", (unsigned int)round);
		snprintf(id, sizeof(id), "i-%u", i);
		issue.key.instance_id = id;
		CU_ASSERT_EQUAL(ztsdb_register(test_ztsdb, &issue), 0);
	}
	CU_ASSERT_EQUAL(ztsdb_commit(test_ztsdb), 0);
}

/* While somebody reads, the log of changes grows; afterwards the disk has its room again. */
static void test_ztsdb_log(void)
{
	sqlite3 *reader = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(test_ztsdb_path, &reader), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM instance", NULL, NULL,
				     NULL),
			SQLITE_OK);
	for (int i = 0; i < 100 && test_ztsdb_log_size() <= TEST_ZTSDB_LOG_MAX; i++)
		test_ztsdb_register_many(4000, i);
	CU_ASSERT_TRUE(test_ztsdb_log_size() > TEST_ZTSDB_LOG_MAX);
	sqlite3_close(reader);
	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	CU_ASSERT_EQUAL(test_ztsdb_register("bb"), 0);
	CU_ASSERT_TRUE(test_ztsdb_log_size() < TEST_ZTSDB_LOG_MAX);
}

/* A full disk, made with the limit on file sizes. */
static void test_ztsdb_full_disk(void)
{
	struct rlimit old, small = { 0 };
	int r;

	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	r = test_ztsdb_refresh("aa", "bb");
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_TRUE(r == -ENOSPC || r == -EIO);
	CU_ASSERT_TRUE(strlen(ztsdb_error(test_ztsdb)) > 0);
	test_ztsdb_expect("aa", "", ZTSDB_LIVE);
	/* And it works again as soon as there is room. */
	CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
	test_ztsdb_expect("bb", "aa", ZTSDB_LIVE);
}

/* By another program: to close a file of SQLite's would end its locks. */
static void test_ztsdb_copy(const char *suffix)
{
	char from[PATH_MAX + 8], to[PATH_MAX + 8], path[PATH_MAX];
	int status = -1;
	pid_t pid;

	snprintf(from, sizeof(from), "%s%s", test_ztsdb_path, suffix);
	snprintf(to, sizeof(to), "%s%s", tmpdir_path(path, "cut"), suffix);
	pid = fork();
	if (pid == 0) {
		execlp("cp", "cp", from, to, NULL);
		_exit(1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

/* The files as they are, for another program, as after a power cut. Gives what it finds. */
static struct ztsdb_instance test_ztsdb_after_cut(void)
{
	struct ztsdb_instance i = { .current = "" };
	struct ztsdb *db = NULL;
	char path[PATH_MAX];

	test_ztsdb_copy("");
	test_ztsdb_copy("-wal");
	CU_ASSERT_EQUAL(ztsdb_open(tmpdir_path(path, "cut"), false, &db), 0);
	CU_ASSERT_EQUAL(ztsdb_find_instance(db, &test_ztsdb_key, &i), 0);
	ztsdb_close(db);
	return i;
}

/* A refresh in which call @n fails. What it says is what is there, and what is acknowledged is
 * still there after a power cut; then it goes on. Gives whether there was such a call. */
static bool test_ztsdb_refresh_badly(unsigned int n, enum baddisk_kind kind)
{
	struct ztsdb_instance i;
	bool failed;
	int r;

	baddisk_arm(n, kind);
	r = test_ztsdb_refresh("bb", "cc");
	failed = baddisk_disarm();
	CU_ASSERT_TRUE(r == 0 || (failed && r < 0));
	i = test_ztsdb_after_cut();
	CU_ASSERT_TRUE(!strcmp(i.current, "cc") || (r < 0 && !strcmp(i.current, "bb")));
	test_ztsdb_expect(r == 0 ? "cc" : "bb", r == 0 ? "bb" : "aa", ZTSDB_LIVE);
	CU_ASSERT_EQUAL(test_ztsdb_refresh("bb", "dd"), 0);
	test_ztsdb_expect("dd", "bb", ZTSDB_LIVE);
	return failed;
}

/* Each call of the disk fails once, then for good, then for want of room. */
static void test_ztsdb_bad_disk(void)
{
	baddisk_insert();
	for (int kind = BADDISK_ONCE; kind <= BADDISK_FULL; kind++) {
		unsigned int n = 0;
		bool failed;

		do {
			test_ztsdb_teardown();
			test_ztsdb_setup();
			CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
			CU_ASSERT_EQUAL(test_ztsdb_refresh("aa", "bb"), 0);
			test_ztsdb_reopen(); /* so that it has to read, too */
			failed = test_ztsdb_refresh_badly(n, (enum baddisk_kind)kind);
		} while (failed && n++ < TEST_ZTSDB_CALLS_MAX);
		CU_ASSERT_TRUE(n > 2 && n < TEST_ZTSDB_CALLS_MAX);
	}
	test_ztsdb_teardown();
	baddisk_remove();
	test_ztsdb_setup();
}

/* So does each call of a start, over a log that another one left; nothing is made anew. */
static void test_ztsdb_bad_disk_at_start(void)
{
	struct ztsdb *other = NULL;
	unsigned int n = 0;
	bool failed;

	CU_ASSERT_EQUAL(test_ztsdb_register("aa"), 0);
	baddisk_insert();
	do {
		int r;

		baddisk_arm(n, BADDISK_ONCE);
		r = ztsdb_open(test_ztsdb_path, true, &other);
		failed = baddisk_disarm();
		CU_ASSERT_TRUE(r == 0 || (failed && r < 0));
		if (r == 0)
			ztsdb_close(other);
		test_ztsdb_expect("aa", "", ZTSDB_LIVE);
	} while (failed && n++ < TEST_ZTSDB_CALLS_MAX);
	CU_ASSERT_TRUE(n > 2 && n < TEST_ZTSDB_CALLS_MAX);
	baddisk_remove();
}

static void test_ztsdb_refuses(void)
{
	static const char garbage[] = "this is not a database, it only stands where one should be";
	struct ztsdb *db = NULL;
	sqlite3 *raw = NULL;
	struct stat st;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(stat(test_ztsdb_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(sqlite3_open(test_ztsdb_path, &raw), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(raw, "PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
	CU_ASSERT_EQUAL(ztsdb_open(test_ztsdb_path, true, &db), -EPROTO);
	CU_ASSERT_EQUAL(sqlite3_exec(raw, "PRAGMA user_version = -1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	CU_ASSERT_EQUAL(ztsdb_open(test_ztsdb_path, true, &db), -EUCLEAN);
	CU_ASSERT_EQUAL(tmpdir_write("garbage.db", garbage, sizeof(garbage)), 0);
	CU_ASSERT_EQUAL(ztsdb_open(tmpdir_path(path, "garbage.db"), false, &db), -EUCLEAN);
	CU_ASSERT_PTR_NOT_NULL(strstr(ztsdb_explain(-EUCLEAN), "damaged"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ztsdb_explain(-EPROTO), "newer"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ztsdb_explain(-EBUSY), "another program"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ztsdb_explain(-EROFS), "may not write"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ztsdb_explain(-ENOSPC), "full"));
	CU_ASSERT_STRING_EQUAL(ztsdb_explain(-EIO), strerror(EIO));
	CU_ASSERT_EQUAL(ztsdb_open(tmpdir_path(path, "none.db"), false, &db), -ENOENT);
	CU_ASSERT_EQUAL(ztsdb_open(tmpdir_path(path, "none/none.db"), true, &db), -ENOENT);
	CU_ASSERT_PTR_NULL(db);
}

/* Registers one after the other, telling each through @fd once it is durable, until killed. */
static void test_ztsdb_child(int fd)
{
	struct ztsdb *db = NULL;
	char serial[16];

	if (ztsdb_open(test_ztsdb_path, false, &db) < 0)
		_exit(1);
	for (uint32_t i = 1;; i++) {
		struct ztsdb_issue issue = test_ztsdb_issue(serial);

		snprintf(serial, sizeof(serial), "%08x", i);
		if (ztsdb_begin(db) < 0 || ztsdb_register(db, &issue) != 0 ||
		    ztsdb_commit(db) < 0 || write(fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

/* Kills the child after @n acknowledgements. Gives the last one. */
static uint32_t test_ztsdb_kill_one(uint64_t n)
{
	uint32_t last = 0, at;
	int pipes[2];
	pid_t pid;

	CU_ASSERT_EQUAL(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		test_ztsdb_child(pipes[1]);
	}
	close(pipes[1]);
	while (last < n && read(pipes[0], &at, sizeof(at)) == sizeof(at))
		last = at;
	kill(pid, SIGKILL);
	while (read(pipes[0], &at, sizeof(at)) == sizeof(at))
		last = at;
	close(pipes[0]);
	waitpid(pid, NULL, 0);
	return last;
}

/* What the file system had of the writes is all that a killed program leaves. */
static void test_ztsdb_killed(void)
{
	for (unsigned int i = 0; i < TEST_ZTSDB_KILLS; i++) {
		struct ztsdb_instance record = { .current = "" };
		uint32_t told = test_ztsdb_kill_one(1 + tap_random_below(40));
		unsigned long found;

		test_ztsdb_reopen();
		CU_ASSERT_EQUAL(ztsdb_find_instance(test_ztsdb, &test_ztsdb_key, &record), 0);
		found = strtoul(record.current, NULL, 16);
		/* The last one may be durable without that it was told. */
		CU_ASSERT_TRUE(found == told || found == told + 1UL);
	}
}

static const struct tap_test test_ztsdb_tests[] = {
	{ "the registry answers and keeps", test_ztsdb_registry },
	{ "the registry is listed", test_ztsdb_lists_registry },
	{ "a refresh with the current serial", test_ztsdb_current_serial },
	{ "a refresh with the previous serial", test_ztsdb_previous_serial },
	{ "a stale serial revokes, a registration heals", test_ztsdb_stale_serial },
	{ "no record", test_ztsdb_no_record },
	{ "an operator's revocation", test_ztsdb_blocked },
	{ "the reset time of one", test_ztsdb_reset_time },
	{ "the reset time of all", test_ztsdb_reset_all },
	{ "records are listed and counted", test_ztsdb_lists_instances },
	{ "long lists", test_ztsdb_long_lists },
	{ "ids at the limits", test_ztsdb_odd_ids },
	{ "the count of records", test_ztsdb_counts },
	{ "a store of the first version", test_ztsdb_upgrade },
	{ "records of no use", test_ztsdb_forgets },
	{ "a copy", test_ztsdb_backup },
	{ "many changes in one transaction", test_ztsdb_transactions },
	{ "syncs of the disk", test_ztsdb_syncs },
	{ "beside another program", test_ztsdb_two_programs },
	{ "a log that grew", test_ztsdb_log },
	{ "a full disk", test_ztsdb_full_disk },
	{ "a disk that fails at each call", test_ztsdb_bad_disk },
	{ "a disk that fails at each call of a start", test_ztsdb_bad_disk_at_start },
	{ "a newer schema, garbage, nothing", test_ztsdb_refuses },
	{ "killed at any moment", test_ztsdb_killed },
	{ 0 },
};

static const struct tap_suite test_ztsdb_suites[] = {
	{ "ztsdb", test_ztsdb_tests, test_ztsdb_setup, test_ztsdb_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ztsdb_suites);
}
