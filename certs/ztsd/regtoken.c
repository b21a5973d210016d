/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/regtoken.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/ztsd/b64url.h"
#include "common/conf.h"
#include "common/files.h"
#include "common/secret.h"

#define CODE_BYTES 32
#define SIGNED_MAX (REGTOKEN_MAX - 64) /* bytes with NUL of what comes before the code */
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_.-"
/* As principal_parse_instance() has it: none of them is ";". */
#define ID_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~=+@$:-"

void regtoken_wipe(struct regtoken_key *key)
{
	secret_wipe_bytes(key, sizeof(*key));
}

static int fail(char *ret_why, const char *path, const char *what, int error)
{
	snprintf(ret_why, REGTOKEN_WHY_MAX, "%.180s: %s", path, what);
	return error;
}

static int take_key(const char *path, const uint8_t *bytes, size_t len, struct regtoken_key *ret,
		    char *ret_why)
{
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len < REGTOKEN_KEY_MIN || len > REGTOKEN_KEY_MAX)
		return fail(ret_why, path, "a secret has 32...64 bytes (\"ztsctl key\" makes one)",
			    -EINVAL);
	ret->len = len;
	memcpy(ret->bytes, bytes, len);
	return 0;
}

int regtoken_load_key(const char *path, struct regtoken_key *ret,
		      char ret_why[static REGTOKEN_WHY_MAX])
{
	struct stat st;
	uint8_t *bytes;
	size_t len;
	int r = stat(path, &st) < 0 ? -errno : 0;

	if (r < 0)
		return fail(ret_why, path, strerror(-r), r);
	if (st.st_mode & 07)
		return fail(ret_why, path,
			    "everybody may read or write this secret: chmod o=", -EPERM);
	r = files_read(path, REGTOKEN_KEY_MAX + 1, &bytes, &len);
	if (r == -EFBIG)
		return fail(ret_why, path, "longer than the 64 bytes of a secret", r);
	if (r < 0)
		return fail(ret_why, path, strerror(-r), r);
	r = take_key(path, bytes, len, ret, ret_why);
	secret_wipe_bytes(bytes, len);
	free(bytes);
	return r;
}

static bool is_of(const char *text, const char *allowed, size_t cap)
{
	size_t len = strnlen(text, cap);

	return len > 0 && len < cap && strspn(text, allowed) == len;
}

static bool are_claims(const struct regtoken *c)
{
	return is_of(c->provider, NAME_CHARS, sizeof(c->provider)) &&
	       is_of(c->domain, NAME_CHARS, sizeof(c->domain)) &&
	       is_of(c->service, NAME_CHARS, sizeof(c->service)) &&
	       is_of(c->instance_id, ID_CHARS, sizeof(c->instance_id)) &&
	       c->expires_wall <= REGTOKEN_EXPIRES_MAX;
}

static int compute(const struct regtoken_key *key, const char *text, size_t len,
		   unsigned char ret[static EVP_MAX_MD_SIZE])
{
	return HMAC(EVP_sha256(), key->bytes, (int)key->len, (const unsigned char *)text, len, ret,
		    NULL) ?
		       0 :
		       -EIO;
}

int regtoken_make(const struct regtoken *claims, const struct regtoken_key *key,
		  char ret[static REGTOKEN_MAX])
{
	char text[SIGNED_MAX], code_text[B64URL_CHARS(CODE_BYTES) + 1];
	unsigned char code[EVP_MAX_MD_SIZE];
	int len, r;

	if (!are_claims(claims))
		return -EINVAL;
	len = snprintf(text, sizeof(text), "v=P1;p=%s;d=%s;s=%s;i=%s;e=%" PRIu64, claims->provider,
		       claims->domain, claims->service, claims->instance_id, claims->expires_wall);
	r = compute(key, text, (size_t)len, code);
	if (r < 0)
		return r;
	b64url_encode(code, CODE_BYTES, code_text);
	snprintf(ret, REGTOKEN_MAX, "%s;h=%s", text, code_text);
	return 0;
}

/* Copies what follows "@tag=" up to the next ";", and goes behind that. */
static int take_field(const char **at, char tag, char *ret, size_t cap)
{
	const char *from = *at, *end;

	if (from[0] != tag || from[1] != '=')
		return -EBADMSG;
	from += 2;
	end = from + strcspn(from, ";");
	if (*end != ';' || (size_t)(end - from) >= cap)
		return -EBADMSG;
	memcpy(ret, from, (size_t)(end - from));
	ret[end - from] = '\0';
	*at = end + 1;
	return 0;
}

static int parse(const char *at, struct regtoken *ret, const char **ret_code)
{
	char version[3], expires[24];

	if (take_field(&at, 'v', version, sizeof(version)) < 0 || strcmp(version, "P1") != 0 ||
	    take_field(&at, 'p', ret->provider, sizeof(ret->provider)) < 0 ||
	    take_field(&at, 'd', ret->domain, sizeof(ret->domain)) < 0 ||
	    take_field(&at, 's', ret->service, sizeof(ret->service)) < 0 ||
	    take_field(&at, 'i', ret->instance_id, sizeof(ret->instance_id)) < 0 ||
	    take_field(&at, 'e', expires, sizeof(expires)) < 0 || strncmp(at, "h=", 2) != 0)
		return -EBADMSG;
	if (strspn(expires, "0123456789") != strlen(expires) ||
	    conf_parse_u64(expires, 0, REGTOKEN_EXPIRES_MAX, &ret->expires_wall) < 0 ||
	    !are_claims(ret))
		return -EBADMSG;
	*ret_code = at + 2;
	return 0;
}

int regtoken_read(const char *text, size_t len, const struct regtoken_key *key,
		  struct regtoken *ret)
{
	unsigned char want[EVP_MAX_MD_SIZE];
	uint8_t code[CODE_BYTES];
	char line[REGTOKEN_MAX];
	struct regtoken claims;
	const char *code_text;
	size_t n;

	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len >= sizeof(line) || memchr(text, '\0', len))
		return -EBADMSG;
	memcpy(line, text, len);
	line[len] = '\0';
	if (parse(line, &claims, &code_text) < 0 ||
	    b64url_decode(code_text, strlen(code_text), code, sizeof(code), &n) < 0 ||
	    n != CODE_BYTES)
		return -EBADMSG;
	if (compute(key, line, (size_t)(code_text - line) - strlen(";h="), want) < 0)
		return -EIO;
	if (CRYPTO_memcmp(want, code, CODE_BYTES) != 0)
		return -EKEYREJECTED;
	*ret = claims;
	return 0;
}
