/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/lawfile.h"

#include <errno.h>
#include <stdio.h>

#include "common/files.h"

static int lawfile_path(const char *state_dir, const char *name, char ret[static FILES_PATH_MAX])
{
	return (size_t)snprintf(ret, FILES_PATH_MAX, "%s/%s", state_dir, name) >= FILES_PATH_MAX ?
		       -ENAMETOOLONG :
		       0;
}

static int lawfile_get(const char *state_dir, const char *name, bool is_trial,
		       struct batchfile *ret, char *error)
{
	char path[FILES_PATH_MAX];
	int r = lawfile_path(state_dir, name, path);

	*ret = (struct batchfile){ 0 };
	if (r == 0)
		r = batchfile_read(path, ret);
	if (r < 0) {
		snprintf(error, BATCH_ERROR_MAX, "%s", batchfile_strerror(r));
		return r;
	}
	r = is_trial ? batch_check_trial(ret->batch, ret->batch_len, error) :
		       batch_check(ret->batch, ret->batch_len, error);
	return r < 0 ? LAWFILE_E_REFUSED : 0;
}

int lawfile_read(const char *state_dir, const char *name, struct batchfile *ret,
		 char ret_error[static BATCH_ERROR_MAX])
{
	return lawfile_get(state_dir, name, false, ret, ret_error);
}

int lawfile_read_trial(const char *state_dir, struct batchfile *ret,
		       char ret_error[static BATCH_ERROR_MAX])
{
	return lawfile_get(state_dir, LAWFILE_NEXT, true, ret, ret_error);
}

int lawfile_save(const char *state_dir, const struct batchfile *f)
{
	char path[FILES_PATH_MAX];
	int r = lawfile_path(state_dir, LAWFILE_SAVED, path);

	return r < 0 ? r : batchfile_write(path, f);
}

int lawfile_swap(const char *state_dir)
{
	char path[FILES_PATH_MAX];
	int r = lawfile_path(state_dir, LAWFILE_SAVED, path);

	return r < 0 ? r : batchfile_rollback(path);
}

int lawfile_hold(const char *state_dir)
{
	char from[FILES_PATH_MAX], to[FILES_PATH_MAX];
	int r = lawfile_path(state_dir, LAWFILE_NEXT, from);

	if (r == 0)
		r = lawfile_path(state_dir, LAWFILE_PENDING, to);
	if (r == 0 && rename(from, to) < 0)
		r = -errno;
	return r;
}

int lawfile_forget(const char *state_dir)
{
	char path[FILES_PATH_MAX];
	int r = lawfile_path(state_dir, LAWFILE_PENDING, path);

	if (r == 0 && unlink(path) < 0)
		r = -errno;
	return r;
}
