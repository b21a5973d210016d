/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * DNS names in the Athenz profile: "<anything.><service>.<domain with dashes>.<suffix>". An issuer
 * checks them; nobody is recognised by one, because the dashes are ambiguous (domains "a.b-c" and
 * "a-b.c" give the same name). Pure; no case is told apart.
 * Source: docs/identity.md, "DNS names"; RFC 1035, section 2.3.4 for the lengths.
 */
#include <stdbool.h>
#include <stddef.h>

#include "certs/principal.h"
#include "common/attr.h"

#define ATHENZDNS_NAME_MAX 254 /* bytes with NUL */
#define ATHENZDNS_LABEL_MAX 63 /* bytes of one label */

/* Writes the domain of @p with dashes in place of dots. */
void athenzdns_dash_domain(const struct principal *p, char ret[static PRINCIPAL_MAX]);

/* True for a DNS name: at most 253 bytes, labels of 1...63 bytes of A-Z a-z 0-9 _ and, not in
 * front, -; the first label may be "*" when there are more. */
bool athenzdns_is_name(const char *name);

/* True when @name is something and then ".@suffix": "x.aws.example" has the suffix "aws.example",
 * "xaws.example" and "aws.example" itself have not. */
bool athenzdns_has_suffix(const char *name, const char *suffix);

/* True when one of the labels in the first @len bytes of @name is @label, all of it. */
bool athenzdns_has_label(const char *name, size_t len, const char *label);

/* True when @name is one that @p may carry under @suffix: it ends in ".<domain with
 * dashes>.<suffix>", and the service is one complete label of what stands before. */
bool athenzdns_serves(const char *name, const struct principal *p, const char *suffix);

/* True when @name is "<id>.instanceid.athenz.<suffix>" with exactly this suffix; *ret_id_len is the
 * length of the id then. */
bool athenzdns_is_instance(const char *name, const char *suffix, size_t *ret_id_len);
