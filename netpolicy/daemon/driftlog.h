/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What strangers did to our rules: the last DRIFTLOG_MAX different things, the same by the same
 * program counted in one row. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "netpolicy/apply/ctlwire.h"

#define DRIFTLOG_MAX 32 /* rows; the one that was least lately seen makes room */

struct driftlog {
	struct ctlwire_drift rows[DRIFTLOG_MAX]; /* by id */
	uint64_t last_seen[DRIFTLOG_MAX];        /* number of the sighting */
	size_t n;
	uint64_t next_id, n_seen;
};

/* Adds a sighting; of @d the id and times are set here, control characters of its words are
 * replaced. Gives the row, which lives until the next call. Borrows @d. */
const struct ctlwire_drift *driftlog_add(struct driftlog *l, const struct ctlwire_drift *d);

/* Copies up to CTLWIRE_LIST_MAX rows from @first_id on, in the order of their ids. Gives how many.
 */
size_t driftlog_list(const struct driftlog *l, uint64_t first_id,
		     struct ctlwire_drift ret[static CTLWIRE_LIST_MAX]);
