/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyjson.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonin.h"
#include "common/typo.h"
#include "netpolicy/model/sha256.h"
#include "netpolicy/parse/policyline.h"

/* What no model that was checked has in a text, and what JSON would not take as it is. */
#define POLICYJSON_ESCAPED                                                                         \
	"\"\\\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37"

/* One writing. */
struct policyjson {
	const struct policy *p;
	struct buf *to;
	bool is_meaning; /* what decides about packets only, lists in an order of their own */
	bool no_memory;  /* of what @to does not know */
};

/* Writes element @i of the list that @list is part of. */
typedef void policyjson_one(struct policyjson *j, const void *list, size_t i);

static void policyjson_string(struct policyjson *j, const char *text)
{
	buf_add(j->to, "\"");
	while (*text) {
		int plain = (int)strcspn(text, POLICYJSON_ESCAPED);

		buf_addf(j->to, "%.*s", plain, text);
		text += plain;
		if (*text)
			buf_addf(j->to, "\\u%04x", (unsigned int)(unsigned char)*text++);
	}
	buf_add(j->to, "\"");
}

static void policyjson_member(struct policyjson *j, const char *before, const char *value)
{
	buf_add(j->to, before);
	policyjson_string(j, value);
}

static int policyjson_by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The elements of a list whose order means nothing, each as text. */
static void policyjson_texts(struct policyjson *j, const void *list, size_t n, policyjson_one *one,
			     char **texts)
{
	struct buf *to = j->to;

	for (size_t i = 0; i < n && !j->no_memory; i++) {
		_cleanup_(buf_release) struct buf text = buf_init(POLICYJSON_BYTES_MAX);

		j->to = &text;
		one(j, list, i);
		j->no_memory |= buf_steal(&text, &texts[i]) < 0;
	}
	j->to = to;
}

static void policyjson_sorted(struct policyjson *j, const void *list, size_t n, policyjson_one *one)
{
	char **texts = calloc(n ? n : 1, sizeof(*texts));

	if (!texts) {
		j->no_memory = true;
		return;
	}
	policyjson_texts(j, list, n, one, texts);
	if (!j->no_memory)
		qsort(texts, n, sizeof(*texts), policyjson_by_text);
	for (size_t i = 0; i < n; i++) {
		if (!j->no_memory)
			buf_add(j->to, i ? "," : "");
		if (!j->no_memory)
			buf_add(j->to, texts[i]);
		free(texts[i]);
	}
	free(texts);
}

static void policyjson_list(struct policyjson *j, const char *before, const void *list, size_t n,
			    policyjson_one *one)
{
	buf_addf(j->to, "%s[", before);
	if (j->is_meaning)
		policyjson_sorted(j, list, n, one);
	else
		for (size_t i = 0; i < n; i++) {
			buf_add(j->to, i ? "," : "");
			one(j, list, i);
		}
	buf_add(j->to, "]");
}

static const char *policyjson_via_name(enum policy_via via)
{
	return via == POLICY_VIA_TUNNEL ? "tun" : "up";
}

static void policyjson_where(struct policyjson *j, const char *where)
{
	if (!j->is_meaning)
		policyjson_member(j, ",\"where\":", where);
}

static void policyjson_port(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_port *port = &((const struct policy_ports *)list)->list[i];

	buf_addf(j->to, "\"%s %u", port->proto == POLICY_UDP ? "udp" : "tcp", port->low);
	if (port->high != port->low)
		buf_addf(j->to, "-%u", port->high);
	buf_add(j->to, "\"");
}

static void policyjson_user_ref(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_user *u = &j->p->users[((const struct policy_users *)list)->at[i]];

	if (u->name[0] && !j->is_meaning)
		policyjson_string(j, u->name);
	else
		buf_addf(j->to, "%u", u->uid);
}

/* The end of rules, grants and matches. @before: the comma. */
static void policyjson_users(struct policyjson *j, const char *before,
			     const struct policy_users *users)
{
	if (users->n)
		policyjson_list(j, before, users, users->n, policyjson_user_ref);
}

static void policyjson_claim(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_claim *claim = &j->p->claims[i];

	policyjson_member(j, "{\"text\":", claim->text);
	policyjson_where(j, claim->where);
	buf_add(j->to, "}");
}

static void policyjson_grant(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_grant *g = &j->p->grants[i];

	buf_addf(j->to, "{\"max_s\":%u", g->max_s);
	policyjson_member(j, ",\"name\":", g->name);
	policyjson_member(j, ",\"net\":", j->p->nets[g->net].name);
	policyjson_list(j, ",\"ports\":", &g->ports, g->ports.n, policyjson_port);
	policyjson_member(j, ",\"via\":", policyjson_via_name(g->via));
	policyjson_where(j, g->where);
	buf_add(j->to, "}");
}

static void policyjson_prefix(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_prefixes *set = list;
	char text[IP6_PREFIX_TEXT];

	policyjson_string(j, policy_format_prefix(&set->list[i], text));
}

static void policyjson_net(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_net *n = &j->p->nets[i];

	policyjson_member(j, "{\"name\":", n->name);
	policyjson_list(j, ",\"prefixes\":", &n->prefixes, n->prefixes.n, policyjson_prefix);
	policyjson_where(j, n->where);
	buf_add(j->to, "}");
}

static void policyjson_rule(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_rule *rule = &j->p->rules[i];

	buf_addf(j->to, "{\"dir\":\"%s\"", rule->dir == POLICY_IN ? "in" : "out");
	if (rule->has_mark)
		buf_addf(j->to, ",\"mark\":%u", rule->mark);
	policyjson_member(j, ",\"net\":", j->p->nets[rule->net].name);
	policyjson_list(j, ",\"ports\":", &rule->ports, rule->ports.n, policyjson_port);
	if (rule->remark[0] && !j->is_meaning)
		policyjson_member(j, ",\"remark\":", rule->remark);
	policyjson_users(j, ",\"users\":", &rule->users);
	policyjson_member(j, ",\"via\":", policyjson_via_name(rule->via));
	policyjson_where(j, rule->where);
	buf_add(j->to, "}");
}

static void policyjson_type(struct policyjson *j, const void *list, size_t i)
{
	buf_addf(j->to, "%u", ((const uint8_t *)list)[i]);
}

/* The words of a match that stand alone. */
static void policyjson_only(struct policyjson *j, const struct policy_match *m)
{
	const char *comma = "";

	if (!m->is_implied && !m->family && !m->is_new)
		return;
	buf_add(j->to, "\"only\":[");
	if (m->is_implied)
		buf_add(j->to, "\"implied\"");
	comma = m->is_implied ? "," : "";
	if (m->family)
		buf_addf(j->to, "%s\"ipv%u\"", comma, m->family);
	comma = m->is_implied || m->family ? "," : "";
	if (m->is_new)
		buf_addf(j->to, "%s\"new\"", comma);
	buf_add(j->to, "],");
}

static void policyjson_match(struct policyjson *j, const struct policy_match *m)
{
	static const char *const vias[] = { "up", "tun", "any" };

	buf_add(j->to, "{");
	if (m->grant != POLICY_NONE)
		buf_addf(j->to, "\"grant\":\"%s\",", j->p->grants[m->grant].name);
	if (m->n_icmp6)
		policyjson_list(j, "\"icmpv6\":", m->icmp6, m->n_icmp6, policyjson_type);
	buf_add(j->to, m->n_icmp6 ? "," : "");
	if (m->has_mark)
		buf_addf(j->to, "\"mark\":%u,", m->mark);
	if (m->net != POLICY_NONE)
		buf_addf(j->to, "\"net\":\"%s\",", j->p->nets[m->net].name);
	policyjson_only(j, m);
	if (m->ports.n)
		policyjson_list(j, "\"ports\":", &m->ports, m->ports.n, policyjson_port);
	buf_add(j->to, m->ports.n ? "," : "");
	policyjson_users(j, "\"users\":", &m->users);
	buf_addf(j->to, "%s\"via\":\"%s\"}", m->users.n ? "," : "", vias[m->via]);
}

static void policyjson_except(struct policyjson *j, const void *list, size_t i)
{
	policyjson_match(j, &((const struct policy_say *)list)->excepts[i]);
}

static void policyjson_say(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_say *say = &j->p->says[i];

	buf_add(j->to, "{");
	if (!j->is_meaning)
		buf_addf(j->to, "\"claim\":%zu,", say->claim);
	buf_addf(j->to, "\"dir\":\"%s\",", say->match.dir == POLICY_IN ? "in" : "out");
	policyjson_list(j, "\"excepts\":", say, say->n_excepts, policyjson_except);
	buf_add(j->to, ",\"match\":");
	policyjson_match(j, &say->match);
	buf_addf(j->to, ",\"never\":%s", say->is_never ? "true" : "false");
	policyjson_where(j, say->where);
	buf_add(j->to, "}");
}

static void policyjson_user(struct policyjson *j, const void *list, size_t i)
{
	const struct policy_user *u = &j->p->users[i];

	buf_add(j->to, "{");
	if (u->name[0])
		policyjson_member(j, "\"name\":", u->name);
	buf_addf(j->to, "%s\"uid\":%u}", u->name[0] ? "," : "", u->uid);
}

static void policyjson_link(struct policyjson *j, const void *list, size_t i)
{
	const char(*names)[IFNAMSIZ] = list;

	policyjson_string(j, names[i]);
}

static void policyjson_host(struct policyjson *j)
{
	const struct policy *p = j->p;

	buf_addf(j->to, "\"host\":{\"enforce\":%s,\"log_rate\":%u", p->enforce ? "true" : "false",
		 p->log_rate);
	policyjson_member(j, ",\"name\":", p->name);
	policyjson_member(j, ",\"tier\":", policy_tier_name(p->tier));
	policyjson_list(j, ",\"tunnels\":", p->tunnels, p->n_tunnels, policyjson_link);
	policyjson_list(j, ",\"uplinks\":", p->uplinks, p->n_uplinks, policyjson_link);
	buf_addf(j->to, ",\"version\":%u}", p->version);
}

static int policyjson_put(const struct policy *p, bool is_meaning, struct buf *to)
{
	struct policyjson j = { .p = p, .to = to, .is_meaning = is_meaning };

	buf_add(to, "{");
	if (!is_meaning)
		policyjson_list(&j, "\"claims\":", p->claims, p->n_claims, policyjson_claim);
	policyjson_list(&j, is_meaning ? "\"grants\":" : ",\"grants\":", p->grants, p->n_grants,
			policyjson_grant);
	buf_add(to, ",");
	policyjson_host(&j);
	policyjson_list(&j, ",\"nets\":", p->nets, p->n_nets, policyjson_net);
	policyjson_list(&j, ",\"rules\":", p->rules, p->n_rules, policyjson_rule);
	policyjson_list(&j, ",\"says\":", p->says, p->n_says, policyjson_say);
	if (!is_meaning)
		policyjson_list(&j, ",\"users\":", p->users, p->n_users, policyjson_user);
	buf_add(to, "}");
	return j.no_memory ? -ENOMEM : buf_done(to);
}

int policyjson_write(const struct policy *p, struct buf *to)
{
	return policyjson_put(p, false, to);
}

int policyjson_write_meaning(const struct policy *p, struct buf *to)
{
	return policyjson_put(p, true, to);
}

int policyjson_digest(const struct policy *p, char ret[static 65])
{
	_cleanup_(buf_release) struct buf text = buf_init(POLICYJSON_BYTES_MAX);
	int r = policyjson_write_meaning(p, &text);

	if (r == 0)
		sha256_text(text.text, text.len, ret);
	return r;
}

/* One reading. Errors are named with the path of the member, "rules[3].ports[0]". */
struct policyjson_in {
	struct policy *p;
	policyfile_resolver *resolve;
	struct policyfile_error *error;
	char path[64]; /* of the object being read, "" = the whole */
};

static int policyjson_fail(struct policyjson_in *in, const char *name, const char *fmt, ...)
	_printf_(3, 4);

/* Gives -EINVAL. @name: the member, "" = the object itself. */
static int policyjson_fail(struct policyjson_in *in, const char *name, const char *fmt, ...)
{
	struct policyfile_error *e = in->error;
	char what[POLICY_ERROR_MAX - 160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	*e = (struct policyfile_error){ .line = 0 };
	snprintf(e->text, sizeof(e->text), "%s%s%s%s%s", in->path, in->path[0] && *name ? "." : "",
		 name, in->path[0] || *name ? ": " : "", what);
	return -EINVAL;
}

/* Names the list and the place that the next messages speak of. */
static void policyjson_at(struct policyjson_in *in, const char *list, size_t i)
{
	snprintf(in->path, sizeof(in->path), "%s[%zu]", list, i);
}

/* -E2BIG and -ENOMEM of the model's lists. */
static int policyjson_full(struct policyjson_in *in, int r, const char *name)
{
	if (r == -E2BIG)
		policyjson_fail(in, name, "too many");
	return r;
}

static bool policyjson_is_listed(const char *key, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(key, **names == '?' ? *names + 1 : *names))
			return true;
	return false;
}

/* A member of an unknown name may hold anything, also what breaks a terminal. */
static int policyjson_unknown(struct policyjson_in *in, const char *key, const char *const *names)
{
	for (; *names; names++) {
		const char *name = **names == '?' ? *names + 1 : *names;

		if (typo_is_likely(key, name))
			return policyjson_fail(in, "", "unknown member; did you mean '%s'?", name);
	}
	return policyjson_fail(in, "", "unknown member");
}

/* As jsonin_members(), with a message. */
static int policyjson_members(struct policyjson_in *in, const json_t *o, const char *const *names)
{
	const char *key;
	json_t *value;

	if (!json_is_object(o))
		return policyjson_fail(in, "", "expected an object");
	json_object_foreach((json_t *)o, key, value)
	{
		if (!policyjson_is_listed(key, names))
			return policyjson_unknown(in, key, names);
	}
	for (; *names; names++)
		if (**names != '?' && !json_object_get(o, *names))
			return policyjson_fail(in, *names, "is missing");
	return 0;
}

static int policyjson_get_text(struct policyjson_in *in, const json_t *o, const char *name,
			       char *ret, size_t cap)
{
	if (jsonin_str(o, name, ret, cap) < 0)
		return policyjson_fail(in, name, "expected a text of 1...%zu printable characters",
				       cap - 1);
	return 0;
}

static int policyjson_get_name(struct policyjson_in *in, const json_t *o, const char *name,
			       char ret[static POLICY_NAME_MAX])
{
	if (jsonin_str(o, name, ret, POLICY_NAME_MAX) < 0 || !policy_is_name(ret))
		return policyjson_fail(in, name,
				       "expected a name: a-z 0-9 _ -, first a letter, at most %d",
				       POLICY_NAME_MAX - 1);
	return 0;
}

static int policyjson_get_u32(struct policyjson_in *in, const json_t *o, const char *name,
			      uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (jsonin_u64(o, name, 0, max, &v) < 0)
		return policyjson_fail(in, name, "expected a number, 0...%u", max);
	*ret = (uint32_t)v;
	return 0;
}

static int policyjson_get_bool(struct policyjson_in *in, const json_t *o, const char *name,
			       bool *ret)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_boolean(value))
		return policyjson_fail(in, name, "expected true or false");
	*ret = json_is_true(value);
	return 0;
}

/* One of @words, which end with NULL, as its index. */
static int policyjson_get_word(struct policyjson_in *in, const json_t *o, const char *name,
			       const char *const *words, unsigned int *ret)
{
	const char *text = json_string_value(json_object_get(o, name));

	for (unsigned int i = 0; text && words[i]; i++)
		if (!strcmp(words[i], text)) {
			*ret = i;
			return 0;
		}
	return policyjson_fail(in, name, "expected one of '%s', '%s'%s%s%s", words[0], words[1],
			       words[2] ? ", '" : "", words[2] ? words[2] : "",
			       words[2] ? "'" : "");
}

/* Text in quotes of a page: printable, without quote and backslash. */
static int policyjson_get_remark(struct policyjson_in *in, const json_t *o, const char *name,
				 char ret[static POLICY_REMARK_MAX])
{
	int r = policyjson_get_text(in, o, name, ret, POLICY_REMARK_MAX);

	if (r == 0 && strpbrk(ret, "\"\\"))
		return policyjson_fail(in, name, "a quote or a backslash is not allowed");
	return r;
}

/* The line it comes from, or its place here: it stands in comments of nft and in messages. */
static int policyjson_get_where(struct policyjson_in *in, const json_t *o,
				char ret[static POLICY_WHERE_MAX])
{
	int r;

	if (!json_object_get(o, "where")) {
		snprintf(ret, POLICY_WHERE_MAX, "%.*s", POLICY_WHERE_MAX - 1, in->path);
		return 0;
	}
	r = policyjson_get_text(in, o, "where", ret, POLICYLINE_WHERE_SHOWN + 1);
	for (const char *c = ret; r == 0 && *c; c++)
		if (!policyscan_is_word_byte(*c) && *c != '[' && *c != ']')
			return policyjson_fail(in, "where", "expected FILE:LINE");
	return r;
}

static int policyjson_get_net(struct policyjson_in *in, const json_t *o, size_t *ret)
{
	char name[POLICY_NAME_MAX];
	int r = policyjson_get_name(in, o, "net", name);

	if (r < 0)
		return r;
	*ret = policy_find_net(in->p, name);
	return *ret == POLICY_NONE ?
		       policyjson_fail(in, "net", "there is no network '%s' in nets", name) :
		       0;
}

static const char *const policyjson_vias[] = { "up", "tun", NULL };
static const char *const policyjson_match_vias[] = { "up", "tun", "any", NULL };
static const char *const policyjson_dirs[] = { "in", "out", NULL };

/* "tcp 443", "udp 5000-5100". */
static int policyjson_get_port(const char *text, struct policy_port *ret)
{
	enum policy_proto proto = !strncmp(text, "tcp ", 4) ? POLICY_TCP :
				  !strncmp(text, "udp ", 4) ? POLICY_UDP :
							      POLICY_ANY;

	return proto == POLICY_ANY ? -EINVAL : policy_parse_port(text + 4, proto, ret);
}

/* @min: of ports; 0 = the member may be missing or empty, which means all. */
static int policyjson_get_ports(struct policyjson_in *in, const json_t *o, size_t min,
				struct policy_ports *ret)
{
	const json_t *list;

	if (!min && !json_object_get(o, "ports"))
		return 0;
	if (jsonin_array(o, "ports", min, POLICY_PORTS_MAX, &list) < 0)
		return policyjson_fail(in, "ports", "expected a list of %zu...%d", min,
				       POLICY_PORTS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct policy_port port;
		char name[32];

		snprintf(name, sizeof(name), "ports[%zu]", i);
		if (!text || policyjson_get_port(text, &port) < 0)
			return policyjson_fail(in, name,
					       "expected \"tcp PORT\" or \"udp LOW-HIGH\"");
		if (policyline_has_port(ret, &port))
			return policyjson_fail(in, name, "a port is named twice");
		ret->list[ret->n++] = port;
	}
	return 0;
}

/* The number of a user that has none here, or which the system must give the same number. */
static int policyjson_resolve(struct policyjson_in *in, const char *name, bool has_uid,
			      uint32_t *uid)
{
	uint32_t theirs = 0;
	int r = in->resolve ? in->resolve(name, &theirs) : -ENOENT;

	if (r == -ENOENT && has_uid)
		return 0;
	if (r == -ENOENT)
		return policyjson_fail(in, "name", "there is no user '%s' on this system", name);
	if (r < 0) {
		policyjson_fail(in, "name", "cannot look up user '%s'", name);
		return r;
	}
	if (has_uid && *uid != theirs)
		return policyjson_fail(in, "uid", "user '%s' is %u on this system, not %u", name,
				       theirs, *uid);
	*uid = theirs;
	return 0;
}

/* A name that a page can write; a number is no name there. */
static bool policyjson_is_user(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!policyscan_is_word_byte(*c))
			return false;
	return *name && !(*name >= '0' && *name <= '9') && !policyline_is_keyword(name);
}

static int policyjson_read_user(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "?name", "?uid", NULL };
	bool has_uid = json_object_get(o, "uid");
	char name[POLICY_NAME_MAX] = "";
	uint32_t uid = 0;
	uint16_t at;
	int r = policyjson_members(in, o, names);

	if (r == 0 && json_object_get(o, "name"))
		r = policyjson_get_text(in, o, "name", name, sizeof(name));
	if (r == 0 && (has_uid || !name[0]))
		r = policyjson_get_u32(in, o, "uid", UINT32_MAX - 1, &uid);
	if (r == 0 && name[0] && !policyjson_is_user(name))
		return policyjson_fail(in, "name", "expected the name of a user");
	if (r == 0 && name[0])
		r = policyjson_resolve(in, name, has_uid, &uid);
	return r < 0 ? r : policyjson_full(in, policy_add_user(in->p, name, uid, &at), "");
}

/* A user of the list "users": its name, or its number when it has none. */
static int policyjson_find_user(const struct policy *p, const json_t *ref, uint16_t *ret)
{
	const char *name = json_string_value(ref);

	for (size_t i = 0; i < p->n_users; i++) {
		const struct policy_user *u = &p->users[i];
		bool is_it = name ? name[0] && !strcmp(name, u->name) :
				    json_is_integer(ref) && !u->name[0] &&
					     json_integer_value(ref) == u->uid;

		if (is_it) {
			*ret = (uint16_t)i;
			return 0;
		}
	}
	return -ENOENT;
}

static int policyjson_get_users(struct policyjson_in *in, const json_t *o, struct policy_users *ret)
{
	const json_t *list;

	if (!json_object_get(o, "users"))
		return 0;
	if (jsonin_array(o, "users", 1, POLICY_RULE_USERS_MAX, &list) < 0)
		return policyjson_fail(in, "users", "expected a list of 1...%d",
				       POLICY_RULE_USERS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		uint16_t at = 0;

		if (policyjson_find_user(in->p, json_array_get(list, i), &at) < 0)
			return policyjson_fail(in, "users",
					       "not one of the list \"users\" of the policy");
		for (size_t k = 0; k < ret->n; k++)
			if (in->p->users[ret->at[k]].uid == in->p->users[at].uid)
				return policyjson_fail(in, "users", "a user is named twice");
		ret->at[ret->n++] = at;
	}
	return 0;
}

static int policyjson_read_prefixes(struct policyjson_in *in, const json_t *list,
				    struct policy_prefixes *set)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct ip6_prefix prefix;
		char name[32];

		snprintf(name, sizeof(name), "prefixes[%zu]", i);
		if (!text || policy_parse_prefix(text, &prefix) < 0)
			return policyjson_fail(in, name, "expected a prefix like 2001:db8::/48");
		r = policy_add_prefix(set, &prefix);
	}
	return r;
}

static int policyjson_read_net(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "name", "prefixes", "?where", NULL };
	char name[POLICY_NAME_MAX], where[POLICY_WHERE_MAX];
	const json_t *list;
	size_t net = 0, min;
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_get_name(in, o, "name", name);
	if (r == 0)
		r = policyjson_get_where(in, o, where);
	if (r < 0)
		return r;
	min = strcmp(name, "any") ? 1 : 0;
	if (jsonin_array(o, "prefixes", min, min ? POLICY_PREFIXES_MAX : 0, &list) < 0)
		return policyjson_fail(in, "prefixes",
				       "expected a list of %zu...%d; \"any\" has none", min,
				       POLICY_PREFIXES_MAX);
	r = policyline_add_net(in->p, name, where, &net);
	if (r == -EEXIST)
		return policyjson_fail(in, "name", "'%s' is already declared", name);
	if (r < 0)
		return policyjson_full(in, r, "");
	return policyjson_read_prefixes(in, list, &in->p->nets[net].prefixes);
}

static bool policyjson_same_ports(const struct policy_ports *a, const struct policy_ports *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!policyline_has_port(a, &b->list[i]))
			return false;
	return a->n == b->n;
}

/* dns, ntp and imds are allowed as their lines of a page allow them, and not otherwise. */
static int policyjson_check_rule(struct policyjson_in *in, const struct policy_rule *rule)
{
	const char *net = in->p->nets[rule->net].name;
	const struct policy_ports *ports = policyline_service_ports(net);

	if (rule->dir == POLICY_IN && (rule->has_mark || rule->users.n))
		return policyjson_fail(in, "", "a mark and users belong to what goes out");
	if (!ports)
		return 0;
	if (rule->dir == POLICY_IN || rule->via != POLICY_VIA_UPLINK || rule->has_mark ||
	    !policyjson_same_ports(&rule->ports, ports))
		return policyjson_fail(in, "net", "'%s' is out, up, with its own ports only", net);
	for (size_t i = 0; i < in->p->n_rules; i++)
		if (in->p->rules[i].net == rule->net)
			return policyjson_fail(in, "net", "'%s' is allowed twice", net);
	if (!strcmp(net, "imds") && rule->users.n == 0)
		return policyjson_fail(in, "users", "is missing: metadata gives out credentials");
	return 0;
}

static int policyjson_get_via(struct policyjson_in *in, const json_t *o, const char *const *words,
			      enum policy_via *ret)
{
	unsigned int word = 0;
	int r = policyjson_get_word(in, o, "via", words, &word);

	*ret = (enum policy_via)word;
	return r;
}

static int policyjson_get_dir(struct policyjson_in *in, const json_t *o, enum policy_dir *ret)
{
	unsigned int word = 0;
	int r = policyjson_get_word(in, o, "dir", policyjson_dirs, &word);

	*ret = (enum policy_dir)word;
	return r;
}

/* The members of a rule that may be missing. */
static int policyjson_rule_options(struct policyjson_in *in, const json_t *o,
				   struct policy_rule *rule)
{
	int r = policyjson_get_users(in, o, &rule->users);

	rule->has_mark = json_object_get(o, "mark");
	if (r == 0 && rule->has_mark)
		r = policyjson_get_u32(in, o, "mark", UINT32_MAX, &rule->mark);
	if (r == 0 && rule->has_mark && rule->mark == 0)
		return policyjson_fail(in, "mark", "0 is no mark");
	if (r == 0 && json_object_get(o, "remark"))
		r = policyjson_get_remark(in, o, "remark", rule->remark);
	return r;
}

static int policyjson_read_rule(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "dir",    "?mark", "net",    "?ports", "?remark",
					     "?users", "via",   "?where", NULL };
	struct policy_rule rule = { .dir = POLICY_IN };
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_get_dir(in, o, &rule.dir);
	if (r == 0)
		r = policyjson_get_net(in, o, &rule.net);
	if (r == 0)
		r = policyjson_get_ports(in, o, 0, &rule.ports);
	if (r == 0)
		r = policyjson_get_via(in, o, policyjson_vias, &rule.via);
	if (r == 0)
		r = policyjson_rule_options(in, o, &rule);
	if (r == 0)
		r = policyjson_get_where(in, o, rule.where);
	if (r == 0)
		r = policyjson_check_rule(in, &rule);
	if (r < 0)
		return r;
	rule.row = policyline_row(in->p, &rule);
	return policyjson_full(in, policy_add_rule(in->p, &rule), "");
}

/* The index of a grant, POLICY_NONE. */
static size_t policyjson_find_grant(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_grants; i++)
		if (!strcmp(p->grants[i].name, name))
			return i;
	return POLICY_NONE;
}

static int policyjson_grant_ports(struct policyjson_in *in, const json_t *o,
				  struct policy_ports *ret)
{
	int r = policyjson_get_ports(in, o, 1, ret);

	for (size_t i = 0; r == 0 && i < ret->n; i++)
		if (ret->list[i].proto != POLICY_TCP)
			return policyjson_fail(in, "ports", "expected ports of tcp");
	return r;
}

static int policyjson_read_grant(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = {
		"max_s", "name", "net", "ports", "via", "?where", NULL
	};
	struct policy_grant grant = { .name = "" };
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_get_name(in, o, "name", grant.name);
	if (r == 0 && policyjson_find_grant(in->p, grant.name) != POLICY_NONE)
		return policyjson_fail(in, "name", "'%s' is already declared", grant.name);
	if (r == 0)
		r = policyjson_get_u32(in, o, "max_s", POLICYLINE_GRANT_MAX_S, &grant.max_s);
	if (r == 0 && grant.max_s == 0)
		return policyjson_fail(in, "max_s", "expected 1...%d", POLICYLINE_GRANT_MAX_S);
	if (r == 0)
		r = policyjson_get_net(in, o, &grant.net);
	if (r == 0)
		r = policyjson_grant_ports(in, o, &grant.ports);
	if (r == 0)
		r = policyjson_get_via(in, o, policyjson_vias, &grant.via);
	if (r == 0)
		r = policyjson_get_where(in, o, grant.where);
	return r < 0 ? r : policyjson_full(in, policy_add_grant(in->p, &grant), "");
}

static int policyjson_read_claim(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "text", "?where", NULL };
	struct policy_claim claim = { .text = "" };
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_get_remark(in, o, "text", claim.text);
	if (r == 0)
		r = policyjson_get_where(in, o, claim.where);
	return r < 0 ? r : policyjson_full(in, policy_add_claim(in->p, &claim), "");
}

static int policyjson_get_types(struct policyjson_in *in, const json_t *o, struct policy_match *m)
{
	const json_t *list;

	if (!json_object_get(o, "icmpv6"))
		return 0;
	if (m->ports.n || jsonin_array(o, "icmpv6", 1, ARRAY_SIZE(m->icmp6), &list) < 0)
		return policyjson_fail(in, "icmpv6", "expected a list of 1...%zu, without ports",
				       ARRAY_SIZE(m->icmp6));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *type = json_array_get(list, i);
		json_int_t v = json_integer_value(type);

		if (!json_is_integer(type) || v < 0 || v > UINT8_MAX ||
		    memchr(m->icmp6, (int)v, m->n_icmp6))
			return policyjson_fail(in, "icmpv6", "expected numbers 0...255, each once");
		m->icmp6[m->n_icmp6++] = (uint8_t)v;
	}
	return 0;
}

static int policyjson_get_grant(struct policyjson_in *in, const json_t *o, size_t *ret)
{
	char name[POLICY_NAME_MAX];
	int r = 0;

	*ret = POLICY_NONE;
	if (!json_object_get(o, "grant"))
		return 0;
	r = policyjson_get_name(in, o, "grant", name);
	if (r < 0)
		return r;
	*ret = policyjson_find_grant(in->p, name);
	return *ret == POLICY_NONE ?
		       policyjson_fail(in, "grant", "there is no grant '%s' in grants", name) :
		       0;
}

static int policyjson_set_word(struct policy_match *m, const char *word)
{
	if (word && !strcmp(word, "implied") && !m->is_implied)
		m->is_implied = true;
	else if (word && !strcmp(word, "new") && !m->is_new)
		m->is_new = true;
	else if (word && !strcmp(word, "ipv4") && !m->family)
		m->family = 4;
	else if (word && !strcmp(word, "ipv6") && !m->family)
		m->family = 6;
	else
		return -EINVAL;
	return 0;
}

static int policyjson_get_only(struct policyjson_in *in, const json_t *o, struct policy_match *m)
{
	const json_t *list;

	if (!json_object_get(o, "only"))
		return 0;
	if (jsonin_array(o, "only", 1, 3, &list) < 0)
		return policyjson_fail(in, "only", "expected a list of 1...3");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (policyjson_set_word(m, json_string_value(json_array_get(list, i))) < 0)
			return policyjson_fail(
				in, "only",
				"expected 'implied', 'ipv4' or 'ipv6', 'new', each once");
	return 0;
}

/* Words and numbers of a match. */
static int policyjson_match_values(struct policyjson_in *in, const json_t *o,
				   struct policy_match *m)
{
	int r = policyjson_get_only(in, o, m);

	m->has_mark = json_object_get(o, "mark");
	if (r == 0 && m->has_mark)
		r = policyjson_get_u32(in, o, "mark", UINT32_MAX, &m->mark);
	return r;
}

/* What a match may be narrowed to, beside flags and numbers. */
static int policyjson_match_parts(struct policyjson_in *in, const json_t *o, struct policy_match *m)
{
	int r = 0;

	m->net = POLICY_NONE;
	if (json_object_get(o, "net"))
		r = policyjson_get_net(in, o, &m->net);
	if (r == 0)
		r = policyjson_get_via(in, o, policyjson_match_vias, &m->via);
	if (r == 0)
		r = policyjson_get_ports(in, o, 0, &m->ports);
	if (r == 0)
		r = policyjson_get_types(in, o, m);
	if (r == 0)
		r = policyjson_get_users(in, o, &m->users);
	return r < 0 ? r : policyjson_get_grant(in, o, &m->grant);
}

static int policyjson_read_match(struct policyjson_in *in, const json_t *o,
				 struct policy_match *ret)
{
	static const char *const names[] = { "?grant", "?icmpv6", "?mark", "?net", "?only",
					     "?ports", "?users",  "via",   NULL };
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_match_values(in, o, ret);
	return r < 0 ? r : policyjson_match_parts(in, o, ret);
}

static int policyjson_read_excepts(struct policyjson_in *in, const json_t *o,
				   struct policy_say *say)
{
	const json_t *list;
	int r = 0;

	if (jsonin_array(o, "excepts", 0, POLICY_EXCEPTS_MAX, &list) < 0)
		return policyjson_fail(in, "excepts", "expected a list of at most %d",
				       POLICY_EXCEPTS_MAX);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		struct policy_match *m = &say->excepts[say->n_excepts++];

		r = policyjson_read_match(in, json_array_get(list, i), m);
		if (r == 0 && m->users.n && say->match.dir == POLICY_IN)
			return policyjson_fail(in, "excepts", "users belong to what goes out");
	}
	return r;
}

/* What a line says beside its exceptions. */
static int policyjson_say_values(struct policyjson_in *in, const json_t *o, struct policy_say *say)
{
	uint32_t claim = 0;
	int r = policyjson_get_u32(in, o, "claim", POLICY_CLAIMS_MAX - 1, &claim);

	if (r == 0 && claim >= in->p->n_claims)
		return policyjson_fail(in, "claim", "there is no claim %u", claim);
	say->claim = claim;
	if (r == 0)
		r = policyjson_get_bool(in, o, "never", &say->is_never);
	if (r == 0)
		r = policyjson_get_where(in, o, say->where);
	say->match.has_dir = true;
	return r < 0 ? r : policyjson_get_dir(in, o, &say->match.dir);
}

static int policyjson_read_say(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "claim", "dir",    "excepts", "match",
					     "never", "?where", NULL };
	struct policy_say say = { .claim = 0 };
	int r = policyjson_members(in, o, names);

	if (r == 0)
		r = policyjson_say_values(in, o, &say);
	if (r == 0)
		r = policyjson_read_match(in, json_object_get(o, "match"), &say.match);
	if (r == 0 && say.match.users.n && say.match.dir == POLICY_IN)
		return policyjson_fail(in, "match", "users belong to what goes out");
	if (r == 0)
		r = policyjson_read_excepts(in, o, &say);
	return r < 0 ? r : policyjson_full(in, policy_add_say(in->p, &say), "");
}

static int policyjson_read_uplink(struct policyjson_in *in, const json_t *o)
{
	const char *name = json_string_value(o);

	if (!name || !policyline_is_link(name) || policy_has_link(in->p, name))
		return policyjson_fail(in, "", "expected an interface, each once");
	memcpy(in->p->uplinks[in->p->n_uplinks++], name, strlen(name) + 1);
	return 0;
}

static int policyjson_read_tunnel(struct policyjson_in *in, const json_t *o)
{
	const char *name = json_string_value(o);

	if (!name || !policyline_is_link(name) || policy_has_link(in->p, name))
		return policyjson_fail(in, "", "expected an interface, each once");
	memcpy(in->p->tunnels[in->p->n_tunnels++], name, strlen(name) + 1);
	return 0;
}

/* The lists of a policy, in an order in which each finds what it names. */
static const struct policyjson_table {
	const char *name;
	size_t min, max;
	int (*read)(struct policyjson_in *in, const json_t *o);
} policyjson_links[] = {
	{ "uplinks", 1, POLICY_UPLINKS_MAX, policyjson_read_uplink },
	{ "tunnels", 0, POLICY_TUNNELS_MAX, policyjson_read_tunnel },
}, policyjson_lists[] = {
	{ "users", 0, POLICY_USERS_MAX, policyjson_read_user },
	{ "nets", 0, POLICY_NETS_MAX, policyjson_read_net },
	{ "rules", 0, POLICY_RULES_MAX, policyjson_read_rule },
	{ "grants", 0, POLICY_GRANTS_MAX, policyjson_read_grant },
	{ "claims", 0, POLICY_CLAIMS_MAX, policyjson_read_claim },
	{ "says", 0, POLICY_SAYS_MAX, policyjson_read_say },
};

static int policyjson_read_table(struct policyjson_in *in, const json_t *o,
				 const struct policyjson_table *table)
{
	const json_t *list;
	int r = 0;

	in->path[0] = '\0';
	if (jsonin_array(o, table->name, table->min, table->max, &list) < 0)
		return policyjson_fail(in, table->name, "expected a list of %zu...%zu", table->min,
				       table->max);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		policyjson_at(in, table->name, i);
		r = table->read(in, json_array_get(list, i));
	}
	return r;
}

/* What no page can say: a network of a service that nothing allows, a claim without a line. */
static int policyjson_check_lists(struct policyjson_in *in)
{
	const struct policy *p = in->p;

	in->path[0] = '\0';
	for (size_t i = 0; i < p->n_nets; i++) {
		size_t k = 0;

		while (k < p->n_rules && p->rules[k].net != i)
			k++;
		if (k == p->n_rules && policyline_service_ports(p->nets[i].name))
			return policyjson_fail(in, "rules", "nothing allows '%s'", p->nets[i].name);
	}
	for (size_t i = 0; i < p->n_claims; i++) {
		size_t k = 0;

		while (k < p->n_says && p->says[k].claim != i)
			k++;
		if (k == p->n_says)
			return policyjson_fail(in, "says", "claim %zu says nothing", i);
	}
	return 0;
}

static int policyjson_read_host(struct policyjson_in *in, const json_t *o)
{
	static const char *const names[] = { "enforce", "log_rate", "name",    "tier",
					     "tunnels", "uplinks",  "version", NULL };
	static const char *const tiers[] = { "public", "compute", "storage", NULL };
	struct policy *p = in->p;
	unsigned int tier = 0;
	int r;

	snprintf(in->path, sizeof(in->path), "host");
	r = policyjson_members(in, o, names);
	if (r == 0)
		r = policyjson_get_name(in, o, "name", p->name);
	if (r == 0)
		r = policyjson_get_u32(in, o, "version", UINT32_MAX, &p->version);
	if (r == 0)
		r = policyjson_get_u32(in, o, "log_rate", POLICYLINE_LOG_MAX, &p->log_rate);
	if (r == 0)
		r = policyjson_get_bool(in, o, "enforce", &p->enforce);
	if (r == 0)
		r = policyjson_get_word(in, o, "tier", tiers, &tier);
	p->tier = (enum policy_tier)tier;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(policyjson_links); i++)
		r = policyjson_read_table(in, o, &policyjson_links[i]);
	return r;
}

static int policyjson_read_root(struct policyjson_in *in, const json_t *root)
{
	static const char *const names[] = { "claims", "grants", "host",  "nets",
					     "rules",  "says",   "users", NULL };
	int r = policyjson_members(in, root, names);

	if (r == 0)
		r = policyjson_read_host(in, json_object_get(root, "host"));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(policyjson_lists); i++)
		r = policyjson_read_table(in, root, &policyjson_lists[i]);
	return r < 0 ? r : policyjson_check_lists(in);
}

static int policyjson_parse(struct policyjson_in *in, const void *bytes, size_t len, json_t **ret)
{
	enum pst code = PST_JSON_SYNTAX;
	int r;

	if (len > POLICYJSON_BYTES_MAX) {
		policyjson_fail(in, "", "more than %d bytes", POLICYJSON_BYTES_MAX);
		return -E2BIG;
	}
	r = jsonin_parse(bytes, len, ret, &code);
	return r == -EBADMSG ? policyjson_fail(in, "", "%s", pst_text(code)) : r;
}

static int policyjson_check(struct policyjson_in *in)
{
	char text[POLICY_ERROR_MAX] = "";
	int r;

	policy_finish(in->p);
	r = policy_check(in->p, text);
	if (r < 0) {
		*in->error = (struct policyfile_error){ .line = 0 };
		memcpy(in->error->text, text, sizeof(in->error->text));
	}
	return r;
}

int policyjson_read(const void *bytes, size_t len, policyfile_resolver *resolve,
		    struct policy **ret, struct policyfile_error *ret_error)
{
	_cleanup_(policy_freep) struct policy *p = policy_new();
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct policyjson_in in = { .p = p, .resolve = resolve, .error = ret_error };
	int r;

	*ret_error = (struct policyfile_error){ .text = "out of memory" };
	if (!p)
		return -ENOMEM;
	r = policyjson_parse(&in, bytes, len, &root);
	if (r == 0)
		r = policyjson_read_root(&in, root);
	if (r == 0)
		r = policyjson_check(&in);
	if (r == 0)
		*ret = steal_ptr(p);
	return r;
}
