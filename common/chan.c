/* SPDX-License-Identifier: MIT */
#include "common/chan.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/secret.h"
#include "common/wire.h"

/* Room for more descriptors than a message may carry, so that extra ones are seen and closed. */
#define CHAN_FDS_SEEN 4

int chan_pair(int ret[static 2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) < 0)
		return -errno;
	return 0;
}

void chan_msg_release(struct chan_msg *msg)
{
	if (!msg)
		return;
	closep(&msg->fd);
	secret_wipe_bytes(msg->body, sizeof(msg->body));
	msg->len = 0;
}

static void chan_attach_fd(struct msghdr *hdr, char *control, size_t len, int pass_fd)
{
	struct cmsghdr *c;

	hdr->msg_control = control;
	hdr->msg_controllen = len;
	c = CMSG_FIRSTHDR(hdr);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
}

void chan_msg_init(struct chan_msg *msg, const struct chan_op *op, uint32_t seq)
{
	msg->op = op;
	msg->seq = seq;
	msg->fd = -1;
	msg->len = 0;
}

static void chan_write_header(uint8_t header[static CHAN_HEADER_BYTES], const struct chan_msg *msg)
{
	struct wire w = wire_writer(header, CHAN_HEADER_BYTES);

	wire_put_u16(&w, msg->op->type);
	wire_put_u16(&w, 0);
	wire_put_u32(&w, msg->seq);
	wire_put_u32(&w, (uint32_t)msg->len);
	wire_put_u32(&w, 0);
}

int chan_send(int fd, const struct chan_msg *msg)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint8_t header[CHAN_HEADER_BYTES];
	struct iovec iov[2] = {
		{ .iov_base = header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)msg->body, .iov_len = msg->len },
	};
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };

	if (msg->len < msg->op->body_min || msg->len > msg->op->body_max ||
	    msg->len > CHAN_BODY_MAX)
		return -EMSGSIZE;
	if ((msg->fd >= 0) != msg->op->fd_allowed)
		return -EINVAL;
	chan_write_header(header, msg);
	if (msg->fd >= 0)
		chan_attach_fd(&hdr, control, sizeof(control), msg->fd);
	if (TEMP_FAILURE_RETRY(sendmsg(fd, &hdr, MSG_NOSIGNAL)) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

static const struct chan_op *chan_find_op(const struct chan_op *ops, size_t n_ops, uint16_t type)
{
	for (size_t i = 0; i < n_ops; i++)
		if (ops[i].type == type)
			return &ops[i];
	return NULL;
}

int chan_parse(const void *frame, size_t len, const struct chan_op *ops, size_t n_ops,
	       unsigned int n_fds, struct chan_msg *ret)
{
	struct wire w = wire_reader(frame, len);
	uint16_t type = wire_get_u16(&w);
	uint16_t flags = wire_get_u16(&w);
	uint32_t seq = wire_get_u32(&w);
	uint32_t body_len = wire_get_u32(&w);
	uint32_t reserved = wire_get_u32(&w);
	const struct chan_op *op = chan_find_op(ops, n_ops, type);

	if (w.failed || flags || reserved || !op || body_len != len - CHAN_HEADER_BYTES)
		return -EBADMSG;
	if (body_len < op->body_min || body_len > op->body_max || body_len > CHAN_BODY_MAX)
		return -EBADMSG;
	if (n_fds != (op->fd_allowed ? 1U : 0U))
		return -EBADMSG;
	ret->op = op;
	ret->seq = seq;
	ret->fd = -1;
	ret->len = body_len;
	wire_get_bytes(&w, ret->body, body_len);
	return wire_done(&w);
}

/* Keeps the first descriptor, closes the others; gives how many came. */
static unsigned int chan_take_fds(struct msghdr *hdr, int *ret_fd)
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		size_t n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n_here; i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n == 0)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
	return n;
}

int chan_recv(int fd, const struct chan_op *ops, size_t n_ops, struct chan_msg *ret)
{
	uint8_t frame[CHAN_HEADER_BYTES + CHAN_BODY_MAX + 1];
	char control[CMSG_SPACE(CHAN_FDS_SEEN * sizeof(int))];
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	_cleanup_(closep) int got_fd = -1;
	unsigned int n_fds;
	ssize_t n;
	int r;

	chan_msg_init(ret, NULL, 0);
	n = TEMP_FAILURE_RETRY(recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC));
	if (n < 0)
		return errno == ECONNRESET ? CHAN_E_CLOSED : -errno;
	/* Before anything else: even a datagram of no bytes can carry descriptors. */
	n_fds = chan_take_fds(&hdr, &got_fd);
	if (n == 0 && n_fds == 0)
		return CHAN_E_CLOSED;
	if (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		r = -EBADMSG;
	else
		r = chan_parse(frame, (size_t)n, ops, n_ops, n_fds, ret);
	secret_wipe_bytes(frame, (size_t)n);
	if (r == 0)
		ret->fd = steal_fd(&got_fd);
	return r;
}
