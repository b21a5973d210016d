/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/proto/offerwire.h"

#define TEST_OFFERWIRE_BYTES 8192

static struct offer test_offerwire_in, test_offerwire_out;
static uint8_t test_offerwire_bytes[TEST_OFFERWIRE_BYTES];
static struct wire test_offerwire_w;

/* The largest offer there is. */
static void test_offerwire_setup(void)
{
	struct offer *o = &test_offerwire_in;

	*o = (struct offer){
		.gateway_key = { .bytes = { 1, [31] = 2 } },
		.host_addr = { .s6_addr = { 0xfd, [15] = 3 } },
		.gateway_addr = { .s6_addr = { 0xfd, [15] = 4 } },
		.keepalive_s = 5,
		.mtu = UINT32_MAX,
		.epoch = UINT64_MAX,
		.renew_after_s = 6,
		.expires_after_s = 7,
	};
	memset(o->zone, 'z', sizeof(o->zone) - 1);
	memset(o->gateway_name, 'n', sizeof(o->gateway_name) - 1);
	for (; o->n_endpoints < OFFER_ENDPOINTS_MAX; o->n_endpoints++)
		o->endpoints[o->n_endpoints] = (struct ip6_endpoint){
			.addr = { .s6_addr = { 0x20, [15] = (uint8_t)o->n_endpoints } },
			.port = (uint16_t)(65535 - o->n_endpoints),
		};
	for (; o->n_routes < OFFER_ROUTES_MAX; o->n_routes++)
		o->routes[o->n_routes] = (struct ip6_prefix){
			.addr = { .s6_addr = { 0xfd, [15] = (uint8_t)o->n_routes } },
			.len = 128,
		};
	for (; o->n_gateways < OFFER_GATEWAYS_MAX; o->n_gateways++) {
		memset(o->gateways[o->n_gateways].name, 'a', OFFER_NAME_MAX - 1);
		memset(o->gateways[o->n_gateways].url, '~', OFFER_URL_MAX - 1);
	}
}

/* Writes the offer of the setup; gives the result of the writer. */
static int test_offerwire_write(void)
{
	test_offerwire_w = wire_writer(test_offerwire_bytes, sizeof(test_offerwire_bytes));
	offerwire_put(&test_offerwire_w, &test_offerwire_in);
	return wire_done(&test_offerwire_w);
}

/* Reads the first @len bytes that were written. */
static int test_offerwire_read(size_t len)
{
	struct wire w = wire_reader(test_offerwire_bytes, len);

	memset(&test_offerwire_out, 0, sizeof(test_offerwire_out));
	offerwire_get(&w, &test_offerwire_out);
	return wire_done(&w);
}

static int test_offerwire_through(void)
{
	int r = test_offerwire_write();

	return r < 0 ? r : test_offerwire_read(test_offerwire_w.pos);
}

static void test_offerwire_round_trip_of_the_largest(void)
{
	const struct offer *in = &test_offerwire_in, *out = &test_offerwire_out;
	static uint8_t first[TEST_OFFERWIRE_BYTES];
	size_t len;

	CU_ASSERT_EQUAL(test_offerwire_through(), 0);
	CU_ASSERT_STRING_EQUAL(out->zone, in->zone);
	CU_ASSERT_STRING_EQUAL(out->gateway_name, in->gateway_name);
	CU_ASSERT_TRUE(wgkey_equal(&out->gateway_key, &in->gateway_key));
	CU_ASSERT_TRUE(ip6_addr_equal(&out->host_addr, &in->host_addr));
	CU_ASSERT_TRUE(ip6_addr_equal(&out->gateway_addr, &in->gateway_addr));
	CU_ASSERT_EQUAL(out->endpoints[3].port, 65532);
	CU_ASSERT_EQUAL(out->routes[15].addr.s6_addr[15], 15);
	CU_ASSERT_EQUAL(out->keepalive_s, 5);
	CU_ASSERT_EQUAL(out->mtu, UINT32_MAX);
	CU_ASSERT_EQUAL(out->epoch, UINT64_MAX);
	CU_ASSERT_EQUAL(out->renew_after_s, 6);
	CU_ASSERT_EQUAL(out->expires_after_s, 7);
	CU_ASSERT_STRING_EQUAL(out->gateways[15].url, in->gateways[15].url);
	/* The rest by its bytes: the structures have padding. */
	len = test_offerwire_w.pos;
	memcpy(first, test_offerwire_bytes, len);
	test_offerwire_in = test_offerwire_out;
	CU_ASSERT_EQUAL(test_offerwire_write(), 0);
	CU_ASSERT_EQUAL(test_offerwire_w.pos, len);
	CU_ASSERT_EQUAL(memcmp(first, test_offerwire_bytes, len), 0);
}

static void test_offerwire_empty(void)
{
	test_offerwire_in = (struct offer){ 0 };
	CU_ASSERT_EQUAL(test_offerwire_through(), 0);
	CU_ASSERT_EQUAL(test_offerwire_out.n_endpoints, 0);
	CU_ASSERT_EQUAL(test_offerwire_out.n_routes, 0);
	CU_ASSERT_EQUAL(test_offerwire_out.n_gateways, 0);
}

/* One over each limit is not written. */
static void test_offerwire_limits_of_the_writer(void)
{
	size_t *const counts[] = { &test_offerwire_in.n_endpoints, &test_offerwire_in.n_routes,
				   &test_offerwire_in.n_gateways };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		test_offerwire_setup();
		++*counts[i];
		CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
		*counts[i] = 256; /* would be 0 in the byte of the count */
		CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
	}
}

/* A count over its limit in the bytes is not read, and the arrays stay empty. */
static void test_offerwire_limits_of_the_reader(void)
{
	static const size_t at = 2 + 16 + 2 + WGKEY_BYTES + 16; /* of the count of endpoints */
	size_t len;

	test_offerwire_in = (struct offer){ 0 };
	for (size_t i = 0; i < 2; i++) {
		const uint8_t max = i ? OFFER_ROUTES_MAX : OFFER_ENDPOINTS_MAX;

		CU_ASSERT_EQUAL(test_offerwire_write(), 0);
		len = test_offerwire_w.pos;
		test_offerwire_bytes[at + i] = (uint8_t)(max + 1);
		CU_ASSERT_EQUAL(test_offerwire_read(len), -EBADMSG);
		CU_ASSERT_EQUAL(test_offerwire_read(sizeof(test_offerwire_bytes)), -EBADMSG);
		CU_ASSERT_EQUAL(test_offerwire_out.n_endpoints, 0);
		CU_ASSERT_EQUAL(test_offerwire_out.n_routes, 0);
		CU_ASSERT_EQUAL(test_offerwire_out.mtu, 0);
	}
	CU_ASSERT_EQUAL(test_offerwire_write(), 0);
	test_offerwire_bytes[test_offerwire_w.pos - 1] = OFFER_GATEWAYS_MAX + 1;
	CU_ASSERT_EQUAL(test_offerwire_read(sizeof(test_offerwire_bytes)), -EBADMSG);
	CU_ASSERT_EQUAL(test_offerwire_out.n_gateways, 0);
}

static void test_offerwire_cut_or_longer(void)
{
	size_t len;

	CU_ASSERT_EQUAL(test_offerwire_write(), 0);
	len = test_offerwire_w.pos;
	for (size_t i = 0; i < len; i++)
		CU_ASSERT_EQUAL(test_offerwire_read(i), -EBADMSG);
	CU_ASSERT_EQUAL(test_offerwire_read(len), 0);
	CU_ASSERT_EQUAL(test_offerwire_read(len + 1), -EBADMSG);
}

static void test_offerwire_prefixes(void)
{
	struct ip6_prefix *p = &test_offerwire_in.routes[15];

	p->len = 129;
	CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
	p->len = 127; /* its last bit is a host bit now */
	CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
	p->addr.s6_addr[15] = 14;
	CU_ASSERT_EQUAL(test_offerwire_through(), 0);
	*p = (struct ip6_prefix){ .len = 0 };
	CU_ASSERT_EQUAL(test_offerwire_through(), 0);
	p->addr.s6_addr[0] = 0x80;
	CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
}

/* They end in JSON and on terminals. */
static void test_offerwire_texts(void)
{
	struct offer *o = &test_offerwire_in;
	char *const texts[] = { o->zone, o->gateway_name, o->gateways[0].name, o->gateways[0].url };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char was = texts[i][0];

		texts[i][0] = '\xe9';
		CU_ASSERT_EQUAL(test_offerwire_through(), -EBADMSG);
		texts[i][0] = was;
		CU_ASSERT_EQUAL(test_offerwire_through(), 0);
	}
}

static const struct tap_test test_offerwire_tests[] = {
	{ "round trip of the largest", test_offerwire_round_trip_of_the_largest },
	{ "empty", test_offerwire_empty },
	{ "limits of the writer", test_offerwire_limits_of_the_writer },
	{ "limits of the reader", test_offerwire_limits_of_the_reader },
	{ "cut or longer", test_offerwire_cut_or_longer },
	{ "prefixes", test_offerwire_prefixes },
	{ "texts", test_offerwire_texts },
	{ 0 },
};

static const struct tap_suite test_offerwire_suites[] = {
	{ "offerwire", test_offerwire_tests, test_offerwire_setup, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_offerwire_suites);
}
