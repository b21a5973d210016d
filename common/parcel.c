/* SPDX-License-Identifier: MIT */
#include "common/parcel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/wire.h"

#define PARCEL_FRONT 4 /* bytes in front of every message */

/* Waits until @fd is ready or the deadline is over. */
static int parcel_wait(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ms = -1;
	int n;

	do {
		uint64_t now = clk_now_ns();

		if (deadline_ns && now >= deadline_ns)
			return -ETIMEDOUT;
		if (deadline_ns)
			ms = (int)((deadline_ns - now) / CLK_NS_PER_MS) + 1;
		n = poll(&p, 1, ms);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int parcel_write_all(int fd, const uint8_t *bytes, size_t len, uint64_t deadline_ns)
{
	for (size_t at = 0; at < len;) {
		int r = parcel_wait(fd, POLLOUT, deadline_ns);
		ssize_t n;

		if (r < 0)
			return r;
		n = send(fd, bytes + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int parcel_send(int fd, const void *bytes, size_t len, uint64_t deadline_ns)
{
	uint8_t front[PARCEL_FRONT];
	struct wire w = wire_writer(front, sizeof(front));
	int r;

	if (len > UINT32_MAX)
		return -EFBIG;
	wire_put_u32(&w, (uint32_t)len);
	r = parcel_write_all(fd, front, sizeof(front), deadline_ns);
	return r < 0 ? r : parcel_write_all(fd, bytes, len, deadline_ns);
}

static int parcel_read_all(int fd, uint8_t *to, size_t len, uint64_t deadline_ns)
{
	for (size_t at = 0; at < len;) {
		int r = parcel_wait(fd, POLLIN, deadline_ns);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(fd, to + at, len - at, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int parcel_receive(int fd, size_t max, uint64_t deadline_ns, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	uint8_t front[PARCEL_FRONT] = { 0 };
	struct wire w = wire_reader(front, sizeof(front));
	uint32_t len;
	int r = parcel_read_all(fd, front, sizeof(front), deadline_ns);

	if (r < 0)
		return r;
	len = wire_get_u32(&w);
	if (len > max)
		return -EBADMSG;
	bytes = malloc(len + (size_t)1);
	if (!bytes)
		return -ENOMEM;
	r = parcel_read_all(fd, bytes, len, deadline_ns);
	if (r < 0)
		return r;
	*ret = steal_ptr(bytes);
	*ret_len = len;
	return 0;
}
