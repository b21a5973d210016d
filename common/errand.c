/* SPDX-License-Identifier: MIT */
#include "common/errand.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/spawn.h"

int errand_start(struct errand *e, const char *program)
{
	const char *const argv[] = { program, NULL };
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	char path[FILES_PATH_MAX];
	int pair[2];
	int r;

	if (e->pid)
		return 0;
	e->program = program;
	r = spawn_find(program, path, sizeof(path));
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = spawn_start(&(struct spawn_spec){ path, argv, theirs, -1 }, &e->pid);
	if (r == 0)
		e->fd = steal_fd(&ours);
	return r;
}

int errand_ask(struct errand *e, const struct parcel *question, uint64_t ms, size_t max,
	       struct parcel *ret)
{
	uint64_t deadline = clk_now_ns() + ms * CLK_NS_PER_MS;
	int r = parcel_send(e->fd, question, deadline);

	return r < 0 ? r : parcel_receive(e->fd, max, deadline, ret);
}

/* Gives the signal that the child died of before it was ended here, or 0. */
static int errand_reap(struct errand *e)
{
	int status = 0;

	if (!e->pid)
		return 0;
	kill(e->pid, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(e->pid, &status, 0));
	e->pid = 0;
	closep(&e->fd);
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? WTERMSIG(status) : 0;
}

void errand_explain(struct errand *e, int error, char *ret, size_t cap)
{
	int sig = errand_reap(e);

	if (ret[0])
		return;
	if (sig)
		snprintf(ret, cap, "%s was ended by signal %d (%s)", e->program, sig,
			 strsignal(sig));
	else
		snprintf(ret, cap, "%s: %s", e->program,
			 error == -EPIPE     ? "it ended without an answer" :
			 error == -ETIMEDOUT ? "no answer in time" :
			 error == -EBADMSG   ? "its answer is not one" :
					       strerror(-error));
}

void errand_end(struct errand *e)
{
	(void)errand_reap(e);
}
