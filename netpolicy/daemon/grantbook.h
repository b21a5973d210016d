/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who was let in, where, and until when. A deadline is absolute: as long as this boot lasts, by the
 * time since boot, which nobody can set; after another boot by the wall clock, never longer than
 * was granted, and not at all when the clock is before the grant's beginning. The encoding, little-
 * endian: magic 8 bytes, FNV-1a 64 of the rest, next id u64, number u32, grants. Pure.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "netpolicy/apply/ctlwire.h"

#define GRANTBOOK_MAX 256                       /* grants at a time */
#define GRANTBOOK_LENGTH_MAX (7 * 86400)        /* seconds, whatever a policy says */
#define GRANTBOOK_BYTES_MAX (128 * 1024)        /* of the encoding */
#define GRANTBOOK_BOOT_ID 16                    /* bytes */
#define GRANTBOOK_FOREVER_S (UINT64_C(1) << 40) /* no wall clock is later, seconds */

/* What time it is, by all that counts. */
struct grantbook_clock {
	uint64_t boot_ns;
	uint64_t wall_s;
	uint8_t boot_id[GRANTBOOK_BOOT_ID];
};

struct grantbook_entry {
	uint64_t id; /* 1... */
	char name[64];
	struct in6_addr addr;
	char who[CTLWIRE_WHO_MAX], why[CTLWIRE_WHY_MAX];
	uint32_t length_s;                  /* as granted, 1...GRANTBOOK_LENGTH_MAX */
	uint64_t start_wall_s;              /* when it was granted */
	uint64_t until_boot_ns;             /* of the boot with boot_id */
	uint8_t boot_id[GRANTBOOK_BOOT_ID]; /* of grantbook_adopt(): always this one */
};

struct grantbook {
	struct grantbook_entry *list; /* owned; by id */
	size_t n, cap;
	uint64_t next_id;
};

/* Adds what @q asks for. Gives the entry, which lives until the book changes.
 * Errors: 0; -EEXIST the same address has that grant (*ret is it); -ENOSPC; -EINVAL no length, or
 * too long; -ENOMEM. */
int grantbook_add(struct grantbook *b, const struct ctlwire_request *q,
		  const struct grantbook_clock *now,
		  const struct grantbook_entry **ret) _warn_unused_;

/* Ends it @seconds from now. As grantbook_add(). Errors: 0; -ENOENT; -EINVAL. */
int grantbook_renew(struct grantbook *b, uint64_t id, uint32_t seconds,
		    const struct grantbook_clock *now,
		    const struct grantbook_entry **ret) _warn_unused_;

/* Makes the entry with the id of @before what it was: a renewal that came to nothing. */
void grantbook_restore(struct grantbook *b, const struct grantbook_entry *before);

/* The entry with that id, or NULL. */
const struct grantbook_entry *grantbook_find(const struct grantbook *b, uint64_t id);

/* Takes one out. Fills *ret. Errors: 0; -ENOENT. */
int grantbook_end(struct grantbook *b, uint64_t id, struct grantbook_entry *ret) _warn_unused_;

/* Takes out one that has ended. Fills *ret. False: there is none. */
bool grantbook_expire(struct grantbook *b, uint64_t now_ns, struct grantbook_entry *ret);

/* When the next one ends, UINT64_MAX = never. */
uint64_t grantbook_next(const struct grantbook *b);

/* What is left of it in milliseconds if nobody may have more than @max_s, 0 = nothing. */
uint64_t grantbook_left_ms(const struct grantbook_entry *e, uint32_t max_s, uint64_t now_ns);

/* After decoding: translates deadlines of other boots into this one and drops what has ended.
 * Gives how many were dropped. */
size_t grantbook_adopt(struct grantbook *b, const struct grantbook_clock *now);

/* Encodes. Gives *ret (free() it) and *ret_len. Errors: 0; -ENOMEM. */
int grantbook_encode(const struct grantbook *b, uint8_t **ret, size_t *ret_len) _warn_unused_;

/* Decodes into the empty book @ret, which the caller releases also after an error.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int grantbook_decode(const void *bytes, size_t len, struct grantbook *ret) _warn_unused_;

/* Releases. For _cleanup_(grantbook_release). */
void grantbook_release(struct grantbook *b);
