/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Certificate signing requests in the Athenz profile: made by certd-fetch, read by ztsd. A request
 * is read strictly and completely; nothing of it is copied into a certificate as it stands.
 * Source: docs/zts.md, "The request"; RFC 2986.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/principal.h"
#include "common/attr.h"

#define CSR_PEM_MAX 16384 /* bytes */
#define CSR_SANS_MAX 64   /* alternative names in one request */
#define CSR_TEXT_MAX 1024 /* bytes with NUL of one name */

/* What goes into a request. Borrowed texts; NULL or "" = left out. */
struct csr_spec {
	const char *principal;   /* domain.service: the common name, of any length */
	const char *provider;
	const char *instance_id;
	const char *private_ip;  /* text form, IPv4 or IPv6 */
	const struct certconf *conf; /* [csr] */
};

enum csr_san { CSR_DNS, CSR_URI, CSR_IP, CSR_EMAIL };

struct csr_name {
	enum csr_san kind;
	char text[CSR_TEXT_MAX]; /* addresses in canonical text form */
};

/* What a request says. */
struct csr {
	EVP_PKEY *key;                  /* owned */
	char common_name[PRINCIPAL_MAX]; /* as written; "" when there is none */
	char country[8], organization[256], organizational_unit[256]; /* "" when there is none */
	struct csr_name *names;         /* owned */
	size_t n_names;
};

/* Makes a request signed by @key, PEM. Gives *ret (free() it). Errors: 0; -EINVAL for names that
 * do not fit; -EIO when OpenSSL refuses; -ENOMEM. */
int csr_make(EVP_PKEY *key, const struct csr_spec *spec, char **ret) _warn_unused_;

/* Reads the @len bytes of one PEM request: exactly one block; at most one common name, O and OU,
 * printable, no NUL; only DNS, URI, IP and mail names, at most CSR_SANS_MAX; a key of EC P-256 or
 * P-384, or RSA of 2048...4096 bits; signed by that key.
 * Errors: 0; -EBADMSG with *ret_why, static text for people; -ENOMEM. */
int csr_read(const char *pem, size_t len, struct csr *ret, const char **ret_why) _warn_unused_;

/* For _cleanup_(csr_release). */
void csr_release(struct csr *c);
