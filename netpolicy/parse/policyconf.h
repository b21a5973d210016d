/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The host's configuration as netpolicy reads it: [zone] and [tunnel], which tunneld reads too, and
 * [policy]. Users become numbers here, once: a name that the system does not know is an error.
 */
#include <stdio.h>

#include "common/attr.h"
#include "common/conf.h"
#include "netpolicy/model/hostpolicy.h"

#define POLICYCONF_PATH "/etc/postern/postern.conf"

/* Reads @path and its drop-ins. Gives *ret on the heap (free() it).
 * Errors: 0; -ENOMEM; -errno as conf_load(), -ENOENT also for an unknown user;
 * @ret_error filled. */
int policyconf_load(const char *path, struct hostpolicy **ret,
		    struct conf_error *ret_error) _warn_unused_;

/* As policyconf_load() for text in memory; @name stands for the file in errors. */
int policyconf_load_text(const char *name, const char *text, struct hostpolicy **ret,
			 struct conf_error *ret_error) _warn_unused_;

/* Prints every key with its default and meaning. */
void policyconf_print_reference(FILE *to);

/* free() for _cleanup_(policyconf_freep). */
void policyconf_freep(struct hostpolicy **h);
