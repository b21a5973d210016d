/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/emit/emit.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/policyfixture.h"

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
	char conf_name[64], text_name[64];
	char *conf, *want, *have;

	snprintf(conf_name, sizeof(conf_name), "%s.conf", name);
	snprintf(text_name, sizeof(text_name), "%s.nft", name);
	conf = policyfixture_golden(conf_name);
	CU_ASSERT_PTR_NOT_NULL(conf);
	have = policyfixture_text(conf ? conf : "");
	if (have && getenv("GOLDEN_WRITE"))
		test_write(text_name, have);
	want = policyfixture_golden(text_name);
	if (!want || !have || strcmp(want, have) != 0)
		tap_fail(__FILE__, __LINE__, "%s: the text differs from the golden file", name);
	free(conf);
	free(want);
	free(have);
}

static void test_emit_golden(void)
{
	test_pair("smallest");
	test_pair("everything");
	test_pair("not-enforced");
	test_pair("two-uplinks");
}

/* What must hold for every policy, whatever its lines say. */
static void test_emit_invariants(void)
{
	char *text = policyfixture_text("ipv4 = imds\nmanagement = tcp/1\n");
	char *line, *save = NULL;
	size_t rules = 0;

	if (!text)
		return;
	CU_ASSERT_PTR_NULL(strstr(text, "nexthdr"));
	CU_ASSERT_PTR_NULL(strstr(text, "auto-merge"));
	CU_ASSERT_PTR_NULL(strstr(text, "delete "));
	CU_ASSERT_PTR_NULL(strstr(text, "iif "));
	CU_ASSERT_PTR_NULL(strstr(text, "oif "));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool is_rule = strstr(line, "comment ");

		/* Every rule counts; an anonymous set would be "{" in a rule. */
		rules += is_rule;
		if (is_rule && (!strstr(line, "counter ") || strchr(line, '{')))
			tap_fail(__FILE__, __LINE__, "%s", line);
	}
	CU_ASSERT_TRUE(rules > 50);
	free(text);
}

/* The order traps, each as "this before that" in one chain. */
static void test_emit_order(void)
{
	static const struct {
		const char *chain, *first, *second;
	} rows[] = {
		{ "\tchain input {", "jump icmp6_in", "ct state invalid" },
		{ "\tchain input {", "jump grants", "ct state established" },
		{ "\tchain input {", "ct state invalid", "udp sport 547" },
		{ "\tchain input {", "log prefix", "in_denied" },
		{ "\tchain output {", "jump icmp6_out", "jump zone_outside" },
		{ "\tchain output {", "jump zone_outside", "ct state established" },
		{ "\tchain output {", "jump icmp6_errors", "ct state invalid" },
		{ "\tchain output {", "reject with", "what cannot be rejected" },
		{ "\tchain zone_outside {", "udp dport 51820", "counter name leak" },
	};
	char *text = policyfixture_text("");

	for (size_t i = 0; text && i < sizeof(rows) / sizeof(rows[0]); i++) {
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
		"peers = 2001:db8:1::1 2001:db8:1::2\npeer_ports = tcp/1\n", error);
	struct policy *q = policyfixture_build(
		"peers = 2001:db8:1::2 2001:db8:1::1\npeer_ports = tcp/1\n", error);
	struct policy *r = policyfixture_build(
		"peers = 2001:db8:1::2 2001:db8:1::1\npeer_ports = tcp/2\n", error);

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
	struct policy *p = policyfixture_build("", error);

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

static const struct tap_test test_emit_tests[] = {
	{ "golden pairs", test_emit_golden },
	{ "invariants", test_emit_invariants },
	{ "order", test_emit_order },
	{ "digest", test_emit_digest },
	{ "out of memory", test_emit_out_of_memory },
	{ "limit", test_emit_limit },
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
