/* SPDX-License-Identifier: MIT */
/* The main program of a fuzz target without a fuzzer: feeds every file of the folders (or the
 * single files) given as arguments to LLVMFuzzerTestOneInput(), after the empty input. Each input
 * lies in an allocation of exactly its size, so that the sanitizer sees one byte too far. Ends with
 * 1 when a folder is missing or holds nothing: a replay of nothing proves nothing. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	REPLAY_FILE_MAX = 1 << 20, /* bytes of one input; seeds are meant to be small */
	REPLAY_PATH_MAX = 4096,    /* bytes */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_bytes(FILE *file, size_t size)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	int r = 0;

	if (data == NULL)
		return -ENOMEM;
	if (fread(data, 1, size, file) == size)
		(void)LLVMFuzzerTestOneInput(data, size);
	else
		r = -EIO;
	free(data);
	return r;
}

static int replay_file(const char *path, size_t size)
{
	FILE *file;
	int r;

	if (size > REPLAY_FILE_MAX)
		return -EFBIG;
	file = fopen(path, "rbe");
	if (file == NULL)
		return -errno;
	/* Seen last when the target aborts. */
	(void)fprintf(stderr, "replay: %s (%zu bytes)\n", path, size);
	r = replay_bytes(file, size);
	(void)fclose(file);
	return r;
}

static int replay_path(const char *path, unsigned int *n_inputs);

static int replay_folder(const char *path, unsigned int *n_inputs)
{
	char child[REPLAY_PATH_MAX];
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, NULL, alphasort);
	int r = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		if (r == 0 && entries[i]->d_name[0] != '.') {
			(void)snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
			r = replay_path(child, n_inputs);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int replay_path(const char *path, unsigned int *n_inputs)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return replay_folder(path, n_inputs);
	r = replay_file(path, (size_t)st.st_size);
	*n_inputs += r == 0;
	return r;
}

static int replay_argument(const char *path)
{
	unsigned int n_inputs = 0;
	int r = replay_path(path, &n_inputs);

	if (r == 0 && n_inputs == 0)
		r = -ENODATA;
	if (r < 0)
		(void)fprintf(stderr, "replay: %s: %s\n", path, strerror(-r));
	else
		(void)printf("replay: %s: %u inputs\n", path, n_inputs);
	return r;
}

int main(int argc, char **argv)
{
	uint8_t *nothing = calloc(1, 1);
	int status = argc > 1 ? 0 : 1;

	if (nothing == NULL)
		return 1;
	(void)LLVMFuzzerTestOneInput(nothing, 0);
	free(nothing);
	for (int i = 1; i < argc; i++) {
		if (replay_argument(argv[i]) < 0)
			status = 1;
	}
	return status;
}
