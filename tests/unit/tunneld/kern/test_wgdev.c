/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tests/unit/tunneld/kern/netns.h"
#include "tunneld/kern/wgdev.h"

/* What needs no WireGuard in the running kernel; the rest is tried in the lab. */

static void test_name_to_the_limit(void)
{
	struct wgdev_dump d = { 0 };

	if (!netns_fresh())
		return;
	CU_ASSERT_EQUAL(wgdev_create(""), -EINVAL);
	CU_ASSERT_EQUAL(wgdev_create("0123456789abcdef"), -EINVAL);
	CU_ASSERT_EQUAL(wgdev_delete("0123456789abcdef"), -EINVAL);
	CU_ASSERT_EQUAL(wgdev_set_fwmark("0123456789abcdef", 1), -EINVAL);
	CU_ASSERT_EQUAL(wgdev_read("0123456789abcdef", &d), -EINVAL);
	CU_ASSERT_NOT_EQUAL(wgdev_delete("0123456789abcde"), -EINVAL);
}

static void test_nothing_there(void)
{
	struct wgkey public = { { 7 } };
	struct wgdev_peer peer = { .flags = 0 };
	struct wgdev_dump d = { 0 };
	int r;

	if (!netns_fresh())
		return;
	/* depends on the running kernel, but is never another error */
	r = wgdev_read("postern0", &d);
	CU_ASSERT_TRUE(r == -ENODEV || r == -EOPNOTSUPP);
	CU_ASSERT_PTR_NULL(d.peers);
	CU_ASSERT_EQUAL(wgdev_delete("postern0"), r);
	CU_ASSERT_EQUAL(wgdev_make_key("postern0", &public), r);
	CU_ASSERT_EQUAL(public.bytes[0], 7);
	CU_ASSERT_EQUAL(wgdev_put_peers("postern0", &peer, 1), r);
	CU_ASSERT_EQUAL(wgdev_remove_peers("postern0", &peer.key, 1), r);
	CU_ASSERT_EQUAL(wgdev_put_peers("postern0", NULL, 0), 0);
}

static void test_free_nothing(void)
{
	struct wgdev_dump d = { 0 };

	wgdev_dump_free(NULL);
	wgdev_dump_free(&d);
	wgdev_dump_free(&d);
	CU_ASSERT_PTR_NULL(d.peers);
}

static const struct tap_test tests[] = {
	{ "names of 0, 15 and 16 bytes", test_name_to_the_limit },
	{ "no interface", test_nothing_there },
	{ "nothing is freed twice", test_free_nothing },
	{ 0 },
};

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = { { "wgdev", tests }, { 0 } };

	return tap_main(argc, argv, suites);
}
