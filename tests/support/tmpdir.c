/* SPDX-License-Identifier: MIT */
#include "tests/support/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char tmpdir_root[PATH_MAX];
static pid_t tmpdir_owner;

static int tmpdir_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

/* A forked child that calls exit() must leave the directory to its parent. */
static void tmpdir_remove(void)
{
	if (getpid() == tmpdir_owner)
		(void)nftw(tmpdir_root, tmpdir_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void tmpdir_die(const char *what)
{
	(void)fprintf(stderr, "tmpdir: %s: %s\n", what, strerror(errno));
	exit(1);
}

const char *tmpdir_get(void)
{
	const char *base = getenv("TMPDIR");

	if (tmpdir_root[0] != '\0')
		return tmpdir_root;
	if (base == NULL || base[0] != '/')
		base = "/tmp";
	(void)snprintf(tmpdir_root, sizeof(tmpdir_root), "%s/postern-test-XXXXXX", base);
	if (mkdtemp(tmpdir_root) == NULL)
		tmpdir_die(base);
	tmpdir_owner = getpid();
	(void)atexit(tmpdir_remove);
	return tmpdir_root;
}

char *tmpdir_path(char path[PATH_MAX], const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", tmpdir_get(), name);

	if (n < 0 || n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		tmpdir_die(name);
	}
	return path;
}

static int tmpdir_write_all(int fd, const char *bytes, size_t n_bytes)
{
	for (size_t done = 0; done < n_bytes;) {
		ssize_t n = write(fd, bytes + done, n_bytes - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int tmpdir_write(const char *name, const void *bytes, size_t n_bytes)
{
	char path[PATH_MAX];
	int fd = open(tmpdir_path(path, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = tmpdir_write_all(fd, bytes, n_bytes);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}
