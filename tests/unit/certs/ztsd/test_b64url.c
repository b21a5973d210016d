/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "certs/ztsd/b64url.h"
#include "tests/support/tap.h"

/* Source: RFC 4648, section 10, without the padding; the last two for the alphabet. */
static const struct {
	const char *bytes, *text;
} pairs[] = {
	{ "", "" },
	{ "f", "Zg" },
	{ "fo", "Zm8" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg" },
	{ "fooba", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xff\xff", "____" },
	{ "\xfb\xef\xbe", "----" },
};

static void test_pairs(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		size_t len = strlen(pairs[i].bytes), n = 99;
		uint8_t back[8];
		char text[16];

		b64url_encode(pairs[i].bytes, len, text);
		CU_ASSERT_STRING_EQUAL(text, pairs[i].text);
		CU_ASSERT_EQUAL(strlen(text), B64URL_CHARS(len));
		CU_ASSERT_EQUAL(b64url_decode(text, strlen(text), back, sizeof(back), &n), 0);
		CU_ASSERT(n == len && !memcmp(back, pairs[i].bytes, n));
	}
}

static void test_refused(void)
{
	static const char *const bad[] = { "A",    "AAAAA", "A=", "AA==", "A+==",   "AA/A",
					   "AA A", "AAA\n", "AB", "AAB",  "Zg\xc3", "A\x80" };
	uint8_t out[16];
	size_t n = 99;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (b64url_decode(bad[i], strlen(bad[i]), out, sizeof(out), &n) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
	CU_ASSERT_EQUAL(b64url_decode("AA\0A", 4, out, sizeof(out), &n), -EBADMSG);
	CU_ASSERT_EQUAL(n, 99);
}

static void test_room(void)
{
	uint8_t out[4] = { 0 };
	size_t n = 99;

	CU_ASSERT_EQUAL(b64url_decode("Zm9v", 4, out, 2, &n), -EMSGSIZE);
	CU_ASSERT(n == 99 && out[2] == 0);
	CU_ASSERT_EQUAL(b64url_decode("Zm9v", 4, out, 3, &n), 0);
	CU_ASSERT(n == 3 && out[3] == 0);
	CU_ASSERT_EQUAL(b64url_decode("", 0, out, 0, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void test_random(void)
{
	for (size_t len = 0; len < 200; len++) {
		uint8_t in[200], back[200];
		char text[B64URL_CHARS(200) + 1];
		size_t n = 999;

		tap_random_fill(in, len);
		b64url_encode(in, len, text);
		CU_ASSERT_EQUAL(b64url_decode(text, strlen(text), back, sizeof(back), &n), 0);
		CU_ASSERT(n == len && !memcmp(in, back, len));
	}
}

static const struct tap_test tests[] = {
	{ "known pairs", test_pairs },
	{ "what is not in the one form is refused", test_refused },
	{ "room at its limit", test_room },
	{ "there and back", test_random },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "b64url", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
