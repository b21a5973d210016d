/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"
#include "tunneld/proto/exresp.h"
#include "common/jsonin.h"

/* The example of the protocol page. */
static const char test_exresp_good[] =
	"{\"version\":1,\"zone\":\"prod.aws-us-east-1c\","
	"\"host\":{\"address\":\"fd12:3456:789a:1::7/128\"},"
	"\"gateway\":{\"name\":\"cfg1\","
	"\"public_key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","
	"\"endpoints\":[\"[2001:db8:c::1]:51820\"],\"address\":\"fd12:3456:789a::1\","
	"\"routes\":[\"fd12:3456:789a::1/128\",\"2001:db8:c::1/128\"]},"
	"\"tunnel\":{\"keepalive_s\":25,\"mtu\":1280},"
	"\"lease\":{\"epoch\":1760000000,\"renew_after_s\":3600,\"expires_after_s\":86400},"
	"\"gateways\":[{\"name\":\"cfg1\",\"url\":\"https://cfg1.example:4443\"},"
	"{\"name\":\"cfg2\",\"url\":\"https://cfg2.example:4443\"}]}";

static enum pst test_exresp_code(const char *text, size_t len)
{
	struct offer o;
	enum pst code = PST_NONE;
	int r;

	memset(&o, 0x55, sizeof(o));
	r = exresp_decode(text, len, &o, &code);
	CU_ASSERT_EQUAL(r, code ? -EBADMSG : 0);
	CU_ASSERT_EQUAL(o.zone[0] == 0x55, r != 0);
	return code;
}

static void test_exresp_decodes_the_example(void)
{
	char text[IP6_PREFIX_TEXT], endpoint[IP6_ENDPOINT_TEXT];
	struct offer o;
	enum pst code;

	CU_ASSERT_EQUAL(exresp_decode(test_exresp_good, strlen(test_exresp_good), &o, &code), 0);
	CU_ASSERT_STRING_EQUAL(o.zone, "prod.aws-us-east-1c");
	CU_ASSERT_STRING_EQUAL(ip6_format_addr(&o.host_addr, text), "fd12:3456:789a:1::7");
	CU_ASSERT_STRING_EQUAL(o.gateway_name, "cfg1");
	CU_ASSERT_EQUAL(o.gateway_key.bytes[31], 31);
	CU_ASSERT_STRING_EQUAL(ip6_format_addr(&o.gateway_addr, text), "fd12:3456:789a::1");
	CU_ASSERT_EQUAL(o.n_endpoints, 1);
	CU_ASSERT_STRING_EQUAL(ip6_format_endpoint(&o.endpoints[0], endpoint),
			       "[2001:db8:c::1]:51820");
	CU_ASSERT_EQUAL(o.n_routes, 2);
	CU_ASSERT_STRING_EQUAL(ip6_format_prefix(&o.routes[1], text), "2001:db8:c::1/128");
	CU_ASSERT_EQUAL(o.keepalive_s, 25);
	CU_ASSERT_EQUAL(o.mtu, 1280);
	CU_ASSERT_EQUAL(o.epoch, 1760000000);
	CU_ASSERT_EQUAL(o.renew_after_s, 3600);
	CU_ASSERT_EQUAL(o.expires_after_s, 86400);
	CU_ASSERT_EQUAL(o.n_gateways, 2);
	CU_ASSERT_STRING_EQUAL(o.gateways[1].name, "cfg2");
	CU_ASSERT_STRING_EQUAL(o.gateways[1].url, "https://cfg2.example:4443");
}

/* The example with one piece replaced. */
static const struct {
	const char *was, *is;
	enum pst code;
} test_exresp_rows[] = {
	{ "\"version\":1", "\"version\":2", PST_PROTOCOL_VERSION },
	{ "\"version\":1", "\"version\":true", PST_JSON_MEMBER },
	{ "\"version\":1,", "", PST_JSON_MEMBER },
	{ "\"version\":1,", "\"version\":1,\"more\":1,", PST_JSON_UNKNOWN },
	{ "\"version\":1,", "\"version\":1,\"zone\":\"x\",", PST_JSON_DUPLICATE },
	{ "\"zone\":\"prod.aws-us-east-1c\"", "\"zone\":\"\"", PST_JSON_MEMBER },
	{ "\"zone\":\"prod.aws-us-east-1c\"", "\"zone\":\"\xc3\xa9\"", PST_JSON_MEMBER },
	{ "\"zone\":\"prod.aws-us-east-1c\"", "\"zone\":\"\\u001b[31m\"", PST_JSON_MEMBER },
	{ "{\"address\":\"fd12:3456:789a:1::7/128\"}", "[]", PST_JSON_MEMBER },
	{ "{\"address\":\"fd12:3456:789a:1::7/128\"}", "{}", PST_JSON_MEMBER },
	{ "1::7/128\"", "1::7/128\",\"x\":1", PST_JSON_UNKNOWN },
	{ "1::7/128", "1::7/64", PST_JSON_MEMBER },
	{ "1::7/128", "1::/64", PST_JSON_MEMBER },
	{ "1::7/128", "1::7", PST_JSON_MEMBER },
	{ "1::7/128", "1::7/129", PST_JSON_MEMBER },
	{ "1::7/128", "1::7%eth0/128", PST_JSON_MEMBER },
	{ "\"fd12:3456:789a:1::7/128\"", "1", PST_JSON_MEMBER },
	{ "\"name\":\"cfg1\",\"public", "\"public", PST_JSON_MEMBER },
	{ "\"name\":\"cfg1\",\"public", "\"x\":1,\"name\":\"cfg1\",\"public", PST_JSON_UNKNOWN },
	{ "GxwdHh8=", "GxwdHh9=", PST_KEY_FORMAT },
	{ "GxwdHh8=", "GxwdHh8", PST_KEY_FORMAT },
	{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"", "7", PST_KEY_FORMAT },
	{ "[\"[2001:db8:c::1]:51820\"]", "[]", PST_JSON_MEMBER },
	{ "[\"[2001:db8:c::1]:51820\"]", "{}", PST_JSON_MEMBER },
	{ "[\"[2001:db8:c::1]:51820\"]", "[1]", PST_JSON_MEMBER },
	{ "[2001:db8:c::1]:51820", "2001:db8:c::1:51820", PST_JSON_MEMBER },
	{ "[2001:db8:c::1]:51820", "[2001:db8:c::1]:0", PST_JSON_MEMBER },
	{ "[2001:db8:c::1]:51820", "[2001:db8:c::1]:65536", PST_JSON_MEMBER },
	{ "[2001:db8:c::1]:51820", "[::ffff:192.0.2.1]:51820", PST_JSON_MEMBER },
	{ "[2001:db8:c::1]:51820", "cfg1.example:51820", PST_JSON_MEMBER },
	{ "\"fd12:3456:789a::1\",", "\"fd12:3456:789a::1/128\",", PST_JSON_MEMBER },
	{ "[\"fd12:3456:789a::1/128\",\"2001:db8:c::1/128\"]", "[]", PST_JSON_MEMBER },
	{ "2001:db8:c::1/128", "2001:db8:c::1/64", PST_JSON_MEMBER },
	{ "2001:db8:c::1/128", "192.0.2.0/24", PST_JSON_MEMBER },
	{ "\"2001:db8:c::1/128\"", "null", PST_JSON_MEMBER },
	{ "\"keepalive_s\":25,", "", PST_JSON_MEMBER },
	{ "\"keepalive_s\":25", "\"keepalive_s\":-25", PST_JSON_MEMBER },
	{ "\"keepalive_s\":25", "\"keepalive_s\":4294967296", PST_JSON_MEMBER },
	{ "\"keepalive_s\":25", "\"keepalive_s\":25.0", PST_JSON_MEMBER },
	{ "\"mtu\":1280", "\"mtu\":\"1280\"", PST_JSON_MEMBER },
	{ "\"mtu\":1280", "\"mtu\":1280,\"x\":0", PST_JSON_UNKNOWN },
	{ "\"epoch\":1760000000", "\"epoch\":0", PST_JSON_MEMBER },
	{ "\"epoch\":1760000000", "\"epoch\":-1", PST_JSON_MEMBER },
	{ "\"epoch\":1760000000", "\"epoch\":9223372036854775808", PST_JSON_MEMBER },
	{ "\"renew_after_s\":3600", "\"renew_after_s\":null", PST_JSON_MEMBER },
	{ "\"expires_after_s\":86400", "\"expires_after_s\":1e3", PST_JSON_MEMBER },
	{ "\"expires_after_s\":86400", "\"expires_after_s\":1,\"x\":1", PST_JSON_UNKNOWN },
	{ "{\"name\":\"cfg2\",\"url\":\"https://cfg2.example:4443\"}", "7", PST_JSON_MEMBER },
	{ "{\"name\":\"cfg2\",\"url\":\"https://cfg2.example:4443\"}", "{}", PST_JSON_MEMBER },
	{ "{\"name\":\"cfg2\",", "{\"x\":1,\"name\":\"cfg2\",", PST_JSON_UNKNOWN },
	{ "https://cfg2.example:4443", "", PST_JSON_MEMBER },
	{ "\"tunnel\":{", "\"tunnel\":{\"x\":[[[[[0]]]]],", PST_JSON_DEPTH },
	/* Still good: the form allows what offer_check() judges. */
	{ "\"keepalive_s\":25", "\"keepalive_s\":4294967295", PST_NONE },
	{ "\"epoch\":1760000000", "\"epoch\":9223372036854775807", PST_NONE },
	{ "2001:db8:c::1/128", "::/0", PST_NONE },
};

static void test_exresp_mutations(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_exresp_rows); i++) {
		const char *at = strstr(test_exresp_good, test_exresp_rows[i].was);
		char text[2000];
		enum pst code;

		if (!at) {
			tap_fail(__FILE__, __LINE__, "row %zu does not apply", i);
			continue;
		}
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - test_exresp_good),
			 test_exresp_good, test_exresp_rows[i].is,
			 at + strlen(test_exresp_rows[i].was));
		code = test_exresp_code(text, strlen(text));
		if (code != test_exresp_rows[i].code)
			tap_fail(__FILE__, __LINE__, "row %zu gives PST-%04u", i,
				 (unsigned int)code);
	}
}

static void test_exresp_truncated(void)
{
	for (size_t len = 0; len < strlen(test_exresp_good); len++)
		CU_ASSERT_EQUAL(test_exresp_code(test_exresp_good, len), PST_JSON_SYNTAX);
}

static void test_exresp_size_limit(void)
{
	char *text = malloc(EXRESP_BYTES_MAX + 1);

	memset(text, ' ', EXRESP_BYTES_MAX + 1);
	memcpy(text, test_exresp_good, strlen(test_exresp_good));
	CU_ASSERT_EQUAL(test_exresp_code(text, EXRESP_BYTES_MAX - 1), PST_NONE);
	CU_ASSERT_EQUAL(test_exresp_code(text, EXRESP_BYTES_MAX), PST_NONE);
	CU_ASSERT_EQUAL(test_exresp_code(text, EXRESP_BYTES_MAX + 1), PST_BODY_TOO_LARGE);
	free(text);
}

/* The largest offer there is. */
static void test_exresp_fill(struct offer *o)
{
	enum pst code;

	CU_ASSERT_EQUAL(exresp_decode(test_exresp_good, strlen(test_exresp_good), o, &code), 0);
	memset(o->zone, '"', sizeof(o->zone) - 1);
	memset(o->gateway_name, 'g', sizeof(o->gateway_name) - 1);
	for (o->n_endpoints = 0; o->n_endpoints < OFFER_ENDPOINTS_MAX; o->n_endpoints++)
		o->endpoints[o->n_endpoints] = o->endpoints[0];
	for (o->n_routes = 0; o->n_routes < OFFER_ROUTES_MAX; o->n_routes++)
		o->routes[o->n_routes] = o->routes[0];
	for (o->n_gateways = 0; o->n_gateways < OFFER_GATEWAYS_MAX; o->n_gateways++) {
		memset(o->gateways[o->n_gateways].name, '\\', OFFER_NAME_MAX - 1);
		memset(o->gateways[o->n_gateways].url, 'u', OFFER_URL_MAX - 1);
	}
	o->epoch = INT64_MAX;
	o->keepalive_s = o->mtu = o->renew_after_s = o->expires_after_s = UINT32_MAX;
}

static void test_exresp_round_trip(void)
{
	static struct offer o, again;
	char *text = NULL, *text_again = NULL;
	enum pst code;

	test_exresp_fill(&o);
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), 0);
	CU_ASSERT_TRUE(strlen(text) <= EXRESP_BYTES_MAX);
	CU_ASSERT_EQUAL(exresp_decode(text, strlen(text), &again, &code), 0);
	/* By its text: the structures have padding. */
	CU_ASSERT_EQUAL(exresp_encode(&again, &text_again), 0);
	CU_ASSERT_STRING_EQUAL(text, text_again);
	CU_ASSERT_EQUAL(again.n_gateways, OFFER_GATEWAYS_MAX);
	free(text);
	free(text_again);
}

/* One element more than allowed, in each list. */
static void test_exresp_list_limits(void)
{
	static const char *const lists[] = { "endpoints\":[", "routes\":[", "gateways\":[" };
	static struct offer o;
	char *text = NULL;

	test_exresp_fill(&o);
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), 0);
	for (size_t i = 0; text && i < ARRAY_SIZE(lists); i++) {
		char *at = strstr(text, lists[i]) + strlen(lists[i]), *more = NULL;
		size_t n = strcspn(at, i == 2 ? "}" : ",") + (i == 2);

		CU_ASSERT_TRUE(
			asprintf(&more, "%.*s%.*s,%s", (int)(at - text), text, (int)n, at, at) > 0);
		CU_ASSERT_EQUAL(test_exresp_code(more, strlen(more)), PST_JSON_MEMBER);
		free(more);
	}
	free(text);
}

static void test_exresp_encode_refuses(void)
{
	static struct offer o;
	char *text = NULL;

	test_exresp_fill(&o);
	o.n_routes = 0;
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), -EINVAL);
	test_exresp_fill(&o);
	o.n_endpoints = 0;
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), -EINVAL);
	test_exresp_fill(&o);
	o.zone[0] = '\0';
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), -EINVAL);
	test_exresp_fill(&o);
	o.gateway_name[0] = '\0';
	CU_ASSERT_EQUAL(exresp_encode(&o, &text), -EINVAL);
	CU_ASSERT_PTR_NULL(text);
}

static void test_exresp_error_round_trip(void)
{
	static const struct exresp_error errors[] = {
		{ .code = PST_RETRY_LATER, .message = "later \"now\"", .retry_after_s = 30 },
		{ .code = PST_KEY_TAKEN, .message = "x" },
		{ .code = PST_CN_COUNT, .message = "x", .retry_after_s = EXRESP_RETRY_MAX_S },
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct exresp_error again;
		char *text = NULL;

		CU_ASSERT_EQUAL(exresp_encode_error(&errors[i], &text), 0);
		CU_ASSERT_EQUAL(exresp_decode_error(text, strlen(text), &again), 0);
		CU_ASSERT_EQUAL(again.code, errors[i].code);
		CU_ASSERT_STRING_EQUAL(again.message, errors[i].message);
		CU_ASSERT_EQUAL(again.retry_after_s, errors[i].retry_after_s);
		free(text);
	}
}

static void test_exresp_bad_errors(void)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"code\":\"PST-1202\"}",
		"{\"message\":\"x\"}",
		"{\"code\":1202,\"message\":\"x\"}",
		"{\"code\":\"PST-120\",\"message\":\"x\"}",
		"{\"code\":\"PST-12022\",\"message\":\"x\"}",
		"{\"code\":\"pst-1202\",\"message\":\"x\"}",
		"{\"code\":\"PST-12a2\",\"message\":\"x\"}",
		"{\"code\":\"PST-0000\",\"message\":\"x\"}",
		"{\"code\":\"PST-1299\",\"message\":\"x\"}",
		"{\"code\":\"PST-1202\",\"message\":\"\"}",
		"{\"code\":\"PST-1202\",\"message\":\"\\u001b]0;x\"}",
		"{\"code\":\"PST-1202\",\"message\":\"x\",\"more\":1}",
		"{\"code\":\"PST-1202\",\"message\":\"x\",\"retry_after_s\":86401}",
		"{\"code\":\"PST-1202\",\"message\":\"x\",\"retry_after_s\":-1}",
		"{\"code\":\"PST-1202\",\"message\":\"x\",\"retry_after_s\":\"1\"}",
		/* Codes of the host itself: a server may not speak for it. */
		"{\"code\":\"PST-1001\",\"message\":\"x\"}",
		"{\"code\":\"PST-1301\",\"message\":\"x\"}",
		"{\"code\":\"PST-1403\",\"message\":\"x\"}",
		"{\"code\":\"PST-2001\",\"message\":\"x\"}",
		"{\"code\":\"PST-3005\",\"message\":\"x\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct exresp_error e = { .code = PST_NETLINK };

		if (exresp_decode_error(bad[i], strlen(bad[i]), &e) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
		CU_ASSERT_EQUAL(e.code, PST_NETLINK);
	}
}

static int test_exresp_both_ways(void *ctx)
{
	static struct offer again;
	_cleanup_(files_freep) uint8_t *owned = NULL;
	char *text = NULL;
	enum pst code;
	int r = exresp_encode(ctx, &text);

	owned = (uint8_t *)text;
	return r < 0 ? r : exresp_decode(text, strlen(text), &again, &code);
}

static int test_exresp_error_both_ways(void *ctx)
{
	static const struct exresp_error e = { PST_RETRY_LATER, "come back later, please", 7 };
	_cleanup_(files_freep) uint8_t *owned = NULL;
	struct exresp_error again;
	char *text = NULL;
	int r = exresp_encode_error(&e, &text);

	owned = (uint8_t *)text;
	return r < 0 ? r : exresp_decode_error(text, strlen(text), &again);
}

static void test_exresp_out_of_memory(void)
{
	struct offer o;
	enum pst code;

	CU_ASSERT_EQUAL(exresp_decode(test_exresp_good, strlen(test_exresp_good), &o, &code), 0);
	CU_ASSERT_TRUE(torture(test_exresp_both_ways, &o) > 50);
	CU_ASSERT_TRUE(torture(test_exresp_error_both_ways, NULL) > 10);
}

static const struct tap_test test_exresp_tests[] = {
	{ "decodes the example", test_exresp_decodes_the_example },
	{ "mutations", test_exresp_mutations },
	{ "truncated", test_exresp_truncated },
	{ "size limit", test_exresp_size_limit },
	{ "round trip", test_exresp_round_trip },
	{ "list limits", test_exresp_list_limits },
	{ "encode refuses", test_exresp_encode_refuses },
	{ "error round trip", test_exresp_error_round_trip },
	{ "bad errors", test_exresp_bad_errors },
	{ "out of memory", test_exresp_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_exresp_suites[] = {
	{ "exresp", test_exresp_tests, NULL, NULL },
	{ 0 },
};

static void *test_exresp_malloc(size_t size)
{
	return malloc(size);
}

int main(int argc, char **argv)
{
	json_set_alloc_funcs(test_exresp_malloc, free);
	return tap_main(argc, argv, test_exresp_suites);
}
