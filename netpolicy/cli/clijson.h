/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The same things for machines: small helpers over jansson, and the outcome of a check.
 */
#include <net/if.h>
#include <stdio.h>

#include <jansson.h>

#include "common/attr.h"
#include "netpolicy/cli/clicheck.h"

/* Prints @root, which is given away, with sorted keys and a newline.
 * Errors: 0; -ENOMEM also when @root is NULL; -EIO. */
int clijson_print(json_t *root, FILE *to) _warn_unused_;

/* The canonical bytes of @root: sorted keys, no blanks, a newline behind. Gives *ret (free() it).
 * Errors: 0; -ENOMEM. */
int clijson_bytes(const json_t *root, char **ret, size_t *ret_len) _warn_unused_;

/* An array of the lines of @text; NULL is no line. NULL when out of memory. */
json_t *clijson_lines(const char *text) _warn_unused_;

/* An array of names. As clijson_lines(). */
json_t *clijson_names(const char (*names)[IFNAMSIZ], size_t n) _warn_unused_;

/* Prints the outcome of a check. Errors: 0; -ENOMEM; -EIO. */
int clijson_check(const struct clicheck *what, FILE *to) _warn_unused_;
