/* SPDX-License-Identifier: MIT */
/* common/chan: the input is the number of descriptors, then a frame. What chan_parse() accepts
 * comes out of chan_send() as the very same bytes; what it refuses leaves the message alone. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/chan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct chan_op ops[] = {
	{ .type = 1, .name = "empty", .body_max = 0 },
	{ .type = 2, .name = "fixed", .body_min = 32, .body_max = 32 },
	{ .type = 3, .name = "with-fd", .body_min = 1, .body_max = 64, .fd_allowed = true },
	{ .type = 0x1234, .name = "any", .body_max = CHAN_BODY_MAX },
	{ .type = 0xffff, .name = "too-large", .body_max = UINT32_MAX },
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void send_again(struct chan_msg *msg, const uint8_t *frame, size_t len)
{
	uint8_t got[CHAN_HEADER_BYTES + CHAN_BODY_MAX];
	int pair[2];

	check(chan_pair(pair) == 0);
	msg->fd = msg->op->fd_allowed ? pair[1] : -1;
	check(chan_send(pair[0], msg) == 0);
	msg->fd = -1;
	check(recv(pair[1], got, sizeof(got), 0) == (ssize_t)len && !memcmp(got, frame, len));
	closep(&pair[0]);
	closep(&pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg;

	if (size < 1)
		return 0;
	chan_msg_init(&msg, NULL, 0);
	if (chan_parse(data + 1, size - 1, ops, ARRAY_SIZE(ops), data[0], &msg) < 0) {
		check(!msg.op && msg.fd == -1 && msg.len == 0);
		return 0;
	}
	check(msg.len == size - 1 - CHAN_HEADER_BYTES && msg.fd == -1);
	check(data[0] == (msg.op->fd_allowed ? 1 : 0));
	check(!memcmp(msg.body, data + 1 + CHAN_HEADER_BYTES, msg.len));
	send_again(&msg, data + 1, size - 1);
	chan_msg_release(&msg);
	return 0;
}
