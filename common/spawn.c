/* SPDX-License-Identifier: MIT */
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "config.h"

#define SPAWN_HIGH_FD 16 /* descriptors are parked here before they go to their final number */

/* Puts @fd at @target without close-on-exec. */
static int spawn_place_fd(int fd, int target)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);

	if (high < 0 || dup2(high, target) < 0)
		return -errno;
	return 0;
}

static int spawn_place_fds(const struct spawn_spec *spec)
{
	int chan = fcntl(spec->chan_fd, F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);
	int extra = spec->extra_fd < 0 ? -1 : fcntl(spec->extra_fd, F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	if (chan < 0 || null < 0 || (spec->extra_fd >= 0 && extra < 0))
		return -errno;
	r = spawn_place_fd(null, STDIN_FILENO);
	if (r == 0)
		r = spawn_place_fd(chan, SPAWN_CHAN_FD);
	if (r == 0 && extra >= 0)
		r = spawn_place_fd(extra, SPAWN_EXTRA_FD);
	return r;
}

/* Runs in the child; tells the parent on @status_fd when it fails, which exec closes otherwise. */
static void spawn_child(const struct spawn_spec *spec, int status_fd, pid_t parent)
{
	sigset_t none;
	int r = 0;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && getppid() != parent)
		r = -ESRCH;
	if (r == 0)
		r = spawn_place_fds(spec);
	if (r == 0) {
		execv(spec->path, (char *const *)spec->argv);
		r = -errno;
	}
	if (write(status_fd, &r, sizeof(r)) < 0)
		_exit(127);
	_exit(127);
}

int spawn_start(const struct spawn_spec *spec, pid_t *ret_pid)
{
	pid_t parent = getpid();
	int status[2];
	int failure = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	/* The status pipe must not sit where the child puts its own descriptors. */
	int report = fcntl(status[1], F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);

	pid = report < 0 ? -1 : fork();
	if (pid == 0)
		spawn_child(spec, report, parent);
	failure = pid < 0 ? -errno : 0;
	closep(&status[1]);
	closep(&report);
	n = failure ? 0 : read(status[0], &failure, sizeof(failure));
	closep(&status[0]);
	if (n == (ssize_t)sizeof(failure))
		waitpid(pid, NULL, 0);
	if (failure)
		return failure;
	*ret_pid = pid;
	return 0;
}

int spawn_find(const char *name, char *ret, size_t cap)
{
	const char *dir = secure_getenv("POSTERN_LIBEXECDIR");

	if (!dir || dir[0] != '/')
		dir = POSTERN_LIBEXECDIR;
	return (size_t)snprintf(ret, cap, "%s/%s", dir, name) < cap ? 0 : -ENAMETOOLONG;
}
