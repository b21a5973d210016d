/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/typo.h"
#include "netpolicy/parse/policysay.h"

/* The last bytes of @text that fit, odd ones as '_'. */
static void policyline_tail(const char *text, size_t shown, char ret[static POLICY_WHERE_MAX])
{
	size_t n = strlen(text);
	size_t len = n < shown ? n : shown;

	memcpy(ret, text + n - len, len);
	ret[len] = '\0';
	for (char *c = ret; *c; c++)
		if (!policyscan_is_word_byte(*c))
			*c = '_';
}

void policyline_file(const char *file, char ret[static POLICY_WHERE_MAX])
{
	policyline_tail(file, POLICY_WHERE_MAX - 1, ret);
}

/* What the lines dns, ntp and imds allow. */
static const struct policyline_service {
	const char *name, *address;
	struct policy_ports ports;
} policyline_services[] = {
	{ "dns", "fd00:ec2::253", { 2, { { POLICY_UDP, 53, 53 }, { POLICY_TCP, 53, 53 } } } },
	{ "ntp", "fd00:ec2::123", { 1, { { POLICY_UDP, 123, 123 } } } },
	{ "imds", "fd00:ec2::254", { 1, { { POLICY_TCP, 80, 80 } } } },
};

static const struct policyline_service *policyline_find_service(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(policyline_services); i++)
		if (!strcmp(policyline_services[i].name, name))
			return &policyline_services[i];
	return NULL;
}

const struct policy_ports *policyline_service_ports(const char *net)
{
	const struct policyline_service *s = policyline_find_service(net);

	return s ? &s->ports : NULL;
}

int policyline_fail(struct policyline *l, const char *fmt, ...)
{
	struct policyfile_error *e = l->error;
	char what[POLICY_ERROR_MAX - POLICY_WHERE_MAX - 24];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	policyline_file(l->now.file, e->file);
	e->line = l->now.token.line;
	e->column = l->now.token.column;
	snprintf(e->text, sizeof(e->text), "%s:%u:%u: %s", e->file, e->line, e->column, what);
	return -EINVAL;
}

/* -E2BIG and -ENOMEM of the model's lists; @what is full at @max. */
static int policyline_full(struct policyline *l, int r, const char *what, unsigned int max)
{
	if (r == -E2BIG)
		policyline_fail(l, "too many %s: at most %u", what, max);
	return r;
}

void policyline_where(const char *file, unsigned int line, char ret[static POLICY_WHERE_MAX])
{
	char text[POLICYLINE_FILE_MAX + 16];

	snprintf(text, sizeof(text), "%s:%u", file, line);
	policyline_tail(text, POLICYLINE_WHERE_SHOWN, ret);
}

static bool policyline_has_text(enum policyscan_kind kind)
{
	return kind == POLICYSCAN_WORD || kind == POLICYSCAN_REMARK;
}

int policyline_next(struct policyline *l)
{
	struct policyline_place *now = &l->now;
	const char *why = "";

	do {
		if (policyscan_next(&now->scan, &now->token, &why) < 0)
			return policyline_fail(l, "%s", why);
	} while (now->token.kind == POLICYSCAN_COMMENT || now->token.kind == POLICYSCAN_CONTINUE);
	now->word[0] = '\0';
	if (policyline_has_text(now->token.kind)) {
		memcpy(now->word, now->token.at, now->token.len);
		now->word[now->token.len] = '\0';
	}
	if (l->n_lines + now->token.line > POLICYFILE_LINES_MAX &&
	    now->token.kind != POLICYSCAN_END && !l->in_list) {
		policyline_fail(l, "more than %d lines in all files together",
				POLICYFILE_LINES_MAX);
		return -E2BIG;
	}
	return 0;
}

int policyline_start(struct policyline *l, const char *file, const char *text, size_t len)
{
	snprintf(l->now.file, sizeof(l->now.file), "%s", file);
	policyscan_start(&l->now.scan, text, len);
	return policyline_next(l);
}

bool policyline_is(const struct policyline *l, const char *word)
{
	return l->now.token.kind == POLICYSCAN_WORD && !strcmp(l->now.word, word);
}

int policyline_take(struct policyline *l, const char *word)
{
	int r;

	if (!policyline_is(l, word))
		return 0;
	r = policyline_next(l);
	return r < 0 ? r : 1;
}

bool policyline_at_end(const struct policyline *l)
{
	enum policyscan_kind kind = l->now.token.kind;

	return kind == POLICYSCAN_EOL || kind == POLICYSCAN_END || kind == POLICYSCAN_CLOSE;
}

/* What stands there, as a message shows it. */
static const char *policyline_got(const struct policyline *l, char *text, size_t cap)
{
	const struct policyscan_token *t = &l->now.token;

	if (t->kind == POLICYSCAN_EOL)
		return "the end of the line";
	if (t->kind == POLICYSCAN_END)
		return "the end of the file";
	snprintf(text, cap, "'%.*s'", (int)(t->len < 64 ? t->len : 64), t->at);
	return text;
}

int policyline_expected(struct policyline *l, const char *what, const char *const *words)
{
	char got[72];

	if (l->now.token.kind == POLICYSCAN_COMMA)
		return policyline_fail(l,
				       "expected %s, got ','; commas stand between the exceptions "
				       "of a claim only, blanks between everything else",
				       what);
	/* A word that is known, but not here, is not suggested. */
	for (; words && *words && l->now.token.kind == POLICYSCAN_WORD; words++)
		if (typo_is_likely(l->now.word, *words) && strcmp(l->now.word, *words) != 0)
			return policyline_fail(l, "expected %s, got %s; did you mean '%s'?", what,
					       policyline_got(l, got, sizeof(got)), *words);
	return policyline_fail(l, "expected %s, got %s", what, policyline_got(l, got, sizeof(got)));
}

/* Takes the word that must stand here. */
static int policyline_need(struct policyline *l, const char *word)
{
	const char *const words[] = { word, NULL };
	char what[32];
	int r = policyline_take(l, word);

	if (r != 0)
		return r < 0 ? r : 0;
	snprintf(what, sizeof(what), "'%s'", word);
	return policyline_expected(l, what, words);
}

int policyline_number(struct policyline *l, const char *what, uint32_t min, uint32_t max,
		      uint32_t *ret)
{
	char text[80];
	uint64_t v;

	if (l->now.token.kind != POLICYSCAN_WORD || conf_parse_u64(l->now.word, min, max, &v) < 0) {
		snprintf(text, sizeof(text), "%s, %u...%u", what, min, max);
		return policyline_expected(l, text, NULL);
	}
	*ret = (uint32_t)v;
	return policyline_next(l);
}

int policyline_remark(struct policyline *l, char ret[static POLICY_REMARK_MAX])
{
	if (l->now.token.kind != POLICYSCAN_REMARK)
		return policyline_expected(l, "a text in quotes", NULL);
	snprintf(ret, POLICY_REMARK_MAX, "%.*s", POLICY_REMARK_MAX - 1, l->now.word);
	return policyline_next(l);
}

int policyline_via(struct policyline *l, enum policy_via *ret)
{
	static const char *const words[] = { "up", "tun", NULL };

	if (policyline_is(l, "up"))
		*ret = POLICY_VIA_UPLINK;
	else if (policyline_is(l, "tun"))
		*ret = POLICY_VIA_TUNNEL;
	else
		return policyline_expected(l, "a link, 'up' or 'tun'", words);
	return policyline_next(l);
}

/* Takes a name of [a-z0-9_-]. */
static int policyline_name(struct policyline *l, const char *what, char ret[static POLICY_NAME_MAX])
{
	char text[112];

	if (l->now.token.kind != POLICYSCAN_WORD || !policy_is_name(l->now.word)) {
		snprintf(text, sizeof(text),
			 "%s (a-z 0-9 _ -, first a letter, at most %d characters)", what,
			 POLICY_NAME_MAX - 1);
		return policyline_expected(l, text, NULL);
	}
	memcpy(ret, l->now.word, strlen(l->now.word) + 1);
	return policyline_next(l);
}

int policyline_add_net(struct policy *p, const char *name, const char *where, size_t *ret)
{
	struct policy_net *n;
	size_t net;
	int r = policy_add_net(p, name, &net);

	if (r < 0)
		return r;
	n = &p->nets[net];
	snprintf(n->where, sizeof(n->where), "%s", where);
	n->is_any = !strcmp(name, "any");
	for (size_t i = 0; i < POLICY_TIERS; i++)
		if (!strcmp(name, policy_tier_name((enum policy_tier)i))) {
			n->has_tier = true;
			n->tier = (enum policy_tier)i;
		}
	if (!strcmp(name, "config"))
		p->config_net = net;
	if (!strcmp(name, "gateways"))
		p->gateways_net = net;
	*ret = net;
	return 0;
}

static int policyline_no_net(struct policyline *l)
{
	const struct policy *p = l->policy;

	for (size_t i = 0; i < p->n_nets; i++)
		if (typo_is_likely(l->now.word, p->nets[i].name))
			return policyline_fail(
				l, "there is no network '%.64s'; did you mean '%s' of %s?",
				l->now.word, p->nets[i].name, p->nets[i].where);
	return policyline_fail(l,
			       "there is no network '%.64s'; declare it in a line before, as "
			       "'net %.64s PREFIX...'",
			       l->now.word, l->now.word);
}

int policyline_net(struct policyline *l, size_t *ret)
{
	size_t net;
	int r;

	if (l->now.token.kind != POLICYSCAN_WORD)
		return policyline_expected(l, "the name of a network", NULL);
	net = policy_find_net(l->policy, l->now.word);
	if (net == POLICY_NONE && policyline_is(l, "any")) {
		r = policyline_add_net(l->policy, "any", l->where, &net);
		if (r < 0)
			return policyline_full(l, r, "networks", POLICY_NETS_MAX);
	}
	if (net == POLICY_NONE)
		return policyline_no_net(l);
	r = policyline_next(l);
	if (r == 0)
		*ret = net;
	return r;
}

bool policyline_has_port(const struct policy_ports *ports, const struct policy_port *port)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct policy_port *p = &ports->list[i];

		if (p->proto == port->proto && p->low <= port->high && port->low <= p->high)
			return true;
	}
	return false;
}

static int policyline_add_port(struct policyline *l, struct policy_ports *ports,
			       const struct policy_port *port)
{
	if (policyline_has_port(ports, port))
		return policyline_fail(l, "port '%s' is named twice in this line", l->now.word);
	if (ports->n == POLICY_PORTS_MAX) {
		policyline_fail(l, "too many ports: at most %d in one line", POLICY_PORTS_MAX);
		return -E2BIG;
	}
	ports->list[ports->n++] = *port;
	return 0;
}

static bool policyline_at_digit(const struct policyline *l)
{
	return l->now.token.kind == POLICYSCAN_WORD && l->now.word[0] >= '0' &&
	       l->now.word[0] <= '9';
}

/* "PORT…" behind its protocol. */
static int policyline_port_list(struct policyline *l, enum policy_proto proto,
				struct policy_ports *ports)
{
	struct policy_port port;
	int r;

	do {
		if (l->now.token.kind != POLICYSCAN_WORD ||
		    policy_parse_port(l->now.word, proto, &port) < 0)
			return policyline_expected(l, "a port, 1...65535 or LOW-HIGH", NULL);
		r = policyline_add_port(l, ports, &port);
		if (r == 0)
			r = policyline_next(l);
	} while (r == 0 && policyline_at_digit(l));
	return r;
}

int policyline_ports(struct policyline *l, struct policy_ports *ports)
{
	static const char *const words[] = { "any", "tcp", "udp", NULL };
	int r = policyline_take(l, "any");

	if (r != 0)
		return r < 0 ? r : 0;
	if (!policyline_is(l, "tcp") && !policyline_is(l, "udp"))
		return policyline_expected(l, "ports: 'any', 'tcp PORT...' or 'udp PORT...'",
					   words);
	while (policyline_is(l, "tcp") || policyline_is(l, "udp")) {
		enum policy_proto proto = policyline_is(l, "tcp") ? POLICY_TCP : POLICY_UDP;

		r = policyline_next(l);
		if (r == 0)
			r = policyline_port_list(l, proto, ports);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Number or name. A number that is not one, like 0x1 or -1, is no name of a user either. */
static int policyline_uid(struct policyline *l, uint32_t *ret)
{
	uint64_t v;
	int r;

	if (policyline_at_digit(l)) {
		if (conf_parse_u64(l->now.word, 0, UINT32_MAX - 1, &v) < 0)
			return policyline_expected(l, "a user, by name or number 0...4294967294",
						   NULL);
		*ret = (uint32_t)v;
		return 0;
	}
	r = l->resolve(l->now.word, ret);
	if (r == -ENOENT)
		return policyline_fail(l,
				       "there is no user '%.64s' on this system; make the user "
				       "first, or give the number",
				       l->now.word);
	if (r < 0)
		policyline_fail(l, "cannot look up user '%.64s': %s", l->now.word, strerror(-r));
	return r;
}

static int policyline_user(struct policyline *l, struct policy_users *users)
{
	const char *name = policyline_at_digit(l) ? "" : l->now.word;
	uint16_t at = 0;
	uint32_t uid = 0;
	int r;

	if (strlen(l->now.word) >= POLICY_NAME_MAX)
		return policyline_expected(l, "a user of at most 63 characters", NULL);
	r = policyline_uid(l, &uid);
	if (r < 0)
		return r;
	if (users->n == POLICY_RULE_USERS_MAX) {
		policyline_fail(l, "too many users: at most %d in one line", POLICY_RULE_USERS_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; i < users->n; i++)
		if (l->policy->users[users->at[i]].uid == uid)
			return policyline_fail(l, "user '%.64s' (%u) is named twice in this line",
					       l->now.word, uid);
	r = policy_add_user(l->policy, name, uid, &at);
	if (r < 0)
		return policyline_full(l, r, "users", POLICY_USERS_MAX);
	users->at[users->n++] = at;
	return policyline_next(l);
}

bool policyline_is_keyword(const char *word)
{
	static const char *const keys[] = { "via",  "ipv4",  "ipv6",   "new",     "to",
					    "from", "tcp",   "udp",    "icmpv6",  "mark",
					    "user", "grant", "except", "implied", "any" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(word, keys[i]))
			return true;
	return false;
}

static bool policyline_at_user(const struct policyline *l)
{
	return l->now.token.kind == POLICYSCAN_WORD && !policyline_is_keyword(l->now.word);
}

int policyline_users(struct policyline *l, struct policy_users *users)
{
	int r = 0;

	if (!policyline_at_user(l))
		return policyline_expected(l, "a user, by name or number", NULL);
	while (r == 0 && policyline_at_user(l))
		r = policyline_user(l, users);
	return r;
}

/* Something that stands once: an error the second time. */
static int policyline_once(struct policyline *l, char where[static POLICY_WHERE_MAX],
			   const char *what)
{
	if (where[0])
		return policyline_fail(l, "'%s' is already declared at %s; it stands once", what,
				       where);
	memcpy(where, l->where, POLICY_WHERE_MAX);
	return 0;
}

static int policyline_read_policy(struct policyline *l)
{
	struct policy *p = l->policy;
	int r = policyline_once(l, l->policy_where, "policy");

	if (r == 0)
		r = policyline_name(l, "the name of the policy", p->name);
	return r < 0 ? r : policyline_number(l, "its version", 0, UINT32_MAX, &p->version);
}

static int policyline_tier(struct policyline *l, enum policy_tier *ret)
{
	static const char *const words[] = { "public", "compute", "storage", NULL };

	for (size_t i = 0; i < POLICY_TIERS; i++)
		if (policyline_is(l, words[i])) {
			*ret = (enum policy_tier)i;
			return policyline_next(l);
		}
	return policyline_expected(l, "a tier: 'public', 'compute' or 'storage'", words);
}

static int policyline_read_host(struct policyline *l)
{
	int r = policyline_once(l, l->host_where, "host");

	if (r == 0)
		r = policyline_need(l, "tier");
	return r < 0 ? r : policyline_tier(l, &l->policy->tier);
}

/* The kernel takes more (dev_valid_name()), but names stand in texts of nft, in those of chains
 * too, where a quoted name is an error. */
bool policyline_is_link(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!policyscan_is_word_byte(*c))
			return false;
	return *name && strlen(name) < IFNAMSIZ && strcmp(name, ".") && strcmp(name, "..") &&
	       strcmp(name, "lo") && !strpbrk(name, "/:@+") && name[0] != '-';
}

static int policyline_link_list(struct policyline *l, char list[][IFNAMSIZ], size_t max, size_t *n)
{
	int r = 0;

	do {
		if (l->now.token.kind != POLICYSCAN_WORD || !policyline_is_link(l->now.word))
			return policyline_expected(
				l, "an interface, at most 15 characters and not lo", NULL);
		if (policy_has_link(l->policy, l->now.word))
			return policyline_fail(l, "interface '%s' is named twice", l->now.word);
		if (*n == max) {
			policyline_fail(l, "too many interfaces: at most %zu of this kind", max);
			return -E2BIG;
		}
		memcpy(list[(*n)++], l->now.word, strlen(l->now.word) + 1);
		r = policyline_next(l);
	} while (r == 0 && !policyline_at_end(l));
	return r;
}

static int policyline_read_link(struct policyline *l)
{
	struct policy *p = l->policy;
	enum policy_via via = POLICY_VIA_ANY;
	bool is_up;
	int r;

	is_up = policyline_is(l, "up");
	if (is_up || policyline_is(l, "tun")) {
		r = policyline_once(l, is_up ? l->up_where : l->tun_where,
				    is_up ? "link up" : "link tun");
		if (r < 0)
			return r;
	}
	r = policyline_via(l, &via);
	if (r < 0)
		return r;
	return is_up ? policyline_link_list(l, p->uplinks, POLICY_UPLINKS_MAX, &p->n_uplinks) :
		       policyline_link_list(l, p->tunnels, POLICY_TUNNELS_MAX, &p->n_tunnels);
}

/* Declares a network at the next token or at the directive itself. */
static int policyline_declare(struct policyline *l, const char *name, size_t *ret)
{
	struct policy *p = l->policy;
	size_t net = policy_find_net(p, name);
	int r;

	if (net != POLICY_NONE)
		return policyline_fail(l,
				       "'%s' is already declared at %s; one line names all of it",
				       name, p->nets[net].where);
	r = policyline_add_net(p, name, l->where, ret);
	return policyline_full(l, r, "networks", POLICY_NETS_MAX);
}

static int policyline_prefix(struct policyline *l, struct policy_prefixes *set)
{
	struct ip6_prefix prefix;
	int r;

	if (l->now.token.kind == POLICYSCAN_WORD && strpbrk(l->now.word, "ghijklmnopqrstuvwxyz"))
		return policyline_expected(
			l, "a prefix like 2001:db8::/48 or 10.0.0.0/8 (no name is looked up)",
			NULL);
	if (l->now.token.kind != POLICYSCAN_WORD || policy_parse_prefix(l->now.word, &prefix) < 0)
		return policyline_expected(
			l, "a prefix like 2001:db8::/48 or 10.0.0.0/8, with no bit set behind it",
			NULL);
	r = policy_add_prefix(set, &prefix);
	if (r < 0)
		return policyline_full(l, r, "prefixes in one network", POLICY_PREFIXES_MAX);
	return policyline_next(l);
}

static int policyline_prefix_list(struct policyline *l, struct policy_prefixes *set)
{
	int r;

	do {
		r = policyline_prefix(l, set);
	} while (r == 0 && !policyline_at_end(l));
	return r;
}

int policyline_read_prefixes(struct policyline *l, struct policy_prefixes *set)
{
	int r = 0;

	while (r == 0 && l->now.token.kind != POLICYSCAN_END)
		r = l->now.token.kind == POLICYSCAN_EOL ? policyline_next(l) :
							  policyline_prefix(l, set);
	if (r == 0 && set->n == 0)
		r = policyline_fail(l, "a list without a prefix");
	return r;
}

/* Leads to the file that the next word names. */
static int policyline_open_file(struct policyline *l, struct policy_prefixes *set)
{
	int r;

	if (l->now.token.kind != POLICYSCAN_WORD)
		return policyline_expected(l, "the path of a file", NULL);
	if (!l->open)
		return policyline_fail(l, "a text that is in no folder cannot name other files");
	r = l->open(l, l->now.word, set);
	return r < 0 ? r : policyline_next(l);
}

/* Names with a meaning of their own. */
static int policyline_check_net_name(struct policyline *l)
{
	const struct policyline_service *service = policyline_find_service(l->now.word);

	if (policyline_is(l, "any"))
		return policyline_fail(l, "'any' is every IPv6 address and always declared");
	if (service)
		return policyline_fail(
			l, "'%s' is declared by '%s [ADDRESS...] allow'; choose another name",
			service->name, service->name);
	for (size_t i = 0; i < POLICY_TIERS; i++)
		if (policyline_is(l, policy_tier_name((enum policy_tier)i)))
			return policyline_fail(l, "'%s' is a tier: write 'tier %s PREFIX...'",
					       l->now.word, l->now.word);
	return 0;
}

static int policyline_read_net(struct policyline *l)
{
	struct policy_prefixes *set;
	char name[POLICY_NAME_MAX];
	size_t net = POLICY_NONE;
	int r = policyline_check_net_name(l);

	if (r == 0 && l->now.token.kind == POLICYSCAN_WORD && policy_is_name(l->now.word))
		r = policyline_declare(l, l->now.word, &net);
	if (r == 0)
		r = policyline_name(l, "the name of a network", name);
	if (r < 0)
		return r;
	set = &l->policy->nets[net].prefixes;
	r = policyline_take(l, "file");
	if (r < 0)
		return r;
	return r ? policyline_open_file(l, set) : policyline_prefix_list(l, set);
}

static int policyline_read_tier(struct policyline *l)
{
	enum policy_tier tier = POLICY_TIERS;
	struct policy_net *n;
	size_t net;
	char name[POLICYSCAN_WORD_MAX];
	int r;

	memcpy(name, l->now.word, sizeof(name));
	if (policy_find_net(l->policy, name) != POLICY_NONE)
		return policyline_declare(l, name, &net);
	r = policyline_tier(l, &tier);
	if (r == 0)
		r = policyline_declare(l, name, &net);
	if (r < 0)
		return r;
	n = &l->policy->nets[net];
	r = policyline_take(l, "file");
	if (r < 0)
		return r;
	return r ? policyline_open_file(l, &n->prefixes) : policyline_prefix_list(l, &n->prefixes);
}

/* The zone is reached through the tunnel unless a line says otherwise. */
enum policy_via policyline_default_via(const struct policy *p, size_t net)
{
	return net == p->config_net || net == p->gateways_net ? POLICY_VIA_TUNNEL :
								POLICY_VIA_UPLINK;
}

static int policyline_net_via(struct policyline *l, size_t *ret_net, enum policy_via *ret_via)
{
	int r = policyline_net(l, ret_net);

	if (r < 0)
		return r;
	*ret_via = policyline_default_via(l->policy, *ret_net);
	r = policyline_take(l, "via");
	return r > 0 ? policyline_via(l, ret_via) : r;
}

unsigned int policyline_row(const struct policy *p, const struct policy_rule *rule)
{
	const char *net = p->nets[rule->net].name;

	if (!strcmp(net, "dns") || !strcmp(net, "ntp"))
		return 6;
	if (!strcmp(net, "imds"))
		return 7;
	if (rule->has_mark)
		return rule->ports.n && rule->ports.list[0].proto == POLICY_UDP ? 8 : 9;
	if (rule->via == POLICY_VIA_TUNNEL)
		return rule->dir == POLICY_IN ? 12 : 11;
	return rule->dir == POLICY_IN ? 13 : 15;
}

/* Completes a rule and adds it. */
static int policyline_add_rule(struct policyline *l, struct policy_rule *rule)
{
	rule->row = policyline_row(l->policy, rule);
	memcpy(rule->where, l->where, sizeof(l->where));
	return policyline_full(l, policy_add_rule(l->policy, rule), "rules", POLICY_RULES_MAX);
}

/* What may stand behind the ports of a rule: mark and users (out only), remark. */
static int policyline_rule_end(struct policyline *l, struct policy_rule *rule)
{
	static const char *const words[] = { "tcp", "udp", "mark", "user", NULL };
	int r = 0;

	if (rule->dir == POLICY_OUT)
		r = policyline_take(l, "mark");
	if (r > 0) {
		rule->has_mark = true;
		r = policyline_number(l, "a mark", 1, UINT32_MAX, &rule->mark);
	}
	if (r == 0 && rule->dir == POLICY_OUT)
		r = policyline_take(l, "user");
	if (r > 0)
		r = policyline_users(l, &rule->users);
	if (r == 0 && l->now.token.kind == POLICYSCAN_REMARK)
		r = policyline_remark(l, rule->remark);
	if (r < 0 || policyline_at_end(l))
		return r;
	if (rule->dir == POLICY_IN && (policyline_is(l, "user") || policyline_is(l, "mark")))
		return policyline_fail(l, "'%s' belongs to 'to': who sends to us is not known here",
				       l->now.word);
	return policyline_expected(l,
				   rule->dir == POLICY_OUT ?
					   "'mark', 'user', a remark or the end of the line" :
					   "a remark or the end of the line",
				   words);
}

/* dns, ntp and imds have lines of their own. */
static int policyline_check_peer(struct policyline *l)
{
	const struct policyline_service *s = policyline_find_service(l->now.word);

	return s ? policyline_fail(l, "'%s' is allowed by '%s [ADDRESS...] allow' only", s->name,
				   s->name) :
		   0;
}

static int policyline_rule(struct policyline *l, enum policy_dir dir)
{
	static const char *const words[] = { "via", "allow", NULL };
	struct policy_rule rule = { .dir = dir };
	int r = policyline_check_peer(l);

	if (r == 0)
		r = policyline_net_via(l, &rule.net, &rule.via);
	if (r < 0)
		return r;
	if (!policyline_is(l, "allow"))
		return policyline_expected(l, "'via' or 'allow'", words);
	r = policyline_next(l);
	if (r == 0)
		r = policyline_ports(l, &rule.ports);
	if (r == 0)
		r = policyline_rule_end(l, &rule);
	return r < 0 ? r : policyline_add_rule(l, &rule);
}

static int policyline_read_from(struct policyline *l)
{
	return policyline_rule(l, POLICY_IN);
}

static int policyline_read_to(struct policyline *l)
{
	return policyline_rule(l, POLICY_OUT);
}

/* Addresses before "allow", or the default. */
static int policyline_addresses(struct policyline *l, const char *fallback,
				struct policy_prefixes *set)
{
	static const char *const words[] = { "allow", NULL };
	struct ip6_prefix prefix;
	int r = 0;

	while (r == 0 && l->now.token.kind == POLICYSCAN_WORD && strpbrk(l->now.word, ":./"))
		r = policyline_prefix(l, set);
	if (r < 0)
		return r;
	if (!policyline_is(l, "allow"))
		return policyline_expected(l, "an address or 'allow'", words);
	if (set->n == 0 && policy_parse_prefix(fallback, &prefix) == 0)
		r = policy_add_prefix(set, &prefix);
	return r < 0 ? r : policyline_next(l);
}

static int policyline_service(struct policyline *l, const struct policyline_service *s)
{
	struct policy_rule rule = { .dir = POLICY_OUT, .ports = s->ports };
	int r = policyline_declare(l, s->name, &rule.net);

	if (r == 0)
		r = policyline_addresses(l, s->address, &l->policy->nets[rule.net].prefixes);
	if (r < 0)
		return r;
	if (!strcmp(s->name, "imds") && !policyline_is(l, "user"))
		return policyline_expected(l, "'user', for metadata gives out credentials", NULL);
	if (policyline_is(l, "mark"))
		return policyline_expected(l, "'user', a remark or the end of the line", NULL);
	r = policyline_rule_end(l, &rule);
	return r < 0 ? r : policyline_add_rule(l, &rule);
}

static int policyline_read_dns(struct policyline *l)
{
	return policyline_service(l, &policyline_services[0]);
}

static int policyline_read_ntp(struct policyline *l)
{
	return policyline_service(l, &policyline_services[1]);
}

static int policyline_read_imds(struct policyline *l)
{
	return policyline_service(l, &policyline_services[2]);
}

/* "90s", "15m", "4h", "7d". */
static int policyline_duration(struct policyline *l, uint32_t *ret)
{
	static const char units[] = "smhd";
	static const uint32_t seconds[] = { 1, 60, 3600, 86400 };
	size_t n = strlen(l->now.word);
	const char *unit = n > 1 ? strchr(units, l->now.word[n - 1]) : NULL;
	char number[16];
	uint64_t v = 0;

	snprintf(number, sizeof(number), "%.*s", (int)(n ? n - 1 : 0), l->now.word);
	if (!unit || n > sizeof(number) || l->now.token.kind != POLICYSCAN_WORD ||
	    conf_parse_u64(number, 1, POLICYLINE_GRANT_MAX_S / seconds[unit - units], &v) < 0)
		return policyline_expected(l, "a time from 1s to 7d, like 90s, 15m, 4h or 2d",
					   NULL);
	*ret = (uint32_t)v * seconds[unit - units];
	return policyline_next(l);
}

static int policyline_check_grant(struct policyline *l)
{
	const struct policy *p = l->policy;

	for (size_t i = 0; i < p->n_grants; i++)
		if (policyline_is(l, p->grants[i].name))
			return policyline_fail(l, "grant '%s' is already declared at %s",
					       l->now.word, p->grants[i].where);
	return 0;
}

static int policyline_grant_ports(struct policyline *l, struct policy_ports *ports)
{
	int r = policyline_need(l, "tcp");

	return r < 0 ? r : policyline_port_list(l, POLICY_TCP, ports);
}

static int policyline_read_grant(struct policyline *l)
{
	struct policy_grant grant = { .name = "" };
	int r = policyline_check_grant(l);

	if (r == 0)
		r = policyline_name(l, "the name of a grant", grant.name);
	if (r == 0)
		r = policyline_grant_ports(l, &grant.ports);
	if (r == 0)
		r = policyline_need(l, "from");
	if (r == 0)
		r = policyline_net_via(l, &grant.net, &grant.via);
	if (r == 0)
		r = policyline_need(l, "max");
	if (r == 0)
		r = policyline_duration(l, &grant.max_s);
	if (r < 0)
		return r;
	memcpy(grant.where, l->where, sizeof(l->where));
	return policyline_full(l, policy_add_grant(l->policy, &grant), "grants", POLICY_GRANTS_MAX);
}

static int policyline_read_log(struct policyline *l)
{
	int r = policyline_once(l, l->log_where, "log");

	return r < 0 ? r :
		       policyline_number(l, "denials logged per second", 0, POLICYLINE_LOG_MAX,
					 &l->policy->log_rate);
}

static int policyline_read_include(struct policyline *l)
{
	return policyline_open_file(l, NULL);
}

/* The lines between { and }. */
static int policyline_block(struct policyline *l, size_t claim)
{
	size_t n = l->policy->n_says;
	int r = 0;

	while (r == 0 && l->now.token.kind != POLICYSCAN_CLOSE) {
		if (l->now.token.kind == POLICYSCAN_END)
			return policyline_expected(l, "'}' at the end of the claim", NULL);
		if (l->now.token.kind == POLICYSCAN_EOL) {
			r = policyline_next(l);
			continue;
		}
		policyline_where(l->now.file, l->now.token.line, l->where);
		r = policysay_read(l, claim);
	}
	if (r == 0 && l->policy->n_says == n)
		return policyline_expected(l, "'never' or 'always'", NULL);
	return r < 0 ? r : policyline_next(l);
}

static int policyline_read_claim(struct policyline *l)
{
	struct policy_claim claim = { .text = "" };
	int r = policyline_remark(l, claim.text);

	if (r < 0)
		return r;
	memcpy(claim.where, l->where, sizeof(l->where));
	if (l->now.token.kind != POLICYSCAN_OPEN)
		return policyline_expected(l, "'{'", NULL);
	r = policy_add_claim(l->policy, &claim);
	if (r < 0)
		return policyline_full(l, r, "claims", POLICY_CLAIMS_MAX);
	r = policyline_next(l);
	return r < 0 ? r : policyline_block(l, l->policy->n_claims - 1);
}

static const struct {
	const char *word;
	int (*read)(struct policyline *l);
} policyline_directives[] = {
	{ "policy", policyline_read_policy },   { "host", policyline_read_host },
	{ "link", policyline_read_link },       { "net", policyline_read_net },
	{ "tier", policyline_read_tier },       { "from", policyline_read_from },
	{ "to", policyline_read_to },           { "dns", policyline_read_dns },
	{ "ntp", policyline_read_ntp },         { "imds", policyline_read_imds },
	{ "grant", policyline_read_grant },     { "log", policyline_read_log },
	{ "include", policyline_read_include }, { "claim", policyline_read_claim },
};

int policyline_unknown(struct policyline *l)
{
	const char *words[ARRAY_SIZE(policyline_directives) + 1] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(policyline_directives); i++)
		words[i] = policyline_directives[i].word;
	return policyline_expected(l, "a directive", words);
}

bool policyline_is_directive(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(policyline_directives); i++)
		if (!strcmp(policyline_directives[i].word, word))
			return true;
	return false;
}

/* One line, or one claim. */
static int policyline_directive(struct policyline *l)
{
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(policyline_directives) &&
	       !policyline_is(l, policyline_directives[i].word))
		i++;
	if (i == ARRAY_SIZE(policyline_directives))
		return policyline_unknown(l);
	if (!l->has_any && i != 0)
		return policyline_fail(l, "the first line of a page is 'policy NAME VERSION'");
	l->has_any = true;
	policyline_where(l->now.file, l->now.token.line, l->where);
	r = policyline_next(l);
	if (r == 0)
		r = policyline_directives[i].read(l);
	if (r == 0 && l->now.token.kind != POLICYSCAN_EOL && l->now.token.kind != POLICYSCAN_END)
		return policyline_expected(l, "the end of the line", NULL);
	return r;
}

int policyline_read(struct policyline *l)
{
	int r = 0;

	while (r == 0 && l->now.token.kind != POLICYSCAN_END)
		r = l->now.token.kind == POLICYSCAN_EOL ? policyline_next(l) :
							  policyline_directive(l);
	return r;
}

const char *policyline_missing(struct policyline *l)
{
	if (!l->log_where[0])
		l->policy->log_rate = POLICYLINE_LOG_DEFAULT;
	if (!l->policy_where[0])
		return "'policy NAME VERSION'";
	if (!l->host_where[0])
		return "'host tier TIER'";
	return l->up_where[0] ? NULL : "'link up IF...'";
}
