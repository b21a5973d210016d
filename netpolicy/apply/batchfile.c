/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/batchfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/files.h"

#define BATCHFILE_VERSION 1
#define BATCHFILE_HEADER 32 /* bytes */

static const uint8_t batchfile_magic[8] = "PSTNBAT1";

/* Source: draft-eastlake-fnv. */
static uint64_t batchfile_sum(const uint8_t *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void batchfile_put(struct wire *w, const struct batchfile *f, uint32_t dump_len,
			  uint64_t sum)
{
	wire_put_bytes(w, batchfile_magic, sizeof(batchfile_magic));
	wire_put_u32(w, BATCHFILE_VERSION);
	wire_put_u32(w, (uint32_t)f->batch_len);
	wire_put_u32(w, dump_len);
	wire_put_u32(w, 0);
	wire_put_u64(w, sum);
	wire_put_str(w, f->about);
	wire_put_bytes(w, f->batch, f->batch_len);
	kdump_put(w, &f->expected);
}

int batchfile_encode(const struct batchfile *f, uint8_t **ret, size_t *ret_len)
{
	size_t dump_len = kdump_size(&f->expected);
	size_t len = BATCHFILE_HEADER + 2 + strlen(f->about) + f->batch_len + dump_len;
	struct wire w;
	uint8_t *bytes;
	int r;

	if (len > BATCHFILE_BYTES_MAX)
		return -EFBIG;
	bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	w = wire_writer(bytes, len);
	batchfile_put(&w, f, (uint32_t)dump_len, 0);
	/* Once more over the header, now that the sum is known. */
	r = wire_done(&w);
	w = wire_writer(bytes, len);
	batchfile_put(&w, f, (uint32_t)dump_len,
		      batchfile_sum(bytes + BATCHFILE_HEADER, len - BATCHFILE_HEADER));
	if (r < 0) {
		free(bytes);
		return -EFBIG;
	}
	*ret = bytes;
	*ret_len = len;
	return 0;
}

/* The part behind the header. */
static int batchfile_get(struct wire *w, uint32_t batch_len, uint32_t dump_len,
			 struct batchfile *ret)
{
	wire_get_str(w, ret->about, sizeof(ret->about));
	if (w->failed || batch_len > w->len - w->pos || batch_len > BATCH_BYTES_MAX)
		return -EBADMSG;
	ret->batch = malloc(batch_len + 1u);
	if (!ret->batch)
		return -ENOMEM;
	ret->batch_len = batch_len;
	wire_get_bytes(w, ret->batch, batch_len);
	if (dump_len != w->len - w->pos)
		return -EBADMSG;
	return kdump_get(w, &ret->expected);
}

int batchfile_decode(const void *bytes, size_t len, struct batchfile *ret)
{
	struct wire w = wire_reader(bytes, len);
	uint8_t magic[sizeof(batchfile_magic)];
	uint32_t version, batch_len, dump_len, reserved;
	uint64_t sum;
	int r;

	*ret = (struct batchfile){ 0 };
	wire_get_bytes(&w, magic, sizeof(magic));
	version = wire_get_u32(&w);
	batch_len = wire_get_u32(&w);
	dump_len = wire_get_u32(&w);
	reserved = wire_get_u32(&w);
	sum = wire_get_u64(&w);
	if (w.failed || memcmp(magic, batchfile_magic, sizeof(magic)) != 0 || reserved ||
	    version != BATCHFILE_VERSION || dump_len > len ||
	    sum != batchfile_sum((const uint8_t *)bytes + w.pos, len - w.pos))
		return -EBADMSG;
	r = batchfile_get(&w, batch_len, dump_len, ret);
	return r < 0 ? r : wire_done(&w);
}

int batchfile_read(const char *path, struct batchfile *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r;

	*ret = (struct batchfile){ 0 };
	r = files_read(path, BATCHFILE_BYTES_MAX, &bytes, &len);
	return r < 0 ? r : batchfile_decode(bytes, len, ret);
}

/* The old content gets a second name, so that no moment is without a good file. */
static int batchfile_keep(const char *path)
{
	char prev[FILES_PATH_MAX];

	if ((size_t)snprintf(prev, sizeof(prev), "%s.prev", path) >= sizeof(prev))
		return -ENAMETOOLONG;
	if (unlink(prev) < 0 && errno != ENOENT)
		return -errno;
	return link(path, prev) < 0 && errno != ENOENT ? -errno : 0;
}

int batchfile_write(const char *path, const struct batchfile *f)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = batchfile_encode(f, &bytes, &len);

	if (r == 0)
		r = batchfile_keep(path);
	return r < 0 ? r : files_write(path, bytes, len, 0600);
}

void batchfile_release(struct batchfile *f)
{
	free(f->batch);
	kdump_release(&f->expected);
	*f = (struct batchfile){ 0 };
}
