/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/rtaddr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "tunneld/kern/nlsock.h"
#include "tunneld/kern/rtlink.h"

struct rtaddr_query {
	uint32_t ifindex;
	size_t max;
	struct netstate_addr *addrs;
	size_t n;
};

static struct nl_msg *rtaddr_request(int type, int flags, uint32_t ifindex,
				     const struct netstate_addr *addr)
{
	const struct ifaddrmsg header = {
		.ifa_family = AF_INET6,
		.ifa_prefixlen = addr->len,
		.ifa_index = ifindex,
	};
	struct nl_msg *msg = nlsock_request(type, flags, &header, sizeof(header));

	nlsock_put(&msg, IFA_LOCAL, &addr->addr, sizeof(addr->addr));
	nlsock_put(&msg, IFA_ADDRESS, &addr->addr, sizeof(addr->addr));
	return msg;
}

static int rtaddr_take(struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *ifa = nlmsg_data(h);
	struct netstate_addr found = { .len = ifa->ifa_prefixlen };
	struct nlattr *at[IFA_MAX + 1];
	struct rtaddr_query *q = arg;
	struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWADDR || nlmsg_parse(h, sizeof(*ifa), at, IFA_MAX, NULL) < 0)
		return 0;
	a = at[IFA_LOCAL] ? at[IFA_LOCAL] : at[IFA_ADDRESS];
	if (ifa->ifa_family != AF_INET6 || ifa->ifa_index != q->ifindex ||
	    nla_memcpy(&found.addr, a, sizeof(found.addr)) != sizeof(found.addr))
		return 0;
	if (IN6_IS_ADDR_LINKLOCAL(&found.addr))
		return 0;
	if (q->n < q->max)
		q->addrs[q->n] = found;
	q->n++;
	return 0;
}

int rtaddr_list(struct nlsock *s, const char *ifname, size_t max, struct netstate_addr *ret,
		size_t *ret_n)
{
	struct rtaddr_query q = { .max = max, .addrs = ret };
	struct ifaddrmsg header = { .ifa_family = AF_INET6 };
	struct rtlink link = { 0 };
	int r = rtlink_read(s, ifname, &link);

	if (r == 0) {
		q.ifindex = header.ifa_index = (uint32_t)link.ifindex;
		r = nlsock_ask(s, nlsock_request(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header)),
			       rtaddr_take, &q);
	}
	if (r < 0 && r != -ENODEV)
		return r;
	*ret_n = q.n;
	return 0;
}

/* The kernel says "exists" to the same address whatever its prefix length. */
static int rtaddr_verify(struct nlsock *s, const char *ifname, const struct netstate_addr *addr)
{
	struct netstate_addr seen[4 * NETSTATE_ADDRS_MAX];
	size_t n = 0;
	int r = rtaddr_list(s, ifname, ARRAY_SIZE(seen), seen, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && i < ARRAY_SIZE(seen); i++)
		if (seen[i].len == addr->len && ip6_addr_equal(&seen[i].addr, &addr->addr))
			return 0;
	return -EEXIST;
}

int rtaddr_add(struct nlsock *s, const char *ifname, const struct netstate_addr *addr)
{
	struct rtlink link;
	struct nl_msg *msg;
	int r = rtlink_read(s, ifname, &link);

	if (r < 0)
		return r;
	msg = rtaddr_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, (uint32_t)link.ifindex, addr);
	nlsock_put_u32(&msg, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	r = nlsock_talk(s, msg);
	return r == -EEXIST ? rtaddr_verify(s, ifname, addr) : r;
}

int rtaddr_del(struct nlsock *s, const char *ifname, const struct netstate_addr *addr)
{
	struct rtlink link;
	int r = rtlink_read(s, ifname, &link);

	if (r == 0)
		r = nlsock_talk(s, rtaddr_request(RTM_DELADDR, 0, (uint32_t)link.ifindex, addr));
	return r == -ENODEV || r == -EADDRNOTAVAIL ? 0 : r;
}
