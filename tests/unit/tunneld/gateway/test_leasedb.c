/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/gate.h"
#include "tunneld/gateway/leasedb.h"

static struct gwconf *test_leasedb_conf;
static struct leasedb *test_leasedb;
static char test_leasedb_path[PATH_MAX];

static void test_leasedb_setup(void)
{
	static unsigned int n;
	char name[32];

	snprintf(name, sizeof(name), "leases-%u.db", n++);
	tmpdir_path(test_leasedb_path, name);
	test_leasedb_conf = gwfixture_conf();
	if (leasedb_open(test_leasedb_path, &test_leasedb) < 0)
		exit(2);
}

static void test_leasedb_teardown(void)
{
	leasedb_close(test_leasedb);
	gwconf_free(test_leasedb_conf);
}

static struct gate_lease test_leasedb_lease(uint8_t n)
{
	struct gwframe_grant g = gwfixture_grant(n);

	return gate_make_lease(test_leasedb_conf, &g, GWFIXTURE_NOW + n);
}

static void test_leasedb_put(uint8_t n)
{
	struct gate_lease lease = test_leasedb_lease(n);

	CU_ASSERT_EQUAL(leasedb_begin(test_leasedb), 0);
	CU_ASSERT_EQUAL(leasedb_put(test_leasedb, &lease), 0);
	CU_ASSERT_EQUAL(leasedb_commit(test_leasedb), 0);
}

static void test_leasedb_finds(void)
{
	struct gate_lease lease = test_leasedb_lease(1), found = { .epoch = 0 };

	test_leasedb_put(1);
	test_leasedb_put(2);
	CU_ASSERT_EQUAL(leasedb_find_key(test_leasedb, &lease.key, &found), 0);
	CU_ASSERT_EQUAL(memcmp(&found, &lease, sizeof(lease)), 0);
	CU_ASSERT_EQUAL(leasedb_find_addr(test_leasedb, &lease.addr, &found), 0);
	CU_ASSERT_STRING_EQUAL(found.instance_id, "i-001");
	CU_ASSERT_EQUAL(leasedb_find_identity(test_leasedb, &lease, &found), 0);
	CU_ASSERT_STRING_EQUAL(found.instance_id, "i-001");
	lease = test_leasedb_lease(3);
	CU_ASSERT_EQUAL(leasedb_find_key(test_leasedb, &lease.key, &found), LEASEDB_E_NONE);
	CU_ASSERT_EQUAL(leasedb_find_addr(test_leasedb, &lease.addr, &found), LEASEDB_E_NONE);
	CU_ASSERT_EQUAL(leasedb_find_identity(test_leasedb, &lease, &found), LEASEDB_E_NONE);
}

static void test_leasedb_survives(void)
{
	uint64_t n = 0;

	test_leasedb_put(1);
	leasedb_close(test_leasedb);
	test_leasedb = NULL;
	CU_ASSERT_EQUAL(leasedb_open(test_leasedb_path, &test_leasedb), 0);
	CU_ASSERT_EQUAL(leasedb_count(test_leasedb, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
}

static void test_leasedb_rolls_back(void)
{
	struct gate_lease lease = test_leasedb_lease(1);
	uint64_t n = 9;

	CU_ASSERT_EQUAL(leasedb_begin(test_leasedb), 0);
	CU_ASSERT_EQUAL(leasedb_put(test_leasedb, &lease), 0);
	leasedb_rollback(test_leasedb);
	leasedb_rollback(test_leasedb); /* nothing open: nothing happens */
	CU_ASSERT_EQUAL(leasedb_count(test_leasedb, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void test_leasedb_one_lease_per_key_and_address(void)
{
	struct gate_lease lease = test_leasedb_lease(2), other = test_leasedb_lease(1);
	uint64_t n = 0;

	test_leasedb_put(1);
	lease.addr = other.addr;
	CU_ASSERT_EQUAL(leasedb_put(test_leasedb, &lease), 0);
	CU_ASSERT_EQUAL(leasedb_count(test_leasedb, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(leasedb_find_key(test_leasedb, &other.key, &other), LEASEDB_E_NONE);
}

static void test_leasedb_lists_after(void)
{
	struct gate_lease found[8], first = test_leasedb_lease(1);
	struct wgkey at = { 0 };
	size_t n = 9;

	CU_ASSERT_EQUAL(leasedb_list_after(test_leasedb, &at, 8, found, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	for (uint8_t i = 5; i > 0; i--)
		test_leasedb_put(i);
	CU_ASSERT_EQUAL(leasedb_list_after(test_leasedb, &at, 3, found, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_TRUE(wgkey_equal(&found[0].key, &first.key));
	CU_ASSERT_STRING_EQUAL(found[0].principal, first.principal);
	CU_ASSERT_STRING_EQUAL(found[0].serial, first.serial);
	CU_ASSERT_EQUAL(found[0].expires_wall, first.expires_wall);
	CU_ASSERT_STRING_EQUAL(found[2].instance_id, "i-003");
	CU_ASSERT_EQUAL(leasedb_list_after(test_leasedb, &found[2].key, 3, found, &n), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_STRING_EQUAL(found[0].instance_id, "i-004");
	CU_ASSERT_STRING_EQUAL(found[1].instance_id, "i-005");
	CU_ASSERT_EQUAL(leasedb_list_after(test_leasedb, &found[1].key, 3, found, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void test_leasedb_lists_expired(void)
{
	struct wgkey keys[8];
	uint64_t next = 0;
	size_t n = 9;

	CU_ASSERT_EQUAL(leasedb_next_expiry(test_leasedb, &next), 0);
	CU_ASSERT_EQUAL(next, UINT64_MAX);
	for (uint8_t i = 1; i <= 5; i++)
		test_leasedb_put(i);
	CU_ASSERT_EQUAL(leasedb_next_expiry(test_leasedb, &next), 0);
	CU_ASSERT_EQUAL(next, GWFIXTURE_NOW + 101);
	CU_ASSERT_EQUAL(leasedb_list_expired(test_leasedb, next - 1, 8, keys, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(leasedb_list_expired(test_leasedb, next, 8, keys, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(keys[0].bytes[0], 0x21);
	CU_ASSERT_EQUAL(leasedb_list_expired(test_leasedb, UINT32_MAX, 3, keys, &n), 0);
	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(keys[2].bytes[0], 0x23);
}

static void test_leasedb_lists_keys(void)
{
	struct wgkey *keys = NULL;
	size_t n = 0;

	for (uint8_t i = 5; i >= 1; i--)
		test_leasedb_put(i);
	CU_ASSERT_EQUAL(leasedb_list_keys(test_leasedb, &keys, &n), 0);
	CU_ASSERT_EQUAL(n, 5);
	for (uint8_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(keys[i].bytes[0], 0x21 + i);
	free(keys);
	test_leasedb_put(1);
	CU_ASSERT_EQUAL(leasedb_remove(test_leasedb, &(struct wgkey){ { 1 } }), 0);
}

static void test_leasedb_holds_no_secret(void)
{
	struct gwframe_grant g = gwfixture_grant(1);
	uint8_t bytes[65536];
	char path[PATH_MAX + 4];
	size_t n;
	FILE *f;

	test_leasedb_put(1);
	snprintf(path, sizeof(path), "%s-wal", test_leasedb_path);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL(f);
	if (!f)
		return;
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(memmem(bytes, n, g.host_key.bytes, WGKEY_BYTES));
	CU_ASSERT_PTR_NULL(memmem(bytes, n, g.psk.bytes, SECRET_BYTES));
}

/* A full disk, made with the limit on file sizes. */
static void test_leasedb_full_disk(void)
{
	struct rlimit old, small = { 0 };
	struct gate_lease lease = test_leasedb_lease(2), found;
	int r;

	test_leasedb_put(1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	small.rlim_cur = 4096;
	setrlimit(RLIMIT_FSIZE, &small);
	r = leasedb_begin(test_leasedb);
	if (r == 0)
		r = leasedb_put(test_leasedb, &lease);
	if (r == 0)
		r = leasedb_commit(test_leasedb);
	leasedb_rollback(test_leasedb);
	setrlimit(RLIMIT_FSIZE, &old);
	CU_ASSERT_TRUE(r == -ENOSPC || r == -EIO);
	CU_ASSERT_TRUE(strlen(leasedb_error(test_leasedb)) > 0);
	CU_ASSERT_EQUAL(leasedb_find_key(test_leasedb, &lease.key, &found), LEASEDB_E_NONE);
	/* And it works again as soon as there is room. */
	test_leasedb_put(2);
	CU_ASSERT_EQUAL(leasedb_find_key(test_leasedb, &lease.key, &found), 0);
}

static void test_leasedb_refuses_a_newer_one(void)
{
	struct leasedb *db = NULL;
	sqlite3 *raw = NULL;

	CU_ASSERT_EQUAL(sqlite3_open(test_leasedb_path, &raw), SQLITE_OK);
	CU_ASSERT_EQUAL(sqlite3_exec(raw, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	CU_ASSERT_EQUAL(leasedb_open(test_leasedb_path, &db), -EPROTO);
	CU_ASSERT_PTR_NULL(db);
}

static void test_leasedb_refuses_garbage(void)
{
	static const char garbage[] = "this is not a database, it only stands where one should be";
	struct leasedb *db = NULL;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("garbage.db", garbage, sizeof(garbage)), 0);
	CU_ASSERT_EQUAL(leasedb_open(tmpdir_path(path, "garbage.db"), &db), -EUCLEAN);
	CU_ASSERT_PTR_NULL(db);
}

static const struct tap_test test_leasedb_tests[] = {
	{ "finds by key, address and identity", test_leasedb_finds },
	{ "survives its program", test_leasedb_survives },
	{ "rolls back", test_leasedb_rolls_back },
	{ "one lease per key and address", test_leasedb_one_lease_per_key_and_address },
	{ "lists what follows a key", test_leasedb_lists_after },
	{ "lists what is over, oldest first", test_leasedb_lists_expired },
	{ "lists keys in order", test_leasedb_lists_keys },
	{ "holds no secret", test_leasedb_holds_no_secret },
	{ "a full disk", test_leasedb_full_disk },
	{ "a newer schema", test_leasedb_refuses_a_newer_one },
	{ "garbage", test_leasedb_refuses_garbage },
	{ 0 },
};

static const struct tap_suite test_leasedb_suites[] = {
	{ "leasedb", test_leasedb_tests, test_leasedb_setup, test_leasedb_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_leasedb_suites);
}
