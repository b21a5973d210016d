/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A private key with its certificate: making keys, PEM both ways, and the check that a pair is
 * whole, ours and valid. Files in memory; who reads or writes them is the caller's affair.
 */
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/peerid.h"
#include "common/attr.h"
#include "common/pst.h"

#define KEYPAIR_KEY_MAX 8192   /* bytes of a private key in PEM */
#define KEYPAIR_CERT_MAX 65536 /* bytes of a certificate with its chain in PEM */
#define KEYPAIR_CA_MAX 131072  /* bytes of a bundle in PEM */
#define KEYPAIR_DETAIL_MAX 256

struct stack_st_X509; /* STACK_OF(X509) */

/* Three texts in PEM. Borrowed. */
struct keypair_pem {
	const char *key, *cert, *ca;
	size_t key_len, cert_len, ca_len;
};

/* What the pair must be. */
struct keypair_want {
	const char *principal;   /* lower case; NULL = any */
	const char *provider;    /* NULL = any */
	const char *instance_id; /* NULL = any */
	uint64_t now_wall;
	uint64_t skew_s; /* notBefore may lie that far ahead: the caller waits for it */
};

struct keypair_facts {
	struct peerid id;
	uint64_t not_before_wall, not_after_wall;
	bool expired; /* whole and ours, but over */
};

/* What is wrong with a public or private key that is to be in a certificate: only EC on the named
 * curves P-256 and P-384, and RSA of 2048...4096 bits with an odd exponent of 17...64 bits, do.
 * Static text for people; NULL when nothing is. May leave errors in OpenSSL's queue. */
const char *keypair_judge_key(const EVP_PKEY *key);

/* Reads all certificates of a PEM text, at least one; text around the blocks does not matter.
 * Empties OpenSSL's error queue of this thread. Gives *ret (sk_X509_pop_free()).
 * Errors: 0; -EBADMSG when there is none, or one that cannot be read; -ENOMEM. */
int keypair_read_certs(const char *pem, size_t len, struct stack_st_X509 **ret) _warn_unused_;

/* Makes a new key. Gives *ret (EVP_PKEY_free()). Errors: 0; -EIO. */
int keypair_generate(enum certconf_key type, EVP_PKEY **ret) _warn_unused_;

/* Writes a private key as PEM: SEC 1 or PKCS#1 as SIA does ("EC PRIVATE KEY", "RSA PRIVATE KEY").
 * Gives *ret (wipe and free() it). Errors: 0; -EIO; -ENOMEM. */
int keypair_write_key(EVP_PKEY *key, char **ret) _warn_unused_;

/* Checks, in this order: all three parse and the key belongs to the first certificate
 * (PST_PAIR_UNUSABLE); its names are those of an identity (codes of certs/peerid.h), the one that
 * is wanted (PST_PRINCIPAL_UNEXPECTED, PST_PROVIDER_DENIED); it is for TLS clients and chains to
 * the CAs (PST_CERT_UNTRUSTED; PST_CERT_EXPIRED when a CA is over); it is for this instance
 * (PST_INSTANCE_CHANGED); its time has come or comes within skew_s (PST_CLOCK_WRONG), and is not
 * over (PST_CERT_EXPIRED and facts.expired). Text around the PEM blocks does not matter.
 * Errors: 0; -EPERM with *ret_code and @ret_detail (one printable line); -ENOMEM. *ret is filled
 * as far as it was read, also on -EPERM. Empties OpenSSL's error queue of this thread. */
int keypair_check(const struct keypair_pem *pem, const struct keypair_want *want,
		  struct keypair_facts *ret, enum pst *ret_code,
		  char ret_detail[static KEYPAIR_DETAIL_MAX]) _warn_unused_;
