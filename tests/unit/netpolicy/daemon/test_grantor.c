/* SPDX-License-Identifier: MIT */
/* Grants against a policy, over a real kernel, and against a disk that is full. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/clk.h"
#include "netpolicy/daemon/grantor.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/unit/netpolicy/daemon/lawfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static bool test_ready(struct enforcer *e, struct grantor *g)
{
	struct batchfile f;
	struct enforcer_report report;
	size_t dropped;

	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth; rm -rf %s/grants*", tmpdir_get());
	lawfixture_make(1, &f);
	CU_ASSERT_EQUAL(enforcer_open(e, false), 0);
	CU_ASSERT_EQUAL(enforcer_load(e, &f, &report), 0);
	CU_ASSERT_EQUAL(grantor_open(g, tmpdir_get(), &dropped), 0);
	batchfile_release(&f);
	return true;
}

static struct ctlwire_request test_ask(const char *name, const char *addr, uint32_t seconds)
{
	struct ctlwire_request q = { .seconds = seconds };

	snprintf(q.name, sizeof(q.name), "%s", name);
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, addr, &q.addr), 1);
	return q;
}

static size_t test_live(struct enforcer *e)
{
	struct liveset_element *list = NULL;
	size_t n = 99;

	CU_ASSERT_EQUAL(liveset_list(e->k, &list, &n), 0);
	free(list);
	return n;
}

static void test_grantor_checks(void)
{
	static const struct {
		const char *name, *addr;
		uint32_t seconds;
		int result;
	} rows[] = {
		{ "none", "2001:db8::1", 60, GRANTOR_E_UNKNOWN },
		{ "ssh", "2001:db9::1", 60, GRANTOR_E_NET },
		{ "ssh", "::ffff:11.0.0.1", 60, GRANTOR_E_NET },
		{ "ssh", "2001:db8::1", 0, GRANTOR_E_LENGTH },
		{ "ssh", "2001:db8::1", 3601, GRANTOR_E_LENGTH },
		{ "ssh", "2001:db8::1", 3600, 0 },
		{ "ssh", "2001:db8::1", 3600, GRANTOR_E_THERE },
		{ "ssh", "::ffff:10.0.0.1", 1, 0 },
	};
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	uint64_t id = 0;

	if (!test_ready(&e, &g))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ctlwire_request q = test_ask(rows[i].name, rows[i].addr, rows[i].seconds);
		int r = grantor_add(&g, &e, &q, &id);

		if (r != rows[i].result)
			tap_fail(__FILE__, __LINE__, "row %zu: %d", i, r);
	}
	CU_ASSERT_EQUAL(test_live(&e), 2);
	CU_ASSERT_EQUAL(grantor_renew(&g, &e, 1, 3601), GRANTOR_E_LENGTH);
	CU_ASSERT_EQUAL(grantor_renew(&g, &e, 99, 60), -ENOENT);
}

/* What the policy of now does not offer is kept in the book and not in the kernel. */
static void test_grantor_follows_policy(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	static struct ctlwire_grant rows[CTLWIRE_LIST_MAX];
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 3600);
	struct liveset_found found;
	uint64_t id = 0;

	if (!test_ready(&e, &g))
		return;
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), 0);
	e.law.grants[0].max_s = 600;
	CU_ASSERT_EQUAL(grantor_sync(&g, &e, &found), 0);
	CU_ASSERT_EQUAL(grantor_list(&g, &e, 0, rows), 1);
	CU_ASSERT_TRUE(rows[0].left_s > 590 && rows[0].left_s <= 600);
	e.law.grants[0].nets[0].addr.s6_addr[0] = 0x30;
	CU_ASSERT_EQUAL(grantor_sync(&g, &e, &found), 0);
	CU_ASSERT_EQUAL(test_live(&e), 0);
	CU_ASSERT_EQUAL(grantor_list(&g, &e, 0, rows), 1);
	CU_ASSERT_EQUAL(rows[0].left_s, 0);
	e.law.grants[0].nets[0].addr.s6_addr[0] = 0x20;
	CU_ASSERT_EQUAL(grantor_sync(&g, &e, &found), 0);
	CU_ASSERT_EQUAL(test_live(&e), 1);
	CU_ASSERT_EQUAL(grantor_list(&g, &e, 2, rows), 0);
}

/* The end: in the kernel, in the book, and within 100 ms. */
static void test_grantor_ends(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 1);
	struct grantbook_entry ended = { 0 };
	uint64_t id = 0, start_ns, deadline_ns;

	if (!test_ready(&e, &g))
		return;
	start_ns = clk_now_ns();
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), 0);
	deadline_ns = grantbook_next(&g.book);
	CU_ASSERT_TRUE(deadline_ns >= start_ns + CLK_NS_PER_S);
	while (clk_now_ns() < deadline_ns)
		CU_ASSERT_FALSE(grantor_expire(&g, &e, &ended) && clk_now_ns() < deadline_ns);
	while (!ended.id)
		grantor_expire(&g, &e, &ended);
	CU_ASSERT_TRUE(ended.id == id && test_live(&e) == 0);
	tap_note("%llu us behind the deadline",
		 (unsigned long long)(clk_now_ns() - deadline_ns) / 1000);
	CU_ASSERT_EQUAL(g.book.n, 0);
	CU_ASSERT_EQUAL(grantor_end(&g, &e, id, &ended), -ENOENT);
}

/* Nothing is granted that could not be written down. */
static void test_grantor_disk(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 60);
	uint64_t id = 7;

	if (!test_ready(&e, &g))
		return;
	snprintf(g.path, sizeof(g.path), "/nowhere/grants");
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), -ENOENT);
	CU_ASSERT_TRUE(id == 7 && g.book.n == 0 && test_live(&e) == 0);
}

static void test_grantor_file(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 60);
	struct stat st;
	size_t dropped;
	uint64_t id = 0;

	if (!test_ready(&e, &g))
		return;
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), 0);
	CU_ASSERT_TRUE(stat(g.path, &st) == 0 && (st.st_mode & 07777) == 0600);
	grantor_close(&g);
	CU_ASSERT_EQUAL(grantor_open(&g, tmpdir_get(), &dropped), 0);
	CU_ASSERT_TRUE(g.book.n == 1 && dropped == 0);
	grantor_close(&g);
	netns_run("printf x > %s/grants", tmpdir_get());
	CU_ASSERT_EQUAL(grantor_open(&g, tmpdir_get(), &dropped), GRANTOR_E_DAMAGED);
	CU_ASSERT_EQUAL(g.book.n, 0);
	netns_run("test -e %s/grants.bad", tmpdir_get());
}

/* A renewal that could not be written down is none, also later. */
static void test_grantor_renew_disk(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 60);
	uint64_t id = 0, until_ns;

	if (!test_ready(&e, &g))
		return;
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), 0);
	until_ns = grantbook_next(&g.book);
	snprintf(g.path, sizeof(g.path), "/nowhere/grants");
	CU_ASSERT_EQUAL(grantor_renew(&g, &e, id, 3000), -ENOENT);
	CU_ASSERT_EQUAL(grantbook_next(&g.book), until_ns);
	CU_ASSERT_EQUAL(grantbook_find(&g.book, id)->length_s, 60);
}

/* An end that the kernel did not take is known to be missing there. */
static void test_grantor_end_refused(void)
{
	_cleanup_(enforcer_close) struct enforcer e = { 0 };
	_cleanup_(grantor_close) struct grantor g = { 0 };
	_cleanup_(kernio_closep) struct kernio *other = NULL;
	struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 60);
	struct grantbook_entry ended;
	struct liveset_found found;
	uint64_t id = 0;

	if (!test_ready(&e, &g))
		return;
	CU_ASSERT_EQUAL(grantor_add(&g, &e, &q, &id), 0);
	CU_ASSERT_EQUAL(kernio_open(&other), 0);
	if (applier_own(other) != 0) {
		tap_skip("this kernel has no owner and persist");
		return;
	}
	CU_ASSERT_FALSE(g.is_behind);
	CU_ASSERT_EQUAL(grantor_end(&g, &e, id, &ended), 0);
	CU_ASSERT_TRUE(g.is_behind && test_live(&e) == 1);
	kernio_closep(&other);
	CU_ASSERT_EQUAL(grantor_sync(&g, &e, &found), 0);
	CU_ASSERT_TRUE(!g.is_behind && test_live(&e) == 0);
}

/* The book of a host that was off: everything in it is over. */
static void test_write_old(const char *path)
{
	struct grantbook book = { 0 };
	const struct grantbook_entry *entry;
	const struct grantbook_clock then = { .boot_ns = 1, .wall_s = 1000 };
	const struct ctlwire_request q = test_ask("ssh", "2001:db8::1", 60);
	uint8_t *bytes = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(grantbook_add(&book, &q, &then, &entry), 0);
	CU_ASSERT_EQUAL(grantbook_encode(&book, &bytes, &len), 0);
	CU_ASSERT_EQUAL(files_write(path, bytes, len, 0600), 0);
	free(bytes);
	grantbook_release(&book);
}

/* Neither a full disk nor a book that can be neither read nor moved keeps the policy from being
 * enforced. */
static void test_grantor_open_disk(void)
{
	_cleanup_(grantor_close) struct grantor g = { 0 };
	struct rlimit old, none;
	char path[PATH_MAX];
	size_t dropped = 0;
	int r;

	tmpdir_path(path, "grants");
	netns_run("rm -rf %s/grants*", tmpdir_get());
	test_write_old(path);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &none), 0);
	r = grantor_open(&g, tmpdir_get(), &dropped);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
	CU_ASSERT_TRUE(r == 0 && dropped == 1 && g.book.n == 0);
	grantor_close(&g);
	netns_run("printf x > %s; mkdir %s.bad", path, path);
	CU_ASSERT_EQUAL(grantor_open(&g, tmpdir_get(), &dropped), GRANTOR_E_DAMAGED);
	grantor_close(&g);
	netns_run("rmdir %s.bad; rm %s; ln -s %s %s", path, path, path, path);
	CU_ASSERT_EQUAL(grantor_open(&g, tmpdir_get(), &dropped), GRANTOR_E_DAMAGED);
	netns_run("rm -rf %s/grants*", tmpdir_get());
}

static const struct tap_test test_grantor_tests[] = {
	{ "what the policy allows", test_grantor_checks },
	{ "a policy that changes", test_grantor_follows_policy },
	{ "the end", test_grantor_ends },
	{ "a disk that does not take it", test_grantor_disk },
	{ "a renewal that is not written", test_grantor_renew_disk },
	{ "an end that the kernel does not take", test_grantor_end_refused },
	{ "a disk that is full at the start", test_grantor_open_disk },
	{ "the file", test_grantor_file },
	{ 0 },
};

static const struct tap_suite test_grantor_suites[] = {
	{ "grantor", test_grantor_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_grantor_suites);
}
