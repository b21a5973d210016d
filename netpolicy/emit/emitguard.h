/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The second table: one egress chain for each uplink, which knows nevers only and which packet
 * sockets cannot walk past. For netpolicy/emit/emit.c only.
 */
#include "common/attr.h"
#include "common/buf.h"
#include "netpolicy/model/policy.h"

/* Appends the lines that empty the guard. */
void emitguard_prepare(const struct policy *p, struct buf *to);

/* Appends the table. Errors: 0; -ENOMEM, -E2BIG of the list of IPv4 prefixes; what goes wrong with
 * @to sticks there. */
int emitguard_table(const struct policy *p, struct buf *to) _warn_unused_;
