/* SPDX-License-Identifier: MIT */
#include "common/conf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/typo.h"

/* One section with its label, "" without one. Bit n of a mask stands for row n of the schema. */
struct conf_scope {
	const struct conf_item *first; /* of the section; its name and whether it is labelled */
	char label[CONF_NAME_MAX];
	uint64_t seen;      /* in any file */
	uint64_t seen_here; /* in this file */
};

/* One reading of a file and its drop-ins. */
struct conf_run {
	const struct conf_schema *schema;
	void *obj;
	struct conf_error *err;
	struct conf_scope scopes[CONF_SCOPES_MAX];
	size_t n_scopes;
	unsigned int n_values[CONF_ITEMS_MAX]; /* of lists */
	const char *file;
	unsigned int line;        /* 0: the file as a whole */
	struct conf_scope *scope; /* of this line; NULL before the first section of a file */
	bool skip;                /* inside a section of another program */
};

_Static_assert(CONF_ITEMS_MAX <= 64, "a mask of rows is an uint64_t");

/* A text that is too long ends in dots. */
static int conf_fail(struct conf_run *run, int r, const char *what, const char *detail)
{
	char *text = run->err->text;
	size_t size = sizeof(run->err->text);
	int n;

	if (run->line)
		n = snprintf(text, size, "%s:%u: %s%s%s", run->file, run->line, what,
			     *detail ? ": " : "", detail);
	else
		n = snprintf(text, size, "%s: %s%s%s", run->file, what, *detail ? ": " : "",
			     detail);
	if (n >= (int)size)
		memcpy(&text[size - sizeof("...")], "...", sizeof("..."));
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
static const struct conf_item *conf_find_section(const struct conf_schema *schema,
						 const char *section)
{
	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(schema->items[i].section, section))
			return &schema->items[i];
	return NULL;
}

static bool conf_is_labelled(const struct conf_item *first)
{
	return first->flags & CONF_LABELLED;
}

static uint64_t conf_bit(const struct conf_run *run, const struct conf_item *item)
{
	return UINT64_C(1) << (item - run->schema->items);
}

static const struct conf_item *conf_find_item(const struct conf_run *run, const char *key)
{
	const struct conf_schema *schema = run->schema;

	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(schema->items[i].section, run->scope->first->section) &&
		    !strcmp(schema->items[i].key, key))
			return &schema->items[i];
	return NULL;
}

/* Gives the scope of a section and label, a new one when there is none yet; NULL when full. */
static struct conf_scope *conf_get_scope(struct conf_run *run, const struct conf_item *first,
					 const char *label)
{
	struct conf_scope *scope;

	for (size_t i = 0; i < run->n_scopes; i++)
		if (run->scopes[i].first == first && !strcmp(run->scopes[i].label, label))
			return &run->scopes[i];
	if (run->n_scopes == CONF_SCOPES_MAX)
		return NULL;
	scope = &run->scopes[run->n_scopes++];
	scope->first = first;
	snprintf(scope->label, sizeof(scope->label), "%s", label);
	return scope;
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

/* Splits "[section]" or "[section label]" in place; @ret_label is "" without one. */
static int conf_split_section(struct conf_run *run, char *line, char **ret_name, char **ret_label)
{
	char *end = strchr(line, ']');
	char *name, *label;

	if (!end || end[1])
		return conf_fail(run, -EINVAL, "a section is written [name] or [name label]", line);
	*end = '\0';
	name = conf_trim(line + 1);
	label = name + strcspn(name, " \t");
	if (*label) {
		*label++ = '\0';
		label = conf_trim(label);
	}
	if (strlen(label) >= CONF_NAME_MAX)
		return conf_fail(run, -EINVAL, "label too long", label);
	*ret_name = name;
	*ret_label = label;
	return 0;
}

static int conf_check_label(struct conf_run *run, const struct conf_item *first, const char *label)
{
	if (*label && !conf_is_labelled(first))
		return conf_fail(run, -EINVAL, "this section takes no label", label);
	if (!*label && conf_is_labelled(first))
		return conf_fail(run, -EINVAL, "this section needs a label, as in [name label]",
				 first->section);
	if (*label && !conf_is_name(label))
		return conf_fail(run, -EINVAL, "a label is made of a-z 0-9 _ . -", label);
	return 0;
}

/* With the name that was probably meant. */
static int conf_unknown_section(struct conf_run *run, const char *name)
{
	const struct conf_schema *schema = run->schema;
	char text[CONF_LINE_MAX + 96];

	for (size_t i = 0; i < schema->n_items; i++) {
		if (!typo_is_likely(name, schema->items[i].section))
			continue;
		snprintf(text, sizeof(text), "%s; is it [%s%s]?", name, schema->items[i].section,
			 conf_is_labelled(&schema->items[i]) ? " NAME" : "");
		return conf_fail(run, -EINVAL, "unknown section", text);
	}
	return conf_fail(run, -EINVAL, "unknown section", name);
}

static int conf_take_section(struct conf_run *run, char *line)
{
	const struct conf_item *first;
	/* gcc 14 does not see that a failure leaves before they are used */
	char *name = line, *label = line;
	int r = conf_split_section(run, line, &name, &label);

	if (r < 0)
		return r;
	run->skip = conf_is_foreign(run->schema, name);
	if (run->skip)
		return 0;
	first = conf_find_section(run->schema, name);
	if (!first)
		return conf_unknown_section(run, name);
	r = conf_check_label(run, first, label);
	if (r < 0)
		return r;
	run->scope = conf_get_scope(run, first, label);
	return run->scope ? 0 : conf_fail(run, -E2BIG, "too many sections", name);
}

/* "[section label] key: " with what is wrong behind it. */
static int conf_item_failed(struct conf_run *run, int r, const struct conf_item *item,
			    const char *label, const char *what)
{
	char text[512];

	snprintf(text, sizeof(text), "[%s%s%s] %s: %s", item->section, *label ? " " : "", label,
		 item->key, what);
	return conf_fail(run, r, text, "");
}

static int conf_set_failed(struct conf_run *run, int r, const struct conf_item *item,
			   const char *label, const char *value)
{
	char what[320];

	if (r == -E2BIG)
		snprintf(what, sizeof(what), "too many values at '%.64s'", value);
	else if (r == -EEXIST)
		snprintf(what, sizeof(what), "'%.64s' is already taken", value);
	else if (item->flags & CONF_SECRET)
		snprintf(what, sizeof(what), "its value is not allowed; expected %s", item->range);
	else
		snprintf(what, sizeof(what), "'%.64s' is not allowed; expected %s", value,
			 item->range);
	return conf_item_failed(run, r, item, label, what);
}

static int conf_store(struct conf_run *run, const struct conf_item *item, const char *label,
		      const char *value)
{
	int r;

	if (strlen(value) >= CONF_VALUE_MAX)
		return conf_item_failed(run, -EINVAL, item, label, "value too long");
	r = item->set(item, label, value, run->obj);
	return r < 0 ? conf_set_failed(run, r, item, label, value) : 0;
}

static int conf_store_list(struct conf_run *run, const struct conf_item *item, const char *label,
			   char *value)
{
	unsigned int *n_values = &run->n_values[item - run->schema->items];
	char *save = NULL;
	int r = 0;

	for (char *word = strtok_r(value, " \t", &save); word && r == 0;
	     word = strtok_r(NULL, " \t", &save)) {
		if (++*n_values > CONF_LIST_MAX)
			return conf_set_failed(run, -E2BIG, item, label, word);
		r = conf_store(run, item, label, word);
	}
	return r;
}

/* With the section where it belongs, or the key that was probably meant. */
static int conf_unknown_key(struct conf_run *run, const char *key)
{
	static const char what[] = "unknown key in this section";
	const struct conf_schema *schema = run->schema;
	const char *section = run->scope->first->section;
	char text[CONF_LINE_MAX + 96];

	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(key, schema->items[i].key)) {
			snprintf(text, sizeof(text), "%s; it belongs to [%s%s]", key,
				 schema->items[i].section,
				 conf_is_labelled(&schema->items[i]) ? " NAME" : "");
			return conf_fail(run, -EINVAL, what, text);
		}
	for (size_t i = 0; i < schema->n_items; i++)
		if (!strcmp(section, schema->items[i].section) &&
		    typo_is_likely(key, schema->items[i].key)) {
			snprintf(text, sizeof(text), "%s; is it %s?", key, schema->items[i].key);
			return conf_fail(run, -EINVAL, what, text);
		}
	return conf_fail(run, -EINVAL, what, key);
}

/* One key of the running section; @key and @value are trimmed. */
static int conf_take_pair(struct conf_run *run, const char *key, char *value)
{
	struct conf_scope *scope = run->scope;
	const struct conf_item *item = conf_find_item(run, key);
	bool list;

	if (!item)
		return conf_unknown_key(run, key);
	list = item->flags & CONF_LIST;
	if (!list && (scope->seen_here & conf_bit(run, item)))
		return conf_item_failed(run, -EINVAL, item, scope->label,
					"given twice in this file");
	scope->seen |= conf_bit(run, item);
	scope->seen_here |= conf_bit(run, item);
	if (!*value)
		return conf_set_failed(run, -EINVAL, item, scope->label, value);
	return list ? conf_store_list(run, item, scope->label, value) :
		      conf_store(run, item, scope->label, value);
}

static int conf_take_value(struct conf_run *run, char *line)
{
	char *eq = strchr(line, '=');

	if (!run->scope && !run->skip)
		return conf_fail(run, -EINVAL, "a value before the first [section]", line);
	if (!eq)
		return conf_fail(run, -EINVAL, "expected 'key = value'", line);
	if (run->skip)
		return 0;
	*eq = '\0';
	return conf_take_pair(run, conf_trim(line), conf_trim(eq + 1));
}

/* No control character but blanks and the CR of a line end: what is printed in an error is text. */
static bool conf_is_text(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t' && strcmp(s, "\r")) || *s == 0x7f)
			return false;
	return true;
}

static int conf_take_line(struct conf_run *run, char *line)
{
	if (!conf_is_text(line))
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
	run->scope = NULL;
	run->skip = false;
	for (size_t i = 0; i < run->n_scopes; i++)
		run->scopes[i].seen_here = 0;
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
		return conf_fail(run, r, "cannot read",
				 r == -EINVAL ? "not a regular file" : strerror(-r));
	if (memchr(bytes, '\0', len))
		return conf_fail(run, -EINVAL, "the file holds a NUL byte", "");
	return conf_take_text(run, path, (const char *)bytes);
}

static int conf_is_dropin(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

/* By bytes, whatever the locale is. */
static int conf_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int conf_take_dropin(struct conf_run *run, const char *dir, const char *name)
{
	char file[FILES_PATH_MAX + 256];
	int r;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	r = conf_take_file(run, file);
	/* -ENOENT means that there is no configuration; a link to nowhere is a broken one. */
	return r == -ENOENT ? -EINVAL : r;
}

static int conf_take_dropins(struct conf_run *run, const char *path)
{
	char dir[FILES_PATH_MAX];
	struct dirent **list = NULL;
	int n, r = 0;

	snprintf(dir, sizeof(dir), "%s.d", path);
	run->file = dir;
	run->line = 0;
	n = scandir(dir, &list, conf_is_dropin, conf_by_name);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		r = -errno;
		return conf_fail(run, r, "cannot list", strerror(-r));
	}
	if (n > CONF_DROPINS_MAX)
		r = conf_fail(run, -E2BIG, "too many files in this directory", "");
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = conf_take_dropin(run, dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

/* Sets the default of @item, word by word when it is a list. */
static int conf_store_fallback(struct conf_run *run, const struct conf_item *item,
			       const char *label)
{
	char value[CONF_VALUE_MAX];

	snprintf(value, sizeof(value), "%s", item->fallback);
	return item->flags & CONF_LIST ? conf_store_list(run, item, label, value) :
					 conf_store(run, item, label, value);
}

static int conf_start(struct conf_run *run)
{
	const struct conf_schema *schema = run->schema;
	int r = 0;

	if (schema->n_items > CONF_ITEMS_MAX)
		return conf_fail(run, -E2BIG, "schema too large", "");
	for (size_t i = 0; i < schema->n_items && r == 0; i++)
		if (schema->items[i].fallback &&
		    !(schema->items[i].flags & (CONF_LIST | CONF_LABELLED)))
			r = conf_store_fallback(run, &schema->items[i], "");
	return r;
}

/* What is left of one scope that the files did not give: defaults, or an error. */
static int conf_finish_scope(struct conf_run *run, const struct conf_scope *scope)
{
	const struct conf_schema *schema = run->schema;
	int r = 0;

	for (size_t i = 0; i < schema->n_items && r == 0; i++) {
		const struct conf_item *item = &schema->items[i];

		if (strcmp(item->section, scope->first->section) ||
		    (scope->seen & conf_bit(run, item)))
			continue;
		if (item->flags & CONF_REQUIRED)
			return conf_item_failed(run, -EINVAL, item, scope->label, "is missing");
		if (item->fallback && (item->flags & (CONF_LIST | CONF_LABELLED)))
			r = conf_store_fallback(run, item, scope->label);
	}
	return r;
}

/* A section that no file has is finished as an empty one; a labelled one has no label to be. */
static int conf_finish_absent(struct conf_run *run, const struct conf_item *first)
{
	const struct conf_scope empty = { .first = first };
	char text[CONF_NAME_MAX + 16];

	for (size_t i = 0; i < run->n_scopes; i++)
		if (run->scopes[i].first == first)
			return 0;
	if (!conf_is_labelled(first))
		return conf_finish_scope(run, &empty);
	snprintf(text, sizeof(text), "[%s NAME]", first->section);
	for (size_t i = 0; i < run->schema->n_items; i++)
		if (!strcmp(run->schema->items[i].section, first->section) &&
		    (run->schema->items[i].flags & CONF_REQUIRED))
			return conf_fail(run, -EINVAL, "a section is missing", text);
	return 0;
}

static int conf_finish(struct conf_run *run, const char *path)
{
	const struct conf_schema *schema = run->schema;
	int r = 0;

	run->file = path;
	run->line = 0;
	for (size_t i = 0; i < run->n_scopes && r == 0; i++)
		r = conf_finish_scope(run, &run->scopes[i]);
	for (size_t i = 0; i < schema->n_items && r == 0; i++)
		if (conf_find_section(schema, schema->items[i].section) == &schema->items[i])
			r = conf_finish_absent(run, &schema->items[i]);
	return r;
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
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
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

	if (!isxdigit((unsigned char)text[hex ? 2 : 0]) || (!hex && text[0] == '0' && text[1]))
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
	uint64_t max = item->max < UINT32_MAX ? item->max : UINT32_MAX;
	int r = conf_parse_u64(value, item->min, max, &v);

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
