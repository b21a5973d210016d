/* SPDX-License-Identifier: MIT */
#include "common/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"

#define CONF_ITEMS_MAX 64   /* rows of one schema */
#define CONF_SECTION_MAX 64 /* bytes of a section name or label, with NUL */

/* One reading of a file and its drop-ins. */
struct conf_run {
	const struct conf_schema *schema;
	void *obj;
	struct conf_error *err;
	bool seen[CONF_ITEMS_MAX];      /* in any file */
	bool seen_here[CONF_ITEMS_MAX]; /* in this file, unlabelled sections */
	unsigned int n_values[CONF_ITEMS_MAX];
	const char *file;
	unsigned int line;
	char section[CONF_SECTION_MAX];
	char label[CONF_SECTION_MAX];
	bool skip; /* inside a section of another program */
};

static int conf_fail(struct conf_run *run, int r, const char *what, const char *detail)
{
	if (run->line)
		snprintf(run->err->text, sizeof(run->err->text), "%s:%u: %s%s%s", run->file,
			 run->line, what, *detail ? ": " : "", detail);
	else
		snprintf(run->err->text, sizeof(run->err->text), "%s: %s%s%s", run->file, what,
			 *detail ? ": " : "", detail);
	return r;
}

static bool conf_is_foreign(const struct conf_schema *schema, const char *section)
{
	for (size_t i = 0; schema->foreign && schema->foreign[i]; i++)
		if (!strcmp(schema->foreign[i], section))
			return true;
	return false;
}

/* Gives the first item of @section, NULL when the schema does not have it. */
static const struct conf_item *conf_find_section(const struct conf_schema *schema, const char *section)
{
	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(schema->items[i].section, section))
			return &schema->items[i];
	return NULL;
}

static const struct conf_item *conf_find_item(const struct conf_run *run, const char *key)
{
	const struct conf_schema *schema = run->schema;

	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(schema->items[i].section, run->section) &&
		    !strcmp(schema->items[i].key, key))
			return &schema->items[i];
	return NULL;
}

static char *conf_trim(char *s)
{
	size_t n;

	while (*s == ' ' || *s == '\t')
		s++;
	n = strlen(s);
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
		s[--n] = '\0';
	return s;
}

static bool conf_is_name(const char *s)
{
	if (!isalnum((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') && !strchr("_.-", *s))
			return false;
	return true;
}

/* "[section]" or "[section label]". */
static int conf_take_section(struct conf_run *run, char *line)
{
	const struct conf_item *first;
	char *end = strchr(line, ']');
	char *label;

	if (!end || end[1])
		return conf_fail(run, -EINVAL, "a section is written [name] or [name label]", line);
	*end = '\0';
	line = conf_trim(line + 1);
	label = line + strcspn(line, " \t");
	if (*label) {
		*label++ = '\0';
		label = conf_trim(label);
	}
	if (strlen(line) >= CONF_SECTION_MAX || strlen(label) >= CONF_SECTION_MAX)
		return conf_fail(run, -EINVAL, "section name too long", line);
	run->skip = conf_is_foreign(run->schema, line);
	first = conf_find_section(run->schema, line);
	if (!first && !run->skip)
		return conf_fail(run, -EINVAL, "unknown section", line);
	if (first && !(first->flags & CONF_LABELLED) != !*label)
		return conf_fail(run, -EINVAL, *label ? "this section takes no label" :
				 "this section needs a label, as in [server cfg1]", line);
	if (*label && !conf_is_name(label))
		return conf_fail(run, -EINVAL, "a label is made of a-z 0-9 _ . -", label);
	snprintf(run->section, sizeof(run->section), "%s", line);
	snprintf(run->label, sizeof(run->label), "%s", label);
	return 0;
}

static int conf_set_failed(struct conf_run *run, const struct conf_item *item, const char *value, int r)
{
	char what[512];

	if (r == -E2BIG)
		snprintf(what, sizeof(what), "[%s] %s: too many values at '%.64s'", item->section,
			 item->key, value);
	else if (r == -EEXIST)
		snprintf(what, sizeof(what), "[%s] %s: '%.64s' is already taken", item->section,
			 item->key, value);
	else
		snprintf(what, sizeof(what), "[%s] %s: '%.64s' is not allowed; expected %s",
			 item->section, item->key, value, item->range);
	return conf_fail(run, r, what, "");
}

static int conf_store(struct conf_run *run, const struct conf_item *item, const char *value)
{
	size_t i = (size_t)(item - run->schema->items);
	int r;

	if (strlen(value) >= CONF_VALUE_MAX)
		return conf_fail(run, -EINVAL, "value too long", item->key);
	if (++run->n_values[i] > CONF_LIST_MAX)
		return conf_set_failed(run, item, value, -E2BIG);
	r = item->set(item, run->label, value, run->obj);
	return r < 0 ? conf_set_failed(run, item, value, r) : 0;
}

static int conf_store_list(struct conf_run *run, const struct conf_item *item, char *value)
{
	char *save = NULL;
	int r = 0;

	for (char *word = strtok_r(value, " \t", &save); word && r == 0;
	     word = strtok_r(NULL, " \t", &save))
		r = conf_store(run, item, word);
	return r;
}

static int conf_take_value(struct conf_run *run, char *line)
{
	const struct conf_item *item;
	char *eq = strchr(line, '=');
	char *key, *value;
	size_t i;

	if (!run->section[0])
		return conf_fail(run, -EINVAL, "a value before the first [section]", line);
	if (!eq)
		return conf_fail(run, -EINVAL, "expected 'key = value'", line);
	if (run->skip)
		return 0;
	*eq = '\0';
	key = conf_trim(line);
	value = conf_trim(eq + 1);
	item = conf_find_item(run, key);
	if (!item)
		return conf_fail(run, -EINVAL, "unknown key in this section", key);
	i = (size_t)(item - run->schema->items);
	if (run->seen_here[i] && !(item->flags & (CONF_LIST | CONF_LABELLED)))
		return conf_fail(run, -EINVAL, "the key is given twice in this file", key);
	run->seen[i] = run->seen_here[i] = true;
	if (!*value)
		return conf_set_failed(run, item, value, -EINVAL);
	return item->flags & CONF_LIST ? conf_store_list(run, item, value) :
					 conf_store(run, item, value);
}

static int conf_take_line(struct conf_run *run, char *line)
{
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t' && *p != '\r')
			return conf_fail(run, -EINVAL, "control character in the file", "");
	line = conf_trim(line);
	if (!*line || *line == '#')
		return 0;
	return *line == '[' ? conf_take_section(run, line) : conf_take_value(run, line);
}

static int conf_take_text(struct conf_run *run, const char *file, const char *text)
{
	char line[CONF_LINE_MAX];
	int r = 0;

	run->file = file;
	run->line = 0;
	run->section[0] = '\0';
	memset(run->seen_here, 0, sizeof(run->seen_here));
	while (*text && r == 0) {
		size_t n = strcspn(text, "\n");

		run->line++;
		if (n >= sizeof(line))
			return conf_fail(run, -EINVAL, "line too long", "");
		memcpy(line, text, n);
		line[n] = '\0';
		text += n + (text[n] == '\n');
		r = conf_take_line(run, line);
	}
	return r;
}

static int conf_take_file(struct conf_run *run, const char *path)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r;

	r = files_read(path, CONF_FILE_MAX, &bytes, &len);
	run->file = path;
	run->line = 0;
	if (r < 0)
		return conf_fail(run, r, "cannot read", strerror(-r));
	if (memchr(bytes, '\0', len))
		return conf_fail(run, -EINVAL, "the file holds a NUL byte", "");
	return conf_take_text(run, path, (const char *)bytes);
}

static int conf_is_dropin(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

static int conf_take_dropins(struct conf_run *run, const char *path)
{
	char dir[FILES_PATH_MAX];
	char file[FILES_PATH_MAX + 256];
	struct dirent **list = NULL;
	int n, r = 0;

	snprintf(dir, sizeof(dir), "%s.d", path);
	n = scandir(dir, &list, conf_is_dropin, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : conf_fail(run, -errno, "cannot list", dir);
	if (n > CONF_DROPINS_MAX)
		r = conf_fail(run, -E2BIG, "too many files in", dir);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, list[i]->d_name);
		if (r == 0)
			r = conf_take_file(run, file);
		free(list[i]);
	}
	free(list);
	return r;
}

static int conf_start(struct conf_run *run)
{
	const struct conf_schema *schema = run->schema;

	if (schema->n_items > CONF_ITEMS_MAX)
		return conf_fail(run, -E2BIG, "schema too large", "");
	for (size_t i = 0; i < schema->n_items; i++) {
		const struct conf_item *item = &schema->items[i];
		int r = 0;

		if (item->fallback && !(item->flags & (CONF_LIST | CONF_LABELLED)))
			r = item->set(item, "", item->fallback, run->obj);
		if (r < 0)
			return conf_set_failed(run, item, item->fallback, r);
	}
	return 0;
}

static int conf_finish(struct conf_run *run, const char *path)
{
	const struct conf_schema *schema = run->schema;

	run->file = path;
	run->line = 0;
	for (size_t i = 0; i < schema->n_items; i++) {
		char what[192];

		if (!(schema->items[i].flags & CONF_REQUIRED) || run->seen[i])
			continue;
		snprintf(what, sizeof(what), "[%s] %s is missing", schema->items[i].section,
			 schema->items[i].key);
		return conf_fail(run, -EINVAL, what, schema->items[i].doc);
	}
	return 0;
}

int conf_load(const char *path, const struct conf_schema *schema, void *obj,
	      struct conf_error *ret_error)
{
	struct conf_run run = { .schema = schema, .obj = obj, .err = ret_error, .file = path };
	int r = conf_start(&run);

	if (r == 0)
		r = conf_take_file(&run, path);
	if (r == 0)
		r = conf_take_dropins(&run, path);
	return r < 0 ? r : conf_finish(&run, path);
}

int conf_load_text(const char *name, const char *text, const struct conf_schema *schema, void *obj,
		   struct conf_error *ret_error)
{
	struct conf_run run = { .schema = schema, .obj = obj, .err = ret_error, .file = name };
	int r = conf_start(&run);

	if (r == 0)
		r = conf_take_text(&run, name, text);
	return r < 0 ? r : conf_finish(&run, name);
}

void conf_print_reference(const struct conf_schema *schema, FILE *to)
{
	const char *section = "";

	for (size_t i = 0; i < schema->n_items; i++) {
		const struct conf_item *item = &schema->items[i];

		if (strcmp(section, item->section))
			fprintf(to, "%s[%s%s]\n", i ? "\n" : "", item->section,
				item->flags & CONF_LABELLED ? " NAME" : "");
		section = item->section;
		fprintf(to, "# %s\n# %s%s%s.\n", item->doc, item->range,
			item->flags & CONF_LIST ? "; may be repeated" : "",
			item->flags & CONF_REQUIRED ? "; required" : "");
		fprintf(to, "%s%s = %s\n", item->fallback ? "" : "#", item->key,
			item->fallback ? item->fallback : "");
	}
}

static void *conf_field(const struct conf_item *item, void *obj)
{
	return (char *)obj + item->offset;
}

int conf_set_str(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	size_t n = strlen(value);

	if (!n || n >= item->size)
		return -EINVAL;
	memcpy(conf_field(item, obj), value, n + 1);
	return 0;
}

int conf_set_path(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return value[0] == '/' ? conf_set_str(item, label, value, obj) : -EINVAL;
}

int conf_set_name(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return conf_is_name(value) ? conf_set_str(item, label, value, obj) : -EINVAL;
}

int conf_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned long long v;
	char *end;

	if (!isxdigit((unsigned char)text[hex ? 2 : 0]))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, hex ? 16 : 10);
	if (errno || *end || v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

int conf_set_u32(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	uint64_t v;
	int r = conf_parse_u64(value, item->min, item->max, &v);

	if (r == 0)
		*(uint32_t *)conf_field(item, obj) = (uint32_t)v;
	return r;
}

int conf_set_bool(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	bool yes = !strcmp(value, "yes");

	if (!yes && strcmp(value, "no"))
		return -EINVAL;
	*(bool *)conf_field(item, obj) = yes;
	return 0;
}

int conf_set_addr(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return ip6_parse_addr(value, conf_field(item, obj));
}

int conf_set_prefix(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return ip6_parse_prefix(value, conf_field(item, obj));
}

int conf_set_endpoint(const struct conf_item *item, const char *label, const char *value, void *obj)
{
	return ip6_parse_endpoint(value, conf_field(item, obj));
}
