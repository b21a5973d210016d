/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The exchange response, configuration server -> host: a struct offer as JSON of at most 64 KiB,
 * and the error body {"code","message","retry_after_s"}. Source: docs/protocol.md, section 2.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/pst.h"
#include "tunneld/core/offer.h"

#define EXRESP_BYTES_MAX 65536
#define EXRESP_MESSAGE_MAX 256
#define EXRESP_RETRY_MAX_S 86400

struct exresp_error {
	enum pst code; /* one of our list that a server may give */
	char message[EXRESP_MESSAGE_MAX];
	uint32_t retry_after_s; /* 0 = not given */
};

/* Writes an offer as JSON. Gives *ret (free() it). Errors: 0; -ENOMEM; -EINVAL. */
int exresp_encode(const struct offer *o, char **ret) _warn_unused_;

/* Reads a response. Form only: whether the values may be used is for offer_check().
 * Errors: 0; -EBADMSG with *ret_code = PST-11xx; -ENOMEM. *ret is untouched on failure. */
int exresp_decode(const char *bytes, size_t len, struct offer *ret,
		  enum pst *ret_code) _warn_unused_;

/* Writes an error body. Gives *ret (free() it). Errors: 0; -ENOMEM. */
int exresp_encode_error(const struct exresp_error *e, char **ret) _warn_unused_;

/* Reads an error body. Errors: 0; -EBADMSG, also for a code that is not ours or that no server
 * gives (it speaks of 11xx, 12xx, 21xx and 40xx); -ENOMEM. */
int exresp_decode_error(const char *bytes, size_t len, struct exresp_error *ret) _warn_unused_;
