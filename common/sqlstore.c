/* SPDX-License-Identifier: MIT */
#include "common/sqlstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the log of changes once nobody needs more of it: somewhat above the 1000 pages at which
 * SQLite empties it. A backup that took hours may have made it grow. */
#define SQLSTORE_LOG_MAX (6 * 1024 * 1024)

int sqlstore_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static int sqlstore_exec(struct sqlstore *s, const char *sql)
{
	return sqlstore_errno(sqlite3_exec(s->sqlite, sql, NULL, NULL, NULL));
}

/* Nobody ever wrote a negative one. */
static int sqlstore_read_version(struct sqlstore *s, int *ret)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->sqlite, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW && *ret < 0 ? -EUCLEAN : sqlstore_errno(rc);
}

/* Two programs may find a new file, or an old one, at the same time: who comes second finds the
 * tables made. */
static int sqlstore_make_schema(struct sqlstore *s, const struct sqlstore_spec *spec)
{
	char mark[64];
	int version = 0;
	int r = sqlstore_begin(s);

	snprintf(mark, sizeof(mark), "PRAGMA user_version = %d", spec->version);
	if (r == 0)
		r = sqlstore_read_version(s, &version);
	for (int v = version; r == 0 && v < spec->version; v++)
		r = sqlstore_exec(s, spec->schema[v]);
	if (r == 0 && version < spec->version)
		r = sqlstore_exec(s, mark);
	if (r == 0)
		return sqlstore_commit(s);
	sqlstore_rollback(s);
	return r;
}

static int sqlstore_check_schema(struct sqlstore *s, const struct sqlstore_spec *spec)
{
	int version = 0;
	int r = sqlstore_read_version(s, &version);

	if (r == 0 && version < spec->version)
		r = sqlstore_make_schema(s, spec);
	if (r == 0)
		r = sqlstore_read_version(s, &version);
	if (r < 0)
		return r;
	return version == spec->version ? 0 : -EPROTO;
}

static int sqlstore_prepare(struct sqlstore *s, const struct sqlstore_spec *spec)
{
	int r = 0;

	s->queries = calloc(spec->n_queries, sizeof(*s->queries));
	if (!s->queries)
		return -ENOMEM;
	s->n = spec->n_queries;
	for (size_t i = 0; i < s->n && r == 0; i++)
		r = sqlstore_errno(sqlite3_prepare_v3(s->sqlite, spec->queries[i], -1,
						      SQLITE_PREPARE_PERSISTENT, &s->queries[i],
						      NULL));
	return r;
}

/* Only a file that is new, for SQLite's locks go when any descriptor of the file is closed. */
static int sqlstore_create(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 && errno != EEXIST ? -errno : 0;
}

static int sqlstore_set_up(struct sqlstore *s, const struct sqlstore_spec *spec)
{
	char pragma[256];
	int r;

	sqlite3_extended_result_codes(s->sqlite, 1);
	sqlite3_busy_timeout(s->sqlite, (int)spec->busy_ms);
	snprintf(pragma, sizeof(pragma),
		 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		 "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -%u;"
		 "PRAGMA journal_size_limit = %d;",
		 spec->cache_kib, SQLSTORE_LOG_MAX);
	r = sqlstore_exec(s, pragma);
	if (r == 0)
		r = sqlstore_check_schema(s, spec);
	return r < 0 ? r : sqlstore_prepare(s, spec);
}

int sqlstore_open(const struct sqlstore_spec *spec, struct sqlstore *ret)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
	int r = spec->create ? sqlstore_create(spec->path) : 0;
	int rc;

	*ret = (struct sqlstore){ 0 };
	if (r < 0)
		return r;
	rc = sqlite3_open_v2(spec->path, &ret->sqlite, flags, NULL);
	r = sqlstore_errno(rc);
	if (rc == SQLITE_CANTOPEN && sqlite3_system_errno(ret->sqlite))
		r = -sqlite3_system_errno(ret->sqlite);
	return r < 0 ? r : sqlstore_set_up(ret, spec);
}

int sqlstore_begin(struct sqlstore *s)
{
	return sqlstore_exec(s, "BEGIN IMMEDIATE");
}

int sqlstore_commit(struct sqlstore *s)
{
	int r = sqlstore_exec(s, "COMMIT");

	if (r < 0)
		sqlstore_rollback(s);
	return r;
}

void sqlstore_rollback(struct sqlstore *s)
{
	if (!sqlite3_get_autocommit(s->sqlite))
		(void)sqlstore_exec(s, "ROLLBACK");
}

int sqlstore_run(struct sqlstore *s, size_t query)
{
	int r = sqlstore_step(s, query);

	sqlstore_done(s, query);
	return r < 0 ? r : 0;
}

int sqlstore_step(struct sqlstore *s, size_t query)
{
	int rc = sqlite3_step(s->queries[query]);

	return rc == SQLITE_DONE ? SQLSTORE_E_NONE : sqlstore_errno(rc);
}

void sqlstore_done(struct sqlstore *s, size_t query)
{
	sqlite3_reset(s->queries[query]);
	sqlite3_clear_bindings(s->queries[query]);
}

int sqlstore_column_text(sqlite3_stmt *stmt, int at, char *ret, size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(stmt, at);
	size_t n = text ? strlen(text) : cap;

	if (n >= cap)
		return -EIO;
	memcpy(ret, text, n + 1);
	return 0;
}

void sqlstore_close(struct sqlstore *s)
{
	for (size_t i = 0; i < s->n; i++)
		sqlite3_finalize(s->queries[i]);
	free(s->queries);
	sqlite3_close(s->sqlite);
	*s = (struct sqlstore){ 0 };
}
