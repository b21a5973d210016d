/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/ktable.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <libmnl/libmnl.h>

#include "netpolicy/apply/batch.h"

#define KTABLE_ATTR_OWNER 7 /* NFTA_TABLE_OWNER */

static uint32_t ktable_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static int ktable_take(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *gen = mnl_nlmsg_get_payload(nlh);
	bool is_guard = gen->nfgen_family == NFPROTO_NETDEV;
	struct ktable table = { .exists = true }, *both = ctx;
	const struct nlattr *attr;
	const char *name = "";

	if ((nlh->nlmsg_type & 0xff) != NFT_MSG_NEWTABLE)
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(*gen)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_TABLE_FLAGS)
			table.flags = ktable_u32(attr);
		if (mnl_attr_get_type(attr) == KTABLE_ATTR_OWNER)
			table.owner = ktable_u32(attr);
	}
	if (is_guard || gen->nfgen_family == NFPROTO_INET)
		if (!strcmp(name, is_guard ? BATCH_GUARD : BATCH_TABLE))
			both[is_guard] = table;
	return 0;
}

int ktable_read(struct kernio *k, struct ktable ret[static 2])
{
	struct kernio_query query = { .type = NFT_MSG_GETTABLE };
	struct ktable both[2] = { 0 };
	int r = kernio_dump(k, &query, ktable_take, both);

	if (r == 0)
		memcpy(ret, both, sizeof(both));
	return r;
}

bool ktable_is_taken(const struct ktable tables[static 2], uint32_t port)
{
	for (int i = 0; i < 2; i++)
		if ((tables[i].flags & KTABLE_OWNER) && tables[i].owner != port)
			return true;
	return false;
}

bool ktable_knows_persist(void)
{
	struct utsname u;
	long major, minor = 0;
	char *end;

	if (uname(&u) < 0)
		return true;
	major = strtol(u.release, &end, 10);
	if (*end == '.')
		minor = strtol(end + 1, NULL, 10);
	return major > 6 || (major == 6 && minor >= 9);
}
