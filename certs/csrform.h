/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A PKCS#10 request taken apart into its fields, of which nothing is judged yet. OpenSSL's own
 * reader, d2i_X509_REQ(), makes a new decoder for the key of every request, which costs
 * more than the check of its signature; here one decoder serves all. Source: RFC 2986, section 4.
 */
#include <openssl/asn1.h>
#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "common/attr.h"

/* What is signed. */
struct csrform_info {
	ASN1_ENCODING bytes; /* as it came, for the signature */
	ASN1_INTEGER *version;
	X509_NAME *subject;
	ASN1_STRING *key; /* the whole SubjectPublicKeyInfo, still encoded */
	STACK_OF(X509_ATTRIBUTE) * attributes;
};

struct csrform {
	struct csrform_info *info;
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *signature;
};

/* Takes the @len bytes of one request apart: no byte may be left. Gives it, or NULL with the reason
 * in OpenSSL's error queue, *@ret_left = whether there was a request with something behind it. */
struct csrform *csrform_decode(const unsigned char *der, long len, bool *ret_left) _warn_unused_;

/* The key in it. Any thread may call it. Gives it (EVP_PKEY_free()), or NULL with the reason in
 * OpenSSL's error queue. */
EVP_PKEY *csrform_decode_key(const struct csrform *f) _warn_unused_;

/* Whether its signature was made with @key, with the algorithm that it names. */
bool csrform_is_signed_by(const struct csrform *f, EVP_PKEY *key) _warn_unused_;

/* Releases it. NULL is allowed. For _cleanup_(csrform_freep). */
void csrform_freep(struct csrform **p);
