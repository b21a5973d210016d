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

#include "certs/principal.h"
#include "common/attr.h"
#include "common/pst.h"

#define PEERID_PRINCIPAL_MAX PRINCIPAL_MAX
#define PEERID_PROVIDER_MAX PRINCIPAL_PROVIDER_MAX
#define PEERID_INSTANCE_MAX PRINCIPAL_INSTANCE_MAX
#define PEERID_SERIAL_MAX 64 /* bytes with NUL: 31 bytes in hex; RFC 5280 allows 20, Athenz 21 */
#define PEERID_SANS_MAX 64   /* alternative names in one certificate */
#define PEERID_SAN_BYTES_MAX 1024 /* bytes of one URI, DNS or mail name */
#define PEERID_PROVIDERS_MAX 16   /* entries of a rule's list */
#define PEERID_ROLES_MAX 64       /* as above */

struct denylist;

struct peerid {
	char principal[PEERID_PRINCIPAL_MAX]; /* lower case, "domain.service" */
	char role[PEERID_PRINCIPAL_MAX];    /* "domain:role.role" that @principal acts in, or "" */
	char provider[PEERID_PROVIDER_MAX]; /* "" when the certificate names no instance */
	char instance_id[PEERID_INSTANCE_MAX]; /* "" as above */
	char serial[PEERID_SERIAL_MAX];        /* lower-case hex */
	uint64_t not_before_wall;              /* seconds since 1970 */
	uint64_t expires_wall;                 /* notAfter, as above */
	bool restricted; /* an OU ends in ":restricted": good for peers, not for an issuer */
};

/* What a certificate must satisfy. Borrowed. */
struct peerid_rule {
	/* Hosts: exactly one instance-id URI, its provider in the list. Others: at most one. */
	bool need_instance;
	const char *const *providers; /* lower case; may be NULL when need_instance is false */
	size_t n_providers;
	/* Role certificates are refused but for these, "domain:role.role" in lower case. */
	const char *const *roles;
	size_t n_roles;
	const struct denylist *deny; /* NULL = nobody is denied */
};

/* Reads and checks the names of @cert, in the order of docs/identity.md: the code is that of the
 * first rule that is broken. Borrows both. Empties OpenSSL's error queue of this thread.
 * Errors: -EPERM with *ret_code = PST-2101...2107, PST-2112 or PST-2113; -ENOMEM. */
int peerid_read(const X509 *cert, const struct peerid_rule *rule, struct peerid *ret,
		enum pst *ret_code) _warn_unused_;

/* Maps an OpenSSL verification error (X509_V_ERR_...) to PST-2108 or PST-2109. X509_V_OK gives
 * PST-2110: a handshake ends with it that failed because nobody presented a certificate. */
enum pst peerid_verify_code(long verify_error);

/* What an alert of the other end means (SSL_AD_...): PST-1004 when it does not accept our
 * certificate, else PST-1003. In TLS 1.3 such alerts come after the handshake, on the first
 * read. */
enum pst peerid_alert_code(int alert);
