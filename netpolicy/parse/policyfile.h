/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reads a page of policy, its includes and the drop-ins of "<page without .conf>.d", into the
 * model. Errors name file, line and column, what was expected and the nearest word. Later files may
 * add, not weaken: nothing declared can be declared anew, a claim stays. No DNS: users become
 * numbers here, once, by the caller's resolver; a name that the system does not know is an error.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/model/policy.h"

#define POLICYFILE_PATH "/etc/postern/policy.conf"
#define POLICYFILE_LINES_MAX 4096              /* of all files together */
#define POLICYFILE_FILES_MAX 64                /* includes and drop-ins */
#define POLICYFILE_DEPTH_MAX 8                 /* of files that include files */
#define POLICYFILE_BYTES_MAX (8 * 1024 * 1024) /* of one file: lists of prefixes are long */

/* "policy.conf:17:21: expected 'via' or 'allow', got 'alow'; did you mean 'allow'?" */
struct policyfile_error {
	char file[POLICY_WHERE_MAX];
	unsigned int line, column;   /* from 1; 0 = of the whole file */
	char text[POLICY_ERROR_MAX]; /* the whole message, position included */
};

/* Gives the number of a user. Errors: 0; -ENOENT; -errno. */
typedef int policyfile_resolver(const char *name, uint32_t *ret);

/* The system's users, by getpwnam_r(). */
int policyfile_system_user(const char *name, uint32_t *ret) _warn_unused_;

/* Reads the page at @path with includes and drop-ins, finishes and checks it. Gives *ret.
 * Errors: 0; -EINVAL, -E2BIG with @ret_error; -ENOENT...; -ENOMEM; @ret_error filled. */
int policyfile_load(const char *path, policyfile_resolver *resolve, struct policy **ret,
		    struct policyfile_error *ret_error) _warn_unused_;

/* As policyfile_load() for text in memory, in which an include is an error; @name stands for the
 * file. */
int policyfile_load_text(const char *name, const char *text, policyfile_resolver *resolve,
			 struct policy **ret, struct policyfile_error *ret_error) _warn_unused_;
