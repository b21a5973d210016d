/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a host learns who it is, and proves it to the issuer: one implementation for each
 * certconf.attestation. Another cloud is one more file like attest_aws.c, and a row in fetchrun.c.
 * Source: docs/zts.md, "Attestation".
 */
#include <stdint.h>

#include "certs/athenz.h"
#include "certs/certconf.h"
#include "certs/fetch/fetchfiles.h"
#include "certs/fetch/fetchname.h"
#include "certs/fetchjob.h"
#include "common/attr.h"

#define ATTEST_IP_MAX 46 /* bytes with NUL */

/* All borrowed. */
struct attest {
	const struct certconf *conf;
	const struct fetchfiles *files;
	const struct fetchname *sts; /* where sts_url leads, for those who ask it */
	uint64_t deadline_ns;
};

/* What goes into a request. */
struct attest_proof {
	char *evidence;                 /* attestationData; owned, wiped */
	char private_ip[ATTEST_IP_MAX]; /* "" = none known */
	const char *cloud;              /* static; "" = none */
};

struct attest_ops {
	/* Which instance this is, and which names it has. Gives *ret.
	 * Errors: 0; -EPERM with code and detail in *ret_result; -ENOMEM. */
	int (*identify)(const struct attest *a, struct fetchjob_self *ret,
			struct fetchjob_result *ret_result);
	/* Proves that this is the instance @self. Gives *ret (attest_release()).
	 * Errors: as identify(); PST_INSTANCE_CHANGED when it is another one. */
	int (*prove)(const struct attest *a, const struct fetchjob_self *self,
		     struct attest_proof *ret, struct fetchjob_result *ret_result);
};

/* EC2: instance identity document, and credentials or a token from STS. */
extern const struct attest_ops attest_aws;
/* A text from a file, for labs and for whoever brings his own proof. */
extern const struct attest_ops attest_token;

/* Checks that the names of @self are what the issuer and all peers will accept, and brings them to
 * lower case: principal, provider and instance id. Errors: 0; -EPERM with PST_NAME_UNKNOWN. */
int attest_check_self(struct fetchjob_self *self, struct fetchjob_result *ret_result) _warn_unused_;

/* Wipes and frees. For _cleanup_(attest_release). */
void attest_release(struct attest_proof *p);
