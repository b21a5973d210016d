/* SPDX-License-Identifier: MIT */
#include "netpolicy/compile/compilewire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

int compilewire_put_request(const struct compilewire_request *q, struct parcel *ret)
{
	size_t len = 1 + 4 + q->text_len;
	struct wire w;
	int r;

	for (size_t i = 0; i < q->n_devices; i++)
		len += 2 + strlen(q->devices[i]);
	r = parcel_begin(len, COMPILEWIRE_REQUEST_MAX, &w);
	if (r < 0)
		return r;
	wire_put_u8(&w, q->n_devices);
	for (size_t i = 0; i < q->n_devices; i++)
		wire_put_str(&w, q->devices[i]);
	wire_put_u32(&w, (uint32_t)q->text_len);
	wire_put_bytes(&w, q->text, q->text_len);
	return parcel_seal(&w, ret);
}

int compilewire_put_reply(const struct compilewire_reply *p, struct parcel *ret)
{
	size_t len = 4 + 1 + 2 + strlen(p->error) + 4 + p->batch_len + kdump_size(&p->expected);
	struct wire w;
	int r = parcel_begin(len, COMPILEWIRE_REPLY_MAX, &w);

	if (r < 0)
		return r;
	wire_put_u32(&w, (uint32_t)-p->result);
	wire_put_u8(&w, p->mode);
	wire_put_str(&w, p->error);
	wire_put_u32(&w, (uint32_t)p->batch_len);
	wire_put_bytes(&w, p->batch, p->batch_len);
	kdump_put(&w, &p->expected);
	return parcel_seal(&w, ret);
}

/* A length up to @max, and so many bytes. Errors: as wire_get_blob(). */
static int compilewire_get_blob(struct wire *w, size_t max, uint8_t **ret, size_t *ret_len)
{
	uint32_t len = wire_get_u32(w);
	int r = len > max ? -EBADMSG : wire_get_blob(w, len, ret);

	if (r == 0)
		*ret_len = len;
	return r;
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
