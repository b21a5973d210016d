/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/leasedb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/sqlstore.h"

#define LEASEDB_CACHE_KIB 512 /* SQLite's page cache: the keeper stays small */
#define LEASEDB_BUSY_MS 2000  /* somebody looks into the file with sqlite3(1) */
#define LEASEDB_COLUMNS                                                                            \
	"principal, provider, instance_id, serial, key, addr, epoch, granted, expires"

enum leasedb_query {
	LEASEDB_PUT,
	LEASEDB_REMOVE,
	LEASEDB_BY_KEY,
	LEASEDB_BY_ADDR,
	LEASEDB_BY_IDENTITY,
	LEASEDB_EXPIRED,
	LEASEDB_AFTER,
	LEASEDB_KEYS,
	LEASEDB_NEXT,
	LEASEDB_COUNT,
	LEASEDB_QUERY_N,
};

static const char *const leasedb_sql[LEASEDB_QUERY_N] = {
	[LEASEDB_PUT] = "INSERT OR REPLACE INTO lease (" LEASEDB_COLUMNS ") "
			"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[LEASEDB_REMOVE] = "DELETE FROM lease WHERE key = ?1",
	[LEASEDB_BY_KEY] = "SELECT " LEASEDB_COLUMNS " FROM lease WHERE key = ?1",
	[LEASEDB_BY_ADDR] = "SELECT " LEASEDB_COLUMNS " FROM lease WHERE addr = ?1",
	[LEASEDB_BY_IDENTITY] = "SELECT " LEASEDB_COLUMNS " FROM lease "
				"WHERE principal = ?1 AND provider = ?2 AND instance_id = ?3 "
				"ORDER BY epoch DESC LIMIT 1",
	[LEASEDB_EXPIRED] = "SELECT key FROM lease WHERE expires <= ?1 ORDER BY expires LIMIT ?2",
	[LEASEDB_AFTER] = "SELECT " LEASEDB_COLUMNS " FROM lease "
			  "WHERE key > ?1 ORDER BY key LIMIT ?2",
	[LEASEDB_KEYS] = "SELECT key FROM lease ORDER BY key",
	[LEASEDB_NEXT] = "SELECT min(expires) FROM lease",
	[LEASEDB_COUNT] = "SELECT count(*) FROM lease",
};

static const char *const leasedb_schema[LEASEDB_SCHEMA] = {
	"CREATE TABLE lease ("
	" key BLOB PRIMARY KEY CHECK (length(key) = 32),"
	" addr BLOB NOT NULL UNIQUE CHECK (length(addr) = 16),"
	" principal TEXT NOT NULL, provider TEXT NOT NULL, instance_id TEXT NOT NULL,"
	" serial TEXT NOT NULL, epoch INTEGER NOT NULL, granted INTEGER NOT NULL,"
	" expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX lease_identity ON lease (instance_id, provider, principal);"
	"CREATE INDEX lease_expires ON lease (expires);",
};

struct leasedb {
	struct sqlstore store;
};

int leasedb_open(const char *path, struct leasedb **ret)
{
	const struct sqlstore_spec spec = {
		.path = path,
		.create = true,
		.version = LEASEDB_SCHEMA,
		.schema = leasedb_schema,
		.queries = leasedb_sql,
		.n_queries = LEASEDB_QUERY_N,
		.cache_kib = LEASEDB_CACHE_KIB,
		.busy_ms = LEASEDB_BUSY_MS,
	};
	_cleanup_(leasedb_closep) struct leasedb *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return -ENOMEM;
	r = sqlstore_open(&spec, &db->store);
	if (r == 0)
		*ret = steal_ptr(db);
	return r;
}

static int leasedb_run(struct leasedb *db, enum leasedb_query query)
{
	return sqlstore_run(&db->store, query);
}

int leasedb_begin(struct leasedb *db)
{
	return sqlstore_begin(&db->store);
}

int leasedb_commit(struct leasedb *db)
{
	return sqlstore_commit(&db->store);
}

void leasedb_rollback(struct leasedb *db)
{
	sqlstore_rollback(&db->store);
}

static void leasedb_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	(void)sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void leasedb_bind_key(sqlite3_stmt *stmt, int at, const struct wgkey *key)
{
	(void)sqlite3_bind_blob(stmt, at, key->bytes, WGKEY_BYTES, SQLITE_STATIC);
}

static void leasedb_bind_addr(sqlite3_stmt *stmt, int at, const struct in6_addr *addr)
{
	(void)sqlite3_bind_blob(stmt, at, addr->s6_addr, sizeof(addr->s6_addr), SQLITE_STATIC);
}

/* A value that could not be bound is NULL, which no column takes. */
int leasedb_put(struct leasedb *db, const struct gate_lease *lease)
{
	sqlite3_stmt *stmt = db->store.queries[LEASEDB_PUT];

	leasedb_bind_text(stmt, 1, lease->principal);
	leasedb_bind_text(stmt, 2, lease->provider);
	leasedb_bind_text(stmt, 3, lease->instance_id);
	leasedb_bind_text(stmt, 4, lease->serial);
	leasedb_bind_key(stmt, 5, &lease->key);
	leasedb_bind_addr(stmt, 6, &lease->addr);
	(void)sqlite3_bind_int64(stmt, 7, (int64_t)lease->epoch);
	(void)sqlite3_bind_int64(stmt, 8, (int64_t)lease->granted_wall);
	(void)sqlite3_bind_int64(stmt, 9, (int64_t)lease->expires_wall);
	return leasedb_run(db, LEASEDB_PUT);
}

int leasedb_remove(struct leasedb *db, const struct wgkey *key)
{
	leasedb_bind_key(db->store.queries[LEASEDB_REMOVE], 1, key);
	return leasedb_run(db, LEASEDB_REMOVE);
}

static int leasedb_column_blob(sqlite3_stmt *stmt, int at, void *ret, size_t len)
{
	const void *blob = sqlite3_column_blob(stmt, at);

	if (!blob || (size_t)sqlite3_column_bytes(stmt, at) != len)
		return -EIO;
	memcpy(ret, blob, len);
	return 0;
}

/* Takes the row under @stmt, columns as in LEASEDB_COLUMNS. */
static int leasedb_column_lease(sqlite3_stmt *stmt, struct gate_lease *ret)
{
	if (sqlstore_column_text(stmt, 0, ret->principal, sizeof(ret->principal)) < 0 ||
	    sqlstore_column_text(stmt, 1, ret->provider, sizeof(ret->provider)) < 0 ||
	    sqlstore_column_text(stmt, 2, ret->instance_id, sizeof(ret->instance_id)) < 0 ||
	    sqlstore_column_text(stmt, 3, ret->serial, sizeof(ret->serial)) < 0 ||
	    leasedb_column_blob(stmt, 4, ret->key.bytes, WGKEY_BYTES) < 0 ||
	    leasedb_column_blob(stmt, 5, ret->addr.s6_addr, sizeof(ret->addr.s6_addr)) < 0)
		return -EIO;
	ret->epoch = (uint64_t)sqlite3_column_int64(stmt, 6);
	ret->granted_wall = (uint64_t)sqlite3_column_int64(stmt, 7);
	ret->expires_wall = (uint64_t)sqlite3_column_int64(stmt, 8);
	return 0;
}

static int leasedb_find(struct leasedb *db, enum leasedb_query query, struct gate_lease *ret)
{
	sqlite3_stmt *stmt = db->store.queries[query];
	struct gate_lease lease = { .epoch = 0 };
	int rc = sqlite3_step(stmt);
	int r = rc == SQLITE_ROW  ? leasedb_column_lease(stmt, &lease) :
		rc == SQLITE_DONE ? LEASEDB_E_NONE :
				    sqlstore_errno(rc);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (r == 0)
		*ret = lease;
	return r;
}

int leasedb_find_key(struct leasedb *db, const struct wgkey *key, struct gate_lease *ret)
{
	leasedb_bind_key(db->store.queries[LEASEDB_BY_KEY], 1, key);
	return leasedb_find(db, LEASEDB_BY_KEY, ret);
}

int leasedb_find_addr(struct leasedb *db, const struct in6_addr *addr, struct gate_lease *ret)
{
	leasedb_bind_addr(db->store.queries[LEASEDB_BY_ADDR], 1, addr);
	return leasedb_find(db, LEASEDB_BY_ADDR, ret);
}

int leasedb_find_identity(struct leasedb *db, const struct gate_lease *like, struct gate_lease *ret)
{
	sqlite3_stmt *stmt = db->store.queries[LEASEDB_BY_IDENTITY];

	leasedb_bind_text(stmt, 1, like->principal);
	leasedb_bind_text(stmt, 2, like->provider);
	leasedb_bind_text(stmt, 3, like->instance_id);
	return leasedb_find(db, LEASEDB_BY_IDENTITY, ret);
}

int leasedb_list_expired(struct leasedb *db, uint64_t now_wall, size_t max, struct wgkey *ret,
			 size_t *ret_n)
{
	sqlite3_stmt *stmt = db->store.queries[LEASEDB_EXPIRED];
	size_t n = 0;
	int rc, r = 0;

	(void)sqlite3_bind_int64(stmt, 1, (int64_t)now_wall);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)max);
	while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW && n < max)
		r = leasedb_column_blob(stmt, 0, ret[n++].bytes, WGKEY_BYTES);
	if (r == 0)
		r = sqlstore_errno(rc);
	sqlite3_reset(stmt);
	if (r == 0)
		*ret_n = n;
	return r;
}

int leasedb_list_after(struct leasedb *db, const struct wgkey *key, size_t max,
		       struct gate_lease *ret, size_t *ret_n)
{
	sqlite3_stmt *stmt = db->store.queries[LEASEDB_AFTER];
	size_t n = 0;
	int rc, r = 0;

	leasedb_bind_key(stmt, 1, key);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)max);
	while (r == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW && n < max)
		r = leasedb_column_lease(stmt, &ret[n++]);
	if (r == 0)
		r = sqlstore_errno(rc);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (r == 0)
		*ret_n = n;
	return r;
}

int leasedb_list_keys(struct leasedb *db, struct wgkey **ret, size_t *ret_n)
{
	sqlite3_stmt *stmt = db->store.queries[LEASEDB_KEYS];
	struct wgkey *keys;
	uint64_t max = 0;
	size_t n = 0;
	int rc = SQLITE_DONE, r = leasedb_count(db, &max);

	if (r < 0)
		return r;
	keys = calloc(max + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	while (r == 0 && n < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		r = leasedb_column_blob(stmt, 0, keys[n++].bytes, WGKEY_BYTES);
	if (r == 0)
		r = sqlstore_errno(rc);
	sqlite3_reset(stmt);
	if (r < 0) {
		free(keys);
		return r;
	}
	*ret = keys;
	*ret_n = n;
	return 0;
}

static int leasedb_number(struct leasedb *db, enum leasedb_query query, uint64_t if_null,
			  uint64_t *ret)
{
	sqlite3_stmt *stmt = db->store.queries[query];
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_NULL)
		*ret = if_null;
	else if (rc == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return sqlstore_errno(rc);
}

int leasedb_next_expiry(struct leasedb *db, uint64_t *ret)
{
	return leasedb_number(db, LEASEDB_NEXT, UINT64_MAX, ret);
}

int leasedb_count(struct leasedb *db, uint64_t *ret)
{
	return leasedb_number(db, LEASEDB_COUNT, 0, ret);
}

const char *leasedb_error(const struct leasedb *db)
{
	return sqlite3_errmsg(db->store.sqlite);
}

void leasedb_close(struct leasedb *db)
{
	if (!db)
		return;
	sqlstore_close(&db->store);
	free(db);
}

void leasedb_closep(struct leasedb **p)
{
	leasedb_close(*p);
}
