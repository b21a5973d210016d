/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Framed channel between a privileged program and its worker: one SOCK_SEQPACKET datagram per
 * message, at most one descriptor with it, and only on the operations that say so. Header, 16
 * bytes little-endian: type u16, flags u16 (0), sequence u32, body length u32, reserved u32 (0).
 * The receiver checks everything against its table of operations; what does not fit is -EBADMSG,
 * and the caller then gives the other end up. Bodies are written and read with common/wire.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attr.h"

#define CHAN_HEADER_BYTES 16
#define CHAN_BODY_MAX 8176 /* header + body = 8 KiB, far below every socket buffer */

enum { CHAN_E_CLOSED = 1 }; /* chan_recv(): the other end is gone */

/* One operation of a channel, a row of a table shared by both ends. */
struct chan_op {
	uint16_t type;
	const char *name; /* for log lines */
	uint32_t body_min;
	uint32_t body_max; /* at most CHAN_BODY_MAX counts */
	bool fd_allowed;   /* exactly one descriptor travels with it; without the flag none may */
};

struct chan_msg {
	const struct chan_op *op;
	uint32_t seq;
	int fd; /* -1, or a descriptor that chan_msg_release() closes unless stolen */
	size_t len;
	uint8_t body[CHAN_BODY_MAX];
};

/* Makes a connected pair, both close-on-exec, non-blocking. Gives ret[0], ret[1].
 * Errors: 0; -errno. */
int chan_pair(int ret[static 2]) _warn_unused_;

/* An empty message of operation @op, ready for wire_writer(msg->body, sizeof(msg->body)). */
void chan_msg_init(struct chan_msg *msg, const struct chan_op *op, uint32_t seq);

/* Sends @msg; its descriptor (when @fd >= 0) is copied, not given away. Borrows @msg.
 * Errors: 0; -EMSGSIZE outside op's limits; -EINVAL when the descriptor does not fit the op;
 * -EPIPE when the other end is gone; -EAGAIN when the buffer is full; -errno. */
int chan_send(int fd, const struct chan_msg *msg) _warn_unused_;

/* Receives one message that fits the table @ops of @n_ops rows. Gives *ret, which needs no value
 * before and is empty after an error, so that chan_msg_release() is right on every path.
 * Errors: 0; CHAN_E_CLOSED; -EAGAIN; -EBADMSG (give the other end up); -errno. */
int chan_recv(int fd, const struct chan_op *ops, size_t n_ops, struct chan_msg *ret) _warn_unused_;

/* Checks the @len bytes of one datagram against the table and fills *ret with the descriptor -1.
 * @n_fds: descriptors that came along. Errors: 0; -EBADMSG, and then *ret is untouched. */
int chan_parse(const void *frame, size_t len, const struct chan_op *ops, size_t n_ops,
	       unsigned int n_fds, struct chan_msg *ret) _warn_unused_;

/* Closes a descriptor that nobody stole and wipes the body, which may hold a PSK. Accepts NULL. */
void chan_msg_release(struct chan_msg *msg);
