/* SPDX-License-Identifier: MIT */
/* certs/ztsd/regtoken: the input is a token. One with a wrong code gets the right one, so that the
 * fuzzer need not guess it; what is then read is made into the same text again. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/b64url.h"
#include "certs/ztsd/regtoken.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct regtoken_key secret = { 32, "0123456789abcdef0123456789abcdef" };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_again(const char *text, size_t len)
{
	struct regtoken claims;
	char again[REGTOKEN_MAX];

	check(regtoken_read(text, len, &secret, &claims) == 0);
	check(regtoken_make(&claims, &secret, again) == 0);
	check(strlen(again) == len && !memcmp(again, text, len));
}

/* The code is the last part and always 43 characters long. */
static void mend(const char *text, size_t len, char *ret)
{
	size_t before = len - 43;
	unsigned char code[EVP_MAX_MD_SIZE];

	memcpy(ret, text, before);
	check(HMAC(EVP_sha256(), secret.bytes, (int)secret.len, (const unsigned char *)text,
		   before - strlen(";h="), code, NULL));
	b64url_encode(code, 32, ret + before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct regtoken claims;
	char mended[REGTOKEN_MAX + 1];
	int r = regtoken_read(text, size, &secret, &claims);

	check(r == 0 || r == -EBADMSG || r == -EKEYREJECTED);
	if (r == -EBADMSG)
		return 0;
	if (text[size - 1] == '\n')
		size--;
	mend(text, size, mended);
	check_again(mended, size);
	check(r != 0 || !memcmp(mended, text, size));
	return 0;
}
