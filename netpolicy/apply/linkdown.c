/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/linkdown.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <stdbool.h>

#include <libmnl/libmnl.h>

struct linkdown_list {
	size_t n;
	int index[LINKDOWN_LINKS_MAX];
	bool is_over; /* there are more */
};

static void linkdown_socketp(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
}

static int linkdown_take(const struct nlmsghdr *nlh, void *ctx)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct linkdown_list *list = ctx;

	if (nlh->nlmsg_type != RTM_NEWLINK || (ifi->ifi_flags & IFF_LOOPBACK) ||
	    !(ifi->ifi_flags & IFF_UP))
		return MNL_CB_OK;
	if (list->n == LINKDOWN_LINKS_MAX)
		list->is_over = true;
	else
		list->index[list->n++] = ifi->ifi_index;
	return MNL_CB_OK;
}

/* Sends and reads until the end of the answer. */
static int linkdown_ask(struct mnl_socket *s, const struct nlmsghdr *nlh, mnl_cb_t fn, void *ctx)
{
	char answer[32768] __attribute__((aligned(8)));
	int r = MNL_CB_OK;

	if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(s, answer, sizeof(answer));

		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)n, nlh->nlmsg_seq, mnl_socket_get_portid(s), fn,
			       ctx);
	}
	return r < 0 ? -errno : 0;
}

static int linkdown_one(struct mnl_socket *s, int index)
{
	char request[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 2;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = index;
	ifi->ifi_change = IFF_UP;
	return linkdown_ask(s, nlh, NULL, NULL);
}

static int linkdown_find(struct mnl_socket *s, struct linkdown_list *ret)
{
	char request[256] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	return linkdown_ask(s, nlh, linkdown_take, ret);
}

int linkdown_all(size_t *ret)
{
	_cleanup_(linkdown_socketp) struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE,
									    SOCK_CLOEXEC);
	struct linkdown_list list = { 0 };
	int r;

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = linkdown_find(s, &list);
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = linkdown_one(s, list.index[i]);
	*ret = list.n;
	return r == 0 && list.is_over ? -E2BIG : r;
}
