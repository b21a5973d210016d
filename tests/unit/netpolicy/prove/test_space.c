/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/packettext.h"
#include "netpolicy/prove/space.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tests/unit/netpolicy/prove/tinypolicy.h"

static void test_space_fields(void)
{
	unsigned int at = 0;

	for (enum space_field f = 0; f < SPACE_FIELDS; f++) {
		CU_ASSERT_EQUAL(space_first(f), at);
		at += space_width(f);
	}
	CU_ASSERT_EQUAL(at, SPACE_VARS);
}

/* What cannot be, field by field. */
static void test_space_valid(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	struct terms_packet in = { .dir = POLICY_IN, .family = 6, .proto = POLICY_TCP };
	struct terms_packet k, out;

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	packettext_far(6, &in.far);
	packettext_host(6, &in.near);
	out = in;
	out.dir = POLICY_OUT;
	CU_ASSERT_TRUE(space_has(&s, s.valid, &in));
	CU_ASSERT_TRUE(space_has(&s, s.valid, &out));
#define TEST_NOT(base, change)                                                                     \
	do {                                                                                       \
		k = base;                                                                          \
		change;                                                                            \
		CU_ASSERT_FALSE(space_has(&s, s.valid, &k));                                       \
	} while (0)
	TEST_NOT(in, k.family = 4);
	TEST_NOT(in, packettext_far(4, &k.far));
	TEST_NOT(in, packettext_host(4, &k.near));
	TEST_NOT(in, k.has_uid = true);
	TEST_NOT(in, k.from_packet_socket = true);
	TEST_NOT(in, k.facts = TERMS_FALSE_FRAME);
	TEST_NOT(in, k.facts = TERMS_LATER_FRAGMENT);
	TEST_NOT(in, k.facts = TERMS_FALSE_SOURCE);
	TEST_NOT(out, k.facts = TERMS_OWN_SOURCE);
	TEST_NOT(out, k.facts = TERMS_NO_WAY_BACK);
	TEST_NOT(out, k.uid = 7);
	TEST_NOT(in, k.icmp_type = 128);
	TEST_NOT(in, (k.proto = 47, k.near_port = 1));
	TEST_NOT(in, (k.proto = 47, k.far_port = 1));
	TEST_NOT(in, k.ct = TERMS_CTS);
	TEST_NOT(out, (k.from_packet_socket = true, k.has_uid = true));
#undef TEST_NOT
}

static struct ip6_prefix test_random_prefix(unsigned int *pool)
{
	struct ip6_prefix p = { 0 };
	uint8_t len = (uint8_t)(100 + tap_random_below(29));

	*pool = (unsigned int)tap_random_below(256);
	p.addr.s6_addr[0] = tap_random_below(2) ? 0x20 : 0;
	if (p.addr.s6_addr[0] == 0)
		p.addr.s6_addr[10] = p.addr.s6_addr[11] = 0xff;
	p.addr.s6_addr[12] = (uint8_t)*pool;
	p.addr.s6_addr[15] = (uint8_t)tap_random_below(8);
	p.len = len;
	for (unsigned int bit = len; bit < 128; bit++)
		p.addr.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return p;
}

static bool test_in(const struct policy_prefixes *set, const struct terms_packet *k)
{
	for (size_t i = 0; i < set->n; i++)
		if (policy_is_v4(&set->list[i]) == (k->family == 4) &&
		    ip6_prefix_has(&set->list[i], &k->far))
			return true;
	return false;
}

/* Lists as a page may have them: in any order, overlapping, of both families. */
static void test_space_prefixes(void)
{
	for (int round = 0; round < 60; round++) {
		_cleanup_(space_release) struct space s = { 0 };
		struct ip6_prefix list[40];
		struct policy_prefixes set = { list, tap_random_below(ARRAY_SIZE(list) + 1), 0 };
		unsigned int pool;
		bdd packets;

		CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
		for (size_t i = 0; i < set.n; i++)
			list[i] = test_random_prefix(&pool);
		packets = space_prefixes(&s, SPACE_FAR, &set);
		CU_ASSERT_EQUAL(space_prefixes(&s, SPACE_FAR, &set), packets);
		for (int i = 0; i < 500; i++) {
			struct ip6_prefix at = test_random_prefix(&pool);
			struct terms_packet k = { .family = policy_is_v4(&at) ? 4 : 6 };

			k.far = at.addr;
			if (space_has(&s, packets, &k) != test_in(&set, &k))
				tap_fail(__FILE__, __LINE__, "list of %zu", set.n);
		}
		CU_ASSERT_EQUAL(space_failed(&s), 0);
	}
	CU_PASS("all alike");
}

static void test_space_families(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	struct ip6_prefix all = { .len = 0 };
	struct policy_prefixes set = { &all, 1, 0 };
	struct policy_net any = { .is_any = true };
	struct terms_packet v4 = { .family = 4 }, v6 = { .family = 6 };

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	packettext_far(4, &v4.far);
	packettext_far(6, &v6.far);
	CU_ASSERT_TRUE(space_has(&s, space_prefixes(&s, SPACE_FAR, &set), &v6));
	CU_ASSERT_FALSE(space_has(&s, space_prefixes(&s, SPACE_FAR, &set), &v4));
	CU_ASSERT_TRUE(space_has(&s, space_net(&s, &any), &v6));
	CU_ASSERT_FALSE(space_has(&s, space_net(&s, &any), &v4));
}

/* A packet that is wished for comes back as it was, and what cannot be is mended. */
static void test_space_pick(void)
{
	_cleanup_(space_release) struct space s = { 0 };

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	for (int i = 0; i < 3000; i++) {
		struct terms_packet k, same;
		char a[PACKETTEXT_MAX], b[PACKETTEXT_MAX];

		tinypolicy_packet(&k);
		space_pick_like(&s, s.valid, &k, &same);
		CU_ASSERT_STRING_EQUAL(packettext_format(&same, a), packettext_format(&k, b));
		k.family = k.family == 4 ? 6 : 4;
		space_pick_like(&s, s.valid, &k, &same);
		CU_ASSERT_TRUE(space_has(&s, s.valid, &same));
	}
}

/* Examples look as people expect them. */
static void test_space_usual(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	struct terms_packet k;
	char text[PACKETTEXT_MAX];
	bdd out;

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	space_pick(&s, s.valid, &k);
	CU_ASSERT_STRING_EQUAL(packettext_format(&k, text),
			       "in up tcp [2001:db8:ffff::9]:40000 [host]:443");
	out = bdd_and(s.m, s.valid, space_value(&s, SPACE_DIR, POLICY_OUT));
	space_pick(&s, out, &k);
	CU_ASSERT_STRING_EQUAL(packettext_format(&k, text),
			       "out up tcp [host]:40000 [2001:db8:ffff::9]:443 uid 1000");
	space_pick(&s, bdd_and(s.m, out, space_value(&s, SPACE_FAMILY, 1)), &k);
	CU_ASSERT_STRING_EQUAL(packettext_format(&k, text),
			       "out up tcp [host]:40000 198.51.100.9:443 uid 1000");
}

static void test_space_bits(void)
{
	_cleanup_(space_release) struct space s = { 0 };
	struct terms_packet k = { .ct = TERMS_RELATED };

	CU_ASSERT_EQUAL(space_init(&s, BDD_NODES_MAX), 0);
	CU_ASSERT_EQUAL(space_bits(&s, SPACE_CT, 0), BDD_TRUE);
	CU_ASSERT_TRUE(space_has(&s, space_bits(&s, SPACE_CT, 1u << TERMS_RELATED | 1), &k));
	k.ct = TERMS_INVALID;
	CU_ASSERT_FALSE(space_has(&s, space_bits(&s, SPACE_CT, 1u << TERMS_RELATED | 1), &k));
}

static int test_torture_run(void *ctx)
{
	_cleanup_(space_release) struct space s = { 0 };
	struct ip6_prefix list[3] = { { .len = 128 }, { .len = 64 }, { .len = 0 } };
	struct policy_prefixes sets[70];
	int r = space_init(&s, BDD_NODES_MAX);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sets); i++) {
		sets[i] = (struct policy_prefixes){ list, 1 + i % 3, 0 };
		(void)space_prefixes(&s, SPACE_FAR, &sets[i]);
		r = space_failed(&s);
	}
	return r;
}

static void test_space_no_memory(void)
{
	CU_ASSERT_TRUE(torture(test_torture_run, NULL) > 100);
}

static void test_space_limit(void)
{
	struct space s;

	CU_ASSERT_EQUAL(space_init(&s, 2), -EFBIG);
	CU_ASSERT_EQUAL(space_failed(&s), -EFBIG);
	space_release(&s);
}

static const struct tap_test test_space[] = {
	{ "fields", test_space_fields },
	{ "packets that cannot be", test_space_valid },
	{ "lists of prefixes", test_space_prefixes },
	{ "families do not meet", test_space_families },
	{ "picking", test_space_pick },
	{ "examples", test_space_usual },
	{ "sets of small values", test_space_bits },
	{ "out of memory", test_space_no_memory },
	{ "limit of nodes", test_space_limit },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "space", test_space }, { 0 } };

	return tap_main(argc, argv, suites);
}
