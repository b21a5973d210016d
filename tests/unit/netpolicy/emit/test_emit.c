/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/emit/emit.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/policyfixture.h"
#include "tests/unit/tunneld/kern/netns.h"

/* Calls @fn with the name of each page of tests/golden/netpolicy, without ".conf". */
static void test_each_page(void (*fn)(const char *name))
{
	char pattern[FILES_PATH_MAX];
	glob_t found = { 0 };

	snprintf(pattern, sizeof(pattern), "%s/tests/golden/netpolicy/*.conf",
		 getenv("POSTERN_TEST_SOURCE"));
	CU_ASSERT_EQUAL(glob(pattern, 0, NULL, &found), 0);
	CU_ASSERT_TRUE(found.gl_pathc >= 30);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *name = strrchr(found.gl_pathv[i], '/') + 1;

		name[strlen(name) - strlen(".conf")] = '\0';
		fn(name);
	}
	globfree(&found);
}

/* The policy of a page, NULL with a failed assertion. What "netpolicy try --log-only" does is no
 * line of a page. */
static struct policy *test_page(const char *name)
{
	char file[128], error[POLICY_ERROR_MAX] = "";
	struct policy *p = NULL;
	char *page;

	snprintf(file, sizeof(file), "%s.conf", name);
	page = policyfixture_golden(file);
	if (page)
		p = policyfixture_page(page, error);
	if (!p)
		tap_fail(__FILE__, __LINE__, "%s: %s", name, error);
	else if (!strcmp(name, "not-enforced"))
		p->enforce = false;
	free(page);
	return p;
}

/* With GOLDEN_WRITE=1 the files are written instead, for a change that is meant. */
static void test_write(const char *name, const char *text)
{
	char path[FILES_PATH_MAX];

	snprintf(path, sizeof(path), "%s/tests/golden/netpolicy/%s", getenv("POSTERN_TEST_SOURCE"),
		 name);
	CU_ASSERT_EQUAL(files_write(path, text, strlen(text), 0644), 0);
}

static void test_pair(const char *name)
{
	struct policy *p = test_page(name);
	char *have = p ? policyfixture_emit(p) : NULL;
	char file[128];
	char *want;

	snprintf(file, sizeof(file), "%s.nft", name);
	if (have && getenv("GOLDEN_WRITE"))
		test_write(file, have);
	want = policyfixture_golden(file);
	if (!want || !have || strcmp(want, have) != 0)
		tap_fail(__FILE__, __LINE__,
			 "%s: the text differs from the golden file (tests/golden/regen)", name);
	policy_free(p);
	free(want);
	free(have);
}

static void test_emit_golden(void)
{
	test_each_page(test_pair);
}

/* nft takes each text, twice changes nothing, and what nft lists leads to the same again. */
static void test_load(const char *name)
{
	static const char command[] =
		"f=%s/tests/golden/netpolicy/%s.nft; "
		"list() { nft -s -nn list ruleset | sed 's/[[:space:]]*$//'; }; "
		"nft -f $f && one=$(list) && nft -f $f && two=$(list) && nft flush ruleset && "
		"echo \"$two\" | nft -f - && three=$(list) && [ -n \"$one\" ] && "
		"[ \"$one\" = \"$two\" ] && [ \"$two\" = \"$three\" ] && echo same";
	char text[FILES_PATH_MAX + sizeof(command)];
	char *out;

	if (!netns_fresh())
		return;
	snprintf(text, sizeof(text), command, getenv("POSTERN_TEST_SOURCE"), name);
	out = netns_output(text);
	if (strcmp(out, "same") != 0)
		tap_fail(__FILE__, __LINE__, "%s: %s", name, out);
	CU_PASS("loaded");
	free(out);
}

static void test_emit_loads(void)
{
	if (netns_fresh())
		test_each_page(test_load);
}

/* Moves one page to another in place: what is left behind is for the applier to delete, what is
 * said anew must be what it says. */
static void test_emit_in_place(void)
{
	char command[FILES_PATH_MAX];
	char *out;

	if (!netns_fresh())
		return;
	snprintf(command, sizeof(command),
		 "cd %s/tests/golden/netpolicy; l='nft -s -nn list chain inet postern'; "
		 "nft -f smallest.nft && want=$($l input; $l output; $l to_up) && "
		 "nft -f everything.nft && nft -f smallest.nft && "
		 "[ \"$want\" = \"$($l input; $l output; $l to_up)\" ] && echo same",
		 getenv("POSTERN_TEST_SOURCE"));
	out = netns_output(command);
	CU_ASSERT_STRING_EQUAL(out, "same");
	free(out);
}

/* False for what else stands in a chain or a set. */
static bool test_is_rule(const char *line)
{
	static const char *const others[] = { "\t", "type ", "typeof ", "flags ", "elements " };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!strncmp(line, "\t\t", 2) && !strncmp(line + 2, others[i], strlen(others[i])))
			return false;
	return !strncmp(line, "\t\t", 2);
}

/* What must hold for every policy, whatever its lines say. A set with a plain type that nft 1.1.3
 * loads makes every nft 1.0.6 beside it crash. */
static void test_invariants(const char *name)
{
	static const char *const never[] = { "nexthdr", "auto-merge", "delete ",
					     "iif \"",  "oif \"",     "tcp reset",
					     "notrack", "type ipv",   "type ifname" };
	struct policy *p = test_page(name);
	char *text = p ? policyfixture_emit(p) : NULL;
	char *line, *save = NULL;
	size_t rules = 0;

	for (size_t i = 0; text && i < ARRAY_SIZE(never); i++)
		if (strstr(text, never[i]))
			tap_fail(__FILE__, __LINE__, "%s: %s", name, never[i]);
	line = text ? strstr(text, "\ntable inet ") : NULL;
	for (line = line ? strtok_r(line, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		bool is_rule = test_is_rule(line);

		rules += is_rule;
		if (is_rule && (!strstr(line, "counter ") || !strstr(line, " comment \"")))
			tap_fail(__FILE__, __LINE__, "%s: no counter, or no comment: %s", name,
				 line);
		if (strlen(line) > 300)
			tap_fail(__FILE__, __LINE__, "%s: a long line: %s", name, line);
	}
	CU_ASSERT_TRUE(rules > 50);
	free(text);
	policy_free(p);
}

static void test_emit_invariants(void)
{
	test_each_page(test_invariants);
}

/* The order traps, each as "this before that" in one chain. */
static void test_emit_order(void)
{
	static const struct {
		const char *chain, *first, *second;
	} rows[] = {
		{ "\tchain input {", "jump icmp6_in", "ct state invalid" },
		{ "\tchain input {", "jump zone_answers", "jump grants" },
		{ "\tchain input {", "jump grants", "ct state established" },
		{ "\tchain input {", "ct state invalid", "udp sport 547" },
		{ "\tchain input {", "log prefix", "in_denied" },
		{ "\tchain output {", "jump icmp6_out", "jump zone_outside" },
		{ "\tchain output {", "jump zone_outside", "ct state established" },
		{ "\tchain output {", "jump icmp6_errors", "ct state invalid" },
		{ "\tchain output {", "jump grants_out", "ct state established" },
		{ "\tchain output {", "jump metadata", "vmap @out_links" },
		{ "\tchain output {", "reject with", "what cannot be rejected" },
		{ "\tchain zone_outside {", "udp dport 51820", "counter name leak" },
		{ "\tchain grants {", "@grant_ssh6", "grant_over" },
		{ "\tchain egress_eth0 {", "frag-off", "counter name leak" },
	};
	char *text = policyfixture_text("grant ssh tcp 22 from config max 4h\n");

	for (size_t i = 0; text && i < ARRAY_SIZE(rows); i++) {
		const char *at = strstr(text, rows[i].chain);
		const char *a = at ? strstr(at, rows[i].first) : NULL;
		const char *b = a ? strstr(a, rows[i].second) : NULL;
		const char *end = at ? strstr(at, "\n\t}") : NULL;

		if (!b || b > end)
			tap_fail(__FILE__, __LINE__, "%s: %s before %s", rows[i].chain,
				 rows[i].first, rows[i].second);
		CU_PASS("order");
	}
	free(text);
}

/* A digest follows the content and nothing else. */
static void test_emit_digest(void)
{
	char error[POLICY_ERROR_MAX] = "", a[65] = "", b[65] = "", c[65] = "";
	struct policy *p = policyfixture_build(
		"net peers 2001:db8:1::1 2001:db8:1::2\nfrom peers allow tcp 1\n", error);
	struct policy *q = policyfixture_build(
		"net peers 2001:db8:1::2 2001:db8:1::1\nfrom peers allow tcp 1\n", error);
	struct policy *r = policyfixture_build(
		"net peers 2001:db8:1::2 2001:db8:1::1\nfrom peers allow tcp 2\n", error);

	if (p && q && r) {
		CU_ASSERT_EQUAL(emit_digest(p, a), 0);
		CU_ASSERT_EQUAL(emit_digest(q, b), 0);
		CU_ASSERT_EQUAL(emit_digest(r, c), 0);
	}
	CU_ASSERT_EQUAL(strlen(a), 64);
	CU_ASSERT_STRING_EQUAL(a, b);
	CU_ASSERT_STRING_NOT_EQUAL(a, c);
	policy_free(p);
	policy_free(q);
	policy_free(r);
}

static int test_emit_once(void *ctx)
{
	_cleanup_(buf_release) struct buf to = buf_init(EMIT_TEXT_MAX);

	return emit_policy(ctx, &to);
}

static void test_emit_out_of_memory(void)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *p = policyfixture_build("net a 10.0.0.0/8\nfrom a allow any\n", error);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (p)
		CU_ASSERT_TRUE(torture(test_emit_once, p) > 0);
	policy_free(p);
}

static void test_emit_limit(void)
{
	_cleanup_(buf_release) struct buf to = buf_init(1000);
	char error[POLICY_ERROR_MAX] = "";
	struct policy *p = policyfixture_build("", error);

	CU_ASSERT_PTR_NOT_NULL(p);
	if (p)
		CU_ASSERT_EQUAL(emit_policy(p, &to), -EFBIG);
	policy_free(p);
}

/* As many prefixes as a net can have; each must be there, in lines of a length that can be read. */
static void test_emit_large(void)
{
	struct policy *p = policy_new();
	struct policy_rule rule = { .dir = POLICY_IN };
	char *text = NULL;

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	CU_ASSERT_EQUAL(policy_add_net(p, "many", &rule.net), 0);
	CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
	for (uint32_t i = 0; i < POLICY_PREFIXES_MAX; i++) {
		struct ip6_prefix one = { .addr = { { { 0x20, 1 } } }, .len = 128 };

		memcpy(&one.addr.s6_addr[4], &(uint32_t){ htonl(2 * i) }, 4);
		one.addr.s6_addr[15] = 0xff;
		CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[0].prefixes, &one), 0);
	}
	policy_finish(p);
	text = policyfixture_emit(p);
	CU_ASSERT_PTR_NOT_NULL(text);
	if (text)
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "2001:0:3:fffe::ff }"));
	for (char *at = text; at && *at; at += strcspn(at, "\n") + 1)
		if (strcspn(at, "\n") > 300)
			tap_fail(__FILE__, __LINE__, "a long line");
	free(text);
	policy_free(p);
}

static const struct tap_test test_emit_tests[] = {
	{ "golden pairs", test_emit_golden },
	{ "nft takes each, twice, and its own listing", test_emit_loads },
	{ "in place", test_emit_in_place },
	{ "invariants", test_emit_invariants },
	{ "order", test_emit_order },
	{ "digest", test_emit_digest },
	{ "out of memory", test_emit_out_of_memory },
	{ "limit", test_emit_limit },
	{ "131,072 prefixes", test_emit_large },
	{ 0 },
};

static const struct tap_suite test_emit_suites[] = {
	{ "emit", test_emit_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_emit_suites);
}
