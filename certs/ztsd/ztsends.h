/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long a certificate of the issuer itself is good: that of the CA, with which all others end,
 * and that of the listener. Both are made once in years, by people, and forgotten.
 */
#include <openssl/types.h>
#include <stdint.h>

#include "common/attr.h"

#define ZTSENDS_SOON_S (30 * 86400) /* people want some weeks; a short life has its last quarter */

enum ztsends_word { ZTSENDS_FAR, ZTSENDS_SOON, ZTSENDS_OVER };

struct ztsends {
	uint64_t begins_wall, ends_wall; /* seconds since 1970 */
};

/* Reads the validity of @cert. Errors: 0; -EINVAL for a time that is none, or before 1970. */
int ztsends_read(const X509 *cert, struct ztsends *ret) _warn_unused_;

/* Whether its end is far off, soon or over at @now_wall. */
enum ztsends_word ztsends_judge(const struct ztsends *e, uint64_t now_wall);

/* Seconds from @now_wall until that changes; UINT64_MAX when it is over. */
uint64_t ztsends_wait(const struct ztsends *e, uint64_t now_wall);
