/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyfile.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/files.h"
#include "netpolicy/parse/policyline.h"

#define POLICYFILE_USER_BYTES 65536 /* for one entry of the system's users */

struct policyfile_id {
	dev_t dev;
	ino_t ino;
	char file[POLICY_WHERE_MAX]; /* as messages name it */
};

/* One reading of a page with all its files. */
struct policyfile {
	struct policyline line;      /* first: policyfile_open() finds us by it */
	char folder[FILES_PATH_MAX]; /* of the page, with the slash; "" = the current one */
	struct policyfile_id ids[POLICYFILE_FILES_MAX + 1];
	size_t n_ids;
	unsigned int depth;
};

int policyfile_system_user(const char *name, uint32_t *ret)
{
	char *buf = malloc(POLICYFILE_USER_BYTES);
	struct passwd pw, *found = NULL;
	int r;

	if (!buf)
		return -ENOMEM;
	r = getpwnam_r(name, &pw, buf, POLICYFILE_USER_BYTES, &found);
	if (found)
		*ret = found->pw_uid;
	free(buf);
	if (found)
		return 0;
	/* What "not there" is called differs between the sources of users: getpwnam_r(3), NOTES. */
	return r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM ? -ENOENT : -r;
}

/* An error of a whole file. */
static int policyfile_fail(struct policyfile *f, int r, const char *file, const char *what)
{
	struct policyfile_error *e = f->line.error;

	policyline_file(file, e->file);
	e->line = e->column = 0;
	snprintf(e->text, sizeof(e->text), "%s: %s", e->file, what);
	return r;
}

/* Notes that @path is read. Errors: 0; -EEXIST with the name it had in *ret_file. */
static int policyfile_note(struct policyfile *f, const char *path, const char *file,
			   const char **ret_file)
{
	struct policyfile_id *id = &f->ids[f->n_ids];
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	for (size_t i = 0; i < f->n_ids; i++)
		if (f->ids[i].dev == st.st_dev && f->ids[i].ino == st.st_ino) {
			*ret_file = f->ids[i].file;
			return -EEXIST;
		}
	if (f->n_ids == POLICYFILE_FILES_MAX + 1)
		return -E2BIG;
	*id = (struct policyfile_id){ .dev = st.st_dev, .ino = st.st_ino };
	policyline_file(file, id->file);
	f->n_ids++;
	return 0;
}

/* Where the file is that messages call @shown. */
static int policyfile_path(const struct policyfile *f, const char *shown,
			   char ret[static FILES_PATH_MAX])
{
	int n = snprintf(ret, FILES_PATH_MAX, "%s%s", shown[0] == '/' ? "" : f->folder, shown);

	return n < FILES_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Lines of a text that was read to its end. */
static unsigned int policyfile_lines(const struct policyscan *s)
{
	return s->at == s->line_start ? s->line - 1 : s->line;
}

/* Reads the text of one file; afterwards we are again where we were. */
static int policyfile_read_text(struct policyfile *f, const char *shown, const char *text,
				size_t len, struct policy_prefixes *set)
{
	struct policyline *l = &f->line;
	struct policyline_place saved = l->now;
	unsigned int before = l->n_lines;
	int r;

	l->n_lines += saved.token.line;
	l->in_list = set;
	r = policyline_start(l, shown, text, len);
	if (r == 0)
		r = set ? policyline_read_prefixes(l, set) : policyline_read(l);
	if (r < 0)
		return r;
	l->n_lines = before + (set ? 0 : policyfile_lines(&l->now.scan));
	l->in_list = false;
	l->now = saved;
	return 0;
}

/* Reads one file. @ret_why: what kept us from it, when there is no other message. */
static int policyfile_read(struct policyfile *f, const char *shown, struct policy_prefixes *set,
			   const char **ret_why)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	char path[FILES_PATH_MAX];
	const char *other = NULL;
	size_t len;
	int r = policyfile_path(f, shown, path);

	if (r == 0 && !set)
		r = policyfile_note(f, path, shown, &other);
	if (r == 0)
		r = files_read(path, POLICYFILE_BYTES_MAX, &bytes, &len);
	if (r == 0)
		return policyfile_read_text(f, shown, (const char *)bytes, len, set);
	*ret_why = r == -EEXIST ? "it was read before" :
		   r == -E2BIG  ? "there are more than 64 files beside the page" :
		   r == -EINVAL ? "it is not a regular file" :
		   r == -EFBIG  ? "it has more than 8 MiB" :
				  strerror(-r);
	return r;
}

/* The name in messages of @path as @from writes it: relative to the folder of @from. */
static int policyfile_join(const char *from, const char *path, char ret[static POLICYLINE_FILE_MAX])
{
	const char *slash = path[0] == '/' ? NULL : strrchr(from, '/');
	int n = snprintf(ret, POLICYLINE_FILE_MAX, "%.*s%s", slash ? (int)(slash - from) + 1 : 0,
			 from, path);

	return n < POLICYLINE_FILE_MAX ? 0 : -ENAMETOOLONG;
}

static int policyfile_open(struct policyline *l, const char *path, struct policy_prefixes *set)
{
	struct policyfile *f = (struct policyfile *)l;
	char shown[POLICYLINE_FILE_MAX];
	const char *why = NULL;
	int r = policyfile_join(l->now.file, path, shown);

	if (r < 0)
		return policyline_fail(l, "the path is too long");
	if (f->depth == POLICYFILE_DEPTH_MAX)
		return policyline_fail(l, "files include files more than %d deep",
				       POLICYFILE_DEPTH_MAX);
	f->depth++;
	r = policyfile_read(f, shown, set, &why);
	f->depth--;
	return why ? policyline_fail(l, "cannot read '%.64s': %s", path, why) : r;
}

static int policyfile_is_dropin(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

/* By bytes, whatever the locale is. */
static int policyfile_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Reads what no line leads to: the page and its drop-ins. */
static int policyfile_take(struct policyfile *f, const char *shown)
{
	const char *why = NULL;
	char text[128];
	int r = policyfile_read(f, shown, NULL, &why);

	if (!why)
		return r;
	snprintf(text, sizeof(text), "cannot read it: %s", why);
	return policyfile_fail(f, r, shown, text);
}

static int policyfile_take_dropin(struct policyfile *f, const char *dir, const char *name)
{
	char shown[POLICYLINE_FILE_MAX];
	int r;

	if (snprintf(shown, sizeof(shown), "%s/%s", dir, name) >= (int)sizeof(shown))
		return policyfile_fail(f, -ENAMETOOLONG, dir, "the name of a file is too long");
	r = policyfile_take(f, shown);
	/* -ENOENT means that there is no page; a link to nowhere is a broken one. */
	return r == -ENOENT ? -EINVAL : r;
}

static int policyfile_take_dropins(struct policyfile *f, const char *dir)
{
	char path[FILES_PATH_MAX];
	struct dirent **list = NULL;
	int n, r = policyfile_path(f, dir, path);

	n = r < 0 ? -1 : scandir(path, &list, policyfile_is_dropin, policyfile_by_name);
	if (n < 0 && r == 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		r = r < 0 ? r : -errno;
		return policyfile_fail(f, r, dir, strerror(-r));
	}
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = policyfile_take_dropin(f, dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

/* "policy.conf" -> "policy.d". */
static void policyfile_dropin_dir(const char *page, char ret[static POLICYLINE_FILE_MAX])
{
	size_t n = strlen(page);

	if (n > 5 && !strcmp(page + n - 5, ".conf"))
		n -= 5;
	snprintf(ret, POLICYLINE_FILE_MAX, "%.*s.d", (int)n, page);
}

/* policy_check() names the line in its text, "policy.conf:17: …", or no line at all. */
static void policyfile_place(struct policyfile_error *e)
{
	size_t n = strcspn(e->text, ": ");
	char *end;
	unsigned long line;

	if (e->text[n] != ':' || n >= sizeof(e->file))
		return;
	line = strtoul(e->text + n + 1, &end, 10);
	if (*end != ':' || line > POLICYFILE_LINES_MAX)
		return;
	memcpy(e->file, e->text, n);
	e->file[n] = '\0';
	e->line = (unsigned int)line;
}

static int policyfile_check(struct policyfile *f)
{
	struct policyfile_error *e = f->line.error;
	char text[POLICY_ERROR_MAX] = "";
	int r;

	policy_finish(f->line.policy);
	r = policy_check(f->line.policy, text);
	if (r == 0)
		return 0;
	*e = (struct policyfile_error){ .line = 0 };
	memcpy(e->text, text, sizeof(e->text));
	policyfile_place(e);
	return r;
}

/* What follows the last file; gives the policy away. */
static int policyfile_done(struct policyfile *f, const char *name, struct policy **policy,
			   struct policy **ret)
{
	const char *missing = policyline_missing(&f->line);
	char text[64];
	int r;

	if (missing) {
		snprintf(text, sizeof(text), "the line %s is missing", missing);
		return policyfile_fail(f, -EINVAL, name, text);
	}
	r = policyfile_check(f);
	if (r == 0)
		*ret = steal_ptr(*policy);
	return r;
}

static void policyfile_start(struct policyfile *f, struct policy *policy,
			     policyfile_resolver *resolve, struct policyfile_error *error)
{
	*f = (struct policyfile){ .line = {
					  .policy = policy, .resolve = resolve, .error = error } };
	*error = (struct policyfile_error){ .text = "out of memory" };
}

/* Reads the page and its drop-ins, and gives the name of the page. */
static int policyfile_run(struct policyfile *f, const char *path,
			  char ret_page[static POLICYLINE_FILE_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;
	const char *base = path + dir_len;
	char dir[POLICYLINE_FILE_MAX];
	int r;

	if (dir_len >= FILES_PATH_MAX - POLICYLINE_FILE_MAX)
		return policyfile_fail(f, -ENAMETOOLONG, base, "its path is too long");
	if (strlen(base) >= POLICYLINE_FILE_MAX - 8)
		return policyfile_fail(f, -ENAMETOOLONG, base, "its name is too long");
	snprintf(f->folder, sizeof(f->folder), "%.*s", (int)dir_len, path);
	memcpy(ret_page, base, strlen(base) + 1);
	r = policyfile_take(f, base);
	policyfile_dropin_dir(base, dir);
	return r < 0 ? r : policyfile_take_dropins(f, dir);
}

int policyfile_load(const char *path, policyfile_resolver *resolve, struct policy **ret,
		    struct policyfile_error *ret_error)
{
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	char page[POLICYLINE_FILE_MAX];
	struct policyfile f;
	int r;

	policyfile_start(&f, policy, resolve, ret_error);
	if (!policy)
		return -ENOMEM;
	f.line.open = policyfile_open;
	r = policyfile_run(&f, path, page);
	return r < 0 ? r : policyfile_done(&f, page, &policy, ret);
}

int policyfile_load_text(const char *name, const char *text, policyfile_resolver *resolve,
			 struct policy **ret, struct policyfile_error *ret_error)
{
	_cleanup_(policy_freep) struct policy *policy = policy_new();
	struct policyfile f;
	int r;

	policyfile_start(&f, policy, resolve, ret_error);
	if (!policy)
		return -ENOMEM;
	r = policyfile_read_text(&f, name, text, strlen(text), NULL);
	return r < 0 ? r : policyfile_done(&f, name, &policy, ret);
}
