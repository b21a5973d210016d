/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/denyfile.h"
#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

#define WRITERS 8
#define ENTRIES_EACH 4

static char test_denyfile_error[DENYLIST_ERROR_MAX];

static int test_denyfile_add(const char *name, const char *word, const char *value)
{
	char path[PATH_MAX];

	test_denyfile_error[0] = '\0';
	return denyfile_add(tmpdir_path(path, name), word, value, test_denyfile_error);
}

static void test_denyfile_make(const char *name, const char *text)
{
	CU_ASSERT_EQUAL(tmpdir_write(name, text, strlen(text)), 0);
}

static bool test_denyfile_is(const char *name, const char *text)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	char path[PATH_MAX];
	size_t len = 0;

	return files_read(tmpdir_path(path, name), DENYLIST_BYTES_MAX, &bytes, &len) == 0 &&
	       len == strlen(text) && !memcmp(bytes, text, len);
}

static void test_denyfile_adds(void)
{
	test_denyfile_make("list", "");
	CU_ASSERT_EQUAL(test_denyfile_add("list", "instance", "i-1"), 0);
	CU_ASSERT_STRING_EQUAL(test_denyfile_error, "");
	CU_ASSERT_TRUE(test_denyfile_is("list", "instance i-1\n"));
	test_denyfile_make("list", "# who\nserial 1 # why");
	CU_ASSERT_EQUAL(test_denyfile_add("list", "principal", "A.b"), 0);
	CU_ASSERT_TRUE(test_denyfile_is("list", "# who\nserial 1 # why\nprincipal A.b\n"));
	/* In another spelling it is the same. */
	CU_ASSERT_EQUAL(test_denyfile_add("list", "principal", "a.B"), DENYFILE_E_THERE);
	CU_ASSERT_EQUAL(test_denyfile_add("list", "serial", "0001"), DENYFILE_E_THERE);
	CU_ASSERT_EQUAL(test_denyfile_add("list", "serial", "2"), 0);
	CU_ASSERT_EQUAL(test_denyfile_add("list", "instance", "a.b"), 0);
	CU_ASSERT_EQUAL(test_denyfile_add("list", "instance", "a.b"), DENYFILE_E_THERE);
	CU_ASSERT_TRUE(test_denyfile_is(
		"list", "# who\nserial 1 # why\nprincipal A.b\nserial 2\ninstance a.b\n"));
}

static void test_denyfile_refuses_entries(void)
{
	static const struct {
		const char *word, *value;
	} rows[] = {
		{ "nobody", "a.b" },
		{ "principal", "a" },
		{ "principal", "a.b#c" },
		{ "principal", "a.b c" },
		{ "principal", "a.b\n#" },
		{ "principal", "" },
		{ "instance", "i-1\r" },
		{ "serial", "0x1" },
		{ "", "" },
		{ "# principal", "a.b" },
		{ "#", "a.b" },
		{ "\nserial", "1" },
		{ "serial", "1\nserial 2" },
	};

	test_denyfile_make("list", "serial 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (test_denyfile_add("list", rows[i].word, rows[i].value) != -EINVAL ||
		    !*test_denyfile_error)
			tap_fail(__FILE__, __LINE__, "row %zu: %s", i, test_denyfile_error);
	CU_ASSERT_TRUE(test_denyfile_is("list", "serial 1\n"));
}

static void test_denyfile_refuses_lists(void)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(test_denyfile_add("none", "serial", "1"), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denyfile_error, "/none: No such file"));
	CU_ASSERT_TRUE(access(tmpdir_path(path, "none"), F_OK) < 0);
	test_denyfile_make("list", "serial 1\neverybody\n");
	CU_ASSERT_EQUAL(test_denyfile_add("list", "serial", "2"), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_denyfile_error, "list:2: a line is"));
	CU_ASSERT_TRUE(test_denyfile_is("list", "serial 1\neverybody\n"));
}

/* As many zeros before a number as one line has room for, and one more. */
static void test_denyfile_line_limit(void)
{
	char value[512];

	test_denyfile_make("list", "");
	memset(value, '0', sizeof(value));
	value[504] = '\0'; /* with its word, blank and end: 512 */
	CU_ASSERT_EQUAL(test_denyfile_add("list", "serial", value), -EINVAL);
	CU_ASSERT_TRUE(test_denyfile_is("list", ""));
	value[503] = '\0';
	CU_ASSERT_EQUAL(test_denyfile_add("list", "serial", value), 0);
}

/* The last entry that fits, and one more. */
static void test_denyfile_entries_limit(void)
{
	size_t at = 0, cap = DENYLIST_ENTRIES_MAX * 16;
	char *text = malloc(cap + 1), path[PATH_MAX];
	struct stat before, after;

	for (size_t i = 1; i < DENYLIST_ENTRIES_MAX; i++)
		at += (size_t)snprintf(text + at, cap + 1 - at, "serial %8zx\n", i);
	CU_ASSERT_EQUAL(tmpdir_write("long", text, at), 0);
	free(text);
	CU_ASSERT_EQUAL(test_denyfile_add("long", "serial", "10000"), 0);
	CU_ASSERT_EQUAL(stat(tmpdir_path(path, "long"), &before), 0);
	CU_ASSERT_EQUAL(test_denyfile_add("long", "serial", "10001"), -E2BIG);
	CU_ASSERT_EQUAL(stat(path, &after), 0);
	CU_ASSERT_EQUAL(before.st_ino, after.st_ino);
}

/* The last byte that fits, and one more. */
static void test_denyfile_bytes_limit(void)
{
	size_t len = DENYLIST_BYTES_MAX - strlen("serial 1\n");
	char *text = malloc(len);

	memset(text, '#', len);
	text[len - 1] = '\n';
	CU_ASSERT_EQUAL(tmpdir_write("large", text, len), 0);
	free(text);
	CU_ASSERT_EQUAL(test_denyfile_add("large", "serial", "1"), 0);
	CU_ASSERT_EQUAL(test_denyfile_add("large", "serial", "01"), DENYFILE_E_THERE);
	CU_ASSERT_EQUAL(test_denyfile_add("large", "serial", "2"), -E2BIG);
}

/* Where no file can grow, root's neither. */
static int test_denyfile_try_without_room(void)
{
	const struct rlimit none = { 0, 0 };

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &none) < 0)
		return 1;
	if (test_denyfile_add("list", "serial", "2") != -EFBIG)
		return 2;
	return strstr(test_denyfile_error, "/list: File too large") ? 0 : 3;
}

/* Who was told that an entry is in the list must be able to rely on it. */
static void test_denyfile_no_room(void)
{
	int status = -1;
	pid_t pid;

	test_denyfile_make("list", "serial 1\n");
	pid = fork();
	if (pid == 0)
		_exit(test_denyfile_try_without_room());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_TRUE(test_denyfile_is("list", "serial 1\n"));
}

static void test_denyfile_keeps_what_it_is(void)
{
	char path[PATH_MAX], link[PATH_MAX];
	bool root = geteuid() == 0;
	struct stat st;

	test_denyfile_make("real", "serial 1\n");
	tmpdir_path(path, "real");
	tmpdir_path(link, "link");
	CU_ASSERT_EQUAL(symlink("real", link), 0);
	CU_ASSERT_EQUAL(chmod(path, 0640), 0);
	CU_ASSERT_TRUE(!root || chown(path, 12, 34) == 0);
	CU_ASSERT_EQUAL(test_denyfile_add("link", "serial", "2"), 0);
	CU_ASSERT_TRUE(test_denyfile_is("real", "serial 1\nserial 2\n"));
	CU_ASSERT_EQUAL(lstat(link, &st), 0);
	CU_ASSERT_TRUE(S_ISLNK(st.st_mode));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
	CU_ASSERT_TRUE(!root || (st.st_uid == 12 && st.st_gid == 34));
}

static int test_denyfile_try_without_chown(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &header, caps) < 0)
		return 1;
	caps[0].effective &= ~(1U << CAP_CHOWN);
	if (syscall(SYS_capset, &header, caps) < 0)
		return 2;
	return test_denyfile_add("list", "serial", "2") == -EPERM ? 0 : 3;
}

/* It is not in its place before it has its owner: who has to read it must be able to at any
 * moment. */
static void test_denyfile_owner_first(void)
{
	char path[PATH_MAX];
	struct stat st;
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		tap_skip("needs root to give it an owner");
		return;
	}
	test_denyfile_make("list", "serial 1\n");
	CU_ASSERT_EQUAL(chown(tmpdir_path(path, "list"), 12, 34), 0);
	pid = fork();
	if (pid == 0)
		_exit(test_denyfile_try_without_chown());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_TRUE(test_denyfile_is("list", "serial 1\n"));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_TRUE(st.st_uid == 12 && st.st_gid == 34);
	CU_ASSERT_TRUE(access(tmpdir_path(path, "list.new"), F_OK) < 0);
}

static void test_denyfile_write_many(int writer)
{
	char value[16];

	if (writer % 2 && chdir("/proc") < 0)
		_exit(1);
	for (int i = 0; i < ENTRIES_EACH; i++) {
		snprintf(value, sizeof(value), "i-%d-%d", writer, i);
		if (test_denyfile_add("shared", "instance", value) != 0)
			_exit(1);
	}
	_exit(0);
}

/* Nobody's entry is lost, whoever else writes, and from wherever. */
static void test_denyfile_many_writers(void)
{
	char path[PATH_MAX];
	struct denylist *d = NULL;
	int status;

	test_denyfile_make("shared", "");
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			test_denyfile_write_many(i);
	for (int i = 0; i < WRITERS; i++) {
		CU_ASSERT_TRUE(wait(&status) > 0);
		CU_ASSERT_EQUAL(status, 0);
	}
	CU_ASSERT_EQUAL(denylist_load(tmpdir_path(path, "shared"), &d, test_denyfile_error), 0);
	CU_ASSERT_EQUAL(denylist_size(d), (size_t)WRITERS * ENTRIES_EACH);
	denylist_free(d);
}

static int test_denyfile_tortured(void *ctx)
{
	return test_denyfile_add("list", "serial", "5") < 0 ? -ENOMEM : 0;
}

static void test_denyfile_out_of_memory(void)
{
	test_denyfile_make("list", "serial 1\n");
	CU_ASSERT_TRUE(torture(test_denyfile_tortured, NULL) > 5);
	CU_ASSERT_TRUE(test_denyfile_is("list", "serial 1\nserial 5\n"));
}

static const struct tap_test test_denyfile_tests[] = {
	{ "adds", test_denyfile_adds },
	{ "refuses entries", test_denyfile_refuses_entries },
	{ "refuses lists", test_denyfile_refuses_lists },
	{ "length of a line", test_denyfile_line_limit },
	{ "number of entries", test_denyfile_entries_limit },
	{ "number of bytes", test_denyfile_bytes_limit },
	{ "no room", test_denyfile_no_room },
	{ "mode, owner and link stay", test_denyfile_keeps_what_it_is },
	{ "owner first", test_denyfile_owner_first },
	{ "many writers", test_denyfile_many_writers },
	{ "out of memory", test_denyfile_out_of_memory },
	{ 0 },
};

static const struct tap_suite test_denyfile_suites[] = {
	{ "denyfile", test_denyfile_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_denyfile_suites);
}
