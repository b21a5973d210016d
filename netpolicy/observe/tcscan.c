/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/tcscan.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "netpolicy/observe/netask.h"

#define TCSCAN_CLSACT_IN 0xfffffff2u  /* TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) */
#define TCSCAN_CLSACT_OUT 0xfffffff3u /* TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) */

/* Newer than the headers of Debian 12. Source: linux/bpf.h of 6.6. */
#define TCSCAN_BPF_PROG_QUERY 16
#define TCSCAN_BPF_TCX_INGRESS 46
#define TCSCAN_BPF_TCX_EGRESS 47

struct tcscan_query {
	uint32_t target_ifindex, attach_type, query_flags, attach_flags;
	uint64_t prog_ids;
	uint32_t prog_cnt, pad;
	uint64_t prog_attach_flags, link_ids, link_attach_flags, revision;
};

static void tcscan_copy(char ret[static TCSCAN_KIND_MAX], const struct nlattr *attr)
{
	int len = attr ? (int)mnl_attr_get_payload_len(attr) : 0;

	snprintf(ret, TCSCAN_KIND_MAX, "%.*s", len, attr ? mnl_attr_get_str(attr) : "");
}

static const struct nlattr *tcscan_nested(const struct nlattr *attr, int type)
{
	return attr ? netask_attr(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
				  type) :
		      NULL;
}

static const struct nlattr *tcscan_attr(const struct nlmsghdr *nlh, size_t header, int type)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	return len < MNL_ALIGN(header) ? NULL :
					 netask_attr(mnl_nlmsg_get_payload_offset(nlh, header),
						     len - MNL_ALIGN(header), type);
}

static int tcscan_take_link(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *info = tcscan_attr(nlh, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	const struct nlattr *xdp = tcscan_attr(nlh, sizeof(struct ifinfomsg), IFLA_XDP);
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct tcscan *to = ctx;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	to->index = ifi->ifi_index;
	tcscan_copy(to->kind, tcscan_nested(info, IFLA_INFO_KIND));
	xdp = tcscan_nested(xdp, IFLA_XDP_ATTACHED);
	to->has_xdp = xdp && mnl_attr_get_payload_len(xdp) == 1 && mnl_attr_get_u8(xdp) != 0;
	return MNL_CB_OK;
}

static int tcscan_read_link(const char *name, struct tcscan *to)
{
	char request[NETASK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct netask ask = { NETLINK_ROUTE, tcscan_take_link, to };

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return netask(&ask, nlh);
}

/* Queue disciplines of the interface: where filters can hang. */
struct tcscan_qdiscs {
	int index;
	size_t n;
	uint32_t parents[TCSCAN_QDISCS_MAX];
	bool is_over;
};

static void tcscan_add_parent(struct tcscan_qdiscs *q, uint32_t parent)
{
	if (q->n == TCSCAN_QDISCS_MAX)
		q->is_over = true;
	else
		q->parents[q->n++] = parent;
}

static int tcscan_take_qdisc(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct tcscan_qdiscs *q = ctx;

	if (nlh->nlmsg_type != RTM_NEWQDISC || tcm->tcm_ifindex != q->index)
		return MNL_CB_OK;
	if (tcm->tcm_parent == TC_H_INGRESS) {
		tcscan_add_parent(q, TCSCAN_CLSACT_IN);
		tcscan_add_parent(q, TCSCAN_CLSACT_OUT);
	}
	tcscan_add_parent(q, tcm->tcm_handle);
	return MNL_CB_OK;
}

static int tcscan_dump(const struct netask *ask, uint16_t type, int index, uint32_t parent)
{
	char request[NETASK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request);
	struct tcmsg *tcm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_ifindex = index;
	tcm->tcm_parent = parent;
	return netask(ask, nlh);
}

static int tcscan_take_filter(const struct nlmsghdr *nlh, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	struct tcscan *to = ctx;

	if (nlh->nlmsg_type != RTM_NEWTFILTER || tcm->tcm_ifindex != to->index)
		return MNL_CB_OK;
	if (to->n_filters++ == 0)
		tcscan_copy(to->filter, tcscan_attr(nlh, sizeof(*tcm), TCA_KIND));
	/* The kernel names the ingress discipline by its handle or by its half of clsact. */
	if (TC_H_MAJ(tcm->tcm_parent) == TC_H_MAJ(TC_H_INGRESS) &&
	    tcm->tcm_parent != TCSCAN_CLSACT_OUT)
		to->is_ingress = true;
	else
		to->is_egress = true;
	return MNL_CB_OK;
}

static int tcscan_read_filters(struct tcscan *to)
{
	struct tcscan_qdiscs qdiscs = { .index = to->index };
	struct netask ask = { NETLINK_ROUTE, tcscan_take_qdisc, &qdiscs };
	int r = tcscan_dump(&ask, RTM_GETQDISC, to->index, 0);

	ask = (struct netask){ NETLINK_ROUTE, tcscan_take_filter, to };
	for (size_t i = 0; i < qdiscs.n && r == 0; i++) {
		r = tcscan_dump(&ask, RTM_GETTFILTER, to->index, qdiscs.parents[i]);
		/* A discipline without classes, or half of one, has no filters. */
		r = r == -EINVAL || r == -EOPNOTSUPP || r == -ENOENT ? 0 : r;
	}
	return r == 0 && qdiscs.is_over ? -E2BIG : r;
}

/* Programs of tcx are no filters of tc: nothing lists them but this. */
static void tcscan_read_tcx(struct tcscan *to, uint32_t attach_type)
{
	struct tcscan_query q = { .target_ifindex = (uint32_t)to->index,
				  .attach_type = attach_type };

	if (syscall(SYS_bpf, TCSCAN_BPF_PROG_QUERY, &q, sizeof(q)) == 0)
		to->n_tcx += q.prog_cnt;
	else if (errno != EINVAL && errno != ENOENT && errno != E2BIG)
		to->tcx_error = -errno;
}

int tcscan_look(const char *name, struct tcscan *ret)
{
	struct tcscan found = { 0 };
	int r = tcscan_read_link(name, &found);

	if (r == 0)
		r = tcscan_read_filters(&found);
	if (r < 0)
		return r;
	tcscan_read_tcx(&found, TCSCAN_BPF_TCX_INGRESS);
	tcscan_read_tcx(&found, TCSCAN_BPF_TCX_EGRESS);
	*ret = found;
	return 0;
}
