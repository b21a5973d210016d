/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whole small files: read with a limit, replaced atomically (written to "<path>.new", synced,
 * renamed, directory synced) so that a crash at any moment leaves the old or the new content, never
 * a mix. A "<path>.new" that a crash left is taken over by the next write.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/attr.h"

#define FILES_PATH_MAX 4096 /* bytes with the NUL; PATH_MAX of Linux */

/* Reads the regular file @path of at most @max bytes, far below SIZE_MAX. Gives *ret (one NUL byte
 * is appended behind the content; free() it) and *ret_len.
 * Errors: 0; -EFBIG over @max; -EINVAL when it is not a regular file; -ENOENT...; -ENOMEM. */
int files_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len) _warn_unused_;

/* Replaces @path with @len bytes of @data, file mode exactly @mode. Borrows @data.
 * Errors: 0; -EBUSY when another program writes it at this moment; -errno. The old content is then
 * untouched, but for an error of the last steps, with the new content in place: a mode with an
 * owner's write bit too many, or no promise that it outlives a power cut. */
int files_write(const char *path, const void *data, size_t len, mode_t mode) _warn_unused_;

/* As files_write(), with the mode of @like and, when root writes, its owner: it has both before it
 * is in its place, so that who reads it there always can. */
int files_write_like(const char *path, const void *data, size_t len,
		     const struct stat *like) _warn_unused_;

/* Makes the directory @path with @mode if it is absent (parents must exist).
 * Errors: 0; -ENOTDIR when something else is there; -errno. */
int files_make_dir(const char *path, mode_t mode) _warn_unused_;

/* As files_make_dir(), after its parent (mode 0755) where that is absent. */
int files_make_path(const char *path, mode_t mode) _warn_unused_;

/* Gives what @fd (O_PATH will do) is to another owner, as root: a directory, or a file that has no
 * other name. Anything else stays whose it is. Errors: 0; -errno. Source: chown(2), fchownat(). */
int files_give_fd(int fd, uid_t uid, gid_t gid) _warn_unused_;

/* Gives the directory @path and those of the files @names in it (NULL-terminated) that exist to
 * another owner, as root: what an earlier start as another user left must not stop this one.
 * Follows no link in it, and leaves a file that has another name elsewhere. Errors: 0; -errno. */
int files_give(const char *path, const char *const *names, uid_t uid, gid_t gid) _warn_unused_;

/* free() for _cleanup_(files_freep). */
void files_freep(uint8_t **p);
