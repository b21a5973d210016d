/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the issuer counts, and the file in which a node exporter or a person finds it (Prometheus
 * text format 0.0.4), replaced as a whole.
 */
#include <stdint.h>

#include "certs/ztsd/committer.h"
#include "certs/ztsd/ztsroute.h"
#include "common/attr.h"
#include "common/buf.h"
#include "common/pst.h"

#define ZTSSTATS_CODES_MAX 160        /* codes of the list that can be counted */
#define ZTSSTATS_TEXT_MAX (64 * 1024) /* bytes of the file */
#define ZTSSTATS_STATUSES 13          /* HTTP statuses that are told apart; others are "other" */

struct ztsstats {
	uint64_t issued[2]; /* registrations, refreshes */
	uint64_t answers[ZTSROUTE_N][ZTSSTATS_STATUSES];
	uint64_t by_code[ZTSSTATS_CODES_MAX];
	uint64_t records; /* now */
	uint64_t ca_expires_wall, server_expires_wall;
	uint64_t ca_key_usable; /* 0 or 1 */
	struct committer_stats commits;
};

/* Counts one answer. */
void ztsstats_answer(struct ztsstats *s, enum ztsroute_kind route, unsigned int status);

/* Counts one refusal under its code; PST_NONE and unknown codes are not counted. */
void ztsstats_count(struct ztsstats *s, enum pst code);

/* Appends the text to @b, which keeps errors. Borrows @s. */
void ztsstats_print(const struct ztsstats *s, struct buf *b);

/* Replaces the file at @path. Errors: 0; -errno. */
int ztsstats_write(const struct ztsstats *s, const char *path) _warn_unused_;
