/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What ztsctl prints of the store: tables with aligned columns, lists of "name value", JSON. Cells
 * and JSON hold only what the store holds: names, serials, addresses.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "certs/ztsd/ztsdb.h"
#include "common/attr.h"

#define ZTSSHOW_COLUMNS_MAX 8

/* A table is fed twice, so that it needs no memory for its rows: first to measure, then to
 * print. */
struct ztsshow_table {
	FILE *to;
	size_t n_columns;
	size_t widths[ZTSSHOW_COLUMNS_MAX];
	bool is_printing; /* the second time */
};

/* A list in JSON that grows by whole objects. */
struct ztsshow_json {
	FILE *to;
	size_t n;
};

/* One row; "" becomes "-". The last cell gets no blanks behind it. */
void ztsshow_row(struct ztsshow_table *t, const char *const *cells);

/* The row that names the columns of the next function, and one row of an instance. */
void ztsshow_instance_head(struct ztsshow_table *t);
/* As ztsshow_instance_head(). */
void ztsshow_instance_row(struct ztsshow_table *t, const struct ztsdb_instance *i);
/* All that is known, one line each. */
void ztsshow_instance_text(FILE *to, const struct ztsdb_instance *i);

/* Begins, fills and ends a list; a list that holds nothing is "[]". */
void ztsshow_json_begin(struct ztsshow_json *j, FILE *to);
/* As ztsshow_json_begin(). Errors: 0; -ENOMEM, also for a text that is not UTF-8. */
int ztsshow_json_instance(struct ztsshow_json *j, const struct ztsdb_instance *i) _warn_unused_;
/* As ztsshow_json_instance(), of a domain; its services are listed by @db. */
int ztsshow_json_domain(struct ztsshow_json *j, struct ztsdb *db,
			const struct ztsdb_domain *d) _warn_unused_;
/* As ztsshow_json_begin(). */
void ztsshow_json_end(struct ztsshow_json *j);

/* "live", "stale" or "blocked". Static. */
const char *ztsshow_state(enum ztsdb_state state);
