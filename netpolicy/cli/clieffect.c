/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clieffect.h"

#include <string.h>

#include "netpolicy/model/terms.h"

#define CLIEFFECT_PREFIXES 4 /* of what is implied; more are counted */

static void clieffect_bits(struct buf *to, unsigned int bits, const char *const *names, size_t n)
{
	const char *between = " ";

	if (bits == 0 || bits == (1u << n) - 1)
		return;
	for (size_t i = 0; i < n; i++)
		if (bits & 1u << i) {
			buf_addf(to, "%s%s", between, names[i]);
			between = "/";
		}
}

static void clieffect_prefixes(struct buf *to, const char *what, const struct policy_prefixes *list)
{
	char text[IP6_PREFIX_TEXT];

	if (!list)
		return;
	buf_addf(to, " %s", what);
	for (size_t i = 0; i < list->n && i < CLIEFFECT_PREFIXES; i++)
		buf_addf(to, " %s", policy_format_prefix(&list->list[i], text));
	if (list->n > CLIEFFECT_PREFIXES)
		buf_addf(to, " and %zu more", list->n - CLIEFFECT_PREFIXES);
}

static void clieffect_port(struct buf *to, const char *what, const struct policy_port *port)
{
	if (port->low == 0)
		return;
	buf_addf(to, port->low == port->high ? "%s %u" : "%s %u-%u", what, port->low, port->high);
}

static void clieffect_ports(struct buf *to, const struct policy_ports *ports)
{
	enum policy_proto last = POLICY_ANY;

	for (size_t i = 0; ports && i < ports->n; i++) {
		const struct policy_port *port = &ports->list[i];

		if (port->proto != last)
			buf_add(to, port->proto == POLICY_TCP ? " tcp" : " udp");
		last = port->proto;
		clieffect_port(to, "", port);
	}
}

static void clieffect_proto(struct buf *to, const struct terms_match *m)
{
	if (m->proto == POLICY_TCP || m->proto == POLICY_UDP)
		buf_add(to, m->proto == POLICY_TCP ? " tcp" : " udp");
	else if (m->proto == POLICY_ICMP6)
		buf_add(to, " icmpv6");
	else if (m->proto)
		buf_addf(to, " protocol %u", m->proto);
	for (size_t i = 0; i < m->n_types; i++)
		buf_addf(to, " %u", m->types[i]);
	clieffect_ports(to, m->ports);
	clieffect_port(to, " far port", &m->far_ports);
	clieffect_port(to, " near port", &m->near_ports);
	if (m->needs_hop_255)
		buf_add(to, " hop limit 255");
}

static void clieffect_rest(struct buf *to, const struct policy *p, const struct terms_match *m)
{
	static const char *const cts[] = { "new", "established", "related", "invalid",
					   "untracked" };
	static const char *const facts[] = { "source is ours", "no way back", "later fragment",
					     "false frame" };

	clieffect_bits(to, m->cts, cts, ARRAY_SIZE(cts));
	if (m->has_mark)
		buf_addf(to, " mark 0x%x", m->mark);
	for (size_t i = 0; m->users && i < m->users->n; i++) {
		const struct policy_user *user = &p->users[m->users->at[i]];

		buf_addf(to, "%s%s(%u)", i ? " " : " user ", user->name, user->uid);
	}
	if (m->grant != POLICY_NONE)
		buf_addf(to, " grant %s%s", p->grants[m->grant].name,
			 m->grant_absent ? " not live" : " live");
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		if (m->facts & 1u << i)
			buf_addf(to, " (%s)", facts[i]);
}

static void clieffect_item(struct buf *to, const struct policy *p, const struct terms_item *item)
{
	static const char *const links[] = { "lo", "up", "tun", "other" };
	const struct terms_match *m = &item->match;

	buf_addf(to, "  %-6s row %-2u", terms_verdict_name(item->verdict), item->row);
	clieffect_bits(to, m->links, links, ARRAY_SIZE(links));
	if (m->family)
		buf_addf(to, " ipv%u", m->family);
	if (m->far)
		buf_addf(to, " %s", m->far->name);
	clieffect_prefixes(to, "far", m->far_in);
	clieffect_prefixes(to, "near", m->near_in);
	clieffect_proto(to, m);
	clieffect_rest(to, p, m);
	buf_addf(to, "  # %s%s%s\n", item->where[0] ? item->where : "implied",
		 item->what[0] ? ": " : "", item->what);
}

static void clieffect_list(struct buf *to, const struct policy *p, const char *title,
			   const struct terms_list *list)
{
	buf_addf(to, "%s\n", title);
	for (size_t i = 0; i < list->n; i++)
		clieffect_item(to, p, &list->list[i]);
}

int clieffect_write(const struct policy *p, struct buf *to)
{
	_cleanup_(terms_release) struct terms t = { 0 };
	int r = terms_make(p, &t);

	if (r < 0)
		return r;
	clieffect_list(to, p, "in: the first that fits decides", &t.in);
	clieffect_list(to, p, "out: the first that fits decides; on uplinks the guard comes after",
		       &t.out);
	clieffect_list(to, p, "guard: of every frame on an uplink, of packet sockets too",
		       &t.guard);
	return buf_done(to);
}
