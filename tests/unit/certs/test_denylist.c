/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/denylist.h"
#include "certs/peerid.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

#define WHO "vespa.tenant.acme.aws-123456789012.tenant-host"
#define ZEROS                                                                                      \
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000"         \
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define TEXT(literal) (literal), sizeof(literal) - 1

static char test_denylist_error[DENYLIST_ERROR_MAX];

static int test_denylist_parse(const char *text, size_t len, struct denylist **ret)
{
	*ret = NULL;
	test_denylist_error[0] = '\0';
	return denylist_parse("deny", text, len, ret, test_denylist_error);
}

static void test_denylist_finds(void)
{
	static const char text[] = "# one of each\n"
				   "principal Vespa.Evil.HOST\n"
				   "\tinstance  i-0123456789abcdef0   # stolen\r\n"
				   "\n"
				   "serial 00aBCdEF\n"
				   "serial 0\n"
				   "instance i-b";
	static const struct {
		const char *principal, *instance, *serial;
		bool listed;
	} rows[] = {
		{ WHO, "i-1", "01", false },
		{ "vespa.evil.host", "i-1", "01", true },
		{ "Vespa.EVIL.host", "i-1", "01", true },
		{ "vespa.evil.hos", "i-1", "01", false },
		{ "vespa.evil.host2", "i-1", "01", false },
		{ WHO, "i-0123456789abcdef0", "01", true },
		{ WHO, "i-b", "01", true },
		/* An id in capitals is another one. */
		{ WHO, "I-0123456789abcdef0", "01", false },
		{ WHO, "i-0123456789abcdef", "01", false },
		{ WHO, "i-1", "abcdef", true },
		{ WHO, "i-1", "ABCDEF", true },
		{ WHO, "i-1", "0000abcdef", true },
		{ WHO, "i-1", ZEROS "abcdef", true },
		{ WHO, "i-1", ZEROS "1", false },
		{ WHO, "i-1", "abcde", false },
		{ WHO, "i-1", "abcdef0", false },
		{ WHO, "i-1", "00", true },
		/* The kinds are not mixed. */
		{ WHO, "vespa.evil.host", "01", false },
		{ WHO, "abcdef", "01", false },
		/* What there is none of is not listed. */
		{ "", "", "", false },
		{ WHO, "", "", false },
	};
	_cleanup_(denylist_freep) struct denylist *d = NULL;

	CU_ASSERT_EQUAL(test_denylist_parse(TEXT(text), &d), 0);
	CU_ASSERT_EQUAL(denylist_size(d), 5);
	CU_ASSERT_STRING_EQUAL(denylist_find(d, "vespa.evil.host", "i-1", "01"), "principal");
	CU_ASSERT_STRING_EQUAL(denylist_find(d, WHO, "i-b", "01"), "instance");
	CU_ASSERT_STRING_EQUAL(denylist_find(d, WHO, "i-1", "abcdef"), "serial");
	CU_ASSERT_PTR_NULL(denylist_find(d, WHO, "i-1", "01"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (denylist_has(d, rows[i].principal, rows[i].instance, rows[i].serial) !=
		    rows[i].listed)
			tap_fail(__FILE__, __LINE__, "row %zu", i);
}

static void test_denylist_may_be_empty(void)
{
	static const char *const texts[] = { "", "\n", "# nobody\n\n \t\n", "#" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(denylist_freep) struct denylist *d = NULL;

		CU_ASSERT_EQUAL(test_denylist_parse(texts[i], strlen(texts[i]), &d), 0);
		CU_ASSERT_EQUAL(denylist_size(d), 0);
		CU_ASSERT_FALSE(denylist_has(d, WHO, "i-1", "01"));
	}
	CU_ASSERT_EQUAL(denylist_size(NULL), 0);
	CU_ASSERT_FALSE(denylist_has(NULL, WHO, "i-1", "01"));
	denylist_free(NULL);
}

/* The first line is good each time: what is wrong later must not let it stand. */
static void test_denylist_refuses(void)
{
	static const struct {
		const char *line;
		size_t len;
		const char *says;
	} rows[] = {
		{ TEXT("nobody a.b"), "deny:2: a line is 'principal NAME'" },
		{ TEXT("Principal a.b"), "deny:2: a line is" },
		{ TEXT("principal=a.b"), "deny:2: a line is" },
		{ TEXT("a.b"), "deny:2: a line is" },
		{ TEXT("principal"), "'principal' wants" },
		{ TEXT("principal \t"), "'principal' wants" },
		{ TEXT("principal #a.b"), "'principal' wants" },
		{ TEXT("principal host"), "'principal' wants" },
		{ TEXT("principal a.b c.d"), "'principal' wants" },
		{ TEXT("principal a:role.b"), "'principal' wants" },
		{ TEXT("principal a.\xc3\xa4"), "'principal' wants" },
		{ TEXT("instance"), "'instance' wants" },
		{ TEXT("instance i-1,i-2"), "'instance' wants" },
		{ TEXT("instance i-1 i-2"), "'instance' wants" },
		{ TEXT("instance .."), "'instance' wants" },
		{ TEXT("serial"), "'serial' wants" },
		{ TEXT("serial 0x12"), "'serial' wants" },
		{ TEXT("serial 12:34"), "without colons" },
		{ TEXT("serial 12 34"), "'serial' wants" },
		{ TEXT("serial -1"), "'serial' wants" },
		{ TEXT("serial 1\0"), "deny:2: a NUL byte" },
		{ TEXT("#\0"), "deny:2: a NUL byte" },
		{ TEXT("\0"), "deny:2: a NUL byte" },
		{ TEXT("serial 1\v"), "'serial' wants" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct denylist *d;
		char text[128] = "serial 1\n";
		size_t len = strlen(text);
		int r;

		memcpy(text + len, rows[i].line, rows[i].len);
		len += rows[i].len;
		text[len++] = '\n';
		r = test_denylist_parse(text, len, &d);
		CU_ASSERT_PTR_NULL(d);
		if (r != -EINVAL || !strstr(test_denylist_error, rows[i].says))
			tap_fail(__FILE__, __LINE__, "row %zu: %d, '%s'", i, r,
				 test_denylist_error);
	}
}

/* One line of @word and @n times @c behind @head. */
static int test_denylist_sized(const char *word, const char *head, char c, size_t n)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	char value[512], text[1024];

	memset(value, c, n);
	value[n] = '\0';
	snprintf(text, sizeof(text), "%s %s%s", word, head, value);
	return test_denylist_parse(text, strlen(text), &d);
}

static void test_denylist_value_limits(void)
{
	CU_ASSERT_EQUAL(test_denylist_sized("principal", "a.", 'b', PRINCIPAL_MAX - 4), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("principal", "a.", 'b', PRINCIPAL_MAX - 3), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("principal", "a.", 'b', PRINCIPAL_MAX - 2), -EINVAL);
	CU_ASSERT_EQUAL(test_denylist_sized("instance", "", 'i', PRINCIPAL_INSTANCE_MAX - 2), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("instance", "", 'i', PRINCIPAL_INSTANCE_MAX - 1), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("instance", "", 'i', PRINCIPAL_INSTANCE_MAX), -EINVAL);
	CU_ASSERT_EQUAL(test_denylist_sized("serial", "", '1', PEERID_SERIAL_MAX - 3), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("serial", "", '1', PEERID_SERIAL_MAX - 2), 0);
	CU_ASSERT_EQUAL(test_denylist_sized("serial", "", '1', PEERID_SERIAL_MAX - 1), -EINVAL);
	CU_ASSERT_EQUAL(test_denylist_sized("serial", "", '0', 300), 0);
}

/* The longest serial that an accepted certificate can have is found. */
static void test_denylist_longest_serial(void)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	char serial[PEERID_SERIAL_MAX], text[PEERID_SERIAL_MAX + 16];

	memset(serial, 'e', sizeof(serial) - 2);
	serial[sizeof(serial) - 2] = '\0';
	snprintf(text, sizeof(text), "serial %s", serial);
	CU_ASSERT_EQUAL(test_denylist_parse(text, strlen(text), &d), 0);
	CU_ASSERT_TRUE(denylist_has(d, WHO, "i-1", serial));
	serial[0] = 'd';
	CU_ASSERT_FALSE(denylist_has(d, WHO, "i-1", serial));
}

/* @n entries in lines of 16 bytes; the rest of the @len bytes is a comment. */
static int test_denylist_many(size_t n, size_t len)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	char *text = malloc(len + 1), serial[16];
	size_t at = 0;
	int r;

	for (size_t i = 1; i <= n; i++)
		at += (size_t)snprintf(text + at, len + 1 - at, "serial %8zx\n", i);
	if (at < len)
		memset(text + at, '#', len - at);
	r = test_denylist_parse(text, len, &d);
	free(text);
	CU_ASSERT_EQUAL(denylist_size(d), r == 0 ? n : 0);
	for (size_t i = 0; r == 0 && i <= n + 1; i += n / 7 + 1) {
		snprintf(serial, sizeof(serial), "%zx", i);
		CU_ASSERT_EQUAL(denylist_has(d, WHO, "i-1", serial), i >= 1 && i <= n);
	}
	return r;
}

static void test_denylist_entries_limit(void)
{
	CU_ASSERT_EQUAL(test_denylist_many(DENYLIST_ENTRIES_MAX - 1, 16 * 65535), 0);
	CU_ASSERT_EQUAL(test_denylist_many(DENYLIST_ENTRIES_MAX, 16 * 65536), 0);
	CU_ASSERT_EQUAL(test_denylist_many(DENYLIST_ENTRIES_MAX + 1, 16 * 65537), -E2BIG);
	CU_ASSERT_STRING_EQUAL(test_denylist_error,
			       "deny:65537: more than 65536 entries; the list is not used");
}

static void test_denylist_bytes_limit(void)
{
	CU_ASSERT_EQUAL(test_denylist_many(1, DENYLIST_BYTES_MAX - 1), 0);
	CU_ASSERT_EQUAL(test_denylist_many(1, DENYLIST_BYTES_MAX), 0);
	CU_ASSERT_EQUAL(test_denylist_many(1, DENYLIST_BYTES_MAX + 1), -E2BIG);
	CU_ASSERT_STRING_EQUAL(test_denylist_error,
			       "deny: larger than 8 MiB; the list is not used");
}

/* A list that is half read would let somebody in. */
static int test_denylist_load_sparse(const char *name, off_t len, struct denylist **ret)
{
	char path[PATH_MAX];

	*ret = NULL;
	test_denylist_error[0] = '\0';
	CU_ASSERT_EQUAL(tmpdir_write(name, "serial 1\n", 9), 0);
	CU_ASSERT_EQUAL(truncate(tmpdir_path(path, name), len), 0);
	return denylist_load(path, ret, test_denylist_error);
}

static void test_denylist_loads(void)
{
	struct denylist *d = NULL;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(test_denylist_load_sparse("list", 9, &d), 0);
	CU_ASSERT_TRUE(denylist_has(d, WHO, "i-1", "01"));
	denylist_freep(&d);
	CU_ASSERT_EQUAL(test_denylist_load_sparse("list", 10, &d), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denylist_error, "list:2: a NUL byte"));
	CU_ASSERT_EQUAL(test_denylist_load_sparse("list", DENYLIST_BYTES_MAX, &d), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denylist_error, "list:2: a NUL byte"));
	CU_ASSERT_EQUAL(test_denylist_load_sparse("list", DENYLIST_BYTES_MAX + 1, &d), -EFBIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denylist_error, "larger than 8 MiB"));
	CU_ASSERT_EQUAL(denylist_load(tmpdir_path(path, "none"), &d, test_denylist_error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denylist_error, "/none: No such file"));
	CU_ASSERT_EQUAL(denylist_load(tmpdir_get(), &d, test_denylist_error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denylist_error, "not a regular file"));
	CU_ASSERT_PTR_NULL(d);
}

/* A list that comes entry by entry finds the same as the one that it was read from. */
static void test_denylist_comes_in_entries(void)
{
	static const char text[] = "serial 00AB\ninstance i-b\nprincipal A.b\n"
				   "instance i-b\nserial 0";
	_cleanup_(denylist_freep) struct denylist *from = NULL, *to = NULL;

	CU_ASSERT_EQUAL(denylist_bytes(NULL), 0);
	CU_ASSERT_EQUAL(test_denylist_parse(TEXT(text), &from), 0);
	CU_ASSERT_EQUAL(denylist_size(from), 5);
	CU_ASSERT_EQUAL(denylist_bytes(from), 4 + 4 + 4 + 2 + 3);
	CU_ASSERT_EQUAL(denylist_new(5, denylist_bytes(from), &to), 0);
	if (!from || !to)
		return;
	for (size_t i = 0; i < denylist_size(from); i++) {
		const struct denylist_entry *e = denylist_at(from, i);

		CU_ASSERT_EQUAL(denylist_add(to, e->kind, e->value), 0);
		CU_ASSERT_STRING_EQUAL(denylist_at(to, i)->value, e->value);
	}
	CU_ASSERT_EQUAL(denylist_add(to, DENYLIST_SERIAL, "c"), -ENOSPC);
	CU_ASSERT_EQUAL(denylist_size(to), 5);
	CU_ASSERT_STRING_EQUAL(denylist_find(to, "a.b", "", ""), "principal");
	CU_ASSERT_STRING_EQUAL(denylist_find(to, "", "i-b", ""), "instance");
	CU_ASSERT_STRING_EQUAL(denylist_find(to, "", "", "AB"), "serial");
	CU_ASSERT_STRING_EQUAL(denylist_find(to, "", "", "0"), "serial");
	CU_ASSERT_PTR_NULL(denylist_find(to, "a.c", "i-c", "ac"));
}

/* Who sends the entries may lie: nothing is added that the file's reader would not have made. */
static void test_denylist_adds_only_the_form(void)
{
	static const struct {
		enum denylist_kind kind;
		const char *value;
	} rows[] = {
		{ DENYLIST_PRINCIPAL, "" },
		{ DENYLIST_PRINCIPAL, "A.b" },
		{ DENYLIST_PRINCIPAL, "host" },
		{ DENYLIST_PRINCIPAL, "a.b c" },
		{ DENYLIST_INSTANCE, "" },
		{ DENYLIST_INSTANCE, "i,1" },
		{ DENYLIST_INSTANCE, "i-1 " },
		{ DENYLIST_SERIAL, "" },
		{ DENYLIST_SERIAL, "0a" },
		{ DENYLIST_SERIAL, "A" },
		{ DENYLIST_SERIAL, "g" },
		{ DENYLIST_SERIAL, ZEROS },
		{ DENYLIST_SERIAL + 1, "a" },
		{ DENYLIST_SERIAL, ZEROS ZEROS },
		/* Before the last one. */
		{ DENYLIST_PRINCIPAL, "c.d" },
		{ DENYLIST_INSTANCE, "i-a" },
	};
	_cleanup_(denylist_freep) struct denylist *d = NULL;

	CU_ASSERT_EQUAL(denylist_new(9, 1000, &d), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, "i-b"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (denylist_add(d, rows[i].kind, rows[i].value) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "row %zu", i);
	CU_ASSERT_EQUAL(denylist_size(d), 1);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, "i-b"), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_SERIAL, "0"), 0);
}

/* The longest principal that comes as an entry, and one that is longer. */
static void test_denylist_adds_the_longest(void)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	char name[PRINCIPAL_MAX + 1];

	memset(name, 'a', PRINCIPAL_MAX);
	name[1] = '.';
	name[PRINCIPAL_MAX] = '\0';
	CU_ASSERT_EQUAL(denylist_new(2, 1000, &d), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_PRINCIPAL, name), -EINVAL);
	name[PRINCIPAL_MAX - 1] = '\0';
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_PRINCIPAL, name), 0);
	CU_ASSERT_STRING_EQUAL(denylist_find(d, name, "", ""), "principal");
}

static void test_denylist_room(void)
{
	struct denylist *d = NULL;

	CU_ASSERT_EQUAL(denylist_new(DENYLIST_ENTRIES_MAX + 1, 1, &d), -E2BIG);
	CU_ASSERT_EQUAL(denylist_new(1, DENYLIST_BYTES_MAX + 2, &d), -E2BIG);
	CU_ASSERT_PTR_NULL(d);
	CU_ASSERT_EQUAL(denylist_new(DENYLIST_ENTRIES_MAX, DENYLIST_BYTES_MAX, &d), 0);
	denylist_freep(&d);
	/* One byte too few for the second; enough for a shorter one. */
	CU_ASSERT_EQUAL(denylist_new(2, 7, &d), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, "i-1"), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, "i-2"), -ENOSPC);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_INSTANCE, "i2"), 0);
	denylist_freep(&d);
	CU_ASSERT_EQUAL(denylist_new(0, 0, &d), 0);
	CU_ASSERT_EQUAL(denylist_add(d, DENYLIST_SERIAL, "1"), -ENOSPC);
	denylist_freep(&d);
}

static int test_denylist_tortured(void *ctx)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	int r;

	test_denylist_error[0] = '\0';
	r = denylist_load(ctx, &d, test_denylist_error);
	return r < 0 && !*test_denylist_error ? 1 : r; /* 1: it does not say why */
}

static void test_denylist_out_of_memory(void)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("list", TEXT("serial 1\nprincipal a.b\n")), 0);
	CU_ASSERT_EQUAL(torture(test_denylist_tortured, tmpdir_path(path, "list")), 3);
}

static const struct tap_test test_denylist_tests[] = {
	{ "finds what is listed", test_denylist_finds },
	{ "may be empty", test_denylist_may_be_empty },
	{ "refuses", test_denylist_refuses },
	{ "value limits", test_denylist_value_limits },
	{ "longest serial", test_denylist_longest_serial },
	{ "number of entries", test_denylist_entries_limit },
	{ "number of bytes", test_denylist_bytes_limit },
	{ "loads", test_denylist_loads },
	{ "comes in entries", test_denylist_comes_in_entries },
	{ "adds only what has the form", test_denylist_adds_only_the_form },
	{ "adds the longest", test_denylist_adds_the_longest },
	{ "room", test_denylist_room },
	{ "out of memory", test_denylist_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_denylist_suites[] = {
	{ "denylist", test_denylist_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_denylist_suites);
}
