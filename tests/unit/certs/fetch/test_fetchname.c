/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetch/fetchname.h"
#include "tests/support/tap.h"

static const struct ip6_endpoint test_fetchname_none;

static void test_fetchname_splits(void)
{
	static const struct {
		const char *url, *host;
		unsigned int port;
	} rows[] = {
		{ "https://zts.example:4443/zts/v1", "zts.example", 4443 },
		{ "https://zts.example/zts/v1", "zts.example", 443 },
		{ "https://[2001:db8::1]:1", "[2001:db8::1]", 1 },
		{ "https://[::1]", "[::1]", 443 },
		{ "https://192.0.2.1:65535/", "192.0.2.1", 65535 },
		{ "http://a", "a", 80 },
	};
	char host[FETCHNAME_HOST_MAX];
	unsigned int port;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(fetchname_split(rows[i].url, host, &port), 0);
		CU_ASSERT_STRING_EQUAL(host, rows[i].host);
		CU_ASSERT_EQUAL(port, rows[i].port);
	}
}

static void test_fetchname_refuses(void)
{
	static const char *const bad[] = { "", "https://", "https://a:65536/", "https://[::1/",
					   "https://a b/" };
	char host[FETCHNAME_HOST_MAX] = "untouched", why[FETCHNAME_WHY_MAX];
	unsigned int port = 7;
	struct fetchname name;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(fetchname_split(bad[i], host, &port), -EINVAL);
		CU_ASSERT_EQUAL(fetchname_find(bad[i], &test_fetchname_none, &name, why), -EINVAL);
		CU_ASSERT_TRUE(strstr(why, "not a URL") != NULL);
	}
	CU_ASSERT_STRING_EQUAL(host, "untouched");
	CU_ASSERT_EQUAL(port, 7);
}

static void test_fetchname_longest(void)
{
	char url[FETCHNAME_HOST_MAX + 32], host[FETCHNAME_HOST_MAX];
	unsigned int port;

	for (int len = FETCHNAME_HOST_MAX - 2; len <= FETCHNAME_HOST_MAX; len++) {
		snprintf(url, sizeof(url), "https://%.*s%0*d/", 1, "a", len - 1, 0);
		CU_ASSERT_EQUAL(fetchname_split(url, host, &port),
				len < FETCHNAME_HOST_MAX ? 0 : -EINVAL);
	}
}

/* Nobody is asked for what is already known. */
static void test_fetchname_known(void)
{
	static const char *const literals[] = { "https://[2001:db8::1]:4443/x",
						"https://192.0.2.1/x" };
	const struct ip6_endpoint address = { { .s6_addr = { 0x20, 1, 0xd, 0xb8, [15] = 9 } },
					      4444 };
	struct fetchname name;
	char why[FETCHNAME_WHY_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
		memset(&name, 'x', sizeof(name));
		CU_ASSERT_EQUAL(fetchname_find(literals[i], &test_fetchname_none, &name, why), 0);
		CU_ASSERT_STRING_EQUAL(name.connect_to, "");
		CU_ASSERT_STRING_EQUAL(name.resolve, "");
	}
	CU_ASSERT_EQUAL(fetchname_find("https://no.such.invalid/", &address, &name, why), 0);
	CU_ASSERT_STRING_EQUAL(name.connect_to, "::[2001:db8::9]:4444");
	CU_ASSERT_STRING_EQUAL(name.resolve, "");
}

/* /etc/hosts is a resolver, too: it needs no network. */
static void test_fetchname_looks_up(void)
{
	struct fetchname name;
	char why[FETCHNAME_WHY_MAX];

	CU_ASSERT_EQUAL(fetchname_find("https://localhost:4443/zts/v1", &test_fetchname_none, &name,
				       why),
			0);
	CU_ASSERT_STRING_EQUAL(name.connect_to, "");
	CU_ASSERT_TRUE(strncmp(name.resolve, "localhost:4443:", 15) == 0);
	CU_ASSERT_TRUE(strstr(name.resolve, "127.0.0.1") || strstr(name.resolve, "[::1]"));
}

/* RFC 6761: nobody has such a name, and a resolver may say so without asking. */
static void test_fetchname_unknown(void)
{
	struct fetchname name = { .resolve = "untouched" };
	char why[FETCHNAME_WHY_MAX] = "";

	CU_ASSERT_EQUAL(fetchname_find("https://no.such.invalid/", &test_fetchname_none, &name,
				       why),
			-EHOSTUNREACH);
	CU_ASSERT_TRUE(strstr(why, "no.such.invalid") != NULL);
	CU_ASSERT_STRING_EQUAL(name.resolve, "untouched");
}

static const struct tap_test test_fetchname_tests[] = {
	{ "splits", test_fetchname_splits },
	{ "refuses", test_fetchname_refuses },
	{ "longest host", test_fetchname_longest },
	{ "known", test_fetchname_known },
	{ "looks up", test_fetchname_looks_up },
	{ "unknown", test_fetchname_unknown },
	{ 0 },
};

static const struct tap_suite test_fetchname_suites[] = {
	{ "fetchname", test_fetchname_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchname_suites);
}
