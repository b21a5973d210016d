/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Leases on disk, so that a restarted tunneld adopts the tunnels it finds instead of disturbing
 * them. No secret is in it: keys and PSKs live in the kernel, whose state ends with the boot, and
 * so a file of another boot is worthless. Times are therefore plain boot-time nanoseconds.
 */
#include <stddef.h>

#include "common/attr.h"
#include "tunneld/core/session.h"
#include "tunneld/proto/exreq.h"
#include "tunneld/proto/status.h"

#define LEASEFILE_NAME "leases" /* in the state directory */
#define LEASEFILE_BYTES_MAX 131072

struct leasefile_entry {
	char name[OFFER_NAME_MAX]; /* of the configuration server */
	struct session_lease lease;
};

struct leasefile {
	char boot_id[EXREQ_BOOT_ID];
	struct leasefile_entry entries[STATUS_SERVERS_MAX];
	size_t n_entries;
};

/* Writes the file atomically. Borrows @f. Errors: 0; -EFBIG over STATUS_SERVERS_MAX entries;
 * -errno. The old file then stays. */
int leasefile_write(const char *path, const struct leasefile *f) _warn_unused_;

/* Reads the file. Errors: 0; -ENOENT; -EBADMSG when it is damaged; -errno. */
int leasefile_read(const char *path, struct leasefile *ret) _warn_unused_;

/* Reads leases out of @len bytes. For leasefile_read() and fuzzing. Errors: 0; -EBADMSG, and then
 * *ret is empty. */
int leasefile_parse(const void *bytes, size_t len, struct leasefile *ret) _warn_unused_;
