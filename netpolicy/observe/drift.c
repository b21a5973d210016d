/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/drift.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"

#define DRIFT_READ 32768 /* bytes; the kernel puts fewer into one datagram */
#define DRIFT_ATTR_MAX 8 /* attributes 1...7 are looked at */

int drift_open(struct drift_watch *ret)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK };
	int group = NFNLGRP_NFTABLES, bytes = DRIFT_BUFFER;
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  NETLINK_NETFILTER);

	*ret = (struct drift_watch){ .fd = -1 };
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	/* Beyond the limit of the system; where that is not allowed an overrun is more likely. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	ret->fd = steal_fd(&fd);
	return 0;
}

/* Sorts the attributes; a number twice, or one too long, makes the datagram bad. */
static int drift_attrs(const struct nlmsghdr *nlh, const struct nlattr *tb[static DRIFT_ATTR_MAX])
{
	const char *at = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
	const char *end = (const char *)nlh + nlh->nlmsg_len;

	memset(tb, 0, DRIFT_ATTR_MAX * sizeof(tb[0]));
	while (at < end) {
		const struct nlattr *attr = (const void *)at;
		size_t left = (size_t)(end - at);

		if (left < sizeof(*attr) || attr->nla_len < sizeof(*attr) || attr->nla_len > left)
			return -EBADMSG;
		if (mnl_attr_get_type(attr) < DRIFT_ATTR_MAX)
			tb[mnl_attr_get_type(attr)] = attr;
		at += NLMSG_ALIGN(attr->nla_len);
	}
	return 0;
}

static uint32_t drift_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ?
		       ntohl(mnl_attr_get_u32(attr)) :
		       0;
}

/* A process chooses its name: it may hold anything, and must not steer a terminal. */
static void drift_take_command(const struct nlattr *attr, char ret[static 16])
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;
	const char *from = attr ? mnl_attr_get_payload(attr) : "";
	size_t n = 0;

	for (; n < len && n < 15 && from[n]; n++)
		ret[n] = from[n] >= 0x20 && from[n] < 0x7f ? from[n] : '?';
	ret[n] = '\0';
}

/* The end of a commit. */
static void drift_finish(struct drift_watch *w, const struct nlmsghdr *nlh,
			 const struct nlattr **tb, struct drift_commit *ret)
{
	struct drift_commit *c = &w->open;

	c->generation = drift_u32(tb[NFTA_GEN_ID]);
	c->pid = drift_u32(tb[NFTA_GEN_PROC_PID]);
	c->port = nlh->nlmsg_pid;
	drift_take_command(tb[NFTA_GEN_PROC_NAME], c->command);
	if (w->own_port && c->port == w->own_port)
		c->touched_ours = false;
	if (c->touched_ours || !ret->touched_ours)
		*ret = *c;
	*c = (struct drift_commit){ 0 };
}

static bool drift_is_ours(uint8_t family, const struct nlattr *table)
{
	const char *ours = family == NFPROTO_INET   ? BATCH_TABLE :
			   family == NFPROTO_NETDEV ? BATCH_GUARD :
						      NULL;
	size_t len = ours ? strlen(ours) + 1 : 0;

	/* The table is attribute 1 of every kind of message. */
	return ours && table && mnl_attr_get_payload_len(table) == len &&
	       !memcmp(mnl_attr_get_payload(table), ours, len);
}

/* One message. Gives 1 when it ended a commit. */
static int drift_take(struct drift_watch *w, const struct nlmsghdr *nlh, struct drift_commit *ret)
{
	const struct nlattr *tb[DRIFT_ATTR_MAX];
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return 0;
	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*gen)) || drift_attrs(nlh, tb) < 0)
		return -EBADMSG;
	if ((nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
		drift_finish(w, nlh, tb, ret);
		return 1;
	}
	w->open.n_messages++;
	if (drift_is_ours(gen->nfgen_family, tb[1]))
		w->open.touched_ours = true;
	return 0;
}

int drift_feed(struct drift_watch *w, const void *bytes, size_t len, struct drift_commit *ret,
	       size_t *ret_n)
{
	struct drift_commit last = { 0 };
	const char *at = bytes, *end = at + len;
	size_t n = 0;

	while (at < end) {
		const struct nlmsghdr *nlh = (const void *)at;
		size_t left = (size_t)(end - at);
		int r = -EBADMSG;

		if (left >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) &&
		    nlh->nlmsg_len <= left)
			r = drift_take(w, nlh, &last);
		if (r < 0) {
			w->open = (struct drift_commit){ 0 };
			return r;
		}
		n += (size_t)r;
		/* The last one may come without its padding. */
		left = left < NLMSG_ALIGN(nlh->nlmsg_len) ? left : NLMSG_ALIGN(nlh->nlmsg_len);
		at += left;
	}
	if (n)
		*ret = last;
	*ret_n = n;
	return 0;
}

/* One datagram of the kernel; what another process sends is dropped. */
static int drift_read(struct drift_watch *w, void *bytes, size_t *ret_len)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = DRIFT_READ };
	struct msghdr hdr = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n;

	do
		n = TEMP_FAILURE_RETRY(recvmsg(w->fd, &hdr, 0));
	while (n >= 0 && from.nl_pid != 0);
	if (n < 0)
		return errno == EAGAIN ? DRIFT_E_NONE : errno == ENOBUFS ? DRIFT_E_OVERRUN : -errno;
	*ret_len = (size_t)n;
	return hdr.msg_flags & MSG_TRUNC ? DRIFT_E_OVERRUN : 0;
}

int drift_next(struct drift_watch *w, struct drift_commit *ret)
{
	char bytes[DRIFT_READ] __attribute__((aligned(8)));
	size_t len = 0, n = 0;
	int r = 0;

	while (r == 0 && n == 0) {
		r = drift_read(w, bytes, &len);
		if (r == 0 && drift_feed(w, bytes, len, ret, &n) < 0)
			r = DRIFT_E_OVERRUN;
	}
	if (r == DRIFT_E_OVERRUN)
		w->open = (struct drift_commit){ 0 };
	return r;
}

void drift_close(struct drift_watch *w)
{
	closep(&w->fd);
}
