/* SPDX-License-Identifier: MIT */
#include "tunneld/gateway/denyfeed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "certs/principal.h"
#include "common/wire.h"

#define DENYFEED_ENTRY_FIXED 3 /* bytes beside the value: kind, length */

/* Rows in the order of enum denyfeed_type. */
static const struct chan_op denyfeed_table[] = {
	{ DENYFEED_HEAD, "head", 8, 8, false },
	{ DENYFEED_PART, "part", DENYFEED_ENTRY_FIXED + 1, CHAN_BODY_MAX, false },
};

const struct chan_op *denyfeed_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(denyfeed_table);
	return denyfeed_table;
}

static struct wire denyfeed_start(enum denyfeed_type type, struct chan_msg *ret)
{
	chan_msg_init(ret, &denyfeed_table[type - 1], 0);
	return wire_writer(ret->body, sizeof(ret->body));
}

void denyfeed_encode_head(const struct denylist *d, struct chan_msg *ret)
{
	struct wire w = denyfeed_start(DENYFEED_HEAD, ret);

	wire_put_u32(&w, (uint32_t)denylist_size(d));
	wire_put_u32(&w, (uint32_t)denylist_bytes(d));
	ret->len = w.pos;
}

/* Errors: 0; -EBADMSG; -ENOMEM. */
static int denyfeed_decode_head(struct denyfeed *f, const struct chan_msg *msg)
{
	struct wire w = wire_reader(msg->body, msg->len);
	uint32_t n = wire_get_u32(&w), bytes = wire_get_u32(&w);
	int r;

	if (f->list || wire_done(&w) < 0)
		return -EBADMSG;
	r = denylist_new(n, bytes, &f->list);
	f->n_wanted = n;
	return r == -E2BIG ? -EBADMSG : r;
}

void denyfeed_encode_part(const struct denylist *d, size_t *at, struct chan_msg *ret)
{
	struct wire w = denyfeed_start(DENYFEED_PART, ret);

	for (; *at < denylist_size(d); (*at)++) {
		const struct denylist_entry *entry = denylist_at(d, *at);

		if (w.pos + DENYFEED_ENTRY_FIXED + strlen(entry->value) > w.len)
			break;
		wire_put_u8(&w, (uint8_t)entry->kind);
		wire_put_str(&w, entry->value);
	}
	ret->len = w.pos;
}

static int denyfeed_decode_part(struct denyfeed *f, const struct chan_msg *msg)
{
	struct wire w = wire_reader(msg->body, msg->len);

	while (w.pos < w.len && !w.failed) {
		enum denylist_kind kind = (enum denylist_kind)wire_get_u8(&w);
		char value[PRINCIPAL_MAX]; /* the longest of the kinds */

		wire_get_str(&w, value, sizeof(value));
		if (!f->list || denylist_add(f->list, kind, value) < 0)
			wire_fail(&w);
	}
	return wire_done(&w);
}

int denyfeed_decode(struct denyfeed *f, const struct chan_msg *msg)
{
	return msg->op->type == DENYFEED_HEAD ? denyfeed_decode_head(f, msg) :
						denyfeed_decode_part(f, msg);
}

bool denyfeed_is_whole(const struct denyfeed *f)
{
	return f->list && denylist_size(f->list) == f->n_wanted;
}

void denyfeed_reset(struct denyfeed *f)
{
	denylist_free(f->list);
	*f = (struct denyfeed){ 0 };
}

/* Errors: as chan_send(), but for -EAGAIN. */
static int denyfeed_send_one(int fd, const struct chan_msg *msg)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int r;

	while ((r = chan_send(fd, msg)) == -EAGAIN)
		(void)poll(&p, 1, -1);
	return r;
}

int denyfeed_send(int fd, const struct denylist *d)
{
	struct chan_msg msg;
	size_t at = 0;
	int r;

	denyfeed_encode_head(d, &msg);
	r = denyfeed_send_one(fd, &msg);
	while (r == 0 && at < denylist_size(d)) {
		denyfeed_encode_part(d, &at, &msg);
		r = denyfeed_send_one(fd, &msg);
	}
	return r;
}
