/* SPDX-License-Identifier: MIT */
#include "certs/stsxml.h"

#include <errno.h>
#include <expat.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

/* Between namespace and local name. No local name can hold it. */
#define STSXML_SEPARATOR '\n'
/* Answers are UTF-8; what a document says of itself does not count. */
#define STSXML_ENCODING "UTF-8"

struct stsxml {
	XML_Parser parser; /* borrowed */
	const char *path;
	size_t matched[STSXML_DEPTH_MAX + 1]; /* bytes of the path that the open elements make up */
	size_t depth;
	bool is_inside; /* in the element that was asked for */
	bool is_found, is_bad;
	char text[STSXML_TEXT_MAX];
	size_t len;
};

/* The parser holds credentials, so its memory is wiped. */
static void stsxml_free(void *p)
{
	if (p)
		secret_wipe_bytes(p, malloc_usable_size(p));
	free(p);
}

/* Not realloc(): it would leave the old bytes behind. */
static void *stsxml_realloc(void *old, size_t size)
{
	size_t old_size = malloc_usable_size(old);
	void *p = malloc(size);

	if (!p)
		return NULL;
	if (old)
		memcpy(p, old, old_size < size ? old_size : size);
	stsxml_free(old);
	return p;
}

static void stsxml_free_parser(XML_Parser *parser)
{
	XML_ParserFree(*parser);
}

static void stsxml_wipe(struct stsxml *x)
{
	secret_wipe_bytes(x, sizeof(*x));
}

static void stsxml_stop(struct stsxml *x)
{
	x->is_bad = true;
	(void)XML_StopParser(x->parser, XML_FALSE);
}

/* How much of the path is made up when @name is opened below what made up @matched bytes of it; 0
 * when it is another way. */
static size_t stsxml_match(const char *path, size_t matched, bool is_root, const char *name)
{
	size_t n = strlen(name);

	if (!is_root) {
		if (path[matched] != '/')
			return 0;
		matched++;
	}
	if (strncmp(path + matched, name, n) != 0)
		return 0;
	matched += n;
	return path[matched] == '/' || path[matched] == '\0' ? matched : 0;
}

static void stsxml_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct stsxml *x = user;
	const char *local = strrchr(name, STSXML_SEPARATOR);
	size_t matched;

	if (x->is_inside || x->depth == STSXML_DEPTH_MAX) {
		stsxml_stop(x);
		return;
	}
	matched = stsxml_match(x->path, x->matched[x->depth], x->depth == 0,
			       local ? local + 1 : name);
	x->matched[++x->depth] = matched;
	if (matched == 0 || x->path[matched] != '\0')
		return;
	if (x->is_found)
		stsxml_stop(x);
	x->is_found = x->is_inside = true;
}

static void stsxml_end(void *user, const XML_Char *name)
{
	struct stsxml *x = user;

	/* expat may still close an element after it was told to stop. */
	if (x->is_bad)
		return;
	x->depth--;
	x->is_inside = false;
}

static void stsxml_text(void *user, const XML_Char *text, int len)
{
	struct stsxml *x = user;
	size_t n = (size_t)len;

	if (!x->is_inside)
		return;
	if (n >= sizeof(x->text) - x->len) {
		stsxml_stop(x);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (text[i] < ' ' || text[i] > '~') {
			stsxml_stop(x);
			return;
		}
	}
	memcpy(x->text + x->len, text, n);
	x->len += n;
}

/* Stops before the first declaration inside it: nothing is ever expanded. */
static void stsxml_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
			   const XML_Char *public_id, int has_subset)
{
	stsxml_stop(user);
}

static XML_Parser stsxml_make_parser(struct stsxml *x)
{
	static const XML_Memory_Handling_Suite memory = { malloc, stsxml_realloc, stsxml_free };
	static const char separator[] = { STSXML_SEPARATOR, '\0' };
	XML_Parser parser = XML_ParserCreate_MM(STSXML_ENCODING, &memory, separator);

	if (!parser)
		return NULL;
	XML_SetUserData(parser, x);
	XML_SetElementHandler(parser, stsxml_start, stsxml_end);
	XML_SetCharacterDataHandler(parser, stsxml_text);
	XML_SetStartDoctypeDeclHandler(parser, stsxml_doctype);
	return parser;
}

static int stsxml_parse(const char *bytes, size_t len, struct stsxml *x)
{
	_cleanup_(stsxml_free_parser) XML_Parser parser = stsxml_make_parser(x);

	x->parser = parser;
	if (!parser)
		return -ENOMEM;
	if (XML_Parse(parser, bytes, (int)len, XML_TRUE) == XML_STATUS_OK && !x->is_bad)
		return 0;
	return XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EBADMSG;
}

int stsxml_find(const char *bytes, size_t len, const char *path, char *ret, size_t cap)
{
	_cleanup_(stsxml_wipe) struct stsxml x = { .path = path };
	int r;

	if (len > STSXML_BYTES_MAX)
		return -EBADMSG;
	r = stsxml_parse(bytes, len, &x);
	if (r != 0)
		return r;
	if (!x.is_found)
		return -ENOENT;
	if (x.len == 0 || x.len >= cap)
		return -EBADMSG;
	memcpy(ret, x.text, x.len);
	ret[x.len] = '\0';
	return 0;
}
