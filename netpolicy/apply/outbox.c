/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/outbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"

#define OUTBOX_OWN_MAX 1024 /* bytes of a message made here */

/* Room for @need more bytes, zeroed by whoever fills them. NULL when something failed. */
static void *outbox_room(struct outbox *o, size_t need)
{
	size_t want = o->cap ? o->cap : 16384;
	uint8_t *more;

	if (o->error)
		return NULL;
	while (want < o->len + need)
		want *= 2;
	if (want != o->cap) {
		more = realloc(o->bytes, want);
		o->error = more ? 0 : -ENOMEM;
		o->bytes = more ? more : o->bytes;
		o->cap = more ? want : o->cap;
	}
	return o->error ? NULL : o->bytes + o->len;
}

static struct nlmsghdr *outbox_header(void *at, uint16_t type, uint8_t family, uint16_t res_id)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);
	struct nfgenmsg *gen;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->nfgen_family = family;
	gen->version = NFNETLINK_V0;
	gen->res_id = htons(res_id);
	return nlh;
}

static void outbox_advance(struct outbox *o, struct nlmsghdr *nlh)
{
	nlh->nlmsg_seq = ++o->n;
	o->last = o->len;
	o->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

struct outbox outbox_begin(uint32_t generation)
{
	struct outbox o = { 0 };
	struct nlmsghdr *nlh;
	void *at = outbox_room(&o, OUTBOX_OWN_MAX);

	if (!at)
		return o;
	nlh = outbox_header(at, NFNL_MSG_BATCH_BEGIN, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(generation));
	o.len = NLMSG_ALIGN(nlh->nlmsg_len);
	return o;
}

void outbox_copy(struct outbox *o, const struct nlmsghdr *nlh)
{
	size_t len = NLMSG_ALIGN(nlh->nlmsg_len);
	void *at = outbox_room(o, len);

	if (!at)
		return;
	memcpy(at, nlh, len);
	((struct nlmsghdr *)at)->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	outbox_advance(o, at);
}

void outbox_copy_table(struct outbox *o, const struct nlmsghdr *nlh, uint32_t flags)
{
	uint8_t *at = outbox_room(o, NLMSG_ALIGN(nlh->nlmsg_len) + OUTBOX_OWN_MAX);
	struct nlmsghdr *copy = (void *)at;
	struct nlattr *attr;

	if (!at)
		return;
	memcpy(at, nlh, nlh->nlmsg_len);
	memset(at + nlh->nlmsg_len, 0, NLMSG_ALIGN(nlh->nlmsg_len) - nlh->nlmsg_len);
	copy->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len);
	copy->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	flags = htonl(flags);
	mnl_attr_for_each(attr, copy, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS &&
		    mnl_attr_get_payload_len(attr) == sizeof(flags)) {
			memcpy(mnl_attr_get_payload(attr), &flags, sizeof(flags));
			outbox_advance(o, copy);
			return;
		}
	mnl_attr_put(copy, NFTA_TABLE_FLAGS, sizeof(flags), &flags);
	outbox_advance(o, copy);
}

void outbox_delete(struct outbox *o, const struct outbox_delete *what)
{
	void *at = outbox_room(o, OUTBOX_OWN_MAX);
	struct nlmsghdr *nlh;

	if (!at || (what->name && strlen(what->name) > OUTBOX_OWN_MAX / 2)) {
		o->error = o->error ? o->error : -ENAMETOOLONG;
		return;
	}
	nlh = outbox_header(at, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what->type),
			    what->is_guard ? NFPROTO_NETDEV : NFPROTO_INET, 0);
	if (what->type == NFT_MSG_NEWTABLE)
		nlh->nlmsg_flags |= NLM_F_CREATE;
	/* The table is attribute 1 of every message. */
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, what->is_guard ? BATCH_GUARD : BATCH_TABLE);
	if (what->attr)
		mnl_attr_put_strz(nlh, what->attr, what->name);
	if (what->detail_attr)
		mnl_attr_put_u32(nlh, what->detail_attr, htonl(what->detail));
	outbox_advance(o, nlh);
}

int outbox_end(struct outbox *o)
{
	void *at = outbox_room(o, OUTBOX_OWN_MAX);
	struct nlmsghdr *nlh;

	if (!at)
		return o->error;
	/* Kernels answer to a message of the batch; to the frame only newer ones do. */
	((struct nlmsghdr *)(void *)(o->bytes + o->last))->nlmsg_flags |= NLM_F_ACK;
	nlh = outbox_header(at, NFNL_MSG_BATCH_END, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	nlh->nlmsg_seq = o->n + 1;
	o->len += NLMSG_ALIGN(nlh->nlmsg_len);
	return 0;
}

const struct nlmsghdr *outbox_find(const struct outbox *o, uint32_t seq)
{
	size_t at = 0;

	while (seq && at + sizeof(struct nlmsghdr) <= o->len) {
		const struct nlmsghdr *nlh = (const void *)(o->bytes + at);

		if (at && nlh->nlmsg_seq == seq)
			return nlh;
		at += NLMSG_ALIGN(nlh->nlmsg_len);
	}
	return NULL;
}

void outbox_release(struct outbox *o)
{
	free(o->bytes);
	*o = (struct outbox){ 0 };
}
