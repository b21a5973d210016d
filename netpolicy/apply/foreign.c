/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/foreign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"

struct foreign_chain {
	const char *table, *name;
	const struct nlattr *hook;
	uint8_t family;
};

const char *foreign_family(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_NETDEV:
		return "netdev";
	case NFPROTO_BRIDGE:
		return "bridge";
	default:
		return "arp";
	}
}

static const char *foreign_hook(uint8_t family, uint32_t hook)
{
	static const char *const names[] = { "prerouting", "input",       "forward",
					     "output",     "postrouting", "ingress" };

	if (family == NFPROTO_NETDEV)
		return hook ? "egress" : "ingress";
	return hook < ARRAY_SIZE(names) ? names[hook] : "another hook";
}

static bool foreign_is_ours(const struct foreign_chain *c)
{
	return (c->family == NFPROTO_INET && !strcmp(c->table, BATCH_TABLE)) ||
	       (c->family == NFPROTO_NETDEV && !strcmp(c->table, BATCH_GUARD));
}

static uint32_t foreign_hook_u32(const struct nlattr *hook, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, hook)
		if (mnl_attr_get_type(attr) == type && mnl_attr_get_payload_len(attr) == 4)
			return ntohl(mnl_attr_get_u32(attr));
	return 0;
}

static void foreign_get(const struct nlmsghdr *nlh, struct foreign_chain *ret)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	*ret = (struct foreign_chain){ "", "", NULL, gen->nfgen_family };
	mnl_attr_for_each(attr, nlh, sizeof(*gen)) {
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			ret->table = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME)
			ret->name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_HOOK)
			ret->hook = attr;
	}
}

/* Names are somebody else's: nothing of them may steer a terminal. */
static const char *foreign_name(const char *name, char ret[static BATCH_NAME_MAX])
{
	snprintf(ret, BATCH_NAME_MAX, "%s", name);
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return ret;
}

static int foreign_take(const struct nlmsghdr *nlh, void *ctx)
{
	char table[BATCH_NAME_MAX], name[BATCH_NAME_MAX];
	struct foreign_chain c;

	foreign_get(nlh, &c);
	if (!c.hook || foreign_is_ours(&c))
		return 0;
	buf_addf(ctx, "%s %s: chain %s at %s, priority %d\n", foreign_family(c.family),
		 foreign_name(c.table, table), foreign_name(c.name, name),
		 foreign_hook(c.family, foreign_hook_u32(c.hook, NFTA_HOOK_HOOKNUM)),
		 (int)foreign_hook_u32(c.hook, NFTA_HOOK_PRIORITY));
	return 0;
}

int foreign_list(struct kernio *k, struct buf *to)
{
	struct kernio_query query = { .type = NFT_MSG_GETCHAIN };
	int r = KERNIO_E_CHANGED;

	for (int i = 0; i < KERNIO_TRIES && r == KERNIO_E_CHANGED; i++) {
		buf_release(to);
		r = kernio_dump(k, &query, foreign_take, to);
	}
	if (r == KERNIO_E_CHANGED)
		return -EBUSY;
	return r < 0 ? r : buf_done(to);
}
