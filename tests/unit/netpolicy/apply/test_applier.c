/* SPDX-License-Identifier: MIT */
/* Loads compiled rulesets into a network namespace of its own, changes them with nft behind our
 * back, and looks whether the difference is named and healed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/foreign.h"
#include "netpolicy/apply/ktable.h"
#include "tests/support/tap.h"
#include "tests/unit/netpolicy/nftfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

static struct compilewire_reply test_one, test_two; /* compiled once: two policies */

static const char test_more[] = "add chain inet postern more\n"
				"flush chain inet postern more\n"
				"add set inet postern more6 { type ipv6_addr; flags interval; }\n"
				"flush set inet postern more6\n"
				"add element inet postern more6 { 2001:db8:1::/64 }\n"
				"add counter inet postern extra\n"
				"add rule inet postern more tcp dport { 22, 443 } accept\n";

/* A namespace with an uplink and the two policies. False: the test is skipped. */
static bool test_ready(struct kernio **k)
{
	nftfixture_once(0, "", &test_one);
	nftfixture_once(0, test_more, &test_two);
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
	CU_ASSERT_STRING_EQUAL(result.found, "inet postern: the table is missing");
	CU_ASSERT_EQUAL(result.n_found, 2);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_current);
	CU_ASSERT_STRING_EQUAL(result.found, "");
	CU_ASSERT_EQUAL(test_apply(k, &test_two, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	netns_expect("nft list ruleset | grep -c -e more -e extra", "0");
}

/* Each change by a stranger: seen, named, healed. */
static void test_applier_names_changes(void)
{
	static const struct {
		const char *nft, *word;
	} rows[] = {
		{ "insert rule inet postern input accept",
		  "a rule that is not ours stands at place 1" },
		{ "add rule inet postern from_up tcp dport 23 accept",
		  "chain from_up: a rule that is not" },
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
		{ "'add set inet postern mine { type ipv6_addr; flags timeout; }; "
		  "add element inet postern mine { ::1 timeout 1h }'",
		  "set mine is not ours" },
		{ "delete table inet postern", "inet postern: the table is missing" },
		{ "delete table netdev postern_guard",
		  "netdev postern_guard: the table is missing" },
		{ "flush chain netdev postern_guard egress_eth0", "chain egress_eth0: rule 1" },
		{ "flush ruleset", "the table is missing" },
		{ "rename chain inet postern from_up other", "chain other is not ours" },
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

/* Another rule in the place of the one with that comment. Not by "replace", of which nft 1.0.6 dies
 * when there is an anonymous set. */
static void test_replace_rule(const char *comment, const char *rule)
{
	netns_run("handle=$(nft -a list chain inet postern from_up | "
		  "sed -n 's/.*\"%s\" # handle //p'); "
		  "nft \"add rule inet postern from_up handle $handle %s comment \\\"%s\\\"; "
		  "delete rule inet postern from_up handle $handle\"",
		  comment, rule, comment);
}

/* A rule that only looks the same: its comment, its shape and the name that the kernel gave to its
 * anonymous set stay. */
static void test_applier_sees_anonymous_sets(void)
{
	static const char *const rules[] = {
		"tcp dport { 22, 81, 8000-8100 } counter accept",
		"tcp dport { 22, 80, 8000-8101 } counter accept",
		"tcp dport { 22, 80 } counter accept",
		"tcp dport != { 22, 80, 8000-8100 } counter accept",
		"udp dport { 22, 80, 8000-8100 } counter accept",
	};
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
		test_replace_rule("page:1", rules[i]);
		applier_release(&result);
		CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), APPLIER_E_DRIFT);
		if (!result.diff.lines.text || !strstr(result.diff.lines.text, "(\"page:1\")"))
			tap_fail(__FILE__, __LINE__, "%s: %s", rules[i], result.diff.lines.text);
	}
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	/* The same content under another number is the same. */
	test_replace_rule("page:1", "tcp dport { 8000-8100, 22, 80 } counter accept");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
}

/* The same rules in another order are another policy. */
static void test_applier_sees_order(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	netns_run("handle=$(nft -a list chain inet postern from_up | "
		  "sed -n 's/.*destination-unreachable.*handle //p'); "
		  "nft \"delete rule inet postern from_up handle $handle; add rule inet postern "
		  "from_up icmpv6 type destination-unreachable counter accept "
		  "comment \\\"errors\\\"\"");
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

/* What was granted stays through every update in place, and is no difference. */
static void test_applier_leaves_live_elements(void)
{
	static const char list[] = "nft list set inet postern grant_ssh6 | "
				   "grep -o '2001:db8:9::1 timeout 1h'";
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	netns_run("nft add element inet postern grant_ssh6 '{ 2001:db8:9::1 timeout 1h }'");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_current);
	CU_ASSERT_EQUAL(test_apply(k, &test_two, &result), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	netns_expect(list, "2001:db8:9::1 timeout 1h");
	/* The set itself counts. */
	netns_run("nft 'flush chain inet postern output; delete set inet postern grant_ssh6; "
		  "add set inet postern grant_ssh6 { type ipv6_addr; }'");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_replaced);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_TRUE(result.was_current);
}

/* How an nft of another version notes a type for its listings changes nothing. */
static void test_applier_other_notes(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	netns_run("nft 'add table inet postern; "
		  "add set inet postern tunnels { typeof iifname; comment \"links\"; }; "
		  "add set inet postern grant_ssh6 { typeof ip6 saddr; flags timeout; }; "
		  "add element inet postern grant_ssh6 { 2001:db8:9::1 timeout 1h }'");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	netns_expect("nft list ruleset | grep -c -e typeof -e '2001:db8:9::1 timeout 1h'", "3");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
}

/* Where the kernel knows it: made to persist, owned, closed to others, and free again. */
static void test_applier_owns(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(kernio_closep) struct kernio *other = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };
	struct ktable tables[2];

	if (!test_ready(&k))
		return;
	CU_ASSERT_EQUAL(applier_own(k), -ENOENT);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	if (!ktable_knows_persist()) {
		CU_ASSERT_EQUAL(applier_own(k), APPLIER_E_NO_OWNER);
		return;
	}
	CU_ASSERT_EQUAL(ktable_read(k, tables), 0);
	CU_ASSERT_TRUE(tables[0].flags == KTABLE_PERSIST && tables[1].flags == KTABLE_PERSIST);
	CU_ASSERT_EQUAL(applier_own(k), 0);
	CU_ASSERT_EQUAL(applier_own(k), 0);
	CU_ASSERT_EQUAL(ktable_read(k, tables), 0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_TRUE(tables[i].flags == (KTABLE_PERSIST | KTABLE_OWNER) &&
			       tables[i].owner == kernio_port(k));
	netns_run("! nft insert rule inet postern input accept 2>/dev/null");
	netns_run("nft flush ruleset");
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
	/* The owner itself goes on, in place and not. */
	CU_ASSERT_EQUAL(test_apply(k, &test_two, &result), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(kernio_open(&other), 0);
	CU_ASSERT_EQUAL(applier_own(other), -EPERM);
	CU_ASSERT_EQUAL(test_apply(other, &test_two, &result), -EPERM);
	CU_ASSERT_STRING_EQUAL(result.error, "another process owns our tables");
	CU_ASSERT_EQUAL(applier_unload(other), -EPERM);
	kernio_closep(&k);
	CU_ASSERT_EQUAL(test_apply(other, &test_two, &result), 0);
	CU_ASSERT_FALSE(result.was_replaced);
	CU_ASSERT_EQUAL(applier_own(other), 0);
}

/* A table that was made by somebody who did not know of persist cannot be owned, and works. */
static void test_applier_cannot_own(void)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	netns_run("nft add table inet postern");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(applier_own(k), APPLIER_E_NO_OWNER);
	/* Such a table can be made to sleep, and is woken. */
	netns_run("nft 'table inet postern { flags dormant; }'");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), APPLIER_E_DRIFT);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.diff.lines.text, "flags were changed"));
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	netns_expect("nft list table inet postern | grep -c dormant", "0");
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
	for (uint8_t *p = bad; (p = memmem(p, (size_t)(bad + test_two.batch_len - p), "more", 5));
	     p++)
		name = p;
	name[0] = 'q';
	applier_release(&result);
	CU_ASSERT_TRUE(applier_apply(k, bad, test_two.batch_len, &test_two.expected, &result) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.error, "adding a rule to chain"));
	free(bad);
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
}

/* A guard waits for its device: in the kernel, where it can (6.16), else it is loaded when the
 * device is there. */
static void test_applier_pending_guard(void)
{
	static const char guarded[] = "nft list chain netdev postern_guard egress_eth0 | "
				      "tr -d '\\n' | grep -c '\"eth0\".*never'";
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(applier_release) struct applier_result result = { 0 };

	if (!test_ready(&k))
		return;
	netns_run("ip link del eth0");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	if (result.n_pending)
		CU_ASSERT_STRING_EQUAL(result.pending[0], "eth0");
	CU_ASSERT_TRUE(result.n_pending <= 1);
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(result.n_pending, 0);
	netns_expect(guarded, "1");
	/* It goes and comes: from Linux 6.4 to 6.15 its chain stays and hooks nothing. */
	netns_run("ip link del eth0");
	applier_release(&result);
	CU_ASSERT_EQUAL(applier_check(k, &test_one.expected, &result), 0);
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	netns_run("ip link add eth0 type veth");
	CU_ASSERT_EQUAL(test_apply(k, &test_one, &result), 0);
	CU_ASSERT_EQUAL(result.n_pending, 0);
	netns_expect(guarded, "1");
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
	{ "sees into anonymous sets", test_applier_sees_anonymous_sets },
	{ "replaces what cannot be filled in place", test_applier_replaces },
	{ "leaves live elements alone", test_applier_leaves_live_elements },
	{ "takes no notice of the notes of another nft", test_applier_other_notes },
	{ "owns", test_applier_owns },
	{ "cannot own", test_applier_cannot_own },
	{ "unloads ours only", test_applier_unloads_ours_only },
	{ "a refused batch changes nothing", test_applier_refused },
	{ "a guard waits for its device", test_applier_pending_guard },
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
