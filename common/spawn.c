/* SPDX-License-Identifier: MIT */
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common/files.h"
#include "config.h"

#define SPAWN_HIGH_FD 16 /* descriptors are parked here before they go to their final number */

/* A copy of @fd out of the way of the final numbers; close-on-exec. */
static int spawn_raise_fd(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_HIGH_FD);

	return high < 0 ? -errno : high;
}

/* Runs in the child: 0, the channel, the extra one; everything behind them closes with exec. */
static int spawn_place_fds(const struct spawn_spec *spec)
{
	int chan = spawn_raise_fd(spec->chan_fd);
	int extra = spec->extra_fd < 0 ? -1 : spawn_raise_fd(spec->extra_fd);
	int null_low = open("/dev/null", O_RDWR | O_CLOEXEC);
	int null = null_low < 0 ? -errno : spawn_raise_fd(null_low);

	if (chan < 0 || null < 0)
		return chan < 0 ? chan : null;
	if (spec->extra_fd >= 0 && extra < 0)
		return extra;
	/* Before the copies, so that a number without one is covered as well. */
	if (close_range(SPAWN_CHAN_FD, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(chan, SPAWN_CHAN_FD) < 0)
		return -errno;
	return extra >= 0 && dup2(extra, SPAWN_EXTRA_FD) < 0 ? -errno : 0;
}

/* The handlers of the parent must not run in the child, and what it ignores must not stay so. */
static void spawn_reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Gives up what the worker must not have and becomes it. Returns only with an error. */
static int spawn_exec(const struct spawn_spec *spec, pid_t parent)
{
	int r;

	spawn_reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != parent)
		return -ESRCH; /* it died before the signal was asked for */
	r = spawn_place_fds(spec);
	if (r < 0)
		return r;
	execv(spec->path, (char *const *)spec->argv);
	return -errno;
}

/* Forks with every signal blocked: spawn_reset_signals() opens them again in the child. Only
 * async-signal-safe calls from there to exec. @report_fd: where the child tells its error; exec
 * closes it. */
static int spawn_fork(const struct spawn_spec *spec, int report_fd, pid_t *ret_pid)
{
	pid_t parent = getpid();
	sigset_t all, before;
	pid_t pid;
	int r;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		r = spawn_exec(spec, parent);
		_exit(write(report_fd, &r, sizeof(r)) < 0 ? 126 : 127);
	}
	r = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

/* Waits until exec has closed the pipe or the child has told why it could not. */
static int spawn_await(int status_fd, pid_t pid)
{
	int failure = 0;
	ssize_t n = TEMP_FAILURE_RETRY(read(status_fd, &failure, sizeof(failure)));

	if (n == 0)
		return 0;
	failure = n < 0 ? -errno : failure;
	if (n < 0)
		kill(pid, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	return failure;
}

int spawn_start(const struct spawn_spec *spec, pid_t *ret_pid)
{
	_cleanup_(closep) int status_fd = -1;
	_cleanup_(closep) int report_fd = -1;
	int status[2];
	pid_t pid;
	int r;

	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	status_fd = status[0];
	/* Not where the child puts its own descriptors. */
	report_fd = spawn_raise_fd(status[1]);
	closep(&status[1]);
	if (report_fd < 0)
		return report_fd;
	r = spawn_fork(spec, report_fd, &pid);
	if (r < 0)
		return r;
	closep(&report_fd);
	r = spawn_await(status_fd, pid);
	if (r == 0)
		*ret_pid = pid;
	return r;
}

int spawn_find(const char *name, char *ret, size_t cap)
{
	const char *dir = secure_getenv("POSTERN_LIBEXECDIR");

	if (!dir || dir[0] != '/')
		dir = POSTERN_LIBEXECDIR;
	return (size_t)snprintf(ret, cap, "%s/%s", dir, name) < cap ? 0 : -ENAMETOOLONG;
}

int spawn_worker(const char *name, int chan_fd, pid_t *ret_pid)
{
	char path[FILES_PATH_MAX];
	const char *const as_root[] = { name, "--user", "nobody", NULL };
	const char *const as_user[] = { name, NULL };
	const struct spawn_spec spec = {
		.path = path,
		.argv = geteuid() == 0 ? as_root : as_user,
		.chan_fd = chan_fd,
		.extra_fd = -1,
	};
	int r = spawn_find(name, path, sizeof(path));

	return r < 0 ? r : spawn_start(&spec, ret_pid);
}

void spawn_end(pid_t pid, char *ret_how, size_t cap)
{
	int status = 0;

	kill(pid, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	if (WIFSIGNALED(status))
		snprintf(ret_how, cap, "worker ended by signal %d", WTERMSIG(status));
	else
		snprintf(ret_how, cap, "worker ended with status %d", WEXITSTATUS(status));
}
