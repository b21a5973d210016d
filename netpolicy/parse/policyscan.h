/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The words of a page of policy, one after the other, in time linear in its length and without a
 * copy: a token is a piece of the text. What people read of a page must be what we read: control
 * characters, bytes that are not UTF-8 and marks that turn the direction of text are errors, in
 * comments too; outside of comments everything but ASCII is.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define POLICYSCAN_WORD_MAX 256 /* bytes of a word with the NUL */

enum policyscan_kind {
	POLICYSCAN_WORD,     /* [A-Za-z0-9_./:@+-] */
	POLICYSCAN_REMARK,   /* without its quotes; at most POLICY_REMARK_MAX - 1 bytes */
	POLICYSCAN_OPEN,     /* { */
	POLICYSCAN_CLOSE,    /* } */
	POLICYSCAN_COMMA,    /* , */
	POLICYSCAN_COMMENT,  /* from the # to the end of the line */
	POLICYSCAN_CONTINUE, /* a backslash and the end of the line behind it */
	POLICYSCAN_EOL,
	POLICYSCAN_END, /* of the text; again and again */
};

struct policyscan_token {
	enum policyscan_kind kind;
	const char *at; /* borrowed from the text */
	size_t len;
	unsigned int line, column; /* from 1, in bytes */
};

struct policyscan {
	const char *at, *end, *line_start;
	unsigned int line;
};

/* Starts at the beginning of @len bytes, which must live as long as the tokens. */
void policyscan_start(struct policyscan *s, const char *text, size_t len);

/* Gives the next token. @ret is also filled with the place of an error.
 * Errors: 0; -EINVAL with the reason in *ret_why (static). */
int policyscan_next(struct policyscan *s, struct policyscan_token *ret,
		    const char **ret_why) _warn_unused_;

/* True for a byte of a word. */
bool policyscan_is_word_byte(char c);
