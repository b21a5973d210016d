/* SPDX-License-Identifier: MIT */
#include "certs/certd/certsock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CERTSOCK_BACKLOG 8
#define CERTSOCK_PATIENCE_MS 100 /* for the question; a silent client must not hold the daemon */

void certsock_close(struct certsock *s)
{
	if (s->fd >= 0)
		unlink(s->addr.sun_path);
	closep(&s->fd);
}

/* Whether a living process listens at @addr: two must never refresh the same certificate. */
static bool certsock_is_taken(const struct sockaddr_un *addr)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  0);

	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

int certsock_open(struct certsock *ret, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  0);

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (certsock_is_taken(&addr))
		return -EADDRINUSE;
	if (unlink(addr.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(addr.sun_path, 0660) < 0 || listen(fd, CERTSOCK_BACKLOG) < 0)
		return -errno;
	*ret = (struct certsock){ .fd = steal_fd(&fd), .addr = addr };
	return 0;
}

/* Takes the one message that must come within @ms. The caller releases it. */
static int certsock_receive(int fd, int ms, struct chan_msg *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct chan_op *ops;
	size_t n_ops;
	int r;

	ops = certstat_ops(&n_ops);
	if (poll(&p, 1, ms) != 1)
		return -ETIMEDOUT;
	r = chan_recv(fd, ops, n_ops, ret);
	return r == CHAN_E_CLOSED ? -EPIPE : r;
}

static int certsock_read_ask(int fd, bool *ret_renews)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	int r = certsock_receive(fd, CERTSOCK_PATIENCE_MS, &msg);

	if (r < 0)
		return r;
	*ret_renews = msg.op->type == CERTSTAT_RENEW;
	return msg.op->type == CERTSTAT_TELL ? -EBADMSG : 0;
}

/* Members of the group may read the identity and look; an attempt costs the issuer. */
static bool certsock_may_renew(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

void certsock_serve(struct certsock *s, certsock_fill_fn *fill, void *user)
{
	_cleanup_(closep) int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct certstat status = { 0 };
	bool renews, may;
	struct chan_msg msg;

	if (fd < 0 || certsock_read_ask(fd, &renews) < 0)
		return;
	may = renews && certsock_may_renew(fd);
	fill(user, may, &status);
	status.renew_refused = renews && !may;
	if (certstat_encode(&status, &msg) < 0 || chan_send(fd, &msg) < 0)
		return;
}

static int certsock_connect(const char *run_dir, int *ret)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(to.sun_path, sizeof(to.sun_path), "%s/" CERTSTAT_SOCKET, run_dir) >=
	    sizeof(to.sun_path))
		return -ENAMETOOLONG;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

static int certsock_read_answer(int fd, struct certstat *ret)
{
	_cleanup_(chan_msg_release) struct chan_msg msg = { .fd = -1 };
	int r = certsock_receive(fd, CERTSOCK_WAIT_MS, &msg);

	return r < 0 ? r : certstat_decode(&msg, ret);
}

static int certsock_ask_once(const char *run_dir, enum certstat_type type, struct certstat *ret)
{
	_cleanup_(closep) int fd = -1;
	struct chan_msg msg;
	int r = certsock_connect(run_dir, &fd);

	certstat_encode_ask(type, &msg);
	if (r == 0)
		r = chan_send(fd, &msg);
	return r < 0 ? r : certsock_read_answer(fd, ret);
}

int certsock_ask(const char *run_dir, enum certstat_type type, struct certstat *ret)
{
	int r = -EPIPE;

	for (int i = 0; i < CERTSOCK_TRIES && r == -EPIPE; i++)
		r = certsock_ask_once(run_dir, type, ret);
	return r;
}
