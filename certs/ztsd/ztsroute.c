/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsroute.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ZTSROUTE_SIMPLE "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define ZTSROUTE_ID "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~=+@$:"

static int ztsroute_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes one character, encoded or not, off *@at. Errors: -EINVAL. */
static int ztsroute_take_char(const char **at, const char *end, char *ret)
{
	int high, low;

	if (**at != '%') {
		*ret = *(*at)++;
		return 0;
	}
	if (end - *at < 3)
		return -EINVAL;
	high = ztsroute_hex((*at)[1]);
	low = ztsroute_hex((*at)[2]);
	if (high < 0 || low < 0)
		return -EINVAL;
	*ret = (char)(high << 4 | low);
	*at += 3;
	return 0;
}

/* Takes what stands before the next slash off *@at, decoded; it must not be empty. */
static int ztsroute_take(const char **at, const char *end, char *ret, size_t cap)
{
	size_t n = 0;

	while (*at < end && **at != '/') {
		char c;

		if (n + 1 >= cap || ztsroute_take_char(at, end, &c) < 0 || !c)
			return -EINVAL;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n ? 0 : -EINVAL;
}

static void ztsroute_lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static bool ztsroute_is_simple(const char *text, size_t len)
{
	return len && *text != '-' && strspn(text, ZTSROUTE_SIMPLE) >= len;
}

/* Simple names joined by dots. Source: Athenz' grammar, CompoundName. */
static bool ztsroute_is_compound(const char *text)
{
	for (;;) {
		size_t n = strcspn(text, ".");

		if (!ztsroute_is_simple(text, n))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
}

static int ztsroute_take_slash(const char **at, const char *end)
{
	return *at < end && *(*at)++ == '/' ? 0 : -EINVAL;
}

static int ztsroute_parse_instance(const char *at, const char *end, struct ztsroute *ret)
{
	if (ztsroute_take(&at, end, ret->provider, sizeof(ret->provider)) < 0 ||
	    ztsroute_take_slash(&at, end) < 0 ||
	    ztsroute_take(&at, end, ret->domain, sizeof(ret->domain)) < 0 ||
	    ztsroute_take_slash(&at, end) < 0 ||
	    ztsroute_take(&at, end, ret->service, sizeof(ret->service)) < 0 ||
	    ztsroute_take_slash(&at, end) < 0 ||
	    ztsroute_take(&at, end, ret->instance_id, sizeof(ret->instance_id)) < 0 || at != end)
		return -EINVAL;
	ztsroute_lower(ret->provider);
	ztsroute_lower(ret->domain);
	ztsroute_lower(ret->service);
	if (!ztsroute_is_compound(ret->provider) || !ztsroute_is_compound(ret->domain) ||
	    !ztsroute_is_simple(ret->service, strlen(ret->service)) ||
	    ret->instance_id[strspn(ret->instance_id, ZTSROUTE_ID)])
		return -EINVAL;
	return 0;
}

static int ztsroute_parse_bundle(const char *at, const char *end, struct ztsroute *ret)
{
	return ztsroute_take(&at, end, ret->bundle, sizeof(ret->bundle)) < 0 || at != end ?
		       -EINVAL :
		       0;
}

static bool ztsroute_is(const char *at, const char *end, const char *text)
{
	return (size_t)(end - at) == strlen(text) && !memcmp(at, text, strlen(text));
}

static bool ztsroute_skip(const char **at, const char *end, const char *prefix)
{
	size_t n = strlen(prefix);

	if ((size_t)(end - *at) < n || memcmp(*at, prefix, n) != 0)
		return false;
	*at += n;
	return true;
}

int ztsroute_parse(const char *target, struct ztsroute *ret)
{
	struct ztsroute route = { .kind = ZTSROUTE_OTHER };
	const char *at = target, *end = target + strcspn(target, "?");
	int r = 0;

	if (end - target > ZTSROUTE_TARGET_MAX || !ztsroute_skip(&at, end, "/zts/v1/"))
		route.kind = ZTSROUTE_OTHER;
	else if (ztsroute_is(at, end, "instance") || ztsroute_is(at, end, "instance/"))
		route.kind = ZTSROUTE_REGISTER;
	else if (ztsroute_is(at, end, "status"))
		route.kind = ZTSROUTE_STATUS;
	else if (ztsroute_skip(&at, end, "cacerts/"))
		route.kind = ZTSROUTE_CACERTS;
	else if (ztsroute_skip(&at, end, "instance/"))
		route.kind = ZTSROUTE_INSTANCE;
	if (route.kind == ZTSROUTE_CACERTS)
		r = ztsroute_parse_bundle(at, end, &route);
	else if (route.kind == ZTSROUTE_INSTANCE)
		r = ztsroute_parse_instance(at, end, &route);
	*ret = r == 0 ? route : (struct ztsroute){ .kind = route.kind };
	return r;
}

const char *ztsroute_name(enum ztsroute_kind kind)
{
	static const char *const names[ZTSROUTE_N] = { "register", "instance", "cacerts", "status",
						       "other" };

	return kind < ZTSROUTE_N ? names[kind] : "other";
}
