/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A PKCS#10 request taken apart into its fields, of which nothing is judged yet, and the key and
 * the signature in it. OpenSSL's own reader, d2i_X509_REQ(), makes a new decoder for the key of
 * every request, which costs more than the check of its signature. Source: RFC 2986, section 4.
 */
#include <openssl/types.h>
#include <stdbool.h>

#include "certs/der.h"

/* Borrows the bytes that were decoded. */
struct csrform {
	struct der_in info; /* what is signed, whole */
	struct der_in version;
	struct der_in subject;    /* the sets in it */
	struct der_in key;        /* SubjectPublicKeyInfo, whole */
	struct der_in attributes; /* those in the set; empty when there is none */
	struct der_in algorithm;  /* the object identifier and its parameters */
	struct der_in signature;  /* the bytes */
};

/* Takes the @len bytes of one request apart; its fields fail together by *@failed, which must live
 * as long as @ret. Errors: 0; -EBADMSG; -E2BIG when something follows the request. */
int csrform_decode(const unsigned char *der, size_t len, bool *failed,
		   struct csrform *ret) _warn_unused_;

/* The key in it. Any thread may call it. Gives it (EVP_PKEY_free()), or NULL with the reason in
 * OpenSSL's error queue. */
EVP_PKEY *csrform_decode_key(const struct csrform *f) _warn_unused_;

/* Whether the algorithm of its signature is known: ECDSA, or RSA as in PKCS #1 1.5, both with
 * SHA-256, SHA-384 or SHA-512. */
bool csrform_knows_algorithm(const struct csrform *f);

/* Whether its signature was made with @key, with the algorithm that it names. */
bool csrform_is_signed_by(const struct csrform *f, EVP_PKEY *key) _warn_unused_;
