/* SPDX-License-Identifier: MIT */
#include "netpolicy/parse/policyscan.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "netpolicy/model/policy.h"

void policyscan_start(struct policyscan *s, const char *text, size_t len)
{
	*s = (struct policyscan){ .at = text, .end = text + len, .line_start = text, .line = 1 };
}

bool policyscan_is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_./:@+-", c));
}

/* Ends the token at @at and moves on. */
static int policyscan_end(struct policyscan *s, struct policyscan_token *t, const char *at)
{
	t->len = (size_t)(at - t->at);
	s->at = at;
	return 0;
}

/* The place of an error is a byte inside what would have been the token. */
static int policyscan_fail(struct policyscan *s, struct policyscan_token *t, const char *at,
			   const char *why, const char **ret_why)
{
	t->column = (unsigned int)(at - s->line_start) + 1;
	*ret_why = why;
	return -EINVAL;
}

static const char *policyscan_bad_byte(unsigned char c)
{
	if (c == '\0')
		return "a NUL byte; a page of policy is text";
	if (c == '\r')
		return "a carriage return; save the page with the line ends of Unix";
	if (c < 0x20 || c == 0x7f)
		return "a control character; a page of policy is text";
	if (c >= 0x80)
		return "a byte that is not ASCII; outside of comments there is only ASCII";
	return "a character that no word has; words are made of A-Z a-z 0-9 _ . / : @ + -";
}

static int policyscan_word(struct policyscan *s, struct policyscan_token *t, const char **ret_why)
{
	const char *at = s->at;

	while (at < s->end && policyscan_is_word_byte(*at))
		at++;
	if (at - t->at >= POLICYSCAN_WORD_MAX)
		return policyscan_fail(s, t, t->at, "a word of more than 255 bytes", ret_why);
	t->kind = POLICYSCAN_WORD;
	return policyscan_end(s, t, at);
}

static int policyscan_remark(struct policyscan *s, struct policyscan_token *t, const char **ret_why)
{
	const char *at = s->at + 1;

	t->at = at;
	for (; at < s->end && *at != '"'; at++) {
		if (*at == '\n')
			break;
		if (*at < 0x20 || *at > 0x7e || *at == '\\')
			return policyscan_fail(s, t, at,
					       "a remark is printable ASCII without a backslash",
					       ret_why);
	}
	if (at == s->end || *at == '\n')
		return policyscan_fail(s, t, s->at, "a quote that is not closed on its line",
				       ret_why);
	if (at == t->at)
		return policyscan_fail(s, t, s->at, "an empty remark", ret_why);
	if (at - t->at >= POLICY_REMARK_MAX)
		return policyscan_fail(s, t, s->at, "a remark of more than 59 bytes", ret_why);
	t->kind = POLICYSCAN_REMARK;
	policyscan_end(s, t, at);
	s->at++;
	return 0;
}

/* Bytes and bits of the UTF-8 sequence that begins with @c; 0 for none. */
static unsigned int policyscan_utf8_len(unsigned char c, uint32_t *ret_bits)
{
	unsigned int n = c < 0x80 ? 1 :
			 c < 0xc2 ? 0 :
			 c < 0xe0 ? 2 :
			 c < 0xf0 ? 3 :
			 c < 0xf5 ? 4 :
				    0;

	*ret_bits = n < 2 ? c : c & (0x7fu >> n);
	return n;
}

/* Reads one character of a comment. Gives its length, 0 when it is no UTF-8 (RFC 3629). */
static unsigned int policyscan_utf8(const char *at, const char *end, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;
	unsigned int n = policyscan_utf8_len((unsigned char)*at, &c);

	if (n > (size_t)(end - at))
		return 0;
	for (unsigned int i = 1; i < n; i++) {
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)at[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

/* Characters that make a reader see another text: controls, marks of direction, line separators.
 * Source: Unicode TR 36, section 2.10; CVE-2021-42574. */
static bool policyscan_misleads(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static int policyscan_comment(struct policyscan *s, struct policyscan_token *t,
			      const char **ret_why)
{
	const char *at = s->at;
	uint32_t c = 0;

	while (at < s->end && *at != '\n') {
		unsigned int n = policyscan_utf8(at, s->end, &c);

		if (n == 0)
			return policyscan_fail(s, t, at, "a byte that is not UTF-8", ret_why);
		if (policyscan_misleads(c))
			return policyscan_fail(
				s, t, at,
				c < 0x80 ? policyscan_bad_byte((unsigned char)c) :
					   "a character that changes how the line is shown",
				ret_why);
		at += n;
	}
	t->kind = POLICYSCAN_COMMENT;
	return policyscan_end(s, t, at);
}

static void policyscan_new_line(struct policyscan *s, const char *at)
{
	s->at = s->line_start = at;
	s->line++;
}

static int policyscan_continue(struct policyscan *s, struct policyscan_token *t,
			       const char **ret_why)
{
	if (s->at + 1 == s->end || s->at[1] != '\n')
		return policyscan_fail(
			s, t, s->at, "a backslash continues a line and is the last character of it",
			ret_why);
	t->kind = POLICYSCAN_CONTINUE;
	t->len = 1;
	policyscan_new_line(s, s->at + 2);
	return 0;
}

/* Tokens of one character. */
static bool policyscan_one(struct policyscan *s, struct policyscan_token *t)
{
	static const char marks[] = "{},\n";
	static const enum policyscan_kind kinds[] = { POLICYSCAN_OPEN, POLICYSCAN_CLOSE,
						      POLICYSCAN_COMMA, POLICYSCAN_EOL };
	const char *mark = *s->at ? strchr(marks, *s->at) : NULL;

	if (!mark)
		return false;
	t->kind = kinds[mark - marks];
	t->len = 1;
	if (*mark == '\n')
		policyscan_new_line(s, s->at + 1);
	else
		s->at++;
	return true;
}

int policyscan_next(struct policyscan *s, struct policyscan_token *ret, const char **ret_why)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
	*ret = (struct policyscan_token){ .kind = POLICYSCAN_END, .at = s->at, .line = s->line };
	ret->column = (unsigned int)(s->at - s->line_start) + 1;
	if (s->at == s->end || policyscan_one(s, ret))
		return 0;
	if (policyscan_is_word_byte(*s->at))
		return policyscan_word(s, ret, ret_why);
	if (*s->at == '"')
		return policyscan_remark(s, ret, ret_why);
	if (*s->at == '#')
		return policyscan_comment(s, ret, ret_why);
	if (*s->at == '\\')
		return policyscan_continue(s, ret, ret_why);
	return policyscan_fail(s, ret, s->at, policyscan_bad_byte((unsigned char)*s->at), ret_why);
}
