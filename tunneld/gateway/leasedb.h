/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The leases of a gateway in a SQLite file (WAL, synchronous=FULL): who was granted what until
 * when. Nothing secret is in it. Changes are made in transactions by the caller, so that many
 * grants cost one sync of the disk. Times are wall clock seconds.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/gateway/gate.h"

#define LEASEDB_SCHEMA 1 /* PRAGMA user_version */

enum { LEASEDB_E_NONE = 1 }; /* no such lease */

struct leasedb;

/* Opens or makes the file. Gives *ret. Errors: 0; -EPROTO when a newer program made it; -EUCLEAN
 * when it is damaged; -EBUSY when another program holds it; -ENOSPC; -EIO; -errno. */
int leasedb_open(const char *path, struct leasedb **ret) _warn_unused_;

/* Begins a transaction. Errors: 0; -EBUSY; -EUCLEAN; -ENOSPC; -EIO. */
int leasedb_begin(struct leasedb *db) _warn_unused_;
/* Makes the transaction durable; on an error nothing of it happened. Errors: as leasedb_begin(). */
int leasedb_commit(struct leasedb *db) _warn_unused_;
/* Forgets the transaction, if there is one. */
void leasedb_rollback(struct leasedb *db);

/* Adds @lease in place of the leases that have its key or its address. Errors: as
 * leasedb_begin(). */
int leasedb_put(struct leasedb *db, const struct gate_lease *lease) _warn_unused_;
/* Removes the lease of @key, if there is one. Errors: as leasedb_begin(). */
int leasedb_remove(struct leasedb *db, const struct wgkey *key) _warn_unused_;

/* Finds one lease. Errors: 0; LEASEDB_E_NONE; -EIO. */
int leasedb_find_key(struct leasedb *db, const struct wgkey *key,
		     struct gate_lease *ret) _warn_unused_;
/* As leasedb_find_key(). */
int leasedb_find_addr(struct leasedb *db, const struct in6_addr *addr,
		      struct gate_lease *ret) _warn_unused_;
/* The newest lease with @like's principal, provider and instance id. As leasedb_find_key(). */
int leasedb_find_identity(struct leasedb *db, const struct gate_lease *like,
			  struct gate_lease *ret) _warn_unused_;

/* Lists the keys of at most @max leases that are over at @now_wall, oldest first. Gives *ret_n.
 * Errors: 0; -EIO. */
int leasedb_list_expired(struct leasedb *db, uint64_t now_wall, size_t max, struct wgkey *ret,
			 size_t *ret_n) _warn_unused_;

/* Copies the next at most @max leases whose keys come after @key, in the order of the keys as
 * bytes; a key of zeros is before all. Gives *ret_n. Errors: 0; -EIO. */
int leasedb_list_after(struct leasedb *db, const struct wgkey *key, size_t max,
		       struct gate_lease *ret, size_t *ret_n) _warn_unused_;

/* Lists all keys, sorted as bytes. Gives *ret (free() it) and *ret_n. Errors: 0; -ENOMEM; -EIO. */
int leasedb_list_keys(struct leasedb *db, struct wgkey **ret, size_t *ret_n) _warn_unused_;

/* When the first lease ends, UINT64_MAX without leases. Errors: 0; -EIO. */
int leasedb_next_expiry(struct leasedb *db, uint64_t *ret) _warn_unused_;

/* How many leases there are. Errors: 0; -EIO. */
int leasedb_count(struct leasedb *db, uint64_t *ret) _warn_unused_;

/* SQLite's words on the last error. Borrows @db; valid until the next call. */
const char *leasedb_error(const struct leasedb *db);

/* NULL is allowed. */
void leasedb_close(struct leasedb *db);
/* As leasedb_close(), for _cleanup_(leasedb_closep). */
void leasedb_closep(struct leasedb **p);
