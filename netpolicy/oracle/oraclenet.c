/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oraclenet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "common/ip6.h"

#define ORACLENET_KNOWN_MAX 64 /* addresses that are something; the oldest makes room */
#define ORACLENET_ANSWER 8192  /* bytes */
#define ORACLENET_LO 1         /* index of lo in every namespace */

/* An address that is not simply somewhere else. */
struct oraclenet_known {
	struct in6_addr addr;
	enum oraclenet_kind kind;
	size_t link;
	int fd; /* of a group: the socket that joined it; else -1 */
};

struct oraclenet {
	struct mnl_socket *socket;
	uint32_t seq;
	size_t n_links;
	struct oraclenet_link links[ORACLENET_LINKS_MAX];
	size_t chosen; /* link of the default routes; 0 = none yet */
	size_t n_known, oldest;
	struct oraclenet_known known[ORACLENET_KNOWN_MAX];
	uint8_t request[512] __attribute__((aligned(8)));
	uint8_t answer[ORACLENET_ANSWER] __attribute__((aligned(8)));
};

static int oraclenet_sysctl(const char *name, const char *value)
{
	char path[128];
	_cleanup_(closep) int fd = -1;
	ssize_t len = (ssize_t)strlen(value);

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return write(fd, value, (size_t)len) == len ? 0 : -errno;
}

/* The kernel shall send nothing by itself, and leave all judging to the policy. */
static int oraclenet_rest(void)
{
	static const char *const rows[][2] = {
		{ "ipv6/conf/all/disable_ipv6", "0" },
		{ "ipv6/conf/default/disable_ipv6", "0" },
		{ "ipv6/conf/default/addr_gen_mode", "1" },
		{ "ipv6/conf/default/accept_ra", "0" },
		{ "ipv6/conf/default/accept_dad", "0" },
		{ "ipv6/conf/default/router_solicitations", "0" },
		{ "ipv6/auto_flowlabels", "0" },
		{ "ipv4/conf/all/rp_filter", "0" },
		{ "ipv4/conf/default/rp_filter", "0" },
		{ "ipv4/conf/default/accept_local", "1" },
		{ "ipv4/conf/default/route_localnet", "1" },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
		r = oraclenet_sysctl(rows[i][0], rows[i][1]);
	return r;
}

static void *oraclenet_begin(struct oraclenet *net, uint16_t type, uint16_t flags, size_t size)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(net->request);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	nlh->nlmsg_seq = ++net->seq;
	return mnl_nlmsg_put_extra_header(nlh, size);
}

static void oraclenet_put(struct oraclenet *net, uint16_t type, const void *p, size_t len)
{
	mnl_attr_put((struct nlmsghdr *)(void *)net->request, type, len, p);
}

static int oraclenet_ask(struct oraclenet *net)
{
	struct nlmsghdr *nlh = (void *)net->request;
	unsigned int port = mnl_socket_get_portid(net->socket);
	ssize_t n;

	if (mnl_socket_sendto(net->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(net->socket, net->answer, sizeof(net->answer));
	if (n < 0)
		return -errno;
	return mnl_cb_run(net->answer, (size_t)n, net->seq, port, NULL, NULL) < 0 ? -errno : 0;
}

static int oraclenet_up(struct oraclenet *net, int index, bool is_noarp)
{
	struct ifinfomsg *ifi = oraclenet_begin(net, RTM_NEWLINK, 0, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = index;
	ifi->ifi_flags = IFF_UP | (is_noarp ? (unsigned int)IFF_NOARP : 0);
	ifi->ifi_change = IFF_UP | IFF_NOARP;
	return oraclenet_ask(net);
}

int oraclenet_open(struct oraclenet **ret)
{
	_cleanup_(oraclenet_closep) struct oraclenet *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return -ENOMEM;
	net->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!net->socket || mnl_socket_bind(net->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = oraclenet_rest();
	if (r == 0)
		r = oraclenet_up(net, ORACLENET_LO, false);
	if (r < 0)
		return r;
	net->links[0] = (struct oraclenet_link){ .name = "lo", .index = ORACLENET_LO, .fd = -1 };
	net->n_links = 1;
	*ret = steal_ptr(net);
	return 0;
}

void oraclenet_close(struct oraclenet *net)
{
	if (!net)
		return;
	for (size_t i = 0; i < net->n_known; i++)
		closep(&net->known[i].fd);
	if (net->socket)
		mnl_socket_close(net->socket);
	free(net);
}

void oraclenet_closep(struct oraclenet **net)
{
	oraclenet_close(*net);
	*net = NULL;
}

static bool oraclenet_is_v4(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_V4MAPPED(addr);
}

static bool oraclenet_is_link_local(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LINKLOCAL(addr) || IN6_IS_ADDR_MC_LINKLOCAL(addr);
}

/* The bytes of an address as its family has them. */
static const void *oraclenet_bytes(const struct in6_addr *addr, size_t *ret_len)
{
	*ret_len = oraclenet_is_v4(addr) ? 4 : 16;
	return addr->s6_addr + 16 - *ret_len;
}

struct oraclenet_route {
	uint16_t request; /* RTM_NEWROUTE, RTM_DELROUTE */
	uint8_t family;
	uint8_t type;              /* RTN_… */
	uint8_t table;             /* RT_TABLE_… */
	const struct in6_addr *to; /* NULL: everywhere */
	uint8_t len;               /* of the prefix, in the bits of the family */
	int link;                  /* index; 0 = none */
	uint32_t metric;           /* 0: the default one, and what is there is replaced */
	bool has_gateway;
};

static uint16_t oraclenet_how(const struct oraclenet_route *route)
{
	return NLM_F_CREATE | (route->metric ? 0 : NLM_F_REPLACE);
}

static int oraclenet_route(struct oraclenet *net, const struct oraclenet_route *route)
{
	static const uint8_t gateway6[16] = { 0xfe, 0x80, [14] = 0xff, [15] = 0xfe };
	static const uint8_t gateway4[4] = { 169, 254, 255, 254 };
	bool is_new = route->request == RTM_NEWROUTE;
	struct rtmsg *rt = oraclenet_begin(net, route->request, is_new ? oraclenet_how(route) : 0,
					   sizeof(*rt));
	bool is_v4 = route->family == AF_INET;
	size_t len;

	rt->rtm_family = route->family;
	rt->rtm_dst_len = route->len;
	rt->rtm_table = route->table;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_type = route->type;
	rt->rtm_scope = route->type == RTN_LOCAL                    ? RT_SCOPE_HOST :
			is_v4 && !route->has_gateway && route->link ? RT_SCOPE_LINK :
								      RT_SCOPE_UNIVERSE;
	if (route->to) {
		const void *bytes = oraclenet_bytes(route->to, &len);

		oraclenet_put(net, RTA_DST, bytes, len);
	}
	if (route->link)
		oraclenet_put(net, RTA_OIF, &route->link, sizeof(route->link));
	if (route->metric)
		oraclenet_put(net, RTA_PRIORITY, &route->metric, sizeof(route->metric));
	if (route->has_gateway) {
		rt->rtm_flags |= RTNH_F_ONLINK;
		oraclenet_put(net, RTA_GATEWAY, is_v4 ? gateway4 : gateway6, is_v4 ? 4 : 16);
	}
	return oraclenet_ask(net);
}

/* Link-local destinations, and groups of IPv4, which have no table of their own. */
static int oraclenet_route_link(struct oraclenet *net, int index)
{
	struct in6_addr link_local = { 0 };
	struct oraclenet_route route = {
		.request = RTM_NEWROUTE,
		.family = AF_INET6,
		.type = RTN_UNICAST,
		.table = RT_TABLE_MAIN,
		.to = &link_local,
		.len = 10,
		.link = index,
		.metric = (uint32_t)index,
	};
	struct oraclenet_route groups = { .request = RTM_NEWROUTE,
					  .family = AF_INET6,
					  .type = RTN_MULTICAST,
					  .table = RT_TABLE_LOCAL,
					  .to = &link_local,
					  .len = 8,
					  .link = index,
					  .metric = (uint32_t)index };
	int r;

	link_local.s6_addr[0] = 0xfe;
	link_local.s6_addr[1] = 0x80;
	r = oraclenet_route(net, &route);
	link_local = (struct in6_addr){ 0 };
	link_local.s6_addr[0] = 0xff;
	return r < 0 ? r : oraclenet_route(net, &groups);
}

int oraclenet_add(struct oraclenet *net, const char *name, int fd, bool is_tap, size_t *ret_link)
{
	struct oraclenet_link *link = &net->links[net->n_links];
	struct ifreq req = { .ifr_flags = (short)((is_tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI) };
	int r;

	if (net->n_links >= ORACLENET_LINKS_MAX)
		return -E2BIG;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return -errno;
	*link = (struct oraclenet_link){ .fd = fd, .is_tap = is_tap };
	snprintf(link->name, sizeof(link->name), "%s", name);
	if (is_tap && ioctl(fd, SIOCGIFHWADDR, &req) == 0)
		memcpy(link->mac, req.ifr_hwaddr.sa_data, sizeof(link->mac));
	link->index = (int)if_nametoindex(name);
	if (!link->index)
		return -errno;
	r = oraclenet_up(net, link->index, is_tap);
	if (r == 0)
		r = oraclenet_route_link(net, link->index);
	if (r < 0)
		return r;
	*ret_link = net->n_links++;
	return 0;
}

const struct oraclenet_link *oraclenet_link(const struct oraclenet *net, size_t link)
{
	return &net->links[link];
}

int oraclenet_choose(struct oraclenet *net, size_t link)
{
	struct oraclenet_route route = {
		.request = RTM_NEWROUTE,
		.family = AF_INET6,
		.type = RTN_UNICAST,
		.table = RT_TABLE_MAIN,
		.link = net->links[link].index,
		.has_gateway = net->links[link].is_tap,
	};
	int r;

	if (!link || net->chosen == link)
		return 0;
	r = oraclenet_route(net, &route);
	route.family = AF_INET;
	if (r == 0)
		r = oraclenet_route(net, &route);
	if (r == 0)
		net->chosen = link;
	return r;
}

/* A local route, for that is there at once; an address gets its own from a kernel thread. */
static int oraclenet_own(struct oraclenet *net, const struct in6_addr *addr, int index, bool is_new)
{
	bool is_v4 = oraclenet_is_v4(addr);

	return oraclenet_route(net, &(struct oraclenet_route){
					    .request = is_new ? RTM_NEWROUTE : RTM_DELROUTE,
					    .family = is_v4 ? AF_INET : AF_INET6,
					    .type = RTN_LOCAL,
					    .table = RT_TABLE_LOCAL,
					    .to = addr,
					    .len = is_v4 ? 32 : 128,
					    .link = index,
				    });
}

static int oraclenet_nowhere(struct oraclenet *net, const struct in6_addr *addr, bool is_new)
{
	bool is_v4 = oraclenet_is_v4(addr);

	return oraclenet_route(net, &(struct oraclenet_route){
					    .request = is_new ? RTM_NEWROUTE : RTM_DELROUTE,
					    .family = is_v4 ? AF_INET : AF_INET6,
					    .type = RTN_UNREACHABLE,
					    .table = RT_TABLE_MAIN,
					    .to = addr,
					    .len = is_v4 ? 32 : 128,
				    });
}

static int oraclenet_join(const struct in6_addr *group, int index, int *ret_fd)
{
	bool is_v4 = oraclenet_is_v4(group);
	_cleanup_(closep) int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipv6_mreq six = { .ipv6mr_multiaddr = *group,
				 .ipv6mr_interface = (unsigned int)index };
	struct ip_mreqn four = { .imr_ifindex = index };
	int r;

	if (fd < 0)
		return -errno;
	memcpy(&four.imr_multiaddr, group->s6_addr + 12, 4);
	r = is_v4 ? setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof(four)) :
		    setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof(six));
	if (r < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Which interface an address is put on: a link-local one is different on each. */
static int oraclenet_home(const struct oraclenet *net, const struct in6_addr *addr, size_t link)
{
	return oraclenet_is_link_local(addr) ? net->links[link].index : ORACLENET_LO;
}

static void oraclenet_forget(struct oraclenet *net, size_t at)
{
	struct oraclenet_known *k = &net->known[at];

	if (k->kind == ORACLENET_OWN)
		(void)oraclenet_own(net, &k->addr, oraclenet_home(net, &k->addr, k->link), false);
	else if (k->kind == ORACLENET_NOWHERE)
		(void)oraclenet_nowhere(net, &k->addr, false);
	closep(&k->fd);
	*k = net->known[--net->n_known];
}

static int oraclenet_make(struct oraclenet *net, struct oraclenet_known *k)
{
	switch (k->kind) {
	case ORACLENET_OWN:
		return oraclenet_own(net, &k->addr, oraclenet_home(net, &k->addr, k->link), true);
	case ORACLENET_NOWHERE:
		return oraclenet_nowhere(net, &k->addr, true);
	case ORACLENET_GROUP:
		return oraclenet_join(&k->addr, net->links[k->link].index, &k->fd);
	case ORACLENET_FAR:
	default:
		return 0;
	}
}

static size_t oraclenet_find(const struct oraclenet *net, const struct in6_addr *addr)
{
	size_t i = 0;

	while (i < net->n_known && !ip6_addr_equal(&net->known[i].addr, addr))
		i++;
	return i;
}

int oraclenet_want(struct oraclenet *net, const struct in6_addr *addr, enum oraclenet_kind kind,
		   size_t link)
{
	size_t at = oraclenet_find(net, addr);
	bool by_link = oraclenet_is_link_local(addr) || kind == ORACLENET_GROUP;
	int r;

	if (at < net->n_known) {
		const struct oraclenet_known *k = &net->known[at];

		if (k->kind == kind && (!by_link || k->link == link))
			return 0;
		oraclenet_forget(net, at);
	}
	if (kind == ORACLENET_FAR)
		return 0;
	if (net->n_known == ORACLENET_KNOWN_MAX)
		oraclenet_forget(net, net->oldest++ % ORACLENET_KNOWN_MAX);
	net->known[net->n_known] =
		(struct oraclenet_known){ .addr = *addr, .kind = kind, .link = link, .fd = -1 };
	r = oraclenet_make(net, &net->known[net->n_known]);
	if (r == 0)
		net->n_known++;
	return r;
}
