/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "netpolicy/model/policy.h"
#include "tests/support/tap.h"

static struct policy_prefixes test_set;

/* Fills test_set with the words of @text. */
static void test_fill(const char *text)
{
	char copy[512];
	char *save = NULL;

	test_set.n = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct ip6_prefix p = { 0 };

		CU_ASSERT_EQUAL(policy_parse_prefix(w, &p), 0);
		CU_ASSERT_EQUAL(policy_add_prefix(&test_set, &p), 0);
	}
}

/* Writes test_set back as words. */
static const char *test_words(char *ret, size_t cap)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < test_set.n; i++) {
		char text[IP6_PREFIX_TEXT];

		at += (size_t)snprintf(ret + at, cap - at, "%s%s", i ? " " : "",
				       policy_format_prefix(&test_set.list[i], text));
	}
	return ret;
}

static void test_policy_merge(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "2001:db8:1::/48 2001:db8::/48", "2001:db8::/47" },
		{ "2001:db8:1::/48 2001:db8:2::/48", "2001:db8:1::/48 2001:db8:2::/48" },
		{ "2001:db8::/32 2001:db8:5::/48 2001:db8::1", "2001:db8::/32" },
		{ "2001:db8::1 2001:db8::1", "2001:db8::1" },
		{ "2001:db8::3 2001:db8::2 2001:db8::1 2001:db8::", "2001:db8::/126" },
		{ "10.0.1.0/24 10.0.0.0/24 2001:db8::1", "10.0.0.0/23 2001:db8::1" },
		{ "0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0" },
		{ "::/1 8000::/1", "::/0" },
	};
	char words[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_fill(rows[i].in);
		policy_merge(&test_set);
		CU_ASSERT_STRING_EQUAL(test_words(words, sizeof(words)), rows[i].out);
	}
}

/* Merging must keep exactly the addresses: tried against the unmerged list. */
static void test_policy_merge_keeps_addresses(void)
{
	static struct policy_prefixes before;

	for (int round = 0; round < 50; round++) {
		test_set.n = 0;
		for (int i = 0; i < 40; i++) {
			struct ip6_prefix p = { .len = (uint8_t)(120 + tap_random_below(9)) };

			p.addr.s6_addr[0] = 0x20;
			p.addr.s6_addr[15] = (uint8_t)(tap_random_below(256) &
						       (0xff00u >> (p.len - 120)));
			CU_ASSERT_EQUAL(policy_add_prefix(&test_set, &p), 0);
		}
		before = test_set;
		policy_merge(&test_set);
		for (unsigned int a = 0; a < 256; a++) {
			struct policy_prefixes one = { .n = 1 };

			one.list[0] = (struct ip6_prefix){ .len = 128 };
			one.list[0].addr.s6_addr[0] = 0x20;
			one.list[0].addr.s6_addr[15] = (uint8_t)a;
			CU_ASSERT_EQUAL(policy_overlaps(&one, &before),
					policy_overlaps(&one, &test_set));
		}
	}
}

static void test_policy_parse_prefix_bad(void)
{
	static const char *const bad[] = { "",
					   "x",
					   "10.0.0.1/24",
					   "10.0.0.0/33",
					   "10.0.0.0/",
					   "1.2.3",
					   "2001:db8::1/48",
					   "2001:db8::/129",
					   "1.2.3.4/-1",
					   "::ffff:10.0.0.1",
					   "2001:db8::%eth0",
					   "300.1.1.1" };
	struct ip6_prefix p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(policy_parse_prefix(bad[i], &p), -EINVAL);
}

static void test_policy_parse_port(void)
{
	static const char *const bad[] = { "",       "443",          "tcp",     "tcp/",
					   "tcp/0",  "tcp/65536",    "tcp/2-1", "tcp/1-65536",
					   "sctp/1", "tcp/1-",       "tcp/ 1",  "tcp/1x",
					   "tcp/+1", "udp/000000001" };
	struct policy_port port = { 0 };

	CU_ASSERT_EQUAL(policy_parse_port("tcp/443", &port), 0);
	CU_ASSERT_TRUE(port.proto == POLICY_TCP && port.low == 443 && port.high == 443);
	CU_ASSERT_EQUAL(policy_parse_port("udp/1-65535", &port), 0);
	CU_ASSERT_TRUE(port.proto == POLICY_UDP && port.low == 1 && port.high == 65535);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(policy_parse_port(bad[i], &port), -EINVAL);
}

static void test_policy_limits(void)
{
	struct policy *p = policy_new();
	struct policy_rule rule = { 0 };
	struct ip6_prefix prefix = { .len = 128 };
	char name[POLICY_NAME_MAX];
	size_t at;

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	for (size_t i = 0; i < POLICY_NETS_MAX; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		CU_ASSERT_EQUAL(policy_add_net(p, name, &at), 0);
	}
	CU_ASSERT_EQUAL(policy_add_net(p, "n1", &at), -EEXIST);
	CU_ASSERT_EQUAL(policy_add_net(p, "more", &at), -E2BIG);
	for (size_t i = 0; i < POLICY_RULES_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_rule(p, &rule), 0);
	CU_ASSERT_EQUAL(policy_add_rule(p, &rule), -E2BIG);
	for (size_t i = 0; i < POLICY_PREFIXES_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[0].prefixes, &prefix), 0);
	CU_ASSERT_EQUAL(policy_add_prefix(&p->nets[0].prefixes, &prefix), -E2BIG);
	policy_free(p);
	policy_free(NULL);
}

static void test_policy_names(void)
{
	char name[POLICY_NAME_MAX + 1];

	memset(name, 'a', sizeof(name));
	name[POLICY_NAME_MAX] = '\0';
	CU_ASSERT_FALSE(policy_is_name(name));
	name[POLICY_NAME_MAX - 1] = '\0';
	CU_ASSERT_TRUE(policy_is_name(name));
	CU_ASSERT_TRUE(policy_is_name("a-b_9"));
	CU_ASSERT_FALSE(policy_is_name(""));
	CU_ASSERT_FALSE(policy_is_name("9a"));
	CU_ASSERT_FALSE(policy_is_name("a\"b"));
	CU_ASSERT_FALSE(policy_is_name("A"));
}

/* Packets of one family never meet the other, though the addresses are held in one form. */
static void test_policy_families_are_apart(void)
{
	static struct policy_prefixes all, v4;

	test_fill("::/0");
	all = test_set;
	test_fill("10.0.0.0/8");
	v4 = test_set;
	CU_ASSERT_FALSE(policy_overlaps(&all, &v4));
	CU_ASSERT_TRUE(policy_has_family(&v4, true));
	CU_ASSERT_FALSE(policy_has_family(&v4, false));
	CU_ASSERT_FALSE(policy_has_family(&all, true));
}

static const struct tap_test test_policy_tests[] = {
	{ "merge", test_policy_merge },
	{ "merging keeps the addresses", test_policy_merge_keeps_addresses },
	{ "bad prefixes", test_policy_parse_prefix_bad },
	{ "ports", test_policy_parse_port },
	{ "limits", test_policy_limits },
	{ "names", test_policy_names },
	{ "families are apart", test_policy_families_are_apart },
	{ 0 },
};

static const struct tap_suite test_policy_suites[] = {
	{ "policy", test_policy_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_policy_suites);
}
