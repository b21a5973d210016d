/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The XML answers of AWS STS, read for the few texts that matter. expat does the parsing; document
 * type declarations and entities are refused. Source: AWS STS API reference, AssumeRole,
 * GetWebIdentityToken, GetCallerIdentity, common errors.
 */
#include <stddef.h>

#include "common/attr.h"

#define STSXML_BYTES_MAX 65536 /* of one answer */
#define STSXML_DEPTH_MAX 8
#define STSXML_TEXT_MAX 8192   /* bytes with NUL of one text: session tokens and JWTs are long */

/* Finds the text of the element at @path ("AssumeRoleResponse/AssumeRoleResult/Credentials/Token":
 * local names from the root on; namespaces do not count). Exactly one such element, not empty,
 * printable ASCII. Copies it to @ret of @cap bytes.
 * Errors: 0; -ENOENT when it is not there; -EBADMSG for anything that is not well-formed, twice, or
 * too large; -ENOMEM. */
int stsxml_find(const char *bytes, size_t len, const char *path, char *ret,
		size_t cap) _warn_unused_;
