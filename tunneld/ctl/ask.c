/* SPDX-License-Identifier: MIT */
#include "tunneld/ctl/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static int ask_connect(const char *run_dir, int *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", run_dir, STATUS_SOCKET) >=
	    sizeof(to.sun_path))
		return -ENAMETOOLONG;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

static int ask_send(int fd)
{
	struct chan_msg msg;

	status_encode_ask(&msg);
	return chan_send(fd, &msg);
}

static int ask_receive(int fd, struct status *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r;

	ops = status_ops(&n_ops);
	if (poll(&p, 1, ASK_WAIT_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(fd, ops, n_ops, &msg);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	r = status_decode(&msg, ret);
	chan_msg_release(&msg);
	return r;
}

static int ask_once(const char *run_dir, struct status *ret)
{
	_cleanup_(closep) int fd = -1;
	int r = ask_connect(run_dir, &fd);

	if (r == 0)
		r = ask_send(fd);
	return r < 0 ? r : ask_receive(fd, ret);
}

int ask_status(const char *run_dir, struct status *ret)
{
	int r = -EPIPE;

	for (int i = 0; i < ASK_TRIES && r == -EPIPE; i++)
		r = ask_once(run_dir, ret);
	return r;
}

/* Starts netpolicy with silent output; -1 when it is not there. */
static pid_t ask_spawn(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	if (posix_spawn_file_actions_init(&actions))
		return -1;
	if (posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ||
	    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ||
	    posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

enum ask_policy ask_policy(const char *config, const char *state_dir)
{
	const char *argv[8] = { "netpolicy", "check" };
	size_t n = 2;
	int status;
	pid_t pid;

	if (config) {
		argv[n++] = "--config";
		argv[n++] = config;
	}
	if (state_dir) {
		argv[n++] = "--state-dir";
		argv[n++] = state_dir;
	}
	pid = ask_spawn(argv);
	if (pid < 0)
		return ASK_POLICY_UNKNOWN;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ASK_POLICY_UNKNOWN;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return ASK_POLICY_UNKNOWN;
	return WEXITSTATUS(status) ? ASK_POLICY_DRIFT : ASK_POLICY_LOADED;
}
