/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What certd remembers over a restart: who the host was in which boot, when the certificate came,
 * and what the issuer said, so that a process that is started again and again asks no faster. No
 * secret is in it, and it may be removed at any time: then the host identifies afresh.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/certd/schedule.h"
#include "certs/fetchjob.h"
#include "common/attr.h"
#include "common/bootid.h"

#define CERTSTATE_NAME "certd.state" /* in the state directory, mode 0600 */
#define CERTSTATE_BYTES_MAX 4096

struct certstate {
	char boot_id[BOOTID_MAX];
	uint64_t conf;             /* fingerprint of the settings that decide who the host is */
	struct fetchjob_self self; /* principal "" = never identified */
	char serial[FETCHJOB_SERIAL_MAX]; /* of the pair that came at @since_wall */
	uint64_t since_wall;
	uint64_t asked_wall;  /* when the issuer was asked last; 0 = never, as the next four */
	uint64_t hold_wall;   /* do not ask it before */
	uint64_t healed_wall; /* when a revocation was answered */
	uint64_t done_wall;   /* when it gave a certificate last */
	uint64_t last_wall;   /* the last attempt, for the status, as are the next */
	enum schedule_step last_step;
	enum pst last_code;
	char last_detail[FETCHJOB_DETAIL_MAX];
};

/* Writes the file atomically. Borrows @s. Errors: 0; -EFBIG for texts too long; -errno. The old
 * file then stays. */
int certstate_write(const char *path, const struct certstate *s) _warn_unused_;

/* Reads the file. Errors: 0; -ENOENT; -EBADMSG when it is damaged; -errno. */
int certstate_read(const char *path, struct certstate *ret) _warn_unused_;

/* Encodes into @ret of CERTSTATE_BYTES_MAX bytes. Errors: 0; -EFBIG. */
int certstate_encode(const struct certstate *s, uint8_t ret[static CERTSTATE_BYTES_MAX],
		     size_t *ret_len) _warn_unused_;

/* The pair of certstate_encode(). Errors: 0; -EBADMSG, and then *ret is untouched. */
int certstate_decode(const void *bytes, size_t len, struct certstate *ret) _warn_unused_;
