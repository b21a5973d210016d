/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/files.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"
#include "tests/support/torture.h"

static int read_text(const char *path, size_t max, char *ret, size_t cap)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = files_read(path, max, &bytes, &len);

	if (r == 0) {
		CU_ASSERT_EQUAL(bytes[len], '\0');
		snprintf(ret, cap, "%s", (const char *)bytes);
	}
	return r;
}

static void expect_text(const char *path, const char *want)
{
	char got[64] = "";

	CU_ASSERT_EQUAL(read_text(path, 63, got, sizeof(got)), 0);
	CU_ASSERT_STRING_EQUAL(got, want);
}

static void test_read_limit(void)
{
	char path[PATH_MAX], got[16];

	CU_ASSERT_EQUAL(tmpdir_write("ten", "0123456789", 10), 0);
	tmpdir_path(path, "ten");
	CU_ASSERT_EQUAL(read_text(path, 9, got, sizeof(got)), -EFBIG);
	CU_ASSERT_EQUAL(read_text(path, 10, got, sizeof(got)), 0);
	CU_ASSERT_STRING_EQUAL(got, "0123456789");
	CU_ASSERT_EQUAL(read_text(path, 11, got, sizeof(got)), 0);
	CU_ASSERT_EQUAL(tmpdir_write("ten", "", 0), 0);
	CU_ASSERT_EQUAL(read_text(path, 0, got, sizeof(got)), 0);
	CU_ASSERT_STRING_EQUAL(got, "");
}

/* Files of /proc tell no size: the limit must hold while reading. */
static void test_read_without_size(void)
{
	char got[64];

	CU_ASSERT_EQUAL(read_text("/proc/self/status", 10, got, sizeof(got)), -EFBIG);
	CU_ASSERT_EQUAL(read_text("/proc/self/status", 65536, got, sizeof(got)), 0);
	CU_ASSERT_EQUAL(strncmp(got, "Name:\t", 6), 0);
}

static void test_read_errors(void)
{
	char path[PATH_MAX], got[16];
	uint8_t *bytes = NULL;
	size_t len = 77;

	CU_ASSERT_EQUAL(files_read(tmpdir_path(path, "absent"), 10, &bytes, &len), -ENOENT);
	CU_ASSERT_PTR_NULL(bytes);
	CU_ASSERT_EQUAL(len, 77);
	CU_ASSERT_EQUAL(read_text(tmpdir_get(), 10, got, sizeof(got)), -EINVAL);
	CU_ASSERT_EQUAL(read_text("/dev/null", 10, got, sizeof(got)), -EINVAL);
	CU_ASSERT_EQUAL(mkfifo(tmpdir_path(path, "fifo"), 0600), 0);
	CU_ASSERT_EQUAL(read_text(path, 10, got, sizeof(got)), -EINVAL);
}

static int read_once(void *ctx)
{
	char got[16];

	return read_text(ctx, 10, got, sizeof(got));
}

static void test_read_no_memory(void)
{
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("mem", "x", 1), 0);
	CU_ASSERT_EQUAL(torture(read_once, tmpdir_path(path, "mem")), 1);
}

static mode_t mode_of(const char *path)
{
	struct stat st = { 0 };

	CU_ASSERT_EQUAL(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_write(void)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	mode_t before = umask(077);

	tmpdir_path(path, "written");
	CU_ASSERT_EQUAL(files_write(path, "first, and long", 15, 0644), 0);
	expect_text(path, "first, and long");
	CU_ASSERT_EQUAL(mode_of(path), 0644);
	CU_ASSERT_EQUAL(files_write(path, "second", 6, 0600), 0);
	expect_text(path, "second");
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	CU_ASSERT_EQUAL(files_write(path, "", 0, 0600), 0);
	expect_text(path, "");
	CU_ASSERT(access(tmpdir_path(tmp, "written.new"), F_OK) < 0 && errno == ENOENT);
	umask(before);
}

static void test_write_after_a_crash(void)
{
	char path[PATH_MAX], tmp[PATH_MAX];

	CU_ASSERT_EQUAL(tmpdir_write("crash", "old", 3), 0);
	CU_ASSERT_EQUAL(tmpdir_write("crash.new", "half of something longer", 24), 0);
	CU_ASSERT_EQUAL(chmod(tmpdir_path(tmp, "crash.new"), 0200), 0);
	CU_ASSERT_EQUAL(files_write(tmpdir_path(path, "crash"), "new", 3, 0640), 0);
	expect_text(path, "new");
	CU_ASSERT_EQUAL(mode_of(path), 0640);
}

/* Also for a user whom modes bind. */
static void test_write_read_only(void)
{
	char path[PATH_MAX];

	tmpdir_path(path, "read-only");
	CU_ASSERT_EQUAL(files_write(path, "one", 3, 0400), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0400);
	CU_ASSERT_EQUAL(files_write(path, "two", 3, 0400), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0400);
	expect_text(path, "two");
}

static void test_write_like(void)
{
	struct stat like = { .st_mode = S_IFREG | 04640, .st_uid = 65533, .st_gid = 65532 }, st;
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(files_write_like(tmpdir_path(path, "alike"), "one", 3, &like), 0);
	expect_text(path, "one");
	CU_ASSERT_EQUAL(mode_of(path), 0640);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_uid, geteuid() ? geteuid() : like.st_uid);
	CU_ASSERT_EQUAL(st.st_gid, geteuid() ? getegid() : like.st_gid);
}

static void test_write_errors(void)
{
	char path[PATH_MAX], tmp[PATH_MAX];

	CU_ASSERT_EQUAL(files_write(tmpdir_path(path, "none/file"), "x", 1, 0600), -ENOENT);
	CU_ASSERT_EQUAL(mkdir(tmpdir_path(path, "dir"), 0700), 0);
	CU_ASSERT_EQUAL(files_write(path, "x", 1, 0600), -EISDIR);
	CU_ASSERT(access(tmpdir_path(tmp, "dir.new"), F_OK) < 0);
	CU_ASSERT_EQUAL(tmpdir_write("target", "kept", 4), 0);
	CU_ASSERT_EQUAL(symlink("target", tmpdir_path(tmp, "link.new")), 0);
	CU_ASSERT_EQUAL(files_write(tmpdir_path(path, "link"), "x", 1, 0600), -ELOOP);
	expect_text(tmpdir_path(path, "target"), "kept");
}

static void test_write_path_limit(void)
{
	char path[FILES_PATH_MAX + 1];

	for (size_t n = FILES_PATH_MAX - 5; n < FILES_PATH_MAX; n++) {
		memset(path, '/', n);
		path[n - 1] = 'x';
		path[n] = '\0';
		/* With ".new" and a NUL behind it. */
		if (n + 5 > FILES_PATH_MAX)
			CU_ASSERT_EQUAL(files_write(path, "x", 1, 0600), -ENAMETOOLONG);
	}
	CU_PASS("no crash");
}

static void test_write_while_another_does(void)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	_cleanup_(closep) int fd = -1;

	CU_ASSERT_EQUAL(tmpdir_write("busy", "old", 3), 0);
	CU_ASSERT_EQUAL(tmpdir_write("busy.new", "hal", 3), 0);
	fd = open(tmpdir_path(tmp, "busy.new"), O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX | LOCK_NB), 0);
	CU_ASSERT_EQUAL(files_write(tmpdir_path(path, "busy"), "new", 3, 0600), -EBUSY);
	expect_text(path, "old");
	expect_text(tmp, "hal");
	closep(&fd);
	CU_ASSERT_EQUAL(files_write(path, "new", 3, 0600), 0);
	expect_text(path, "new");
}

#define RACE_BYTES 50000
#define RACE_ROUNDS 60

/* Writes files of one letter each until done; ends with the number of unexpected errors. */
static pid_t start_writer(const char *path, char letter)
{
	static char bytes[RACE_BYTES];
	int n_bad = 0;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	memset(bytes, letter, sizeof(bytes));
	for (int i = 0; i < RACE_ROUNDS; i++) {
		int r = files_write(path, bytes, sizeof(bytes), 0600);

		n_bad += r < 0 && r != -EBUSY;
	}
	_exit(n_bad);
}

static bool is_whole(const char *path)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;

	if (files_read(path, RACE_BYTES, &bytes, &len) < 0 || len != RACE_BYTES)
		return false;
	for (size_t i = 1; i < len; i++)
		if (bytes[i] != bytes[0])
			return false;
	return true;
}

static void test_two_writers(void)
{
	static char first[RACE_BYTES];
	char path[PATH_MAX];
	unsigned int n_torn = 0;
	pid_t pids[2];

	tmpdir_path(path, "race");
	CU_ASSERT_EQUAL(files_write(path, first, sizeof(first), 0600), 0);
	pids[0] = start_writer(path, 'a');
	pids[1] = start_writer(path, 'b');
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status = -1;

		while (waitpid(pids[i], &status, WNOHANG) == 0)
			n_torn += !is_whole(path);
		CU_ASSERT_EQUAL(status, 0);
	}
	n_torn += !is_whole(path);
	CU_ASSERT_EQUAL(n_torn, 0);
}

static void test_make_dir(void)
{
	char path[PATH_MAX], other[PATH_MAX];

	CU_ASSERT_EQUAL(files_make_dir(tmpdir_path(path, "made"), 0700), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0700);
	CU_ASSERT_EQUAL(files_make_dir(path, 0755), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0700);
	CU_ASSERT_EQUAL(tmpdir_write("plain", "", 0), 0);
	CU_ASSERT_EQUAL(files_make_dir(tmpdir_path(other, "plain"), 0700), -ENOTDIR);
	CU_ASSERT_EQUAL(files_make_dir(tmpdir_path(other, "a/b"), 0700), -ENOENT);
	CU_ASSERT_EQUAL(files_make_path(tmpdir_path(other, "a/b/c"), 0700), -ENOENT);
	CU_ASSERT_EQUAL(files_make_path(tmpdir_path(other, "a/b"), 0700), 0);
	CU_ASSERT_EQUAL(files_make_path(other, 0700), 0);
	CU_ASSERT_EQUAL(files_make_path(tmpdir_path(other, "plain/b"), 0700), -ENOTDIR);
	CU_ASSERT_EQUAL(symlink("nowhere", tmpdir_path(other, "dangling")), 0);
	CU_ASSERT_EQUAL(files_make_dir(other, 0700), -ENOENT);
}

static uid_t owner(const char *path)
{
	struct stat st = { .st_uid = (uid_t)-1 };

	CU_ASSERT_EQUAL(lstat(path, &st), 0);
	return st.st_uid;
}

static void test_give(void)
{
	static const char *const names[] = { "absent", "left", "link", "twin", NULL };
	char dir[PATH_MAX], path[PATH_MAX + 8], target[PATH_MAX], twin[PATH_MAX];

	CU_ASSERT_EQUAL(files_give(tmpdir_path(dir, "nowhere"), names, 1, 1), -ENOENT);
	if (geteuid() != 0) {
		tap_skip("needs root to give anything away");
		return;
	}
	CU_ASSERT_EQUAL(files_make_dir(tmpdir_path(dir, "given"), 0700), 0);
	CU_ASSERT_EQUAL(tmpdir_write("given/left", "x", 1), 0);
	CU_ASSERT_EQUAL(tmpdir_write("given/other", "x", 1), 0);
	CU_ASSERT_EQUAL(tmpdir_write("target", "x", 1), 0);
	snprintf(path, sizeof(path), "%s/link", dir);
	CU_ASSERT_EQUAL(symlink("../target", path), 0);
	CU_ASSERT_EQUAL(link(tmpdir_path(target, "target"), tmpdir_path(twin, "given/twin")), 0);
	CU_ASSERT_EQUAL(files_give(dir, names, 65533, 65533), 0);
	CU_ASSERT_EQUAL(owner(dir), 65533);
	CU_ASSERT_EQUAL(owner(path), 0);
	CU_ASSERT_EQUAL(owner(tmpdir_path(path, "given/twin")), 0);
	snprintf(path, sizeof(path), "%s/left", dir);
	CU_ASSERT_EQUAL(owner(path), 65533);
	snprintf(path, sizeof(path), "%s/other", dir);
	CU_ASSERT_EQUAL(owner(path), 0);
	CU_ASSERT_EQUAL(owner(tmpdir_path(path, "target")), 0);
	CU_ASSERT_EQUAL(files_give(tmpdir_path(path, "target"), names, 65533, 65533), -ENOTDIR);
}

static const struct tap_test tests[] = {
	{ "read limit", test_read_limit },
	{ "read limit of a file without size", test_read_without_size },
	{ "read errors", test_read_errors },
	{ "read out of memory", test_read_no_memory },
	{ "write and replace", test_write },
	{ "write after a crash", test_write_after_a_crash },
	{ "write a read-only file", test_write_read_only },
	{ "write as another file is", test_write_like },
	{ "write errors leave the old content", test_write_errors },
	{ "write path limit", test_write_path_limit },
	{ "write while another does", test_write_while_another_does },
	{ "two writers never mix", test_two_writers },
	{ "make a directory", test_make_dir },
	{ "give a directory away", test_give },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "files", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
