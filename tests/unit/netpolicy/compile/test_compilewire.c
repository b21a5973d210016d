/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/compile/compilewire.h"
#include "common/attr.h"
#include "tests/support/tap.h"
#include "tests/support/torture.h"

static void test_compilewire_request(void)
{
	struct compilewire_request q = {
		.n_devices = 1, .devices = { "eth0" }, .text = (char *)"abc", .text_len = 3
	};
	_cleanup_(compilewire_release_request) struct compilewire_request back = { 0 };
	_cleanup_(parcel_release) struct parcel made = { 0 };

	CU_ASSERT_EQUAL(compilewire_put_request(&q, &made), 0);
	if (!made.bytes)
		return;
	for (size_t cut = 0; cut < made.len; cut++) {
		CU_ASSERT_EQUAL(compilewire_get_request(made.bytes, cut, &back), -EBADMSG);
		compilewire_release_request(&back);
	}
	CU_ASSERT_EQUAL(compilewire_get_request(made.bytes, made.len, &back), 0);
	CU_ASSERT_STRING_EQUAL(back.text, "abc");
	CU_ASSERT_STRING_EQUAL(back.devices[0], "eth0");
}

static void test_compilewire_reply(void)
{
	struct compilewire_reply p = { .result = -ENOENT,
				       .mode = 1,
				       .error = "x",
				       .batch = (uint8_t *)"12345678",
				       .batch_len = 8 };
	_cleanup_(parcel_release) struct parcel made = { 0 };

	CU_ASSERT_EQUAL(compilewire_put_reply(&p, &made), 0);
	for (size_t cut = 0; made.bytes && cut <= made.len; cut++) {
		_cleanup_(compilewire_release_reply) struct compilewire_reply back = { 0 };
		bool is_whole = cut == made.len;

		CU_ASSERT_EQUAL(compilewire_get_reply(made.bytes, cut, &back),
				is_whole ? 0 : -EBADMSG);
		if (is_whole)
			CU_ASSERT_TRUE(back.result == -ENOENT && back.batch_len == 8);
	}
}

static void test_compilewire_too_large(void)
{
	struct compilewire_request q = { .text_len = COMPILEWIRE_REQUEST_MAX };
	struct parcel made = { 0 };

	CU_ASSERT_EQUAL(compilewire_put_request(&q, &made), -EFBIG);
	CU_ASSERT_PTR_NULL(made.bytes);
}

static int test_reply_once(void *ctx)
{
	static const uint8_t bytes[] = { 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 7, 8, 0, 0, 0, 0 };
	_cleanup_(compilewire_release_reply) struct compilewire_reply back = { 0 };

	return compilewire_get_reply(bytes, sizeof(bytes), &back);
}

static void test_compilewire_out_of_memory(void)
{
	CU_ASSERT_TRUE(torture(test_reply_once, NULL) > 0);
}

static const struct tap_test test_compilewire_tests[] = {
	{ "request", test_compilewire_request },
	{ "reply", test_compilewire_reply },
	{ "too large", test_compilewire_too_large },
	{ "out of memory", test_compilewire_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_compilewire_suites[] = {
	{ "compilewire", test_compilewire_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_compilewire_suites);
}
