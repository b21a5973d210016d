/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "netpolicy/model/policy.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

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
		{ "::/0 10.0.0.0/8", "10.0.0.0/8 ::/0" },
		{ "0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0" },
		{ "::/1 8000::/1", "::/0" },
	};
	char words[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_fill(rows[i].in);
		policy_merge(&test_set);
		CU_ASSERT_STRING_EQUAL(test_words(words, sizeof(words)), rows[i].out);
	}
	policy_release_prefixes(&test_set);
}

/* Whether @addr lies in one of @list, however they stand. */
static bool test_in_any(const struct ip6_prefix *list, size_t n, const struct in6_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (ip6_prefix_has(&list[i], addr))
			return true;
	return false;
}

/* Merging must keep exactly the addresses: tried against the unmerged list. */
static void test_policy_merge_keeps_addresses(void)
{
	struct ip6_prefix before[40];

	for (int round = 0; round < 50; round++) {
		test_set.n = 0;
		for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
			struct ip6_prefix p = { .len = (uint8_t)(120 + tap_random_below(9)) };

			p.addr.s6_addr[0] = 0x20;
			p.addr.s6_addr[15] = (uint8_t)(tap_random_below(256) &
						       (0xff00u >> (p.len - 120)));
			before[i] = p;
			CU_ASSERT_EQUAL(policy_add_prefix(&test_set, &p), 0);
		}
		policy_merge(&test_set);
		for (unsigned int a = 0; a < 256; a++) {
			struct in6_addr one = { { { 0x20, [15] = (uint8_t)a } } };

			CU_ASSERT_EQUAL(test_in_any(before, ARRAY_SIZE(before), &one),
					policy_has(&test_set, &one));
		}
	}
	policy_release_prefixes(&test_set);
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
	static const char *const bad[] = { "",        "https", "0",     "65536",   "2-1",
					   "1-65536", "0-1",   "1-",    "-1",      " 1",
					   "1x",      "+1",    "1-2-3", "00000001" };
	struct policy_port port = { 0 };

	CU_ASSERT_EQUAL(policy_parse_port("443", POLICY_TCP, &port), 0);
	CU_ASSERT_TRUE(port.proto == POLICY_TCP && port.low == 443 && port.high == 443);
	CU_ASSERT_EQUAL(policy_parse_port("1-65535", POLICY_UDP, &port), 0);
	CU_ASSERT_TRUE(port.proto == POLICY_UDP && port.low == 1 && port.high == 65535);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(policy_parse_port(bad[i], POLICY_TCP, &port), -EINVAL);
}

/* Every list at its limit and one beyond. */
static void test_policy_more_limits(void)
{
	static const struct policy_grant grant = { .name = "g" };
	static const struct policy_claim claim = { .text = "c" };
	static const struct policy_say say = { .is_never = true };
	struct policy *p = policy_new();
	uint16_t at = 0;

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	for (uint32_t i = 0; i < POLICY_USERS_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_user(p, "", i, &at), 0);
	CU_ASSERT_EQUAL(policy_add_user(p, "", POLICY_USERS_MAX, &at), -E2BIG);
	CU_ASSERT_EQUAL(policy_add_user(p, "", 7, &at), 0);
	CU_ASSERT_EQUAL(at, 7);
	for (size_t i = 0; i < POLICY_GRANTS_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_grant(p, &grant), 0);
	CU_ASSERT_EQUAL(policy_add_grant(p, &grant), -E2BIG);
	for (size_t i = 0; i < POLICY_CLAIMS_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_claim(p, &claim), 0);
	CU_ASSERT_EQUAL(policy_add_claim(p, &claim), -E2BIG);
	for (size_t i = 0; i < POLICY_SAYS_MAX; i++)
		CU_ASSERT_EQUAL(policy_add_say(p, &say), 0);
	CU_ASSERT_EQUAL(policy_add_say(p, &say), -E2BIG);
	policy_free(p);
}

/* One of everything, for each allocation failing once. */
static int test_add_all(void *ctx)
{
	static const struct policy_rule rule = { .row = 13 };
	static const struct policy_grant grant = { .name = "g" };
	static const struct policy_claim claim = { .text = "c" };
	static const struct policy_say say = { .is_never = true };
	static const struct ip6_prefix prefix = { .len = 128 };
	struct policy *p = policy_new();
	size_t net = 0;
	uint16_t user;
	int r = p ? policy_add_net(p, "n", &net) : -ENOMEM;

	(void)ctx;
	if (r == 0)
		r = policy_add_prefix(&p->nets[net].prefixes, &prefix);
	if (r == 0)
		r = policy_add_user(p, "u", 1, &user);
	if (r == 0)
		r = policy_add_rule(p, &rule);
	if (r == 0)
		r = policy_add_grant(p, &grant);
	if (r == 0)
		r = policy_add_claim(p, &claim);
	if (r == 0)
		r = policy_add_say(p, &say);
	policy_free(p);
	return r;
}

static void test_policy_out_of_memory(void)
{
	CU_ASSERT_EQUAL(torture(test_add_all, NULL), 8);
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
	CU_ASSERT_TRUE(policy_is_name("z"));
	CU_ASSERT_FALSE(policy_is_name(""));
	CU_ASSERT_FALSE(policy_is_name("9a"));
	CU_ASSERT_FALSE(policy_is_name("a\"b"));
	CU_ASSERT_FALSE(policy_is_name("A"));
}

/* A net of the words of @text; its list is released by test_release_net(). */
static struct policy_net test_net(const char *text)
{
	struct policy_net net = { .name = "" };

	policy_release_prefixes(&test_set);
	test_fill(text);
	policy_merge(&test_set);
	net.prefixes = test_set;
	test_set = (struct policy_prefixes){ 0 };
	return net;
}

static bool test_overlap(const char *a, const char *b)
{
	struct policy_net x = test_net(a), y = test_net(b);
	bool one = policy_nets_overlap(&x, &y);

	CU_ASSERT_EQUAL(policy_nets_overlap(&y, &x), one);
	policy_release_prefixes(&x.prefixes);
	policy_release_prefixes(&y.prefixes);
	return one;
}

/* Packets of one family never meet the other, though the addresses are held in one form. */
static void test_policy_families_are_apart(void)
{
	struct policy_net both = test_net("::/0 10.0.0.0/8 fd00::/8"), any = { .is_any = true };
	struct in6_addr v4 = { { { [10] = 0xff, 0xff, 10, 0, 0, 1 } } };
	struct in6_addr other = { { { [10] = 0xff, 0xff, 11, 0, 0, 1 } } };
	struct in6_addr v6 = { { { 0x20 } } };

	CU_ASSERT_EQUAL(both.prefixes.n, 2);
	CU_ASSERT_TRUE(policy_has(&both.prefixes, &v4));
	CU_ASSERT_FALSE(policy_has(&both.prefixes, &other));
	CU_ASSERT_TRUE(policy_has(&both.prefixes, &v6));
	CU_ASSERT_TRUE(policy_net_has(&both, true) && policy_net_has(&both, false));
	CU_ASSERT_TRUE(policy_net_has(&any, false));
	CU_ASSERT_FALSE(policy_net_has(&any, true));
	CU_ASSERT_TRUE(policy_nets_overlap(&both, &any));
	policy_release_prefixes(&both.prefixes);
	CU_ASSERT_FALSE(policy_has(&both.prefixes, &v4));
	CU_ASSERT_FALSE(test_overlap("::/0", "10.0.0.0/8"));
}

static void test_policy_overlap(void)
{
	CU_ASSERT_TRUE(test_overlap("2001:db8::/32", "2001:db8:7::1"));
	CU_ASSERT_FALSE(test_overlap("2001:db8::/33", "2001:db8:8000::/33"));
	CU_ASSERT_TRUE(
		test_overlap("2001:db8:1::/48 2001:db8:5::/48", "2001:db8:2::/48 2001:db8:5::1"));
	CU_ASSERT_FALSE(
		test_overlap("2001:db8:1::/48 2001:db8:5::/48", "2001:db8:2::/48 2001:db8:6::1"));
	CU_ASSERT_TRUE(test_overlap("10.0.0.0/8 2001:db8::/32", "2001:db9::/32 10.255.255.255"));
}

/* The merge walk against all pairs. */
static void test_policy_overlap_random(void)
{
	for (int round = 0; round < 300; round++) {
		struct policy_net net[2] = { { .name = "" } };
		bool want = false;

		for (int side = 0; side < 2; side++)
			for (int i = 0; i < 6; i++) {
				struct ip6_prefix p = { .len = (uint8_t)(122 +
									 tap_random_below(7)) };

				p.addr.s6_addr[15] = (uint8_t)(tap_random_below(256) &
							       (0xff00u >> (p.len - 120)));
				p.addr.s6_addr[0] = 0x20;
				CU_ASSERT_EQUAL(policy_add_prefix(&net[side].prefixes, &p), 0);
			}
		for (size_t i = 0; i < net[0].prefixes.n; i++)
			for (size_t j = 0; j < net[1].prefixes.n; j++)
				want |= ip6_prefix_covers(&net[0].prefixes.list[i],
							  &net[1].prefixes.list[j]) ||
					ip6_prefix_covers(&net[1].prefixes.list[j],
							  &net[0].prefixes.list[i]);
		policy_merge(&net[0].prefixes);
		policy_merge(&net[1].prefixes);
		CU_ASSERT_EQUAL(policy_nets_overlap(&net[0], &net[1]), want);
		policy_release_prefixes(&net[0].prefixes);
		policy_release_prefixes(&net[1].prefixes);
	}
}

static void test_policy_links(void)
{
	struct policy *p = policy_new();

	CU_ASSERT_PTR_NOT_NULL(p);
	if (!p)
		return;
	CU_ASSERT_FALSE(policy_has_link(p, "eth0"));
	p->n_uplinks = 2;
	snprintf(p->uplinks[0], IFNAMSIZ, "eth0");
	snprintf(p->uplinks[1], IFNAMSIZ, "eth1");
	p->n_tunnels = 1;
	snprintf(p->tunnels[0], IFNAMSIZ, "postern0");
	snprintf(p->tunnels[1], IFNAMSIZ, "postern1");
	CU_ASSERT_TRUE(policy_has_link(p, "eth0") && policy_has_link(p, "eth1"));
	CU_ASSERT_TRUE(policy_has_link(p, "postern0"));
	CU_ASSERT_FALSE(policy_has_link(p, "postern1"));
	CU_ASSERT_FALSE(policy_has_link(p, "eth") || policy_has_link(p, "eth01"));
	policy_free(p);
}

static const struct tap_test test_policy_tests[] = {
	{ "links", test_policy_links },
	{ "merge", test_policy_merge },
	{ "merging keeps the addresses", test_policy_merge_keeps_addresses },
	{ "bad prefixes", test_policy_parse_prefix_bad },
	{ "ports", test_policy_parse_port },
	{ "limits", test_policy_limits },
	{ "names", test_policy_names },
	{ "families are apart", test_policy_families_are_apart },
	{ "overlap", test_policy_overlap },
	{ "overlap, random", test_policy_overlap_random },
	{ "more limits", test_policy_more_limits },
	{ "out of memory", test_policy_out_of_memory },
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
