/* SPDX-License-Identifier: MIT */
#include "certs/sigv4.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/secret.h"

#define SHA256_BYTES 32
#define HEX_MAX (2 * SHA256_BYTES + 1)
#define ALWAYS_SIGNED 3           /* host, x-amz-date, x-amz-security-token */
#define NAMES_MAX 512             /* bytes with NUL of the list of signed names */
#define LAST_SECOND 253402300799U /* of the year 9999, which has four digits */
#define ALGORITHM "AWS4-HMAC-SHA256"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* All that is signed, sorted by name, and its names joined by ";". */
struct signed_headers {
	struct sigv4_header of[SIGV4_HEADERS_MAX + ALWAYS_SIGNED];
	size_t n;
	char names[NAMES_MAX];
};

/* Feeds a digest; an error sticks. */
struct canon {
	EVP_MD_CTX *md;
	bool failed;
};

static void canon_release(struct canon *c)
{
	EVP_MD_CTX_free(c->md);
}

static void canon_init(struct canon *c)
{
	c->md = EVP_MD_CTX_new();
	c->failed = !c->md || EVP_DigestInit_ex(c->md, EVP_sha256(), NULL) != 1;
}

static void canon_add_bytes(struct canon *c, const void *bytes, size_t len)
{
	if (!c->failed && EVP_DigestUpdate(c->md, bytes, len) != 1)
		c->failed = true;
}

static void canon_add(struct canon *c, const char *text)
{
	canon_add_bytes(c, text, strlen(text));
}

static void hex(const unsigned char in[static SHA256_BYTES], char ret[static HEX_MAX])
{
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(ret + 2 * i, 3, "%02x", in[i]);
}

static int canon_done(struct canon *c, char ret[static HEX_MAX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (c->failed || EVP_DigestFinal_ex(c->md, digest, NULL) != 1)
		return -EIO;
	hex(digest, ret);
	return 0;
}

static bool is_of(const char *text, const char *allowed, size_t max)
{
	size_t len = text ? strlen(text) : 0;

	return len > 0 && len <= max && strspn(text, allowed) == len;
}

/* Printable ASCII without a space. */
static bool is_graphic(const char *text, size_t max)
{
	size_t len = text ? strnlen(text, max + 1) : 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len > 0 && len <= max;
}

static bool is_path(const char *path)
{
	return is_of(path, LOWER UPPER DIGITS "/._~-", 1024) && path[0] == '/' &&
	       !strstr(path, "//") && !strstr(path, "/.");
}

/* Spaces only where the canonical form keeps them: the value is signed as it is sent. */
static bool is_value(const char *value)
{
	size_t len = value ? strnlen(value, NAMES_MAX) : 0;

	for (size_t i = 0; i < len; i++)
		if (value[i] < ' ' || value[i] > '~' ||
		    (value[i] == ' ' && (i == 0 || value[i + 1] == ' ' || !value[i + 1])))
			return false;
	return len > 0 && len < NAMES_MAX;
}

static bool is_header(const struct sigv4_header *h)
{
	return is_of(h->name, LOWER DIGITS "-", 64) && is_value(h->value);
}

static bool has_token(const struct sigv4_keys *keys)
{
	return keys->token && keys->token[0];
}

static bool are_keys(const struct sigv4_keys *keys)
{
	return is_of(keys->access, LOWER UPPER DIGITS "_", SIGV4_ACCESS_MAX) &&
	       is_graphic(keys->secret, SIGV4_SECRET_MAX) &&
	       (!has_token(keys) || is_graphic(keys->token, SIGV4_TOKEN_MAX));
}

static bool is_request(const struct sigv4_request *rq)
{
	if (rq->n_headers > SIGV4_HEADERS_MAX)
		return false;
	for (size_t i = 0; i < rq->n_headers; i++)
		if (!is_header(&rq->headers[i]))
			return false;
	return is_of(rq->method, UPPER, 16) && is_graphic(rq->host, 255) && is_path(rq->path) &&
	       is_of(rq->region, LOWER DIGITS "-", SIGV4_SCOPE_MAX) &&
	       is_of(rq->service, LOWER DIGITS "-", SIGV4_SCOPE_MAX);
}

static int compare_names(const void *a, const void *b)
{
	const struct sigv4_header *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void add_header(struct signed_headers *h, const char *name, const char *value)
{
	h->of[h->n++] = (struct sigv4_header){ name, value };
}

static int join_names(struct signed_headers *h)
{
	size_t at = 0;

	for (size_t i = 0; i < h->n; i++) {
		int len = snprintf(h->names + at, sizeof(h->names) - at, "%s%s", i ? ";" : "",
				   h->of[i].name);

		if ((size_t)len >= sizeof(h->names) - at)
			return -EINVAL;
		at += (size_t)len;
	}
	return 0;
}

static int collect_headers(const struct sigv4_request *rq, const struct sigv4_keys *keys,
			   const char *date, struct signed_headers *ret)
{
	ret->n = 0;
	add_header(ret, "host", rq->host);
	add_header(ret, "x-amz-date", date);
	if (has_token(keys))
		add_header(ret, "x-amz-security-token", keys->token);
	for (size_t i = 0; i < rq->n_headers; i++)
		add_header(ret, rq->headers[i].name, rq->headers[i].value);
	qsort(ret->of, ret->n, sizeof(ret->of[0]), compare_names);
	for (size_t i = 1; i < ret->n; i++)
		if (!compare_names(&ret->of[i - 1], &ret->of[i]))
			return -EINVAL;
	return join_names(ret);
}

static int hash_body(const struct sigv4_request *rq, char ret[static HEX_MAX])
{
	_cleanup_(canon_release) struct canon c;

	canon_init(&c);
	if (rq->body_len)
		canon_add_bytes(&c, rq->body, rq->body_len);
	return canon_done(&c, ret);
}

/* The hash of the canonical request, which is never in memory as a whole. */
static int hash_request(const struct sigv4_request *rq, const struct signed_headers *headers,
			char ret[static HEX_MAX])
{
	_cleanup_(canon_release) struct canon c;
	char body[HEX_MAX];
	int r = hash_body(rq, body);

	canon_init(&c);
	if (r < 0)
		return r;
	canon_add(&c, rq->method);
	canon_add(&c, "\n");
	canon_add(&c, rq->path);
	canon_add(&c, "\n\n"); /* the query between them is empty */
	for (size_t i = 0; i < headers->n; i++) {
		canon_add(&c, headers->of[i].name);
		canon_add(&c, ":");
		canon_add(&c, headers->of[i].value);
		canon_add(&c, "\n");
	}
	canon_add(&c, "\n");
	canon_add(&c, headers->names);
	canon_add(&c, "\n");
	canon_add(&c, body);
	return canon_done(&c, ret);
}

/* Replaces @key by the code of @text under it. */
static int chain(unsigned char key[static SHA256_BYTES], const char *text)
{
	unsigned char next[EVP_MAX_MD_SIZE];
	bool ok = HMAC(EVP_sha256(), key, SHA256_BYTES, (const unsigned char *)text, strlen(text),
		       next, NULL);

	if (ok)
		memcpy(key, next, SHA256_BYTES);
	secret_wipe_bytes(next, sizeof(next));
	return ok ? 0 : -EIO;
}

/* The first link: the key is a text of any length. */
static int chain_begin(const char *secret, const char *day, unsigned char ret[static SHA256_BYTES])
{
	char text[sizeof("AWS4") + SIGV4_SECRET_MAX];
	unsigned char out[EVP_MAX_MD_SIZE];
	int len = snprintf(text, sizeof(text), "AWS4%s", secret);
	bool ok = HMAC(EVP_sha256(), text, len, (const unsigned char *)day, strlen(day), out, NULL);

	if (ok)
		memcpy(ret, out, SHA256_BYTES);
	secret_wipe_bytes(text, sizeof(text));
	secret_wipe_bytes(out, sizeof(out));
	return ok ? 0 : -EIO;
}

static int compute_signature(const struct sigv4_request *rq, const char *secret, const char *day,
			     const char *to_sign, char ret[static HEX_MAX])
{
	unsigned char key[SHA256_BYTES] = { 0 };
	int r = chain_begin(secret, day, key);

	if (r == 0)
		r = chain(key, rq->region);
	if (r == 0)
		r = chain(key, rq->service);
	if (r == 0)
		r = chain(key, "aws4_request");
	if (r == 0)
		r = chain(key, to_sign);
	if (r == 0)
		hex(key, ret);
	secret_wipe_bytes(key, sizeof(key));
	return r;
}

static int format_date(uint64_t now_wall, char ret[static SIGV4_DATE_MAX])
{
	time_t t = (time_t)now_wall;
	struct tm tm;

	if (now_wall > LAST_SECOND || !gmtime_r(&t, &tm))
		return -EINVAL;
	return strftime(ret, SIGV4_DATE_MAX, "%Y%m%dT%H%M%SZ", &tm) == SIGV4_DATE_MAX - 1 ? 0 :
											    -EINVAL;
}

int sigv4_sign(const struct sigv4_request *rq, const struct sigv4_keys *keys, uint64_t now_wall,
	       struct sigv4_signed *ret)
{
	char request[HEX_MAX], signature[HEX_MAX], day[9], scope[128], to_sign[256];
	struct signed_headers headers;
	struct sigv4_signed out;
	int r;

	if (!is_request(rq) || !are_keys(keys))
		return -EINVAL;
	r = format_date(now_wall, out.date);
	if (r == 0)
		r = collect_headers(rq, keys, out.date, &headers);
	if (r == 0)
		r = hash_request(rq, &headers, request);
	if (r < 0)
		return r;
	snprintf(day, sizeof(day), "%.8s", out.date);
	snprintf(scope, sizeof(scope), "%s/%s/%s/aws4_request", day, rq->region, rq->service);
	snprintf(to_sign, sizeof(to_sign), ALGORITHM "\n%s\n%s\n%s", out.date, scope, request);
	r = compute_signature(rq, keys->secret, day, to_sign, signature);
	if (r < 0)
		return r;
	snprintf(out.authorization, sizeof(out.authorization),
		 ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s", keys->access, scope,
		 headers.names, signature);
	*ret = out;
	return 0;
}
