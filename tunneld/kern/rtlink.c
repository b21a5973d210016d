/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/rtlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "tunneld/kern/nlsock.h"

struct rtlink_query {
	const char *ifname;
	bool found;
	struct rtlink link;
};

static struct nl_msg *rtlink_request(int type, const char *ifname, unsigned int flags)
{
	const struct ifinfomsg header = { .ifi_flags = flags, .ifi_change = flags };
	struct nl_msg *msg = nlsock_request(type, 0, &header, sizeof(header));

	nlsock_put(&msg, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	return msg;
}

static void rtlink_take_kind(struct nlattr *info, struct rtlink *ret)
{
	struct nlattr *kind = info ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND) : NULL;

	if (kind)
		nla_strlcpy(ret->kind, kind, sizeof(ret->kind));
}

static int rtlink_take(struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *at[IFLA_MAX + 1];
	struct rtlink_query *q = arg;

	if (h->nlmsg_type != RTM_NEWLINK || nlmsg_parse(h, sizeof(*ifi), at, IFLA_MAX, NULL) < 0 ||
	    !at[IFLA_IFNAME])
		return 0;
	/* The kernel also finds alternative names; those are not ours. */
	if (nla_strcmp(at[IFLA_IFNAME], q->ifname) != 0)
		return 0;
	q->found = true;
	q->link.ifindex = ifi->ifi_index;
	q->link.up = ifi->ifi_flags & IFF_UP;
	q->link.mtu = at[IFLA_MTU] ? nla_get_u32(at[IFLA_MTU]) : 0;
	rtlink_take_kind(at[IFLA_LINKINFO], &q->link);
	return 0;
}

int rtlink_read(struct nlsock *s, const char *ifname, struct rtlink *ret)
{
	struct rtlink_query q = { .ifname = ifname };
	int r = nlsock_ask(s, rtlink_request(RTM_GETLINK, ifname, 0), rtlink_take, &q);

	if (r < 0)
		return r;
	if (!q.found)
		return -ENODEV;
	*ret = q.link;
	return 0;
}

int rtlink_set_up(struct nlsock *s, const char *ifname)
{
	return nlsock_talk(s, rtlink_request(RTM_NEWLINK, ifname, IFF_UP));
}

int rtlink_set_mtu(struct nlsock *s, const char *ifname, uint32_t mtu)
{
	struct nl_msg *msg = rtlink_request(RTM_NEWLINK, ifname, 0);

	nlsock_put_u32(&msg, IFLA_MTU, mtu);
	return nlsock_talk(s, msg);
}
