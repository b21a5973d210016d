/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "netpolicy/oracle/oracleframe.h"
#include "tests/support/tap.h"

#define TEST_IP6 40 /* bytes of a header */
#define TEST_IP4 20 /* bytes of a header */

static struct terms_packet test_packet(uint8_t family, uint8_t proto)
{
	struct terms_packet p = { .dir = POLICY_OUT,
				  .family = family,
				  .proto = proto,
				  .far_port = 443,
				  .near_port = 1024,
				  .hop_limit = 64 };

	inet_pton(AF_INET6, family == 6 ? "2001:db8::1" : "::ffff:10.1.2.3", &p.far);
	inet_pton(AF_INET6, family == 6 ? "2001:db8::2" : "::ffff:10.0.0.7", &p.near);
	return p;
}

static uint32_t test_add(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint32_t test_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What every receiver does: the sum over all, checksum included, is all ones. */
static void test_sum_is_right(const struct oracleframe *f, uint8_t family, uint8_t proto)
{
	const uint8_t *p = f->bytes + ORACLEFRAME_ETHER;
	size_t head = family == 6 ? TEST_IP6 : TEST_IP4, len = f->len - ORACLEFRAME_ETHER - head;
	uint32_t sum = test_add(p + (family == 6 ? 8 : 12), family == 6 ? 32 : 8, 0);

	sum = test_add(p + head, len, sum + proto + (uint32_t)len);
	CU_ASSERT_EQUAL(test_fold(sum), 0xffff);
	if (family == 4)
		CU_ASSERT_EQUAL(test_fold(test_add(p, TEST_IP4, 0)), 0xffff);
}

static void test_oracleframe_checksums(void)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };

	for (size_t i = 0; i < 5; i++) {
		uint8_t family = i < 3 ? 6 : 4;
		struct terms_packet p = test_packet(family, protos[i % 3]);
		struct oracleframe f;

		CU_ASSERT_EQUAL(oracleframe_make(&p, 77, &f), 0);
		test_sum_is_right(&f, family, p.proto);
		CU_ASSERT_EQUAL(oracleframe_zone(f.bytes + ORACLEFRAME_ETHER,
						 f.len - ORACLEFRAME_ETHER),
				77);
	}
}

static void test_oracleframe_fields(void)
{
	struct terms_packet p = test_packet(6, IPPROTO_TCP);
	struct oracleframe f;
	const uint8_t *at = f.bytes + ORACLEFRAME_ETHER;

	CU_ASSERT_EQUAL(oracleframe_make(&p, 0xfffe, &f), 0);
	CU_ASSERT_TRUE(at[1] == ORACLEFRAME_TRACED && at[2] == 0xff && at[3] == 0xfe);
	CU_ASSERT_TRUE(at[6] == IPPROTO_TCP && at[7] == 64);
	CU_ASSERT_TRUE(!memcmp(at + 8, &p.near, 16) && !memcmp(at + 24, &p.far, 16));
	CU_ASSERT_TRUE(at[40] == 4 && at[42] == 1 && at[43] == 0xbb);
	CU_ASSERT_EQUAL(at[53], 2); /* SYN */
	p.dir = POLICY_IN;
	p.ct = TERMS_UNTRACKED;
	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), 0);
	CU_ASSERT_TRUE(at[1] == ORACLEFRAME_NOTRACK && !memcmp(at + 8, &p.far, 16));
	p.facts = TERMS_LATER_FRAGMENT;
	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), 0);
	CU_ASSERT_TRUE(at[6] == IPPROTO_FRAGMENT && at[40] == IPPROTO_TCP &&
		       (at[42] || at[43] & 0xf8));
	p.facts = TERMS_FALSE_FRAME;
	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), 0);
	CU_ASSERT_TRUE(f.bytes[12] != 0x86);
}

static void test_oracleframe_before(void)
{
	struct terms_packet p = test_packet(6, IPPROTO_TCP), before;
	struct oracleframe f;

	CU_ASSERT_FALSE(oracleframe_before(&p, &before));
	p.ct = TERMS_ESTABLISHED;
	CU_ASSERT_TRUE(oracleframe_before(&p, &before) && before.dir == POLICY_IN);
	CU_ASSERT_EQUAL(oracleframe_make_before(&before, 5, &f), 0);
	CU_ASSERT_TRUE(f.bytes[ORACLEFRAME_ETHER + 1] == 0 && f.bytes[ORACLEFRAME_ETHER + 53] == 2);
	p.from_packet_socket = true;
	CU_ASSERT_FALSE(oracleframe_before(&p, &before));
	p = test_packet(6, IPPROTO_ICMPV6);
	p.icmp_type = 1;
	p.ct = TERMS_RELATED;
	CU_ASSERT_TRUE(oracleframe_before(&p, &before) && before.proto == IPPROTO_UDP);
}

static void test_oracleframe_refuses(void)
{
	struct terms_packet p = test_packet(4, IPPROTO_ICMPV6);
	struct oracleframe f;

	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), -EOPNOTSUPP);
	p = test_packet(6, IPPROTO_TCP);
	p.ct = TERMS_RELATED;
	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), -EOPNOTSUPP);
	p = test_packet(6, IPPROTO_ICMPV6);
	p.icmp_type = 128;
	p.ct = TERMS_ESTABLISHED;
	CU_ASSERT_EQUAL(oracleframe_make(&p, 1, &f), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(oracleframe_zone("short", 5), 0);
}

static const struct tap_test test_oracleframe_tests[] = {
	{ "checksums and zones", test_oracleframe_checksums },
	{ "fields", test_oracleframe_fields },
	{ "the packet before", test_oracleframe_before },
	{ "refuses", test_oracleframe_refuses },
	{ 0 },
};

static const struct tap_suite test_oracleframe_suites[] = {
	{ "oracleframe", test_oracleframe_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_oracleframe_suites);
}
