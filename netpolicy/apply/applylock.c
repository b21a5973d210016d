/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/applylock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>

#include "common/clk.h"
#include "common/files.h"

#define APPLYLOCK_RETRY_MS 20

int applylock_take(const char *state_dir, uint64_t deadline_ns, int *ret)
{
	_cleanup_(closep) int fd = -1;
	char path[FILES_PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/" APPLYLOCK_NAME, state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clk_now_ns() >= deadline_ns)
			return -EBUSY;
		/* A lock tells nobody when it is free. */
		(void)poll(NULL, 0, APPLYLOCK_RETRY_MS);
	}
	*ret = steal_fd(&fd);
	return 0;
}
