/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a step of a job says why it did not succeed: a code and one printable line in the result.
 * The texts may come from strangers (an issuer's message, a server's address), and they end in log
 * lines and on terminals.
 */
#include "certs/fetchjob.h"
#include "common/attr.h"
#include "common/pst.h"

/* Writes @code and the formatted detail into *ret; what does not fit is cut, what is not printable
 * ASCII becomes "?". Returns -EPERM, for the caller to return. */
int fetchfail_set(struct fetchjob_result *ret, enum pst code, const char *fmt, ...) _printf_(3, 4);
