/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/proto/exjob.h"
#include "tunneld/proto/offerwire.h"

/* Static: each has offers inside and is not needed twice. */
static struct exjob_result test_exjob_in, test_exjob_out;
static struct chan_msg test_exjob_msg;

static void test_exjob_fill(struct exjob_result *r)
{
	struct offer *o = &r->offer;

	*r = (struct exjob_result){ .code = PST_NONE,
				    .retry_after_s = 86400,
				    .connect_us = 1,
				    .tls_us = UINT32_MAX,
				    .total_us = 3 };
	memset(r->detail, '~', sizeof(r->detail) - 1);
	memset(r->group, 'g', sizeof(r->group) - 1);
	memset(&r->psk, 0xa5, sizeof(r->psk));
	memset(o->zone, 'z', sizeof(o->zone) - 1);
	memset(o->gateway_name, 'n', sizeof(o->gateway_name) - 1);
	memset(&o->host_addr, 0x11, 16);
	memset(&o->gateway_key, 0x22, sizeof(o->gateway_key));
	memset(&o->gateway_addr, 0x33, 16);
	o->n_endpoints = OFFER_ENDPOINTS_MAX;
	o->n_routes = OFFER_ROUTES_MAX;
	o->n_gateways = OFFER_GATEWAYS_MAX;
	for (size_t i = 0; i < OFFER_ENDPOINTS_MAX; i++)
		o->endpoints[i] = (struct ip6_endpoint){ .addr = o->host_addr,
							 .port = (uint16_t)(65535 - i) };
	for (size_t i = 0; i < OFFER_ROUTES_MAX; i++)
		o->routes[i] = (struct ip6_prefix){ .addr = { .s6_addr = { 0xfd, (uint8_t)i } },
						    .len = 16 };
	for (size_t i = 0; i < OFFER_GATEWAYS_MAX; i++) {
		memset(o->gateways[i].name, 'a', OFFER_NAME_MAX - 1);
		memset(o->gateways[i].url, 'u', OFFER_URL_MAX - 1);
	}
	o->keepalive_s = 1;
	o->mtu = UINT32_MAX;
	o->epoch = UINT64_MAX;
	o->renew_after_s = 4;
	o->expires_after_s = 5;
}

static int test_exjob_through(void)
{
	int r = exjob_encode_result(&test_exjob_in, &test_exjob_msg);

	memset(&test_exjob_out, 0x55, sizeof(test_exjob_out));
	return r < 0 ? r : exjob_decode_result(&test_exjob_msg, &test_exjob_out);
}

static void test_exjob_result_round_trip(void)
{
	static struct chan_msg again;

	test_exjob_fill(&test_exjob_in);
	CU_ASSERT_EQUAL(test_exjob_through(), 0);
	/* By its bytes on the wire: the structures have padding. */
	CU_ASSERT_EQUAL(exjob_encode_result(&test_exjob_out, &again), 0);
	CU_ASSERT_EQUAL(again.len, test_exjob_msg.len);
	CU_ASSERT_EQUAL(memcmp(again.body, test_exjob_msg.body, again.len), 0);
	CU_ASSERT_EQUAL(test_exjob_out.offer.n_routes, OFFER_ROUTES_MAX);
	CU_ASSERT_TRUE(secret_equal(&test_exjob_in.psk, &test_exjob_out.psk));
	CU_ASSERT_STRING_EQUAL(test_exjob_out.detail, test_exjob_in.detail);
	CU_ASSERT_STRING_EQUAL(test_exjob_out.group, test_exjob_in.group);
	CU_ASSERT_EQUAL(test_exjob_out.retry_after_s, 86400);
	CU_ASSERT_EQUAL(test_exjob_out.connect_us, 1);
	CU_ASSERT_EQUAL(test_exjob_out.tls_us, UINT32_MAX);
	CU_ASSERT_EQUAL(test_exjob_out.total_us, 3);
	exjob_result_wipe(&test_exjob_out);
	CU_ASSERT_TRUE(secret_is_zero(&test_exjob_out.psk));
	exjob_result_wipe(NULL);
}

/* A refusal carries neither offer nor PSK. */
static void test_exjob_refusal_round_trip(void)
{
	test_exjob_fill(&test_exjob_in);
	test_exjob_in.code = PST_RETRY_LATER;
	CU_ASSERT_EQUAL(test_exjob_through(), 0);
	CU_ASSERT_EQUAL(test_exjob_out.code, PST_RETRY_LATER);
	CU_ASSERT_TRUE(secret_is_zero(&test_exjob_out.psk));
	CU_ASSERT_EQUAL(test_exjob_out.offer.n_routes, 0);
}

/* Refused, and the output as it was. */
static void test_exjob_expect_refusal(unsigned int line)
{
	if (test_exjob_through() != -EBADMSG)
		tap_fail(__FILE__, line, "was taken");
	for (size_t i = 0; i < sizeof(test_exjob_out.detail); i++)
		CU_ASSERT_EQUAL(test_exjob_out.detail[i], 0x55);
}

static void test_exjob_fields_out_of_range(void)
{
	struct exjob_result *in = &test_exjob_in;

	test_exjob_fill(in);
	in->psk = (struct secret){ 0 };
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->retry_after_s = 86401;
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->code = (enum pst)1;
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->code = (enum pst)65535;
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->detail[0] = '\x1b';
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	memcpy(in->detail, "\xc2\x9b", 2);
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->group[3] = '\xff';
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->offer.zone[0] = '\xff';
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->offer.gateways[15].url[0] = '\n';
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->offer.routes[15].len = 129;
	test_exjob_expect_refusal(__LINE__);
	test_exjob_fill(in);
	in->offer.routes[0].addr.s6_addr[15] = 1; /* a host bit */
	test_exjob_expect_refusal(__LINE__);
}

/* More elements than there is room for are not even written. */
static void test_exjob_counts_too_large(void)
{
	test_exjob_fill(&test_exjob_in);
	test_exjob_in.offer.n_endpoints++;
	CU_ASSERT_EQUAL(test_exjob_through(), -EMSGSIZE);
	test_exjob_fill(&test_exjob_in);
	test_exjob_in.offer.n_routes++;
	CU_ASSERT_EQUAL(test_exjob_through(), -EMSGSIZE);
	test_exjob_fill(&test_exjob_in);
	test_exjob_in.offer.n_gateways = SIZE_MAX;
	CU_ASSERT_EQUAL(test_exjob_through(), -EMSGSIZE);
}

/* Cut at every byte, one byte too long, and every single byte inverted: never more than a
 * refusal, and what is taken stays inside its arrays. */
static void test_exjob_damaged(void)
{
	size_t len;

	test_exjob_fill(&test_exjob_in);
	CU_ASSERT_EQUAL(exjob_encode_result(&test_exjob_in, &test_exjob_msg), 0);
	len = test_exjob_msg.len;
	for (test_exjob_msg.len = 0; test_exjob_msg.len < len; test_exjob_msg.len++)
		CU_ASSERT_EQUAL(exjob_decode_result(&test_exjob_msg, &test_exjob_out), -EBADMSG);
	test_exjob_msg.len = len + 1;
	CU_ASSERT_EQUAL(exjob_decode_result(&test_exjob_msg, &test_exjob_out), -EBADMSG);
	test_exjob_msg.len = len;
	for (size_t i = 0; i < len; i++) {
		test_exjob_msg.body[i] ^= 0xff;
		if (exjob_decode_result(&test_exjob_msg, &test_exjob_out) == 0)
			CU_ASSERT_TRUE(test_exjob_out.offer.n_routes <= OFFER_ROUTES_MAX &&
				       test_exjob_out.offer.n_endpoints <= OFFER_ENDPOINTS_MAX &&
				       test_exjob_out.offer.n_gateways <= OFFER_GATEWAYS_MAX);
		test_exjob_msg.body[i] ^= 0xff;
	}
}

static void test_exjob_start_round_trip(void)
{
	struct exjob_start in = { .timeout_ms = 15000, .require_post_quantum = true }, out;

	memset(in.authority, 'a', sizeof(in.authority) - 1);
	memset(in.principal, 'p', sizeof(in.principal) - 1);
	memset(in.cert, 'c', sizeof(in.cert) - 1);
	memset(in.key, 'k', sizeof(in.key) - 1);
	memset(in.ca, 'C', sizeof(in.ca) - 1);
	memset(in.deny_file, 'd', sizeof(in.deny_file) - 1);
	memset(&in.request.public_key, 7, sizeof(in.request.public_key));
	memset(in.request.hostname, 'h', sizeof(in.request.hostname) - 1);
	memset(in.request.software, 's', sizeof(in.request.software) - 1);
	memset(in.request.boot_id, 'b', sizeof(in.request.boot_id) - 1);
	CU_ASSERT_EQUAL(exjob_encode_start(&in, 5, &test_exjob_msg), 0);
	CU_ASSERT_EQUAL(test_exjob_msg.fd, 5);
	CU_ASSERT_EQUAL(exjob_decode_start(&test_exjob_msg, &out), 0);
	CU_ASSERT_EQUAL(memcmp(&in, &out, offsetof(struct exjob_start, require_post_quantum)), 0);
	CU_ASSERT_EQUAL(out.require_post_quantum, true);
	CU_ASSERT_STRING_EQUAL(out.request.hostname, in.request.hostname);
	CU_ASSERT_STRING_EQUAL(out.request.software, in.request.software);
	CU_ASSERT_STRING_EQUAL(out.request.boot_id, in.request.boot_id);
	CU_ASSERT_TRUE(wgkey_equal(&out.request.public_key, &in.request.public_key));
	for (test_exjob_msg.len--; test_exjob_msg.len; test_exjob_msg.len--)
		CU_ASSERT_EQUAL(exjob_decode_start(&test_exjob_msg, &out), -EBADMSG);
}

static void test_exjob_types_are_not_mixed(void)
{
	struct exjob_start start = { 0 };

	test_exjob_fill(&test_exjob_in);
	CU_ASSERT_EQUAL(exjob_encode_result(&test_exjob_in, &test_exjob_msg), 0);
	CU_ASSERT_EQUAL(exjob_decode_start(&test_exjob_msg, &start), -EBADMSG);
	CU_ASSERT_EQUAL(exjob_encode_start(&start, 5, &test_exjob_msg), 0);
	CU_ASSERT_EQUAL(exjob_decode_result(&test_exjob_msg, &test_exjob_out), -EBADMSG);
}

static const struct tap_test test_exjob_tests[] = {
	{ "result round trip", test_exjob_result_round_trip },
	{ "refusal round trip", test_exjob_refusal_round_trip },
	{ "fields out of range", test_exjob_fields_out_of_range },
	{ "counts too large", test_exjob_counts_too_large },
	{ "damaged", test_exjob_damaged },
	{ "start round trip", test_exjob_start_round_trip },
	{ "types are not mixed", test_exjob_types_are_not_mixed },
	{ 0 },
};

static const struct tap_suite test_exjob_suites[] = {
	{ "exjob", test_exjob_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_exjob_suites);
}
