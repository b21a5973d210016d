/* SPDX-License-Identifier: MIT */
#include "netpolicy/prove/packettext.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/typo.h"

#define PACKETTEXT_CLIENT_PORT 40000
#define PACKETTEXT_HOP 64
#define PACKETTEXT_WORD_MAX 80 /* of an address with its port, with the NUL */

struct packettext_name {
	const char *name;
	uint32_t number;
};

static const struct packettext_name packettext_types[] = {
	{ "destination-unreachable", 1 }, { "packet-too-big", 2 },
	{ "time-exceeded", 3 },           { "parameter-problem", 4 },
	{ "echo-request", 128 },          { "echo-reply", 129 },
	{ "mld-listener-query", 130 },    { "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },     { "nd-router-solicit", 133 },
	{ "nd-router-advert", 134 },      { "nd-neighbor-solicit", 135 },
	{ "nd-neighbor-advert", 136 },    { "nd-redirect", 137 },
	{ "mld2-listener-report", 143 },  { NULL },
};

static const struct packettext_name packettext_links[] = {
	{ "lo", TERMS_LO },       { "up", TERMS_UP }, { "tun", TERMS_TUN },
	{ "other", TERMS_OTHER }, { NULL },
};

static const struct packettext_name packettext_cts[] = {
	{ "new", TERMS_NEW },
	{ "established", TERMS_ESTABLISHED },
	{ "related", TERMS_RELATED },
	{ "invalid", TERMS_INVALID },
	{ "untracked", TERMS_UNTRACKED },
	{ NULL },
};

static const struct packettext_name packettext_facts[] = {
	{ "own-source", TERMS_OWN_SOURCE },         { "no-way-back", TERMS_NO_WAY_BACK },
	{ "later-fragment", TERMS_LATER_FRAGMENT }, { "false-frame", TERMS_FALSE_FRAME },
	{ "false-source", TERMS_FALSE_SOURCE },     { NULL },
};

static const uint32_t packettext_out_facts = TERMS_LATER_FRAGMENT | TERMS_FALSE_FRAME |
					     TERMS_FALSE_SOURCE;

static const struct packettext_name packettext_protos[] = {
	{ "tcp", POLICY_TCP }, { "udp", POLICY_UDP }, { "icmpv6", POLICY_ICMP6 }, { NULL }
};

/* What is being read. */
struct packettext {
	const struct policy *policy;
	char *const *words;
	int n, at;
	struct terms_packet packet;
	bool has_hop, has_ct;
	char *error;
};

static const char *packettext_of(const struct packettext_name *names, uint32_t number)
{
	for (; names->name; names++)
		if (names->number == number)
			return names->name;
	return NULL;
}

const char *packettext_link(enum terms_link link)
{
	const char *name = packettext_of(packettext_links, link);

	return name ? name : "?";
}

const char *packettext_ct(enum terms_ct ct)
{
	const char *name = packettext_of(packettext_cts, ct);

	return name ? name : "?";
}

static const char *packettext_named(const struct packettext_name *names, uint32_t number,
				    char scratch[static 8])
{
	const char *name = packettext_of(names, number);

	if (name)
		return name;
	snprintf(scratch, 8, "%u", number & 0xffff);
	return scratch;
}

const char *packettext_type(uint8_t type, char scratch[static 8])
{
	return packettext_named(packettext_types, type, scratch);
}

const char *packettext_proto(uint8_t proto, char scratch[static 8])
{
	return packettext_named(packettext_protos, proto, scratch);
}

/* A text of this file into an address. */
static void packettext_known(const char *v6, const char *v4, uint8_t family, struct in6_addr *ret)
{
	struct ip6_prefix p = { 0 };

	if (policy_parse_prefix(family == 4 ? v4 : v6, &p) == 0)
		*ret = p.addr;
}

void packettext_host(uint8_t family, struct in6_addr *ret)
{
	packettext_known("2001:db8:ffff::1", "192.0.2.1", family, ret);
}

void packettext_far(uint8_t family, struct in6_addr *ret)
{
	packettext_known("2001:db8:ffff::9", "198.51.100.9", family, ret);
}

/* Neighbour discovery is only believed with hop limit 255, and it and MLD are never tracked. */
static uint8_t packettext_usual_hop(const struct terms_packet *p)
{
	return p->proto == POLICY_ICMP6 && p->icmp_type >= 133 && p->icmp_type <= 137 ?
		       255 :
		       PACKETTEXT_HOP;
}

static enum terms_ct packettext_usual_ct(const struct terms_packet *p)
{
	bool untracked = (p->icmp_type >= 130 && p->icmp_type <= 137) || p->icmp_type == 143;

	return p->proto == POLICY_ICMP6 && untracked ? TERMS_UNTRACKED : TERMS_NEW;
}

static bool packettext_has_ports(const struct terms_packet *p)
{
	return p->proto == POLICY_TCP || p->proto == POLICY_UDP;
}

/* A cursor into the text to write. */
struct packettext_out {
	char *text;
	size_t at;
};

static void _printf_(2, 3) packettext_put(struct packettext_out *to, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(to->text + to->at, PACKETTEXT_MAX - to->at, fmt, args);
	va_end(args);
	if (n > 0)
		to->at += (size_t)n < PACKETTEXT_MAX - to->at ? (size_t)n :
								PACKETTEXT_MAX - 1 - to->at;
}

static void packettext_put_end(struct packettext_out *to, const struct terms_packet *p, bool is_far)
{
	const struct in6_addr *a = is_far ? &p->far : &p->near;
	struct ip6_prefix one = ip6_host_prefix(a);
	char addr[IP6_PREFIX_TEXT];
	struct in6_addr host;
	bool brackets = packettext_has_ports(p) && p->family == 6;

	packettext_host(p->family, &host);
	if (!is_far && ip6_addr_equal(a, &host)) {
		snprintf(addr, sizeof(addr), "host");
		brackets = packettext_has_ports(p);
	} else {
		policy_format_prefix(&one, addr);
	}
	packettext_put(to, brackets ? " [%s]" : " %s", addr);
	if (packettext_has_ports(p))
		packettext_put(to, ":%u", is_far ? p->far_port : p->near_port);
}

static void packettext_put_proto(struct packettext_out *to, const struct terms_packet *p)
{
	char scratch[8];

	if (packettext_has_ports(p))
		packettext_put(to, " %s", packettext_proto(p->proto, scratch));
	else if (p->proto == POLICY_ICMP6 && p->family == 6)
		packettext_put(to, " icmpv6 %s", packettext_type(p->icmp_type, scratch));
	else
		packettext_put(to, " proto %u", p->proto);
}

static void packettext_put_rest(struct packettext_out *to, const struct terms_packet *p)
{
	if (p->has_uid)
		packettext_put(to, " uid %u", p->uid);
	if (p->mark)
		packettext_put(to, " mark 0x%x", p->mark);
	if (p->ct != packettext_usual_ct(p))
		packettext_put(to, " %s", packettext_ct(p->ct));
	if (p->hop_limit != packettext_usual_hop(p))
		packettext_put(to, " hop %u", p->hop_limit);
	for (unsigned int i = 0; i < POLICY_GRANTS_MAX; i++)
		if (p->grants >> i & 1)
			packettext_put(to, " grant %u", i);
	for (const struct packettext_name *f = packettext_facts; f->name; f++)
		if (p->facts & f->number)
			packettext_put(to, " %s", f->name);
}

const char *packettext_format(const struct terms_packet *packet, char ret[static PACKETTEXT_MAX])
{
	struct packettext_out to = { ret, 0 };
	bool in = packet->dir == POLICY_IN;

	packettext_put(&to, "%s %s", in ? "in" : "out", packettext_link(packet->link));
	packettext_put_proto(&to, packet);
	packettext_put_end(&to, packet, in);
	packettext_put_end(&to, packet, !in);
	if (packet->from_packet_socket)
		packettext_put(&to, " packet-socket");
	packettext_put_rest(&to, packet);
	return ret;
}

/* Says what was wanted instead of the word that is next. */
static int packettext_expected(struct packettext *t, const char *what)
{
	if (t->at < t->n)
		snprintf(t->error, POLICY_ERROR_MAX, "word %d: expected %s, got '%.60s'", t->at + 1,
			 what, t->words[t->at]);
	else
		snprintf(t->error, POLICY_ERROR_MAX, "after word %d: expected %s", t->n, what);
	return -EINVAL;
}

/* As packettext_expected(), with the name that was probably meant. */
static int packettext_unknown(struct packettext *t, const char *what,
			      const struct packettext_name *names)
{
	size_t len;

	(void)packettext_expected(t, what);
	len = strlen(t->error);
	for (; t->at < t->n && names->name; names++)
		if (typo_is_likely(t->words[t->at], names->name)) {
			snprintf(t->error + len, POLICY_ERROR_MAX - len, "; did you mean '%s'?",
				 names->name);
			break;
		}
	return -EINVAL;
}

static bool packettext_is(const struct packettext *t, const char *word)
{
	return t->at < t->n && !strcmp(t->words[t->at], word);
}

static bool packettext_find(const struct packettext *t, const struct packettext_name *names,
			    uint32_t *ret)
{
	for (; names->name; names++)
		if (packettext_is(t, names->name)) {
			*ret = names->number;
			return true;
		}
	return false;
}

/* Decimal or 0x hexadecimal. */
static int packettext_number(const char *text, uint32_t max, uint32_t *ret)
{
	bool hex = text[0] == '0' && text[1] == 'x';
	unsigned long long value;
	char *end;

	if (strspn(hex ? text + 2 : text, hex ? "0123456789abcdefABCDEF" : "0123456789") == 0)
		return -EINVAL;
	errno = 0;
	value = strtoull(hex ? text + 2 : text, &end, hex ? 16 : 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int packettext_take_number(struct packettext *t, uint32_t max, const char *what,
				  uint32_t *ret)
{
	if (t->at == t->n || packettext_number(t->words[t->at], max, ret) < 0)
		return packettext_expected(t, what);
	t->at++;
	return 0;
}

static int packettext_take_dir(struct packettext *t)
{
	if (!packettext_is(t, "in") && !packettext_is(t, "out"))
		return packettext_expected(t, "'in' or 'out'");
	t->packet.dir = packettext_is(t, "in") ? POLICY_IN : POLICY_OUT;
	t->at++;
	return 0;
}

static bool packettext_is_interface(const struct packettext *t, const char (*names)[IFNAMSIZ],
				    size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (packettext_is(t, names[i]))
			return true;
	return false;
}

/* The link may be left out; then a protocol follows. */
static int packettext_take_link(struct packettext *t)
{
	const struct policy *p = t->policy;
	uint32_t number;

	if (packettext_find(t, packettext_protos, &number) || packettext_is(t, "proto"))
		return 0;
	if (packettext_is_interface(t, (const char(*)[IFNAMSIZ])p->uplinks, p->n_uplinks))
		number = TERMS_UP;
	else if (packettext_is_interface(t, (const char(*)[IFNAMSIZ])p->tunnels, p->n_tunnels))
		number = TERMS_TUN;
	else if (!packettext_find(t, packettext_links, &number))
		return packettext_expected(t, "a link (an interface of the policy, up, tun, lo, "
					      "other) or a protocol (tcp, udp, icmpv6, proto N)");
	t->packet.link = (enum terms_link)number;
	t->at++;
	return 0;
}

static int packettext_take_type(struct packettext *t)
{
	uint32_t type;

	if (!packettext_find(t, packettext_types, &type) &&
	    (t->at == t->n || packettext_number(t->words[t->at], UINT8_MAX, &type) < 0))
		return packettext_unknown(
			t, "a type of ICMPv6 (echo-request, nd-neighbor-solicit or 0-255)",
			packettext_types);
	t->packet.icmp_type = (uint8_t)type;
	t->at++;
	return 0;
}

static int packettext_take_proto(struct packettext *t)
{
	uint32_t number;
	int r;

	if (packettext_is(t, "proto")) {
		t->at++;
		r = packettext_take_number(t, UINT8_MAX, "a protocol number of 0-255", &number);
		t->packet.proto = r < 0 ? 0 : (uint8_t)number;
		return r;
	}
	if (!packettext_find(t, packettext_protos, &number))
		return packettext_unknown(t, "a protocol (tcp, udp, icmpv6, proto N)",
					  packettext_protos);
	t->packet.proto = (uint8_t)number;
	t->at++;
	return number == POLICY_ICMP6 ? packettext_take_type(t) : 0;
}

/* One end as it was written. */
struct packettext_end {
	bool is_host;
	bool has_port;
	uint16_t port;
	uint8_t family; /* 0 when it is the host */
	struct in6_addr addr;
};

/* "[addr]", "[addr]:port", "addr", "10.0.0.1:port" in @copy into address and port (NULL: none). */
static int packettext_split(char *copy, char **ret_addr, char **ret_port)
{
	char *end = copy[0] == '[' ? strchr(copy, ']') : NULL;

	*ret_addr = end ? copy + 1 : copy;
	if (end) {
		if (end[1] != ':' && end[1] != '\0')
			return -EINVAL;
		*ret_port = end[1] ? end + 2 : NULL;
		*end = '\0';
		return 0;
	}
	end = strchr(copy, ':');
	*ret_port = NULL;
	if (end && !strchr(end + 1, ':')) {
		*ret_port = end + 1;
		*end = '\0';
	}
	return copy[0] == '[' ? -EINVAL : 0;
}

static int packettext_parse_end(const char *word, struct packettext_end *ret)
{
	struct ip6_prefix p = { 0 };
	char copy[PACKETTEXT_WORD_MAX], *addr, *port;
	uint32_t number = 0;

	*ret = (struct packettext_end){ 0 };
	if ((size_t)snprintf(copy, sizeof(copy), "%s", word) >= sizeof(copy) ||
	    packettext_split(copy, &addr, &port) < 0)
		return -EINVAL;
	if (port && packettext_number(port, UINT16_MAX, &number) < 0)
		return -EINVAL;
	ret->has_port = port;
	ret->port = (uint16_t)number;
	ret->is_host = !strcmp(addr, "host");
	if (ret->is_host)
		return 0;
	if (strchr(addr, '/') || policy_parse_prefix(addr, &p) < 0)
		return -EINVAL;
	ret->family = policy_is_v4(&p) ? 4 : 6;
	ret->addr = p.addr;
	return 0;
}

static int packettext_take_end(struct packettext *t, struct packettext_end *ret)
{
	bool ports = packettext_has_ports(&t->packet);
	const char *what = ports ? "an address with its port ([2001:db8::1]:443, 10.0.0.1:443, "
				   "[host]:22)" :
				   "an address (2001:db8::1, 10.0.0.1, host)";

	if (t->at == t->n || packettext_parse_end(t->words[t->at], ret) < 0)
		return packettext_expected(t, what);
	if (ret->has_port && !ports)
		return packettext_expected(t, "an address without a port: only tcp and udp have "
					      "ports");
	t->at++;
	return 0;
}

/* True when the next word is an address and not what else is known. */
static bool packettext_is_end(const struct packettext *t)
{
	struct packettext_end end;

	return t->at < t->n && packettext_parse_end(t->words[t->at], &end) == 0;
}

/* Whoever serves must name its port; a client may leave its own out. */
static int packettext_set_ports(struct packettext *t, const struct packettext_end *far,
				const struct packettext_end *near)
{
	bool in = t->packet.dir == POLICY_IN;

	if (!packettext_has_ports(&t->packet))
		return 0;
	if (!(in ? near : far)->has_port) {
		t->at -= 1;
		return packettext_expected(t, in ? "the port of this host behind its address" :
						   "the port of the other end behind its address");
	}
	t->packet.far_port = far->has_port ? far->port : PACKETTEXT_CLIENT_PORT;
	t->packet.near_port = near->has_port ? near->port : PACKETTEXT_CLIENT_PORT;
	return 0;
}

static int packettext_set_ends(struct packettext *t, const struct packettext_end *far,
			       const struct packettext_end *near)
{
	if (far->is_host) {
		t->at -= 1;
		return packettext_expected(t, "the address of the other end");
	}
	if (!near->is_host && near->family != far->family) {
		t->at -= 1;
		return packettext_expected(t, "two addresses of the same family");
	}
	t->packet.family = far->family;
	t->packet.far = far->addr;
	t->packet.near = near->addr;
	if (near->is_host)
		packettext_host(far->family, &t->packet.near);
	if (t->packet.family == 4 && t->packet.proto == POLICY_ICMP6)
		t->packet.icmp_type = 0;
	return packettext_set_ports(t, far, near);
}

static int packettext_take_ends(struct packettext *t)
{
	struct packettext_end first, second = { .is_host = true };
	bool in = t->packet.dir == POLICY_IN;
	int r = packettext_take_end(t, &first);

	if (r < 0)
		return r;
	if (!packettext_is_end(t))
		return packettext_set_ends(t, &first, &second);
	r = packettext_take_end(t, &second);
	if (r < 0)
		return r;
	return packettext_set_ends(t, in ? &first : &second, in ? &second : &first);
}

static int packettext_take_uid(struct packettext *t)
{
	if (t->packet.dir == POLICY_IN) {
		t->at--;
		return packettext_expected(t, "no user: only what goes out has one");
	}
	t->packet.has_uid = true;
	return packettext_take_number(t, UINT32_MAX, "the number of a user", &t->packet.uid);
}

static int packettext_take_user(struct packettext *t)
{
	for (size_t i = 0; i < t->policy->n_users && t->packet.dir == POLICY_OUT; i++)
		if (t->policy->users[i].name[0] && packettext_is(t, t->policy->users[i].name)) {
			t->packet.has_uid = true;
			t->packet.uid = t->policy->users[i].uid;
			t->at++;
			return 0;
		}
	if (t->packet.dir == POLICY_IN || t->at == t->n ||
	    packettext_number(t->words[t->at], UINT32_MAX, &t->packet.uid) == 0)
		return packettext_take_uid(t);
	return packettext_expected(t, "a user that the policy names (others by number: uid N)");
}

static int packettext_take_mark(struct packettext *t)
{
	return packettext_take_number(t, UINT32_MAX, "a mark (0x504f)", &t->packet.mark);
}

static int packettext_take_hop(struct packettext *t)
{
	uint32_t number;
	int r = packettext_take_number(t, UINT8_MAX, "a hop limit of 0-255", &number);

	if (r < 0)
		return r;
	t->packet.hop_limit = (uint8_t)number;
	t->has_hop = true;
	return 0;
}

static int packettext_take_grant(struct packettext *t)
{
	uint32_t number = 0;

	for (; number < t->policy->n_grants; number++)
		if (packettext_is(t, t->policy->grants[number].name))
			break;
	if (number == t->policy->n_grants &&
	    (t->at == t->n ||
	     packettext_number(t->words[t->at], POLICY_GRANTS_MAX - 1, &number) < 0))
		return packettext_expected(t, "the name of a grant of the policy");
	t->packet.grants |= 1u << number;
	t->at++;
	return 0;
}

static int packettext_take_socket(struct packettext *t)
{
	t->packet.from_packet_socket = true;
	if (t->packet.dir == POLICY_OUT)
		return 0;
	t->at--;
	return packettext_expected(t, "no packet socket: only what goes out can come from one");
}

/* The word of conntrack, or a fact. */
static int packettext_take_word(struct packettext *t)
{
	uint32_t number;

	if (packettext_find(t, packettext_cts, &number)) {
		t->packet.ct = (enum terms_ct)number;
		t->has_ct = true;
	} else if (packettext_find(t, packettext_facts, &number)) {
		t->packet.facts |= number;
	} else {
		return packettext_unknown(t,
					  "user, uid, mark, hop, grant, packet-socket, new, "
					  "established, related, invalid or untracked",
					  packettext_cts);
	}
	t->at++;
	return 0;
}

static int packettext_take_rest(struct packettext *t)
{
	static const struct {
		const char *word;
		int (*take)(struct packettext *t);
	} rows[] = {
		{ "uid", packettext_take_uid },     { "user", packettext_take_user },
		{ "mark", packettext_take_mark },   { "hop", packettext_take_hop },
		{ "grant", packettext_take_grant }, { "packet-socket", packettext_take_socket },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (packettext_is(t, rows[i].word)) {
			t->at++;
			return rows[i].take(t);
		}
	return packettext_take_word(t);
}

/* What goes together: facts of one direction, users only with sockets of their own. */
static int packettext_check(struct packettext *t)
{
	const struct terms_packet *p = &t->packet;
	uint32_t others = p->dir == POLICY_IN ? packettext_out_facts :
						TERMS_OWN_SOURCE | TERMS_NO_WAY_BACK;

	if (p->facts & others)
		return packettext_expected(t, p->dir == POLICY_IN ?
						      "a packet that goes out with that fact" :
						      "a packet that comes in with that fact");
	if (p->from_packet_socket && p->has_uid)
		return packettext_expected(t, "no user: the guard cannot see whose packet socket "
					      "it is");
	return 0;
}

int packettext_parse(const struct policy *p, int n_words, char *const *words,
		     struct terms_packet *ret, char ret_error[static POLICY_ERROR_MAX])
{
	static int (*const steps[])(struct packettext * t) = {
		packettext_take_dir,
		packettext_take_link,
		packettext_take_proto,
		packettext_take_ends,
	};
	struct packettext t = { .policy = p, .words = words, .n = n_words, .error = ret_error };
	int r = 0;

	t.packet.link = TERMS_UP;
	if (n_words > PACKETTEXT_WORDS_MAX) {
		snprintf(ret_error, POLICY_ERROR_MAX, "more than %d words", PACKETTEXT_WORDS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](&t);
	while (r == 0 && t.at < t.n)
		r = packettext_take_rest(&t);
	if (r == 0)
		r = packettext_check(&t);
	if (r < 0)
		return r;
	if (!t.has_hop)
		t.packet.hop_limit = packettext_usual_hop(&t.packet);
	if (!t.has_ct)
		t.packet.ct = packettext_usual_ct(&t.packet);
	*ret = t.packet;
	return 0;
}
