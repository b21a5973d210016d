/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Policies for tests: the smallest configuration, more lines behind it, and what becomes of it.
 */
#include "netpolicy/model/policy.h"
#include "netpolicy/parse/policyconf.h"

/* The smallest configuration that works. */
extern const char policyfixture_base[];

/* Builds the model of the base and @more. Gives it or NULL, with the reason in @ret_error. */
struct policy *policyfixture_build(const char *more, char ret_error[static POLICY_ERROR_MAX]);

/* The text of the base and @more; freed by the caller. NULL with a failed assertion. */
char *policyfixture_text(const char *more);

/* Reads a file of tests/golden/netpolicy; freed by the caller. NULL when it is not there. */
char *policyfixture_golden(const char *name);

/* Sets POSTERN_LIBEXECDIR so that the compiler of this build is found. */
void policyfixture_use_build(void);
