/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/uplinkwatch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define UPLINKWATCH_READ 8192 /* bytes; one event is below 2 KiB */

int uplinkwatch_open(int *ret)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

/* True when the message tells of an interface, whose name is then in @ret. */
static bool uplinkwatch_take(const struct nlmsghdr *nlh, char ret[static IFNAMSIZ])
{
	const struct rtattr *attr = (const void *)((const char *)NLMSG_DATA(nlh) +
						   NLMSG_ALIGN(sizeof(struct ifinfomsg)));
	int left = (int)nlh->nlmsg_len - (int)NLMSG_SPACE(sizeof(struct ifinfomsg));

	if (nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK)
		return false;
	while (left > 0 && RTA_OK(attr, left)) {
		if (attr->rta_type == IFLA_IFNAME) {
			snprintf(ret, IFNAMSIZ, "%.*s", (int)RTA_PAYLOAD(attr),
				 (const char *)RTA_DATA(attr));
			return true;
		}
		left -= (int)RTA_ALIGN(attr->rta_len);
		attr = (const void *)((const char *)attr + RTA_ALIGN(attr->rta_len));
	}
	return false;
}

int uplinkwatch_next(int fd, char ret_name[static IFNAMSIZ])
{
	char bytes[UPLINKWATCH_READ] __attribute__((aligned(8)));
	const struct nlmsghdr *nlh = (const void *)bytes;

	for (;;) {
		ssize_t n = TEMP_FAILURE_RETRY(recv(fd, bytes, sizeof(bytes), 0));

		if (n < 0)
			return errno == EAGAIN ? UPLINKWATCH_E_NONE : UPLINKWATCH_E_OVERRUN;
		/* The kernel sends one event in each datagram. */
		if (NLMSG_OK(nlh, (size_t)n) && uplinkwatch_take(nlh, ret_name))
			return 0;
	}
}
