/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/core/wgkey.h"

#define TEST_WGKEY_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Every encoding below 2^255 of a point of low order, in base64. Computed from the curve
 * equation: the roots of the division polynomials for 2, 4 and 8, and the two that fit below
 * 2^255 again when p is added. */
static const char *const test_wgkey_low_order[] = {
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
	"4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
	"7P///////////////////////////////////////38=",
	"7f///////////////////////////////////////38=",
	"7v///////////////////////////////////////38=",
};

static void test_wgkey_known_text(void)
{
	char text[WGKEY_TEXT];
	struct wgkey key;

	CU_ASSERT_EQUAL(wgkey_parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", &key), 0);
	for (unsigned int i = 0; i < WGKEY_BYTES; i++)
		CU_ASSERT_EQUAL(key.bytes[i], i);
	CU_ASSERT_STRING_EQUAL(wgkey_format(&key, text),
			       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
	memset(&key, 0xff, sizeof(key));
	CU_ASSERT_STRING_EQUAL(wgkey_format(&key, text),
			       "//////////////////////////////////////////8=");
}

static void test_wgkey_agrees_with_openssl(void)
{
	for (unsigned int i = 0; i < 1000; i++) {
		char ours[WGKEY_TEXT], theirs[WGKEY_TEXT];
		struct wgkey key, again;

		tap_random_fill(key.bytes, sizeof(key.bytes));
		EVP_EncodeBlock((unsigned char *)theirs, key.bytes, WGKEY_BYTES);
		CU_ASSERT_STRING_EQUAL(wgkey_format(&key, ours), theirs);
		CU_ASSERT_EQUAL(wgkey_parse(theirs, &again), 0);
		CU_ASSERT_TRUE(wgkey_equal(&key, &again));
	}
}

/* Two unused bits: 16 of the 64 characters are canonical in the 43rd place. */
static void test_wgkey_last_character(void)
{
	char text[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

	for (const char *c = TEST_WGKEY_ALPHABET; *c; c++) {
		struct wgkey key;
		bool canonical = strchr("AEIMQUYcgkosw480", *c);

		text[42] = *c;
		CU_ASSERT_EQUAL(wgkey_parse(text, &key), canonical ? 0 : -EINVAL);
	}
}

/* Every byte in every place: exactly the alphabet is taken. */
static void test_wgkey_every_byte_in_every_place(void)
{
	for (unsigned int at = 0; at < WGKEY_TEXT - 1; at++) {
		for (unsigned int c = 1; c < 256; c++) {
			char text[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
			const char *allowed = at == 43 ? "=" :
					      at == 42 ? "AEIMQUYcgkosw480" :
							 TEST_WGKEY_ALPHABET;
			struct wgkey key;

			text[at] = (char)c;
			CU_ASSERT_EQUAL(wgkey_parse(text, &key),
					strchr(allowed, (char)c) ? 0 : -EINVAL);
		}
	}
}

static void test_wgkey_bad_forms(void)
{
	static const char *const bad[] = {
		"",
		"=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= ",
		" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=",
		"AAECAwQFBgcICQoLDA0ODxAREhMU\nRYXGBkaGxwdHh8=",
	};
	struct wgkey key;

	memset(&key, 0x55, sizeof(key));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(wgkey_parse(bad[i], &key), -EINVAL);
	for (size_t i = 0; i < WGKEY_BYTES; i++)
		CU_ASSERT_EQUAL(key.bytes[i], 0x55);
}

static void test_wgkey_equal_sees_every_bit(void)
{
	struct wgkey a;

	tap_random_fill(a.bytes, sizeof(a.bytes));
	for (unsigned int bit = 0; bit < 8 * WGKEY_BYTES; bit++) {
		struct wgkey b = a;

		b.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
		CU_ASSERT_FALSE(wgkey_equal(&a, &b));
	}
}

/* Gives whether X25519 of OpenSSL refuses @key because the shared secret is zero. */
static bool test_wgkey_openssl_refuses(const struct wgkey *key)
{
	static const uint8_t private_key[WGKEY_BYTES] = { 0x40, 1, 2, 3 };
	EVP_PKEY *mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key,
						      WGKEY_BYTES);
	EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, key->bytes,
						       WGKEY_BYTES);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(mine, NULL);
	uint8_t shared[WGKEY_BYTES];
	size_t len = sizeof(shared);
	bool ok;

	CU_ASSERT_EQUAL(EVP_PKEY_derive_init(ctx), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_derive_set_peer(ctx, theirs), 1);
	ok = EVP_PKEY_derive(ctx, shared, &len) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(mine);
	return !ok;
}

static void test_wgkey_low_order_is_weak(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_wgkey_low_order); i++) {
		struct wgkey key;

		CU_ASSERT_EQUAL(wgkey_parse(test_wgkey_low_order[i], &key), 0);
		CU_ASSERT_TRUE(wgkey_is_weak(&key));
		CU_ASSERT_TRUE(test_wgkey_openssl_refuses(&key));
		/* X25519 ignores the highest bit. */
		key.bytes[31] |= 0x80;
		CU_ASSERT_TRUE(wgkey_is_weak(&key));
		CU_ASSERT_TRUE(test_wgkey_openssl_refuses(&key));
	}
}

/* One bit away from a weak key, and anywhere: weak is exactly what OpenSSL refuses. */
static void test_wgkey_others_are_not_weak(void)
{
	struct wgkey key;

	for (size_t i = 0; i < ARRAY_SIZE(test_wgkey_low_order); i++) {
		for (unsigned int bit = 0; bit < 8 * WGKEY_BYTES; bit++) {
			CU_ASSERT_EQUAL(wgkey_parse(test_wgkey_low_order[i], &key), 0);
			key.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
			CU_ASSERT_EQUAL(wgkey_is_weak(&key), test_wgkey_openssl_refuses(&key));
		}
	}
	for (unsigned int i = 0; i < 200; i++) {
		tap_random_fill(key.bytes, sizeof(key.bytes));
		CU_ASSERT_FALSE(wgkey_is_weak(&key));
	}
}

static const struct tap_test test_wgkey_tests[] = {
	{ "known text", test_wgkey_known_text },
	{ "agrees with OpenSSL", test_wgkey_agrees_with_openssl },
	{ "last character", test_wgkey_last_character },
	{ "every byte in every place", test_wgkey_every_byte_in_every_place },
	{ "bad forms", test_wgkey_bad_forms },
	{ "equal sees every bit", test_wgkey_equal_sees_every_bit },
	{ "low order is weak", test_wgkey_low_order_is_weak },
	{ "others are not weak", test_wgkey_others_are_not_weak },
	{ 0 },
};

static const struct tap_suite test_wgkey_suites[] = {
	{ "wgkey", test_wgkey_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_wgkey_suites);
}
