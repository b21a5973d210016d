/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who is refused although the certificate is good: a text file, one entry a line, "principal
 * NAME", "instance ID" or "serial HEX"; "#" begins a comment, also behind an entry. Athenz has no
 * revocation list; this is what stands in for one. Links no library. Source: docs/identity.md.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define DENYLIST_ENTRIES_MAX 65536
#define DENYLIST_BYTES_MAX (8 * 1024 * 1024) /* of the file */
#define DENYLIST_ERROR_MAX 256

enum denylist_kind { DENYLIST_PRINCIPAL, DENYLIST_INSTANCE, DENYLIST_SERIAL };

struct denylist; /* sorted; looked up in logarithmic time */

struct denylist_entry {
	enum denylist_kind kind;
	const char *value; /* in the form in which it is compared; lies in the list */
};

/* Reads @len bytes of text. @name stands for the file in errors. Gives *ret.
 * Errors: 0; -EINVAL with @ret_error "name:line: …" (a list that is not understood must not let
 * anybody in); -E2BIG; -ENOMEM. */
int denylist_parse(const char *name, const char *text, size_t len, struct denylist **ret,
		   char ret_error[static DENYLIST_ERROR_MAX]) _warn_unused_;

/* As denylist_parse(), from a file. Errors: also -errno of the file, with @ret_error. */
int denylist_load(const char *path, struct denylist **ret,
		  char ret_error[static DENYLIST_ERROR_MAX]) _warn_unused_;

/* Makes an empty list for one that was parsed elsewhere and comes entry by entry: room for @n of
 * them, whose values with their NULs are @bytes long in all. Gives *ret. Errors: 0; -E2BIG;
 * -ENOMEM. */
int denylist_new(size_t n, size_t bytes, struct denylist **ret) _warn_unused_;

/* Adds an entry, in the order of denylist_at(). Borrows @value. Errors: 0; -EINVAL when it is not
 * in the form in which it is compared, or belongs before the last; -ENOSPC. */
int denylist_add(struct denylist *d, enum denylist_kind kind, const char *value) _warn_unused_;

/* Which of the three is listed, "principal", "instance" or "serial", or NULL; "" is never listed.
 * @d may be NULL. Principals are compared in lower case, serials as lower-case hex without leading
 * zeros, ids exactly. Static. */
const char *denylist_find(const struct denylist *d, const char *principal, const char *instance_id,
			  const char *serial);

/* Whether one of the three is listed, as denylist_find(). */
bool denylist_has(const struct denylist *d, const char *principal, const char *instance_id,
		  const char *serial);

/* Entries. NULL has none. */
size_t denylist_size(const struct denylist *d);

/* The entry @i < denylist_size(), in the order of the list. Borrows @d. */
const struct denylist_entry *denylist_at(const struct denylist *d, size_t i);

/* How long all values are, with their NULs: what denylist_new() wants. 0 for NULL. */
size_t denylist_bytes(const struct denylist *d);

/* NULL is allowed. */
void denylist_free(struct denylist *d);
/* As denylist_free(), for _cleanup_(denylist_freep). */
void denylist_freep(struct denylist **p);
