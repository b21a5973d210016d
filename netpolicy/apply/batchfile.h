/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A recorded batch with the dump that it must lead to, the page it was made from and the grants
 * that page offers, as a file: what boot replays without any parser. Layout, little-endian: a
 * header of 48 bytes (magic 8, version u32, front length u32, batch length u32, grants length u32,
 * dump length u32, page length u32, FNV-1a sum of all that and the front u64, sum of the rest u64);
 * the front: about and digest as strings, batch; the rest: grants, dump, page. Boot reads no more
 * than the front. The sums find damage, not forgery: whoever can write the file is root, and
 * batch_check() limits what a batch can do. Encoding and decoding are pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/ip6.h"
#include "netpolicy/apply/batch.h"
#include "netpolicy/apply/kdump.h"

#define BATCHFILE_ABOUT_MAX 256               /* bytes with the NUL */
#define BATCHFILE_DIGEST_MAX 65               /* 64 hexadecimal digits and the NUL */
#define BATCHFILE_PAGE_MAX (24 * 1024 * 1024) /* bytes */
#define BATCHFILE_GRANTS_MAX 64               /* grants of one policy */
#define BATCHFILE_GRANT_S_MAX (7 * 24 * 60 * 60)
#define BATCHFILE_NETS_MAX 131072                /* prefixes of one grant */
#define BATCHFILE_GRANTS_BYTES (8 * 1024 * 1024) /* of all grants together */
#define BATCHFILE_BYTES_MAX                                                                        \
	(BATCH_BYTES_MAX + KDUMP_BYTES_MAX + BATCHFILE_PAGE_MAX + BATCHFILE_GRANTS_BYTES + 4096)

/* What netpolicyd may grant: it has no parser and never reads the page. */
struct batchfile_grant {
	char name[64];  /* of its line; its sets are grant_<name>6 and grant_<name>4 */
	uint32_t max_s; /* 1...BATCHFILE_GRANT_S_MAX */
	size_t n_nets;
	struct ip6_prefix *nets; /* owned; an IPv4 prefix is IPv4-mapped, its length + 96 */
};

struct batchfile {
	char about[BATCHFILE_ABOUT_MAX];   /* name, version and digest of the policy, for people */
	char digest[BATCHFILE_DIGEST_MAX]; /* SHA-256 of the page, or "" */
	uint8_t *batch;                    /* owned; aligned */
	size_t batch_len;
	struct kdump expected; /* owned */
	char *page;            /* owned; canonical JSON with a NUL behind page_len bytes, or NULL */
	size_t page_len;
	struct batchfile_grant *grants; /* owned */
	size_t n_grants;
};

/* Encodes. Gives *ret (free() it) and *ret_len. Errors: 0; -EFBIG; -EINVAL for a grant out of its
 * range; -ENOMEM. */
int batchfile_encode(const struct batchfile *f, uint8_t **ret, size_t *ret_len) _warn_unused_;

/* Decodes into @ret, which need not be initialized and is released by the caller also after an
 * error. Does not check the batch itself. Errors: 0; -EBADMSG; -EPROTO when another version of
 * this program wrote it; -ENOMEM. */
int batchfile_decode(const void *bytes, size_t len, struct batchfile *ret) _warn_unused_;

/* Reads @path. As batchfile_decode(). Errors: 0; -ENOENT; -EBADMSG; -EPROTO; -ENOMEM; -errno. */
int batchfile_read(const char *path, struct batchfile *ret) _warn_unused_;

/* Reads the front alone: about, digest and batch, and no damage behind them is seen. For boot.
 * As batchfile_read(). */
int batchfile_read_front(const char *path, struct batchfile *ret) _warn_unused_;

/* Replaces @path; what was there before, when it was something else, is then at "<path>.prev".
 * Errors: 0; -errno. */
int batchfile_write(const char *path, const struct batchfile *f) _warn_unused_;

/* Lets @path and "<path>.prev" change places in one step; a second call undoes the first.
 * Errors: 0; -ENOENT when one of them is not there; -errno. */
int batchfile_rollback(const char *path) _warn_unused_;

/* "damaged", "written by another version of this program"...: an error of batchfile_read() for
 * people. Static. */
const char *batchfile_strerror(int error);

/* Releases. For _cleanup_(batchfile_release). */
void batchfile_release(struct batchfile *f);
