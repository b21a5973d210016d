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
	const char *principal; /* domain.service: the common name, of any length */
	const char *provider;
	const char *instance_id;
	const char *private_ip;      /* text form, IPv4 or IPv6 */
	const struct certconf *conf; /* [csr] */
};

enum csr_san { CSR_DNS, CSR_URI, CSR_IP, CSR_EMAIL };

struct csr_name {
	enum csr_san kind;
	char text[CSR_TEXT_MAX]; /* addresses in canonical text form */
};

/* What a request says. */
struct csr {
	unsigned char *key; /* owned: its SubjectPublicKeyInfo, DER */
	size_t key_len;
	char common_name[PRINCIPAL_MAX]; /* as written; "" when there is none */
	char country[8], organization[256], organizational_unit[256]; /* "" when there is none */
	struct csr_name *names;                                       /* owned */
	size_t n_names;
};

/* Makes a request signed by @key with SHA-256, PEM: subject C, O, OU, CN; a DNS name for each
 * suffix, the legacy DNS name of the instance under the first suffix, the URIs of SPIFFE and of the
 * instance, the address; all as @spec and its conf say. Borrows all. Gives *ret (free() it).
 * Errors: 0; -EINVAL for names that no reader would accept; -EIO when OpenSSL refuses; -ENOMEM. */
int csr_make(EVP_PKEY *key, const struct csr_spec *spec, char **ret) _warn_unused_;

/* Reads the @len bytes of one PEM request: exactly one block and nothing but white space behind it;
 * a key that keypair_judge_key() likes; signed by that key with SHA-256, SHA-384 or SHA-512; in the
 * subject only C, O, OU and CN, each at most once and in a set of its own, printable ASCII; at most
 * one attribute of extensions with at most one list of alternative names: only DNS, URI, IP and
 * mail, printable ASCII without blanks, at most CSR_SANS_MAX. Other attributes and extensions do
 * not matter, and nobody sees them. Empties OpenSSL's error queue of this thread.
 * Gives *ret (csr_release()).
 * Errors: 0; -EBADMSG with *ret_why, static text for people; -ENOMEM. */
int csr_read(const char *pem, size_t len, struct csr *ret, const char **ret_why) _warn_unused_;

/* Releases what it owns. For _cleanup_(csr_release). */
void csr_release(struct csr *c);
