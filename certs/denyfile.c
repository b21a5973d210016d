/* SPDX-License-Identifier: MIT */
#include "certs/denyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/files.h"

#define DENYFILE_LINE_MAX 512 /* bytes, above the longest entry */

/* What is done to one file. */
struct denyfile {
	char path[FILES_PATH_MAX];
	char line[DENYFILE_LINE_MAX];
	struct denylist *entry; /* the line as a list of its own; owned */
	int lock_fd;
	struct stat st;
	char *error; /* DENYLIST_ERROR_MAX bytes */
};

static void denyfile_release(struct denyfile *f)
{
	denylist_free(f->entry);
	closep(&f->lock_fd);
}

static int denyfile_fail(const struct denyfile *f, int r)
{
	snprintf(f->error, DENYLIST_ERROR_MAX, "%.150s: %s", f->path, strerror(-r));
	return r;
}

/* A value must not be more than one: a comment would hide the rest, a newline begin another. */
static int denyfile_check_entry(struct denyfile *f, const char *word, const char *value)
{
	int n = snprintf(f->line, sizeof(f->line), "%s %s\n", word, value);

	if (!*word || n >= (int)sizeof(f->line) || strpbrk(word, "# \t\r\n") ||
	    strpbrk(value, "# \t\r\n")) {
		snprintf(f->error, DENYLIST_ERROR_MAX,
			 "an entry is 'principal NAME', 'instance ID' or 'serial HEX'");
		return -EINVAL;
	}
	return denylist_parse("the entry", f->line, (size_t)n, &f->entry, f->error);
}

/* The lock is on the directory: the file itself is another one after each change. */
static int denyfile_lock(struct denyfile *f, const char *path)
{
	char *real = realpath(path, NULL);
	char dir[FILES_PATH_MAX];

	snprintf(f->path, sizeof(f->path), "%s", real ? real : path);
	if (!real)
		return denyfile_fail(f, -errno);
	free(real);
	memcpy(dir, f->path, sizeof(dir));
	f->lock_fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock_fd < 0 || flock(f->lock_fd, LOCK_EX) < 0 || stat(f->path, &f->st) < 0)
		return denyfile_fail(f, -errno);
	return 0;
}

static bool denyfile_has(const struct denyfile *f, const struct denylist *d)
{
	const struct denylist_entry *e = denylist_at(f->entry, 0);

	return denylist_has(d, e->kind == DENYLIST_PRINCIPAL ? e->value : "",
			    e->kind == DENYLIST_INSTANCE ? e->value : "",
			    e->kind == DENYLIST_SERIAL ? e->value : "");
}

/* Reads what is there. Gives the file's text in @text. Errors: as denyfile_add(). */
static int denyfile_read(const struct denyfile *f, struct buf *text)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = files_read(f->path, DENYLIST_BYTES_MAX, &bytes, &len);

	if (r < 0)
		return denyfile_fail(f, r);
	r = denylist_parse(f->path, (const char *)bytes, len, &d, f->error);
	if (r < 0)
		return r;
	buf_add(text, (const char *)bytes); /* a list without a NUL, as was just seen */
	if (len && bytes[len - 1] != '\n')
		buf_add(text, "\n");
	return denyfile_has(f, d) ? DENYFILE_E_THERE : 0;
}

static int denyfile_write(const struct denyfile *f, const struct buf *text)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	int r = denylist_parse(f->path, text->text, text->len, &d, f->error);

	if (r < 0)
		return r;
	r = files_write_like(f->path, text->text, text->len, &f->st);
	return r < 0 ? denyfile_fail(f, r) : 0;
}

int denyfile_add(const char *path, const char *word, const char *value,
		 char ret_error[static DENYLIST_ERROR_MAX])
{
	_cleanup_(denyfile_release) struct denyfile f = { .lock_fd = -1, .error = ret_error };
	_cleanup_(buf_release) struct buf text = buf_init(DENYLIST_BYTES_MAX + DENYFILE_LINE_MAX);
	int r = denyfile_check_entry(&f, word, value);

	if (r == 0)
		r = denyfile_lock(&f, path);
	if (r == 0)
		r = denyfile_read(&f, &text);
	if (r != 0)
		return r;
	buf_add(&text, f.line);
	r = buf_done(&text);
	return r < 0 ? denyfile_fail(&f, r) : denyfile_write(&f, &text);
}
