/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/ctlsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/clk.h"

#define CTLSOCK_BACKLOG 16
#define CTLSOCK_ACCEPTS 16 /* in one go, so that a flood of callers stops nothing else */

static bool ctlsock_is_taken(const struct sockaddr_un *addr)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  0);

	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

/* The socket is closed to others from its first moment. */
static int ctlsock_bind(int fd, const struct sockaddr_un *addr)
{
	mode_t mask = umask(0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;

	umask(mask);
	return r;
}

int ctlsock_open(struct ctlsock *ret, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  0);
	int r;

	*ret = (struct ctlsock){ .fd = -1 };
	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (ctlsock_is_taken(&addr))
		return -EADDRINUSE;
	if (unlink(addr.sun_path) < 0 && errno != ENOENT)
		return -errno;
	r = ctlsock_bind(fd, &addr);
	if (r == 0 && listen(fd, CTLSOCK_BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return r;
	ret->fd = steal_fd(&fd);
	ret->addr = addr;
	return 0;
}

size_t ctlsock_poll(const struct ctlsock *s, struct pollfd ret[static CTLSOCK_POLL_MAX])
{
	ret[0] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	for (size_t i = 0; i < s->n; i++)
		ret[1 + i] = (struct pollfd){ .fd = s->clients[i].fd, .events = POLLIN };
	return 1 + s->n;
}

static void ctlsock_hang_up(struct ctlsock *s, size_t i)
{
	closep(&s->clients[i].fd);
	s->n--;
	memmove(&s->clients[i], &s->clients[i + 1], (s->n - i) * sizeof(s->clients[0]));
}

static bool ctlsock_is_root(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == 0;
}

static void ctlsock_accept(struct ctlsock *s)
{
	for (int i = 0; i < CTLSOCK_ACCEPTS; i++) {
		_cleanup_(closep) int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (!ctlsock_is_root(fd))
			continue;
		if (s->n == CTLSOCK_CLIENTS_MAX)
			ctlsock_hang_up(s, 0);
		s->clients[s->n++] = (struct ctlsock_client){
			steal_fd(&fd), clk_now_ns() + CTLSOCK_PATIENCE_MS * CLK_NS_PER_MS
		};
	}
}

/* The one request of a caller. Its answer fits the socket's buffer or is lost with the caller. */
static void ctlsock_talk(int fd, ctlsock_answer_fn *answer, void *user)
{
	static struct ctlwire_answer a; /* too large for the stack of a small program */
	struct ctlwire_request q;
	struct chan_msg msg;
	int r = chan_recv(fd, ctlwire_ops, ctlwire_n_ops, &msg);

	if (r == 0)
		r = ctlwire_get_request(&msg, &q);
	chan_msg_release(&msg);
	if (r != 0)
		return;
	a = (struct ctlwire_answer){ .op = q.op };
	answer(user, &q, &a);
	r = ctlwire_put_answer(&a, &msg);
	if (r == 0)
		r = chan_send(fd, &msg);
	if (r < 0)
		return; /* gone, or not listening: its loss */
}

/* The index of the client with that descriptor, SIZE_MAX when it was hung up on. */
static size_t ctlsock_find(const struct ctlsock *s, int fd)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->clients[i].fd == fd)
			return i;
	return SIZE_MAX;
}

void ctlsock_serve(struct ctlsock *s, const struct pollfd *fds, size_t n_fds,
		   ctlsock_answer_fn *answer, void *user)
{
	for (size_t i = 1; i < n_fds; i++) {
		size_t at = fds[i].revents ? ctlsock_find(s, fds[i].fd) : SIZE_MAX;

		if (at == SIZE_MAX)
			continue;
		ctlsock_talk(fds[i].fd, answer, user);
		ctlsock_hang_up(s, at);
	}
	/* Last, so that a number of @fds is not taken for that of a newcomer. */
	if (fds[0].revents)
		ctlsock_accept(s);
}

void ctlsock_tick(struct ctlsock *s, uint64_t now_ns)
{
	while (s->n && s->clients[0].until_ns <= now_ns)
		ctlsock_hang_up(s, 0);
}

uint64_t ctlsock_next(const struct ctlsock *s)
{
	return s->n ? s->clients[0].until_ns : UINT64_MAX;
}

void ctlsock_close(struct ctlsock *s)
{
	while (s->n)
		ctlsock_hang_up(s, 0);
	if (s->fd >= 0)
		unlink(s->addr.sun_path);
	closep(&s->fd);
}
