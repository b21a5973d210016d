/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Times as people read them, in status texts and log lines: how long something takes or took, and
 * when it was or will be. Never read back.
 */
#include <stdint.h>

#define TIMETEXT_MAX 24 /* bytes with NUL */

/* A length of time in one unit: "45 s", "12 min", "7 h", "3 d"; the next unit from twice its size
 * on. Writes into @ret and gives it back, for use in a format call. */
const char *timetext_span(uint64_t seconds, char ret[static TIMETEXT_MAX]);

/* Seconds since 1970 as UTC, "2026-11-21T10:00:00Z" (RFC 3339); "-" for 0 and for what is no date.
 * As timetext_span(). */
const char *timetext_stamp(uint64_t wall, char ret[static TIMETEXT_MAX]);
