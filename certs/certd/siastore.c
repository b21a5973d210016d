/* SPDX-License-Identifier: MIT */
#include "certs/certd/siastore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/conf.h"
#include "common/files.h"

#define SIASTORE_PAIRS ".pairs"
#define SIASTORE_LINK "current"
#define SIASTORE_LINK_NEW ".current.new"
#define SIASTORE_ROOM ".room"
#define SIASTORE_ROOM_BYTES 16384 /* three files and their directory, in blocks of 4 KiB */
#define SIASTORE_NAME_MAX 320     /* bytes with NUL of a name in keys/ and certs/ */
#define SIASTORE_TARGET_MAX 64    /* bytes with NUL of where a link of ours leads */
#define SIASTORE_DECIMAL_MAX 24   /* bytes with NUL of a number */

static const char *const siastore_files[] = { SIASTORE_KEY, SIASTORE_CERT, SIASTORE_CA };

/* ---- directories ---- */

/* Whoever may write there could put any file in the place of ours. */
static int siastore_check_dir(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return 0;
}

/* Opens the directory @name, a real one that is ours; makes it when it is absent. */
static int siastore_open_dir(int at, const char *name, int *ret)
{
	_cleanup_(closep) int fd = -1;
	int r;

	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : siastore_check_dir(fd);
	if (r == 0)
		*ret = steal_fd(&fd);
	return r;
}

static int siastore_sync(int fd)
{
	return fsync(fd) < 0 ? -errno : 0;
}

/* ---- numbers and links ---- */

/* The number that a name of ours is, 0 for any other name. */
static uint64_t siastore_number(const char *name)
{
	uint64_t n;

	if (*name < '1' || *name > '9' || conf_parse_u64(name, 1, UINT64_MAX - 1, &n) < 0)
		return 0;
	return n;
}

static void siastore_print(uint64_t n, char ret[static SIASTORE_DECIMAL_MAX])
{
	snprintf(ret, SIASTORE_DECIMAL_MAX, "%" PRIu64, n);
}

/* Reads where the link @name leads. Errors: 0; -ENOENT; -EINVAL when it is no link; -EEXIST when it
 * is none of ours. */
static int siastore_read_link(int at, const char *name, char ret[static SIASTORE_TARGET_MAX])
{
	ssize_t n = readlinkat(at, name, ret, SIASTORE_TARGET_MAX);

	if (n < 0)
		return -errno;
	if (n == SIASTORE_TARGET_MAX)
		return -EEXIST;
	ret[n] = '\0';
	return 0;
}

static int siastore_read_current(struct siastore *s)
{
	char target[SIASTORE_TARGET_MAX];
	const char *prefix = SIASTORE_PAIRS "/";
	int r = siastore_read_link(s->dir_fd, SIASTORE_LINK, target);

	s->current = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r == -EINVAL ? -EEXIST : r;
	if (!strncmp(target, prefix, strlen(prefix)))
		s->current = siastore_number(target + strlen(prefix));
	return s->current ? 0 : -EEXIST;
}

/* Makes or replaces the link @name by one rename; @tmp is a name of ours beside it. */
static int siastore_switch(int at, const char *tmp, const char *name, const char *target)
{
	int r = 0;

	if (unlinkat(at, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, at, tmp) < 0)
		return -errno;
	if (renameat(at, tmp, at, name) < 0) {
		r = -errno;
		unlinkat(at, tmp, 0);
	}
	return r;
}

/* ---- pairs ---- */

/* Files that are not ours keep their directory alive; nobody but our user can have put them. */
static void siastore_remove(struct siastore *s, uint64_t n)
{
	char name[SIASTORE_DECIMAL_MAX];
	_cleanup_(closep) int fd = -1;

	siastore_print(n, name);
	fd = openat(s->pairs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(siastore_files); i++)
		unlinkat(fd, siastore_files[i], 0);
	unlinkat(s->pairs_fd, name, AT_REMOVEDIR);
}

static DIR *siastore_read_dir(int at)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		closep(&fd);
	return d;
}

/* Finds the pair before the current one. Gives the highest number in use. */
static int siastore_look(struct siastore *s, uint64_t *ret_highest)
{
	DIR *d = siastore_read_dir(s->pairs_fd);
	uint64_t n, highest = s->current;
	struct dirent *e;

	if (!d)
		return -errno;
	s->before = 0;
	while ((e = readdir(d))) {
		n = siastore_number(e->d_name);
		highest = n > highest ? n : highest;
		if (n < s->current && n > s->before)
			s->before = n;
	}
	closedir(d);
	*ret_highest = highest;
	return 0;
}

/* Keeps the current pair, the one before, and what is staged. As siastore_look(). */
static int siastore_clean(struct siastore *s, uint64_t *ret_highest)
{
	int r = siastore_look(s, ret_highest);
	struct dirent *e;
	DIR *d;

	if (r < 0)
		return r;
	d = siastore_read_dir(s->pairs_fd);
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		uint64_t n = siastore_number(e->d_name);

		if (n && n != s->current && n != s->before && n != s->staged)
			siastore_remove(s, n);
	}
	closedir(d);
	return 0;
}

/* ---- another user ---- */

/* What was another one's than the last user's stays so. */
static int siastore_give_one(int fd, uid_t was, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == was ? files_give_fd(fd, uid, gid) : 0;
}

/* The directory last: who is interrupted begins again. */
static int siastore_give_pair(int fd, uid_t was, uid_t uid, gid_t gid)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(siastore_files) && r == 0; i++) {
		_cleanup_(closep) int file = openat(fd, siastore_files[i],
						    O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (file >= 0)
			r = siastore_give_one(file, was, uid, gid);
	}
	return r < 0 ? r : siastore_give_one(fd, was, uid, gid);
}

int siastore_give(int pairs_fd, uid_t uid, gid_t gid)
{
	struct dirent *e;
	struct stat st;
	int r = 0;
	DIR *d;

	if (fstat(pairs_fd, &st) < 0)
		return -errno;
	d = siastore_read_dir(pairs_fd);
	if (!d)
		return -errno;
	while (r == 0 && (e = readdir(d))) {
		_cleanup_(closep) int fd = -1;

		if (!siastore_number(e->d_name))
			continue;
		fd = openat(pairs_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			r = siastore_give_pair(fd, st.st_uid, uid, gid);
	}
	closedir(d);
	return r;
}

/* Two that refresh the same certificate make the issuer revoke it. Ends with the process. */
static int siastore_lock(struct siastore *s)
{
	if (flock(s->pairs_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int siastore_open_all(struct siastore *s, const char *dir)
{
	uint64_t highest;
	int r;

	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->dir_fd < 0 ? -errno : siastore_check_dir(s->dir_fd);
	if (r == 0)
		r = siastore_open_dir(s->dir_fd, SIASTORE_PAIRS, &s->pairs_fd);
	if (r == 0)
		r = siastore_open_dir(s->dir_fd, "keys", &s->keys_fd);
	if (r == 0)
		r = siastore_open_dir(s->dir_fd, "certs", &s->certs_fd);
	if (r == 0)
		r = siastore_lock(s);
	if (r == 0)
		r = siastore_sync(s->dir_fd);
	if (r == 0)
		r = siastore_read_current(s);
	return r < 0 ? r : siastore_clean(s, &highest);
}

int siastore_open(struct siastore *s, const char *dir)
{
	_cleanup_(siastore_close) struct siastore n = SIASTORE_INIT;
	int r = siastore_open_all(&n, dir);

	if (r < 0)
		return r;
	*s = n;
	n = (struct siastore)SIASTORE_INIT;
	return 0;
}

void siastore_close(struct siastore *s)
{
	closep(&s->dir_fd);
	closep(&s->pairs_fd);
	closep(&s->keys_fd);
	closep(&s->certs_fd);
}

/* ---- staging ---- */

static int siastore_write(int at, const char *name, const void *bytes, size_t len, mode_t mode)
{
	_cleanup_(closep) int fd =
		openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const char *p = bytes;

	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static bool siastore_is_one(int at, const char *name, int fd)
{
	struct stat there, open;

	return fd >= 0 && fstatat(at, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(fd, &open) == 0 && there.st_dev == open.st_dev && there.st_ino == open.st_ino;
}

bool siastore_is_same(const struct siastore *s, const char *dir)
{
	_cleanup_(closep) int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && siastore_is_one(fd, ".", s->dir_fd) &&
	       siastore_is_one(s->dir_fd, SIASTORE_PAIRS, s->pairs_fd) &&
	       siastore_is_one(s->dir_fd, "keys", s->keys_fd) &&
	       siastore_is_one(s->dir_fd, "certs", s->certs_fd);
}

int siastore_try(struct siastore *s)
{
	static const char zeros[SIASTORE_ROOM_BYTES];
	int r;

	if (unlinkat(s->pairs_fd, SIASTORE_ROOM, 0) < 0 && errno != ENOENT)
		return -errno;
	r = siastore_write(s->pairs_fd, SIASTORE_ROOM, zeros, sizeof(zeros), 0600);
	if (unlinkat(s->pairs_fd, SIASTORE_ROOM, 0) < 0 && r == 0)
		r = -errno;
	return r;
}

static int siastore_write_pair(int fd, const struct siastore_pair *pair)
{
	int r = siastore_write(fd, SIASTORE_KEY, pair->key, pair->key_len, 0440);

	if (r == 0)
		r = siastore_write(fd, SIASTORE_CERT, pair->cert, pair->cert_len, 0444);
	if (r == 0)
		r = siastore_write(fd, SIASTORE_CA, pair->ca, pair->ca_len, 0444);
	/* The umask may have taken what mkdir gave. */
	if (r == 0 && fchmod(fd, 0755) < 0)
		r = -errno;
	return r < 0 ? r : siastore_sync(fd);
}

int siastore_stage(struct siastore *s, const struct siastore_pair *pair)
{
	char name[SIASTORE_DECIMAL_MAX];
	_cleanup_(closep) int fd = -1;
	uint64_t highest;
	int r;

	siastore_discard(s);
	r = siastore_clean(s, &highest);
	if (r < 0)
		return r;
	siastore_print(highest + 1, name);
	if (mkdirat(s->pairs_fd, name, 0700) < 0)
		return -errno;
	s->staged = highest + 1;
	fd = openat(s->pairs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : siastore_write_pair(fd, pair);
	if (r == 0)
		r = siastore_sync(s->pairs_fd);
	if (r < 0)
		siastore_discard(s);
	return r;
}

void siastore_discard(struct siastore *s)
{
	if (s->staged)
		siastore_remove(s, s->staged);
	s->staged = 0;
}

int siastore_path(const struct siastore *s, const char *dir, bool staged, char *ret, size_t cap)
{
	uint64_t n = staged ? s->staged : s->current;

	if (!n)
		return -ENOENT;
	if ((size_t)snprintf(ret, cap, "%s/" SIASTORE_PAIRS "/%" PRIu64, dir, n) >= cap)
		return -ENAMETOOLONG;
	return 0;
}

/* ---- names ---- */

/* Makes @name lead to @file of the current pair. What is there and no link of ours is left alone
 * unless @replaces; a directory always. */
static int siastore_name_one(int at, const char *name, const char *file, bool replaces)
{
	char have[SIASTORE_TARGET_MAX], want[SIASTORE_TARGET_MAX], tmp[SIASTORE_NAME_MAX + 8];
	int r = siastore_read_link(at, name, have);

	snprintf(want, sizeof(want), "../" SIASTORE_LINK "/%s", file);
	if (r == 0 && !strcmp(have, want))
		return 0;
	if (r < 0 && r != -ENOENT && r != -EINVAL && r != -EEXIST)
		return r;
	if (r != -ENOENT && !replaces)
		return 0;
	snprintf(tmp, sizeof(tmp), ".%s.new", name);
	r = siastore_switch(at, tmp, name, want);
	return r < 0 ? r : siastore_sync(at);
}

/* Removes links of ours to @file that have another name than @keep: of an earlier principal. */
static void siastore_forget(int at, const char *file, const char *keep)
{
	char have[SIASTORE_TARGET_MAX], ours[SIASTORE_TARGET_MAX];
	DIR *d = siastore_read_dir(at);
	struct dirent *e;

	snprintf(ours, sizeof(ours), "../" SIASTORE_LINK "/%s", file);
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, keep) != 0 && !siastore_read_link(at, e->d_name, have) &&
		    !strcmp(have, ours))
			unlinkat(at, e->d_name, 0);
	if (d)
		closedir(d);
}

static int siastore_name_all(struct siastore *s, const char *principal, bool replaces)
{
	char key[SIASTORE_NAME_MAX], cert[SIASTORE_NAME_MAX];
	int r;

	if ((size_t)snprintf(key, sizeof(key), "%s.key.pem", principal) >= sizeof(key) ||
	    (size_t)snprintf(cert, sizeof(cert), "%s.cert.pem", principal) >= sizeof(cert))
		return -ENAMETOOLONG;
	r = siastore_name_one(s->keys_fd, key, SIASTORE_KEY, replaces);
	if (r == 0)
		r = siastore_name_one(s->certs_fd, cert, SIASTORE_CERT, replaces);
	if (r == 0)
		r = siastore_name_one(s->certs_fd, SIASTORE_CA, SIASTORE_CA, replaces);
	if (r == 0 && replaces) {
		siastore_forget(s->keys_fd, SIASTORE_KEY, key);
		siastore_forget(s->certs_fd, SIASTORE_CERT, cert);
	}
	return r;
}

int siastore_name(struct siastore *s, const char *principal)
{
	return siastore_name_all(s, principal, true);
}

/* New names first, so that a full disk is noticed before the switch; files of another agent are
 * replaced behind it, so that their readers are never without any. */
int siastore_commit(struct siastore *s, const char *principal)
{
	char target[SIASTORE_TARGET_MAX];
	uint64_t highest;
	int r;

	if (!s->staged)
		return -ENOENT;
	r = siastore_name_all(s, principal, false);
	snprintf(target, sizeof(target), SIASTORE_PAIRS "/%" PRIu64, s->staged);
	if (r == 0)
		r = siastore_switch(s->dir_fd, SIASTORE_LINK_NEW, SIASTORE_LINK, target);
	if (r < 0)
		return r;
	s->current = s->staged;
	s->staged = 0;
	if (siastore_sync(s->dir_fd) < 0 || siastore_name_all(s, principal, true) < 0)
		return SIASTORE_E_LATE;
	return siastore_clean(s, &highest) < 0 ? SIASTORE_E_LATE : 0;
}

/* The names first: who opens them must not find half of a pair. */
int siastore_withdraw(struct siastore *s)
{
	uint64_t highest;
	int r;

	if (unlinkat(s->dir_fd, SIASTORE_LINK, 0) < 0 && errno != ENOENT)
		return -errno;
	s->current = 0;
	r = siastore_sync(s->dir_fd);
	return r < 0 ? r : siastore_clean(s, &highest);
}
