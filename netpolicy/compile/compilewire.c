/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/compilewire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clk.h"
#include "common/files.h"
#include "common/wire.h"

#define COMPILEWIRE_LENGTH 4 /* bytes in front of every message */

/* Closes an encoding: the length in front, the error if there was one. */
static int compilewire_seal(struct wire *w, size_t len, uint8_t **bytes, uint8_t **ret,
			    size_t *ret_len)
{
	struct wire front = wire_writer(*bytes, COMPILEWIRE_LENGTH);

	if (wire_done(w) < 0 || w->pos != len)
		return -EFBIG;
	wire_put_u32(&front, (uint32_t)(len - COMPILEWIRE_LENGTH));
	*ret = steal_ptr(*bytes);
	*ret_len = len;
	return wire_done(&front);
}

int compilewire_put_request(const struct compilewire_request *q, uint8_t **ret, size_t *ret_len)
{
	size_t len = COMPILEWIRE_LENGTH + 1 + 4 + q->text_len;
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct wire w;

	for (size_t i = 0; i < q->n_devices; i++)
		len += 2 + strlen(q->devices[i]);
	if (len > COMPILEWIRE_REQUEST_MAX)
		return -EFBIG;
	bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	w = wire_writer(bytes, len);
	wire_put_u32(&w, 0);
	wire_put_u8(&w, q->n_devices);
	for (size_t i = 0; i < q->n_devices; i++)
		wire_put_str(&w, q->devices[i]);
	wire_put_u32(&w, (uint32_t)q->text_len);
	wire_put_bytes(&w, q->text, q->text_len);
	return compilewire_seal(&w, len, &bytes, ret, ret_len);
}

int compilewire_put_reply(const struct compilewire_reply *p, uint8_t **ret, size_t *ret_len)
{
	size_t len = COMPILEWIRE_LENGTH + 4 + 1 + 2 + strlen(p->error) + 4 + p->batch_len +
		     kdump_size(&p->expected);
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct wire w;

	if (len > COMPILEWIRE_REPLY_MAX)
		return -EFBIG;
	bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	w = wire_writer(bytes, len);
	wire_put_u32(&w, 0);
	wire_put_u32(&w, (uint32_t)-p->result);
	wire_put_u8(&w, p->mode);
	wire_put_str(&w, p->error);
	wire_put_u32(&w, (uint32_t)p->batch_len);
	wire_put_bytes(&w, p->batch, p->batch_len);
	kdump_put(&w, &p->expected);
	return compilewire_seal(&w, len, &bytes, ret, ret_len);
}

/* @len bytes and a NUL. Gives *ret (free() it), or NULL without bytes. */
static int compilewire_get_blob(struct wire *w, size_t max, uint8_t **ret, size_t *ret_len)
{
	uint32_t len = wire_get_u32(w);

	if (w->failed || len > w->len - w->pos || len > max)
		return -EBADMSG;
	*ret = malloc(len + 1u);
	if (!*ret)
		return -ENOMEM;
	wire_get_bytes(w, *ret, len);
	(*ret)[len] = '\0';
	*ret_len = len;
	return 0;
}

int compilewire_get_request(const void *bytes, size_t len, struct compilewire_request *ret)
{
	struct wire w = wire_reader(bytes, len);
	uint8_t *text = NULL;
	int r;

	*ret = (struct compilewire_request){ 0 };
	ret->n_devices = wire_get_u8(&w);
	if (ret->n_devices > COMPILEWIRE_DEVICES_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < ret->n_devices; i++)
		wire_get_str(&w, ret->devices[i], sizeof(ret->devices[i]));
	r = compilewire_get_blob(&w, COMPILEWIRE_TEXT_MAX, &text, &ret->text_len);
	ret->text = (char *)text;
	return r < 0 ? r : wire_done(&w);
}

int compilewire_get_reply(const void *bytes, size_t len, struct compilewire_reply *ret)
{
	struct wire w = wire_reader(bytes, len);
	uint32_t result;
	int r;

	*ret = (struct compilewire_reply){ 0 };
	result = wire_get_u32(&w);
	ret->mode = wire_get_u8(&w);
	wire_get_str(&w, ret->error, sizeof(ret->error));
	if (w.failed || result > 4095)
		return -EBADMSG;
	ret->result = -(int)result;
	r = compilewire_get_blob(&w, BATCH_BYTES_MAX, &ret->batch, &ret->batch_len);
	if (r == 0)
		r = kdump_get(&w, &ret->expected);
	return r < 0 ? r : wire_done(&w);
}

/* Waits until @fd is ready or the deadline is over. */
static int compilewire_wait(int fd, short events, uint64_t deadline_ns)
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

static int compilewire_read_all(int fd, uint8_t *to, size_t len, uint64_t deadline_ns)
{
	for (size_t at = 0; at < len;) {
		int r = compilewire_wait(fd, POLLIN, deadline_ns);
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

int compilewire_receive(int fd, size_t max, uint64_t deadline_ns, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	uint8_t front[COMPILEWIRE_LENGTH] = { 0 };
	struct wire w = wire_reader(front, sizeof(front));
	uint32_t len;
	int r = compilewire_read_all(fd, front, sizeof(front), deadline_ns);

	if (r < 0)
		return r;
	len = wire_get_u32(&w);
	if (len > max)
		return -EBADMSG;
	bytes = malloc(len + 1u);
	if (!bytes)
		return -ENOMEM;
	r = compilewire_read_all(fd, bytes, len, deadline_ns);
	if (r < 0)
		return r;
	*ret = steal_ptr(bytes);
	*ret_len = len;
	return 0;
}

int compilewire_send(int fd, const uint8_t *bytes, size_t len, uint64_t deadline_ns)
{
	for (size_t at = 0; at < len;) {
		int r = compilewire_wait(fd, POLLOUT, deadline_ns);
		ssize_t n;

		if (r < 0)
			return r;
		n = send(fd, bytes + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

void compilewire_release_request(struct compilewire_request *q)
{
	free(q->text);
	*q = (struct compilewire_request){ 0 };
}

void compilewire_release_reply(struct compilewire_reply *p)
{
	free(p->batch);
	kdump_release(&p->expected);
	*p = (struct compilewire_reply){ 0 };
}
