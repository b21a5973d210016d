/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The files of the identity: every pair is a directory ".pairs/<n>", the link "current" is switched
 * to it by one rename, and the names that SIA uses are links that never change. Each file and
 * directory is synced before the switch: after a crash at any moment there is the old pair or the
 * new one. Works below an open directory, follows no link of somebody else.
 * Source: docs/decisions/0012-a-pair-is-a-directory.md.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attr.h"

#define SIASTORE_KEY "key.pem"    /* mode 0440 */
#define SIASTORE_CERT "cert.pem"  /* mode 0444 */
#define SIASTORE_CA "ca.cert.pem" /* mode 0444 */

enum {
	SIASTORE_E_LATE = 1, /* siastore_commit(): the new pair is in its place, but a later step
				failed: a name is missing, or it may not outlive a power cut */
};

/* Three texts. Borrowed. */
struct siastore_pair {
	const void *key, *cert, *ca;
	size_t key_len, cert_len, ca_len;
};

struct siastore {
	int dir_fd, pairs_fd, keys_fd, certs_fd; /* -1 = not open */
	uint64_t current;                        /* 0 = none */
	uint64_t before;                         /* the pair before, kept for readers; 0 = none */
	uint64_t staged;                         /* 0 = none */
};

/* Nothing open. */
#define SIASTORE_INIT                                                                              \
	{                                                                                          \
		.dir_fd = -1, .pairs_fd = -1, .keys_fd = -1, .certs_fd = -1                        \
	}

/* As root, before siastore_open(): gives the pairs in the directory @pairs_fd to another user. Only
 * what belongs to the directory's present owner, and has no other name, for somebody else may have
 * put what is there. Errors: 0; -errno. */
int siastore_give(int pairs_fd, uid_t uid, gid_t gid) _warn_unused_;

/* Opens @dir, which must exist, be ours or root's, and be writable for its owner only; makes what
 * it lacks, reads which pair is current and removes what crashes left. Fills *@s.
 * Errors: 0; -EBUSY when another process has it open; -EPERM when others may write there;
 * -ENOTDIR, -ELOOP when something else is in the place of a directory; -EEXIST when "current" is
 * not a link of ours; -errno. */
int siastore_open(struct siastore *s, const char *dir) _warn_unused_;

/* Closes what is open; the files stay as they are. For _cleanup_(siastore_close). */
void siastore_close(struct siastore *s);

/* Whether @dir and what is in it still are the directories that are open. */
bool siastore_is_same(const struct siastore *s, const char *dir);

/* Writes and removes as much as a pair needs, so that an issuer is not asked for one in vain.
 * Errors: 0; -errno. */
int siastore_try(struct siastore *s) _warn_unused_;

/* Writes @pair to a directory of its own, synced, that no reader sees yet. One that was staged
 * before is removed. Borrows @pair.
 * Errors: 0; -errno, and then nothing is left. */
int siastore_stage(struct siastore *s, const struct siastore_pair *pair) _warn_unused_;

/* Removes what is staged. */
void siastore_discard(struct siastore *s);

/* The directory with the staged or the current pair below @dir, as text. Writes it to @ret of @cap
 * bytes. Errors: 0; -ENOENT when there is none; -ENAMETOOLONG. */
int siastore_path(const struct siastore *s, const char *dir, bool staged, char *ret,
		  size_t cap) _warn_unused_;

/* Makes the staged pair the current one under the names of @principal, and removes the pairs
 * older than the one before. A plain file in the place of a name is replaced, a directory is not.
 * Errors: 0; SIASTORE_E_LATE; -ENOENT when nothing is staged; -errno, and then the old pair stays
 * and the new one stays staged. */
int siastore_commit(struct siastore *s, const char *principal) _warn_unused_;

/* Makes the names of @principal lead to the current pair, removes names of ours for another one.
 * Does nothing that is not needed. Errors: 0; -EISDIR; -errno. */
int siastore_name(struct siastore *s, const char *principal) _warn_unused_;

/* Takes the current pair away from its readers, and all pairs off the disk but what is staged.
 * Errors: 0; -errno. */
int siastore_withdraw(struct siastore *s) _warn_unused_;
