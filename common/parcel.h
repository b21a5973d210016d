/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages of any length over a stream socket: a u32 length, little-endian, and that many bytes.
 * For the few large questions that a program asks its child; what chan carries is smaller and
 * checked against a table.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"
#include "common/wire.h"

struct parcel {
	uint8_t *bytes; /* owned */
	size_t len;
};

/* Room for a message of at most @len bytes, at most @max, which parcel_seal() takes over whatever
 * is put in between. Gives *ret, a writer. Errors: 0; -EFBIG over @max; -ENOMEM. */
int parcel_begin(size_t len, size_t max, struct wire *ret) _warn_unused_;

/* Makes a message of what was put. Gives *ret. Errors: 0; -EFBIG when it did not fit. */
int parcel_seal(struct wire *w, struct parcel *ret) _warn_unused_;

/* Frees the bytes. For _cleanup_(). */
void parcel_release(struct parcel *p);

/* Writes one message until @deadline_ns (clk_now_ns(); 0 = wait for ever).
 * Errors: 0; -ETIMEDOUT; -EPIPE when the other end is gone; -EFBIG over UINT32_MAX; -errno. */
int parcel_send(int fd, const struct parcel *p, uint64_t deadline_ns) _warn_unused_;

/* Reads one message of at most @max bytes until the deadline. Gives *ret.
 * Errors: as parcel_send(); -EBADMSG over @max; -ENOMEM. */
int parcel_receive(int fd, size_t max, uint64_t deadline_ns, struct parcel *ret) _warn_unused_;
