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

/* The key in it. Any thread may call it. Gives it (csrform_free_key()), or NULL with the reason in
 * OpenSSL's error queue. */
EVP_PKEY *csrform_decode_key(const struct csrform *f) _warn_unused_;

/* Takes back a key of csrform_decode_key(), which becomes that of another request: nobody may keep
 * a reference. NULL is allowed. */
void csrform_free_key(EVP_PKEY *key);

/* The SubjectPublicKeyInfo of @key, which is that of @f, in the one form that OpenSSL writes. Gives
 * *ret (OPENSSL_free()) and its length, or 0 when out of memory. */
size_t csrform_encode_key(const struct csrform *f, const EVP_PKEY *key,
			  unsigned char **ret) _warn_unused_;

/* Whether the algorithm of its signature is known: ECDSA, or RSA as in PKCS #1 1.5, both with
 * SHA-256, SHA-384 or SHA-512. */
bool csrform_knows_algorithm(const struct csrform *f);

/* Whether its signature was made with @key, with the algorithm that it names. */
bool csrform_is_signed_by(const struct csrform *f, EVP_PKEY *key) _warn_unused_;
