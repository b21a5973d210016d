/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What ztsd knows, in one SQLite file (WAL, synchronous=FULL) that ztsctl may change at the same
 * time. The registry: domains with their cloud account, their services, and which provider may
 * launch which service. The records: for each instance of a service the serial of its current and
 * its previous certificate. Nothing secret is in it. Times are wall clock seconds. Changes between
 * ztsdb_begin() and ztsdb_commit() cost one sync of the disk together; a change outside is a
 * transaction of its own. One connection per thread. Source: docs/zts.md, "Records".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/principal.h"
#include "common/attr.h"

#define ZTSDB_FILE "ztsd.db" /* in the state directory */
#define ZTSDB_SCHEMA 2       /* PRAGMA user_version */
#define ZTSDB_ACCOUNT_MAX 64 /* bytes with NUL */
#define ZTSDB_SERIAL_MAX 64  /* bytes with NUL: lower-case hex, as in struct peerid */
#define ZTSDB_ADDR_MAX 64    /* bytes with NUL: text form of an address */

enum {
	ZTSDB_E_NONE = 1, /* no such entry */
	ZTSDB_E_REVOKED,  /* the record is revoked, by this very call or before */
};

struct ztsdb;

/* ---- registry ---- */

struct ztsdb_domain {
	char name[PRINCIPAL_MAX];
	char account[ZTSDB_ACCOUNT_MAX]; /* of the cloud; "" = none */
	uint32_t max_lifetime_s;         /* of its certificates; 0 = no cap of its own */
};

/* One provider that may launch one service; a service without any has one entry with "". */
struct ztsdb_service {
	char domain[PRINCIPAL_MAX];
	char service[PRINCIPAL_MAX];
	char provider[PRINCIPAL_PROVIDER_MAX];
};

/* What the registry says to one request. */
struct ztsdb_launch {
	bool has_domain, has_service;
	bool is_allowed; /* this provider may launch it */
	char account[ZTSDB_ACCOUNT_MAX];
	uint32_t max_lifetime_s;
};

/* ---- records ---- */

/* Names one record. Borrowed texts, lower case but for the id. */
struct ztsdb_key {
	const char *provider, *domain, *service, *instance_id;
};

enum ztsdb_state {
	ZTSDB_LIVE,
	ZTSDB_STALE,   /* an old certificate was used: a new registration heals it */
	ZTSDB_BLOCKED, /* revoked by an operator: nothing but ztsdb_reset() heals it */
};

struct ztsdb_instance {
	char provider[PRINCIPAL_PROVIDER_MAX];
	char domain[PRINCIPAL_MAX], service[PRINCIPAL_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	char current[ZTSDB_SERIAL_MAX]; /* "-1" when revoked, as Athenz has it */
	char previous[ZTSDB_SERIAL_MAX];
	enum ztsdb_state state;
	uint64_t reset_wall;       /* certificates issued until then are taken again; 0 = never */
	char addr[ZTSDB_ADDR_MAX]; /* where the last good request came from */
	uint64_t first_wall;       /* first registration */
	uint64_t last_wall;        /* last good request */
	uint64_t expires_wall;     /* notAfter of the current certificate */
};

/* A certificate that is about to be signed. Borrowed texts. */
struct ztsdb_issue {
	struct ztsdb_key key;
	const char *serial; /* of the new one */
	const char *addr;
	uint64_t now_wall, expires_wall;
	/* A refresh: the certificate that was presented, and when it was made. */
	const char *presented;
	uint64_t presented_wall;
};

/* Which records to list; "" or NULL = any. Borrowed texts. */
struct ztsdb_filter {
	const char *provider, *domain, *service, *instance_id;
};

/* What a list calls for each entry, in order of the names, instances of their ids; other than 0
 * ends the list, which then returns that value. */
typedef int ztsdb_domain_fn(const struct ztsdb_domain *domain, void *user);
typedef int ztsdb_service_fn(const struct ztsdb_service *service, void *user);
typedef int ztsdb_instance_fn(const struct ztsdb_instance *instance, void *user);

/* ---- functions; every one may also return -ENOSPC, -ENOMEM, -EROFS, -EBUSY (somebody held the
 * file for seconds) or -EIO, for which ztsdb_error() has SQLite's words ---- */

/* Opens the file, made with mode 0600 when absent and @create. Gives *ret.
 * Errors: also -ENOENT; -EPROTO when a newer program made it; -EUCLEAN when it is damaged. */
int ztsdb_open(const char *path, bool create, struct ztsdb **ret) _warn_unused_;

/* What an error of ztsdb_open() means, for people. Borrowed, until the next call. */
const char *ztsdb_explain(int error);

/* Begins a transaction. */
int ztsdb_begin(struct ztsdb *db) _warn_unused_;
/* Makes the transaction durable; on an error nothing of it happened. */
int ztsdb_commit(struct ztsdb *db) _warn_unused_;
/* Forgets the transaction, if there is one. */
void ztsdb_rollback(struct ztsdb *db);

/* Adds the domain or replaces account and cap. */
int ztsdb_put_domain(struct ztsdb *db, const struct ztsdb_domain *domain) _warn_unused_;
/* Removes it with its services; the records stay, but are of no use without it.
 * Errors: ZTSDB_E_NONE. */
int ztsdb_remove_domain(struct ztsdb *db, const char *name) _warn_unused_;
/* Errors: ZTSDB_E_NONE. */
int ztsdb_find_domain(struct ztsdb *db, const char *name, struct ztsdb_domain *ret) _warn_unused_;
/* Lists all of them. */
int ztsdb_list_domains(struct ztsdb *db, ztsdb_domain_fn *fn, void *user) _warn_unused_;

/* Adds the service, and the right of the provider unless that is "". Errors: ZTSDB_E_NONE without
 * its domain. */
int ztsdb_put_service(struct ztsdb *db, const struct ztsdb_service *service) _warn_unused_;
/* Removes the right of the provider, or the whole service when that is "". Errors: ZTSDB_E_NONE. */
int ztsdb_remove_service(struct ztsdb *db, const struct ztsdb_service *service) _warn_unused_;
/* Lists those of @domain, of all domains when that is NULL. */
int ztsdb_list_services(struct ztsdb *db, const char *domain, ztsdb_service_fn *fn,
			void *user) _warn_unused_;

/* Asks for one request; the instance id of @key is not looked at. */
int ztsdb_find_launch(struct ztsdb *db, const struct ztsdb_key *key,
		      struct ztsdb_launch *ret) _warn_unused_;

/* Records a registration: a new record, or the old one with new serials. Errors: ZTSDB_E_REVOKED
 * when it is blocked. */
int ztsdb_register(struct ztsdb *db, const struct ztsdb_issue *issue) _warn_unused_;
/* Records a refresh by the rule of the serials: the current one or the previous one is good; any
 * other revokes the record, unless that certificate was made before the reset time.
 * Errors: ZTSDB_E_NONE; ZTSDB_E_REVOKED, with the record changed: commit it. */
int ztsdb_refresh(struct ztsdb *db, const struct ztsdb_issue *issue) _warn_unused_;

/* Errors: ZTSDB_E_NONE. */
int ztsdb_find_instance(struct ztsdb *db, const struct ztsdb_key *key,
			struct ztsdb_instance *ret) _warn_unused_;
/* Lists the records that match. It reads some at a time: while @fn takes its time others can write,
 * and SQLite's log does not grow. Who comes or goes meanwhile may be in the list or not. */
int ztsdb_list_instances(struct ztsdb *db, const struct ztsdb_filter *filter, ztsdb_instance_fn *fn,
			 void *user) _warn_unused_;
/* Blocks the record: neither refresh nor registration. Errors: ZTSDB_E_NONE. */
int ztsdb_revoke(struct ztsdb *db, const struct ztsdb_key *key) _warn_unused_;
/* Makes the record live; every certificate made until @now_wall is good for one more refresh.
 * Errors: ZTSDB_E_NONE. */
int ztsdb_reset(struct ztsdb *db, const struct ztsdb_key *key, uint64_t now_wall) _warn_unused_;
/* As ztsdb_reset() for all instances that are not blocked, also for those without a record: for
 * when the store was lost. */
int ztsdb_reset_all(struct ztsdb *db, uint64_t now_wall) _warn_unused_;
/* Errors: ZTSDB_E_NONE. */
int ztsdb_remove_instance(struct ztsdb *db, const struct ztsdb_key *key) _warn_unused_;
/* Removes a record that nobody has a use for: not blocked, its certificate over at @now_wall, no
 * good request since @since_wall. Errors: ZTSDB_E_NONE when it is not of that kind. */
int ztsdb_forget(struct ztsdb *db, const struct ztsdb_key *key, uint64_t since_wall,
		 uint64_t now_wall) _warn_unused_;
/* How many records there are; takes as long with a million as with one. */
int ztsdb_count(struct ztsdb *db, uint64_t *ret) _warn_unused_;

/* SQLite's words on the last error. Borrows @db; valid until the next call. */
const char *ztsdb_error(const struct ztsdb *db);

/* NULL is allowed. */
void ztsdb_close(struct ztsdb *db);
/* As ztsdb_close(), for _cleanup_(ztsdb_closep). */
void ztsdb_closep(struct ztsdb **p);
