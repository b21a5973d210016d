/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The model as canonical JSON: sorted keys, no blanks, sorted and merged prefixes, users with name
 * and number; the lines in the order of the page, with "where" and remarks, so that what is emitted
 * from it has the same comments. Both ways: for machines that write policies, and for what was
 * loaded before. netpolicy.conf(5) has the schema.
 * The digest is taken over the meaning, a shorter form: without "where", remarks, the texts of
 * claims and the names of users, and with lists in an order of their own. A policy that was moved
 * to another line, file or folder, commented or sorted lets the same packets through and keeps its
 * digest; a host where the user "app" has another number does not.
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
 * the name (NULL: not asked, for what we wrote ourselves). A missing "where" becomes the place in
 * the document. Gives *ret.
 * Errors: 0; -EINVAL, -E2BIG with @ret_error ("rules[3].ports[0]: …"); -ENOMEM. */
int policyjson_read(const void *bytes, size_t len, policyfile_resolver *resolve,
		    struct policy **ret, struct policyfile_error *ret_error) _warn_unused_;

/* Appends the meaning, over which the digest is taken: sha256sum of these bytes. Errors: as
 * policyjson_write(). */
int policyjson_write_meaning(const struct policy *p, struct buf *to) _warn_unused_;

/* SHA-256 of the meaning, 64 hexadecimal digits: the digest of the policy.
 * Errors: as policyjson_write(). */
int policyjson_digest(const struct policy *p, char ret[static 65]) _warn_unused_;
