/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One page in the form that all pages have: words in columns within a block of lines of one kind,
 * prefixes as everybody writes them, comments and blank lines kept, nothing else changed: every
 * line stays a line, so that "policy.conf:17" is the same before and after. What it gives means the
 * same and formats to itself. It needs no users and no other files, so a drop-in alone will do.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/parse/policyfile.h"

/* Appends the formatted @text of the file called @name to @to.
 * Errors: 0; -EINVAL with @ret_error for what cannot be read; -ENOMEM, -EFBIG. */
int policyfmt_text(const char *name, const char *text, struct buf *to,
		   struct policyfile_error *ret_error) _warn_unused_;

/* Appends the model as a page that reads back to the same meaning (policyjson.h), with remarks and
 * claims, without comments and files. Lines change their order where networks must stand before
 * what names them. Errors: 0; -ENOMEM, -EFBIG. */
int policyfmt_policy(const struct policy *p, struct buf *to) _warn_unused_;

/* Appends one line of a claim as a page writes it, "never in via up new except from public",
 * without an end of line. An error sticks in @to. */
void policyfmt_say(const struct policy *p, const struct policy_say *say, struct buf *to);
