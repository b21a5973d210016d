/* SPDX-License-Identifier: MIT */
/* Deadlines over restarts, reboots and clocks that jump; the file's bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "netpolicy/daemon/grantbook.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static struct grantbook_clock test_clock(uint8_t boot, uint64_t boot_s, uint64_t wall_s)
{
	struct grantbook_clock c = { .boot_ns = boot_s * CLK_NS_PER_S, .wall_s = wall_s };

	memset(c.boot_id, boot, sizeof(c.boot_id));
	return c;
}

static int test_add(struct grantbook *b, const struct grantbook_clock *now, uint8_t addr,
		    uint32_t seconds)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = seconds };
	const struct grantbook_entry *e;

	snprintf(q.name, sizeof(q.name), "ssh");
	snprintf(q.who, sizeof(q.who), "anna");
	snprintf(q.why, sizeof(q.why), "ticket 12");
	q.addr.s6_addr[15] = addr;
	return grantbook_add(b, &q, now, &e);
}

static void test_grantbook_life(void)
{
	_cleanup_(grantbook_release) struct grantbook b = { 0 };
	struct grantbook_clock now = test_clock(1, 100, 5000);
	const struct grantbook_entry *e = NULL;
	struct grantbook_entry ended;

	CU_ASSERT_EQUAL(grantbook_next(&b), UINT64_MAX);
	CU_ASSERT_EQUAL(test_add(&b, &now, 1, 60), 0);
	CU_ASSERT_EQUAL(test_add(&b, &now, 1, 60), -EEXIST);
	CU_ASSERT_EQUAL(test_add(&b, &now, 2, 30), 0);
	CU_ASSERT_EQUAL(grantbook_next(&b), 130 * CLK_NS_PER_S);
	CU_ASSERT_FALSE(grantbook_expire(&b, 130 * CLK_NS_PER_S - 1, &ended));
	CU_ASSERT_TRUE(grantbook_expire(&b, 130 * CLK_NS_PER_S, &ended));
	CU_ASSERT_TRUE(ended.id == 2 && b.n == 1);
	CU_ASSERT_EQUAL(grantbook_renew(&b, 1, 600, &now, &e), 0);
	CU_ASSERT_TRUE(e && e->until_boot_ns == 700 * CLK_NS_PER_S);
	CU_ASSERT_EQUAL(grantbook_renew(&b, 9, 600, &now, &e), -ENOENT);
	CU_ASSERT_EQUAL(grantbook_end(&b, 9, &ended), -ENOENT);
	CU_ASSERT_EQUAL(grantbook_end(&b, 1, &ended), 0);
	CU_ASSERT_STRING_EQUAL(ended.who, "anna");
	CU_ASSERT_EQUAL(test_add(&b, &now, 1, 60), 0);
	CU_ASSERT_PTR_NOT_NULL(grantbook_find(&b, 3)); /* no id comes again */
	CU_ASSERT_PTR_NULL(grantbook_find(&b, 1));
}

static void test_grantbook_limits(void)
{
	_cleanup_(grantbook_release) struct grantbook b = { 0 };
	struct grantbook_clock now = test_clock(1, 100, 5000);
	const struct grantbook_entry *e;
	struct ctlwire_request q = { .seconds = 60 };

	CU_ASSERT_EQUAL(test_add(&b, &now, 1, 0), -EINVAL);
	CU_ASSERT_EQUAL(test_add(&b, &now, 1, GRANTBOOK_LENGTH_MAX + 1), -EINVAL);
	CU_ASSERT_EQUAL(test_add(&b, &now, 1, GRANTBOOK_LENGTH_MAX), 0);
	CU_ASSERT_EQUAL(grantbook_renew(&b, 1, 0, &now, &e), -EINVAL);
	CU_ASSERT_EQUAL(grantbook_renew(&b, 1, GRANTBOOK_LENGTH_MAX + 1, &now, &e), -EINVAL);
	for (unsigned int i = 1; i < GRANTBOOK_MAX; i++) {
		q.addr.s6_addr[0] = (uint8_t)i;
		CU_ASSERT_EQUAL(grantbook_add(&b, &q, &now, &e), 0);
	}
	q.addr.s6_addr[1] = 1;
	CU_ASSERT_EQUAL(grantbook_add(&b, &q, &now, &e), -ENOSPC);
}

static void test_grantbook_left(void)
{
	struct grantbook_entry e = { .length_s = 100, .until_boot_ns = 200 * CLK_NS_PER_S };

	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 3600, 150 * CLK_NS_PER_S), 50000);
	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 3600, 200 * CLK_NS_PER_S), 0);
	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 3600, 300 * CLK_NS_PER_S), 0);
	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 3600, 0), 100000);
	/* The policy of now allows less: it ends 70 s after it began. */
	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 70, 150 * CLK_NS_PER_S), 20000);
	CU_ASSERT_EQUAL(grantbook_left_ms(&e, 70, 171 * CLK_NS_PER_S), 0);
}

/* Writes the book, reads it at another time. Gives what is left of its only grant in s, -1 when it
 * is gone. */
static int64_t test_later(struct grantbook_clock now)
{
	_cleanup_(grantbook_release) struct grantbook b = { 0 }, back = { 0 };
	struct grantbook_clock then = test_clock(1, 100, 5000);
	uint8_t *bytes = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(test_add(&b, &then, 1, 600), 0);
	CU_ASSERT_EQUAL(grantbook_encode(&b, &bytes, &len), 0);
	CU_ASSERT_EQUAL(grantbook_decode(bytes, len, &back), 0);
	free(bytes);
	CU_ASSERT_EQUAL(grantbook_adopt(&back, &now) + back.n, 1);
	return back.n ? (int64_t)grantbook_left_ms(&back.list[0], 3600, now.boot_ns) / 1000 : -1;
}

static void test_grantbook_time(void)
{
	/* The same boot: the wall clock may say what it likes. */
	CU_ASSERT_EQUAL(test_later(test_clock(1, 200, 5100)), 500);
	CU_ASSERT_EQUAL(test_later(test_clock(1, 200, 1)), 500);
	CU_ASSERT_EQUAL(test_later(test_clock(1, 200, 999999999)), 500);
	CU_ASSERT_EQUAL(test_later(test_clock(1, 699, 5100)), 1);
	CU_ASSERT_EQUAL(test_later(test_clock(1, 700, 5100)), -1);
	/* A time before the grant in the same boot: the file lies. */
	CU_ASSERT_EQUAL(test_later(test_clock(1, 99, 5000)), -1);
	/* Another boot: the wall clock counts, within the length that was granted. */
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 5100)), 500);
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 5000)), 600);
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 5599)), 1);
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 5600)), -1);
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 4999)), -1);
	CU_ASSERT_EQUAL(test_later(test_clock(2, 5, 0)), -1);
}

/* Every cut and every changed byte is found. */
static void test_grantbook_damage(void)
{
	_cleanup_(grantbook_release) struct grantbook b = { 0 }, back = { 0 };
	struct grantbook_clock now = test_clock(1, 100, 5000);
	uint8_t *bytes = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL(test_add(&b, &now, 1, 600), 0);
	CU_ASSERT_EQUAL(test_add(&b, &now, 2, 600), 0);
	CU_ASSERT_EQUAL(grantbook_encode(&b, &bytes, &len), 0);
	for (size_t i = 0; i < len; i++) {
		CU_ASSERT_EQUAL(grantbook_decode(bytes, i, &back), -EBADMSG);
		grantbook_release(&back);
		bytes[i] ^= 1;
		CU_ASSERT_EQUAL(grantbook_decode(bytes, len, &back), -EBADMSG);
		grantbook_release(&back);
		bytes[i] ^= 1;
	}
	CU_ASSERT_EQUAL(grantbook_decode(bytes, len, &back), 0);
	CU_ASSERT_TRUE(back.n == 2 && back.next_id == 2 &&
		       !memcmp(back.list, b.list, 2 * sizeof(b.list[0])));
	free(bytes);
}

static int test_torture(void *ctx)
{
	_cleanup_(grantbook_release) struct grantbook b = { 0 }, back = { 0 };
	struct grantbook_clock now = test_clock(1, 100, 5000);
	uint8_t *bytes = NULL;
	size_t len = 0;
	int r = 0;

	for (uint8_t i = 0; i < 9 && r == 0; i++)
		r = test_add(&b, &now, i, 600);
	if (r == 0)
		r = grantbook_encode(&b, &bytes, &len);
	if (r == 0)
		r = grantbook_decode(bytes, len, &back);
	free(bytes);
	return r;
}

static void test_grantbook_memory(void)
{
	CU_ASSERT_TRUE(torture(test_torture, NULL) >= 5);
}

static const struct tap_test test_grantbook_tests[] = {
	{ "given, renewed, ended", test_grantbook_life },
	{ "limits", test_grantbook_limits },
	{ "what is left", test_grantbook_left },
	{ "restarts, reboots and clocks that jump", test_grantbook_time },
	{ "damage is found", test_grantbook_damage },
	{ "out of memory", test_grantbook_memory },
	{ 0 },
};

static const struct tap_suite test_grantbook_suites[] = {
	{ "grantbook", test_grantbook_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_grantbook_suites);
}
