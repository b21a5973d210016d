/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The parts of the text that depend on the lists of a policy: sets of addresses and links, the
 * rules of one direction on one kind of link, and the guard. For netpolicy/emit/emit.c only.
 */
#include <stdbool.h>

#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* Appends "add set" and "flush set" for every set and map of our table. */
void emitlink_prepare_sets(const struct policy *p, struct buf *to);

/* Appends the sets and maps with their elements, as part of the table's block. */
void emitlink_sets(const struct policy *p, struct buf *to);

/* Appends the rules of one direction on one kind of link; @marked: those of the marked packets to
 * the configuration servers, or all others. */
void emitlink_rules(const struct policy *p, struct buf *to, enum policy_dir dir,
		    enum policy_via via, bool marked);

/* Appends the lines that empty the guard. */
void emitlink_prepare_guard(const struct policy *p, struct buf *to);

/* Appends the table of the guard: one egress chain for each uplink. */
void emitlink_guard(const struct policy *p, struct buf *to);
