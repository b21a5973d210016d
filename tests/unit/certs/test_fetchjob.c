/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certs/fetchjob.h"
#include "tests/support/tap.h"

/* Static: they are large. */
static struct fetchjob_start test_fetchjob_job, test_fetchjob_got;
static struct fetchjob_part test_fetchjob_part, test_fetchjob_piece;
static struct fetchjob_result test_fetchjob_in, test_fetchjob_out;
static struct chan_msg test_fetchjob_msg, test_fetchjob_again;

#define FILL(field, c) memset(field, c, sizeof(field) - 1)

/* A principal, provider and id, as long as they can be. */
static void test_fetchjob_fill_self(struct fetchjob_self *s)
{
	FILL(s->principal, 'p');
	s->principal[127] = '.';
	FILL(s->provider, 'v');
	FILL(s->instance_id, 'I');
	FILL(s->region, 'r');
	FILL(s->account, '7');
}

static void test_fetchjob_fill_conf(struct certconf *c)
{
	FILL(c->zts_url, 'u');
	c->zts_address = (struct ip6_endpoint){ .addr = IN6ADDR_LOOPBACK_INIT, .port = 65535 };
	FILL(c->zts_ca, 'a');
	FILL(c->ca_pin, 'b');
	FILL(c->domain, 'd');
	FILL(c->service, 's');
	FILL(c->provider, 'p');
	FILL(c->provider_prefix, 'q');
	c->attestation = CERTCONF_TOKEN;
	FILL(c->token_file, 't');
	FILL(c->instance_id, 'i');
	c->key_type = CERTCONF_RSA_3072;
	c->expiry_min = 1;
	FILL(c->sia_dir, 'S');
	FILL(c->user, 'U');
	c->renew_max_s = 2;
	c->retry_min_s = 3;
	c->retry_max_s = 4;
	c->timeout_ms = UINT32_MAX;
	c->n_suffixes = CERTCONF_SUFFIXES_MAX;
	for (size_t i = 0; i < CERTCONF_SUFFIXES_MAX; i++)
		FILL(c->suffixes[i], '0' + (int)i);
	FILL(c->country, 'C');
	FILL(c->organization, 'o');
	FILL(c->organizational_unit, 'O');
	c->spiffe = true;
	FILL(c->spiffe_trust_domain, 'w');
	FILL(c->spiffe_namespace, 'n');
	c->wildcard_dns = c->instance_dns = c->private_ip = true;
	c->n_imds = CERTCONF_IMDS_MAX;
	for (size_t i = 0; i < CERTCONF_IMDS_MAX; i++)
		FILL(c->imds[i], '5' + (int)i);
	FILL(c->document_signature, 'G');
	c->credentials = CERTCONF_NO_CREDENTIALS;
	FILL(c->role_path, 'R');
	c->role_omits_domain = true;
	FILL(c->sts_url, 'T');
	c->sts_address = (struct ip6_endpoint){ .addr = IN6ADDR_LOOPBACK_INIT, .port = 1 };
	FILL(c->sts_ca, 'c');
	FILL(c->audience, 'A');
	FILL(c->signing_algorithm, 'g');
	c->token_duration_s = 5;
}

static void test_fetchjob_fill_start(void)
{
	memset(&test_fetchjob_job, 0, sizeof(test_fetchjob_job));
	test_fetchjob_job.kind = FETCHJOB_CHECK;
	test_fetchjob_fill_conf(&test_fetchjob_job.conf);
	test_fetchjob_fill_self(&test_fetchjob_job.self);
	FILL(test_fetchjob_job.pair_dir, 'D');
	test_fetchjob_job.pair_dir[0] = '/';
}

static int test_fetchjob_send_start(void)
{
	int r = fetchjob_encode_start(&test_fetchjob_job, &test_fetchjob_msg);

	memset(&test_fetchjob_got, 0x55, sizeof(test_fetchjob_got));
	return r < 0 ? r : fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got);
}

/* The largest job fits into a message, and a new field of struct certconf that is not carried along
 * is seen here, if it is filled above. */
static void test_fetchjob_start_round_trip(void)
{
	test_fetchjob_fill_start();
	CU_ASSERT_EQUAL(test_fetchjob_send_start(), 0);
	CU_ASSERT_TRUE(test_fetchjob_msg.len <= CHAN_BODY_MAX);
	/* Zeroed before they were filled and before they are decoded: no padding differs. */
	CU_ASSERT_EQUAL(memcmp(&test_fetchjob_job, &test_fetchjob_got, sizeof(test_fetchjob_job)),
			0);
	/* Nothing but what must be there. */
	memset(&test_fetchjob_job, 0, sizeof(test_fetchjob_job));
	for (int kind = 0; kind <= FETCHJOB_CHECK + 1; kind++) {
		test_fetchjob_job.kind = (enum fetchjob_kind)kind;
		CU_ASSERT_EQUAL(test_fetchjob_send_start(),
				kind >= FETCHJOB_IDENTIFY && kind <= FETCHJOB_CHECK ? 0 : -EBADMSG);
	}
}

static void test_fetchjob_expect_start(unsigned int line, int expected)
{
	int r = test_fetchjob_send_start();
	const uint8_t *bytes = (const uint8_t *)&test_fetchjob_got;

	CU_ASSERT_EQUAL(r, expected);
	if (r != expected)
		tap_fail(__FILE__, line, "%d instead of %d", r, expected);
	for (size_t i = 0; r < 0 && i < sizeof(test_fetchjob_got); i++)
		if (bytes[i] != 0x55)
			tap_fail(__FILE__, line, "byte %zu was touched", i);
	test_fetchjob_fill_start();
}

static void test_fetchjob_start_out_of_range(void)
{
	struct fetchjob_start *job = &test_fetchjob_job;

	test_fetchjob_fill_start();
	job->conf.n_suffixes = CERTCONF_SUFFIXES_MAX + 1;
	test_fetchjob_expect_start(__LINE__, -EMSGSIZE);
	job->conf.n_imds = SIZE_MAX;
	test_fetchjob_expect_start(__LINE__, -EMSGSIZE);
	job->conf.attestation = (enum certconf_attestation)(CERTCONF_TOKEN + 1);
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
	job->conf.credentials = (enum certconf_credentials)(CERTCONF_NO_CREDENTIALS + 1);
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
	job->conf.key_type = (enum certconf_key)(CERTCONF_RSA_3072 + 1);
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
	job->conf.zts_url[5] = '\n';
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
	job->pair_dir[0] = 'D';
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
	job->pair_dir[0] = '\0';
	test_fetchjob_expect_start(__LINE__, 0);
	job->self.principal[127] = 'p';
	test_fetchjob_expect_start(__LINE__, -EBADMSG);
}

/* The counts and what else cannot be made with the encoder. */
static void test_fetchjob_start_damaged(void)
{
	size_t len;

	test_fetchjob_fill_start();
	CU_ASSERT_EQUAL(fetchjob_encode_start(&test_fetchjob_job, &test_fetchjob_msg), 0);
	len = test_fetchjob_msg.len;
	for (test_fetchjob_msg.len = 0; test_fetchjob_msg.len < len; test_fetchjob_msg.len++)
		CU_ASSERT_EQUAL(fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got),
				-EBADMSG);
	test_fetchjob_msg.len = len + 1;
	CU_ASSERT_EQUAL(fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got), -EBADMSG);
	test_fetchjob_msg.len = len;
	for (size_t i = 0; i < len; i++) {
		test_fetchjob_msg.body[i] ^= 0xff;
		if (fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got) == 0)
			CU_ASSERT_TRUE(test_fetchjob_got.conf.n_suffixes <= CERTCONF_SUFFIXES_MAX &&
				       test_fetchjob_got.conf.n_imds <= CERTCONF_IMDS_MAX);
		test_fetchjob_msg.body[i] ^= 0xff;
	}
}

static int test_fetchjob_send_part(size_t len)
{
	int r;

	memset(&test_fetchjob_part, 0, sizeof(test_fetchjob_part));
	test_fetchjob_part.file = FETCHJOB_CA;
	test_fetchjob_part.len = len;
	for (size_t i = 0; i < len && i < FETCHJOB_PART_MAX; i++)
		test_fetchjob_part.bytes[i] = (uint8_t)i;
	memset(&test_fetchjob_piece, 0x55, sizeof(test_fetchjob_piece));
	r = fetchjob_encode_part(&test_fetchjob_part, &test_fetchjob_msg);
	return r < 0 ? r : fetchjob_decode_part(&test_fetchjob_msg, &test_fetchjob_piece);
}

static void test_fetchjob_parts(void)
{
	size_t n_ops;
	const struct chan_op *op = &fetchjob_ops(&n_ops)[1];
	static const size_t lengths[] = { 1, 2, FETCHJOB_PART_MAX - 1, FETCHJOB_PART_MAX };

	CU_ASSERT_EQUAL(n_ops, 3);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		CU_ASSERT_EQUAL(test_fetchjob_send_part(lengths[i]), 0);
		CU_ASSERT_EQUAL(test_fetchjob_piece.file, FETCHJOB_CA);
		CU_ASSERT_EQUAL(test_fetchjob_piece.len, lengths[i]);
		CU_ASSERT_EQUAL(memcmp(test_fetchjob_part.bytes, test_fetchjob_piece.bytes,
				       FETCHJOB_PART_MAX),
				0);
		CU_ASSERT_TRUE(test_fetchjob_msg.len >= op->body_min &&
			       test_fetchjob_msg.len <= op->body_max &&
			       op->body_max <= CHAN_BODY_MAX);
	}
	CU_ASSERT_EQUAL(test_fetchjob_send_part(0), -EMSGSIZE);
	CU_ASSERT_EQUAL(test_fetchjob_send_part(FETCHJOB_PART_MAX + 1), -EMSGSIZE);
	CU_ASSERT_EQUAL(test_fetchjob_send_part(SIZE_MAX), -EMSGSIZE);
	CU_ASSERT_EQUAL(test_fetchjob_piece.len, 0x5555555555555555);
	fetchjob_part_wipe(&test_fetchjob_part);
	for (size_t i = 0; i < sizeof(test_fetchjob_part); i++)
		if (((uint8_t *)&test_fetchjob_part)[i])
			tap_fail(__FILE__, __LINE__, "byte %zu is left", i);
	fetchjob_part_wipe(NULL);
}

static void test_fetchjob_bad_parts(void)
{
	struct chan_msg *msg = &test_fetchjob_msg;

	CU_ASSERT_EQUAL(test_fetchjob_send_part(10), 0);
	memset(&test_fetchjob_piece, 0x55, sizeof(test_fetchjob_piece));
	for (int file = 0; file < 256; file++) {
		msg->body[0] = (uint8_t)file;
		CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece),
				file >= FETCHJOB_KEY && file <= FETCHJOB_CA ? 0 : -EBADMSG);
	}
	memset(&test_fetchjob_piece, 0x55, sizeof(test_fetchjob_piece));
	msg->body[0] = FETCHJOB_KEY;
	msg->len--;
	CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece), -EBADMSG);
	msg->len += 2;
	CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece), -EBADMSG);
	for (msg->len = 0; msg->len <= 3; msg->len++)
		CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece), -EBADMSG);
	msg->body[1] = msg->body[2] = 0;
	msg->len = 3;
	CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece), -EBADMSG);
	/* One byte more than a part may have, all of it there. */
	msg->body[1] = (FETCHJOB_PART_MAX + 1) & 0xff;
	msg->body[2] = (FETCHJOB_PART_MAX + 1) >> 8;
	msg->len = 3 + FETCHJOB_PART_MAX + 1;
	CU_ASSERT_EQUAL(fetchjob_decode_part(msg, &test_fetchjob_piece), -EBADMSG);
	CU_ASSERT_EQUAL(test_fetchjob_piece.len, 0x5555555555555555);
}

static void test_fetchjob_fill_result(void)
{
	struct fetchjob_result *in = &test_fetchjob_in;

	memset(in, 0, sizeof(*in));
	FILL(in->detail, '~');
	in->http_status = 999;
	in->retry_after_s = 86400;
	in->total_ms = UINT32_MAX;
	test_fetchjob_fill_self(&in->self);
	FILL(in->serial, 'f');
	in->not_before_wall = 253402300798;
	in->not_after_wall = 253402300799;
}

static int test_fetchjob_send_result(void)
{
	int r = fetchjob_encode_result(&test_fetchjob_in, &test_fetchjob_msg);

	memset(&test_fetchjob_out, 0x55, sizeof(test_fetchjob_out));
	return r < 0 ? r : fetchjob_decode_result(&test_fetchjob_msg, &test_fetchjob_out);
}

static void test_fetchjob_result_round_trip(void)
{
	test_fetchjob_fill_result();
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
	CU_ASSERT_EQUAL(memcmp(&test_fetchjob_in, &test_fetchjob_out, sizeof(test_fetchjob_in)), 0);
	/* A failure needs to name nobody. */
	memset(&test_fetchjob_in, 0, sizeof(test_fetchjob_in));
	test_fetchjob_in.code = PST_ZTS_UNREACHABLE;
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
	CU_ASSERT_EQUAL(test_fetchjob_out.code, PST_ZTS_UNREACHABLE);
	/* Nor has an instance a certificate before it is registered. */
	memset(&test_fetchjob_in, 0, sizeof(test_fetchjob_in));
	test_fetchjob_fill_self(&test_fetchjob_in.self);
	test_fetchjob_in.self.region[0] = test_fetchjob_in.self.account[0] = '\0';
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
	CU_ASSERT_EQUAL(fetchjob_encode_result(&test_fetchjob_out, &test_fetchjob_again), 0);
	CU_ASSERT_EQUAL(test_fetchjob_again.len, test_fetchjob_msg.len);
}

/* Refused, and the output as it was; then everything is good again. */
static void test_fetchjob_expect_refusal(unsigned int line)
{
	const uint8_t *bytes = (const uint8_t *)&test_fetchjob_out;

	if (test_fetchjob_send_result() != -EBADMSG)
		tap_fail(__FILE__, line, "was taken");
	for (size_t i = 0; i < sizeof(test_fetchjob_out); i++)
		if (bytes[i] != 0x55)
			tap_fail(__FILE__, line, "byte %zu was touched", i);
	test_fetchjob_fill_result();
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
}

static void test_fetchjob_result_out_of_range(void)
{
	struct fetchjob_result *in = &test_fetchjob_in;

	test_fetchjob_fill_result();
	in->code = (enum pst)1;
	test_fetchjob_expect_refusal(__LINE__);
	in->code = (enum pst)65535;
	test_fetchjob_expect_refusal(__LINE__);
	in->detail[0] = '\x1b';
	test_fetchjob_expect_refusal(__LINE__);
	memcpy(in->detail, "\xc3\xa9", 2);
	test_fetchjob_expect_refusal(__LINE__);
	in->http_status = 1000;
	test_fetchjob_expect_refusal(__LINE__);
	in->retry_after_s = 86401;
	test_fetchjob_expect_refusal(__LINE__);
	in->not_before_wall = in->not_after_wall;
	test_fetchjob_expect_refusal(__LINE__);
	in->not_after_wall++;
	test_fetchjob_expect_refusal(__LINE__);
	in->serial[0] = 'F';
	test_fetchjob_expect_refusal(__LINE__);
	in->serial[0] = '\0'; /* but there are dates */
	test_fetchjob_expect_refusal(__LINE__);
	in->serial[0] = '\0';
	in->not_before_wall = 0;
	test_fetchjob_expect_refusal(__LINE__);
	in->serial[0] = '\0';
	in->not_after_wall = 0;
	test_fetchjob_expect_refusal(__LINE__);
}

/* What a worker may call this host. */
static void test_fetchjob_result_names(void)
{
	struct fetchjob_self *self = &test_fetchjob_in.self;

	test_fetchjob_fill_result();
	self->principal[0] = '\0';
	test_fetchjob_expect_refusal(__LINE__);
	self->provider[0] = '\0';
	test_fetchjob_expect_refusal(__LINE__);
	self->instance_id[0] = '\0';
	test_fetchjob_expect_refusal(__LINE__);
	self->principal[3] = 'P';
	test_fetchjob_expect_refusal(__LINE__);
	self->principal[3] = '/';
	test_fetchjob_expect_refusal(__LINE__);
	memcpy(self->principal, "a:role.", 7);
	test_fetchjob_expect_refusal(__LINE__);
	self->provider[2] = 'V';
	test_fetchjob_expect_refusal(__LINE__);
	self->provider[2] = '/';
	test_fetchjob_expect_refusal(__LINE__);
	self->instance_id[2] = '/';
	test_fetchjob_expect_refusal(__LINE__);
	snprintf(self->instance_id, sizeof(self->instance_id), "..");
	test_fetchjob_expect_refusal(__LINE__);
	self->region[2] = '.';
	test_fetchjob_expect_refusal(__LINE__);
	self->account[2] = 'a';
	test_fetchjob_expect_refusal(__LINE__);
	/* Also where nobody has to be named. */
	test_fetchjob_in.code = PST_NAME_UNKNOWN;
	self->principal[0] = '\0';
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
	self->instance_id[0] = ' ';
	test_fetchjob_expect_refusal(__LINE__);
}

static void test_fetchjob_result_damaged(void)
{
	size_t len;

	test_fetchjob_fill_result();
	CU_ASSERT_EQUAL(fetchjob_encode_result(&test_fetchjob_in, &test_fetchjob_msg), 0);
	len = test_fetchjob_msg.len;
	for (test_fetchjob_msg.len = 0; test_fetchjob_msg.len < len; test_fetchjob_msg.len++)
		CU_ASSERT_EQUAL(fetchjob_decode_result(&test_fetchjob_msg, &test_fetchjob_out),
				-EBADMSG);
	test_fetchjob_msg.len = len + 1;
	CU_ASSERT_EQUAL(fetchjob_decode_result(&test_fetchjob_msg, &test_fetchjob_out), -EBADMSG);
}

/* Each decoder refuses what was made for another. */
static void test_fetchjob_types_are_not_mixed(void)
{
	size_t n_ops;

	test_fetchjob_fill_start();
	test_fetchjob_fill_result();
	CU_ASSERT_EQUAL(test_fetchjob_send_start(), 0);
	CU_ASSERT_EQUAL(fetchjob_decode_part(&test_fetchjob_msg, &test_fetchjob_piece), -EBADMSG);
	CU_ASSERT_EQUAL(fetchjob_decode_result(&test_fetchjob_msg, &test_fetchjob_out), -EBADMSG);
	CU_ASSERT_EQUAL(test_fetchjob_send_part(3), 0);
	CU_ASSERT_EQUAL(fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got), -EBADMSG);
	CU_ASSERT_EQUAL(fetchjob_decode_result(&test_fetchjob_msg, &test_fetchjob_out), -EBADMSG);
	test_fetchjob_msg.op = fetchjob_ops(&n_ops); /* a body that would do, under another name */
	CU_ASSERT_EQUAL(fetchjob_decode_part(&test_fetchjob_msg, &test_fetchjob_piece), -EBADMSG);
	CU_ASSERT_EQUAL(test_fetchjob_send_result(), 0);
	CU_ASSERT_EQUAL(fetchjob_decode_start(&test_fetchjob_msg, &test_fetchjob_got), -EBADMSG);
	CU_ASSERT_EQUAL(fetchjob_decode_part(&test_fetchjob_msg, &test_fetchjob_piece), -EBADMSG);
}

static const struct tap_test test_fetchjob_tests[] = {
	{ "start round trip", test_fetchjob_start_round_trip },
	{ "start out of range", test_fetchjob_start_out_of_range },
	{ "start damaged", test_fetchjob_start_damaged },
	{ "parts", test_fetchjob_parts },
	{ "bad parts", test_fetchjob_bad_parts },
	{ "result round trip", test_fetchjob_result_round_trip },
	{ "result out of range", test_fetchjob_result_out_of_range },
	{ "result names", test_fetchjob_result_names },
	{ "result damaged", test_fetchjob_result_damaged },
	{ "types are not mixed", test_fetchjob_types_are_not_mixed },
	{ 0 },
};

static const struct tap_suite test_fetchjob_suites[] = {
	{ "fetchjob", test_fetchjob_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_fetchjob_suites);
}
