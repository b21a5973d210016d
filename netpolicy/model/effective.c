/* SPDX-License-Identifier: MIT */
#include "netpolicy/model/effective.h"

#include <stdio.h>
#include <string.h>

#include "netpolicy/model/terms.h"

#define EFFECTIVE_COLUMN 72 /* where the reason stands, if the words in front are shorter */

static const char *const effective_links[TERMS_LINKS] = { "lo", "up", "tun", "other" };

static const char *const effective_cts[TERMS_CTS] = { "new", "established", "related", "invalid",
						      "untracked" };

static const char *const effective_facts[TERMS_FACTS] = {
	"its source is ours", "no way leads back to its source", "it is a later fragment",
	"its frame is false", "its source is not ours",
};

/* Appends those of @names whose bit is set. */
static void effective_bits(struct buf *to, const char *before, unsigned int bits,
			   const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bits & 1u << i) {
			buf_addf(to, "%s%s", before, names[i]);
			before = " or ";
		}
}

static void effective_prefixes(struct buf *to, const char *end, const struct policy_prefixes *set)
{
	for (size_t i = 0; set && i < set->n; i++) {
		char text[IP6_PREFIX_TEXT];

		buf_addf(to, "%s%s", i ? ", " : end, policy_format_prefix(&set->list[i], text));
	}
}

static void effective_port(struct buf *to, const char *before, const struct policy_port *port)
{
	if (port->low == 0)
		return;
	buf_addf(to, "%s%u", before, port->low);
	if (port->high != port->low)
		buf_addf(to, "-%u", port->high);
}

/* "tcp 443 8000-8100 udp 53", as the page says it. */
static void effective_ports(struct buf *to, const struct policy_ports *ports)
{
	enum policy_proto last = POLICY_ANY;

	for (size_t i = 0; ports && i < ports->n; i++) {
		if (ports->list[i].proto != last)
			buf_add(to, ports->list[i].proto == POLICY_TCP ? " tcp" : " udp");
		last = ports->list[i].proto;
		effective_port(to, " ", &ports->list[i]);
	}
}

static void effective_proto(struct buf *to, const struct terms_match *m)
{
	if (m->proto == POLICY_TCP)
		buf_add(to, " tcp");
	if (m->proto == POLICY_UDP)
		buf_add(to, " udp");
	if (m->proto == POLICY_ICMP6)
		buf_add(to, " icmpv6");
	for (size_t i = 0; i < m->n_types; i++)
		buf_addf(to, " %u", m->types[i]);
	if (m->needs_hop_255)
		buf_add(to, " hop limit 255");
}

static void effective_users(const struct policy *p, struct buf *to,
			    const struct policy_users *users)
{
	for (size_t i = 0; users && i < users->n; i++) {
		const struct policy_user *user = &p->users[users->at[i]];

		buf_add(to, i ? " " : " user ");
		if (*user->name)
			buf_add(to, user->name);
		else
			buf_addf(to, "%u", user->uid);
	}
}

/* Both ends; @far and @near are the words for them. */
static void effective_ends(struct buf *to, const struct terms_match *m, enum policy_dir dir)
{
	const char *far = dir == POLICY_IN ? " from " : " to ";
	const char *near = dir == POLICY_IN ? " to " : " from ";

	if (m->far)
		buf_addf(to, "%s%s", far, m->far->name);
	effective_prefixes(to, far, m->far_in);
	effective_prefixes(to, near, m->near_in);
	effective_proto(to, m);
	effective_ports(to, m->ports);
	effective_port(to, dir == POLICY_IN ? " from port " : " to port ", &m->far_ports);
	effective_port(to, dir == POLICY_IN ? " to port " : " from port ", &m->near_ports);
}

static void effective_match(const struct policy *p, struct buf *to, const struct terms_match *m,
			    enum policy_dir dir)
{
	if (m->links)
		effective_bits(to, " via ", m->links, effective_links, TERMS_LINKS);
	if (m->family)
		buf_addf(to, " ipv%u", m->family);
	effective_ends(to, m, dir);
	if (m->has_mark)
		buf_addf(to, " mark 0x%x", m->mark);
	effective_users(p, to, m->users);
	effective_bits(to, " ", m->cts, effective_cts, TERMS_CTS);
	if (m->grant != POLICY_NONE)
		buf_addf(to, " %s %s", m->grant_absent ? "without grant" : "with grant",
			 p->grants[m->grant].name);
	effective_bits(to, " when ", m->facts, effective_facts, TERMS_FACTS);
}

/* One term: verdict, what fits, and who says so. */
static void effective_item(const struct policy *p, struct buf *to, const struct terms_item *item,
			   enum policy_dir dir)
{
	size_t from = to->len, width;

	buf_addf(to, "  %-6s", terms_verdict_name(item->verdict));
	effective_match(p, to, &item->match, dir);
	if (to->len - from == strlen("  ") + 6)
		buf_add(to, " everything");
	width = to->len - from;
	buf_addf(to, "%*s", width < EFFECTIVE_COLUMN ? (int)(EFFECTIVE_COLUMN - width) : 1, "");
	if (*item->where)
		buf_addf(to, "# %s", item->where);
	else
		buf_addf(to, "# row %u", item->row);
	buf_addf(to, "%s%s\n", *item->what ? ": " : "", item->what);
}

static void effective_list(const struct policy *p, struct buf *to, const struct terms_list *list,
			   enum policy_dir dir)
{
	for (size_t i = 0; i < list->n; i++)
		effective_item(p, to, &list->list[i], dir);
}

int effective_write(const struct policy *p, struct buf *to)
{
	_cleanup_(terms_release) struct terms t = { 0 };
	int r = terms_make(p, &t);

	if (r < 0)
		return r;
	buf_addf(to, "# policy %s %u, tier %s%s: the first line that fits decides\n", p->name,
		 p->version, policy_tier_name(p->tier),
		 p->enforce ? "" : ", not enforced: denials are only counted and logged");
	buf_add(to, "in\n");
	effective_list(p, to, &t.in, POLICY_IN);
	buf_add(to, "out\n");
	effective_list(p, to, &t.out, POLICY_OUT);
	buf_add(to, "out, then by the guard of each uplink, which holds packet sockets too\n");
	effective_list(p, to, &t.guard, POLICY_OUT);
	buf_add(to, "both\n  drop   routing headers\nforward\n  drop   everything\n");
	return buf_done(to);
}
