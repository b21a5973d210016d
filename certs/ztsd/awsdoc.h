/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who signed an EC2 instance identity document. AWS signs it as CMS (PKCS#7), with DSA and SHA-1
 * ("pkcs7" of the metadata service) or RSA and SHA-256 ("rsa2048"), and publishes the certificates;
 * an operator configures them, and nothing that comes with a message is trusted: no certificate
 * inside it, no chain. That a configured certificate is out of date does not matter.
 * Source: RFC 5652; AWS, "Verify the instance identity document".
 */
#include <stddef.h>

#include "common/attr.h"

#define AWSDOC_DOCUMENT_MAX 16384  /* bytes of a document */
#define AWSDOC_SIGNATURE_MAX 32768 /* bytes of a signature in base64, line breaks included */
#define AWSDOC_FILE_MAX 262144     /* bytes of one file of certificates */
#define AWSDOC_CERTS_MAX 256       /* certificates in all files: one or two for each region */
#define AWSDOC_WHY_MAX 256

struct awsdoc_trust; /* whose signatures count */

/* Loads the certificates of the @n PEM @files: DSA of 1024...3072 bits, RSA of 2048...4096 bits, or
 * EC P-256 or P-384; more than one may be in a file. Gives *ret (awsdoc_close()).
 * Errors: 0; -EINVAL, -EFBIG, -ENOENT... with @ret_why = what is wrong with which file; -ENOMEM. */
int awsdoc_open(const char *const *files, size_t n, struct awsdoc_trust **ret,
		char ret_why[static AWSDOC_WHY_MAX]) _warn_unused_;

/* Checks that exactly one signer, one of @t, signed the @len bytes of @document: @signature is a
 * CMS message in base64 without armour, as one line or many; a content inside it must be @document,
 * byte for byte. Borrows all. Empties OpenSSL's error queue of this thread.
 * Errors: 0; -EBADMSG with *ret_why, static text for people; -ENOMEM. */
int awsdoc_verify(const struct awsdoc_trust *t, const char *document, size_t len,
		  const char *signature, const char **ret_why) _warn_unused_;

/* Forgets the certificates. NULL is allowed. */
void awsdoc_close(struct awsdoc_trust *t);
