/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/ztsd/regtoken.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

static const struct regtoken sample = {
	.provider = "postern.token",
	.domain = "vespa.tenant",
	.service = "host",
	.instance_id = "h1.Example:a@b",
	.expires_wall = 1800000000,
};
static const struct regtoken_key secret = { 32, "0123456789abcdef0123456789abcdef" };

static int read_text(const char *text, struct regtoken *ret)
{
	return regtoken_read(text, strlen(text), &secret, ret);
}

static bool same(const struct regtoken *a, const struct regtoken *b)
{
	return !strcmp(a->provider, b->provider) && !strcmp(a->domain, b->domain) &&
	       !strcmp(a->service, b->service) && !strcmp(a->instance_id, b->instance_id) &&
	       a->expires_wall == b->expires_wall;
}

/* The code was computed with "openssl dgst -sha256 -mac hmac". */
static void test_known(void)
{
	static const char want[] =
		"v=P1;p=postern.token;d=vespa.tenant;s=host;i=h1.Example:a@b;e=1800000000;"
		"h=m4iWd5tAhPPSW68SvzBCa3RLHSU3p7eym3gQPLDkQmM";
	char text[REGTOKEN_MAX], with_line_feed[REGTOKEN_MAX + 1];
	struct regtoken back;

	CU_ASSERT_EQUAL(regtoken_make(&sample, &secret, text), 0);
	CU_ASSERT_STRING_EQUAL(text, want);
	CU_ASSERT_EQUAL(read_text(want, &back), 0);
	CU_ASSERT(same(&back, &sample));
	snprintf(with_line_feed, sizeof(with_line_feed), "%s\n", want);
	CU_ASSERT_EQUAL(read_text(with_line_feed, &back), 0);
}

/* Any character changed, left out or added is noticed. */
static void test_altered(void)
{
	char text[REGTOKEN_MAX], bad[REGTOKEN_MAX];
	struct regtoken back = { .domain = "untouched" };
	size_t len;

	CU_ASSERT_EQUAL(regtoken_make(&sample, &secret, text), 0);
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		memcpy(bad, text, len + 1);
		bad[i] = (char)(bad[i] == 'A' ? 'B' : 'A');
		CU_ASSERT(regtoken_read(bad, len, &secret, &back) < 0);
		memcpy(bad, text, len + 1);
		memmove(bad + i, bad + i + 1, len - i);
		CU_ASSERT(regtoken_read(bad, len - 1, &secret, &back) < 0);
		CU_ASSERT(regtoken_read(text, i, &secret, &back) == -EBADMSG);
	}
	snprintf(bad, sizeof(bad), "%.1000sA", text);
	CU_ASSERT_EQUAL(read_text(bad, &back), -EBADMSG);
	snprintf(bad, sizeof(bad), "%.1000s\n\n", text);
	CU_ASSERT_EQUAL(read_text(bad, &back), -EBADMSG);
	CU_ASSERT_EQUAL(regtoken_read(text, len + 1, &secret, &back), -EBADMSG);
	CU_ASSERT_STRING_EQUAL(back.domain, "untouched");
}

static void test_keys(void)
{
	struct regtoken_key other = secret, longer = secret;
	char text[REGTOKEN_MAX];
	struct regtoken back;

	CU_ASSERT_EQUAL(regtoken_make(&sample, &secret, text), 0);
	other.bytes[31] ^= 1;
	longer.len = 33;
	longer.bytes[32] = 'x';
	CU_ASSERT_EQUAL(regtoken_read(text, strlen(text), &other, &back), -EKEYREJECTED);
	CU_ASSERT_EQUAL(regtoken_read(text, strlen(text), &longer, &back), -EKEYREJECTED);
	regtoken_wipe(&other);
	CU_ASSERT(other.len == 0 && other.bytes[0] == 0 && other.bytes[31] == 0);
}

static void test_forms(void)
{
	static const char *const bad[] = {
		"",
		";",
		"v=P1",
		"v=P2;p=p;d=d;s=s;i=i;e=1;h=AA",
		"p=p;v=P1;d=d;s=s;i=i;e=1;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;h=AA",
		"v=P1;p=;d=d;s=s;i=i;e=1;h=AA",
		"v=P1;p=P;d=d;s=s;i=i;e=1;h=AA",
		"v=P1;p=p;d=d d;s=s;i=i;e=1;h=AA",
		"v=P1;p=p;d=d;s=s;i=a,b;e=1;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=01;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=0x1;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=-1;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=253402300800;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=99999999999999999999999;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=1;x=1;h=AA",
		"v=P1;p=p;d=d;s=s;i=i;e=1;h=",
		"v=P1;p=p;d=d;s=s;i=i;e=1;h=AA",
	};
	struct regtoken back;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (read_text(bad[i], &back) != -EBADMSG)
			tap_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
	CU_ASSERT_EQUAL(read_text("v=P1;p=p;d=d;s=s;i=i;e=1;"
				  "h=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				  &back),
			-EKEYREJECTED);
}

/* The longest name that fits @name, one byte more, none, and one that would add a field. */
static void try_name(char *name, size_t cap, const struct regtoken *all)
{
	char text[REGTOKEN_MAX];
	struct regtoken back;

	memset(name, 'a', cap - 1);
	name[cap - 1] = '\0';
	CU_ASSERT_EQUAL(regtoken_make(all, &secret, text), 0);
	CU_ASSERT_EQUAL(read_text(text, &back), 0);
	CU_ASSERT(same(&back, all));
	name[cap - 1] = 'a';
	CU_ASSERT_EQUAL(regtoken_make(all, &secret, text), -EINVAL);
	name[0] = '\0';
	CU_ASSERT_EQUAL(regtoken_make(all, &secret, text), -EINVAL);
	memcpy(name, "a;b", 4);
	CU_ASSERT_EQUAL(regtoken_make(all, &secret, text), -EINVAL);
	memcpy(name, "a", 2);
}

static void test_limits(void)
{
	struct regtoken all = sample;
	char text[REGTOKEN_MAX], too_long[REGTOKEN_MAX + 2];
	struct regtoken back;

	try_name(all.provider, sizeof(all.provider), &all);
	try_name(all.domain, sizeof(all.domain), &all);
	try_name(all.service, sizeof(all.service), &all);
	try_name(all.instance_id, sizeof(all.instance_id), &all);
	all.expires_wall = REGTOKEN_EXPIRES_MAX;
	CU_ASSERT_EQUAL(regtoken_make(&all, &secret, text), 0);
	CU_ASSERT_EQUAL(read_text(text, &back), 0);
	all.expires_wall++;
	CU_ASSERT_EQUAL(regtoken_make(&all, &secret, text), -EINVAL);
	memset(too_long, 'a', sizeof(too_long));
	CU_ASSERT_EQUAL(regtoken_read(too_long, REGTOKEN_MAX, &secret, &back), -EBADMSG);
	CU_ASSERT_EQUAL(regtoken_read(too_long, sizeof(too_long), &secret, &back), -EBADMSG);
}

static int load(const char *content, size_t len, mode_t mode, struct regtoken_key *ret,
		char ret_why[static REGTOKEN_WHY_MAX])
{
	char path[PATH_MAX];

	tmpdir_path(path, "secret");
	if (tmpdir_write("secret", content, len) < 0 || chmod(path, mode) < 0)
		return -EDOM;
	return regtoken_load_key(path, ret, ret_why);
}

static void test_load(void)
{
	static const char chars[] =
		"0123456789012345678901234567890123456789012345678901234567890123\n\n";
	char why[REGTOKEN_WHY_MAX] = "", path[PATH_MAX];
	struct regtoken_key key = { .len = 99 };

	CU_ASSERT_EQUAL(load(chars, 31, 0600, &key, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "secret: a secret has 32...64 bytes"));
	CU_ASSERT_EQUAL(load("1234567890123456789012345678901\n", 32, 0600, &key, why), -EINVAL);
	CU_ASSERT_EQUAL(load("", 0, 0600, &key, why), -EINVAL);
	CU_ASSERT_EQUAL(load(chars, 66, 0600, &key, why), -EFBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "longer than the 64 bytes"));
	CU_ASSERT_EQUAL(load(chars, 32, 0604, &key, why), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod o="));
	CU_ASSERT_EQUAL(load(chars, 32, 0602, &key, why), -EPERM);
	CU_ASSERT_EQUAL(regtoken_load_key(tmpdir_path(path, "nowhere"), &key, why), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "No such file"));
	CU_ASSERT_EQUAL(regtoken_load_key(tmpdir_get(), &key, why), -EINVAL);
	CU_ASSERT_EQUAL(key.len, 99);
	CU_ASSERT_EQUAL(load(chars, 32, 0640, &key, why), 0);
	CU_ASSERT(key.len == 32 && !memcmp(key.bytes, chars, 32));
	CU_ASSERT_EQUAL(load(chars, 64, 0400, &key, why), 0);
	CU_ASSERT_EQUAL(key.len, 64);
	CU_ASSERT_EQUAL(load(chars, 65, 0600, &key, why), 0);
	CU_ASSERT_EQUAL(key.len, 64);
}

static const struct tap_test tests[] = {
	{ "one token, known", test_known },
	{ "altered, cut, lengthened", test_altered },
	{ "other secrets", test_keys },
	{ "other forms", test_forms },
	{ "names and lengths at their limits", test_limits },
	{ "secrets in files", test_load },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "regtoken", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
