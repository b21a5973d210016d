/* SPDX-License-Identifier: MIT */
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

void files_freep(uint8_t **p)
{
	free(*p);
	*p = NULL;
}

/* Reads until the end of the file; -EFBIG when more than @max bytes come. */
static int files_read_all(int fd, uint8_t *bytes, size_t max, size_t *ret_len)
{
	size_t len = 0;

	while (len <= max) {
		ssize_t n = read(fd, bytes + len, max + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			bytes[len] = '\0';
			*ret_len = len;
			return 0;
		}
		len += (size_t)n;
	}
	return -EFBIG;
}

int files_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	_cleanup_(closep) int fd = -1;
	struct stat st;
	int r;

	/* O_NONBLOCK: a FIFO in the place of the file must not hang a daemon at start. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)max)
		return -EFBIG;
	bytes = malloc(max + 1);
	if (!bytes)
		return -ENOMEM;
	r = files_read_all(fd, bytes, max, ret_len);
	if (r < 0)
		return r;
	*ret = steal_ptr(bytes);
	return 0;
}

static int files_write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Makes the rename itself durable. */
static int files_sync_dir(const char *path)
{
	char copy[FILES_PATH_MAX];
	_cleanup_(closep) int fd = -1;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* True when @tmp still is the file behind @fd, not renamed by another writer meanwhile. */
static bool files_is_same(int fd, const char *tmp)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && lstat(tmp, &there) == 0 && mine.st_dev == there.st_dev &&
	       mine.st_ino == there.st_ino;
}

/* Opens @tmp, empty and for this writer alone. The lock ends with the descriptor, so a crash leaves
 * none. */
static int files_open_tmp(const char *tmp, mode_t mode, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;

	fd = open(tmp, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!files_is_same(fd, tmp))
		return -EBUSY;
	/* Writable even for a file that shall not be: else what a crash leaves is in the way. */
	if (ftruncate(fd, 0) < 0 || fchmod(fd, mode | S_IWUSR) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* @like, if not NULL: whose owner it gets, when we are root. */
static int files_replace(const char *path, const void *data, size_t len, mode_t mode,
			 const struct stat *like)
{
	char tmp[FILES_PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return -ENAMETOOLONG;
	r = files_open_tmp(tmp, mode, &fd);
	if (r < 0)
		return r;
	if (like && geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid) < 0)
		r = -errno;
	if (r == 0)
		r = files_write_all(fd, data, len);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	if (!(mode & S_IWUSR) && fchmod(fd, mode) < 0)
		return -errno;
	return files_sync_dir(path);
}

int files_write(const char *path, const void *data, size_t len, mode_t mode)
{
	return files_replace(path, data, len, mode, NULL);
}

int files_write_like(const char *path, const void *data, size_t len, const struct stat *like)
{
	return files_replace(path, data, len, like->st_mode & 0777, like);
}

int files_make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int files_make_path(const char *path, mode_t mode)
{
	char copy[FILES_PATH_MAX];
	int r = files_make_dir(path, mode);

	if (r != -ENOENT || (size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return r;
	r = files_make_dir(dirname(copy), 0755);
	return r < 0 ? r : files_make_dir(path, mode);
}

/* What is right already may lie on a file system that cannot be written to. */
int files_give_fd(int fd, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid == uid && st.st_gid == gid) ||
	    !(S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1)))
		return 0;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int files_give(const char *path, const char *const *names, uid_t uid, gid_t gid)
{
	_cleanup_(closep) int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : files_give_fd(dir, uid, gid);

	for (; r == 0 && *names; names++) {
		_cleanup_(closep) int fd = openat(dir, *names, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 && errno != ENOENT)
			r = -errno;
		if (fd >= 0)
			r = files_give_fd(fd, uid, gid);
	}
	return r;
}
