/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Configuration: "[section]" or "[section label]", "key = value", lines that start with "#" are
 * comments; the file and then the *.conf files of "<file>.d" in the order of their names (bytes).
 * One table says what exists: it drives the parser and prints the reference
 * (conf_print_reference). A value in a later file replaces an earlier one, twice in one file is an
 * error; a key marked CONF_LIST collects values, blank-separated or repeated, from all files. Each
 * label of a section stands for itself: its own required keys, its own defaults.
 * Everything is read and checked before the caller acts on any of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attr.h"
#include "common/ip6.h"

#define CONF_FILE_MAX (256 * 1024) /* bytes of one file */
#define CONF_DROPINS_MAX 64        /* files in "<file>.d" */
#define CONF_LINE_MAX 4096         /* bytes of one line, with NUL */
#define CONF_VALUE_MAX 256         /* bytes of one value, with NUL */
#define CONF_LIST_MAX 4096         /* values of one list, over all files and labels */
#define CONF_ITEMS_MAX 64          /* rows of one schema */
#define CONF_NAME_MAX 64           /* bytes of a section name or label, with NUL */
#define CONF_SCOPES_MAX 64         /* sections with their labels, over all files */

enum {
	CONF_REQUIRED = 1 << 0,
	CONF_LIST = 1 << 1,
	CONF_LABELLED = 1 << 2, /* on every row of a section that needs a label: "[server cfg1]" */
	CONF_SECRET = 1 << 3,   /* may hold a secret: no error shows the value */
};

struct conf_item;

/* Stores one value. @label is "" in a section without one. @obj is what conf_load() was given.
 * Errors: 0; -EINVAL when it does not fit (conf_load() then prints @item->range); -E2BIG when a
 * list is full; -EEXIST when a name is taken. */
typedef int conf_set_fn(const struct conf_item *item, const char *label, const char *value,
			void *obj);

struct conf_item {
	const char *section;
	const char *key;
	conf_set_fn *set;
	size_t offset;     /* of the field in the object, for the conf_set_* below */
	size_t size;       /* bytes of a string field */
	uint64_t min, max; /* of a number */
	unsigned int flags;
	const char *fallback; /* default in text form; of a list: its values, blank-separated */
	const char *range;    /* allowed values in words: "1...65535" */
	const char *doc;      /* one sentence */
};

struct conf_schema {
	const struct conf_item *items;
	size_t n_items;
	const char *const
		*foreign; /* sections of other programs, skipped; NULL-terminated; may be NULL */
};

struct conf_error {
	char text[768]; /* "file:line: [section] key: ..." for people */
};

/* Reads @path and its drop-ins into @obj. Defaults are set before the files, those of lists and of
 * labelled sections after them, where no file gave a value. A required labelled key must be there
 * for every label, and for one at least. Borrows @schema; keeps nothing.
 * Errors: 0; -ENOENT when @path is absent; -EINVAL, -EFBIG, -E2BIG... each with @ret_error filled,
 * and then @obj holds a part and is of no use. */
int conf_load(const char *path, const struct conf_schema *schema, void *obj,
	      struct conf_error *ret_error) _warn_unused_;

/* As conf_load() for text in memory; @name stands for the file in errors. For tests and fuzzing. */
int conf_load_text(const char *name, const char *text, const struct conf_schema *schema, void *obj,
		   struct conf_error *ret_error) _warn_unused_;

/* Prints every key with default, range and sentence, as a commented configuration file. */
void conf_print_reference(const struct conf_schema *schema, FILE *to);

/* Setters for fields at @item->offset: char[size], no control character, not empty. */
int conf_set_str(const struct conf_item *item, const char *label, const char *value, void *obj);
/* As conf_set_str(), an absolute path. */
int conf_set_path(const struct conf_item *item, const char *label, const char *value, void *obj);
/* As conf_set_str(), a name of [a-z0-9_.-], first a letter or digit. */
int conf_set_name(const struct conf_item *item, const char *label, const char *value, void *obj);
/* uint32_t in min...max, decimal or 0x, no leading zero. */
int conf_set_u32(const struct conf_item *item, const char *label, const char *value, void *obj);
/* bool: yes or no. */
int conf_set_bool(const struct conf_item *item, const char *label, const char *value, void *obj);
/* struct in6_addr. */
int conf_set_addr(const struct conf_item *item, const char *label, const char *value, void *obj);
/* struct ip6_prefix. */
int conf_set_prefix(const struct conf_item *item, const char *label, const char *value, void *obj);
/* struct ip6_endpoint. */
int conf_set_endpoint(const struct conf_item *item, const char *label, const char *value,
		      void *obj);

/* Reads a decimal or 0x number; a decimal one has no leading zero, which elsewhere means octal.
 * Errors: 0; -EINVAL also outside @min...@max. */
int conf_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) _warn_unused_;
