/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/nlsock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

struct nlsock {
	struct nl_sock *sock;
	char text[NLSOCK_ERROR_TEXT];
	/* of the request under way */
	nlsock_each *each;
	void *arg;
	int verdict; /* the kernel's or that of @each */
	bool answered;
	bool interrupted;
};

/* ---- messages ---- */

struct nl_msg *nlsock_request(int type, int flags, const void *header, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

void nlsock_put(struct nl_msg **msg, int type, const void *data, size_t len)
{
	if (*msg && nla_put(*msg, type, (int)len, data) < 0) {
		nlmsg_free(*msg);
		*msg = NULL;
	}
}

void nlsock_put_u32(struct nl_msg **msg, int type, uint32_t value)
{
	nlsock_put(msg, type, &value, sizeof(value));
}

/* ---- what the kernel answers ---- */

/* Keeps the kernel's words. The attributes lie behind the error and, unless the kernel cut it off,
 * the whole request. Source: linux/netlink.h, NLM_F_ACK_TLVS, NLM_F_CAPPED. */
static void nlsock_keep_text(struct nlsock *s, struct nlmsghdr *h)
{
	struct nlmsgerr *e = nlmsg_data(h);
	size_t skip = sizeof(*e);
	struct nlattr *text;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	text = nlmsg_find_attr(h, (int)skip, NLMSGERR_ATTR_MSG);
	if (text)
		snprintf(s->text, sizeof(s->text), "%.*s", nla_len(text),
			 (const char *)nla_data(text));
}

static int nlsock_on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlsock *s = arg;

	s->answered = true;
	s->verdict = e->error;
	/* libnl hands out the payload of the message it has in full. */
	nlsock_keep_text(s, (void *)((char *)e - NLMSG_HDRLEN));
	return NL_STOP;
}

static int nlsock_on_object(struct nl_msg *msg, void *arg)
{
	struct nlsock *s = arg;

	if (s->each && !s->verdict)
		s->verdict = s->each(nlmsg_hdr(msg), s->arg);
	return NL_OK;
}

/* A dump that fails says so in its last message only. */
static int nlsock_on_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlsock *s = arg;
	int error;

	s->answered = true;
	if (!s->verdict && nlmsg_datalen(h) >= (int)sizeof(error)) {
		memcpy(&error, nlmsg_data(h), sizeof(error));
		s->verdict = error < 0 ? error : 0;
	}
	return NL_STOP;
}

static int nlsock_on_ack(struct nl_msg *msg, void *arg)
{
	((struct nlsock *)arg)->answered = true;
	return NL_STOP;
}

static int nlsock_on_interrupt(struct nl_msg *msg, void *arg)
{
	((struct nlsock *)arg)->interrupted = true;
	return NL_OK;
}

static void nlsock_set_callbacks(struct nlsock *s)
{
	nl_socket_modify_cb(s->sock, NL_CB_VALID, NL_CB_CUSTOM, nlsock_on_object, s);
	nl_socket_modify_cb(s->sock, NL_CB_FINISH, NL_CB_CUSTOM, nlsock_on_end, s);
	nl_socket_modify_cb(s->sock, NL_CB_ACK, NL_CB_CUSTOM, nlsock_on_ack, s);
	nl_socket_modify_cb(s->sock, NL_CB_DUMP_INTR, NL_CB_CUSTOM, nlsock_on_interrupt, s);
	nl_socket_modify_err_cb(s->sock, NL_CB_CUSTOM, nlsock_on_error, s);
}

/* ---- the socket ---- */

/* Errors of libnl itself; those of the kernel do not come this way. */
static int nlsock_errno(int nl_error)
{
	switch (-nl_error) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_AGAIN:
		return -ETIMEDOUT;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	default:
		return -EIO;
	}
}

static int nlsock_connect(struct nlsock *s)
{
	const struct timeval patience = { .tv_sec = NLSOCK_TIMEOUT_S };
	const int on = 1;
	int r = nl_connect(s->sock, NETLINK_ROUTE);
	int fd = nl_socket_get_fd(s->sock);

	if (r < 0)
		return nlsock_errno(r);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	/* Old kernels lack these; every answer is filtered here as well. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
}

int nlsock_open(struct nlsock **ret)
{
	_cleanup_(nlsock_closep) struct nlsock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->sock = nl_socket_alloc();
	if (!s->sock)
		return -ENOMEM;
	nlsock_set_callbacks(s);
	r = nlsock_connect(s);
	if (r < 0)
		return r;
	*ret = steal_ptr(s);
	return 0;
}

static int nlsock_exchange(struct nlsock *s, struct nl_msg *msg)
{
	int r = nl_send_auto(s->sock, msg);

	while (r >= 0 && !s->answered)
		r = nl_recvmsgs_default(s->sock);
	if (s->answered)
		return s->verdict;
	/* A late answer must not be taken for that to the next request: begin with a new socket. */
	nl_close(s->sock);
	r = nlsock_errno(r);
	return nlsock_connect(s) < 0 ? -EIO : r;
}

int nlsock_ask(struct nlsock *s, struct nl_msg *msg, nlsock_each *each, void *arg)
{
	int r;

	if (!msg)
		return -ENOMEM;
	s->text[0] = '\0';
	s->each = each;
	s->arg = arg;
	s->verdict = 0;
	s->answered = false;
	s->interrupted = false;
	r = nlsock_exchange(s, msg);
	nlmsg_free(msg);
	return r == 0 && s->interrupted ? -EINTR : r;
}

int nlsock_talk(struct nlsock *s, struct nl_msg *msg)
{
	return nlsock_ask(s, msg, NULL, NULL);
}

const char *nlsock_error_text(const struct nlsock *s)
{
	return s->text;
}

void nlsock_close(struct nlsock *s)
{
	if (!s)
		return;
	nl_socket_free(s->sock);
	free(s);
}

void nlsock_closep(struct nlsock **s)
{
	nlsock_close(*s);
}
