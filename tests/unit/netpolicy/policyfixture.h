/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Policies for tests: a small page, more lines behind it, and what becomes of it.
 */
#include "netpolicy/model/policy.h"
#include "netpolicy/parse/policyfile.h"

/* A small page of a compute host with a tunnel. */
extern const char policyfixture_base[];

/* Users of tests: root 0, postern-certd 998, app 1001, archive 1002, postern-archive 1003. Errors:
 * 0; -ENOENT. */
int policyfixture_user(const char *name, uint32_t *ret) _warn_unused_;

/* Builds the model of a whole page. Gives it or NULL, with the reason in @ret_error. */
struct policy *policyfixture_page(const char *text, char ret_error[static POLICY_ERROR_MAX]);

/* Builds the model of the base and @more. Gives it or NULL, with the reason in @ret_error. */
struct policy *policyfixture_build(const char *more, char ret_error[static POLICY_ERROR_MAX]);

/* The text of a policy; freed by the caller. NULL with a failed assertion. */
char *policyfixture_emit(const struct policy *p);

/* The text of the base and @more; freed by the caller. NULL with a failed assertion. */
char *policyfixture_text(const char *more);

/* Reads a file of tests/golden/netpolicy; freed by the caller. NULL when it is not there. */
char *policyfixture_golden(const char *name);

/* Sets POSTERN_LIBEXECDIR so that the compiler of this build is found. */
void policyfixture_use_build(void);
