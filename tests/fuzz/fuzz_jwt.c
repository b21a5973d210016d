/* SPDX-License-Identifier: MIT */
/* certs/ztsd/jwt: the first byte chooses. "K": the rest is a JWKS document; "T": a token; "P": the
 * claims of a token that is rightly signed, with a key made at the start. What is accepted keeps
 * the promises of the header. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/ztsd/b64url.h"
#include "certs/ztsd/jwt.h"
#include "tests/unit/certs/ztsd/mkjwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct jwt_rule rule = { "https://issuer", "aud", "us-east-1", 1700000000 };

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct jwt_keys *get_keys(struct mkjwt_key *k)
{
	char jwk[MKJWT_TEXT_MAX], text[MKJWT_TEXT_MAX];
	struct jwt_keys *keys;
	const char *why;

	mkjwt_make("k", MKJWT_EC, "P-384", k);
	mkjwt_jwk(k, "", jwk);
	snprintf(text, sizeof(text), "{\"keys\":[%.4000s]}", jwk);
	check(jwt_keys_parse(text, strlen(text), &keys, &why) == 0);
	return keys;
}

static void try_token(const struct jwt_keys *keys, const char *token)
{
	struct jwt_claims claims = { .role = "" };
	const char *why = "";
	int r = jwt_verify(keys, token, &rule, &claims, &why);

	check(r == 0 || (r == -EBADMSG && why[0]));
	check(r != 0 || (claims.role[0] && claims.account[0] && claims.org_id[0]));
	check(!strchr(claims.role, '/'));
}

static void try_document(const char *text, size_t len)
{
	struct jwt_keys *keys = NULL;
	const char *why = "";
	int r = jwt_keys_parse(text, len, &keys, &why);

	check(r == 0 || ((r == -EINVAL || r == -E2BIG) && why[0]));
	jwt_keys_free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwt_keys *keys;
	static struct mkjwt_key signer;
	char text[8192], token[MKJWT_TEXT_MAX];

	if (!keys)
		keys = get_keys(&signer);
	if (size < 1 || size > sizeof(text))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] == 'K')
		try_document(text, size - 1);
	if (data[0] == 'T')
		try_token(keys, text);
	if (data[0] == 'P') {
		mkjwt_sign(&signer, "{\"alg\":\"ES384\",\"kid\":\"k\"}", text, token);
		try_token(keys, token);
	}
	return 0;
}
