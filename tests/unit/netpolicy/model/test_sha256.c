/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "netpolicy/model/sha256.h"
#include "tests/support/tap.h"

/* Vectors of NIST, "Cryptographic Standards and Guidelines: example values, SHA-256". */
static void test_sha256_known_answers(void)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char digest[SHA256_TEXT];

		sha256_text(rows[i].text, strlen(rows[i].text), digest);
		CU_ASSERT_STRING_EQUAL(digest, rows[i].digest);
	}
}

static void test_sha256_a_million_letters(void)
{
	size_t len = 1000000;
	char *text = malloc(len);
	char digest[SHA256_TEXT] = "";

	CU_ASSERT_PTR_NOT_NULL(text);
	if (!text)
		return;
	memset(text, 'a', len);
	sha256_text(text, len, digest);
	CU_ASSERT_STRING_EQUAL(digest,
			       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(text);
}

/* Around the block: 55, 56 and 64 bytes need one block, two, and one whole one before the tail. */
static void test_sha256_every_length_differs(void)
{
	char text[200], digest[200][SHA256_TEXT];

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		sha256_text(text, i, digest[i]);
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(digest[i], digest[j]);
	}
}

static const struct tap_test test_sha256_tests[] = {
	{ "known answers", test_sha256_known_answers },
	{ "a million letters", test_sha256_a_million_letters },
	{ "every length differs", test_sha256_every_length_differs },
	{ 0 },
};

static const struct tap_suite test_sha256_suites[] = {
	{ "sha256", test_sha256_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_sha256_suites);
}
