/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Registration and refresh at an Athenz ZTS: a new key, a request for a certificate, and what must
 * be true of the certificate that comes back before anybody uses it.
 * Source: docs/zts.md; Athenz' ZTS, resources /instance and /instance/{provider}/....
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/fetch/attest.h"
#include "certs/fetch/fetchfiles.h"
#include "certs/fetch/fetchname.h"
#include "certs/fetchjob.h"
#include "certs/keypair.h"
#include "common/attr.h"

/* notBefore of a certificate may lie that far ahead: certd waits for it. */
#define ZTSCALL_SKEW_S 900

/* All borrowed. */
struct ztscall {
	const struct fetchjob_start *job; /* REGISTER or REFRESH */
	const struct fetchfiles *files;
	const struct fetchname *name; /* where zts_url leads */
	const struct attest_proof *proof;
	uint64_t deadline_ns;
};

/* A new pair in PEM, each with a NUL behind it. */
struct ztscall_pair {
	char *key;  /* owned, wiped */
	char *cert; /* owned */
	char *ca;   /* owned: ca_pin, else what the issuer sent, else what we had */
};

/* Gives *ret, a pair that has passed every check, and its facts.
 * Errors: 0; -EPERM with code and detail in *ret_result: PST_ZTS_..., PST_CERT_REFUSED,
 * PST_ISSUED_REFUSED, PST_CLOCK_WRONG; -ENOMEM. */
int ztscall_run(const struct ztscall *call, struct ztscall_pair *ret,
		struct keypair_facts *ret_facts, struct fetchjob_result *ret_result) _warn_unused_;

/* Wipes and frees. For _cleanup_(ztscall_release). */
void ztscall_release(struct ztscall_pair *p);
