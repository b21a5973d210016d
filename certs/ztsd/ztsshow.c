/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsshow.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonin.h"
#include "common/timetext.h"

#define FULL_NAME_MAX (2 * PRINCIPAL_MAX)

const char *ztsshow_state(enum ztsdb_state state)
{
	switch (state) {
	case ZTSDB_LIVE:
		return "live";
	case ZTSDB_STALE:
		return "stale";
	case ZTSDB_BLOCKED:
		return "blocked";
	}
	return "unknown";
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

void ztsshow_row(struct ztsshow_table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *cell = or_dash(cells[i]);
		size_t len = strlen(cell);

		if (!t->is_printing && len > t->widths[i])
			t->widths[i] = len;
		if (t->is_printing && i + 1 < t->n_columns)
			fprintf(t->to, "%-*s  ", (int)t->widths[i], cell);
		else if (t->is_printing)
			fprintf(t->to, "%s\n", cell);
	}
}

void ztsshow_instance_head(struct ztsshow_table *t)
{
	static const char *const cells[] = { "INSTANCE", "SERVICE",      "PROVIDER", "STATE",
					     "SERIAL",   "LAST REQUEST", "EXPIRES",  "ADDRESS" };

	t->n_columns = ARRAY_SIZE(cells);
	ztsshow_row(t, cells);
}

static const char *full_name(const struct ztsdb_instance *i, char ret[static FULL_NAME_MAX])
{
	snprintf(ret, FULL_NAME_MAX, "%s.%s", i->domain, i->service);
	return ret;
}

void ztsshow_instance_row(struct ztsshow_table *t, const struct ztsdb_instance *i)
{
	char name[FULL_NAME_MAX], last[TIMETEXT_MAX], expires[TIMETEXT_MAX];
	const char *const cells[] = { i->instance_id,
				      full_name(i, name),
				      i->provider,
				      ztsshow_state(i->state),
				      i->current,
				      timetext_stamp(i->last_wall, last),
				      timetext_stamp(i->expires_wall, expires),
				      i->addr };

	ztsshow_row(t, cells);
}

static void print_fact(FILE *to, const char *name, const char *value)
{
	fprintf(to, "%-16s %s\n", name, or_dash(value));
}

static void print_time(FILE *to, const char *name, uint64_t wall)
{
	char text[TIMETEXT_MAX];

	print_fact(to, name, timetext_stamp(wall, text));
}

void ztsshow_instance_text(FILE *to, const struct ztsdb_instance *i)
{
	char name[FULL_NAME_MAX];

	print_fact(to, "instance", i->instance_id);
	print_fact(to, "service", full_name(i, name));
	print_fact(to, "provider", i->provider);
	print_fact(to, "state", ztsshow_state(i->state));
	print_fact(to, "serial", i->current);
	print_fact(to, "previous serial", i->previous);
	print_fact(to, "address", i->addr);
	print_time(to, "registered", i->first_wall);
	print_time(to, "last request", i->last_wall);
	print_time(to, "expires", i->expires_wall);
	print_time(to, "reset", i->reset_wall);
}

/* ---- JSON ---- */

void ztsshow_json_begin(struct ztsshow_json *j, FILE *to)
{
	*j = (struct ztsshow_json){ .to = to };
	fputs("[", to);
}

void ztsshow_json_end(struct ztsshow_json *j)
{
	fputs(j->n ? "\n]\n" : "]\n", j->to);
}

/* Gives the text (free() it), NULL when there is no memory. Not json_dumps(): out of memory that
 * one may leave a piece out and go on. */
static char *dump(const json_t *object)
{
	size_t len = json_dumpb(object, NULL, 0, 0);
	char *text = len ? malloc(len + 1) : NULL;

	if (!text || json_dumpb(object, text, len, 0) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

/* Takes @object; NULL means that it could not be made. */
static int print_object(struct ztsshow_json *j, json_t *object)
{
	char *text = object ? dump(object) : NULL;
	int r = text ? 0 : -ENOMEM;

	if (text)
		fprintf(j->to, "%s\n %s", j->n++ ? "," : "", text);
	free(text);
	json_decref(object);
	return r;
}

int ztsshow_json_instance(struct ztsshow_json *j, const struct ztsdb_instance *i)
{
	return print_object(j, json_pack("{ss ss ss ss ss ss ss ss sI sI sI sI}", "instance_id",
					 i->instance_id, "domain", i->domain, "service", i->service,
					 "provider", i->provider, "state", ztsshow_state(i->state),
					 "current", i->current, "previous", i->previous, "address",
					 i->addr, "registered_s", (json_int_t)i->first_wall,
					 "last_request_s", (json_int_t)i->last_wall, "expires_s",
					 (json_int_t)i->expires_wall, "reset_s",
					 (json_int_t)i->reset_wall));
}

static int add_service(const struct ztsdb_service *s, void *user)
{
	json_t *object = json_pack("{ss ss}", "service", s->service, "provider", s->provider);

	/* It takes the object whether it works or not. */
	return object && json_array_append_new(user, object) == 0 ? 0 : -ENOMEM;
}

int ztsshow_json_domain(struct ztsshow_json *j, struct ztsdb *db, const struct ztsdb_domain *d)
{
	_cleanup_(jsonin_freep) json_t *services = json_array();
	int r = services ? ztsdb_list_services(db, d->name, add_service, services) : -ENOMEM;

	if (r != 0)
		return r;
	return print_object(j, json_pack("{ss ss sI sO}", "domain", d->name, "account", d->account,
					 "max_lifetime_s", (json_int_t)d->max_lifetime_s,
					 "services", services));
}
