/* SPDX-License-Identifier: MIT */
#include "tunneld/host/leasefile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/wire.h"
#include "tunneld/proto/offerwire.h"

static const char leasefile_magic[8] = "PSTNLSE1";

int leasefile_write(const char *path, const struct leasefile *f)
{
	_cleanup_(files_freep) uint8_t *bytes = malloc(LEASEFILE_BYTES_MAX);
	struct wire w;

	if (f->n_entries > STATUS_SERVERS_MAX)
		return -EFBIG;
	if (!bytes)
		return -ENOMEM;
	w = wire_writer(bytes, LEASEFILE_BYTES_MAX);
	wire_put_bytes(&w, leasefile_magic, sizeof(leasefile_magic));
	wire_put_str(&w, f->boot_id);
	wire_put_u8(&w, (uint8_t)f->n_entries);
	for (size_t i = 0; i < f->n_entries; i++) {
		const struct session_lease *lease = &f->entries[i].lease;

		wire_put_str(&w, f->entries[i].name);
		wire_put_u64(&w, lease->granted_ns);
		wire_put_u64(&w, lease->renew_ns);
		wire_put_u64(&w, lease->expires_ns);
		wire_put_u64(&w, lease->granted_wall);
		offerwire_put(&w, &lease->offer);
	}
	if (wire_done(&w) < 0)
		return -EFBIG;
	return files_write(path, bytes, w.pos, 0600);
}

static void leasefile_get_entry(struct wire *w, struct leasefile_entry *ret)
{
	struct session_lease *lease = &ret->lease;

	wire_get_ascii(w, ret->name, sizeof(ret->name));
	lease->granted_ns = wire_get_u64(w);
	lease->renew_ns = wire_get_u64(w);
	lease->expires_ns = wire_get_u64(w);
	lease->granted_wall = wire_get_u64(w);
	offerwire_get(w, &lease->offer);
	lease->held = true;
	if (lease->granted_ns > lease->renew_ns || lease->renew_ns > lease->expires_ns)
		wire_fail(w);
}

static int leasefile_get(struct wire *w, struct leasefile *ret)
{
	char magic[sizeof(leasefile_magic)];

	wire_get_bytes(w, magic, sizeof(magic));
	wire_get_str(w, ret->boot_id, sizeof(ret->boot_id));
	ret->n_entries = wire_get_u8(w);
	if (memcmp(magic, leasefile_magic, sizeof(magic)) || ret->n_entries > STATUS_SERVERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < ret->n_entries; i++)
		leasefile_get_entry(w, &ret->entries[i]);
	return wire_done(w);
}

int leasefile_parse(const void *bytes, size_t len, struct leasefile *ret)
{
	struct wire w = wire_reader(bytes, len);
	int r;

	*ret = (struct leasefile){ 0 };
	r = leasefile_get(&w, ret);
	if (r < 0)
		*ret = (struct leasefile){ 0 }; /* no half of a file is adopted */
	return r;
}

int leasefile_read(const char *path, struct leasefile *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r;

	r = files_read(path, LEASEFILE_BYTES_MAX, &bytes, &len);
	return r < 0 ? r : leasefile_parse(bytes, len, ret);
}
