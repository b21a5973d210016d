/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/grantbook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clk.h"
#include "common/wire.h"

#define GRANTBOOK_HEADER 16     /* magic and sum */
#define GRANTBOOK_ENTRY_MAX 400 /* bytes of one in the encoding, more than the longest */

static const uint8_t grantbook_magic[8] = "PSTNGRT1";

/* Source: draft-eastlake-fnv. */
static uint64_t grantbook_sum(const uint8_t *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int grantbook_room(struct grantbook *b)
{
	size_t cap = b->cap ? b->cap * 2 : 4;
	struct grantbook_entry *more;

	if (b->n == GRANTBOOK_MAX)
		return -ENOSPC;
	if (b->n < b->cap)
		return 0;
	more = reallocarray(b->list, cap, sizeof(*more));
	if (!more)
		return -ENOMEM;
	b->list = more;
	b->cap = cap;
	return 0;
}

static bool grantbook_is_length(uint32_t seconds)
{
	return seconds >= 1 && seconds <= GRANTBOOK_LENGTH_MAX;
}

static void grantbook_set_end(struct grantbook_entry *e, uint32_t seconds,
			      const struct grantbook_clock *now)
{
	e->length_s = seconds;
	e->start_wall_s = now->wall_s;
	e->until_boot_ns = now->boot_ns + seconds * CLK_NS_PER_S;
	memcpy(e->boot_id, now->boot_id, sizeof(e->boot_id));
}

int grantbook_add(struct grantbook *b, const struct ctlwire_request *q,
		  const struct grantbook_clock *now, const struct grantbook_entry **ret)
{
	struct grantbook_entry *e;
	int r;

	if (!grantbook_is_length(q->seconds))
		return -EINVAL;
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->list[i].name, q->name) &&
		    !memcmp(&b->list[i].addr, &q->addr, sizeof(q->addr))) {
			*ret = &b->list[i];
			return -EEXIST;
		}
	r = grantbook_room(b);
	if (r < 0)
		return r;
	e = &b->list[b->n++];
	*e = (struct grantbook_entry){ .id = ++b->next_id, .addr = q->addr };
	snprintf(e->name, sizeof(e->name), "%s", q->name);
	snprintf(e->who, sizeof(e->who), "%s", q->who);
	snprintf(e->why, sizeof(e->why), "%s", q->why);
	grantbook_set_end(e, q->seconds, now);
	*ret = e;
	return 0;
}

static struct grantbook_entry *grantbook_get(const struct grantbook *b, uint64_t id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].id == id)
			return &b->list[i];
	return NULL;
}

int grantbook_renew(struct grantbook *b, uint64_t id, uint32_t seconds,
		    const struct grantbook_clock *now, const struct grantbook_entry **ret)
{
	struct grantbook_entry *e = grantbook_get(b, id);

	if (!grantbook_is_length(seconds))
		return -EINVAL;
	if (!e)
		return -ENOENT;
	grantbook_set_end(e, seconds, now);
	*ret = e;
	return 0;
}

void grantbook_restore(struct grantbook *b, const struct grantbook_entry *before)
{
	struct grantbook_entry *e = grantbook_get(b, before->id);

	if (e)
		*e = *before;
}

const struct grantbook_entry *grantbook_find(const struct grantbook *b, uint64_t id)
{
	return grantbook_get(b, id);
}

static void grantbook_take(struct grantbook *b, struct grantbook_entry *e,
			   struct grantbook_entry *ret)
{
	size_t i = (size_t)(e - b->list);

	*ret = *e;
	b->n--;
	memmove(e, e + 1, (b->n - i) * sizeof(*e));
}

int grantbook_end(struct grantbook *b, uint64_t id, struct grantbook_entry *ret)
{
	struct grantbook_entry *e = grantbook_get(b, id);

	if (!e)
		return -ENOENT;
	grantbook_take(b, e, ret);
	return 0;
}

bool grantbook_expire(struct grantbook *b, uint64_t now_ns, struct grantbook_entry *ret)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].until_boot_ns <= now_ns) {
			grantbook_take(b, &b->list[i], ret);
			return true;
		}
	return false;
}

uint64_t grantbook_next(const struct grantbook *b)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].until_boot_ns < next)
			next = b->list[i].until_boot_ns;
	return next;
}

uint64_t grantbook_left_ms(const struct grantbook_entry *e, uint32_t max_s, uint64_t now_ns)
{
	uint64_t left_ms = e->until_boot_ns > now_ns ? (e->until_boot_ns - now_ns) / CLK_NS_PER_MS :
						       0;
	uint64_t length_ms = e->length_s * UINT64_C(1000), over_ms;

	/* What it is longer than allowed is missing at its end. */
	over_ms = e->length_s > max_s ? (e->length_s - max_s) * UINT64_C(1000) : 0;
	left_ms = left_ms < length_ms ? left_ms : length_ms;
	return left_ms > over_ms ? left_ms - over_ms : 0;
}

/* Into the time of this boot. False: it has ended, or the clock cannot be believed. */
static bool grantbook_translate(struct grantbook_entry *e, const struct grantbook_clock *now)
{
	uint64_t until_s = e->start_wall_s + e->length_s, left_s;

	if (!memcmp(e->boot_id, now->boot_id, sizeof(e->boot_id)))
		return e->until_boot_ns > now->boot_ns &&
		       e->until_boot_ns - now->boot_ns <= e->length_s * CLK_NS_PER_S;
	if (now->wall_s < e->start_wall_s || now->wall_s >= until_s)
		return false;
	left_s = until_s - now->wall_s;
	e->until_boot_ns = now->boot_ns + left_s * CLK_NS_PER_S;
	memcpy(e->boot_id, now->boot_id, sizeof(e->boot_id));
	return true;
}

size_t grantbook_adopt(struct grantbook *b, const struct grantbook_clock *now)
{
	size_t n = 0, dropped;

	for (size_t i = 0; i < b->n; i++)
		if (grantbook_translate(&b->list[i], now))
			b->list[n++] = b->list[i];
	dropped = b->n - n;
	b->n = n;
	return dropped;
}

static void grantbook_put(struct wire *w, const struct grantbook_entry *e)
{
	wire_put_u64(w, e->id);
	wire_put_str(w, e->name);
	wire_put_bytes(w, &e->addr, sizeof(e->addr));
	wire_put_str(w, e->who);
	wire_put_str(w, e->why);
	wire_put_u32(w, e->length_s);
	wire_put_u64(w, e->start_wall_s);
	wire_put_u64(w, e->until_boot_ns);
	wire_put_bytes(w, e->boot_id, sizeof(e->boot_id));
}

static void grantbook_get_entry(struct wire *w, struct grantbook_entry *e)
{
	e->id = wire_get_u64(w);
	wire_get_str(w, e->name, sizeof(e->name));
	wire_get_bytes(w, &e->addr, sizeof(e->addr));
	wire_get_str(w, e->who, sizeof(e->who));
	wire_get_str(w, e->why, sizeof(e->why));
	e->length_s = wire_get_u32(w);
	e->start_wall_s = wire_get_u64(w);
	e->until_boot_ns = wire_get_u64(w);
	wire_get_bytes(w, e->boot_id, sizeof(e->boot_id));
	if (!grantbook_is_length(e->length_s) || e->start_wall_s > GRANTBOOK_FOREVER_S)
		wire_fail(w);
}

int grantbook_encode(const struct grantbook *b, uint8_t **ret, size_t *ret_len)
{
	size_t cap = GRANTBOOK_HEADER + 12 + b->n * GRANTBOOK_ENTRY_MAX;
	uint8_t *bytes = malloc(cap);
	struct wire w = wire_writer(bytes, cap), head = wire_writer(bytes, cap);

	if (!bytes)
		return -ENOMEM;
	w.pos = GRANTBOOK_HEADER;
	wire_put_u64(&w, b->next_id);
	wire_put_u32(&w, (uint32_t)b->n);
	for (size_t i = 0; i < b->n; i++)
		grantbook_put(&w, &b->list[i]);
	wire_put_bytes(&head, grantbook_magic, sizeof(grantbook_magic));
	wire_put_u64(&head, grantbook_sum(bytes + GRANTBOOK_HEADER, w.pos - GRANTBOOK_HEADER));
	*ret = bytes;
	*ret_len = w.pos;
	return 0;
}

/* Ids rise, so that no two are the same and none comes again. */
static int grantbook_get_list(struct wire *w, struct grantbook *ret)
{
	uint32_t n = wire_get_u32(w);
	uint64_t last = 0;
	int r = n > GRANTBOOK_MAX ? -EBADMSG : 0;

	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct grantbook_entry e = { 0 };

		grantbook_get_entry(w, &e);
		if (w->failed || e.id <= last || e.id > ret->next_id)
			return -EBADMSG;
		last = e.id;
		r = grantbook_room(ret);
		if (r == 0)
			ret->list[ret->n++] = e;
	}
	return r;
}

int grantbook_decode(const void *bytes, size_t len, struct grantbook *ret)
{
	struct wire w = wire_reader(bytes, len);
	uint8_t magic[sizeof(grantbook_magic)];
	uint64_t sum;
	int r;

	wire_get_bytes(&w, magic, sizeof(magic));
	sum = wire_get_u64(&w);
	if (w.failed || memcmp(magic, grantbook_magic, sizeof(magic)) != 0 ||
	    sum != grantbook_sum((const uint8_t *)bytes + w.pos, len - w.pos))
		return -EBADMSG;
	ret->next_id = wire_get_u64(&w);
	r = grantbook_get_list(&w, ret);
	return r < 0 ? r : wire_done(&w);
}

void grantbook_release(struct grantbook *b)
{
	free(b->list);
	*b = (struct grantbook){ 0 };
}
