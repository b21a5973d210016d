/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policysay.h"

#include <errno.h>
#include <string.h>

#include "common/conf.h"

/* What one match has had of each word, to refuse it a second time. */
struct policysay {
	struct policyline *l;
	struct policy_match *match;
	enum policy_dir dir; /* of the line */
	unsigned int seen;   /* bits of policysay_words */
};

static const struct {
	const char *name;
	size_t n;
	uint8_t types[4];
} policysay_groups[] = {
	{ "nd", 2, { 135, 136 } },
	{ "ra", 1, { 134 } },
	{ "rs", 1, { 133 } },
	{ "mld", 4, { 130, 131, 132, 143 } },
	{ "errors", 4, { 1, 2, 3, 4 } },
	{ "echo", 2, { 128, 129 } },
	{ "redirect", 1, { 137 } },
};

const char *policysay_icmp6_group(const uint8_t *types, size_t n, size_t *ret_n)
{
	for (size_t i = 0; i < ARRAY_SIZE(policysay_groups); i++)
		if (policysay_groups[i].n <= n &&
		    !memcmp(policysay_groups[i].types, types, policysay_groups[i].n)) {
			*ret_n = policysay_groups[i].n;
			return policysay_groups[i].name;
		}
	return NULL;
}

static int policysay_add_type(struct policysay *s, uint8_t type)
{
	struct policy_match *m = s->match;

	for (size_t i = 0; i < m->n_icmp6; i++)
		if (m->icmp6[i] == type)
			return policyline_fail(s->l, "ICMPv6 type %u is named twice in this match",
					       type);
	if (m->n_icmp6 == ARRAY_SIZE(m->icmp6)) {
		policyline_fail(s->l, "too many ICMPv6 types: at most %zu", ARRAY_SIZE(m->icmp6));
		return -E2BIG;
	}
	m->icmp6[m->n_icmp6++] = type;
	return 0;
}

/* Index of the group that the next word names, or the number of groups. */
static size_t policysay_group(const struct policysay *s)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(policysay_groups) && !policyline_is(s->l, policysay_groups[i].name))
		i++;
	return i;
}

static bool policysay_at_number(const struct policysay *s, uint64_t *ret)
{
	return s->l->now.token.kind == POLICYSCAN_WORD &&
	       conf_parse_u64(s->l->now.word, 0, UINT8_MAX, ret) == 0;
}

static int policysay_types(struct policysay *s)
{
	static const char *const words[] = { "nd",     "ra",   "rs",       "mld",
					     "errors", "echo", "redirect", NULL };
	uint64_t number = 0;
	size_t group;
	int r = 0;

	for (;;) {
		group = policysay_group(s);
		if (group == ARRAY_SIZE(policysay_groups) && !policysay_at_number(s, &number))
			break;
		if (group == ARRAY_SIZE(policysay_groups))
			r = policysay_add_type(s, (uint8_t)number);
		for (size_t i = 0; group < ARRAY_SIZE(policysay_groups) && r == 0 &&
				   i < policysay_groups[group].n;
		     i++)
			r = policysay_add_type(s, policysay_groups[group].types[i]);
		if (r == 0)
			r = policyline_next(s->l);
		if (r < 0)
			return r;
	}
	if (s->match->n_icmp6 == 0)
		return policyline_expected(
			s->l, "ICMPv6 types: nd ra rs mld errors echo redirect or 0...255", words);
	return 0;
}

static int policysay_via(struct policysay *s)
{
	return policyline_via(s->l, &s->match->via);
}

static int policysay_ipv4(struct policysay *s)
{
	s->match->family = 4;
	return 0;
}

static int policysay_ipv6(struct policysay *s)
{
	s->match->family = 6;
	return 0;
}

static int policysay_new(struct policysay *s)
{
	s->match->is_new = true;
	return 0;
}

static int policysay_implied(struct policysay *s)
{
	s->match->is_implied = true;
	return 0;
}

static int policysay_to(struct policysay *s)
{
	if (s->dir == POLICY_IN)
		return policyline_fail(s->l, "'to' belongs to 'out'; write 'from NET'");
	return policyline_net(s->l, &s->match->net);
}

static int policysay_from(struct policysay *s)
{
	if (s->dir == POLICY_OUT)
		return policyline_fail(s->l, "'from' belongs to 'in'; write 'to NET'");
	return policyline_net(s->l, &s->match->net);
}

static int policysay_mark(struct policysay *s)
{
	s->match->has_mark = true;
	return policyline_number(s->l, "a mark", 0, UINT32_MAX, &s->match->mark);
}

static int policysay_user(struct policysay *s)
{
	if (s->dir == POLICY_IN)
		return policyline_fail(s->l,
				       "'user' belongs to 'out': who sends is not known here");
	return policyline_users(s->l, &s->match->users);
}

static int policysay_grant(struct policysay *s)
{
	const char *words[POLICY_GRANTS_MAX + 1] = { NULL };
	const struct policy *p = s->l->policy;

	for (size_t i = 0; i < p->n_grants; i++) {
		words[i] = p->grants[i].name;
		if (policyline_is(s->l, words[i])) {
			s->match->grant = i;
			return policyline_next(s->l);
		}
	}
	return policyline_expected(s->l, "the name of a grant of a line before", words);
}

/* The words of a match; those with the same slot exclude each other. */
static const struct {
	const char *word;
	unsigned int slot;
	int (*read)(struct policysay *s); /* NULL: ports, which begin with the word itself */
} policysay_words[] = {
	{ "via", 0, policysay_via },
	{ "ipv4", 1, policysay_ipv4 },
	{ "ipv6", 1, policysay_ipv6 },
	{ "new", 2, policysay_new },
	{ "to", 3, policysay_to },
	{ "from", 3, policysay_from },
	{ "any", 4, NULL },
	{ "tcp", 4, NULL },
	{ "udp", 4, NULL },
	{ "icmpv6", 4, policysay_types },
	{ "mark", 5, policysay_mark },
	{ "user", 6, policysay_user },
	{ "grant", 7, policysay_grant },
	{ "implied", 8, policysay_implied },
};

static bool policysay_at_end(const struct policysay *s)
{
	return policyline_at_end(s->l) || s->l->now.token.kind == POLICYSCAN_COMMA ||
	       policyline_is(s->l, "except");
}

static int policysay_unknown(struct policysay *s)
{
	const char *words[ARRAY_SIZE(policysay_words) + 2] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(policysay_words); i++)
		words[i] = policysay_words[i].word;
	words[ARRAY_SIZE(policysay_words)] = "except";
	return policyline_expected(s->l,
				   "via, ipv4, ipv6, new, to, from, any, tcp, udp, icmpv6, mark, "
				   "user, grant, implied or except",
				   words);
}

/* One word of a match with what follows it. */
static int policysay_word(struct policysay *s)
{
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(policysay_words) && !policyline_is(s->l, policysay_words[i].word))
		i++;
	if (i == ARRAY_SIZE(policysay_words))
		return policysay_unknown(s);
	if (s->seen & 1u << policysay_words[i].slot)
		return policyline_fail(s->l, "'%s' contradicts or repeats what this match says",
				       policysay_words[i].word);
	s->seen |= 1u << policysay_words[i].slot;
	if (!policysay_words[i].read)
		return policyline_ports(s->l, &s->match->ports);
	r = policyline_next(s->l);
	return r < 0 ? r : policysay_words[i].read(s);
}

static int policysay_match(struct policyline *l, enum policy_dir dir, struct policy_match *ret)
{
	struct policysay s = { .l = l, .match = ret, .dir = dir };
	int r = 0;

	ret->via = POLICY_VIA_ANY;
	ret->net = ret->grant = POLICY_NONE;
	while (r == 0 && !policysay_at_end(&s))
		r = policysay_word(&s);
	return r;
}

static int policysay_except(struct policyline *l, enum policy_dir dir, struct policy_say *say)
{
	struct policysay here = { .l = l };
	int r;

	if (say->n_excepts == POLICY_EXCEPTS_MAX) {
		policyline_fail(l, "too many exceptions: at most %d", POLICY_EXCEPTS_MAX);
		return -E2BIG;
	}
	if (policysay_at_end(&here))
		return policyline_expected(l, "what is excepted", NULL);
	r = policysay_match(l, dir, &say->excepts[say->n_excepts]);
	if (r == 0)
		say->n_excepts++;
	return r;
}

static int policysay_excepts(struct policyline *l, struct policy_say *say)
{
	int r;

	do {
		r = policyline_next(l);
		if (r == 0)
			r = policysay_except(l, say->match.dir, say);
	} while (r == 0 && l->now.token.kind == POLICYSCAN_COMMA);
	return r;
}

/* "never in", "always out" … */
static int policysay_head(struct policyline *l, struct policy_say *say)
{
	static const char *const verbs[] = { "never", "always", NULL };
	static const char *const dirs[] = { "in", "out", NULL };
	int r;

	say->is_never = policyline_is(l, "never");
	if (!say->is_never && !policyline_is(l, "always"))
		return policyline_expected(l, "'never' or 'always'", verbs);
	r = policyline_next(l);
	if (r < 0)
		return r;
	say->match.has_dir = true;
	say->match.dir = policyline_is(l, "out") ? POLICY_OUT : POLICY_IN;
	if (say->match.dir == POLICY_IN && !policyline_is(l, "in"))
		return policyline_expected(l, "'in' or 'out'", dirs);
	return policyline_next(l);
}

int policysay_read(struct policyline *l, size_t claim)
{
	struct policy_say say = { .claim = claim };
	int r = policysay_head(l, &say);

	if (r == 0)
		r = policysay_match(l, say.match.dir, &say.match);
	if (r == 0 && policyline_is(l, "except"))
		r = policysay_excepts(l, &say);
	if (r < 0)
		return r;
	if (!policyline_at_end(l))
		return policyline_expected(l, "the end of the line", NULL);
	memcpy(say.where, l->where, sizeof(l->where));
	r = policy_add_say(l->policy, &say);
	if (r == -E2BIG)
		policyline_fail(l, "too many lines in all claims: at most %d", POLICY_SAYS_MAX);
	return r;
}
