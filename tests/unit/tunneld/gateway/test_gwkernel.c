/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/tunneld/gateway/fakekern.h"
#include "tests/unit/tunneld/gateway/gwfixture.h"
#include "tunneld/gateway/gate.h"
#include "tunneld/gateway/gwkernel.h"

static struct gwconf *test_gwkernel_conf;
static struct leasedb *test_gwkernel_db;

static void test_gwkernel_setup(void)
{
	static unsigned int n;
	char name[32], path[PATH_MAX];

	snprintf(name, sizeof(name), "kernel-%u.db", n++);
	test_gwkernel_conf = gwfixture_conf();
	fakekern_reset();
	if (leasedb_open(tmpdir_path(path, name), &test_gwkernel_db) < 0 ||
	    wgdev_create("postern0") < 0)
		exit(2);
}

static void test_gwkernel_teardown(void)
{
	leasedb_close(test_gwkernel_db);
	gwconf_free(test_gwkernel_conf);
}

static void test_gwkernel_key_is_kept(void)
{
	struct secret first = { 0 }, again = { 0 };
	struct stat st = { 0 };
	char path[PATH_MAX];

	tmpdir_path(path, "gateway.key");
	CU_ASSERT_EQUAL(gwkernel_load_key(path, &first), 0);
	CU_ASSERT_EQUAL(gwkernel_load_key(path, &again), 0);
	CU_ASSERT_TRUE(secret_equal(&first, &again));
	CU_ASSERT_FALSE(secret_is_zero(&first));
	CU_ASSERT_EQUAL(first.bytes[0] & 7, 0);
	CU_ASSERT_EQUAL(first.bytes[31] & 0xc0, 0x40);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
}

static void test_gwkernel_refuses_keys(void)
{
	static const uint8_t zero[SECRET_BYTES + 1] = { 0 };
	struct secret key;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("short.key", "abc", 3), 0);
	CU_ASSERT_EQUAL(gwkernel_load_key(tmpdir_path(path, "short.key"), &key), -EINVAL);
	CU_ASSERT_EQUAL(tmpdir_write("long.key", zero, sizeof(zero)), 0);
	CU_ASSERT_EQUAL(gwkernel_load_key(tmpdir_path(path, "long.key"), &key), -EINVAL);
	CU_ASSERT_EQUAL(tmpdir_write("zero.key", zero, SECRET_BYTES), 0);
	CU_ASSERT_EQUAL(gwkernel_load_key(tmpdir_path(path, "zero.key"), &key), -EINVAL);
}

static void test_gwkernel_put(const struct gwframe_grant *g)
{
	struct ip6_prefix allowed = ip6_host_prefix(&g->host_addr);
	struct wgdev_peer peer = {
		.key = g->host_key, .psk = g->psk, .allowed = &allowed, .n_allowed = 1
	};

	CU_ASSERT_EQUAL(wgdev_put_peers("postern0", &peer, 1), 0);
}

static void test_gwkernel_lease(const struct gwframe_grant *g)
{
	struct gate_lease lease = gate_make_lease(test_gwkernel_conf, g, GWFIXTURE_NOW);

	CU_ASSERT_EQUAL(leasedb_put(test_gwkernel_db, &lease), 0);
}

static void test_gwkernel_adopts(void)
{
	struct gwframe_grant both = gwfixture_grant(1), only_peer = gwfixture_grant(2);
	struct gwframe_grant only_lease = gwfixture_grant(3), moved = gwfixture_grant(4);
	struct gwframe_grant no_psk = gwfixture_grant(5);
	struct gwkernel_sweep sweep = { 0 };
	uint64_t n = 0;

	test_gwkernel_put(&both);
	test_gwkernel_lease(&both);
	test_gwkernel_put(&only_peer);
	test_gwkernel_lease(&only_lease);
	test_gwkernel_lease(&moved);
	moved.host_addr.s6_addr[15] = 99;
	test_gwkernel_put(&moved);
	test_gwkernel_lease(&no_psk);
	no_psk.psk = (struct secret){ 0 };
	test_gwkernel_put(&no_psk);
	CU_ASSERT_EQUAL(gwkernel_adopt(test_gwkernel_conf, test_gwkernel_db, &sweep), 0);
	CU_ASSERT_EQUAL(sweep.n_peers, 1);
	CU_ASSERT_EQUAL(sweep.n_swept, 3);
	CU_ASSERT_EQUAL(sweep.n_dropped, 3);
	CU_ASSERT_EQUAL(fakekern_n_peers(), 1);
	CU_ASSERT_PTR_NOT_NULL(fakekern_find(&both.host_key));
	CU_ASSERT_EQUAL(leasedb_count(test_gwkernel_db, &n), 0);
	CU_ASSERT_EQUAL(n, 1);
	/* A second look finds nothing to do. */
	CU_ASSERT_EQUAL(gwkernel_adopt(test_gwkernel_conf, test_gwkernel_db, &sweep), 0);
	CU_ASSERT_EQUAL(sweep.n_swept + sweep.n_dropped, 0);
}

static void test_gwkernel_many(void)
{
	struct gwkernel_sweep sweep = { 0 };
	uint64_t n = 0;

	for (unsigned int i = 0; i < 200; i++) {
		struct gwframe_grant g = gwfixture_grant((uint8_t)i);

		if (i % 3)
			test_gwkernel_put(&g);
		if (i % 5)
			test_gwkernel_lease(&g);
	}
	CU_ASSERT_EQUAL(gwkernel_adopt(test_gwkernel_conf, test_gwkernel_db, &sweep), 0);
	CU_ASSERT_EQUAL(leasedb_count(test_gwkernel_db, &n), 0);
	CU_ASSERT_EQUAL(n, fakekern_n_peers());
	CU_ASSERT_EQUAL(n, sweep.n_peers);
	CU_ASSERT_EQUAL(n, 106); /* of 0...199: 200 - 67 - 40 + 14 - 1: those that 3 and 5 leave */
}

static const struct tap_test test_gwkernel_tests[] = {
	{ "the key is made once", test_gwkernel_key_is_kept },
	{ "a file that is no key", test_gwkernel_refuses_keys },
	{ "peers and leases, adopted and compared", test_gwkernel_adopts },
	{ "many of both", test_gwkernel_many },
	{ 0 },
};

static const struct tap_suite test_gwkernel_suites[] = {
	{ "gwkernel", test_gwkernel_tests, test_gwkernel_setup, test_gwkernel_teardown },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_gwkernel_suites);
}
