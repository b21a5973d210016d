/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The model as canonical JSON: sorted keys, no blanks, sorted and merged prefixes, users with name
 * and number. Equal policies are equal bytes, and their digest names the policy. Both ways: for
 * machines that write policies, and for what was loaded before. docs/policy.md has the schema.
 */
#include <stddef.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"
#include "netpolicy/parse/policyfile.h"

#define POLICYJSON_BYTES_MAX (24 * 1024 * 1024)

/* Appends the canonical form. Errors: 0; -ENOMEM, -EFBIG. */
int policyjson_write(const struct policy *p, struct buf *to) _warn_unused_;

/* Reads it, from whomever: names, limits and tiers are checked as those of a page. @resolve: of
 * users whose number is not given; a number that is given must be the system's when @resolve knows
 * the name (NULL: not asked, for what we wrote ourselves). Gives *ret.
 * Errors: 0; -EINVAL, -E2BIG with @ret_error ("rules[3].ports[0]: …"); -ENOMEM. */
int policyjson_read(const void *bytes, size_t len, policyfile_resolver *resolve,
		    struct policy **ret, struct policyfile_error *ret_error) _warn_unused_;

/* SHA-256 of the canonical form, 64 hexadecimal digits: the digest of the policy.
 * Errors: as policyjson_write(). */
int policyjson_digest(const struct policy *p, char ret[static 65]) _warn_unused_;
