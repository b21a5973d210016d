/* SPDX-License-Identifier: MIT */
#include "certs/denylist.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/principal.h"
#include "common/files.h"

#define DENYLIST_BLANKS " \t\r" /* editors of other systems leave the last one */
#define DENYLIST_SERIAL_MAX 62  /* digits: as many as an accepted certificate may have */

struct denylist {
	char *text; /* holds the values: the whole file cut into them, or one after the other */
	size_t text_cap; /* bytes */
	size_t text_len; /* of the values of denylist_add() */
	size_t n_entries;
	size_t cap;
	struct denylist_entry entries[]; /* sorted */
};

struct denylist_error {
	const char *name;
	size_t line;
	char *text; /* DENYLIST_ERROR_MAX bytes */
};

static int denylist_fail(const struct denylist_error *e, const char *why)
{
	snprintf(e->text, DENYLIST_ERROR_MAX, "%.150s:%zu: %s", e->name, e->line, why);
	return -EINVAL;
}

/* Writes @serial as it is compared: small letters, no leading zeros, but for zero itself. Gives
 * false when it is longer than any that can be listed. */
static bool denylist_trim_serial(const char *serial, char ret[static DENYLIST_SERIAL_MAX + 1])
{
	size_t len;

	while (serial[0] == '0' && serial[1])
		serial++;
	len = strlen(serial);
	if (len > DENYLIST_SERIAL_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)(serial[i] | 0x20); /* digits have that bit */
	ret[len] = '\0';
	return true;
}

/* Each gives the value in the form in which it is compared, or NULL when it is none. */

static char *denylist_take_principal(char *value)
{
	size_t len = strlen(value);
	struct principal p;

	if (principal_parse(value, len, &p))
		return NULL;
	return memcpy(value, p.name, len + 1);
}

static char *denylist_take_instance(char *value)
{
	return principal_is_instance_id(value, strlen(value)) ? value : NULL;
}

static char *denylist_take_serial(char *value)
{
	char serial[DENYLIST_SERIAL_MAX + 1];

	if (value[strspn(value, "0123456789abcdefABCDEF")] || !denylist_trim_serial(value, serial))
		return NULL;
	return memcpy(value, serial, strlen(serial) + 1);
}

static const struct denylist_row {
	const char *word;
	char *(*take)(char *value);
	const char *range;
} denylist_rows[] = {
	[DENYLIST_PRINCIPAL] = { "principal", denylist_take_principal,
				 "'principal' wants one domain.service of at most 255 characters" },
	[DENYLIST_INSTANCE] = { "instance", denylist_take_instance,
				"'instance' wants one instance id of at most 127 characters of "
				"A-Z a-z 0-9 . _ ~ = + @ $ : -" },
	[DENYLIST_SERIAL] = { "serial", denylist_take_serial,
			      "'serial' wants one number of at most 62 hexadecimal digits, "
			      "without colons" },
};

static const struct denylist_row *denylist_find_row(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(denylist_rows); i++)
		if (!strcmp(denylist_rows[i].word, word))
			return &denylist_rows[i];
	return NULL;
}

/* Cuts off what follows "#" and the blanks at both ends. Gives the rest. */
static char *denylist_strip(char *line)
{
	size_t len;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, DENYLIST_BLANKS);
	len = strlen(line);
	while (len && strchr(DENYLIST_BLANKS, line[len - 1]))
		line[--len] = '\0';
	return line;
}

/* Reads one line that is not empty. Errors: 0; -EINVAL. */
static int denylist_read_line(char *line, struct denylist_entry *ret,
			      const struct denylist_error *e)
{
	char *word = strsep(&line, DENYLIST_BLANKS);
	const struct denylist_row *row = denylist_find_row(word);

	if (!row)
		return denylist_fail(e, "a line is 'principal NAME', 'instance ID' or 'serial "
					"HEX'; the list is not used");
	if (!line)
		return denylist_fail(e, row->range);
	line += strspn(line, DENYLIST_BLANKS);
	ret->kind = (enum denylist_kind)(row - denylist_rows);
	ret->value = *line ? row->take(line) : NULL;
	return ret->value ? 0 : denylist_fail(e, row->range);
}

/* The lines there are, and so the most entries there can be. */
static size_t denylist_count_lines(const char *text, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

/* Reads the @len bytes in @d->text into @d->entries. */
static int denylist_read_lines(struct denylist *d, size_t len, struct denylist_error *e)
{
	char *at = d->text;
	char *end = d->text + len;
	int r = 0;

	while (r == 0 && at <= end) {
		char *line = at;
		char *stop = memchr(at, '\n', (size_t)(end - at));

		e->line++;
		stop = stop ? stop : end;
		*stop = '\0';
		at = stop + 1;
		if (strlen(line) != (size_t)(stop - line))
			return denylist_fail(e, "a NUL byte; the list is not used");
		line = denylist_strip(line);
		if (!*line)
			continue;
		if (d->n_entries == d->cap) {
			(void)denylist_fail(e, "more than 65536 entries; the list is not used");
			return -E2BIG;
		}
		r = denylist_read_line(line, &d->entries[d->n_entries], e);
		d->n_entries += r == 0;
	}
	return r;
}

static int denylist_compare(const void *a, const void *b)
{
	const struct denylist_entry *one = a, *other = b;

	if (one->kind != other->kind)
		return one->kind < other->kind ? -1 : 1;
	return strcmp(one->value, other->value);
}

int denylist_new(size_t n, size_t bytes, struct denylist **ret)
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;

	if (n > DENYLIST_ENTRIES_MAX || bytes > DENYLIST_BYTES_MAX + 1)
		return -E2BIG;
	d = calloc(1, sizeof(*d) + n * sizeof(d->entries[0]));
	if (!d)
		return -ENOMEM;
	d->text = malloc(bytes + 1);
	if (!d->text)
		return -ENOMEM;
	d->text_cap = bytes;
	d->cap = n;
	*ret = steal_ptr(d);
	return 0;
}

/* Whether @value is what the rule of its kind makes of it. */
static bool denylist_is_trimmed(enum denylist_kind kind, const char *value)
{
	char copy[PRINCIPAL_MAX];
	size_t len = strlen(value);

	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, value, len + 1);
	return denylist_rows[kind].take(copy) && !strcmp(copy, value);
}

int denylist_add(struct denylist *d, enum denylist_kind kind, const char *value)
{
	struct denylist_entry entry = { .kind = kind };
	size_t size = strlen(value) + 1;

	if (d->n_entries == d->cap || size > d->text_cap - d->text_len)
		return -ENOSPC;
	if (kind >= ARRAY_SIZE(denylist_rows) || !denylist_is_trimmed(kind, value))
		return -EINVAL;
	entry.value = memcpy(d->text + d->text_len, value, size);
	if (d->n_entries && denylist_compare(&d->entries[d->n_entries - 1], &entry) > 0)
		return -EINVAL;
	d->text_len += size;
	d->entries[d->n_entries++] = entry;
	return 0;
}

int denylist_parse(const char *name, const char *text, size_t len, struct denylist **ret,
		   char ret_error[static DENYLIST_ERROR_MAX])
{
	_cleanup_(denylist_freep) struct denylist *d = NULL;
	struct denylist_error e = { .name = name, .text = ret_error };
	size_t cap;
	int r;

	if (len > DENYLIST_BYTES_MAX) {
		snprintf(ret_error, DENYLIST_ERROR_MAX,
			 "%.150s: larger than 8 MiB; the list is not used", name);
		return -E2BIG;
	}
	cap = denylist_count_lines(text, len);
	if (cap > DENYLIST_ENTRIES_MAX)
		cap = DENYLIST_ENTRIES_MAX;
	if (denylist_new(cap, len + 1, &d) < 0) {
		snprintf(ret_error, DENYLIST_ERROR_MAX, "%.150s: out of memory", name);
		return -ENOMEM;
	}
	if (len)
		memcpy(d->text, text, len);
	r = denylist_read_lines(d, len, &e);
	if (r < 0)
		return r;
	qsort(d->entries, d->n_entries, sizeof(d->entries[0]), denylist_compare);
	*ret = steal_ptr(d);
	return 0;
}

int denylist_load(const char *path, struct denylist **ret,
		  char ret_error[static DENYLIST_ERROR_MAX])
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len = 0;
	int r = files_read(path, DENYLIST_BYTES_MAX, &bytes, &len);

	if (r == 0)
		return denylist_parse(path, (const char *)bytes, len, ret, ret_error);
	snprintf(ret_error, DENYLIST_ERROR_MAX, "%.150s: %s", path,
		 r == -EINVAL ? "not a regular file" :
		 r == -EFBIG  ? "larger than 8 MiB; the list is not used" :
				strerror(-r));
	return r;
}

static bool denylist_has_one(const struct denylist *d, enum denylist_kind kind, const char *value)
{
	const struct denylist_entry key = { kind, value };

	return *value &&
	       bsearch(&key, d->entries, d->n_entries, sizeof(d->entries[0]), denylist_compare);
}

static bool denylist_has_principal(const struct denylist *d, const char *principal)
{
	struct principal p;

	return principal_parse(principal, strlen(principal), &p) == 0 &&
	       denylist_has_one(d, DENYLIST_PRINCIPAL, p.name);
}

static bool denylist_has_serial(const struct denylist *d, const char *serial)
{
	char trimmed[DENYLIST_SERIAL_MAX + 1];

	return denylist_trim_serial(serial, trimmed) &&
	       denylist_has_one(d, DENYLIST_SERIAL, trimmed);
}

const char *denylist_find(const struct denylist *d, const char *principal, const char *instance_id,
			  const char *serial)
{
	if (!d)
		return NULL;
	if (denylist_has_principal(d, principal))
		return denylist_rows[DENYLIST_PRINCIPAL].word;
	if (denylist_has_one(d, DENYLIST_INSTANCE, instance_id))
		return denylist_rows[DENYLIST_INSTANCE].word;
	return denylist_has_serial(d, serial) ? denylist_rows[DENYLIST_SERIAL].word : NULL;
}

bool denylist_has(const struct denylist *d, const char *principal, const char *instance_id,
		  const char *serial)
{
	return denylist_find(d, principal, instance_id, serial) != NULL;
}

size_t denylist_size(const struct denylist *d)
{
	return d ? d->n_entries : 0;
}

const struct denylist_entry *denylist_at(const struct denylist *d, size_t i)
{
	return &d->entries[i];
}

size_t denylist_bytes(const struct denylist *d)
{
	size_t bytes = 0;

	for (size_t i = 0; i < denylist_size(d); i++)
		bytes += strlen(d->entries[i].value) + 1;
	return bytes;
}

void denylist_free(struct denylist *d)
{
	if (!d)
		return;
	free(d->text);
	free(d);
}

void denylist_freep(struct denylist **p)
{
	denylist_free(*p);
}
