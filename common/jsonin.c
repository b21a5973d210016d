/* SPDX-License-Identifier: MIT */
#include "common/jsonin.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void jsonin_warm_up(void)
{
	json_object_seed(0);
}

void jsonin_freep(json_t **p)
{
	json_decref(*p);
	*p = NULL;
}

/* Nesting of the text, without parsing it: jansson recurses before anybody could ask. */
static unsigned int jsonin_depth(const char *bytes, size_t len)
{
	unsigned int depth = 0, deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth)
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

/* Out of memory jansson fails without a code or, worse, drops a byte of a string and goes on (its
 * lexer does not look at the result of an append). So the allocator remembers. One thread only. */
static bool jsonin_starved;

static void *jsonin_malloc(size_t size)
{
	void *p = malloc(size);

	jsonin_starved |= !p;
	return p;
}

/* What is parsed may hold credentials, and the parser's own copies of them end here. */
static void jsonin_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static int jsonin_fail(const json_error_t *error, enum pst *ret_code)
{
	enum json_error_code code = json_error_code(error);

	if (code == json_error_duplicate_key)
		*ret_code = PST_JSON_DUPLICATE;
	else if (code == json_error_numeric_overflow || code == json_error_null_character ||
		 code == json_error_null_byte_in_key)
		*ret_code = PST_JSON_MEMBER;
	else
		*ret_code = PST_JSON_SYNTAX;
	return -EBADMSG;
}

int jsonin_parse(const char *bytes, size_t len, json_t **ret, enum pst *ret_code)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	json_error_t error = { 0 };

	if (jsonin_depth(bytes, len) > JSONIN_DEPTH_MAX) {
		*ret_code = PST_JSON_DEPTH;
		return -EBADMSG;
	}
	json_set_alloc_funcs(jsonin_malloc, jsonin_free);
	jsonin_starved = false;
	root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (jsonin_starved)
		return -ENOMEM;
	if (!root)
		return jsonin_fail(&error, ret_code);
	if (!json_is_object(root)) {
		*ret_code = PST_JSON_MEMBER;
		return -EBADMSG;
	}
	*ret = steal_ptr(root);
	return 0;
}

static bool jsonin_is_listed(const char *key, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(key, **names == '?' ? *names + 1 : *names))
			return true;
	return false;
}

int jsonin_members(const json_t *object, const char *const *names, enum pst *ret_code)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value)
	{
		if (!jsonin_is_listed(key, names)) {
			*ret_code = PST_JSON_UNKNOWN;
			return -EBADMSG;
		}
	}
	for (; *names; names++) {
		if (**names != '?' && !json_object_get(object, *names)) {
			*ret_code = PST_JSON_MEMBER;
			return -EBADMSG;
		}
	}
	return 0;
}

int jsonin_str(const json_t *object, const char *name, char *ret, size_t cap)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	size_t n = json_string_length(value);

	if (!text || !n || n >= cap)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return -EBADMSG;
	memcpy(ret, text, n + 1);
	return 0;
}

int jsonin_u64(const json_t *object, const char *name, uint64_t min, uint64_t max, uint64_t *ret)
{
	const json_t *value = json_object_get(object, name);
	json_int_t v;

	if (!json_is_integer(value))
		return -EBADMSG;
	v = json_integer_value(value);
	if (v < 0 || (uint64_t)v < min || (uint64_t)v > max)
		return -EBADMSG;
	*ret = (uint64_t)v;
	return 0;
}

int jsonin_object(const json_t *object, const char *name, const json_t **ret)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_object(value))
		return -EBADMSG;
	*ret = value;
	return 0;
}

int jsonin_array(const json_t *object, const char *name, size_t min, size_t max, const json_t **ret)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_array(value) || json_array_size(value) < min || json_array_size(value) > max)
		return -EBADMSG;
	*ret = value;
	return 0;
}
