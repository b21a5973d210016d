/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names in the Athenz profile as text: the principal ("domain.service"), the instance id and the
 * names that must agree with them. Pure: no certificate, no system call. Everything arrives as
 * bytes with a length, because names in certificates may hold a NUL.
 * Source: docs/identity.md; the character sets are those of Athenz's name grammar.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/attr.h"

#define PRINCIPAL_MAX 256          /* bytes with NUL */
#define PRINCIPAL_PROVIDER_MAX 128 /* bytes with NUL */
#define PRINCIPAL_INSTANCE_MAX 128 /* bytes with NUL */

/* Results that the caller handles. */
enum {
	PRINCIPAL_E_OTHER = 1, /* the name is of another kind, nothing is wrong with it */
	PRINCIPAL_E_FORMAT,    /* bad characters, bad length or missing parts */
	PRINCIPAL_E_ROLE,      /* the name of a role, not of a service */
	PRINCIPAL_E_DISAGREES, /* names something else than the principal or the instance */
};

struct principal {
	char name[PRINCIPAL_MAX]; /* lower case, "domain.service", at least one dot */
	size_t domain_len;        /* bytes before the last dot; the service follows the dot */
};

struct principal_role {
	char name[PRINCIPAL_MAX]; /* lower case, "domain:role.role" */
	size_t domain_len;        /* bytes before ":role." */
};

struct principal_instance {
	char provider[PRINCIPAL_PROVIDER_MAX]; /* lower case */
	char id[PRINCIPAL_INSTANCE_MAX];       /* as it was written: ids may differ in case only */
};

/* Lower-cases and splits the @len bytes at @name: labels [a-z0-9_][a-z0-9_-]* joined by dots, at
 * least two, the service being the last. Errors: PRINCIPAL_E_FORMAT, PRINCIPAL_E_ROLE. */
int principal_parse(const char *name, size_t len, struct principal *ret) _warn_unused_;

/* The service of @p: what follows the last dot. Borrowed from @p. */
const char *principal_service(const struct principal *p);

/* Lower-cases and splits the @len bytes at @name: "<domain>:role.<role>", both of labels joined by
 * dots. Errors: PRINCIPAL_E_OTHER (holds no ":role."), PRINCIPAL_E_FORMAT. */
int principal_parse_role(const char *name, size_t len, struct principal_role *ret) _warn_unused_;

/* Reads "athenz://principal/<domain.service>": whose role certificate it is. The scheme must be
 * lower-case, as below. Errors: PRINCIPAL_E_OTHER, PRINCIPAL_E_FORMAT. */
int principal_parse_uri(const char *uri, size_t len, struct principal *ret) _warn_unused_;

/* True for what may stand as <id> below. */
bool principal_is_instance_id(const char *id, size_t len);

/* Reads "athenz://instanceid/<provider>/<id>", exactly two segments. The id holds only
 * [A-Za-z0-9._~=+@$:-]: a comma is legal in Athenz but breaks its comma-joined lists. The scheme
 * must be lower-case; another spelling is a format error rather than another kind of name, so that
 * no two readers can differ on whether the certificate has an instance id. That an id has the form
 * of one cloud (EC2: i-…) is for the issuer to check.
 * Errors: PRINCIPAL_E_OTHER, PRINCIPAL_E_FORMAT. */
int principal_parse_instance(const char *uri, size_t len,
			     struct principal_instance *ret) _warn_unused_;

/* Gives the length of the id that the DNS name "<id>.instanceid.athenz.<suffix>" begins with.
 * Errors: PRINCIPAL_E_OTHER, PRINCIPAL_E_FORMAT (no id or no suffix). */
int principal_parse_dns(const char *dns, size_t len, size_t *ret_id_len) _warn_unused_;

/* Checks that a SPIFFE URI names @p in one of Athenz's two forms, in any case:
 * "spiffe://<domain>/sa/<service>" or "spiffe://<trust>/ns/<namespace>/sa/<domain>.<service>".
 * Errors: PRINCIPAL_E_OTHER (not spiffe:), PRINCIPAL_E_DISAGREES. */
int principal_check_spiffe(const struct principal *p, const char *uri, size_t len) _warn_unused_;

/* As principal_check_spiffe() for the certificate of a role: "spiffe://<domain>/ra/<role>" or
 * "spiffe://<trust>/ns/<domain>/ra/<role>". */
int principal_check_role_spiffe(const struct principal_role *role, const char *uri,
				size_t len) _warn_unused_;

/* Checks that the mail address "<domain.service>@<suffix>" names @p, in any case.
 * Errors: PRINCIPAL_E_DISAGREES. */
int principal_check_mail(const struct principal *p, const char *mail, size_t len) _warn_unused_;
