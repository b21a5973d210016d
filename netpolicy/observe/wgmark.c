/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/wgmark.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include <libmnl/libmnl.h>

#include "netpolicy/observe/netask.h"

struct wgmark_answer {
	uint16_t family;
	uint32_t mark;
};

static const struct nlattr *wgmark_attr(const struct nlmsghdr *nlh, int type)
{
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	return len < GENL_HDRLEN ? NULL :
				   netask_attr(mnl_nlmsg_get_payload_offset(nlh, GENL_HDRLEN),
					       len - GENL_HDRLEN, type);
}

static int wgmark_take_family(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *id = wgmark_attr(nlh, CTRL_ATTR_FAMILY_ID);
	struct wgmark_answer *to = ctx;

	if (id && mnl_attr_get_payload_len(id) == sizeof(uint16_t))
		to->family = mnl_attr_get_u16(id);
	return MNL_CB_OK;
}

static int wgmark_take_mark(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *mark = wgmark_attr(nlh, WGDEVICE_A_FWMARK);
	struct wgmark_answer *to = ctx;

	if (mark && mnl_attr_get_payload_len(mark) == sizeof(uint32_t))
		to->mark = mnl_attr_get_u32(mark);
	return MNL_CB_OK;
}

static struct nlmsghdr *wgmark_request(void *at, uint16_t type, uint16_t flags, uint8_t command)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return nlh;
}

int wgmark_read(const char *name, uint32_t *ret)
{
	char request[NETASK_REQUEST_BYTES] __attribute__((aligned(8)));
	struct wgmark_answer answer = { 0 };
	struct netask ask = { NETLINK_GENERIC, wgmark_take_family, &answer };
	struct nlmsghdr *nlh = wgmark_request(request, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	int r;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	r = netask(&ask, nlh);
	if (r == 0 && answer.family == 0)
		r = -ENOENT;
	if (r < 0)
		return r;
	ask.fn = wgmark_take_mark;
	nlh = wgmark_request(request, answer.family, NLM_F_DUMP, WG_CMD_GET_DEVICE);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, name);
	r = netask(&ask, nlh);
	if (r == 0)
		*ret = answer.mark;
	return r;
}
