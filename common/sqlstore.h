/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What our SQLite files have in common: WAL and synchronous=FULL, so that what was committed
 * survives a power cut; a schema version that a newer program's file is recognised by; all
 * statements prepared at the start; one set of errors. What the tables mean is the business of the
 * modules above, which bind and read the columns of their statements themselves.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

enum { SQLSTORE_E_NONE = 1 }; /* sqlstore_step(): no row */

struct sqlstore_spec {
	const char *path;
	bool create;                /* make the file, mode 0600, when it is absent */
	int version;                /* PRAGMA user_version, from 1 on */
	const char *const *schema;  /* statements that bring version n, 0 = none, to n + 1 */
	const char *const *queries; /* all statements, in the order of the caller's enum */
	size_t n_queries;
	unsigned int cache_kib; /* SQLite's page cache */
	unsigned int busy_ms;   /* how long to wait for another program */
};

struct sqlstore {
	sqlite3 *sqlite;
	sqlite3_stmt **queries; /* owned, @n of them */
	size_t n;
};

/* Maps a result code of SQLite. Errors: 0; -ENOMEM; -ENOSPC; -EROFS; -EBUSY; -EUCLEAN when the
 * file is damaged or none of SQLite's; -EIO. */
int sqlstore_errno(int rc);

/* Opens the file, makes the tables in a new one, brings those of an older version up to ours,
 * prepares all statements. Borrows @spec. @ret is to be closed also after an error. Errors: as
 * sqlstore_errno(); -EPROTO for a newer version; -ENOENT, -EACCES... of the file. */
int sqlstore_open(const struct sqlstore_spec *spec, struct sqlstore *ret) _warn_unused_;

/* Begins a transaction that may write. Errors: as sqlstore_errno(). */
int sqlstore_begin(struct sqlstore *s) _warn_unused_;
/* Makes the transaction durable; on an error nothing of it happened. Errors: as
 * sqlstore_errno(). */
int sqlstore_commit(struct sqlstore *s) _warn_unused_;
/* Forgets the transaction, if there is one. */
void sqlstore_rollback(struct sqlstore *s);

/* Runs statement @query, which gives no row, and takes its parameters off.
 * Errors: as sqlstore_errno(). */
int sqlstore_run(struct sqlstore *s, size_t query) _warn_unused_;
/* Steps to the next row of @query; the caller ends with sqlstore_done().
 * Errors: 0; SQLSTORE_E_NONE; as sqlstore_errno(). */
int sqlstore_step(struct sqlstore *s, size_t query) _warn_unused_;
/* Ends @query and takes its parameters off. */
void sqlstore_done(struct sqlstore *s, size_t query);

/* Copies column @at, which must be text without a NUL, to @ret of @cap bytes.
 * Errors: 0; -EIO when it is not there or does not fit. */
int sqlstore_column_text(sqlite3_stmt *stmt, int at, char *ret, size_t cap) _warn_unused_;

/* Closes everything; a zeroed one is allowed. */
void sqlstore_close(struct sqlstore *s);
