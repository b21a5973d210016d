/* SPDX-License-Identifier: MIT */
/* The files of the state directory; what each error leaves behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/files.h"
#include "netpolicy/boot/closed.h"
#include "netpolicy/daemon/lawfile.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

/* The closed policy under another name. */
static struct batchfile test_law(const char *about)
{
	struct batchfile f = { .batch = malloc(closed_batch_len), .batch_len = closed_batch_len };

	if (!f.batch)
		abort();
	memcpy(f.batch, closed_batch, closed_batch_len);
	snprintf(f.about, sizeof(f.about), "%s", about);
	return f;
}

static bool test_has(const char *name, const char *about)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	char error[BATCH_ERROR_MAX] = "";

	return lawfile_read(tmpdir_get(), name, &f, error) == 0 && !strcmp(f.about, about);
}

static void test_lawfile_saves(void)
{
	_cleanup_(batchfile_release) struct batchfile one = test_law("one"), two = test_law("two");
	const char *dir = tmpdir_get();

	CU_ASSERT_EQUAL(lawfile_swap(dir), -ENOENT);
	CU_ASSERT_EQUAL(lawfile_save(dir, &one), 0);
	CU_ASSERT_EQUAL(lawfile_swap(dir), -ENOENT);
	CU_ASSERT_EQUAL(lawfile_save(dir, &two), 0);
	CU_ASSERT_TRUE(test_has(LAWFILE_SAVED, "two"));
	CU_ASSERT_EQUAL(lawfile_swap(dir), 0);
	CU_ASSERT_TRUE(test_has(LAWFILE_SAVED, "one"));
	CU_ASSERT_EQUAL(lawfile_swap(dir), 0);
	CU_ASSERT_TRUE(test_has(LAWFILE_SAVED, "two"));
}

static void test_lawfile_waits(void)
{
	_cleanup_(batchfile_release) struct batchfile one = test_law("one");
	const char *dir = tmpdir_get();
	char path[PATH_MAX];

	CU_ASSERT_EQUAL(lawfile_forget(dir), -ENOENT);
	CU_ASSERT_EQUAL(lawfile_hold(dir), -ENOENT);
	CU_ASSERT_EQUAL(batchfile_write(tmpdir_path(path, LAWFILE_NEXT), &one), 0);
	CU_ASSERT_EQUAL(lawfile_hold(dir), 0);
	CU_ASSERT_FALSE(test_has(LAWFILE_NEXT, "one"));
	CU_ASSERT_TRUE(test_has(LAWFILE_PENDING, "one"));
	CU_ASSERT_EQUAL(lawfile_forget(dir), 0);
	CU_ASSERT_FALSE(test_has(LAWFILE_PENDING, "one"));
}

static void test_lawfile_refuses(void)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 }, bad = test_law("bad");
	char error[BATCH_ERROR_MAX] = "", path[PATH_MAX], *dir;

	CU_ASSERT_EQUAL(lawfile_read(tmpdir_get(), "absent", &f, error), -ENOENT);
	CU_ASSERT_TRUE(error[0]);
	CU_ASSERT_EQUAL(tmpdir_write("damaged", "x", 1), 0);
	CU_ASSERT_EQUAL(lawfile_read(tmpdir_get(), "damaged", &f, error), -EBADMSG);
	bad.batch[0] ^= 4; /* the file is whole, what is in it is not ours */
	CU_ASSERT_EQUAL(batchfile_write(tmpdir_path(path, "foreign"), &bad), 0);
	error[0] = '\0';
	CU_ASSERT_EQUAL(lawfile_read(tmpdir_get(), "foreign", &f, error), LAWFILE_E_REFUSED);
	CU_ASSERT_TRUE(error[0]);
	dir = malloc(FILES_PATH_MAX + 1);
	if (!dir)
		return;
	memset(dir, 'x', FILES_PATH_MAX);
	dir[FILES_PATH_MAX] = '\0';
	batchfile_release(&f);
	CU_ASSERT_EQUAL(lawfile_read(dir, "n", &f, error), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(lawfile_save(dir, &bad), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(lawfile_swap(dir), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(lawfile_hold(dir), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(lawfile_forget(dir), -ENAMETOOLONG);
	free(dir);
}

static const struct tap_test test_lawfile_tests[] = {
	{ "saved, and the one before", test_lawfile_saves },
	{ "the one that waits", test_lawfile_waits },
	{ "what is refused", test_lawfile_refuses },
	{ 0 },
};

static const struct tap_suite test_lawfile_suites[] = {
	{ "lawfile", test_lawfile_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_lawfile_suites);
}
