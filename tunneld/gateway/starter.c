/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/starter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/spawn.h"
#include "common/wire.h"

#define STARTER_FD_FIRST 3

static const struct chan_op starter_ops[] = {
	{ STARTER_START, "start", 4, 4, true },
	{ STARTER_STOP, "stop", 4, 4, false },
	{ STARTER_ENDED, "ended", 12, 12, false },
	{ STARTER_PROBE, "probe", 4, 4, true },
};

struct starter {
	const struct starter_spec *spec;
	int chan_fd;
	pid_t pids[STARTER_SLOTS_MAX + 1]; /* 0 = none; the last is the probe */
};

static int starter_ask(int fd, enum starter_type type, uint32_t slot, int chan_fd)
{
	struct chan_msg msg;
	struct wire w;

	chan_msg_init(&msg, &starter_ops[type - 1], 0);
	w = wire_writer(msg.body, sizeof(msg.body));
	wire_put_u32(&w, slot);
	msg.len = w.pos;
	msg.fd = chan_fd;
	return chan_send(fd, &msg);
}

int starter_start(int fd, uint32_t slot, int chan_fd)
{
	return starter_ask(fd, STARTER_START, slot, chan_fd);
}

int starter_probe(int fd, int chan_fd)
{
	return starter_ask(fd, STARTER_PROBE, STARTER_PROBE_SLOT, chan_fd);
}

int starter_stop(int fd, uint32_t slot)
{
	return starter_ask(fd, STARTER_STOP, slot, -1);
}

static int starter_tell(const struct starter *s, uint32_t slot, pid_t pid, int status)
{
	struct chan_msg msg;
	struct wire w;

	chan_msg_init(&msg, &starter_ops[STARTER_ENDED - 1], 0);
	w = wire_writer(msg.body, sizeof(msg.body));
	wire_put_u32(&w, slot);
	wire_put_u32(&w, (uint32_t)pid);
	wire_put_u32(&w, (uint32_t)status);
	msg.len = w.pos;
	return chan_send(s->chan_fd, &msg);
}

int starter_receive(int fd, struct starter_event *ret)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	int r = chan_recv(fd, starter_ops, ARRAY_SIZE(starter_ops), &msg);
	struct wire w;

	if (r != 0)
		return r;
	if (msg.op->type != STARTER_ENDED)
		return -EBADMSG;
	w = wire_reader(msg.body, msg.len);
	ret->slot = wire_get_u32(&w);
	ret->pid = (pid_t)wire_get_u32(&w);
	ret->status = (int)wire_get_u32(&w);
	return wire_done(&w);
}

const char *starter_describe(const struct starter_event *event, char *ret, size_t cap)
{
	if (!event->pid)
		snprintf(ret, cap, "could not be started: %s", strerror(-event->status));
	else if (WIFSIGNALED(event->status))
		snprintf(ret, cap, "(pid %d) was killed by signal %d", (int)event->pid,
			 WTERMSIG(event->status));
	else
		snprintf(ret, cap, "(pid %d) ended with status %d", (int)event->pid,
			 WEXITSTATUS(event->status));
	return ret;
}

static void starter_kill(struct starter *s, uint32_t slot)
{
	if (s->pids[slot])
		kill(s->pids[slot], SIGKILL);
}

/* The old worker in the slot is gone before the new one comes: both would accept. */
static void starter_run(struct starter *s, uint32_t slot, const struct spawn_spec *spec)
{
	int r;

	starter_kill(s, slot);
	if (s->pids[slot])
		waitpid(s->pids[slot], NULL, 0);
	s->pids[slot] = 0;
	r = spawn_start(spec, &s->pids[slot]);
	if (r < 0 && starter_tell(s, slot, 0, r) < 0)
		_exit(1); /* the keeper cannot be told: it is as good as gone */
}

static void starter_run_worker(struct starter *s, uint32_t slot, int chan_fd)
{
	const struct spawn_spec spec = {
		.path = s->spec->path,
		.argv = s->spec->argv,
		.chan_fd = chan_fd,
		.extra_fd = s->spec->listen_fds[slot],
	};

	starter_run(s, slot, &spec);
}

static void starter_run_probe(struct starter *s, int chan_fd)
{
	const struct spawn_spec spec = {
		.path = s->spec->path,
		.argv = s->spec->probe_argv,
		.chan_fd = chan_fd,
		.extra_fd = -1,
	};

	starter_run(s, STARTER_PROBE_SLOT, &spec);
}

static bool starter_has_slot(const struct starter *s, uint32_t slot)
{
	return slot < s->spec->n_slots || slot == STARTER_PROBE_SLOT;
}

/* Errors: 0; anything else ends the starter. */
static int starter_serve(struct starter *s)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	int r = chan_recv(s->chan_fd, starter_ops, ARRAY_SIZE(starter_ops), &msg);
	struct wire w;
	uint32_t slot;

	if (r != 0)
		return r == -EAGAIN ? 0 : r;
	w = wire_reader(msg.body, msg.len);
	slot = wire_get_u32(&w);
	if (!starter_has_slot(s, slot))
		return -EBADMSG;
	switch ((enum starter_type)msg.op->type) {
	case STARTER_START:
		if (slot == STARTER_PROBE_SLOT)
			return -EBADMSG;
		starter_run_worker(s, slot, msg.fd);
		return 0;
	case STARTER_STOP:
		starter_kill(s, slot);
		return 0;
	case STARTER_PROBE:
		starter_run_probe(s, msg.fd);
		return 0;
	case STARTER_ENDED:
		break;
	}
	return -EBADMSG;
}

static int starter_reap(struct starter *s)
{
	int status, r = 0;
	pid_t pid;

	while (r == 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (uint32_t slot = 0; slot <= STARTER_PROBE_SLOT; slot++) {
			if (s->pids[slot] != pid)
				continue;
			s->pids[slot] = 0;
			r = starter_tell(s, slot, pid, status);
		}
	}
	return r;
}

/* Closes everything but the channel and the listening sockets: the keeper's copies must be the only
 * ones, or nobody would notice its end. */
static void starter_close_rest(const struct starter *s)
{
	long max = sysconf(_SC_OPEN_MAX);

	for (int fd = STARTER_FD_FIRST; fd < max && fd < 1024; fd++) {
		bool keep = fd == s->chan_fd;

		for (size_t i = 0; i < s->spec->n_slots; i++)
			keep = keep || fd == s->spec->listen_fds[i];
		if (!keep)
			close(fd);
	}
}

static int starter_main(const struct starter_spec *spec, int chan_fd)
{
	struct starter s = { .spec = spec, .chan_fd = chan_fd };
	struct pollfd polls[2] = { { .fd = chan_fd, .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t set;
	int r = 0;

	prctl(PR_SET_NAME, "gatewayd-start");
	starter_close_rest(&s);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP); /* both are for the keeper; a terminal sends them to all */
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	polls[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (polls[1].fd < 0)
		return 1;
	while (r == 0) {
		if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
			return 1;
		if (polls[1].revents && read(polls[1].fd, &info, sizeof(info)) > 0)
			r = starter_reap(&s);
		if (r == 0 && polls[0].revents)
			r = starter_serve(&s);
	}
	return r == CHAN_E_CLOSED ? 0 : 1;
}

int starter_fork(const struct starter_spec *spec, int *ret_fd)
{
	int pair[2];
	int r = spec->n_slots > STARTER_SLOTS_MAX ? -E2BIG : chan_pair(pair);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		_exit(starter_main(spec, pair[1]));
	r = pid < 0 ? -errno : 0;
	closep(&pair[1]);
	if (r < 0)
		closep(&pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}
