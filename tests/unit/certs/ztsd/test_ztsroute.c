/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/ztsd/ztsroute.h"
#include "common/buf.h"
#include "tests/support/tap.h"

static void test_ztsroute_kinds(void)
{
	static const struct {
		const char *target;
		enum ztsroute_kind kind;
		int r;
	} cases[] = {
		{ "/zts/v1/instance", ZTSROUTE_REGISTER, 0 },
		{ "/zts/v1/instance/", ZTSROUTE_REGISTER, 0 },
		{ "/zts/v1/instance?x=/y", ZTSROUTE_REGISTER, 0 },
		{ "/zts/v1/status", ZTSROUTE_STATUS, 0 },
		{ "/zts/v1/status/", ZTSROUTE_OTHER, 0 },
		{ "/zts/v1/cacerts/athenz", ZTSROUTE_CACERTS, 0 },
		{ "/zts/v1/cacerts/", ZTSROUTE_CACERTS, -EINVAL },
		{ "/zts/v1/cacerts/a/b", ZTSROUTE_CACERTS, -EINVAL },
		{ "/zts/v1/cacerts", ZTSROUTE_OTHER, 0 },
		{ "/zts/v1/rolecert", ZTSROUTE_OTHER, 0 },
		{ "/zts/v1/instances", ZTSROUTE_OTHER, 0 },
		{ "/zts/v2/instance", ZTSROUTE_OTHER, 0 },
		{ "/instance", ZTSROUTE_OTHER, 0 },
		{ "", ZTSROUTE_OTHER, 0 },
		{ "/zts/v1/instance/p/d/s/i", ZTSROUTE_INSTANCE, 0 },
		{ "/zts/v1/instance/p/d/s/", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i/", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i/token", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance//d/s/i", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s.t/i", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p./d/s/i", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/.d/s/i", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/-d/s/i", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%2c", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%00", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%2", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%2?0", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%g0", ZTSROUTE_INSTANCE, -EINVAL },
		{ "/zts/v1/instance/p/d/s/i%2F", ZTSROUTE_INSTANCE, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ztsroute route;

		CU_ASSERT_EQUAL(ztsroute_parse(cases[i].target, &route), cases[i].r);
		CU_ASSERT_EQUAL(route.kind, cases[i].kind);
		if (cases[i].r < 0)
			CU_ASSERT_STRING_EQUAL(route.provider, "");
	}
}

static void test_ztsroute_parts(void)
{
	struct ztsroute route;

	CU_ASSERT_EQUAL(ztsroute_parse("/zts/v1/instance/Athenz.AWS.us-east-1/Dom.A_b/Svc-1/"
				       "i-0aB.~_=+@$:-%41%3A?a=b",
				       &route),
			0);
	CU_ASSERT_STRING_EQUAL(route.provider, "athenz.aws.us-east-1");
	CU_ASSERT_STRING_EQUAL(route.domain, "dom.a_b");
	CU_ASSERT_STRING_EQUAL(route.service, "svc-1");
	CU_ASSERT_STRING_EQUAL(route.instance_id, "i-0aB.~_=+@$:-A:");
	CU_ASSERT_EQUAL(ztsroute_parse("/zts/v1/cacerts/athenz", &route), 0);
	CU_ASSERT_STRING_EQUAL(route.bundle, "athenz");
}

/* Each part at its limit and one more. */
static void test_ztsroute_limits(void)
{
	static const struct {
		const char *before, *after;
		int max;
	} cases[] = {
		{ "/zts/v1/instance/", "/d/s/i", PRINCIPAL_PROVIDER_MAX - 1 },
		{ "/zts/v1/instance/p/", "/s/i", PRINCIPAL_MAX - 1 },
		{ "/zts/v1/instance/p/d/", "/i", PRINCIPAL_MAX - 1 },
		{ "/zts/v1/instance/p/d/s/", "", PRINCIPAL_INSTANCE_MAX - 1 },
		{ "/zts/v1/cacerts/", "", ZTSROUTE_BUNDLE_MAX - 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (int over = -1; over <= 1; over++) {
			_cleanup_(buf_release) struct buf b = buf_init(4096);
			struct ztsroute route;

			buf_add(&b, cases[i].before);
			for (int n = 0; n < cases[i].max + over; n++)
				buf_add(&b, "x");
			buf_add(&b, cases[i].after);
			CU_ASSERT_EQUAL(ztsroute_parse(b.text, &route), over > 0 ? -EINVAL : 0);
		}
	}
}

static void test_ztsroute_long(void)
{
	_cleanup_(buf_release) struct buf b = buf_init(2 * ZTSROUTE_TARGET_MAX);
	struct ztsroute route;

	buf_add(&b, "/zts/v1/instance");
	while (b.len < ZTSROUTE_TARGET_MAX)
		buf_add(&b, "/");
	CU_ASSERT_EQUAL(ztsroute_parse(b.text, &route), -EINVAL);
	CU_ASSERT_EQUAL(route.kind, ZTSROUTE_INSTANCE);
	buf_add(&b, "/");
	CU_ASSERT_EQUAL(ztsroute_parse(b.text, &route), 0);
	CU_ASSERT_EQUAL(route.kind, ZTSROUTE_OTHER);
}

static void test_ztsroute_names(void)
{
	CU_ASSERT_STRING_EQUAL(ztsroute_name(ZTSROUTE_REGISTER), "register");
	CU_ASSERT_STRING_EQUAL(ztsroute_name(ZTSROUTE_OTHER), "other");
	CU_ASSERT_STRING_EQUAL(ztsroute_name(ZTSROUTE_N), "other");
}

static const struct tap_test test_ztsroute_tests[] = {
	{ "every kind of path", test_ztsroute_kinds },
	{ "the parts, decoded and in lower case", test_ztsroute_parts },
	{ "the limits of the parts", test_ztsroute_limits },
	{ "a long target", test_ztsroute_long },
	{ "names for counters", test_ztsroute_names },
	{ 0 },
};

static const struct tap_suite test_ztsroute_suites[] = {
	{ "ztsroute", test_ztsroute_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_ztsroute_suites);
}
