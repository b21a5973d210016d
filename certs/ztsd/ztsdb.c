/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sqlstore.h"

#define ZTSDB_BUSY_MS 5000   /* ztsctl or a backup writes; longer is -EBUSY */
#define ZTSDB_CACHE_KIB 4096 /* SQLite's page cache of one connection */
#define ZTSDB_REVOKED "-1"   /* in place of a serial. Source: Athenz, InstanceCertManager */
#define ZTSDB_PAGE 64        /* records that a list reads at a time */
#define ZTSDB_IDS_END "\x7f" /* behind every instance id */

/* In every query ?1...?4 are provider, domain, service and instance id of a key. */
#define ZTSDB_IS_KEY                                                                               \
	"instance_id = ?4 AND provider = ?1 AND domain = ?2 AND "                                  \
	"service = ?3"
#define ZTSDB_COLUMNS                                                                              \
	"provider, domain, service, instance_id, current, previous, state, reset, addr, "          \
	"first, last, expires"
#define ZTSDB_ORDER "instance_id, provider, domain, service" /* that of the table's own key */

enum ztsdb_query {
	ZTSDB_PUT_DOMAIN,
	ZTSDB_DEL_DOMAIN,
	ZTSDB_GET_DOMAIN,
	ZTSDB_ALL_DOMAINS,
	ZTSDB_PUT_SERVICE,
	ZTSDB_PUT_LAUNCH,
	ZTSDB_DEL_SERVICE,
	ZTSDB_DEL_LAUNCH,
	ZTSDB_ALL_SERVICES,
	ZTSDB_ASK_LAUNCH,
	ZTSDB_REGISTER,
	ZTSDB_REFRESH,
	ZTSDB_MARK_STALE,
	ZTSDB_GET_INSTANCE,
	ZTSDB_SOME_INSTANCES,
	ZTSDB_BLOCK,
	ZTSDB_RESET,
	ZTSDB_GET_EPOCH,
	ZTSDB_PUT_EPOCH,
	ZTSDB_HEAL_ALL,
	ZTSDB_DEL_INSTANCE,
	ZTSDB_FORGET,
	ZTSDB_COUNT,
	ZTSDB_QUERY_N,
};

static const char *const ztsdb_sql[ZTSDB_QUERY_N] = {
	[ZTSDB_PUT_DOMAIN] = "INSERT INTO domain (name, account, cap) VALUES (?1, ?2, ?3) "
			     "ON CONFLICT (name) DO UPDATE SET account = ?2, cap = ?3",
	[ZTSDB_DEL_DOMAIN] = "DELETE FROM domain WHERE name = ?1",
	[ZTSDB_GET_DOMAIN] = "SELECT name, account, cap FROM domain WHERE name = ?1",
	[ZTSDB_ALL_DOMAINS] = "SELECT name, account, cap FROM domain ORDER BY name",
	[ZTSDB_PUT_SERVICE] = "INSERT OR IGNORE INTO service (domain, name) VALUES (?1, ?2)",
	[ZTSDB_PUT_LAUNCH] = "INSERT OR IGNORE INTO launch (domain, service, provider) "
			     "VALUES (?1, ?2, ?3)",
	[ZTSDB_DEL_SERVICE] = "DELETE FROM service WHERE domain = ?1 AND name = ?2",
	[ZTSDB_DEL_LAUNCH] = "DELETE FROM launch WHERE domain = ?1 AND service = ?2 "
			     "AND provider = ?3",
	[ZTSDB_ALL_SERVICES] = "SELECT s.domain, s.name, coalesce(l.provider, '') FROM service s "
			       "LEFT JOIN launch l ON l.domain = s.domain AND l.service = s.name "
			       "WHERE ?1 IS NULL OR s.domain = ?1 ORDER BY 1, 2, 3",
	[ZTSDB_ASK_LAUNCH] = "SELECT account, cap, EXISTS (SELECT 1 FROM service "
			     "WHERE domain = ?2 AND name = ?3), EXISTS (SELECT 1 FROM launch "
			     "WHERE domain = ?2 AND service = ?3 AND provider = ?1) "
			     "FROM domain WHERE name = ?2",
	/* A new registration knows no certificate from before: who still uses one is a clone. */
	[ZTSDB_REGISTER] = "INSERT INTO instance (" ZTSDB_COLUMNS ") "
			   "VALUES (?1, ?2, ?3, ?4, ?5, '', 0, 0, ?6, ?7, ?7, ?8) "
			   "ON CONFLICT (instance_id, provider, domain, service) DO UPDATE SET "
			   "current = ?5, previous = '', state = 0, reset = 0, addr = ?6, "
			   "last = ?7, expires = ?8 WHERE state <> 2",
	[ZTSDB_REFRESH] = "UPDATE instance SET current = ?5, addr = ?6, last = ?7, expires = ?8, "
			  "previous = ?9, reset = 0 WHERE " ZTSDB_IS_KEY,
	[ZTSDB_MARK_STALE] = "UPDATE instance SET current = '" ZTSDB_REVOKED
			     "', previous = '" ZTSDB_REVOKED "', state = 1 WHERE " ZTSDB_IS_KEY,
	[ZTSDB_GET_INSTANCE] = "SELECT " ZTSDB_COLUMNS " FROM instance WHERE " ZTSDB_IS_KEY,
	/* A page of them: behind the record ?5...?8, and up to the id ?4. */
	[ZTSDB_SOME_INSTANCES] = "SELECT " ZTSDB_COLUMNS " FROM instance "
				 "WHERE (" ZTSDB_ORDER ") > (?5, ?6, ?7, ?8) "
				 "AND instance_id <= ?4 AND (?1 = '' OR provider = ?1) "
				 "AND (?2 = '' OR domain = ?2) AND (?3 = '' OR service = ?3) "
				 "ORDER BY " ZTSDB_ORDER " LIMIT ?9",
	[ZTSDB_BLOCK] = "UPDATE instance SET current = '" ZTSDB_REVOKED
			"', previous = '" ZTSDB_REVOKED "', state = 2 WHERE " ZTSDB_IS_KEY,
	[ZTSDB_RESET] = "UPDATE instance SET state = 0, reset = ?5 WHERE " ZTSDB_IS_KEY,
	[ZTSDB_GET_EPOCH] = "SELECT value FROM fact WHERE name = 'reset'",
	[ZTSDB_PUT_EPOCH] = "INSERT OR REPLACE INTO fact (name, value) VALUES ('reset', ?1)",
	[ZTSDB_HEAL_ALL] = "UPDATE instance SET state = 0 WHERE state = 1",
	[ZTSDB_DEL_INSTANCE] = "DELETE FROM instance WHERE " ZTSDB_IS_KEY,
	[ZTSDB_FORGET] = "DELETE FROM instance WHERE " ZTSDB_IS_KEY
			 " AND state <> 2 AND last <= ?5 AND expires <= ?6",
	[ZTSDB_COUNT] = "SELECT value FROM fact WHERE name = 'records'",
};

static const char *const ztsdb_schema[ZTSDB_SCHEMA] = {
	"CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE domain (name TEXT PRIMARY KEY, account TEXT NOT NULL, cap INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE service (domain TEXT NOT NULL REFERENCES domain ON DELETE CASCADE,"
	" name TEXT NOT NULL, PRIMARY KEY (domain, name)) WITHOUT ROWID;"
	"CREATE TABLE launch (domain TEXT NOT NULL, service TEXT NOT NULL, provider TEXT NOT NULL,"
	" PRIMARY KEY (domain, service, provider),"
	" FOREIGN KEY (domain, service) REFERENCES service ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE TABLE instance (provider TEXT NOT NULL, domain TEXT NOT NULL,"
	" service TEXT NOT NULL, instance_id TEXT NOT NULL, current TEXT NOT NULL,"
	" previous TEXT NOT NULL, state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"
	" reset INTEGER NOT NULL, addr TEXT NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL, expires INTEGER NOT NULL,"
	" PRIMARY KEY (instance_id, provider, domain, service)) WITHOUT ROWID;",

	/* The store counts its records itself: whoever asks would have to read all of them. */
	"INSERT INTO fact (name, value) SELECT 'records', count(*) FROM instance;"
	"CREATE TRIGGER instance_added AFTER INSERT ON instance BEGIN"
	" UPDATE fact SET value = value + 1 WHERE name = 'records'; END;"
	"CREATE TRIGGER instance_removed AFTER DELETE ON instance BEGIN"
	" UPDATE fact SET value = value - 1 WHERE name = 'records'; END;",
};

struct ztsdb {
	struct sqlstore store;
};

int ztsdb_open(const char *path, bool create, struct ztsdb **ret)
{
	const struct sqlstore_spec spec = {
		.path = path,
		.create = create,
		.version = ZTSDB_SCHEMA,
		.schema = ztsdb_schema,
		.queries = ztsdb_sql,
		.n_queries = ZTSDB_QUERY_N,
		.cache_kib = ZTSDB_CACHE_KIB,
		.busy_ms = ZTSDB_BUSY_MS,
	};
	_cleanup_(ztsdb_closep) struct ztsdb *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return -ENOMEM;
	r = sqlstore_open(&spec, &db->store);
	if (r == 0)
		*ret = steal_ptr(db);
	return r;
}

const char *ztsdb_explain(int error)
{
	switch (error) {
	case -EUCLEAN:
		return "damaged; put a copy back, or move it away: then domains must be added "
		       "again, and hosts register afresh";
	case -EPROTO:
		return "a newer ztsd made it; use the programs of that version";
	case -EBUSY:
		return "another program holds it; try again";
	case -EROFS:
	case -EACCES:
		return "this user may not write it; be root, or the user of ztsd";
	case -ENOSPC:
		return "the disk is full";
	default:
		return strerror(-error);
	}
}

static int ztsdb_run(struct ztsdb *db, enum ztsdb_query query)
{
	return sqlstore_run(&db->store, query);
}

/* As ztsdb_run(); ZTSDB_E_NONE when it changed nothing. */
static int ztsdb_change(struct ztsdb *db, enum ztsdb_query query)
{
	int r = ztsdb_run(db, query);

	if (r < 0)
		return r;
	return sqlite3_changes(db->store.sqlite) ? 0 : ZTSDB_E_NONE;
}

int ztsdb_begin(struct ztsdb *db)
{
	return sqlstore_begin(&db->store);
}

int ztsdb_commit(struct ztsdb *db)
{
	return sqlstore_commit(&db->store);
}

void ztsdb_rollback(struct ztsdb *db)
{
	sqlstore_rollback(&db->store);
}

/* Begins a transaction unless the caller did. */
static int ztsdb_enter(struct ztsdb *db, bool *ret_own)
{
	*ret_own = sqlite3_get_autocommit(db->store.sqlite) != 0;
	return *ret_own ? ztsdb_begin(db) : 0;
}

/* Ends what ztsdb_enter() began: refusals are kept, too. */
static int ztsdb_leave(struct ztsdb *db, bool own, int result)
{
	int r = 0;

	if (!own)
		return result;
	if (result < 0)
		ztsdb_rollback(db);
	else
		r = ztsdb_commit(db);
	return r < 0 ? r : result;
}

/* A value that could not be bound is NULL, which no column takes. */
static void ztsdb_bind_text(struct ztsdb *db, enum ztsdb_query query, int at, const char *text)
{
	(void)sqlite3_bind_text(db->store.queries[query], at, text ? text : "", -1, SQLITE_STATIC);
}

static void ztsdb_bind_number(struct ztsdb *db, enum ztsdb_query query, int at, uint64_t number)
{
	(void)sqlite3_bind_int64(db->store.queries[query], at, (int64_t)number);
}

static void ztsdb_bind_key(struct ztsdb *db, enum ztsdb_query query, const struct ztsdb_key *key)
{
	ztsdb_bind_text(db, query, 1, key->provider);
	ztsdb_bind_text(db, query, 2, key->domain);
	ztsdb_bind_text(db, query, 3, key->service);
	ztsdb_bind_text(db, query, 4, key->instance_id);
}

static uint64_t ztsdb_column_number(sqlite3_stmt *stmt, int at)
{
	return (uint64_t)sqlite3_column_int64(stmt, at);
}

static int ztsdb_column_domain(sqlite3_stmt *stmt, struct ztsdb_domain *ret)
{
	if (sqlstore_column_text(stmt, 0, ret->name, sizeof(ret->name)) < 0 ||
	    sqlstore_column_text(stmt, 1, ret->account, sizeof(ret->account)) < 0)
		return -EIO;
	ret->max_lifetime_s = (uint32_t)ztsdb_column_number(stmt, 2);
	return 0;
}

/* Columns as in ZTSDB_COLUMNS. */
static int ztsdb_column_instance(sqlite3_stmt *stmt, struct ztsdb_instance *ret)
{
	const struct {
		char *to;
		size_t cap;
		int at;
	} texts[] = {
		{ ret->provider, sizeof(ret->provider), 0 },
		{ ret->domain, sizeof(ret->domain), 1 },
		{ ret->service, sizeof(ret->service), 2 },
		{ ret->instance_id, sizeof(ret->instance_id), 3 },
		{ ret->current, sizeof(ret->current), 4 },
		{ ret->previous, sizeof(ret->previous), 5 },
		{ ret->addr, sizeof(ret->addr), 8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (sqlstore_column_text(stmt, texts[i].at, texts[i].to, texts[i].cap) < 0)
			return -EIO;
	ret->state = (enum ztsdb_state)sqlite3_column_int(stmt, 6);
	ret->reset_wall = ztsdb_column_number(stmt, 7);
	ret->first_wall = ztsdb_column_number(stmt, 9);
	ret->last_wall = ztsdb_column_number(stmt, 10);
	ret->expires_wall = ztsdb_column_number(stmt, 11);
	return 0;
}

/* Steps to the next row of @query. Errors: 0; ZTSDB_E_NONE. The caller calls ztsdb_done(). */
static int ztsdb_step(struct ztsdb *db, enum ztsdb_query query)
{
	int r = sqlstore_step(&db->store, query);

	return r == SQLSTORE_E_NONE ? ZTSDB_E_NONE : r;
}

static void ztsdb_done(struct ztsdb *db, enum ztsdb_query query)
{
	sqlstore_done(&db->store, query);
}

int ztsdb_put_domain(struct ztsdb *db, const struct ztsdb_domain *domain)
{
	ztsdb_bind_text(db, ZTSDB_PUT_DOMAIN, 1, domain->name);
	ztsdb_bind_text(db, ZTSDB_PUT_DOMAIN, 2, domain->account);
	ztsdb_bind_number(db, ZTSDB_PUT_DOMAIN, 3, domain->max_lifetime_s);
	return ztsdb_run(db, ZTSDB_PUT_DOMAIN);
}

int ztsdb_remove_domain(struct ztsdb *db, const char *name)
{
	ztsdb_bind_text(db, ZTSDB_DEL_DOMAIN, 1, name);
	return ztsdb_change(db, ZTSDB_DEL_DOMAIN);
}

int ztsdb_find_domain(struct ztsdb *db, const char *name, struct ztsdb_domain *ret)
{
	struct ztsdb_domain domain = { .name = "" };
	int r;

	ztsdb_bind_text(db, ZTSDB_GET_DOMAIN, 1, name);
	r = ztsdb_step(db, ZTSDB_GET_DOMAIN);
	if (r == 0)
		r = ztsdb_column_domain(db->store.queries[ZTSDB_GET_DOMAIN], &domain);
	ztsdb_done(db, ZTSDB_GET_DOMAIN);
	if (r == 0)
		*ret = domain;
	return r;
}

int ztsdb_list_domains(struct ztsdb *db, ztsdb_domain_fn *fn, void *user)
{
	struct ztsdb_domain domain = { .name = "" };
	int r;

	while ((r = ztsdb_step(db, ZTSDB_ALL_DOMAINS)) == 0) {
		r = ztsdb_column_domain(db->store.queries[ZTSDB_ALL_DOMAINS], &domain);
		if (r == 0)
			r = fn(&domain, user);
		if (r != 0)
			break;
	}
	ztsdb_done(db, ZTSDB_ALL_DOMAINS);
	return r == ZTSDB_E_NONE ? 0 : r;
}

static int ztsdb_insert_service(struct ztsdb *db, const struct ztsdb_service *service)
{
	struct ztsdb_domain domain;
	int r = ztsdb_find_domain(db, service->domain, &domain);

	if (r != 0)
		return r;
	ztsdb_bind_text(db, ZTSDB_PUT_SERVICE, 1, service->domain);
	ztsdb_bind_text(db, ZTSDB_PUT_SERVICE, 2, service->service);
	r = ztsdb_run(db, ZTSDB_PUT_SERVICE);
	if (r < 0 || !*service->provider)
		return r;
	ztsdb_bind_text(db, ZTSDB_PUT_LAUNCH, 1, service->domain);
	ztsdb_bind_text(db, ZTSDB_PUT_LAUNCH, 2, service->service);
	ztsdb_bind_text(db, ZTSDB_PUT_LAUNCH, 3, service->provider);
	return ztsdb_run(db, ZTSDB_PUT_LAUNCH);
}

int ztsdb_put_service(struct ztsdb *db, const struct ztsdb_service *service)
{
	bool own;
	int r = ztsdb_enter(db, &own);

	if (r < 0)
		return r;
	return ztsdb_leave(db, own, ztsdb_insert_service(db, service));
}

int ztsdb_remove_service(struct ztsdb *db, const struct ztsdb_service *service)
{
	enum ztsdb_query query = *service->provider ? ZTSDB_DEL_LAUNCH : ZTSDB_DEL_SERVICE;

	ztsdb_bind_text(db, query, 1, service->domain);
	ztsdb_bind_text(db, query, 2, service->service);
	if (*service->provider)
		ztsdb_bind_text(db, query, 3, service->provider);
	return ztsdb_change(db, query);
}

static int ztsdb_column_service(sqlite3_stmt *stmt, struct ztsdb_service *ret)
{
	if (sqlstore_column_text(stmt, 0, ret->domain, sizeof(ret->domain)) < 0 ||
	    sqlstore_column_text(stmt, 1, ret->service, sizeof(ret->service)) < 0 ||
	    sqlstore_column_text(stmt, 2, ret->provider, sizeof(ret->provider)) < 0)
		return -EIO;
	return 0;
}

int ztsdb_list_services(struct ztsdb *db, const char *domain, ztsdb_service_fn *fn, void *user)
{
	struct ztsdb_service service = { .domain = "" };
	int r;

	if (domain)
		ztsdb_bind_text(db, ZTSDB_ALL_SERVICES, 1, domain);
	while ((r = ztsdb_step(db, ZTSDB_ALL_SERVICES)) == 0) {
		r = ztsdb_column_service(db->store.queries[ZTSDB_ALL_SERVICES], &service);
		if (r == 0)
			r = fn(&service, user);
		if (r != 0)
			break;
	}
	ztsdb_done(db, ZTSDB_ALL_SERVICES);
	return r == ZTSDB_E_NONE ? 0 : r;
}

int ztsdb_find_launch(struct ztsdb *db, const struct ztsdb_key *key, struct ztsdb_launch *ret)
{
	sqlite3_stmt *stmt = db->store.queries[ZTSDB_ASK_LAUNCH];
	struct ztsdb_launch launch = { .has_domain = false };
	int r;

	ztsdb_bind_text(db, ZTSDB_ASK_LAUNCH, 1, key->provider);
	ztsdb_bind_text(db, ZTSDB_ASK_LAUNCH, 2, key->domain);
	ztsdb_bind_text(db, ZTSDB_ASK_LAUNCH, 3, key->service);
	r = ztsdb_step(db, ZTSDB_ASK_LAUNCH);
	if (r == 0) {
		launch.has_domain = true;
		launch.max_lifetime_s = (uint32_t)ztsdb_column_number(stmt, 1);
		launch.has_service = sqlite3_column_int(stmt, 2) != 0;
		launch.is_allowed = sqlite3_column_int(stmt, 3) != 0;
		r = sqlstore_column_text(stmt, 0, launch.account, sizeof(launch.account));
	}
	ztsdb_done(db, ZTSDB_ASK_LAUNCH);
	if (r < 0)
		return r;
	*ret = launch;
	return 0;
}

static void ztsdb_bind_issue(struct ztsdb *db, enum ztsdb_query query,
			     const struct ztsdb_issue *issue)
{
	ztsdb_bind_key(db, query, &issue->key);
	ztsdb_bind_text(db, query, 5, issue->serial);
	ztsdb_bind_text(db, query, 6, issue->addr);
	ztsdb_bind_number(db, query, 7, issue->now_wall);
	ztsdb_bind_number(db, query, 8, issue->expires_wall);
}

int ztsdb_register(struct ztsdb *db, const struct ztsdb_issue *issue)
{
	int r;

	ztsdb_bind_issue(db, ZTSDB_REGISTER, issue);
	r = ztsdb_change(db, ZTSDB_REGISTER);
	return r == ZTSDB_E_NONE ? ZTSDB_E_REVOKED : r;
}

static int ztsdb_mark(struct ztsdb *db, enum ztsdb_query query, const struct ztsdb_key *key)
{
	ztsdb_bind_key(db, query, key);
	return ztsdb_change(db, query);
}

/* The time of ztsdb_reset_all(), 0 when that was never called. */
static int ztsdb_read_epoch(struct ztsdb *db, uint64_t *ret)
{
	int r = ztsdb_step(db, ZTSDB_GET_EPOCH);

	if (r >= 0)
		*ret = r == 0 ? ztsdb_column_number(db->store.queries[ZTSDB_GET_EPOCH], 0) : 0;
	ztsdb_done(db, ZTSDB_GET_EPOCH);
	return r < 0 ? r : 0;
}

/* Whether an operator's reset covers the certificate: it was made before, and the record was not
 * used since. */
static bool ztsdb_is_reset(const struct ztsdb_instance *record, uint64_t epoch,
			   const struct ztsdb_issue *issue)
{
	return (record->reset_wall && issue->presented_wall <= record->reset_wall) ||
	       (record->last_wall <= epoch && issue->presented_wall <= epoch);
}

/* What becomes the previous serial; NULL when the certificate is good for nothing. */
static const char *ztsdb_judge(const struct ztsdb_instance *record, uint64_t epoch,
			       const struct ztsdb_issue *issue)
{
	if (record->state == ZTSDB_BLOCKED || !*issue->presented ||
	    !strcmp(issue->presented, ZTSDB_REVOKED))
		return NULL;
	if (!strcmp(issue->presented, record->current))
		return record->current;
	if (!strcmp(issue->presented, record->previous))
		return record->previous;
	return ztsdb_is_reset(record, epoch, issue) ? issue->presented : NULL;
}

static int ztsdb_advance(struct ztsdb *db, const struct ztsdb_issue *issue, const char *previous)
{
	ztsdb_bind_issue(db, ZTSDB_REFRESH, issue);
	ztsdb_bind_text(db, ZTSDB_REFRESH, 9, previous);
	return ztsdb_change(db, ZTSDB_REFRESH);
}

/* A record that was lost, as it would be now: this answer, too, may have to be asked for again. */
static int ztsdb_restore(struct ztsdb *db, const struct ztsdb_issue *issue)
{
	int r = ztsdb_register(db, issue);

	return r == 0 ? ztsdb_advance(db, issue, issue->presented) : r;
}

static int ztsdb_refresh_record(struct ztsdb *db, const struct ztsdb_issue *issue)
{
	struct ztsdb_instance record = { .reset_wall = 0 };
	uint64_t epoch = 0;
	const char *previous;
	int found = ztsdb_find_instance(db, &issue->key, &record);
	int r = found < 0 ? found : ztsdb_read_epoch(db, &epoch);

	if (r < 0)
		return r;
	if (found == ZTSDB_E_NONE)
		return epoch && issue->presented_wall <= epoch ? ztsdb_restore(db, issue) :
								 ZTSDB_E_NONE;
	previous = ztsdb_judge(&record, epoch, issue);
	if (!previous) {
		if (record.state == ZTSDB_LIVE)
			r = ztsdb_mark(db, ZTSDB_MARK_STALE, &issue->key);
		return r < 0 ? r : ZTSDB_E_REVOKED;
	}
	return ztsdb_advance(db, issue, previous);
}

int ztsdb_refresh(struct ztsdb *db, const struct ztsdb_issue *issue)
{
	bool own;
	int r = ztsdb_enter(db, &own);

	if (r < 0)
		return r;
	return ztsdb_leave(db, own, ztsdb_refresh_record(db, issue));
}

int ztsdb_find_instance(struct ztsdb *db, const struct ztsdb_key *key, struct ztsdb_instance *ret)
{
	struct ztsdb_instance record = { .reset_wall = 0 };
	int r;

	ztsdb_bind_key(db, ZTSDB_GET_INSTANCE, key);
	r = ztsdb_step(db, ZTSDB_GET_INSTANCE);
	if (r == 0)
		r = ztsdb_column_instance(db->store.queries[ZTSDB_GET_INSTANCE], &record);
	ztsdb_done(db, ZTSDB_GET_INSTANCE);
	if (r == 0)
		*ret = record;
	return r;
}

struct ztsdb_page {
	size_t n;
	struct ztsdb_instance rows[ZTSDB_PAGE];
};

static void ztsdb_bind_page(struct ztsdb *db, const struct ztsdb_filter *filter,
			    const struct ztsdb_key *after)
{
	const char *id = filter->instance_id;

	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 1, filter->provider);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 2, filter->domain);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 3, filter->service);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 4, id && *id ? id : ZTSDB_IDS_END);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 5, after->instance_id);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 6, after->provider);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 7, after->domain);
	ztsdb_bind_text(db, ZTSDB_SOME_INSTANCES, 8, after->service);
	ztsdb_bind_number(db, ZTSDB_SOME_INSTANCES, 9, ZTSDB_PAGE);
}

static int ztsdb_read_page(struct ztsdb *db, const struct ztsdb_filter *filter,
			   const struct ztsdb_key *after, struct ztsdb_page *ret)
{
	sqlite3_stmt *stmt = db->store.queries[ZTSDB_SOME_INSTANCES];
	int r;

	ret->n = 0;
	ztsdb_bind_page(db, filter, after);
	while ((r = ztsdb_step(db, ZTSDB_SOME_INSTANCES)) == 0) {
		r = ztsdb_column_instance(stmt, &ret->rows[ret->n]);
		if (r < 0)
			break;
		ret->n++;
	}
	ztsdb_done(db, ZTSDB_SOME_INSTANCES);
	return r == ZTSDB_E_NONE ? 0 : r;
}

static int ztsdb_list_pages(struct ztsdb *db, const struct ztsdb_filter *filter,
			    struct ztsdb_page *page, ztsdb_instance_fn *fn, void *user)
{
	struct ztsdb_key after = { "", "", "", filter->instance_id };
	struct ztsdb_instance last;
	int r;

	for (;;) {
		r = ztsdb_read_page(db, filter, &after, page);
		for (size_t i = 0; r == 0 && i < page->n; i++)
			r = fn(&page->rows[i], user);
		if (r != 0 || page->n < ZTSDB_PAGE)
			return r;
		last = page->rows[page->n - 1];
		after = (struct ztsdb_key){ last.provider, last.domain, last.service,
					    last.instance_id };
	}
}

int ztsdb_list_instances(struct ztsdb *db, const struct ztsdb_filter *filter, ztsdb_instance_fn *fn,
			 void *user)
{
	struct ztsdb_page *page = malloc(sizeof(*page));
	int r = page ? ztsdb_list_pages(db, filter, page, fn, user) : -ENOMEM;

	free(page);
	return r;
}

int ztsdb_revoke(struct ztsdb *db, const struct ztsdb_key *key)
{
	return ztsdb_mark(db, ZTSDB_BLOCK, key);
}

int ztsdb_reset(struct ztsdb *db, const struct ztsdb_key *key, uint64_t now_wall)
{
	ztsdb_bind_number(db, ZTSDB_RESET, 5, now_wall);
	return ztsdb_mark(db, ZTSDB_RESET, key);
}

int ztsdb_reset_all(struct ztsdb *db, uint64_t now_wall)
{
	bool own;
	int r = ztsdb_enter(db, &own);

	if (r < 0)
		return r;
	ztsdb_bind_number(db, ZTSDB_PUT_EPOCH, 1, now_wall);
	r = ztsdb_run(db, ZTSDB_PUT_EPOCH);
	if (r == 0)
		r = ztsdb_run(db, ZTSDB_HEAL_ALL);
	return ztsdb_leave(db, own, r);
}

int ztsdb_remove_instance(struct ztsdb *db, const struct ztsdb_key *key)
{
	return ztsdb_mark(db, ZTSDB_DEL_INSTANCE, key);
}

int ztsdb_forget(struct ztsdb *db, const struct ztsdb_key *key, uint64_t since_wall,
		 uint64_t now_wall)
{
	ztsdb_bind_number(db, ZTSDB_FORGET, 5, since_wall);
	ztsdb_bind_number(db, ZTSDB_FORGET, 6, now_wall);
	return ztsdb_mark(db, ZTSDB_FORGET, key);
}

int ztsdb_count(struct ztsdb *db, uint64_t *ret)
{
	int r = ztsdb_step(db, ZTSDB_COUNT);

	if (r == 0)
		*ret = ztsdb_column_number(db->store.queries[ZTSDB_COUNT], 0);
	ztsdb_done(db, ZTSDB_COUNT);
	return r;
}

const char *ztsdb_error(const struct ztsdb *db)
{
	/* Only what can be said better than SQLite does. */
	switch (sqlite3_errcode(db->store.sqlite)) {
	case SQLITE_BUSY:
		return ztsdb_explain(-EBUSY);
	case SQLITE_FULL:
		return ztsdb_explain(-ENOSPC);
	default:
		return sqlite3_errmsg(db->store.sqlite);
	}
}

void ztsdb_close(struct ztsdb *db)
{
	if (!db)
		return;
	sqlstore_close(&db->store);
	free(db);
}

void ztsdb_closep(struct ztsdb **p)
{
	ztsdb_close(*p);
}
