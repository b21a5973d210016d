/* SPDX-License-Identifier: MIT */
/* Loads compiled policies into a network namespace of its own, changes them with nft behind our
 * back, and looks whether the difference is named and healed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/foreign.h"
#include "netpolicy/compile/compiler.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct compilewire_reply test_one, test_two; /* compiled once: two policies */

static void test_compile(const char *more, struct compilewire_reply *ret)
{
	char *text = ret->batch ? NULL : policyfixture_text(more);
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" }, .text = text };

	if (!text)
		return;
	q.text_len = strlen(text);
	if (compiler_run(&q, ret) < 0)
		tap_fail(__FILE__, __LINE__, "%s", ret->error);
	free(text);
}

/* A namespace with an uplink and the two policies. False: the test is skipped. */
static bool test_ready(struct kernio **k)
{
	policyfixture_use_build();
	test_compile("", &test_one);
	test_compile("management = tcp/8080\npeers = 2001:db8:1::1\npeer_ports = udp/9\n",
		     &test_two);
	if (!netns_fresh())
		return false;
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_EQUAL(kernio_open(k), 0);
	return *k;
}

static int test_apply(struct kernio *k, struct compilewire_reply *what, struct applier_result *ret)
{
	applier_release(ret);
	return applier_apply(k, what->batch, what->batch_len, &what->expected, ret);
}

static void test_applier_loads(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), APPLIER_E_DRIFT);
	CU_ASSERT_TRUE(result.diff.is_absent[0] && result.diff.is_absent[1]);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_FALSE(result.was_current || result.was_replaced);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_current);
	CU_ASSERT_EQUAL(test_apply(k, &test_two, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
}

/* Each change by a stranger: seen, named, healed. */
static void test_applier_names_changes(void)
{
	static const struct {
		const char *nft, *word;
	} rows[] = {
		{ "insert rule inet postern input accept",
		  "a rule that is not ours stands at place 1" },
		{ "add rule inet postern grants tcp dport 22 accept",
		  "chain grants: a rule that is not" },
		{ "flush chain inet postern forward", "chain forward: rule 1 is missing" },
		{ "add element inet postern config6 { 2001:db8:bad::/64 }", "2001:db8:bad::" },
		{ "delete element inet postern tunnels { \"postern1\" }",
		  "element is missing (postern1)" },
		{ "add element inet postern in_links { \"eth9\" : accept }",
		  "an element was added (eth9)" },
		{ "'chain inet postern input { policy accept; }'", "policy accept" },
		{ "'add chain inet postern own { type filter hook input priority 0; }'",
		  "chain own is not" },
		{ "add counter inet postern mine", "counter mine is not ours" },
		{ "add set inet postern mine '{ type ipv4_addr; }'", "set mine is not ours" },
		{ "delete table inet postern", "inet postern: the table is missing" },
		{ "delete table netdev postern_guard",
		  "netdev postern_guard: the table is missing" },
		{ "flush chain netdev postern_guard egress_eth0", "chain egress_eth0: rule 1" },
		{ "flush ruleset", "the table is missing" },
		{ "'table inet postern { flags dormant; }'", "flags were changed" },
	};
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
		netns_run("nft %s", rows[i].nft);
		applier_release(&result);
		CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), APPLIER_E_DRIFT);
		if (!result.diff.lines.text || !strstr(result.diff.lines.text, rows[i].word))
			tap_fail(__FILE__, __LINE__, "%s: '%s' is not in %s", rows[i].nft,
				 rows[i].word, result.diff.lines.text);
	}
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
}

/* The same rules in another order are another policy. */
static void test_applier_sees_order(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	netns_run(
		"handle=$(nft -a list chain inet postern icmp6_errors | "
		"sed -n 's/.*destination-unreachable.*handle //p'); "
		"nft \"delete rule inet postern icmp6_errors handle $handle; add rule inet postern "
		"icmp6_errors icmpv6 type destination-unreachable counter accept "
		"comment \\\"row 2: destination-unreachable\\\"\"");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), APPLIER_E_DRIFT);
	CU_ASSERT_EQUAL(result.diff.n, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.diff.lines.text, "the order was changed"));
}

/* A set of another type cannot be filled in place: then our table goes and comes in one go. */
static void test_applier_replaces(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	netns_run("nft 'add table inet postern; add set inet postern config6 { type ipv4_addr; }; "
		  "add table ip other'");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_replaced);
	netns_expect("nft list tables | sort",
		     "table inet postern\ntable ip other\ntable netdev postern_guard");
}

static void test_applier_unloads_ours_only(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	netns_run("nft add table inet other");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(applier_unload(k), 0);
	netns_expect("nft list tables", "table inet other");
	CU_ASSERT_EQUAL(applier_unload(k), 0);
}

/* A refused batch changes nothing and says why. */
static void test_applier_refused(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	uint8_t *bad, *name;

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	bad = malloc(test_two.batch_len);
	if (!bad)
		return;
	memcpy(bad, test_two.batch, test_two.batch_len);
	/* A rule for a chain that nobody made, near the end of the batch. */
	name = bad;
	for (uint8_t *p = bad;
	     (p = memmem(p, (size_t)(bad + test_two.batch_len - p), "to_uplink", 10)); p++)
		name = p;
	name[0] = 'q';
	applier_release(&result);
	CU_ASSERT_TRUE(applier_apply(k, bad, test_two.batch_len, &test_two.expected, &result) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.error, "adding a rule to chain"));
	free(bad);
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
}

static void test_applier_lists_strangers(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(buf_release) struct buf lines = buf_init(FOREIGN_BYTES_MAX);

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(foreign_list(k, &lines), 0);
	CU_ASSERT_EQUAL(lines.len, 0);
	netns_run("nft 'table ip6 other { chain c { type filter hook output priority -3; }; "
		  "chain d { accept; }; }'");
	CU_ASSERT_EQUAL(foreign_list(k, &lines), 0);
	CU_ASSERT_STRING_EQUAL(lines.text, "ip6 other: chain c at output, priority -3\n");
}

static const struct tap_test test_applier_tests[] = {
	{ "loads, again, another, back", test_applier_loads },
	{ "names what a stranger changed", test_applier_names_changes },
	{ "sees the order", test_applier_sees_order },
	{ "replaces what cannot be filled in place", test_applier_replaces },
	{ "unloads ours only", test_applier_unloads_ours_only },
	{ "a refused batch changes nothing", test_applier_refused },
	{ "lists chains of strangers", test_applier_lists_strangers },
	{ 0 },
};

static const struct tap_suite test_applier_suites[] = {
	{ "applier", test_applier_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	int r = tap_main(argc, argv, test_applier_suites);

	compilewire_release_reply(&test_one);
	compilewire_release_reply(&test_two);
	return r;
}
