/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether files are still those that were looked at last: device, inode, size and time of change of
 * what each path leads to. Nothing is opened. Certificates live behind a symbolic link that is
 * switched, which changes the inode; a file that is written in place changes its time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define FILEWATCH_FILES_MAX 4

/* One file as it was; all zero when it was not there. */
struct filewatch_mark {
	uint64_t device, inode, size;
	int64_t changed_s, changed_ns;
};

struct filewatch {
	const char *paths[FILEWATCH_FILES_MAX]; /* kept */
	size_t n;
	struct filewatch_mark marks[FILEWATCH_FILES_MAX];
};

/* Adds a path and notes what is there. Keeps @path. Errors: 0; -E2BIG; -errno when the file cannot
 * be looked at, and then it counts as absent. */
int filewatch_add(struct filewatch *w, const char *path) _warn_unused_;

/* True when one of the files is another one than when it was last looked at, has come or gone. */
bool filewatch_changed(struct filewatch *w);
