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

/* Writes one message until @deadline_ns (clk_now_ns(); 0 = wait for ever).
 * Errors: 0; -ETIMEDOUT; -EPIPE when the other end is gone; -EFBIG over UINT32_MAX; -errno. */
int parcel_send(int fd, const void *bytes, size_t len, uint64_t deadline_ns) _warn_unused_;

/* Reads one message of at most @max bytes until the deadline. Gives *ret (free() it).
 * Errors: as parcel_send(); -EBADMSG over @max; -ENOMEM. */
int parcel_receive(int fd, size_t max, uint64_t deadline_ns, uint8_t **ret,
		   size_t *ret_len) _warn_unused_;
