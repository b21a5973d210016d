/* SPDX-License-Identifier: MIT */
#include "netpolicy/apply/batchfile.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"

#define BATCHFILE_VERSION 2
#define BATCHFILE_HEADER 48 /* bytes */
#define BATCHFILE_SUMMED 32 /* bytes of the header that the first sum covers */

static const uint8_t batchfile_magic[8] = "PSTNBAT1";

struct batchfile_header {
	uint32_t version, front_len, batch_len, grants_len, dump_len, page_len;
	uint64_t front_sum, rest_sum;
};

/* FNV-1a over words of 8 bytes, the last one padded with zeros: eight times as fast as over bytes,
 * and damage inside one word is still always seen. Source: draft-eastlake-fnv. */
static uint64_t batchfile_sum(uint64_t h, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, p + i, len - i < 8 ? len - i : 8);
		h = (h ^ le64toh(word)) * UINT64_C(0x100000001b3);
		h ^= h >> 32;
	}
	return h;
}

#define BATCHFILE_BASIS UINT64_C(0xcbf29ce484222325)

static uint64_t batchfile_front_sum(const uint8_t *bytes, size_t front_len)
{
	uint64_t h = batchfile_sum(BATCHFILE_BASIS, bytes, BATCHFILE_SUMMED);

	return batchfile_sum(h, bytes + BATCHFILE_HEADER, front_len);
}

static size_t batchfile_grants_size(const struct batchfile *f)
{
	size_t size = 4;

	for (size_t i = 0; i < f->n_grants; i++)
		size += 2 + strlen(f->grants[i].name) + 4 + 4 + f->grants[i].n_nets * 17;
	return size;
}

static bool batchfile_grant_is_good(const struct batchfile_grant *g)
{
	size_t len = strspn(g->name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	if (len == 0 || g->name[len] || g->max_s == 0 || g->max_s > BATCHFILE_GRANT_S_MAX ||
	    g->n_nets > BATCHFILE_NETS_MAX)
		return false;
	for (size_t i = 0; i < g->n_nets; i++)
		if (g->nets[i].len > 128)
			return false;
	return true;
}

static void batchfile_put_grants(struct wire *w, const struct batchfile *f)
{
	wire_put_u32(w, (uint32_t)f->n_grants);
	for (size_t i = 0; i < f->n_grants; i++) {
		const struct batchfile_grant *g = &f->grants[i];

		wire_put_str(w, g->name);
		wire_put_u32(w, g->max_s);
		wire_put_u32(w, (uint32_t)g->n_nets);
		for (size_t j = 0; j < g->n_nets; j++) {
			wire_put_bytes(w, &g->nets[j].addr, sizeof(g->nets[j].addr));
			wire_put_u8(w, g->nets[j].len);
		}
	}
}

static void batchfile_put_header(struct wire *w, const struct batchfile_header *h)
{
	wire_put_bytes(w, batchfile_magic, sizeof(batchfile_magic));
	wire_put_u32(w, h->version);
	wire_put_u32(w, h->front_len);
	wire_put_u32(w, h->batch_len);
	wire_put_u32(w, h->grants_len);
	wire_put_u32(w, h->dump_len);
	wire_put_u32(w, h->page_len);
	wire_put_u64(w, h->front_sum);
	wire_put_u64(w, h->rest_sum);
}

/* The lengths, each within its limit. */
static int batchfile_measure(const struct batchfile *f, struct batchfile_header *ret)
{
	size_t grants = batchfile_grants_size(f), dump = kdump_size(&f->expected);

	if (f->batch_len > BATCH_BYTES_MAX || dump > KDUMP_BYTES_MAX ||
	    f->page_len > BATCHFILE_PAGE_MAX || grants > BATCHFILE_GRANTS_BYTES)
		return -EFBIG;
	if (f->n_grants > BATCHFILE_GRANTS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < f->n_grants; i++)
		if (!batchfile_grant_is_good(&f->grants[i]))
			return -EINVAL;
	*ret = (struct batchfile_header){
		.version = BATCHFILE_VERSION,
		.front_len =
			(uint32_t)(2 + strlen(f->about) + 2 + strlen(f->digest) + f->batch_len),
		.batch_len = (uint32_t)f->batch_len,
		.grants_len = (uint32_t)grants,
		.dump_len = (uint32_t)dump,
		.page_len = (uint32_t)f->page_len,
	};
	return 0;
}

/* Everything into @bytes; the sums, which need all the rest, at the end. */
static int batchfile_fill(const struct batchfile *f, struct batchfile_header *h, uint8_t *bytes,
			  size_t len)
{
	struct wire w = wire_writer(bytes, len);
	size_t rest = BATCHFILE_HEADER + h->front_len;

	batchfile_put_header(&w, h);
	wire_put_str(&w, f->about);
	wire_put_str(&w, f->digest);
	wire_put_bytes(&w, f->batch, f->batch_len);
	batchfile_put_grants(&w, f);
	kdump_put(&w, &f->expected);
	wire_put_bytes(&w, f->page, f->page_len);
	if (wire_done(&w) < 0 || w.pos != len)
		return -EFBIG;
	h->front_sum = batchfile_front_sum(bytes, h->front_len);
	h->rest_sum = batchfile_sum(BATCHFILE_BASIS, bytes + rest, len - rest);
	w = wire_writer(bytes, len);
	batchfile_put_header(&w, h);
	return wire_done(&w);
}

int batchfile_encode(const struct batchfile *f, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct batchfile_header h;
	size_t len;
	int r = batchfile_measure(f, &h);

	if (r < 0)
		return r;
	len = (size_t)BATCHFILE_HEADER + h.front_len + h.grants_len + h.dump_len + h.page_len;
	bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	r = batchfile_fill(f, &h, bytes, len);
	if (r < 0)
		return r;
	*ret = steal_ptr(bytes);
	*ret_len = len;
	return 0;
}

/* The header; nothing of it is believed before its sum has been checked. */
static int batchfile_get_header(const void *bytes, size_t len, struct batchfile_header *ret)
{
	struct wire w = wire_reader(bytes, len);
	uint8_t magic[sizeof(batchfile_magic)];

	wire_get_bytes(&w, magic, sizeof(magic));
	ret->version = wire_get_u32(&w);
	ret->front_len = wire_get_u32(&w);
	ret->batch_len = wire_get_u32(&w);
	ret->grants_len = wire_get_u32(&w);
	ret->dump_len = wire_get_u32(&w);
	ret->page_len = wire_get_u32(&w);
	ret->front_sum = wire_get_u64(&w);
	ret->rest_sum = wire_get_u64(&w);
	/* Another version may have another header: its number is all that can be read. */
	if (len < sizeof(magic) + 4 || memcmp(magic, batchfile_magic, sizeof(magic)) != 0)
		return -EBADMSG;
	w = wire_reader((const uint8_t *)bytes + sizeof(magic), 4);
	if (wire_get_u32(&w) != BATCHFILE_VERSION)
		return -EPROTO;
	return len < BATCHFILE_HEADER || ret->batch_len > BATCH_BYTES_MAX ||
			       ret->dump_len > KDUMP_BYTES_MAX ||
			       ret->page_len > BATCHFILE_PAGE_MAX ||
			       ret->grants_len > BATCHFILE_GRANTS_BYTES ||
			       ret->front_len < ret->batch_len ||
			       ret->front_len - ret->batch_len > BATCHFILE_ABOUT_MAX + 72 ?
		       -EBADMSG :
		       0;
}

/* Header and front: @bytes holds at least both. */
static int batchfile_get_front(const uint8_t *bytes, const struct batchfile_header *h,
			       struct batchfile *ret)
{
	struct wire w = wire_reader(bytes + BATCHFILE_HEADER, h->front_len);
	int r;

	if (h->front_sum != batchfile_front_sum(bytes, h->front_len))
		return -EBADMSG;
	wire_get_str(&w, ret->about, sizeof(ret->about));
	wire_get_str(&w, ret->digest, sizeof(ret->digest));
	if (w.failed || h->batch_len != w.len - w.pos)
		return -EBADMSG;
	r = wire_get_blob(&w, h->batch_len, &ret->batch);
	ret->batch_len = r < 0 ? 0 : h->batch_len;
	return r;
}

static int batchfile_get_grant(struct wire *w, struct batchfile_grant *ret)
{
	wire_get_str(w, ret->name, sizeof(ret->name));
	ret->max_s = wire_get_u32(w);
	ret->n_nets = wire_get_u32(w);
	if (w->failed || ret->n_nets > BATCHFILE_NETS_MAX || ret->n_nets > (w->len - w->pos) / 17) {
		ret->n_nets = 0;
		return -EBADMSG;
	}
	ret->nets = calloc(ret->n_nets + 1, sizeof(ret->nets[0]));
	if (!ret->nets)
		return -ENOMEM;
	for (size_t i = 0; i < ret->n_nets; i++) {
		wire_get_bytes(w, &ret->nets[i].addr, sizeof(ret->nets[i].addr));
		ret->nets[i].len = wire_get_u8(w);
	}
	return w->failed || !batchfile_grant_is_good(ret) ? -EBADMSG : 0;
}

static int batchfile_get_grants(struct wire *w, struct batchfile *ret)
{
	uint32_t n = wire_get_u32(w);
	int r = 0;

	if (w->failed || n > BATCHFILE_GRANTS_MAX)
		return -EBADMSG;
	ret->grants = calloc(n + 1u, sizeof(ret->grants[0]));
	if (!ret->grants)
		return -ENOMEM;
	while (ret->n_grants < n && r == 0)
		r = batchfile_get_grant(w, &ret->grants[ret->n_grants++]);
	return r < 0 ? r : wire_done(w);
}

static int batchfile_get_rest(const uint8_t *bytes, const struct batchfile_header *h,
			      struct batchfile *ret)
{
	struct wire grants = wire_reader(bytes, h->grants_len);
	struct wire dump = wire_reader(bytes + h->grants_len, h->dump_len);
	struct wire page = wire_reader(bytes + h->grants_len + h->dump_len, h->page_len);
	uint8_t *text = NULL;
	int r = batchfile_get_grants(&grants, ret);

	if (r == 0)
		r = kdump_get(&dump, &ret->expected);
	if (r == 0)
		r = wire_done(&dump);
	if (r == 0 && h->page_len)
		r = wire_get_blob(&page, h->page_len, &text);
	ret->page = (char *)text;
	ret->page_len = text ? h->page_len : 0;
	return r;
}

int batchfile_decode(const void *bytes, size_t len, struct batchfile *ret)
{
	struct batchfile_header h;
	size_t rest;
	int r = batchfile_get_header(bytes, len, &h);

	*ret = (struct batchfile){ 0 };
	if (r < 0)
		return r;
	rest = (size_t)BATCHFILE_HEADER + h.front_len;
	if (len != rest + h.grants_len + h.dump_len + h.page_len)
		return -EBADMSG;
	r = batchfile_get_front(bytes, &h, ret);
	if (r < 0)
		return r;
	if (h.rest_sum != batchfile_sum(BATCHFILE_BASIS, (const uint8_t *)bytes + rest, len - rest))
		return -EBADMSG;
	return batchfile_get_rest((const uint8_t *)bytes + rest, &h, ret);
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

/* The first @len bytes of the file; fewer are damage. */
static int batchfile_load(int fd, uint8_t *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(fd, to + at, len - at, (off_t)at));

		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		at += (size_t)n;
	}
	return 0;
}

/* Reads as far as the front goes. Gives the header checked against the size of the file. */
static int batchfile_load_front(int fd, uint8_t **ret, struct batchfile_header *h)
{
	uint8_t first[BATCHFILE_HEADER];
	struct stat st;
	size_t want = sizeof(first);
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	want = (size_t)st.st_size < want ? (size_t)st.st_size : want;
	r = batchfile_load(fd, first, want);
	if (r == 0)
		r = batchfile_get_header(first, want, h);
	if (r < 0)
		return r;
	want = (size_t)BATCHFILE_HEADER + h->front_len;
	if ((size_t)st.st_size != want + h->grants_len + h->dump_len + h->page_len)
		return -EBADMSG;
	*ret = malloc(want);
	return *ret ? batchfile_load(fd, *ret, want) : -ENOMEM;
}

int batchfile_read_front(const char *path, struct batchfile *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	/* Not to be held up by whatever lies there instead of a file. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct batchfile_header h;
	int r;

	*ret = (struct batchfile){ 0 };
	if (fd < 0)
		return -errno;
	r = batchfile_load_front(fd, &bytes, &h);
	return r < 0 ? r : batchfile_get_front(bytes, &h, ret);
}

static int batchfile_prev(const char *path, char ret[static FILES_PATH_MAX])
{
	if ((size_t)snprintf(ret, FILES_PATH_MAX, "%s.prev", path) >= FILES_PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* The old content gets a second name, so that no moment is without a good file. */
static int batchfile_keep(const char *path)
{
	char prev[FILES_PATH_MAX];
	int r = batchfile_prev(path, prev);

	if (r < 0)
		return r;
	if (unlink(prev) < 0 && errno != ENOENT)
		return -errno;
	return link(path, prev) < 0 && errno != ENOENT ? -errno : 0;
}

/* Saved twice, the same must not push out what was before it. */
static bool batchfile_holds(const char *path, const uint8_t *bytes, size_t len)
{
	_cleanup_(files_freep) uint8_t *old = NULL;
	size_t old_len;

	return files_read(path, BATCHFILE_BYTES_MAX, &old, &old_len) == 0 && old_len == len &&
	       memcmp(old, bytes, len) == 0;
}

int batchfile_write(const char *path, const struct batchfile *f)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = batchfile_encode(f, &bytes, &len);

	if (r == 0 && !batchfile_holds(path, bytes, len))
		r = batchfile_keep(path);
	return r < 0 ? r : files_write(path, bytes, len, 0600);
}

int batchfile_rollback(const char *path)
{
	char prev[FILES_PATH_MAX];
	_cleanup_(closep) int dir = -1;
	int r = batchfile_prev(path, prev);

	if (r < 0)
		return r;
	if (renameat2(AT_FDCWD, prev, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
		return -errno;
	/* Durable, as files_write() leaves it. */
	dir = open(dirname(prev), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

const char *batchfile_strerror(int error)
{
	if (error == -EPROTO)
		return "written by another version of this program";
	return error == -EBADMSG ? "damaged" : strerror(-error);
}

void batchfile_release(struct batchfile *f)
{
	for (size_t i = 0; i < f->n_grants; i++)
		free(f->grants[i].nets);
	free(f->grants);
	free(f->page);
	free(f->batch);
	kdump_release(&f->expected);
	*f = (struct batchfile){ 0 };
}
