/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/kernwatch.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#define KERNWATCH_MESSAGE_MAX 32768 /* NLMSG_GOODSIZE of the kernel and more */

struct kernwatch {
	int fd;
	uint32_t ifindex; /* last known one of our interface, 0 = none */
	struct kernwatch_stats stats;
	/* The alignment that struct nlmsghdr needs. */
	uint32_t buffer[KERNWATCH_MESSAGE_MAX / sizeof(uint32_t)];
};

/* ---- the socket ---- */

static int kernwatch_join(int fd)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE,
				      RTNLGRP_IPV6_RULE };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

static int kernwatch_socket(uint32_t rcvbuf, int *ret)
{
	const struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  NETLINK_ROUTE);
	const int size = (int)rcvbuf;
	int r;

	if (fd < 0)
		return -errno;
	if (rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return -errno;
	r = kernwatch_join(fd);
	if (r < 0)
		return r;
	*ret = steal_fd(&fd);
	return 0;
}

int kernwatch_open(uint32_t rcvbuf, struct kernwatch **ret)
{
	_cleanup_(kernwatch_closep) struct kernwatch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fd = -1;
	r = kernwatch_socket(rcvbuf, &w->fd);
	if (r < 0)
		return r;
	*ret = steal_ptr(w);
	return 0;
}

int kernwatch_fd(const struct kernwatch *w)
{
	return w->fd;
}

/* ---- is it about something of ours? ---- */

static bool kernwatch_link_is_ours(struct kernwatch *w, struct nlmsghdr *h,
				   const struct netstate_names *names)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *name = nlmsg_find_attr(h, sizeof(*ifi), IFLA_IFNAME);

	if (name && !nla_strcmp(name, names->ifname)) {
		w->ifindex = h->nlmsg_type == RTM_NEWLINK ? (uint32_t)ifi->ifi_index : 0;
		return true;
	}
	/* ours under a new name */
	return w->ifindex && (uint32_t)ifi->ifi_index == w->ifindex;
}

static bool kernwatch_addr_is_ours(struct kernwatch *w, struct nlmsghdr *h,
				   const struct netstate_names *names)
{
	const struct ifaddrmsg *ifa = nlmsg_data(h);

	return w->ifindex && ifa->ifa_index == w->ifindex;
}

static uint32_t kernwatch_u32(struct nlmsghdr *h, size_t header, int type, uint32_t otherwise)
{
	struct nlattr *a = nlmsg_find_attr(h, (int)header, type);

	return a && nla_len(a) == sizeof(uint32_t) ? nla_get_u32(a) : otherwise;
}

static bool kernwatch_route_is_ours(struct kernwatch *w, struct nlmsghdr *h,
				    const struct netstate_names *names)
{
	const struct rtmsg *rtm = nlmsg_data(h);
	uint32_t oif = kernwatch_u32(h, sizeof(*rtm), RTA_OIF, 0);

	if (kernwatch_u32(h, sizeof(*rtm), RTA_TABLE, rtm->rtm_table) != names->table)
		return false;
	return names->table != KERNWATCH_MAIN || (oif && oif == w->ifindex);
}

static bool kernwatch_rule_is_ours(struct kernwatch *w, struct nlmsghdr *h,
				   const struct netstate_names *names)
{
	const struct fib_rule_hdr *frh = nlmsg_data(h);

	return names->rule_priority &&
	       kernwatch_u32(h, sizeof(*frh), FRA_PRIORITY, 0) == names->rule_priority;
}

static const struct kernwatch_kind {
	uint16_t type;
	size_t header; /* bytes of the family's fixed header */
	bool (*is_ours)(struct kernwatch *w, struct nlmsghdr *h,
			const struct netstate_names *names);
} kernwatch_kinds[] = {
	{ RTM_NEWLINK, sizeof(struct ifinfomsg), kernwatch_link_is_ours },
	{ RTM_DELLINK, sizeof(struct ifinfomsg), kernwatch_link_is_ours },
	{ RTM_NEWADDR, sizeof(struct ifaddrmsg), kernwatch_addr_is_ours },
	{ RTM_DELADDR, sizeof(struct ifaddrmsg), kernwatch_addr_is_ours },
	{ RTM_NEWROUTE, sizeof(struct rtmsg), kernwatch_route_is_ours },
	{ RTM_DELROUTE, sizeof(struct rtmsg), kernwatch_route_is_ours },
	{ RTM_NEWRULE, sizeof(struct fib_rule_hdr), kernwatch_rule_is_ours },
	{ RTM_DELRULE, sizeof(struct fib_rule_hdr), kernwatch_rule_is_ours },
};

static bool kernwatch_is_ours(struct kernwatch *w, struct nlmsghdr *h,
			      const struct netstate_names *names)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernwatch_kinds); i++)
		if (h->nlmsg_type == kernwatch_kinds[i].type &&
		    nlmsg_valid_hdr(h, (int)kernwatch_kinds[i].header))
			return kernwatch_kinds[i].is_ours(w, h, names);
	return false;
}

/* ---- reading ---- */

static bool kernwatch_walk(struct kernwatch *w, int len, const struct netstate_names *names)
{
	struct nlmsghdr *h = (struct nlmsghdr *)w->buffer;
	bool changed = false;

	for (; nlmsg_ok(h, len); h = nlmsg_next(h, &len)) {
		bool ours = kernwatch_is_ours(w, h, names);

		w->stats.events++;
		w->stats.ours += ours;
		changed |= ours;
	}
	return changed;
}

/* Reads one message. Errors: 0; -EAGAIN when none waits; -errno. */
static int kernwatch_receive(struct kernwatch *w, const struct netstate_names *names,
			     bool *ret_changed)
{
	struct sockaddr_nl from = { 0 };
	struct iovec io = { .iov_base = w->buffer, .iov_len = sizeof(w->buffer) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(w->fd, &m, MSG_DONTWAIT);

	if (n < 0 && errno != ENOBUFS)
		return -errno;
	if (n < 0 || (m.msg_flags & MSG_TRUNC)) {
		w->stats.overruns++;
		w->ifindex = 0; /* what was lost may have changed it */
		*ret_changed = true;
	} else {
		/* Only the kernel may say so. */
		*ret_changed = !from.nl_pid && kernwatch_walk(w, (int)n, names);
	}
	return 0;
}

int kernwatch_drain(struct kernwatch *w, const struct netstate_names *names, bool *ret_changed)
{
	bool changed = false;
	int r = 0;

	/* Until its events arrive the interface is known by its name only. */
	if (!w->ifindex)
		w->ifindex = if_nametoindex(names->ifname);
	for (int i = 0; r == 0 && i < KERNWATCH_DRAIN_MAX; i++) {
		bool one = false;

		r = kernwatch_receive(w, names, &one);
		r = r == -EINTR ? 0 : r;
		changed |= one;
	}
	if (r < 0 && r != -EAGAIN)
		return r;
	*ret_changed = changed;
	return 0;
}

const struct kernwatch_stats *kernwatch_stats(const struct kernwatch *w)
{
	return &w->stats;
}

void kernwatch_close(struct kernwatch *w)
{
	if (!w)
		return;
	closep(&w->fd);
	free(w);
}

void kernwatch_closep(struct kernwatch **w)
{
	kernwatch_close(*w);
}
