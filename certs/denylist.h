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

struct denylist; /* sorted; looked up in logarithmic time */

/* Reads @len bytes of text. @name stands for the file in errors. Gives *ret.
 * Errors: 0; -EINVAL with @ret_error "name:line: …" (a list that is not understood must not let
 * anybody in); -E2BIG; -ENOMEM. */
int denylist_parse(const char *name, const char *text, size_t len, struct denylist **ret,
		   char ret_error[static DENYLIST_ERROR_MAX]) _warn_unused_;

/* As denylist_parse(), from a file. Errors: also -errno of the file, with @ret_error. */
int denylist_load(const char *path, struct denylist **ret,
		  char ret_error[static DENYLIST_ERROR_MAX]) _warn_unused_;

/* Whether one of the three is listed; "" is never. @d may be NULL. Principals are compared in lower
 * case, serials as lower-case hex without leading zeros, ids exactly. */
bool denylist_has(const struct denylist *d, const char *principal, const char *instance_id,
		  const char *serial);

/* Entries. NULL has none. */
size_t denylist_size(const struct denylist *d);

/* NULL is allowed. */
void denylist_free(struct denylist *d);
/* As denylist_free(), for _cleanup_(denylist_freep). */
void denylist_freep(struct denylist **p);
