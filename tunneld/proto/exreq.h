/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The exchange request, host -> configuration server: JSON of at most 4 KiB. Source:
 * docs/protocol.md, section 2.
 */
#include <stddef.h>

#include "common/attr.h"
#include "common/pst.h"
#include "tunneld/core/wgkey.h"

#define EXREQ_BYTES_MAX 4096
#define EXREQ_HOSTNAME_MAX 254 /* RFC 1035, with NUL */
#define EXREQ_SOFTWARE_MAX 64
#define EXREQ_BOOT_ID 37 /* UUID text with NUL */

struct exreq {
	struct wgkey public_key;
	char hostname[EXREQ_HOSTNAME_MAX]; /* information only */
	char software[EXREQ_SOFTWARE_MAX]; /* information only */
	char boot_id[EXREQ_BOOT_ID];       /* information only; lower-case UUID */
};

/* Writes the request. Gives *ret (free() it). Borrows @req. Errors: 0; -ENOMEM; -EINVAL when a
 * field could not be decoded again. */
int exreq_encode(const struct exreq *req, char **ret) _warn_unused_;

/* Reads a request of @len bytes from a host that may be hostile. Borrows @bytes.
 * Errors: 0; -EBADMSG with *ret_code = the PST-11xx code; -ENOMEM. *ret is untouched on failure. */
int exreq_decode(const char *bytes, size_t len, struct exreq *ret,
		 enum pst *ret_code) _warn_unused_;
