/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is signed of a certificate in the Athenz profile, as bytes. They are put together here and
 * not by OpenSSL's objects, because those cost ztsd more than the signature does.
 * Source: docs/zts.md, "The certificate"; RFC 5280, section 4.1.
 */
#include <stdbool.h>
#include <stddef.h>

#include "certs/der.h"
#include "certs/ztsd/signer.h"

/* What all certificates of one CA have in common. Borrowed. */
struct certbody_ca {
	const unsigned char *algorithm; /* of its signatures: a whole AlgorithmIdentifier */
	size_t algorithm_len;
	const unsigned char *name; /* a whole Name; NULL = the order is for the CA itself */
	size_t name_len;
	const unsigned char *key_id;
	size_t key_id_len;
};

/* A buffer of that many bytes is enough for it. */
size_t certbody_room(const struct signer_order *order, const struct certbody_ca *ca);

/* Puts the TBSCertificate into @out. Errors: 0; -EIO for what cannot be said. */
int certbody_put(const struct signer_order *order, const struct certbody_ca *ca,
		 struct der_out *out) _warn_unused_;

/* Puts the SubjectPublicKeyInfo of @key into @out. Errors: 0; -EIO. */
int certbody_put_key(EVP_PKEY *key, struct der_out *out) _warn_unused_;
