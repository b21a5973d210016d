/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How the kernel's tables differ from what they should be, line by line in words. Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/apply/kdump.h"

#define KDIFF_LINES_MAX 200 /* differences that are told; the rest is counted */
#define KDIFF_BYTES_MAX (KDIFF_LINES_MAX * 512)

struct kdiff {
	size_t n;          /* differences */
	bool differs[2];   /* our table, the guard */
	bool is_absent[2]; /* the whole table */
	struct buf lines;  /* at most KDIFF_LINES_MAX, each with a newline */
};

/* Compares @want with @have, both sorted as kdump_read() leaves them. Gives *ret, to be released
 * also after an error. Errors: 0; -ENOMEM. */
int kdiff_compare(const struct kdump *want, const struct kdump *have,
		  struct kdiff *ret) _warn_unused_;

/* Releases. For _cleanup_(kdiff_release). */
void kdiff_release(struct kdiff *d);
