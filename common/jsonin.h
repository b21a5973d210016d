/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Strict reading of small JSON documents: one object, no duplicate or unknown members, bounded
 * depth, every value typed and bounded by a table. Thin layer over jansson.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"

#define JSONIN_DEPTH_MAX 6 /* the response needs 4 */

/* Seeds the hash tables of jansson, which opens a file for it: before a sandbox closes the file
 * system. Else the first object made would do it. Source: json_object_seed(), jansson's manual. */
void jsonin_warm_up(void);

/* Parses @len bytes that must be one JSON object in UTF-8. Gives *ret (json_decref()).
 * Errors: 0; -EBADMSG with *ret_code; -ENOMEM. */
int jsonin_parse(const char *bytes, size_t len, json_t **ret, enum pst *ret_code) _warn_unused_;

/* Succeeds when @object has exactly the members in @names (optional ones start with "?").
 * Errors: 0; -EBADMSG with *ret_code. */
int jsonin_members(const json_t *object, const char *const *names,
		   enum pst *ret_code) _warn_unused_;

/* Copies the string @name of at most @cap - 1 bytes: printable ASCII, for it ends in log lines
 * and on terminals, and not empty. Errors: 0; -EBADMSG. */
int jsonin_str(const json_t *object, const char *name, char *ret, size_t cap) _warn_unused_;

/* Reads the integer @name in @min...@max. Errors: 0; -EBADMSG. */
int jsonin_u64(const json_t *object, const char *name, uint64_t min, uint64_t max,
	       uint64_t *ret) _warn_unused_;

/* Borrows the object @name. Errors: 0; -EBADMSG. */
int jsonin_object(const json_t *object, const char *name, const json_t **ret) _warn_unused_;

/* Borrows the array @name of @min...@max elements. Errors: 0; -EBADMSG. */
int jsonin_array(const json_t *object, const char *name, size_t min, size_t max,
		 const json_t **ret) _warn_unused_;

/* json_decref() for _cleanup_(jsonin_freep). */
void jsonin_freep(json_t **p);
