/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Signatures over instance identity documents, for tests, in place of AWS: CMS in base64 as the
 * metadata service gives it, right or wrong in many ways. Certificates and keys are made for the
 * test; nothing of AWS is in here.
 */
#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

struct mkcms {
	EVP_PKEY *key;
	X509 *cert;
	EVP_PKEY *second_key; /* NULL, or another signer */
	X509 *second_cert;
	const char *digest; /* NULL for SHA-1 with DSA, SHA-256 with others */
	bool is_attached;   /* the document is in the message, as AWS does it */
	bool is_streamed;   /* lengths are left open, as AWS does it */
	bool is_plain;      /* no signed attributes */
	bool is_by_key;     /* the signer is named by key instead of issuer and serial number */
	bool has_cert;      /* the signer's certificate is in the message */
	bool is_one_line;   /* base64 without line breaks */
	bool is_crlf;       /* line breaks of two bytes */
	bool has_rest;      /* a byte behind the message */
	int content_nid;    /* 0 for plain data */
};

/* Makes a DSA key: 1024 bits as AWS, or 2048. Takes a moment. Ends the program when OpenSSL will
 * not, as do the others. */
EVP_PKEY *mkcms_dsa(int bits);

/* Makes a certificate for @key named @cn, valid long ago; they all have the same serial number. */
X509 *mkcms_cert(EVP_PKEY *key, const char *cn);

/* Signs @len bytes. Gives base64; free() it. */
char *mkcms_sign(const struct mkcms *spec, const char *document, size_t len);

/* Encodes any bytes as base64; free() it. */
char *mkcms_base64(const unsigned char *bytes, size_t len);
