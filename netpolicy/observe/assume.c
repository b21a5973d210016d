/* SPDX-License-Identifier: MIT */
#include "netpolicy/observe/assume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/apply/foreign.h"
#include "netpolicy/observe/nftscan.h"
#include "netpolicy/observe/tcscan.h"
#include "netpolicy/observe/wgmark.h"

const char *assume_outcome_name(enum assume_outcome outcome)
{
	static const char *const names[] = { "holds", "broken", "unknown" };

	return names[outcome];
}

void assume_add(struct assume_report *r, const struct assume_row *row)
{
	static const struct assume_row over = { "more-than-fits", ASSUME_UNKNOWN, ASSUME_ON_BOTH,
						"there is more on this host than this list holds" };
	const struct assume_row *take = r->n < ASSUME_MAX - 1 ? row : &over;

	if (r->n == ASSUME_MAX)
		return;
	r->list[r->n++] = *take;
	r->n_broken += take->bears_on && take->outcome == ASSUME_BROKEN;
	r->n_unknown += take->bears_on && take->outcome == ASSUME_UNKNOWN;
}

/* A row of an outcome that bears on something, with words. */
static void assume_say(struct assume_report *r, struct assume_row row, const char *fmt, ...)
	_printf_(3, 4);

static void assume_say(struct assume_report *r, struct assume_row row, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(row.text, sizeof(row.text), fmt, args);
	va_end(args);
	assume_add(r, &row);
}

/* The first number of a small file of /proc. */
static int assume_number(const char *path, long *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "", *end;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long value;

	if (n < 0)
		return -errno;
	value = strtol(text, &end, 10);
	if (end == text)
		return -EBADMSG;
	*ret = value;
	return 0;
}

/* One setting of the kernel that should be so. */
struct assume_sysctl {
	const char *id, *path; /* below /proc/sys/net; %s = an interface */
	unsigned int bears_on;
	const char *why;
};

static const struct assume_sysctl assume_host_sysctls[] = {
	{ "forwarding-off", "ipv6/conf/all/forwarding", ASSUME_ON_BOTH, "the host is a router" },
	{ "forwarding-off", "ipv4/ip_forward", ASSUME_ON_BOTH, "the host is a router" },
	{ "no-source-routes", "ipv4/conf/all/accept_source_route", ASSUME_ON_IN,
	  "a packet may choose its way" },
	{ "no-pick-up", "netfilter/nf_conntrack_tcp_loose", 0,
	  "TCP flows are picked up in their middle, as new ones" },
};

static const struct assume_sysctl assume_link_sysctls[] = {
	{ "forwarding-off", "ipv6/conf/%s/forwarding", ASSUME_ON_BOTH, "the host is a router" },
	{ "no-source-routes", "ipv6/conf/%s/accept_source_route", ASSUME_ON_IN,
	  "a packet may choose its way" },
	{ "no-redirects", "ipv6/conf/%s/accept_redirects", 0,
	  "routers may change routes; our rules drop redirects before" },
	{ "no-redirects", "ipv4/conf/%s/accept_redirects", 0,
	  "routers may change routes; our rules drop redirects before" },
};

static void assume_one_sysctl(const struct assume_sysctl *s, const char *link,
			      struct assume_report *ret)
{
	struct assume_row row = { .outcome = ASSUME_HOLDS, .bears_on = s->bears_on };
	const char *mid = strstr(s->path, "%s");
	char name[128], path[160];
	long value = 0;
	int r;

	snprintf(row.id, sizeof(row.id), "%s", s->id);
	snprintf(name, sizeof(name), "%.*s%s%s", mid ? (int)(mid - s->path) : (int)strlen(s->path),
		 s->path, mid ? link : "", mid ? mid + 2 : "");
	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	r = assume_number(path, &value);
	/* A kernel or an interface without the protocol has no such setting. */
	if (r < 0 && r != -ENOENT)
		row.outcome = ASSUME_UNKNOWN;
	else if (r == 0 && value > 0)
		row.outcome = ASSUME_BROKEN;
	if (row.outcome == ASSUME_UNKNOWN)
		assume_say(ret, row, "%s: %s", name, strerror(-r));
	else if (r < 0)
		assume_say(ret, row, "%s: does not exist", name);
	else
		assume_say(ret, row, "%s is %ld%s%s", name, value, value > 0 ? ": " : "",
			   value > 0 ? s->why : "");
}

static void assume_sysctls(const struct assume_input *in, struct assume_report *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(assume_host_sysctls); i++)
		assume_one_sysctl(&assume_host_sysctls[i], "", ret);
	for (size_t i = 0; i < ARRAY_SIZE(assume_link_sysctls); i++)
		for (size_t j = 0; j < in->n_uplinks; j++)
			assume_one_sysctl(&assume_link_sysctls[i], in->uplinks[j], ret);
}

static const struct {
	const char *id;
	const char *none; /* words when there is none */
} assume_kinds[NFTSCAN_KINDS] = {
	[NFTSCAN_NAT] = { "no-foreign-nat", "no foreign rule translates addresses" },
	[NFTSCAN_MARK] = { "no-foreign-mark", "no foreign rule sets marks" },
	[NFTSCAN_DIVERT] = { "no-foreign-divert", "no foreign rule diverts or rewrites packets" },
	[NFTSCAN_NOTRACK] = { "no-foreign-notrack",
			      "no foreign rule takes packets from conntrack" },
	[NFTSCAN_OFFLOAD] = { "no-flow-table", "no foreign flow table" },
	[NFTSCAN_OPAQUE] = { "foreign-rules-understood", "no foreign rule of an unknown kind" },
};

/* Which claims a foreign rule can touch, from the hooks of its table. A table may jump from any of
 * them to any chain. */
static unsigned int assume_bears_on(const struct nftscan_found *f, uint32_t mark)
{
	unsigned int in = 1u << NF_INET_PRE_ROUTING | 1u << NF_INET_LOCAL_IN | 1u << 5;
	unsigned int bears = f->hooks & in ? ASSUME_ON_IN : 0;

	if (f->family == NFPROTO_NETDEV || f->kind == NFTSCAN_OFFLOAD)
		return ASSUME_ON_BOTH;
	/* Our rules look at marks of what goes out, and only when there is a tunnel. */
	if (f->kind == NFTSCAN_MARK)
		return mark ? ASSUME_ON_OUT : 0;
	if (f->hooks & ~in)
		bears |= ASSUME_ON_OUT;
	return bears;
}

static void assume_found(const struct nftscan_found *f, uint32_t mark, struct assume_report *ret)
{
	struct assume_row row = { .bears_on = assume_bears_on(f, mark) };

	snprintf(row.id, sizeof(row.id), "%s", assume_kinds[f->kind].id);
	row.outcome = f->kind == NFTSCAN_OPAQUE ? ASSUME_UNKNOWN : ASSUME_BROKEN;
	assume_say(ret, row, "%s %s, %s %s: %s%s", foreign_family(f->family), f->table,
		   strcmp(f->what, "flow table") ? "chain" : "flow table", f->chain, f->what,
		   f->n > 1 ? ", several rules" : "");
}

static void assume_foreign(const struct nftscan *scan, uint32_t mark, struct assume_report *ret)
{
	struct assume_row note = { "foreign-chains", ASSUME_HOLDS, 0, "" };

	for (int kind = 0; kind < NFTSCAN_KINDS; kind++) {
		struct assume_row row = { .bears_on = ASSUME_ON_BOTH };
		size_t n = 0;

		for (size_t i = 0; i < scan->n; i++)
			if ((int)scan->list[i].kind == kind && ++n)
				assume_found(&scan->list[i], mark, ret);
		if (n)
			continue;
		snprintf(row.id, sizeof(row.id), "%s", assume_kinds[kind].id);
		row.outcome = scan->is_over ? ASSUME_UNKNOWN : ASSUME_HOLDS;
		assume_say(ret, row, "%s",
			   scan->is_over ? "more rules than can be looked at" :
					   assume_kinds[kind].none);
	}
	assume_say(ret, note, "%u base chain%s of other programs, %u of type nat", scan->n_chains,
		   scan->n_chains == 1 ? "" : "s", scan->n_nat_chains);
}

/* Tables of the older iptables are not in nf_tables; nothing here can read their rules. */
static void assume_legacy(struct assume_report *ret)
{
	static const char *const lists[] = { "/proc/net/ip6_tables_names",
					     "/proc/net/ip_tables_names" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct assume_row row = { "no-legacy-tables", ASSUME_HOLDS, ASSUME_ON_BOTH, "" };
		_cleanup_(closep) int fd = open(lists[i], O_RDONLY | O_CLOEXEC);
		int error = fd < 0 ? errno : 0;
		char names[64] = "";
		ssize_t n = fd < 0 ? 0 : read(fd, names, sizeof(names) - 1);

		if (n < 0)
			error = errno;
		for (char *c = names; *c; c++)
			*c = *c == '\n' ? ' ' : *c;
		if (names[0] || (error && error != ENOENT))
			row.outcome = ASSUME_UNKNOWN;
		assume_say(ret, row, "%s: %s", lists[i],
			   names[0]                 ? names :
			   error && error != ENOENT ? strerror(error) :
						      "none");
	}
}

static void assume_nft(const struct assume_input *in, struct assume_report *ret)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	struct assume_row row = { "foreign-rules-understood", ASSUME_UNKNOWN, ASSUME_ON_BOTH, "" };
	struct nftscan *scan = calloc(1, sizeof(*scan));
	int r = !scan ? -ENOMEM : kernio_open(&k);

	if (r == 0)
		r = nftscan_look(k, scan);
	if (r < 0)
		assume_say(ret, row, "cannot read the ruleset: %s%s", strerror(-r),
			   r == -EPERM ? " (needs CAP_NET_ADMIN)" : "");
	else
		assume_foreign(scan, in->mark, ret);
	for (size_t i = 0; i < in->n_uplinks; i++) {
		struct assume_row guard = { .bears_on = ASSUME_ON_OUT, .outcome = ASSUME_UNKNOWN };
		bool found = false;

		for (size_t j = 0; r == 0 && j < scan->n_guards; j++)
			found |= !strcmp(scan->guards[j], in->uplinks[i]);
		if (r == 0)
			guard.outcome = found || !if_nametoindex(in->uplinks[i]) ? ASSUME_HOLDS :
										   ASSUME_BROKEN;
		snprintf(guard.id, sizeof(guard.id), "guard-on-%s", in->uplinks[i]);
		assume_say(ret, guard, "%s",
			   r < 0 ? "cannot read the ruleset" :
			   found ? "our egress chain hangs on it" :
			   guard.outcome == ASSUME_HOLDS ?
				   "the interface does not exist" :
				   "no egress chain of ours: packet sockets go around the rules");
	}
	free(scan);
}

static void assume_tc(const char *link, const struct tcscan *scan, struct assume_report *ret)
{
	struct assume_row row = { .bears_on = ASSUME_ON_BOTH, .outcome = ASSUME_HOLDS };

	snprintf(row.id, sizeof(row.id), "no-xdp-on-%s", link);
	row.outcome = scan->has_xdp ? ASSUME_BROKEN : ASSUME_HOLDS;
	assume_say(ret, row, "%s",
		   scan->has_xdp ? "an XDP program sees packets before any rule" :
				   "no XDP program");
	snprintf(row.id, sizeof(row.id), "no-tc-on-%s", link);
	row.outcome = scan->n_filters ? ASSUME_BROKEN : ASSUME_HOLDS;
	assume_say(ret, row, "%zu filter%s of tc%s%s%s%s", scan->n_filters,
		   scan->n_filters == 1 ? "" : "s", scan->n_filters ? ", the first is " : "",
		   scan->filter, scan->is_ingress ? ", ingress" : "",
		   scan->is_egress ? ", egress" : "");
	snprintf(row.id, sizeof(row.id), "no-tcx-on-%s", link);
	row.outcome = scan->n_tcx ? ASSUME_BROKEN : scan->tcx_error ? ASSUME_UNKNOWN : ASSUME_HOLDS;
	if (scan->tcx_error)
		assume_say(ret, row, "cannot ask for programs: %s", strerror(-scan->tcx_error));
	else
		assume_say(ret, row, "%u program%s of tcx", scan->n_tcx,
			   scan->n_tcx == 1 ? "" : "s");
}

static void assume_uplink(const char *link, struct assume_report *ret)
{
	struct assume_row row = { .bears_on = ASSUME_ON_BOTH };
	struct tcscan scan;
	int r = tcscan_look(link, &scan);

	snprintf(row.id, sizeof(row.id), "no-tc-on-%s", link);
	row.outcome = r == -ENODEV ? ASSUME_HOLDS : ASSUME_UNKNOWN;
	if (r == -ENODEV)
		assume_say(ret, row, "the interface does not exist");
	else if (r < 0)
		assume_say(ret, row, "cannot look: %s", strerror(-r));
	else
		assume_tc(link, &scan, ret);
}

static void assume_tunnel(const char *link, uint32_t mark, struct assume_report *ret)
{
	struct assume_row row = { .bears_on = ASSUME_ON_OUT, .outcome = ASSUME_BROKEN };
	struct tcscan scan = { 0 };
	uint32_t have = 0;
	int r = tcscan_look(link, &scan);

	snprintf(row.id, sizeof(row.id), "wireguard-on-%s", link);
	if (r == 0 && !strcmp(scan.kind, "wireguard")) {
		r = wgmark_read(link, &have);
		row.outcome = r < 0 ? ASSUME_UNKNOWN : have == mark ? ASSUME_HOLDS : ASSUME_BROKEN;
		if (r < 0)
			assume_say(ret, row, "WireGuard; cannot read its mark: %s", strerror(-r));
		else
			assume_say(ret, row, "WireGuard with mark 0x%x%s", have,
				   have == mark ? "" : ", not the one of the policy");
		return;
	}
	if (r == 0)
		assume_say(ret, row, "of kind '%s', not WireGuard: nothing encrypts what enters it",
			   scan.kind);
	row.outcome = r == -ENODEV ? ASSUME_HOLDS : ASSUME_UNKNOWN;
	if (r == -ENODEV)
		assume_say(ret, row, "the interface does not exist: nothing can enter it");
	else if (r < 0)
		assume_say(ret, row, "cannot look: %s", strerror(-r));
}

/* Packet sockets pass the guard and nothing else; who has one should be known. */
static void assume_packet_sockets(struct assume_report *ret)
{
	struct assume_row row = { "packet-sockets", ASSUME_HOLDS, 0, "" };
	FILE *f = fopen("/proc/net/packet", "re");
	char line[256];
	size_t n = 0;

	if (!f) {
		row.outcome = ASSUME_UNKNOWN;
		assume_say(ret, row, "/proc/net/packet: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; fgets(line, sizeof(line), f); i++)
		n += i > 0 && strchr(line, '\n') != NULL;
	fclose(f);
	assume_say(ret, row, "%zu open in this namespace; on uplinks the guard binds them", n);
}

int assume_look(const struct assume_input *in, struct assume_report *ret)
{
	*ret = (struct assume_report){ 0 };
	assume_nft(in, ret);
	assume_legacy(ret);
	for (size_t i = 0; i < in->n_uplinks; i++)
		assume_uplink(in->uplinks[i], ret);
	for (size_t i = 0; i < in->n_tunnels; i++)
		assume_tunnel(in->tunnels[i], in->mark, ret);
	assume_sysctls(in, ret);
	assume_packet_sockets(ret);
	return 0;
}
