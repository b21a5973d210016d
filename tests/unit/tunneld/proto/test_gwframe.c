/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/proto/gwframe.h"

static struct gwframe_grant test_gwframe_grant(void)
{
	struct gwframe_grant g = {
		.principal = "vespa.tenant.acme.aws-123456789012.tenant-host",
		.provider = "athenz.aws.us-east-1",
		.instance_id = "i-0123456789abcdef0",
		.serial = "01ab",
		.cert_expires_wall = 1760000000,
		.epoch = 1750000000,
	};

	memset(g.host_key.bytes, 9, sizeof(g.host_key.bytes));
	memset(g.host_addr.s6_addr, 0xfd, sizeof(g.host_addr.s6_addr));
	memset(g.psk.bytes, 7, sizeof(g.psk.bytes));
	return g;
}

static void test_gwframe_grant_round_trip(void)
{
	struct gwframe_grant in = test_gwframe_grant(), out = { .epoch = 0 };
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_grant(42, &in, &msg), 0);
	CU_ASSERT_EQUAL(msg.seq, 42);
	CU_ASSERT_EQUAL(msg.op->type, GWFRAME_GRANT);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), 0);
	CU_ASSERT_STRING_EQUAL(out.principal, in.principal);
	CU_ASSERT_STRING_EQUAL(out.provider, in.provider);
	CU_ASSERT_STRING_EQUAL(out.instance_id, in.instance_id);
	CU_ASSERT_STRING_EQUAL(out.serial, in.serial);
	CU_ASSERT_EQUAL(out.cert_expires_wall, in.cert_expires_wall);
	CU_ASSERT_EQUAL(out.epoch, in.epoch);
	CU_ASSERT_TRUE(wgkey_equal(&out.host_key, &in.host_key));
	CU_ASSERT_TRUE(ip6_addr_equal(&out.host_addr, &in.host_addr));
	CU_ASSERT_TRUE(secret_equal(&out.psk, &in.psk));
}

/* Every string at its limit still fits the row of the table; that is where the limit comes from. */
static void test_gwframe_grant_limits(void)
{
	struct gwframe_grant in = test_gwframe_grant(), out;
	struct chan_msg msg;
	size_t n_ops;
	const struct chan_op *op = &gwframe_ops(&n_ops)[GWFRAME_GRANT - 1];

	memset(in.principal, 'a', sizeof(in.principal) - 1);
	memset(in.provider, 'b', sizeof(in.provider) - 1);
	memset(in.instance_id, 'c', sizeof(in.instance_id) - 1);
	memset(in.serial, 'd', sizeof(in.serial) - 1);
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	CU_ASSERT_EQUAL(msg.len, op->body_max);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), 0);
	snprintf(in.principal, sizeof(in.principal), "%s", "a");
	snprintf(in.provider, sizeof(in.provider), "%s", "b");
	snprintf(in.instance_id, sizeof(in.instance_id), "%s", "c");
	snprintf(in.serial, sizeof(in.serial), "%s", "d");
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	CU_ASSERT_EQUAL(msg.len, op->body_min);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), 0);
	in.serial[0] = '\0';
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), -EMSGSIZE);
}

static void test_gwframe_grant_refuses(void)
{
	struct gwframe_grant in = test_gwframe_grant(), out;
	struct chan_msg msg;

	/* Cut at every length, and one byte too long. */
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	for (size_t full = msg.len; msg.len-- > 0;) {
		if (gwframe_decode_grant(&msg, &out) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "accepted %zu of %zu bytes", msg.len, full);
		if (!msg.len)
			break;
	}
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	msg.body[msg.len++] = 0;
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), -EBADMSG);
	memset(&in.psk, 0, sizeof(in.psk));
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), -EBADMSG);
	in = test_gwframe_grant();
	in.principal[3] = '\n';
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), -EBADMSG);
	in = test_gwframe_grant();
	in.provider[0] = '\0';
	snprintf(in.serial, sizeof(in.serial), "%s", "longer-than-before");
	CU_ASSERT_EQUAL(gwframe_encode_grant(1, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &out), -EBADMSG);
}

static void test_gwframe_answer(void)
{
	struct gwframe_answer in = { .code = PST_NONE }, out = { .retry_after_s = 1 };
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_answer(7, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_answer(&msg, &out), 0);
	CU_ASSERT_EQUAL(out.code, PST_NONE);
	CU_ASSERT_EQUAL(out.retry_after_s, 0);
	in = (struct gwframe_answer){ .code = PST_GATEWAY_BUSY, .retry_after_s = 86400 };
	CU_ASSERT_EQUAL(gwframe_encode_answer(7, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_answer(&msg, &out), 0);
	CU_ASSERT_EQUAL(out.code, PST_GATEWAY_BUSY);
	CU_ASSERT_EQUAL(out.retry_after_s, 86400);
	in.retry_after_s = 86401;
	CU_ASSERT_EQUAL(gwframe_encode_answer(7, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_answer(&msg, &out), -EBADMSG);
	in = (struct gwframe_answer){ .code = (enum pst)9999 };
	CU_ASSERT_EQUAL(gwframe_encode_answer(7, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_answer(&msg, &out), -EBADMSG);
}

static void test_gwframe_count(void)
{
	struct gwframe_count in = { .code = PST_CERT_EXPIRED }, out;
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_count(0, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_count(&msg, &out), 0);
	CU_ASSERT_EQUAL(out.code, PST_CERT_EXPIRED);
	in.code = PST_NONE;
	CU_ASSERT_EQUAL(gwframe_encode_count(0, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_count(&msg, &out), -EBADMSG);
}

static void test_gwframe_hello(void)
{
	struct gwframe_hello in = { .gateway_key = { { 9 } } }, out;
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_hello(0, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_hello(&msg, &out), 0);
	CU_ASSERT_TRUE(wgkey_equal(&in.gateway_key, &out.gateway_key));
	in.gateway_key.bytes[0] = 0;
	CU_ASSERT_EQUAL(gwframe_encode_hello(0, &in, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_hello(&msg, &out), -EBADMSG);
}

static void test_gwframe_wrong_operation(void)
{
	struct gwframe_answer answer;
	struct gwframe_grant grant;
	struct gwframe_hello hello;
	struct gwframe_count count = { .code = PST_CERT_EXPIRED };
	struct chan_msg msg;

	CU_ASSERT_EQUAL(gwframe_encode_count(0, &count, &msg), 0);
	CU_ASSERT_EQUAL(gwframe_decode_answer(&msg, &answer), -EBADMSG);
	CU_ASSERT_EQUAL(gwframe_decode_grant(&msg, &grant), -EBADMSG);
	CU_ASSERT_EQUAL(gwframe_decode_hello(&msg, &hello), -EBADMSG);
	gwframe_init_drain(3, &msg);
	CU_ASSERT_EQUAL(msg.op->type, GWFRAME_DRAIN);
	CU_ASSERT_EQUAL(msg.len, 0);
	CU_ASSERT_EQUAL(gwframe_decode_count(&msg, &count), -EBADMSG);
}

static const struct tap_test test_gwframe_tests[] = {
	{ "grant round trip", test_gwframe_grant_round_trip },
	{ "grant limits", test_gwframe_grant_limits },
	{ "grant refuses what is cut, long, zero or unprintable", test_gwframe_grant_refuses },
	{ "answer", test_gwframe_answer },
	{ "count", test_gwframe_count },
	{ "hello", test_gwframe_hello },
	{ "a body of another operation", test_gwframe_wrong_operation },
	{ 0 },
};

static const struct tap_suite test_gwframe_suites[] = {
	{ "gwframe", test_gwframe_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_gwframe_suites);
}
