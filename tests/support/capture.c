/* SPDX-License-Identifier: MIT */
#include "tests/support/capture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/tmpdir.h"

static char capture_text[64 * 1024];
static int capture_saved = -1;

void capture_begin(void)
{
	char path[PATH_MAX];
	int fd = open(tmpdir_path(path, "stderr"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	capture_saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (fd < 0 || capture_saved < 0 || dup2(fd, STDERR_FILENO) < 0)
		abort();
	close(fd);
}

const char *capture_end(void)
{
	ssize_t n = pread(STDERR_FILENO, capture_text, sizeof(capture_text) - 1, 0);

	capture_text[n < 0 ? 0 : n] = '\0';
	if (dup2(capture_saved, STDERR_FILENO) < 0)
		abort();
	close(capture_saved);
	return capture_text;
}
