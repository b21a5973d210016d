/* SPDX-License-Identifier: MIT */
#include "tunneld/host/statsock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define STATSOCK_BACKLOG 8
#define STATSOCK_PATIENCE_MS 100 /* for the question; a silent client must not hold the daemon */

struct statsock {
	struct event *event;
	int fd;
	struct sockaddr_un addr;
	statsock_fill_fn *fill;
	void *user;
};

void statsock_close(struct statsock *s)
{
	if (!s)
		return;
	if (s->event)
		event_free(s->event);
	if (s->fd >= 0)
		unlink(s->addr.sun_path);
	closep(&s->fd);
	free(s);
}

static int statsock_read_ask(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r;

	ops = status_ops(&n_ops);
	if (poll(&p, 1, STATSOCK_PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(fd, ops, n_ops, &msg);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	r = msg.op->type == STATUS_ASK ? 0 : -EBADMSG;
	chan_msg_release(&msg);
	return r;
}

/* A client that asks badly gets nothing; that is its problem, not ours. */
static void statsock_on_client(evutil_socket_t listen_fd, short what, void *arg)
{
	struct statsock *s = arg;
	_cleanup_(closep) int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct status status = { 0 };
	struct chan_msg msg;

	if (fd < 0 || statsock_read_ask(fd) < 0)
		return;
	s->fill(s->user, &status);
	if (status_encode(&status, &msg) < 0 || chan_send(fd, &msg) < 0)
		return;
}

static int statsock_listen(struct statsock *s)
{
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	if (unlink(s->addr.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(s->fd, (struct sockaddr *)&s->addr, sizeof(s->addr)) < 0 ||
	    chmod(s->addr.sun_path, 0660) < 0 || listen(s->fd, STATSOCK_BACKLOG) < 0)
		return -errno;
	return 0;
}

static void statsock_closep(struct statsock **s)
{
	statsock_close(*s);
}

int statsock_open(struct event_base *base, const char *path, statsock_fill_fn *fill, void *user,
		  struct statsock **ret)
{
	_cleanup_(statsock_closep) struct statsock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->addr.sun_family = AF_UNIX;
	s->fill = fill;
	s->user = user;
	if (strlen(path) >= sizeof(s->addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(s->addr.sun_path, path, strlen(path) + 1);
	r = statsock_listen(s);
	if (r < 0)
		return r;
	s->event = event_new(base, s->fd, EV_READ | EV_PERSIST, statsock_on_client, s);
	if (!s->event || event_add(s->event, NULL) < 0)
		return -ENOMEM;
	*ret = steal_ptr(s);
	return 0;
}
