/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/standin.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <string.h>

#include <libmnl/libmnl.h>

static int standin_ask(struct mnl_socket *s, const char *name, const char *kind)
{
	char request[512] __attribute__((aligned(8)));
	char answer[4096] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct ifinfomsg *ifi;
	struct nlattr *info;
	ssize_t n;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, info);
	if (mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(s, answer, sizeof(answer));
	if (n < 0)
		return -errno;
	return mnl_cb_run(answer, (size_t)n, 0, mnl_socket_get_portid(s), NULL, NULL) < 0 ? -errno :
											    0;
}

int standin_make(const char *name)
{
	static const char *const kinds[] = { "dummy", "veth", "ifb" };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = -EOPNOTSUPP;

	if (!s)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == -EOPNOTSUPP; i++)
		r = standin_ask(s, name, kinds[i]);
	mnl_socket_close(s);
	return r;
}
