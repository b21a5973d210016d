/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyfmt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyline.h"
#include "netpolicy/parse/policysay.h"

#define POLICYFMT_SLOTS 8
#define POLICYFMT_COMMENT 7       /* slot of the comment behind a line, which is not aligned */
#define POLICYFMT_FIRST_WIDTH 6   /* of the first column: "policy" */
#define POLICYFMT_WIDTH_MAX 40    /* longer cells do not push those of other lines */
#define POLICYFMT_LINE_PREFIXES 4 /* of a written list, more when the lines would not suffice */
#define POLICYFMT_LIST_LINES 2048

enum policyfmt_kind {
	POLICYFMT_PLAIN, /* not in columns: claims, comments, blank lines */
	POLICYFMT_MORE,  /* of a continued line */
	POLICYFMT_HEAD,
	POLICYFMT_NET,
	POLICYFMT_RULE,
	POLICYFMT_SERVICE,
	POLICYFMT_GRANT,
};

struct policyfmt_cell {
	size_t at, len; /* in policyfmt.text */
};

/* A line of the text becomes a line of the result: the numbers stay. */
struct policyfmt_line {
	enum policyfmt_kind kind;
	bool continues;
	unsigned int indent; /* tabs */
	struct policyfmt_cell cells[POLICYFMT_SLOTS];
};

struct policyfmt {
	struct policyline l; /* for messages */
	struct buf text;     /* of all cells */
	struct policyfmt_line *lines;
	size_t n;                 /* the running line is lines[n] */
	bool in_statement;        /* behind its first word */
	enum policyfmt_kind kind; /* of the statement */
	unsigned int n_words, slot;
	bool has_prefixes; /* its words may be prefixes */
	unsigned int depth;
};

static enum policyfmt_kind policyfmt_kind_of(const char *word)
{
	static const struct {
		const char *word;
		enum policyfmt_kind kind;
	} kinds[] = {
		{ "net", POLICYFMT_NET },      { "tier", POLICYFMT_NET },
		{ "from", POLICYFMT_RULE },    { "to", POLICYFMT_RULE },
		{ "dns", POLICYFMT_SERVICE },  { "ntp", POLICYFMT_SERVICE },
		{ "imds", POLICYFMT_SERVICE }, { "grant", POLICYFMT_GRANT },
		{ "claim", POLICYFMT_PLAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].word, word))
			return kinds[i].kind;
	return POLICYFMT_HEAD;
}

/* The column that a word begins, 0 when it begins none. */
static unsigned int policyfmt_column(const struct policyfmt *f, const char *word)
{
	static const struct {
		const char *word;
		unsigned int rule, grant;
	} words[] = {
		{ "via", 2, 0 }, { "allow", 3, 0 }, { "mark", 4, 0 }, { "user", 5, 0 },
		{ "tcp", 0, 2 }, { "from", 0, 3 },  { "max", 0, 4 },
	};

	if (f->n_words == 1 && f->kind != POLICYFMT_SERVICE)
		return 1;
	if (f->kind == POLICYFMT_NET || f->kind == POLICYFMT_HEAD)
		return f->kind == POLICYFMT_NET && f->n_words == 2 ? 2 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, word))
			return f->kind == POLICYFMT_GRANT ? words[i].grant : words[i].rule;
	return f->n_words == 1 ? 1 : 0;
}

/* The text of a token as it is written: prefixes as everybody writes them. */
static void policyfmt_put_word(struct policyfmt *f)
{
	const struct policyscan_token *t = &f->l.now.token;
	struct ip6_prefix prefix;
	char text[IP6_PREFIX_TEXT];

	if (t->kind == POLICYSCAN_REMARK)
		buf_addf(&f->text, "\"%s\"", f->l.now.word);
	else if (f->has_prefixes && f->n_words && strpbrk(f->l.now.word, ".:/") &&
		 policy_parse_prefix(f->l.now.word, &prefix) == 0)
		buf_add(&f->text, policy_format_prefix(&prefix, text));
	else
		buf_addf(&f->text, "%.*s", (int)t->len, t->at);
}

/* Appends the token to the cell of @slot. */
static void policyfmt_put(struct policyfmt *f, unsigned int slot)
{
	struct policyfmt_cell *cell = &f->lines[f->n].cells[slot];

	if (cell->len == 0)
		cell->at = f->text.len;
	else if (f->l.now.token.kind != POLICYSCAN_COMMA)
		buf_add(&f->text, " ");
	policyfmt_put_word(f);
	cell->len = f->text.len - cell->at;
}

static bool policyfmt_at_start(const struct policyfmt *f)
{
	const struct policyfmt_line *line = &f->lines[f->n];

	for (size_t i = 0; i < POLICYFMT_SLOTS; i++)
		if (line->cells[i].len)
			return false;
	return true;
}

/* The first word of a statement. */
static int policyfmt_begin(struct policyfmt *f)
{
	const char *word = f->l.now.word;

	f->in_statement = true;
	f->n_words = f->slot = 0;
	f->has_prefixes = false;
	f->kind = POLICYFMT_PLAIN;
	if (f->depth == 0) {
		if (f->l.now.token.kind != POLICYSCAN_WORD || !policyline_is_directive(word))
			return policyline_unknown(&f->l);
		f->kind = policyfmt_kind_of(word);
		f->has_prefixes = f->kind == POLICYFMT_NET || f->kind == POLICYFMT_SERVICE;
	}
	f->lines[f->n].kind = f->kind;
	return 0;
}

/* Counts braces and finds the indentation of the line. */
static int policyfmt_brace(struct policyfmt *f)
{
	enum policyscan_kind kind = f->l.now.token.kind;

	if (kind == POLICYSCAN_CLOSE && f->depth == 0)
		return policyline_fail(&f->l, "'}' without a '{' before it");
	if (kind == POLICYSCAN_OPEN && f->depth == 1)
		return policyline_fail(&f->l, "'{' inside of a claim");
	if (kind == POLICYSCAN_CLOSE) {
		f->depth--;
		if (policyfmt_at_start(f) && f->lines[f->n].kind != POLICYFMT_MORE)
			f->lines[f->n].indent = 0;
	} else {
		f->depth++;
	}
	return 0;
}

static int policyfmt_word(struct policyfmt *f)
{
	struct policyfmt_line *line = &f->lines[f->n];
	enum policyscan_kind kind = f->l.now.token.kind;
	unsigned int column;
	int r = 0;

	if (!f->in_statement && kind != POLICYSCAN_CLOSE)
		r = policyfmt_begin(f);
	if (r == 0 && (kind == POLICYSCAN_OPEN || kind == POLICYSCAN_CLOSE))
		r = policyfmt_brace(f);
	if (r < 0)
		return r;
	f->in_statement = true;
	if (f->kind == POLICYFMT_NET && f->n_words == 2 && policyline_is(&f->l, "file"))
		f->has_prefixes = false;
	column = kind == POLICYSCAN_REMARK ? 6 : policyfmt_column(f, f->l.now.word);
	if (column > f->slot)
		f->slot = column;
	policyfmt_put(f, line->kind > POLICYFMT_MORE ? f->slot : 0);
	f->n_words++;
	return 0;
}

/* Comments lose the blanks behind them. */
static void policyfmt_comment(struct policyfmt *f)
{
	struct policyscan_token *t = &f->l.now.token;

	while (t->len && strchr(" \t", t->at[t->len - 1]))
		t->len--;
	policyfmt_put(f, POLICYFMT_COMMENT);
}

/* Begins the next line. */
static int policyfmt_end_line(struct policyfmt *f, bool continues)
{
	struct policyfmt_line *line;

	if (f->n == POLICYFILE_LINES_MAX) {
		policyline_fail(&f->l, "more than %d lines", POLICYFILE_LINES_MAX);
		return -E2BIG;
	}
	f->lines[f->n].continues = continues;
	line = &f->lines[++f->n];
	line->indent = f->depth + (continues ? 1 : 0);
	line->kind = continues ? POLICYFMT_MORE : POLICYFMT_PLAIN;
	if (!continues) {
		f->in_statement = false;
		f->kind = POLICYFMT_PLAIN;
	}
	return 0;
}

static int policyfmt_token(struct policyfmt *f)
{
	enum policyscan_kind kind = f->l.now.token.kind;

	if (kind == POLICYSCAN_COMMENT) {
		policyfmt_comment(f);
		return 0;
	}
	if (kind == POLICYSCAN_EOL || kind == POLICYSCAN_CONTINUE)
		return policyfmt_end_line(f, kind == POLICYSCAN_CONTINUE);
	return policyfmt_word(f);
}

/* As policyline_next(), but comments and continued line ends are tokens, too. */
static int policyfmt_next(struct policyfmt *f)
{
	struct policyline_place *now = &f->l.now;
	const char *why = "";

	if (policyscan_next(&now->scan, &now->token, &why) < 0)
		return policyline_fail(&f->l, "%s", why);
	now->word[0] = '\0';
	if (now->token.kind == POLICYSCAN_WORD || now->token.kind == POLICYSCAN_REMARK) {
		memcpy(now->word, now->token.at, now->token.len);
		now->word[now->token.len] = '\0';
	}
	return 0;
}

static int policyfmt_read(struct policyfmt *f)
{
	int r = policyfmt_next(f);

	while (r == 0 && f->l.now.token.kind != POLICYSCAN_END) {
		r = policyfmt_token(f);
		if (r == 0)
			r = policyfmt_next(f);
	}
	if (r == 0 && f->depth)
		return policyline_fail(&f->l, "a '{' without its '}'");
	if (r == 0 && !policyfmt_at_start(f))
		r = policyfmt_end_line(f, false);
	return r < 0 ? r : buf_done(&f->text);
}

/* The widths of the columns of the lines @from to @to, of one kind. */
static void policyfmt_widths(const struct policyfmt *f, size_t from, size_t to,
			     size_t widths[static POLICYFMT_SLOTS])
{
	memset(widths, 0, POLICYFMT_SLOTS * sizeof(widths[0]));
	widths[0] = POLICYFMT_FIRST_WIDTH;
	for (size_t i = from; i < to; i++)
		for (size_t k = 0; k < POLICYFMT_COMMENT; k++) {
			size_t len = f->lines[i].cells[k].len;

			if (f->lines[i].kind == POLICYFMT_MORE || len > POLICYFMT_WIDTH_MAX)
				continue;
			if (len > widths[k])
				widths[k] = len;
		}
}

/* The last used column of a line. */
static size_t policyfmt_last(const struct policyfmt_line *line)
{
	size_t last = POLICYFMT_SLOTS - 1;

	while (last && line->cells[last].len == 0)
		last--;
	return last;
}

/* Writes one cell behind @pad blanks that are due. Gives those due after it. */
static size_t policyfmt_put_cell(const struct policyfmt *f, const struct policyfmt_cell *cell,
				 size_t width, size_t pad, struct buf *to)
{
	size_t rest = width > cell->len ? width - cell->len : 0;

	if (cell->len == 0)
		return width ? pad + 1 + rest : pad;
	buf_addf(to, "%*s%.*s", (int)pad, "", (int)cell->len, f->text.text + cell->at);
	return 1 + rest;
}

static void policyfmt_put_line(const struct policyfmt *f, const struct policyfmt_line *line,
			       const size_t *widths, struct buf *to)
{
	bool in_columns = line->kind > POLICYFMT_MORE;
	size_t last = policyfmt_last(line);
	bool is_empty = line->cells[last].len == 0;
	size_t pad = 0;

	for (unsigned int i = 0; i < line->indent && (!is_empty || line->continues); i++)
		buf_add(to, "\t");
	for (size_t k = 0; k <= last && k < POLICYFMT_COMMENT; k++)
		pad = policyfmt_put_cell(f, &line->cells[k], in_columns ? widths[k] : 0, pad, to);
	if (last == POLICYFMT_COMMENT)
		policyfmt_put_cell(f, &line->cells[last], 0, pad ? 1 : 0, to);
	buf_addf(to, "%s\n", !line->continues ? "" : is_empty ? "\\" : " \\");
}

/* The end of the lines that share their columns with line @from. */
static size_t policyfmt_block(const struct policyfmt *f, size_t from)
{
	size_t to = from + 1;

	if (f->lines[from].kind <= POLICYFMT_MORE)
		return to;
	while (to < f->n &&
	       (f->lines[to].kind == f->lines[from].kind || f->lines[to].kind == POLICYFMT_MORE))
		to++;
	return to;
}

static void policyfmt_write(const struct policyfmt *f, struct buf *to)
{
	size_t widths[POLICYFMT_SLOTS];

	for (size_t from = 0; from < f->n;) {
		size_t end = policyfmt_block(f, from);

		policyfmt_widths(f, from, end, widths);
		for (; from < end; from++)
			policyfmt_put_line(f, &f->lines[from], widths, to);
	}
}

int policyfmt_text(const char *name, const char *text, struct buf *to,
		   struct policyfile_error *ret_error)
{
	struct policyfmt f = { .l.error = ret_error };
	int r;

	*ret_error = (struct policyfile_error){ .text = "out of memory" };
	f.lines = calloc(POLICYFILE_LINES_MAX + 1, sizeof(*f.lines));
	if (!f.lines)
		return -ENOMEM;
	f.text = buf_init(2 * POLICYFILE_BYTES_MAX);
	snprintf(f.l.now.file, sizeof(f.l.now.file), "%s", name);
	policyscan_start(&f.l.now.scan, text, strlen(text));
	r = policyfmt_read(&f);
	if (r == 0)
		policyfmt_write(&f, to);
	free(f.lines);
	buf_release(&f.text);
	return r < 0 ? r : buf_done(to);
}

/* How many prefixes stand on a line, so that a page has lines enough for all. */
static size_t policyfmt_per_line(const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_nets; i++)
		n += p->nets[i].prefixes.n;
	return POLICYFMT_LINE_PREFIXES + n / POLICYFMT_LIST_LINES;
}

static void policyfmt_prefixes(const struct policy_prefixes *set, size_t per_line, struct buf *to)
{
	char text[IP6_PREFIX_TEXT];

	for (size_t i = 0; i < set->n; i++)
		buf_addf(to, "%s %s", i && i % per_line == 0 ? " \\\n\t" : "",
			 policy_format_prefix(&set->list[i], text));
}

static void policyfmt_ports(const struct policy_ports *ports, struct buf *to)
{
	enum policy_proto proto = POLICY_ANY;

	for (size_t i = 0; i < ports->n; i++) {
		const struct policy_port *port = &ports->list[i];

		if (port->proto != proto)
			buf_add(to, port->proto == POLICY_UDP ? " udp" : " tcp");
		proto = port->proto;
		buf_addf(to, " %u", port->low);
		if (port->high != port->low)
			buf_addf(to, "-%u", port->high);
	}
}

static void policyfmt_users(const struct policy *p, const struct policy_users *users,
			    struct buf *to)
{
	buf_add(to, users->n ? " user" : "");
	for (size_t i = 0; i < users->n; i++) {
		const struct policy_user *u = &p->users[users->at[i]];

		if (u->name[0])
			buf_addf(to, " %s", u->name);
		else
			buf_addf(to, " %u", u->uid);
	}
}

static void policyfmt_via(const struct policy *p, size_t net, enum policy_via via, struct buf *to)
{
	if (via != policyline_default_via(p, net))
		buf_add(to, via == POLICY_VIA_TUNNEL ? " via tun" : " via up");
}

static void policyfmt_remark(const struct policy_rule *rule, struct buf *to)
{
	if (rule->remark[0])
		buf_addf(to, " \"%s\"", rule->remark);
	buf_add(to, "\n");
}

/* What allows a service; its addresses and its rule are one line. */
static void policyfmt_service(const struct policy *p, const struct policy_rule *rule,
			      struct buf *to)
{
	const struct policy_net *n = &p->nets[rule->net];

	buf_add(to, n->name);
	policyfmt_prefixes(&n->prefixes, SIZE_MAX, to);
	buf_add(to, " allow");
	policyfmt_users(p, &rule->users, to);
	policyfmt_remark(rule, to);
}

static void policyfmt_rule(const struct policy *p, const struct policy_rule *rule, struct buf *to)
{
	buf_addf(to, "%s %s", rule->dir == POLICY_IN ? "from" : "to", p->nets[rule->net].name);
	policyfmt_via(p, rule->net, rule->via, to);
	buf_add(to, rule->ports.n ? " allow" : " allow any");
	policyfmt_ports(&rule->ports, to);
	if (rule->has_mark)
		buf_addf(to, " mark 0x%x", rule->mark);
	policyfmt_users(p, &rule->users, to);
	policyfmt_remark(rule, to);
}

static void policyfmt_grant(const struct policy *p, const struct policy_grant *grant,
			    struct buf *to)
{
	static const struct {
		uint32_t seconds;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	while (grant->max_s % units[i].seconds)
		i++;
	buf_addf(to, "grant %s", grant->name);
	policyfmt_ports(&grant->ports, to);
	buf_addf(to, " from %s", p->nets[grant->net].name);
	policyfmt_via(p, grant->net, grant->via, to);
	buf_addf(to, " max %u%c\n", grant->max_s / units[i].seconds, units[i].unit);
}

static void policyfmt_types(const struct policy_match *m, struct buf *to)
{
	buf_add(to, m->n_icmp6 ? " icmpv6" : "");
	for (size_t i = 0, n = 1; i < m->n_icmp6; i += n) {
		const char *group = policysay_icmp6_group(m->icmp6 + i, m->n_icmp6 - i, &n);

		if (group) {
			buf_addf(to, " %s", group);
		} else {
			n = 1;
			buf_addf(to, " %u", m->icmp6[i]);
		}
	}
}

static void policyfmt_match(const struct policy *p, const struct policy_match *m,
			    enum policy_dir dir, struct buf *to)
{
	if (m->via != POLICY_VIA_ANY)
		buf_add(to, m->via == POLICY_VIA_TUNNEL ? " via tun" : " via up");
	if (m->family)
		buf_addf(to, " ipv%u", m->family);
	buf_add(to, m->is_new ? " new" : "");
	if (m->net != POLICY_NONE)
		buf_addf(to, " %s %s", dir == POLICY_IN ? "from" : "to", p->nets[m->net].name);
	policyfmt_ports(&m->ports, to);
	policyfmt_types(m, to);
	if (m->has_mark)
		buf_addf(to, " mark 0x%x", m->mark);
	policyfmt_users(p, &m->users, to);
	if (m->grant != POLICY_NONE)
		buf_addf(to, " grant %s", p->grants[m->grant].name);
	buf_add(to, m->is_implied ? " implied" : "");
}

/* A match that is everything needs a word, where one is expected. */
static void policyfmt_except(const struct policy *p, const struct policy_match *m,
			     enum policy_dir dir, struct buf *to)
{
	size_t before = to->len;

	policyfmt_match(p, m, dir, to);
	buf_add(to, to->len == before ? " any" : "");
}

void policyfmt_say(const struct policy *p, const struct policy_say *say, struct buf *to)
{
	buf_addf(to, "%s %s", say->is_never ? "never" : "always",
		 say->match.dir == POLICY_IN ? "in" : "out");
	policyfmt_match(p, &say->match, say->match.dir, to);
	for (size_t i = 0; i < say->n_excepts; i++) {
		buf_add(to, i ? "," : " except");
		policyfmt_except(p, &say->excepts[i], say->match.dir, to);
	}
}

static void policyfmt_claims(const struct policy *p, struct buf *to)
{
	for (size_t i = 0; i < p->n_claims; i++) {
		buf_addf(to, "claim \"%s\" {\n", p->claims[i].text);
		for (size_t k = 0; k < p->n_says; k++) {
			if (p->says[k].claim != i)
				continue;
			policyfmt_say(p, &p->says[k], to);
			buf_add(to, "\n");
		}
		buf_add(to, "}\n");
	}
}

static void policyfmt_head(const struct policy *p, struct buf *to)
{
	buf_addf(to, "policy %s %u\nhost tier %s\nlink up", p->name, p->version,
		 policy_tier_name(p->tier));
	for (size_t i = 0; i < p->n_uplinks; i++)
		buf_addf(to, " %s", p->uplinks[i]);
	buf_add(to, p->n_tunnels ? "\nlink tun" : "");
	for (size_t i = 0; i < p->n_tunnels; i++)
		buf_addf(to, " %s", p->tunnels[i]);
	buf_addf(to, "\nlog %u\n", p->log_rate);
}

static void policyfmt_nets(const struct policy *p, struct buf *to)
{
	size_t per_line = policyfmt_per_line(p);

	for (size_t i = 0; i < p->n_nets; i++) {
		const struct policy_net *n = &p->nets[i];

		if (n->is_any || policyline_service_ports(n->name))
			continue;
		buf_addf(to, "%s %s", n->has_tier ? "tier" : "net", n->name);
		policyfmt_prefixes(&n->prefixes, per_line, to);
		buf_add(to, "\n");
	}
}

/* Everything, not yet in columns. */
static void policyfmt_page(const struct policy *p, struct buf *to)
{
	policyfmt_head(p, to);
	policyfmt_nets(p, to);
	for (size_t i = 0; i < p->n_rules; i++)
		if (policyline_service_ports(p->nets[p->rules[i].net].name))
			policyfmt_service(p, &p->rules[i], to);
		else
			policyfmt_rule(p, &p->rules[i], to);
	for (size_t i = 0; i < p->n_grants; i++)
		policyfmt_grant(p, &p->grants[i], to);
	policyfmt_claims(p, to);
}

int policyfmt_policy(const struct policy *p, struct buf *to)
{
	_cleanup_(buf_release) struct buf page = buf_init(POLICYFILE_BYTES_MAX);
	struct policyfile_error error;
	int r;

	policyfmt_page(p, &page);
	r = buf_done(&page);
	return r < 0 ? r : policyfmt_text("policy.conf", page.text, to, &error);
}
