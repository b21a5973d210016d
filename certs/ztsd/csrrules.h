/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether a signing request may become a certificate: its names against the request around it, the
 * registry and the provider, in the order and with the words of Athenz. What is on no list refuses
 * the request; nothing is dropped in silence. What only the provider can know (names inside its
 * suffixes, private addresses) is handed on to the attestor. Source: docs/zts.md, "The request".
 */
#include <netinet/in.h>
#include <stddef.h>

#include "certs/athenz.h"
#include "certs/csr.h"
#include "certs/principal.h"
#include "certs/ztsd/ztsdconf.h"
#include "common/attr.h"

#define CSRRULES_NAMES_MAX (CSR_SANS_MAX + 1) /* the instance's URI may have to be added */

/* Borrowed. */
struct csrrules_claim {
	const struct ztsdconf *conf;
	const struct ztsdconf_provider *provider;
	const struct athenz_request *request; /* for a refresh with the names of the path */
	const struct csr *csr;
	const struct in6_addr *source; /* where the request comes from */
};

/* What was found good. Points into itself and into the request: do not move it. */
struct csrrules {
	char principal[PRINCIPAL_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	struct csr_name instance_uri, spiffe_uri;         /* in our spelling */
	const struct csr_name *names[CSRRULES_NAMES_MAX]; /* of the certificate */
	size_t n_names;
	const char *dns[CSRRULES_NAMES_MAX]; /* for the attestor */
	size_t n_dns;
	const char *ips[CSR_SANS_MAX]; /* for the attestor */
	size_t n_ips;
};

/* Checks everything but OU. Errors: 0; -EPERM with @ret_why, the message of a 400; *ret is then of
 * no use. */
int csrrules_check(const struct csrrules_claim *claim, struct csrrules *ret,
		   char ret_why[static ATHENZ_MESSAGE_MAX]) _warn_unused_;

/* Checks OU, which Athenz does after attestation. As csrrules_check(). */
int csrrules_check_unit(const struct csrrules_claim *claim,
			char ret_why[static ATHENZ_MESSAGE_MAX]) _warn_unused_;
