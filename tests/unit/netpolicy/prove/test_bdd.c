/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/prove/bdd.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

#define TEST_VARS 12
#define TEST_ALL (1u << TEST_VARS)
#define TEST_SETS 12

/* A set beside its diagram, member by member. */
struct test_set {
	bdd diagram;
	uint8_t has[TEST_ALL]; /* by number; variable 0 is the most significant bit */
};

static struct test_set test_sets[TEST_SETS];

static void test_values(uint32_t number, uint8_t *ret)
{
	for (unsigned int i = 0; i < TEST_VARS; i++)
		ret[i] = number >> (TEST_VARS - 1 - i) & 1;
}

static uint32_t test_number(const uint8_t *values)
{
	uint32_t number = 0;

	for (unsigned int i = 0; i < TEST_VARS; i++)
		number = number << 1 | values[i];
	return number;
}

/* Compares every member. */
static bool test_same(const struct bdd_manager *m, const struct test_set *s)
{
	uint8_t values[TEST_VARS];

	for (uint32_t i = 0; i < TEST_ALL; i++) {
		test_values(i, values);
		if (bdd_has(m, s->diagram, values) != s->has[i])
			return false;
	}
	return true;
}

/* The field of @width bits at @first in @number. */
static uint32_t test_field(uint32_t number, unsigned int first, unsigned int width)
{
	return width ? number >> (TEST_VARS - first - width) & ((1u << width) - 1) : 0;
}

static void test_make_range(struct bdd_manager *m, struct test_set *s)
{
	unsigned int first = (unsigned int)tap_random_below(TEST_VARS);
	unsigned int width = 1 + (unsigned int)tap_random_below(TEST_VARS - first);
	uint32_t low = (uint32_t)tap_random_below(1u << width);
	uint32_t high = (uint32_t)tap_random_below(1u << width);

	s->diagram = bdd_range(m, first, width, low, high);
	for (uint32_t i = 0; i < TEST_ALL; i++)
		s->has[i] = test_field(i, first, width) >= low &&
			    test_field(i, first, width) <= high;
}

static void test_make_prefix(struct bdd_manager *m, struct test_set *s)
{
	unsigned int first = (unsigned int)tap_random_below(TEST_VARS);
	unsigned int len = (unsigned int)tap_random_below(TEST_VARS - first + 1);
	uint8_t bits[2];

	tap_random_fill(bits, sizeof(bits));
	s->diagram = bdd_prefix(m, first, bits, len);
	for (uint32_t i = 0; i < TEST_ALL; i++)
		s->has[i] = test_field(i, first, len) ==
			    (((uint32_t)bits[0] << 8 | bits[1]) >> (16 - len));
}

static void test_make_var(struct bdd_manager *m, struct test_set *s)
{
	unsigned int var = (unsigned int)tap_random_below(TEST_VARS);

	s->diagram = bdd_var(m, var);
	for (uint32_t i = 0; i < TEST_ALL; i++)
		s->has[i] = test_field(i, var, 1);
}

static void test_make_forget(struct bdd_manager *m, struct test_set *s, const struct test_set *a)
{
	unsigned int first = (unsigned int)tap_random_below(TEST_VARS);
	unsigned int n = (unsigned int)tap_random_below(TEST_VARS - first + 1);
	uint32_t mask = n ? ((1u << n) - 1) << (TEST_VARS - first - n) : 0;
	static uint8_t any[TEST_ALL];

	s->diagram = bdd_forget(m, a->diagram, first, n);
	memset(any, 0, sizeof(any));
	for (uint32_t i = 0; i < TEST_ALL; i++)
		any[i & ~mask] |= a->has[i];
	for (uint32_t i = 0; i < TEST_ALL; i++)
		s->has[i] = any[i & ~mask];
}

static void test_make_two(struct bdd_manager *m, struct test_set *s, const struct test_set *a,
			  const struct test_set *b)
{
	unsigned int op = (unsigned int)tap_random_below(4);

	switch (op) {
	case 0:
		s->diagram = bdd_and(m, a->diagram, b->diagram);
		break;
	case 1:
		s->diagram = bdd_or(m, a->diagram, b->diagram);
		break;
	case 2:
		s->diagram = bdd_diff(m, a->diagram, b->diagram);
		break;
	default:
		s->diagram = bdd_not(m, a->diagram);
		break;
	}
	for (uint32_t i = 0; i < TEST_ALL; i++) {
		const uint8_t results[] = { a->has[i] && b->has[i], a->has[i] || b->has[i],
					    a->has[i] && !b->has[i], !a->has[i] };

		s->has[i] = results[op];
	}
}

static void test_make(struct bdd_manager *m, struct test_set *s)
{
	static struct test_set made;
	const struct test_set *a = &test_sets[tap_random_below(TEST_SETS)];
	const struct test_set *b = &test_sets[tap_random_below(TEST_SETS)];

	switch (tap_random_below(8)) {
	case 0:
		test_make_range(m, &made);
		break;
	case 1:
		test_make_prefix(m, &made);
		break;
	case 2:
		test_make_var(m, &made);
		break;
	case 3:
		test_make_forget(m, &made, a);
		break;
	default:
		test_make_two(m, &made, a, b);
		break;
	}
	*s = made;
}

/* Equal sets must be the same node. */
static void test_canonical(void)
{
	for (size_t i = 0; i < TEST_SETS; i++)
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_EQUAL(test_sets[i].diagram == test_sets[j].diagram,
					!memcmp(test_sets[i].has, test_sets[j].has, TEST_ALL));
}

static void test_pick_one(const struct bdd_manager *m, const struct test_set *s)
{
	uint8_t like[TEST_VARS], values[TEST_VARS], near[TEST_VARS];
	uint32_t number;

	if (s->diagram == BDD_FALSE)
		return;
	number = (uint32_t)tap_random_below(TEST_ALL);
	test_values(number, like);
	bdd_pick(m, s->diagram, like, values);
	CU_ASSERT_TRUE(s->has[test_number(values)]);
	if (s->has[number])
		CU_ASSERT_EQUAL(test_number(values), number);
	/* No member agrees with what was wished for longer. */
	for (uint32_t i = 0; i < TEST_ALL; i++) {
		test_values(i, near);
		if (s->has[i])
			CU_ASSERT_TRUE((i ^ number) >= (test_number(values) ^ number));
	}
	bdd_pick(m, s->diagram, NULL, values);
	CU_ASSERT_TRUE(s->has[test_number(values)]);
}

static void test_bdd_random(void)
{
	int n = 0;

	for (int round = 0; round < 40; round++) {
		_cleanup_(bdd_freep) struct bdd_manager *m = bdd_new(TEST_VARS, BDD_NODES_MAX);

		memset(test_sets, 0, sizeof(test_sets));
		for (int i = 0; i < 60; i++) {
			struct test_set *s = &test_sets[tap_random_below(TEST_SETS)];

			test_make(m, s);
			n++;
			if (!test_same(m, s))
				tap_fail(__FILE__, __LINE__, "round %d, expression %d", round, i);
		}
		test_canonical();
		for (int i = 0; i < TEST_SETS; i++)
			test_pick_one(m, &test_sets[i]);
		CU_ASSERT_EQUAL(bdd_failed(m), 0);
	}
	tap_note("%d expressions", n);
}

static void test_bdd_or_all(void)
{
	for (size_t n = 0; n < 20; n++) {
		_cleanup_(bdd_freep) struct bdd_manager *m = bdd_new(TEST_VARS, BDD_NODES_MAX);
		bdd list[20], all = BDD_FALSE;

		for (size_t i = 0; i < n; i++) {
			list[i] = bdd_range(m, 0, TEST_VARS, (uint32_t)tap_random_below(TEST_ALL),
					    (uint32_t)tap_random_below(TEST_ALL));
			all = bdd_or(m, all, list[i]);
		}
		CU_ASSERT_EQUAL(bdd_or_all(m, list, n), all);
	}
}

/* Widths and bounds at which shifts go wrong. */
static void test_bdd_range_borders(void)
{
	_cleanup_(bdd_freep) struct bdd_manager *m = bdd_new(40, BDD_NODES_MAX);
	uint8_t values[40] = { 0 };

	CU_ASSERT_EQUAL(bdd_range(m, 8, 32, 0, UINT32_MAX), BDD_TRUE);
	CU_ASSERT_EQUAL(bdd_range(m, 8, 32, 5, 4), BDD_FALSE);
	CU_ASSERT_TRUE(bdd_has(m, bdd_range(m, 8, 32, 0, 0), values));
	memset(values + 8, 1, 32);
	CU_ASSERT_TRUE(bdd_has(m, bdd_range(m, 8, 32, UINT32_MAX, UINT32_MAX), values));
	CU_ASSERT_FALSE(bdd_has(m, bdd_range(m, 8, 32, 0, UINT32_MAX - 1), values));
	CU_ASSERT_EQUAL(bdd_prefix(m, 0, values, 0), BDD_TRUE);
}

static void test_bdd_walk(void)
{
	_cleanup_(bdd_freep) struct bdd_manager *m = bdd_new(4, BDD_NODES_MAX);
	bdd a = bdd_node(m, 1, bdd_var(m, 2), bdd_var(m, 3));

	CU_ASSERT_EQUAL(bdd_top(m, a), 1);
	CU_ASSERT_EQUAL(bdd_branch(m, a, false), bdd_var(m, 2));
	CU_ASSERT_EQUAL(bdd_branch(m, a, true), bdd_var(m, 3));
	CU_ASSERT_EQUAL(bdd_top(m, BDD_FALSE), 4);
	CU_ASSERT_EQUAL(bdd_top(m, BDD_TRUE), 4);
	CU_ASSERT_TRUE(bdd_bytes(m) > bdd_nodes(m) * 16);
}

/* A sum of products in the worst order: nodes double with every pair. */
static bdd test_hard(struct bdd_manager *m, unsigned int pairs)
{
	bdd all = BDD_FALSE;

	for (unsigned int i = 0; i < pairs; i++)
		all = bdd_or(m, all, bdd_and(m, bdd_var(m, i), bdd_var(m, pairs + i)));
	return all;
}

static void test_bdd_limit(void)
{
	_cleanup_(bdd_freep) struct bdd_manager *whole = bdd_new(32, BDD_NODES_MAX);
	_cleanup_(bdd_freep) struct bdd_manager *enough = NULL, *short_of = NULL;
	size_t n;

	CU_ASSERT_NOT_EQUAL(test_hard(whole, 14), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_failed(whole), 0);
	n = bdd_nodes(whole);
	CU_ASSERT_TRUE(n > 1u << 14);
	enough = bdd_new(32, n);
	CU_ASSERT_NOT_EQUAL(test_hard(enough, 14), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_failed(enough), 0);
	short_of = bdd_new(32, n - 1);
	CU_ASSERT_EQUAL(test_hard(short_of, 14), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_failed(short_of), -EFBIG);
	CU_ASSERT_EQUAL(bdd_nodes(short_of), n - 1);
	/* It sticks, whatever is asked. */
	CU_ASSERT_EQUAL(bdd_var(short_of, 1), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_or(short_of, BDD_TRUE, BDD_TRUE), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_not(short_of, BDD_FALSE), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_forget(short_of, BDD_TRUE, 0, 1), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_or_all(short_of, (bdd[]){ BDD_TRUE }, 1), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_range(short_of, 0, 4, 0, 15), BDD_FALSE);
	CU_ASSERT_EQUAL(bdd_prefix(short_of, 0, NULL, 0), BDD_FALSE);
}

static int test_torture_run(void *ctx)
{
	_cleanup_(bdd_freep) struct bdd_manager *m = bdd_new(32, BDD_NODES_MAX);

	if (!m)
		return -ENOMEM;
	if (test_hard(m, 13) == BDD_FALSE)
		return bdd_failed(m);
	return bdd_failed(m);
}

static void test_bdd_no_memory(void)
{
	size_t sites = torture(test_torture_run, NULL);

	tap_note("%zu sites", sites);
	CU_ASSERT_TRUE(sites > 10);
	bdd_free(NULL);
}

static const struct tap_test test_bdd[] = {
	{ "random expressions agree with brute force", test_bdd_random },
	{ "union of many", test_bdd_or_all },
	{ "ranges at the borders", test_bdd_range_borders },
	{ "walking a diagram", test_bdd_walk },
	{ "limit of nodes", test_bdd_limit },
	{ "out of memory", test_bdd_no_memory },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "bdd", test_bdd }, { 0 } };

	return tap_main(argc, argv, suites);
}
