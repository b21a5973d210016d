/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/netask.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

#include "common/secret.h"

#define NETASK_ANSWER_BYTES 32768 /* a kernel's dump skb has no more */
#define NETASK_WAIT_S 5
#define NETASK_TRIES 4 /* dumps that were torn by a change */

static void netask_socketp(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static int netask_once(const struct netask *ask, struct nlmsghdr *nlh)
{
	_cleanup_(netask_socketp) struct mnl_socket *s = mnl_socket_open2(ask->protocol,
									  SOCK_CLOEXEC);
	char answer[NETASK_ANSWER_BYTES] __attribute__((aligned(8)));
	struct timeval wait = { .tv_sec = NETASK_WAIT_S };
	int r = MNL_CB_OK;

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(s, answer, sizeof(answer));

		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)n, 1, mnl_socket_get_portid(s), ask->fn, ask->ctx);
		if (r < 0)
			r = -errno;
		secret_wipe_bytes(answer, (size_t)n);
	}
	return r;
}

int netask(const struct netask *ask, struct nlmsghdr *nlh)
{
	int r = -EINTR;

	for (int i = 0; i < NETASK_TRIES && r == -EINTR; i++)
		r = netask_once(ask, nlh);
	return r;
}

const struct nlattr *netask_attr(const void *at, size_t len, int type)
{
	const struct nlattr *attr = at;

	for (int left = (int)len; mnl_attr_ok(attr, left); attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
		left -= (int)NLMSG_ALIGN(attr->nla_len);
	}
	return NULL;
}
