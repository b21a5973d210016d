/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The sets and maps of the text: addresses under the names of the page, links, what is never a
 * source, live grants. For netpolicy/emit/emit.c and emitguard.c only.
 */
#include <stdbool.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* Appends "add set" and "flush set" for every set and map of our table. Those of grants are added,
 * never flushed: what is in them is alive, not written. */
void emitset_prepare(const struct policy *p, struct buf *to);

/* Appends one "add set" and "flush set"; @table with its family. */
void emitset_prepare_one(struct buf *to, const char *table, const char *name, const char *type);

/* Appends the sets and maps with their elements, as part of the table's block. */
void emitset_all(const struct policy *p, struct buf *to);

/* Appends the set @name and its family's digit with those elements of @list, unless it has none of
 * that family. */
void emitset_prefixes(struct buf *to, const char *name, const struct policy_prefixes *list,
		      bool v4);
