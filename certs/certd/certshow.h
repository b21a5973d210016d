/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The status of certd for people, for programs (JSON), and for Prometheus.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/certd/certstat.h"
#include "common/attr.h"

#define CERTSHOW_BYTES_MAX 65536      /* of one text */
#define CERTSHOW_CODES_MAX 32         /* different outcomes that are counted */
#define CERTSHOW_METRICS "certd.prom" /* in the run directory */

/* How often an attempt ended with a code; PST_NONE = success. The last entry collects what has no
 * entry of its own, with the code of the first of them. */
struct certshow_counts {
	enum pst codes[CERTSHOW_CODES_MAX];
	uint64_t counts[CERTSHOW_CODES_MAX];
	size_t n;
};

/* Adds one outcome. */
void certshow_count(struct certshow_counts *c, enum pst code);

/* Each gives *ret (free() it). Errors: 0; -ENOMEM; -EFBIG. */
int certshow_text(const struct certstat *s, char **ret) _warn_unused_;
/* As certshow_text(): one object, one line. */
int certshow_json(const struct certstat *s, char **ret) _warn_unused_;
/* As certshow_text(): text format 0.0.4 of Prometheus. */
int certshow_metrics(const struct certstat *s, const struct certshow_counts *c,
		     char **ret) _warn_unused_;
