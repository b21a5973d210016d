/* SPDX-License-Identifier: MIT */
#include "tunneld/kern/rtrule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "tunneld/kern/nlsock.h"

/* Rules that may have to go in one sweep, and the sweeps until none is left. */
#define RTRULE_VICTIMS_MAX 16
#define RTRULE_SWEEPS_MAX 8

struct rtrule_query {
	const struct netstate_names *names;
	bool keep; /* the exact one is no victim */
	struct rtrule_seen seen;
	struct nl_msg *victims[RTRULE_VICTIMS_MAX]; /* requests that remove them */
	size_t n_victims;
};

/* ---- reading ---- */

static uint32_t rtrule_u32(const struct nlattr *a, uint32_t otherwise)
{
	return a && nla_len(a) == sizeof(uint32_t) ? nla_get_u32(a) : otherwise;
}

/* At our priority, into our table: made by us now or earlier. */
static bool rtrule_is_ours(const struct fib_rule_hdr *frh, struct nlattr **at,
			   const struct netstate_names *names)
{
	return frh->family == AF_INET6 && frh->action == FR_ACT_TO_TBL &&
	       rtrule_u32(at[FRA_PRIORITY], 0) == names->rule_priority &&
	       rtrule_u32(at[FRA_TABLE], frh->table) == names->table;
}

/* An attribute that the wanted rule does not have would make the rule narrower than wanted, also
 * one that a later kernel invents. */
static bool rtrule_is_narrowing(const struct nlattr *a)
{
	switch (nla_type(a)) {
	case FRA_PRIORITY:
	case FRA_TABLE:
	case FRA_FWMARK:
	case FRA_FWMASK:
	case FRA_PROTOCOL:
	case FRA_PAD:
		return false;
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		return rtrule_u32(a, 0) != UINT32_MAX;
	default:
		return true;
	}
}

static bool rtrule_is_exact(struct nlmsghdr *h, struct nlattr **at, uint32_t fwmark)
{
	const struct fib_rule_hdr *frh = nlmsg_data(h);
	struct nlattr *a;
	int left;

	nlmsg_for_each_attr(a, h, sizeof(*frh), left)
	{
		if (rtrule_is_narrowing(a))
			return false;
	}
	return (frh->flags & FIB_RULE_INVERT) && !frh->src_len && !frh->dst_len && !frh->tos &&
	       rtrule_u32(at[FRA_FWMARK], 0) == fwmark &&
	       rtrule_u32(at[FRA_FWMASK], 0) == UINT32_MAX;
}

static int rtrule_take(struct nlmsghdr *h, void *arg)
{
	const struct fib_rule_hdr *frh = nlmsg_data(h);
	struct nlattr *at[FRA_MAX + 1];
	struct rtrule_query *q = arg;
	bool exact;

	if (h->nlmsg_type != RTM_NEWRULE || nlmsg_parse(h, sizeof(*frh), at, FRA_MAX, NULL) < 0 ||
	    !rtrule_is_ours(frh, at, q->names))
		return 0;
	exact = rtrule_is_exact(h, at, q->names->fwmark);
	q->seen.exact |= exact;
	q->seen.stale += !exact;
	if ((exact && q->keep) || q->n_victims == RTRULE_VICTIMS_MAX)
		return 0;
	/* What the kernel says of it is what it finds it by. */
	q->victims[q->n_victims++] = nlsock_request(RTM_DELRULE, 0, nlmsg_data(h),
						    (size_t)nlmsg_datalen(h));
	return 0;
}

static int rtrule_query(struct nlsock *s, struct rtrule_query *q)
{
	const struct fib_rule_hdr header = { .family = AF_INET6 };

	return nlsock_ask(s, nlsock_request(RTM_GETRULE, NLM_F_DUMP, &header, sizeof(header)),
			  rtrule_take, q);
}

static void rtrule_forget_victims(struct rtrule_query *q)
{
	for (size_t i = 0; i < q->n_victims; i++)
		nlmsg_free(q->victims[i]);
}

int rtrule_read(struct nlsock *s, const struct netstate_names *names, struct rtrule_seen *ret)
{
	_cleanup_(rtrule_forget_victims) struct rtrule_query q = { .names = names };
	int r = rtrule_query(s, &q);

	if (r == 0)
		*ret = q.seen;
	return r;
}

/* ---- writing ---- */

static struct nl_msg *rtrule_request(const struct netstate_names *names)
{
	const struct fib_rule_hdr header = {
		.family = AF_INET6,
		.action = FR_ACT_TO_TBL,
		.table = names->table < 256 ? (uint8_t)names->table : RT_TABLE_UNSPEC,
		.flags = FIB_RULE_INVERT,
	};
	const uint8_t protocol = RTPROT_STATIC;
	struct nl_msg *msg = nlsock_request(RTM_NEWRULE, NLM_F_CREATE, &header, sizeof(header));

	nlsock_put_u32(&msg, FRA_PRIORITY, names->rule_priority);
	nlsock_put_u32(&msg, FRA_TABLE, names->table);
	nlsock_put_u32(&msg, FRA_FWMARK, names->fwmark);
	nlsock_put_u32(&msg, FRA_FWMASK, UINT32_MAX);
	nlsock_put(&msg, FRA_PROTOCOL, &protocol, sizeof(protocol));
	return msg;
}

/* Looks before it adds, and adds without NLM_F_EXCL: the kernel takes a rule that only lacks our
 * "not" for the same, and the same rule with another protocol for another (net/core/fib_rules.c,
 * rule_exists). */
int rtrule_add(struct nlsock *s, const struct netstate_names *names)
{
	struct rtrule_seen seen = { .exact = false };
	int r = rtrule_read(s, names, &seen);

	if (r < 0 || seen.exact)
		return r;
	return nlsock_talk(s, rtrule_request(names));
}

/* Removes what one look finds. Gives in *ret_n how many. */
static int rtrule_sweep_once(struct nlsock *s, const struct netstate_names *names, bool keep,
			     size_t *ret_n)
{
	_cleanup_(rtrule_forget_victims) struct rtrule_query q = { .names = names, .keep = keep };
	int r = rtrule_query(s, &q);

	for (size_t i = 0; r == 0 && i < q.n_victims; i++) {
		r = nlsock_talk(s, steal_ptr(q.victims[i]));
		r = r == -ENOENT ? 0 : r;
	}
	*ret_n = q.n_victims;
	return r;
}

int rtrule_sweep(struct nlsock *s, const struct netstate_names *names, bool keep)
{
	size_t n = 1;
	int r = 0;

	for (int i = 0; r == 0 && n && i < RTRULE_SWEEPS_MAX; i++)
		r = rtrule_sweep_once(s, names, keep, &n);
	if (r < 0)
		return r;
	/* The kernel does not compare the "not" and may have removed ours instead of a twin. */
	return keep ? rtrule_add(s, names) : 0;
}
