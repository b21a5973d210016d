/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded batch with the dump that it must lead to, as a file: what boot replays without any
 * parser. Layout, little-endian: magic 8 bytes, version u32, batch length u32, dump length u32,
 * reserved u32 (0), FNV-1a 64 of everything behind the header, about as a string, batch, dump. The
 * sum finds damage, not forgery: whoever can write the file is root, and batch_check() limits what
 * a batch can do. Encoding and decoding are pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/kdump.h"

#define BATCHFILE_BYTES_MAX (BATCH_BYTES_MAX + KDUMP_BYTES_MAX + 4096)
#define BATCHFILE_ABOUT_MAX 256 /* bytes with the NUL */

struct batchfile {
	char about[BATCHFILE_ABOUT_MAX]; /* name, version and digest of the policy, for people */
	uint8_t *batch;                  /* owned; aligned */
	size_t batch_len;
	struct kdump expected; /* owned */
};

/* Encodes. Gives *ret (free() it) and *ret_len. Errors: 0; -EFBIG; -ENOMEM. */
int batchfile_encode(const struct batchfile *f, uint8_t **ret, size_t *ret_len) _warn_unused_;

/* Decodes into @ret, which need not be initialized and is released by the caller also after an
 * error. Does not check the batch itself. Errors: 0; -EBADMSG; -ENOMEM. */
int batchfile_decode(const void *bytes, size_t len, struct batchfile *ret) _warn_unused_;

/* Reads @path. As batchfile_decode(). Errors: 0; -ENOENT; -EBADMSG; -ENOMEM; -errno. */
int batchfile_read(const char *path, struct batchfile *ret) _warn_unused_;

/* Replaces @path; what was there before is then at "<path>.prev". Errors: 0; -errno. */
int batchfile_write(const char *path, const struct batchfile *f) _warn_unused_;

/* Releases. For _cleanup_(batchfile_release). */
void batchfile_release(struct batchfile *f);
