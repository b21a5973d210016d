/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/compiler.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/parcel.h"
#include "common/spawn.h"
#include "netpolicy/apply/batch.h"

struct compiler {
	pid_t pid; /* 0: no child now */
	int fd;
	uint8_t n_devices; /* those it has made */
	char devices[COMPILEWIRE_DEVICES_MAX][IFNAMSIZ];
};

/* The two ends of the socket; the child's is closed as soon as it runs. */
static int compiler_start(struct compiler *c, const struct compilewire_request *q)
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
	r = spawn_start(&(struct spawn_spec){ path, argv, theirs, -1 }, &c->pid);
	if (r < 0)
		return r;
	c->fd = steal_fd(&ours);
	c->n_devices = q->n_devices;
	memcpy(c->devices, q->devices, sizeof(c->devices));
	return 0;
}

/* Ends the child, whatever it does. Gives the signal that killed it before we did, or 0. */
static int compiler_end(struct compiler *c)
{
	int status = 0;

	if (!c->pid)
		return 0;
	kill(c->pid, SIGKILL);
	if (TEMP_FAILURE_RETRY(waitpid(c->pid, &status, 0)) < 0)
		status = 0;
	c->pid = 0;
	closep(&c->fd);
	return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? WTERMSIG(status) : 0;
}

/* A text that names an interface must not find those of another. */
static bool compiler_fits(const struct compiler *c, const struct compilewire_request *q)
{
	bool same = c->n_devices == q->n_devices;

	for (size_t i = 0; i < q->n_devices && same; i++)
		same = !strcmp(c->devices[i], q->devices[i]);
	return same;
}

/* Makes a child ready for @q. */
static int compiler_ready(struct compiler *c, const struct compilewire_request *q)
{
	if (!compiler_fits(c, q))
		(void)compiler_end(c);
	return c->pid ? 0 : compiler_start(c, q);
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
		r = parcel_send(fd, request, request_len, deadline);
	if (r == 0)
		r = parcel_receive(fd, COMPILEWIRE_REPLY_MAX, deadline, &reply, &reply_len);
	return r < 0 ? r : compilewire_get_reply(reply, reply_len, ret);
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

int compiler_next(struct compiler *c, const struct compilewire_request *q,
		  struct compilewire_reply *ret)
{
	int r = compiler_ready(c, q);

	*ret = (struct compilewire_reply){ 0 };
	if (r == 0)
		r = compiler_talk(c->fd, q, ret);
	if (r == 0)
		r = ret->result;
	if (r == 0)
		r = compiler_check(ret);
	if (r < 0)
		compiler_explain(ret, r, compiler_end(c));
	return r;
}

int compiler_run(const struct compilewire_request *q, struct compilewire_reply *ret)
{
	struct compiler c = { .fd = -1 };
	int r = compiler_next(&c, q, ret);

	(void)compiler_end(&c);
	return r;
}

int compiler_open(struct compiler **ret)
{
	struct compiler *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	*ret = c;
	return 0;
}

void compiler_close(struct compiler *c)
{
	if (!c)
		return;
	(void)compiler_end(c);
	free(c);
}

void compiler_closep(struct compiler **c)
{
	compiler_close(*c);
	*c = NULL;
}

const char *compiler_mode_text(uint8_t mode)
{
	return mode == COMPILEWIRE_USERNS ? "without privilege, in a user and network namespace" :
	       mode == COMPILEWIRE_NETNS  ? "in a network namespace made by root "
					    "(user namespaces are switched off)" :
					    "unknown";
}
