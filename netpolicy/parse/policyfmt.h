/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One page in the form that all pages have: words in columns within a block of lines of one kind,
 * prefixes as everybody writes them, comments and blank lines kept, nothing else changed. What it
 * gives means the same and formats to itself.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/parse/policyfile.h"

/* Appends the formatted @text of the file called @name to @to.
 * Errors: 0; -EINVAL with @ret_error for what cannot be read; -ENOMEM, -EFBIG. */
int policyfmt_text(const char *name, const char *text, struct buf *to,
		   struct policyfile_error *ret_error) _warn_unused_;

/* Appends the model as a page that reads back to the same model (lines without their files and
 * comments). Errors: 0; -ENOMEM, -EFBIG. */
int policyfmt_policy(const struct policy *p, struct buf *to) _warn_unused_;
