/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/rtroute.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtlink.h"

struct rtroute_query {
	uint32_t table;
	uint32_t ifindex; /* 0: there is none */
	uint32_t spare;
	size_t max;
	struct netstate_route *routes;
	size_t n;
};

/* The interface's index, 0 when there is none. */
static int rtroute_ifindex(struct nlsock *s, const char *ifname, uint32_t *ret)
{
	struct rtlink link = { 0 };
	int r = *ifname ? rtlink_read(s, ifname, &link) : -ENODEV;

	if (r < 0 && r != -ENODEV)
		return r;
	*ret = (uint32_t)link.ifindex;
	return 0;
}

/* ---- writing ---- */

static struct nl_msg *rtroute_request(int type, int flags, const struct netstate_names *names,
				      const struct netstate_route *route)
{
	const struct rtmsg header = {
		.rtm_family = AF_INET6,
		.rtm_dst_len = route->prefix.len,
		.rtm_table = names->table < 256 ? (uint8_t)names->table : RT_TABLE_UNSPEC,
		/* a route is removed whoever made it */
		.rtm_protocol = type == RTM_NEWROUTE ? RTPROT_STATIC : RTPROT_UNSPEC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = route->kind == NETSTATE_UNREACHABLE ? RTN_UNREACHABLE : RTN_UNICAST,
	};
	struct nl_msg *msg = nlsock_request(type, flags, &header, sizeof(header));

	nlsock_put(&msg, RTA_DST, &route->prefix.addr, sizeof(route->prefix.addr));
	nlsock_put_u32(&msg, RTA_TABLE, names->table);
	nlsock_put_u32(&msg, RTA_PRIORITY, route->metric);
	return msg;
}

static bool rtroute_is_shared(const struct netstate_names *names)
{
	return names->table == RTROUTE_MAIN;
}

/* @route is in the way of itself, or another one is. */
static int rtroute_verify(struct nlsock *s, const struct netstate_names *names,
			  const struct netstate_route *route)
{
	struct netstate_route seen[NETSTATE_ROUTES_MAX];
	size_t n = 0;
	int r = rtroute_list(s, names, ARRAY_SIZE(seen), seen, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && i < ARRAY_SIZE(seen); i++)
		if (seen[i].kind == route->kind && seen[i].metric == route->metric &&
		    ip6_prefix_equal(&seen[i].prefix, &route->prefix))
			return 0;
	return -EEXIST;
}

int rtroute_set(struct nlsock *s, const struct netstate_names *names,
		const struct netstate_route *route)
{
	int how = rtroute_is_shared(names) ? NLM_F_EXCL : NLM_F_REPLACE;
	uint32_t ifindex = 0;
	struct nl_msg *msg;
	int r = rtroute_ifindex(s, names->ifname, &ifindex);

	if (r < 0)
		return r;
	if (route->kind == NETSTATE_DEV && !ifindex)
		return -ENODEV;
	msg = rtroute_request(RTM_NEWROUTE, NLM_F_CREATE | how, names, route);
	if (route->kind == NETSTATE_DEV)
		nlsock_put_u32(&msg, RTA_OIF, ifindex);
	r = nlsock_talk(s, msg);
	return r == -EEXIST ? rtroute_verify(s, names, route) : r;
}

int rtroute_del(struct nlsock *s, const struct netstate_names *names,
		const struct netstate_route *route)
{
	uint32_t ifindex = 0;
	struct nl_msg *msg;
	int r = rtroute_ifindex(s, names->ifname, &ifindex);

	if (r < 0)
		return r;
	/* Routes of an interface go with it. */
	if (route->kind == NETSTATE_DEV && !ifindex)
		return 0;
	msg = rtroute_request(RTM_DELROUTE, 0, names, route);
	if (route->kind == NETSTATE_DEV)
		nlsock_put_u32(&msg, RTA_OIF, ifindex);
	r = nlsock_talk(s, msg);
	return r == -ESRCH ? 0 : r;
}

/* ---- reading ---- */

/* Those of others: the kernel's own, cached ones, with a source prefix, of another table. */
static bool rtroute_concerns(const struct rtmsg *rtm, struct nlattr **at, uint32_t table)
{
	uint32_t in = at[RTA_TABLE] ? nla_get_u32(at[RTA_TABLE]) : rtm->rtm_table;

	return rtm->rtm_family == AF_INET6 && in == table && !rtm->rtm_src_len &&
	       rtm->rtm_protocol != RTPROT_KERNEL && !(rtm->rtm_flags & RTM_F_CLONED);
}

static enum netstate_kind rtroute_kind(const struct rtmsg *rtm, struct nlattr **at,
				       uint32_t ifindex)
{
	uint32_t oif = at[RTA_OIF] ? nla_get_u32(at[RTA_OIF]) : 0;

	if (rtm->rtm_type == RTN_UNREACHABLE)
		return NETSTATE_UNREACHABLE;
	if (rtm->rtm_type == RTN_UNICAST && oif && oif == ifindex && !at[RTA_GATEWAY] &&
	    !at[RTA_MULTIPATH])
		return NETSTATE_DEV;
	return NETSTATE_STRAY;
}

static void rtroute_keep(struct rtroute_query *q, const struct rtmsg *rtm, struct nlattr **at)
{
	uint32_t oif = at[RTA_OIF] ? nla_get_u32(at[RTA_OIF]) : 0;
	struct netstate_route found = {
		.prefix.len = rtm->rtm_dst_len,
		.kind = rtroute_kind(rtm, at, q->ifindex),
		.metric = at[RTA_PRIORITY] ? nla_get_u32(at[RTA_PRIORITY]) : 0,
	};

	if (found.kind == NETSTATE_STRAY && oif && oif == q->spare)
		return;
	if (found.kind != NETSTATE_DEV && q->table == RTROUTE_MAIN)
		return;
	if (at[RTA_DST])
		nla_memcpy(&found.prefix.addr, at[RTA_DST], sizeof(found.prefix.addr));
	if (q->n < q->max)
		q->routes[q->n] = found;
	q->n++;
}

static int rtroute_take(struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *rtm = nlmsg_data(h);
	struct nlattr *at[RTA_MAX + 1];
	struct rtroute_query *q = arg;

	if (h->nlmsg_type == RTM_NEWROUTE && nlmsg_parse(h, sizeof(*rtm), at, RTA_MAX, NULL) == 0 &&
	    rtroute_concerns(rtm, at, q->table))
		rtroute_keep(q, rtm, at);
	return 0;
}

int rtroute_list(struct nlsock *s, const struct netstate_names *names, size_t max,
		 struct netstate_route *ret, size_t *ret_n)
{
	struct rtroute_query q = { .table = names->table, .max = max, .routes = ret };
	const struct rtmsg header = { .rtm_family = AF_INET6 };
	struct nl_msg *msg;
	int r = rtroute_ifindex(s, names->ifname, &q.ifindex);

	if (r == 0)
		r = rtroute_ifindex(s, names->spare, &q.spare);
	if (r < 0)
		return r;
	msg = nlsock_request(RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));
	nlsock_put_u32(&msg, RTA_TABLE, names->table);
	r = nlsock_ask(s, msg, rtroute_take, &q);
	/* A table without any route ever does not exist. */
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_n = q.n;
	return 0;
}
