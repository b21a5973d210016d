/* SPDX-License-Identifier: MIT */
#include "certs/certd/certstate.h"

#include <errno.h>
#include <string.h>

#include "common/files.h"
#include "common/wire.h"

static const char certstate_magic[8] = "PSTNCRT1";

int certstate_encode(const struct certstate *s, uint8_t ret[static CERTSTATE_BYTES_MAX],
		     size_t *ret_len)
{
	struct wire w = wire_writer(ret, CERTSTATE_BYTES_MAX);

	wire_put_bytes(&w, certstate_magic, sizeof(certstate_magic));
	wire_put_str(&w, s->boot_id);
	wire_put_u64(&w, s->conf);
	wire_put_str(&w, s->self.principal);
	wire_put_str(&w, s->self.provider);
	wire_put_str(&w, s->self.instance_id);
	wire_put_str(&w, s->self.region);
	wire_put_str(&w, s->self.account);
	wire_put_str(&w, s->serial);
	wire_put_u64(&w, s->since_wall);
	wire_put_u64(&w, s->asked_wall);
	wire_put_u64(&w, s->hold_wall);
	wire_put_u64(&w, s->healed_wall);
	wire_put_u64(&w, s->done_wall);
	wire_put_u64(&w, s->last_wall);
	wire_put_u8(&w, (uint8_t)s->last_step);
	wire_put_u16(&w, (uint16_t)s->last_code);
	wire_put_str(&w, s->last_detail);
	if (wire_done(&w) < 0)
		return -EFBIG;
	*ret_len = w.pos;
	return 0;
}

/* A text that is printed later: the file may have been damaged or made by somebody. */
static void certstate_get_text(struct wire *w, char *ret, size_t cap)
{
	wire_get_str(w, ret, cap);
	for (const char *p = ret; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			wire_fail(w);
}

int certstate_decode(const void *bytes, size_t len, struct certstate *ret)
{
	struct wire w = wire_reader(bytes, len);
	struct certstate s = { 0 };
	char magic[sizeof(certstate_magic)];

	wire_get_bytes(&w, magic, sizeof(magic));
	certstate_get_text(&w, s.boot_id, sizeof(s.boot_id));
	s.conf = wire_get_u64(&w);
	certstate_get_text(&w, s.self.principal, sizeof(s.self.principal));
	certstate_get_text(&w, s.self.provider, sizeof(s.self.provider));
	certstate_get_text(&w, s.self.instance_id, sizeof(s.self.instance_id));
	certstate_get_text(&w, s.self.region, sizeof(s.self.region));
	certstate_get_text(&w, s.self.account, sizeof(s.self.account));
	certstate_get_text(&w, s.serial, sizeof(s.serial));
	s.since_wall = wire_get_u64(&w);
	s.asked_wall = wire_get_u64(&w);
	s.hold_wall = wire_get_u64(&w);
	s.healed_wall = wire_get_u64(&w);
	s.done_wall = wire_get_u64(&w);
	s.last_wall = wire_get_u64(&w);
	s.last_step = (enum schedule_step)wire_get_u8(&w);
	s.last_code = (enum pst)wire_get_u16(&w);
	certstate_get_text(&w, s.last_detail, sizeof(s.last_detail));
	if (wire_done(&w) < 0 || s.last_step >= SCHEDULE_STEP_N ||
	    memcmp(magic, certstate_magic, sizeof(magic)) != 0)
		return -EBADMSG;
	*ret = s;
	return 0;
}

int certstate_write(const char *path, const struct certstate *s)
{
	uint8_t bytes[CERTSTATE_BYTES_MAX];
	size_t len;
	int r = certstate_encode(s, bytes, &len);

	return r < 0 ? r : files_write(path, bytes, len, 0600);
}

int certstate_read(const char *path, struct certstate *ret)
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	size_t len;
	int r = files_read(path, CERTSTATE_BYTES_MAX, &bytes, &len);

	return r < 0 ? r : certstate_decode(bytes, len, ret);
}
