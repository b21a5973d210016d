/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/ip6.h"
#include "tests/support/tap.h"

static struct in6_addr addr(const char *text)
{
	struct in6_addr a = IN6ADDR_ANY_INIT;

	CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static struct ip6_prefix prefix(const char *text)
{
	struct ip6_prefix p = { 0 };

	if (ip6_parse_prefix(text, &p) != 0)
		tap_fail(__FILE__, __LINE__, "'%s' is a prefix", text);
	return p;
}

/* Text in and the canonical text out; NULL: refused. */
struct sample {
	const char *in;
	const char *out;
};

static const struct sample addrs[] = {
	{ "::", "::" },
	{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
	{ "2001:0db8::0001", "2001:db8::1" },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	{ "", NULL },
	{ " ::1", NULL },
	{ "::1 ", NULL },
	{ "192.0.2.1", NULL },
	{ "::ffff:192.0.2.1", NULL },
	{ "fe80::1%eth0", NULL },
	{ "2001:db8::1/64", NULL },
	{ "[2001:db8::1]", NULL },
	{ "1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "12345::", NULL },
	{ "1::2::3", NULL },
	{ "host.example", NULL },
};

static const struct sample prefixes[] = {
	{ "::/0", "::/0" },
	{ "2001:db8::/32", "2001:db8::/32" },
	{ "2001:db8::1/128", "2001:db8::1/128" },
	{ "2001:db8::2/127", "2001:db8::2/127" },
	{ "8000::/1", "8000::/1" },
	{ "2001:db8::1/127", NULL },
	{ "2001:db8::/31", "2001:db8::/31" },
	{ "2001:db9::/31", NULL },
	{ "2001:db8::", NULL },
	{ "2001:db8::/", NULL },
	{ "2001:db8::/129", NULL },
	{ "2001:db8::/4294967328", NULL },
	{ "2001:db8::/032", NULL },
	{ "2001:db8::/+32", NULL },
	{ "2001:db8::/-1", NULL },
	{ "2001:db8::/32 ", NULL },
	{ "2001:db8::/32/32", NULL },
	{ "/32", NULL },
	{ "", NULL },
	{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/32", NULL },
};

static const struct sample endpoints[] = {
	{ "[2001:db8::1]:51820", "[2001:db8::1]:51820" },
	{ "[::]:1", "[::]:1" },
	{ "[2001:db8:1:2:3:4:5:6]:65535", "[2001:db8:1:2:3:4:5:6]:65535" },
	{ "[1111:2222:3333:4444:5555:6666:255.255.255.255]:65535",
	  "[1111:2222:3333:4444:5555:6666:ffff:ffff]:65535" },
	{ "[2001:db8::1]:0", NULL },
	{ "[2001:db8::1]:65536", NULL },
	{ "[2001:db8::1]:", NULL },
	{ "[2001:db8::1]", NULL },
	{ "2001:db8::1:51820", NULL },
	{ "[2001:db8::1]:080", NULL },
	{ "[2001:db8::1]:80 ", NULL },
	{ "[2001:db8::1]x:80", NULL },
	{ "[]:80", NULL },
	{ ":80", NULL },
	{ "", NULL },
	{ "[fe80::1%2]:80", NULL },
	{ "192.0.2.1:80", NULL },
	{ "[::ffff:192.0.2.1]:80", NULL },
};

static void expect(const struct sample *s, int r, const char *text)
{
	if (r != (s->out ? 0 : -EINVAL))
		tap_fail(__FILE__, __LINE__, "'%s' gives %d", s->in, r);
	else if (s->out && strcmp(text, s->out) != 0)
		tap_fail(__FILE__, __LINE__, "'%s' became '%s'", s->in, text);
	else
		CU_PASS("as it should");
}

static void test_addr(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct in6_addr a = IN6ADDR_LOOPBACK_INIT;
		char text[IP6_ADDR_TEXT];
		int r = ip6_parse_addr(addrs[i].in, &a);

		expect(&addrs[i], r, ip6_format_addr(&a, text));
		CU_ASSERT(r == 0 || IN6_IS_ADDR_LOOPBACK(&a));
	}
}

static void test_prefix(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct ip6_prefix p = { .len = 77 };
		char text[IP6_PREFIX_TEXT];
		int r = ip6_parse_prefix(prefixes[i].in, &p);

		expect(&prefixes[i], r, ip6_format_prefix(&p, text));
		CU_ASSERT(r == 0 || p.len == 77);
	}
}

static void test_endpoint(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		struct ip6_endpoint e = { .port = 77 };
		char text[IP6_ENDPOINT_TEXT];
		int r = ip6_parse_endpoint(endpoints[i].in, &e);

		expect(&endpoints[i], r, ip6_format_endpoint(&e, text));
		CU_ASSERT(r == 0 || e.port == 77);
	}
}

static void test_covers(void)
{
	struct ip6_prefix net = prefix("2001:db8::/33");
	struct ip6_prefix all = prefix("::/0");
	struct ip6_prefix in = prefix("2001:db8:7fff::/48");
	struct ip6_prefix out = prefix("2001:db8:8000::/48");
	struct ip6_prefix wider = prefix("2001:db8::/32");

	CU_ASSERT(ip6_prefix_covers(&net, &net));
	CU_ASSERT(ip6_prefix_covers(&net, &in));
	CU_ASSERT(!ip6_prefix_covers(&net, &out));
	CU_ASSERT(!ip6_prefix_covers(&net, &wider));
	CU_ASSERT(ip6_prefix_covers(&all, &out));
	CU_ASSERT(!ip6_prefix_covers(&out, &all));
}

/* Every length against the definition: the first len bits agree. */
static void test_has(void)
{
	struct in6_addr base;

	tap_random_fill(&base, sizeof(base));
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct in6_addr other = base;
		struct ip6_prefix host = ip6_host_prefix(&base);

		other.s6_addr[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
		CU_ASSERT(ip6_prefix_has(&host, &base));
		CU_ASSERT(!ip6_prefix_has(&host, &other));
		/* The prefix that ends before the changed bit has both, one bit longer only one. */
		host.len = (uint8_t)(bit + 1);
		for (unsigned int i = bit + 1; i < 128; i++)
			host.addr.s6_addr[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
		CU_ASSERT(ip6_prefix_has(&host, &base));
		CU_ASSERT(!ip6_prefix_has(&host, &other));
		host.len = (uint8_t)bit;
		host.addr.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
		CU_ASSERT(ip6_prefix_has(&host, &base));
		CU_ASSERT(ip6_prefix_has(&host, &other));
	}
}

static void test_order(void)
{
	struct ip6_prefix a = prefix("2001:db8::/32");
	struct ip6_prefix b = prefix("2001:db8::/48");
	struct ip6_prefix c = prefix("2001:db9::/32");
	struct in6_addr x = addr("2001:db8::1"), y = addr("2001:db8::2");

	CU_ASSERT(ip6_prefix_compare(&a, &b) < 0 && ip6_prefix_compare(&b, &a) > 0);
	CU_ASSERT(ip6_prefix_compare(&b, &c) < 0 && ip6_prefix_compare(&c, &a) > 0);
	CU_ASSERT(ip6_prefix_compare(&a, &a) == 0);
	CU_ASSERT(ip6_prefix_equal(&a, &a) && !ip6_prefix_equal(&a, &b));
	CU_ASSERT(!ip6_prefix_equal(&a, &c));
	CU_ASSERT(ip6_addr_equal(&x, &x) && !ip6_addr_equal(&x, &y));
	CU_ASSERT_EQUAL(ip6_host_prefix(&x).len, 128);
}

static void test_routable(void)
{
	static const char *const yes[] = { "2001:db8::1", "fd00::1", "64:ff9b::1",
					   "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	static const char *const no[] = { "::",      "::1",     "fe80::1",          "febf::1",
					  "fec0::1", "ff02::1", "::ffff:192.0.2.1", "::192.0.2.1" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		struct in6_addr a = addr(yes[i]);

		CU_ASSERT(ip6_is_routable(&a));
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		struct in6_addr a = addr(no[i]);

		if (ip6_is_routable(&a))
			tap_fail(__FILE__, __LINE__, "%s is not routable", no[i]);
	}
}

static const struct tap_test tests[] = {
	{ "addresses", test_addr },
	{ "prefixes", test_prefix },
	{ "endpoints", test_endpoint },
	{ "a prefix covers a prefix", test_covers },
	{ "a prefix has an address, at every length", test_has },
	{ "order and equality", test_order },
	{ "routable addresses", test_routable },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "ip6", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
