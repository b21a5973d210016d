/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages to nf_tables as a stranger would write them, past nft and past our own writers.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

/* Begins at @at a message NFT_MSG_... for a family, or one that frames a batch, NFNL_MSG_BATCH_...,
 * which has no family. @at has room for what is put behind it. */
static inline struct nlmsghdr *nftmessage(void *at, uint16_t type, uint8_t family)
{
	bool is_frame = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *gen;

	nlh->nlmsg_type = (uint16_t)(is_frame ? type : NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->nfgen_family = is_frame ? AF_UNSPEC : family;
	gen->res_id = is_frame ? htons(NFNL_SUBSYS_NFTABLES) : 0;
	return nlh;
}
