/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one identity check: who is the peer behind a verified X.509 certificate in the Athenz
 * profile. Used by gatewayd's workers, tunneld's worker and ztsd alike. The chain itself is
 * verified by TLS; this reads names, strictly, and never authorises on DNS names.
 * Source: docs/protocol.md, section 1.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"

#define PEERID_PRINCIPAL_MAX 256 /* bytes with NUL */
#define PEERID_PROVIDER_MAX 128
#define PEERID_INSTANCE_MAX 128
#define PEERID_SERIAL_MAX 64
#define PEERID_SANS_MAX 64     /* alternative names in one certificate */
#define PEERID_SAN_BYTES_MAX 1024
#define PEERID_PROVIDERS_MAX 16

struct peerid {
	char principal[PEERID_PRINCIPAL_MAX];   /* lower case, "domain.service" */
	char provider[PEERID_PROVIDER_MAX];     /* "" when the certificate names no instance */
	char instance_id[PEERID_INSTANCE_MAX];  /* "" as above */
	char serial[PEERID_SERIAL_MAX];         /* lower-case hex */
	uint64_t expires_wall;                  /* notAfter, seconds since 1970 */
};

/* What a certificate must satisfy. */
struct peerid_rule {
	bool need_instance; /* hosts: exactly one instance-id URI, provider in the list below */
	const char *const *providers; /* kept; may be NULL when need_instance is false */
	size_t n_providers;
};

/* Reads and checks the names of @cert. Borrows both.
 * Errors: 0; -EPERM with *ret_code = PST-21xx; -ENOMEM. *ret is untouched on failure. */
int peerid_read(const X509 *cert, const struct peerid_rule *rule, struct peerid *ret,
		enum pst *ret_code) _warn_unused_;

/* Maps an OpenSSL verification error (X509_V_ERR_...) to PST-2108, PST-2109 or PST-2110. */
enum pst peerid_verify_code(long verify_error);
