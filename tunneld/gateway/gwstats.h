/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a gateway counts, and the file in which a node exporter or a person finds it (Prometheus
 * text format 0.0.4), replaced as a whole.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/buf.h"
#include "common/pst.h"

#define GWSTATS_CODES_MAX 128        /* codes of the list that can be counted */
#define GWSTATS_TEXT_MAX (64 * 1024) /* bytes of the file */

struct gwstats {
	uint64_t granted; /* exchanges */
	uint64_t batches; /* transactions with grants */
	uint64_t expired; /* leases */
	uint64_t swept;   /* kernel peers without a lease, removed */
	uint64_t dropped; /* leases without a kernel peer */
	uint64_t cut;     /* tunnels, because of the deny-list */
	uint64_t denied;  /* entries of the deny-list, now */
	uint64_t leases;  /* now */
	uint32_t workers; /* now */
	uint64_t starts;  /* of workers */
	uint64_t by_code[GWSTATS_CODES_MAX];
	bool changed; /* since it was last written */
};

/* Counts one event under its code; PST_NONE and unknown codes are not counted. */
void gwstats_count(struct gwstats *s, enum pst code);

/* How often @code was counted. */
uint64_t gwstats_of(const struct gwstats *s, enum pst code);

/* Appends the text to @b, which keeps errors. Borrows @s. */
void gwstats_print(const struct gwstats *s, struct buf *b);

/* Replaces the file at @path and clears @s->changed. Errors: 0; -errno. */
int gwstats_write(struct gwstats *s, const char *path) _warn_unused_;
