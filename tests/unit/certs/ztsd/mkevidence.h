/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * AWS attestation data for tests: instance identity documents with a real CMS signature of a
 * test-made "AWS". Ends the program when OpenSSL will not.
 */
#include <stdint.h>

#include "certs/athenz.h"
#include "tests/unit/tunneld/exchange/excert.h"

#define MKEVIDENCE_DOCUMENT_MAX 1024 /* bytes with NUL */

/* Writes the document as the metadata service has it, with line breaks. */
void mkevidence_document(const struct athenz_document *d, char ret[static MKEVIDENCE_DOCUMENT_MAX]);

/* Signs @document. Gives the signature in base64 with line breaks (free() it). */
char *mkevidence_sign(const struct excert *aws, const char *document);

/* Encodes attestation data. Gives it (free() it). */
char *mkevidence_encode(const struct athenz_evidence *e);
