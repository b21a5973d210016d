/* SPDX-License-Identifier: MIT */
/* Live elements in sets made by nft, in a network namespace of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/liveset.h"
#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"

static bool test_ready(struct kernio **k)
{
	if (!netns_fresh())
		return false;
	netns_run("nft 'table inet postern { set grant_ssh6 { type ipv6_addr; flags timeout; }; "
		  "set grant_ssh4 { type ipv4_addr; flags timeout; }; "
		  "set net6 { type ipv6_addr; elements = { fd00::1 }; }; }; "
		  "table inet other { set grant_x6 { type ipv6_addr; flags timeout; "
		  "elements = { fd00::2 timeout 1h }; }; }'");
	CU_ASSERT_EQUAL(kernio_open(k), 0);
	return *k;
}

static struct liveset_element test_element(const char *set, const char *addr, uint64_t left_ms)
{
	struct liveset_element e = { .left_ms = left_ms };

	snprintf(e.set, sizeof(e.set), "%s", set);
	CU_ASSERT_EQUAL(inet_pton(AF_INET6, addr, &e.addr), 1);
	return e;
}

/* How long the one element of the list has, 0 when there is not exactly one. */
static uint64_t test_only(struct kernio *k)
{
	struct liveset_element *list = NULL;
	uint64_t left = 0;
	size_t n = 0;

	CU_ASSERT_EQUAL(liveset_list(k, &list, &n), 0);
	if (n == 1)
		left = list[0].left_ms;
	free(list);
	return left;
}

static void test_liveset_put(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct liveset_element e = test_element("grant_ssh6", "2001:db8::9", 60000);

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_only(k), 0);
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	CU_ASSERT_TRUE(test_only(k) > 50000 && test_only(k) <= 60000);
	e.left_ms = 3600000; /* longer */
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	CU_ASSERT_TRUE(test_only(k) > 3500000 && test_only(k) <= 3600000);
	e.left_ms = 60000; /* shorter */
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	CU_ASSERT_TRUE(test_only(k) > 0 && test_only(k) <= 60000);
	CU_ASSERT_EQUAL(liveset_drop(k, &e), 0);
	CU_ASSERT_EQUAL(test_only(k), 0);
	CU_ASSERT_EQUAL(liveset_drop(k, &e), 0);
}

static void test_liveset_families(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct liveset_element e = test_element("grant_ssh4", "::ffff:10.1.2.3", 60000);
	struct liveset_element *list = NULL;
	size_t n = 0;

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	netns_expect("nft list set inet postern grant_ssh4 | grep -c 10.1.2.3", "1");
	CU_ASSERT_EQUAL(liveset_list(k, &list, &n), 0);
	CU_ASSERT_TRUE(n == 1 && !memcmp(&list[0].addr, &e.addr, sizeof(e.addr)));
	CU_ASSERT_TRUE(n == 1 && !strcmp(list[0].set, "grant_ssh4"));
	free(list);
	e = test_element("grant_ssh4", "2001:db8::1", 60000);
	CU_ASSERT_EQUAL(liveset_put(k, &e), -EINVAL);
	e = test_element("grant_no6", "2001:db8::1", 60000);
	CU_ASSERT_EQUAL(liveset_put(k, &e), -ENOENT);
	CU_ASSERT_EQUAL(liveset_drop(k, &e), -ENOENT);
}

/* It ends by itself, and can then be put again. */
static void test_liveset_ends(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct liveset_element e = test_element("grant_ssh6", "2001:db8::9", 30);

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	for (int i = 0; i < 100000 && test_only(k); i++)
		;
	CU_ASSERT_EQUAL(test_only(k), 0);
	e.left_ms = 60000;
	CU_ASSERT_EQUAL(liveset_put(k, &e), 0);
	CU_ASSERT_TRUE(test_only(k) > 50000);
}

static void test_liveset_sync(void)
{
	static const char stranger[] = "nft add element inet postern grant_ssh6 '{ fd00::bad }'";
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct liveset_found found = { 0 };
	struct liveset_element want[3];

	if (!test_ready(&k))
		return;
	want[0] = test_element("grant_ssh6", "2001:db8::9", 60000);
	want[1] = test_element("grant_ssh4", "::ffff:10.0.0.1", 60000);
	want[2] = test_element("grant_absent6", "2001:db8::9", 60000);
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 2 && found.n_missing == 2 && found.n_foreign == 0);
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 0 && !found.first.set[0]);
	netns_run("%s", stranger);
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 1 && found.n_missing == 0 && found.n_foreign == 1);
	CU_ASSERT_STRING_EQUAL(found.first.set, "grant_ssh6");
	netns_run("nft delete element inet postern grant_ssh4 '{ 10.0.0.1 }'");
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 1 && found.n_missing == 1 && found.n_foreign == 0);
	/* The time was changed: as if another. */
	netns_run("nft 'flush set inet postern grant_ssh6; add element inet postern grant_ssh6 "
		  "{ 2001:db8::9 timeout 2h }'");
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 1 && found.n_foreign == 1);
	CU_ASSERT_EQUAL(liveset_sync(k, want, 3, &found), 0);
	CU_ASSERT_EQUAL(found.n_sets, 0);
	CU_ASSERT_EQUAL(liveset_sync(k, NULL, 0, &found), 0);
	CU_ASSERT_TRUE(found.n_sets == 2 && found.n_foreign == 2);
	CU_ASSERT_EQUAL(test_only(k), 0);
	netns_expect("nft list table inet other | grep -c fd00::2", "1");
	netns_expect("nft list set inet postern net6 | grep -c fd00::1", "1");
}

/* As many as are looked at, and one more: all of them go. */
static void test_liveset_crowd(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct liveset_found found = { 0 };
	struct liveset_element *list = NULL, want = test_element("grant_ssh6", "fd00::1", 60000);
	size_t n = 0;

	if (!test_ready(&k))
		return;
	netns_run("awk 'BEGIN { for (i = 1; i <= %d; i++) printf \"add element inet postern "
		  "grant_ssh6 { fd00::%%x timeout 1h }\\n\", i }' | nft -f -",
		  LIVESET_ELEMENTS_MAX);
	CU_ASSERT_EQUAL(liveset_list(k, &list, &n), 0);
	CU_ASSERT_EQUAL(n, LIVESET_ELEMENTS_MAX);
	free(list);
	list = NULL;
	netns_run("nft add element inet postern grant_ssh6 '{ fe80::1 }'");
	CU_ASSERT_EQUAL(liveset_list(k, &list, &n), -E2BIG);
	CU_ASSERT_EQUAL(liveset_sync(k, &want, 1, &found), 0);
	CU_ASSERT_TRUE(test_only(k) > 50000);
	CU_ASSERT_EQUAL(liveset_sync(k, &want, LIVESET_ELEMENTS_MAX + 1, &found), -E2BIG);
	netns_run("nft delete table inet postern");
	CU_ASSERT_EQUAL(liveset_sync(k, &want, 1, &found), 0);
	CU_ASSERT_EQUAL(found.n_sets, 0);
}

static const struct tap_test test_liveset_tests[] = {
	{ "put, renew, drop", test_liveset_put },
	{ "both families, and what is refused", test_liveset_families },
	{ "an element ends by itself", test_liveset_ends },
	{ "sets as they should be", test_liveset_sync },
	{ "more than can be looked at", test_liveset_crowd },
	{ 0 },
};

static const struct tap_suite test_liveset_suites[] = {
	{ "liveset", test_liveset_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_liveset_suites);
}
