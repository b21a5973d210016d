/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/filewatch.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Errors: 0; -errno. *ret is filled in any case. */
static int filewatch_look(const char *path, struct filewatch_mark *ret)
{
	struct stat st;

	*ret = (struct filewatch_mark){ 0 };
	if (stat(path, &st) < 0)
		return -errno;
	*ret = (struct filewatch_mark){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.changed_s = st.st_mtim.tv_sec,
		.changed_ns = st.st_mtim.tv_nsec,
	};
	return 0;
}

int filewatch_add(struct filewatch *w, const char *path)
{
	if (w->n == FILEWATCH_FILES_MAX)
		return -E2BIG;
	w->paths[w->n] = path;
	return filewatch_look(path, &w->marks[w->n++]);
}

bool filewatch_changed(struct filewatch *w)
{
	bool changed = false;

	for (size_t i = 0; i < w->n; i++) {
		struct filewatch_mark mark;

		(void)filewatch_look(w->paths[i], &mark); /* absent is a mark, too */
		changed |= memcmp(&mark, &w->marks[i], sizeof(mark)) != 0;
		w->marks[i] = mark;
	}
	return changed;
}
