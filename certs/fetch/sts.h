/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a host asks of AWS STS: the credentials of the role that is named like its service, or a
 * web-identity token. Both are secrets. Source: AWS STS API reference, AssumeRole and
 * GetWebIdentityToken.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/athenz.h"
#include "certs/certconf.h"
#include "certs/fetch/fetchname.h"
#include "certs/fetchjob.h"
#include "common/attr.h"

#define STS_ROLE_MAX 65 /* bytes with NUL of a role's name and of a session's; IAM */
#define STS_URL_MAX (CONF_VALUE_MAX + 64)

/* Whom to ask, and in which role. All borrowed. */
struct sts {
	const struct certconf *conf;
	const struct fetchjob_self *self; /* principal, region, account */
	const struct fetchname *name;     /* where sts_url leads */
	const void *ca;                   /* PEM */
	size_t ca_len;
	uint64_t deadline_ns;
};

/* The configured URL for @region, without a slash at its end.
 * Errors: 0; -EINVAL when it needs a region and there is none, or is too long. */
int sts_url(const struct certconf *conf, const char *region,
	    char ret[static STS_URL_MAX]) _warn_unused_;

/* The name of the role: "<domain>.<service>" or "<service>".
 * Errors: 0; -EINVAL when it is longer than IAM allows. */
int sts_role(const struct certconf *conf, const char *principal,
	     char ret[static STS_ROLE_MAX]) _warn_unused_;

/* Exchanges the credentials @with for those of the role. Gives access, secret and token of *ret.
 * Errors: 0; -EPERM with PST_STS_FAILED, PST_CLOCK_WRONG; -ENOMEM. */
int sts_assume_role(const struct sts *s, const struct athenz_evidence *with,
		    struct athenz_evidence *ret, struct fetchjob_result *ret_result) _warn_unused_;

/* Asks in the role whose credentials are @with for a token. Gives *ret (wipe and free() it).
 * Errors: as sts_assume_role(). */
int sts_web_identity(const struct sts *s, const struct athenz_evidence *with, char **ret,
		     struct fetchjob_result *ret_result) _warn_unused_;
