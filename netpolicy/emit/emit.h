/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The model as nftables text. The text is also the audit: every rule has a counter and a comment
 * that names the line of the page, or the row of docs/policy.md. It chooses the order, so that
 * a policy cannot get it wrong, and it can be loaded over an older one in place: base chains are
 * never deleted, only emptied and filled in one transaction. Named sets only, sorted and merged
 * elements, names instead of indexes, numbers instead of user names.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

#define EMIT_TEXT_MAX (24 * 1024 * 1024) /* bytes */

#define EMIT_TABLE "postern"       /* family inet */
#define EMIT_GUARD "postern_guard" /* family netdev */

/* Appends the text of @p, which policy_finish() has seen, to @to.
 * Errors: 0; -ENOMEM, -EFBIG; -E2BIG too much IPv4 for the guard. */
int emit_policy(const struct policy *p, struct buf *to) _warn_unused_;

/* The digest that names the content of @p: of its text, without the line that shows the digest.
 * Gives 64 hexadecimal digits. Errors: as emit_policy(). */
int emit_digest(const struct policy *p, char ret[static 65]) _warn_unused_;
