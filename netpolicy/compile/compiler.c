/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/compiler.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/spawn.h"
#include "netpolicy/apply/batch.h"

/* The two ends of the socket; the child's is closed as soon as it runs. */
static int compiler_start(int *ret_fd, pid_t *ret_pid)
{
	static const char *const argv[] = { COMPILER_PROGRAM, NULL };
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	char path[FILES_PATH_MAX];
	int pair[2];
	int r = spawn_find(COMPILER_PROGRAM, path, sizeof(path));

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	r = spawn_start(&(struct spawn_spec){ path, argv, theirs, -1 }, ret_pid);
	if (r == 0)
		*ret_fd = steal_fd(&ours);
	return r;
}

static int compiler_talk(int fd, const struct compilewire_request *q, struct compilewire_reply *ret)
{
	_cleanup_(files_freep) uint8_t *request = NULL;
	_cleanup_(files_freep) uint8_t *reply = NULL;
	uint64_t share = 1 + q->text_len / COMPILER_DEADLINE_BYTES;
	uint64_t deadline = clk_now_ns() + share * COMPILER_DEADLINE_MS * CLK_NS_PER_MS;
	size_t request_len, reply_len;
	int r = compilewire_put_request(q, &request, &request_len);

	if (r == 0)
		r = compilewire_send(fd, request, request_len, deadline);
	if (r == 0)
		r = compilewire_receive(fd, COMPILEWIRE_REPLY_MAX, deadline, &reply, &reply_len);
	return r < 0 ? r : compilewire_get_reply(reply, reply_len, ret);
}

/* Ends the child, whatever it does. Gives the signal that killed it before we did, or 0. */
static int compiler_end(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return 0;
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? WTERMSIG(status) : 0;
}

static void compiler_explain(struct compilewire_reply *ret, int r, int sig)
{
	if (ret->error[0])
		return;
	if (sig)
		snprintf(ret->error, sizeof(ret->error), "%s was ended by signal %d (%s)",
			 COMPILER_PROGRAM, sig, strsignal(sig));
	else
		snprintf(ret->error, sizeof(ret->error), "%s: %s", COMPILER_PROGRAM,
			 r == -EPIPE     ? "it ended without an answer" :
			 r == -ETIMEDOUT ? "no answer in time" :
					   strerror(-r));
}

static int compiler_check(struct compilewire_reply *ret)
{
	char error[BATCH_ERROR_MAX] = "";
	int r = batch_check_trial(ret->batch, ret->batch_len, error);

	if (r < 0)
		snprintf(ret->error, sizeof(ret->error), "the recorded batch: %s", error);
	return r;
}

int compiler_run(const struct compilewire_request *q, struct compilewire_reply *ret)
{
	_cleanup_(closep) int fd = -1;
	pid_t pid;
	int sig;
	int r;

	*ret = (struct compilewire_reply){ 0 };
	r = compiler_start(&fd, &pid);
	if (r < 0) {
		compiler_explain(ret, r, 0);
		return r;
	}
	r = compiler_talk(fd, q, ret);
	sig = compiler_end(pid);
	if (r == 0)
		r = ret->result;
	if (r == 0)
		r = compiler_check(ret);
	if (r < 0)
		compiler_explain(ret, r, sig);
	return r;
}

const char *compiler_mode_text(uint8_t mode)
{
	return mode == COMPILEWIRE_USERNS ? "without privilege, in a user and network namespace" :
	       mode == COMPILEWIRE_NETNS  ? "in a network namespace made by root "
					    "(user namespaces are switched off)" :
					    "unknown";
}
