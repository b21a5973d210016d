/* SPDX-License-Identifier: MIT */
#include "common/parcel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clk.h"

#define PARCEL_FRONT 4 /* bytes in front of every message */

int parcel_begin(size_t len, size_t max, struct wire *ret)
{
	uint8_t *bytes;

	if (len > max)
		return -EFBIG;
	bytes = malloc(len + 1);
	if (!bytes)
		return -ENOMEM;
	*ret = wire_writer(bytes, len);
	return 0;
}

int parcel_seal(struct wire *w, struct parcel *ret)
{
	uint8_t *bytes = steal_ptr(w->bytes);

	if (wire_done(w) < 0) {
		free(bytes);
		return -EFBIG;
	}
	*ret = (struct parcel){ bytes, w->pos };
	return 0;
}

void parcel_release(struct parcel *p)
{
	free(p->bytes);
	*p = (struct parcel){ 0 };
}

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

int parcel_send(int fd, const struct parcel *p, uint64_t deadline_ns)
{
	uint8_t front[PARCEL_FRONT];
	struct wire w = wire_writer(front, sizeof(front));
	int r;

	if (p->len > UINT32_MAX)
		return -EFBIG;
	wire_put_u32(&w, (uint32_t)p->len);
	r = parcel_write_all(fd, front, sizeof(front), deadline_ns);
	return r < 0 ? r : parcel_write_all(fd, p->bytes, p->len, deadline_ns);
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

int parcel_receive(int fd, size_t max, uint64_t deadline_ns, struct parcel *ret)
{
	_cleanup_(parcel_release) struct parcel p = { 0 };
	uint8_t front[PARCEL_FRONT] = { 0 };
	struct wire w = wire_reader(front, sizeof(front));
	int r = parcel_read_all(fd, front, sizeof(front), deadline_ns);

	if (r < 0)
		return r;
	p.len = wire_get_u32(&w);
	if (p.len > max)
		return -EBADMSG;
	p.bytes = malloc(p.len + 1);
	if (!p.bytes)
		return -ENOMEM;
	r = parcel_read_all(fd, p.bytes, p.len, deadline_ns);
	if (r == 0)
		*ret = (struct parcel){ steal_ptr(p.bytes), p.len };
	return r;
}
